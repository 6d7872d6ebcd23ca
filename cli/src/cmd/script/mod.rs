//! `obkmq script`: Berry scripts on this machine, and the files of a device.

mod check;
#[cfg(test)]
mod fault_tests;
mod files;
mod get;
mod host;
mod import;
mod live;
mod ls;
mod put;
mod rm;
mod run;

use clap::{Args, Subcommand};

use crate::context::Context;

/// Run and check Berry scripts, and copy them to and from a device
#[derive(Args)]
#[command(after_help = "Examples:\n  obkmq script check autoexec.be\n  obkmq script put autoexec.be")]
pub(crate) struct Script {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    Put(put::Put),
    Get(get::Get),
    Ls(ls::Ls),
    Rm(rm::Rm),
    Import(import::Import),
}

impl Script {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.verb {
            Verb::Run(verb) => verb.run(context),
            Verb::Check(verb) => verb.run(context),
            Verb::Put(verb) => verb.run(context),
            Verb::Get(verb) => verb.run(context),
            Verb::Ls(verb) => verb.run(context),
            Verb::Rm(verb) => verb.run(context),
            Verb::Import(verb) => verb.run(context),
        }
    }
}
