//! `obkmq script check`: whether scripts compile, without running them.

use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_berry::{Error, Limits, Narrow, Vm};

use super::host::{self, Terminal};
use crate::context::{Context, Differs, RED, YELLOW};

/// Check whether scripts compile, without running them
#[derive(Args)]
#[command(after_help = "\
The exit code is 1 if a script does not compile.

Example:
  obkmq script check autoexec.be")]
pub(crate) struct Check {
    /// The scripts
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut wrong = false;
        for file in &self.files {
            let source = host::read(file)?;
            let terminal = Terminal::new(context, file);
            let name = file.to_string_lossy();
            let mut vm = Vm::<Narrow>::new(Limits::PC, 1);
            match vm.check(&terminal, &name, &source) {
                Ok(()) => hint(context, file, &source)?,
                Err(error) => {
                    wrong = true;
                    show(context, &error, &source)?;
                }
            }
        }
        if wrong { Err(Differs.into()) } else { Ok(()) }
    }
}

/// The error, its line, and a caret below the place.
fn show(context: &Context, error: &Error, source: &[u8]) -> anyhow::Result<()> {
    context.out(format_args!("{} {error}", context.paint(RED, "error:")))?;
    let Some((line, column)) = error.position else { return Ok(()) };
    let text = source.split(|&byte| byte == b'\n').nth(line as usize - 1).unwrap_or_default();
    let text = String::from_utf8_lossy(text.trim_ascii_end()).replace('\t', " ");
    context.out(format_args!("{line:>5} | {text}"))?;
    context.out(format_args!("      | {:>width$}", "^", width = column as usize))
}

/// What compiles and is wrong all the same.
fn hint(context: &Context, file: &Path, source: &[u8]) -> anyhow::Result<()> {
    const NEVER: &str = "homeassistant/+";
    for (line, text) in String::from_utf8_lossy(source).lines().enumerate() {
        if text.contains(&format!("\"{NEVER}\"")) || text.contains(&format!("'{NEVER}'")) {
            context.out(format_args!(
                "{} {}:{}: no discovery topic matches {NEVER}, since they have four or five levels; homeassistant/# does",
                context.paint(YELLOW, "hint:"),
                file.display(),
                line + 1,
            ))?;
        }
    }
    Ok(())
}
