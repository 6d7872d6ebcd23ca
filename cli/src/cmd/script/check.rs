//! `obkmq script check`: whether scripts compile, without running them.

use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_berry::{Error, Limits, Narrow, Vm};
use serde::Serialize;

use super::host::{self, ScriptError, Terminal};
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

#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    error: Option<ScriptError>,
    hints: Vec<Hint>,
}

/// Something that compiles and is wrong all the same.
#[derive(Serialize)]
struct Hint {
    line: usize,
    text: &'static str,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut wrong = false;
        for file in &self.files {
            let source = host::read(file)?;
            let terminal = Terminal::new(context, file);
            let name = file.to_string_lossy();
            let mut vm = Vm::<Narrow>::new(Limits::PC, 1);
            let error = vm.check(&terminal, &name, &source).err();
            wrong |= error.is_some();
            let hints = if error.is_none() { hints(&source) } else { Vec::new() };
            if context.json {
                let error = error.as_ref().map(ScriptError::new);
                context.out_json("check", Checked { file, error, hints })?;
                continue;
            }
            if let Some(error) = error {
                show(context, &error, &source)?;
            }
            for Hint { line, text } in hints {
                let label = context.paint(YELLOW, "hint:");
                context.out(format_args!("{label} {}:{line}: {text}", file.display()))?;
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

fn hints(source: &[u8]) -> Vec<Hint> {
    const TEXT: &str = "no discovery topic matches homeassistant/+, since they have four or five levels; homeassistant/# does";
    let text = String::from_utf8_lossy(source);
    let never = |line: &str| line.contains("\"homeassistant/+\"") || line.contains("'homeassistant/+'");
    let lines = text.lines().zip(1..).filter(|(line, _)| never(line));
    lines.map(|(_, line)| Hint { line, text: TEXT }).collect()
}
