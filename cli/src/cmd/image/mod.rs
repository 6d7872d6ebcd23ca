//! `obkmq image`: firmware images as files.

mod info;

use clap::{Args, Subcommand};

use crate::context::Context;

/// Look into firmware images
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq image info obkmq-esp32c3.bin")]
pub(crate) struct Image {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Info(info::Info),
}

impl Image {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.verb {
            Verb::Info(verb) => verb.run(context),
        }
    }
}
