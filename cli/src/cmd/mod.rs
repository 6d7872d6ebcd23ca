//! The verbs, one file each: a clap `Args` struct and `run(self, &Context) -> anyhow::Result<()>`.
//!
//! A verb reads its arguments, calls the code that does the work and prints the result; nothing else.

mod backup;
mod bench;
mod completions;
mod config;
mod connect_notes;
mod devices;
mod doctor;
mod erase;
mod flash;
mod image;
mod import;
mod info;
mod man;
mod monitor;
mod ports;
mod restore;
mod run;
mod script;
mod sim;
mod verify;

use clap::Subcommand;

pub(crate) use bench::{Login, explain_trouble};
pub(crate) use run::explain as explain_setup;

use crate::context::Context;

/// What the first word of the command line can be.
#[derive(Subcommand)]
pub(crate) enum Verb {
    Flash(flash::Flash),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Verify(verify::Verify),
    Erase(erase::Erase),
    Config(config::Config),
    #[command(after_help = "\
Examples:
  obkmq bench -H 192.168.1.30 --user house
  obkmq bench --clients 20 --rate 50 --max-loss 0 --max-p99 50")]
    Bench(bench::Bench),
    Monitor(monitor::Monitor),
    Run(run::Run),
    Script(script::Script),
    Image(image::Image),
    Sim(sim::Sim),
    Ports(ports::Ports),
    Info(info::Info),
    Devices(devices::Devices),
    Doctor(doctor::Doctor),
    Import(import::Import),
    Completions(completions::Completions),
    #[command(hide = true)]
    Man(man::Man),
}

impl Verb {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Flash(verb) => verb.run(context),
            Self::Backup(verb) => verb.run(context),
            Self::Restore(verb) => verb.run(context),
            Self::Verify(verb) => verb.run(context),
            Self::Erase(verb) => verb.run(context),
            Self::Config(verb) => verb.run(context),
            Self::Bench(verb) => verb.run(context),
            Self::Monitor(verb) => verb.run(context),
            Self::Run(verb) => verb.run(context),
            Self::Script(verb) => verb.run(context),
            Self::Image(verb) => verb.run(context),
            Self::Sim(verb) => verb.run(context),
            Self::Ports(verb) => verb.run(context),
            Self::Info(verb) => verb.run(context),
            Self::Devices(verb) => verb.run(context),
            Self::Doctor(verb) => verb.run(context),
            Self::Import(verb) => verb.run(context),
            Self::Completions(verb) => verb.run(context),
            Self::Man(verb) => verb.run(context),
        }
    }
}
