//! `obkmq import`: from another broker to this one.

mod mosquitto;

use clap::{Args, Subcommand};

use crate::context::Context;

/// Move in from another broker
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq import mosquitto /etc/mosquitto/mosquitto.conf -o house.toml")]
pub(crate) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    Mosquitto(mosquitto::Mosquitto),
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.from {
            From::Mosquitto(verb) => verb.run(context),
        }
    }
}
