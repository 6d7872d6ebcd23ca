//! `obkmq script check`: whether scripts compile, and files of commands have what a board knows, without running them.

use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_berry::{Error, Limits, Narrow, Vm};
use obkmq_config::openbeken::check_batch;
use serde::Serialize;

use super::host::{self, ScriptError, Terminal};
use crate::context::{Context, Differs, RED, YELLOW};

/// Check scripts and files of commands, without running them
#[derive(Args)]
#[command(after_help = "\
The exit code is 1 if a script does not compile, or if a
file of commands (.bat) has some that no board executes.

Example:
  obkmq script check autoexec.be autoexec.bat")]
pub(crate) struct Check {
    /// The scripts
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    error: Option<ScriptError>,
    /// Of a file of commands.
    problems: Vec<Problem>,
    hints: Vec<Hint>,
}

/// A command that no board executes.
#[derive(Serialize)]
struct Problem {
    line: usize,
    text: String,
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
            let is_batch = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("bat"));
            let problems = if is_batch { problems(&source) } else { Vec::new() };
            let error = if is_batch { None } else { compile(context, file, &source) };
            wrong |= error.is_some() || !problems.is_empty();
            let hints = if error.is_none() { hints(&source) } else { Vec::new() };
            if context.json {
                let error = error.as_ref().map(ScriptError::new);
                context.out_json("check", Checked { file, error, problems, hints })?;
                continue;
            }
            if let Some(error) = error {
                show(context, &error, &source)?;
            }
            for Problem { line, text } in problems {
                let label = context.paint(RED, "error:");
                context.out(format_args!("{label} {}:{line}: {text}", file.display()))?;
            }
            for Hint { line, text } in hints {
                let label = context.paint(YELLOW, "hint:");
                context.out(format_args!("{label} {}:{line}: {text}", file.display()))?;
            }
        }
        if wrong { Err(Differs.into()) } else { Ok(()) }
    }
}

fn compile(context: &Context, file: &Path, source: &[u8]) -> Option<Error> {
    let terminal = Terminal::new(context, file);
    let mut vm = Vm::<Narrow>::new(Limits::PC, 1);
    vm.check(&terminal, &file.to_string_lossy(), source).err()
}

fn problems(source: &[u8]) -> Vec<Problem> {
    let found = check_batch(&String::from_utf8_lossy(source));
    found.into_iter().map(|problem| Problem { line: problem.line, text: problem.kind.to_string() }).collect()
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
