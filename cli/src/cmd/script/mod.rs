//! `obkmq script`: Berry scripts on this machine.

mod check;
mod host;
mod run;

use clap::{Args, Subcommand};

use crate::context::Context;

/// Run and check Berry scripts on this machine
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq script check autoexec.be")]
pub(crate) struct Script {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
}

impl Script {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.verb {
            Verb::Run(verb) => verb.run(context),
            Verb::Check(verb) => verb.run(context),
        }
    }
}
