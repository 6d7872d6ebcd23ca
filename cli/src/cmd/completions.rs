//! `obkmq completions`: a completion script for the user's shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;

use crate::CommandLine;
use crate::context::Context;

/// Print a completion script for a shell
#[derive(Args)]
#[command(
    after_help = "Example:\n  obkmq completions bash > ~/.local/share/bash-completion/completions/obkmq"
)]
pub(crate) struct Completions {
    /// The shell that will read it
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line {
            shell: String,
            script: String,
        }
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut CommandLine::command(), "obkmq", &mut script);
        let script = String::from_utf8(script)?;
        if context.json {
            return context.out_json("completions", Line { shell: self.shell.to_string(), script });
        }
        context.out(script.trim_end())
    }
}
