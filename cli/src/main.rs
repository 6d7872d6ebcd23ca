//! `obkmq`: flash, provision and load-test an MQTT broker that lives on a two-dollar Wi-Fi chip.
//!
//! This file parses the command line, runs one verb and turns its result into an exit code. Verbs live in
//! [`cmd`], one file each; everything a user can get wrong is a [`failure::Failure`].
#![forbid(unsafe_code)]

mod bench;
mod cmd;
mod context;
mod doctor;
mod environment;
mod failure;
mod flash;
mod interrupt;
mod mosquitto;
mod profile;
mod prompt;
mod quiet;
mod reference;
mod retained;
mod secret;
mod secret_file;
mod serial;
mod target;

use std::process::ExitCode;

use clap::Parser;

use crate::context::{Context, GlobalOptions};
use crate::failure::{Exit, Failure};

/// Flash, provision and load-test an MQTT broker on a Wi-Fi chip.
#[derive(Parser)]
#[command(name = "obkmq", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    verb: cmd::Verb,
}

const EXAMPLES: &str = "\
A new board, from the box to its first figures:
  obkmq flash --port /dev/ttyUSB0
  obkmq config set-user house --port /dev/ttyUSB0
  obkmq bench -H 192.168.1.30 --clients 20 --rate 50

No board at hand:
  obkmq run        a broker on this computer
  obkmq sim        a board made of software";

fn main() -> ExitCode {
    let CommandLine { global, verb } = CommandLine::try_parse().unwrap_or_else(|error| {
        // clap knows its output better than `Context`, but not that a script waits for JSON.
        if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
            Context::new(&GlobalOptions::json()).print_json(&usage_failure(&error));
        }
        error.exit()
    });
    let context = Context::new(&global);
    // A verb that changes something says so when it does. The broker catches its signals itself, and without the thread
    // that this costs.
    if !(cfg!(unix) && matches!(verb, cmd::Verb::Run(_))) {
        interrupt::arm("Nothing was changed.", "run the same command again when you are ready");
    }
    match verb.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => context.report(&error),
    }
}

/// What clap says about a command line: its first line is what is wrong.
fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let what = text.lines().next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    Failure::new(Exit::Usage, what, "the command line cannot be read", "see the same command with --help")
}
