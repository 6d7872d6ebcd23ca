//! How a verb talks: data on stdout, everything else on stderr, JSON lines when asked, colour only where wanted.
//!
//! A reader that went away (`obkmq ports | head -1`) is no error: writing to a closed stdout ends the program
//! with exit code 0, through the same `?` as every other error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::environment;
use crate::failure::{Exit, Failure};

/// The version that every JSON line carries as `"v"`. It changes when a field changes its meaning or goes away.
pub(crate) const JSON_VERSION: u32 = 1;

/// Options of every verb.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GlobalOptions {
    /// Print JSON lines on stdout instead of text
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    quiet: bool,
    /// Print what happens in detail
    #[arg(short, long, global = true, help_heading = "Output")]
    verbose: bool,
    /// Read this profile file instead of that of OBKMQ_PROFILE, or of looking for obkmq.toml
    #[arg(long, global = true, value_name = "FILE", help_heading = "Output")]
    profile: Option<PathBuf>,
}

impl GlobalOptions {
    /// The options of a command line that could not be read, but that asks for JSON.
    pub(crate) fn json() -> Self {
        Self { json: true, ..Self::default() }
    }
}

/// What a verb needs to know about how it was called.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// JSON lines on stdout.
    pub(crate) json: bool,
    /// Only results and errors.
    pub(crate) quiet: bool,
    /// Details on stderr.
    pub(crate) verbose: bool,
    /// Escape sequences for colour may be printed on stderr.
    pub(crate) colour: bool,
    /// Somebody is there to answer a question: stdin and stderr are terminals and the output is not JSON.
    pub(crate) interactive: bool,
    /// stderr is a terminal and may be redrawn: bars are welcome.
    pub(crate) bars: bool,
    /// Columns of the terminal that stderr is, when that can be known.
    columns: Option<usize>,
    /// `--profile FILE` or `OBKMQ_PROFILE`.
    pub(crate) profile: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(global: &GlobalOptions) -> Self {
        let terminal = io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            colour: terminal && !plain,
            interactive: terminal && io::stdin().is_terminal() && !global.json,
            bars: terminal && !global.quiet && !global.json,
            columns: if terminal { columns() } else { None },
            profile: global
                .profile
                .clone()
                .or_else(|| environment::variable(environment::PROFILE).map(PathBuf::from)),
        }
    }

    /// One line of data on stdout.
    pub(crate) fn out(&self, line: impl Display) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(stdout_error)
    }

    /// One JSON line on stdout: `{"v":1,"type":KIND, …content}`. `content` must serialise as an object.
    pub(crate) fn out_json(&self, kind: &str, content: impl Serialize) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Envelope<'a, T> {
            v: u32,
            r#type: &'a str,
            #[serde(flatten)]
            content: T,
        }
        let line = serde_json::to_string(&Envelope { v: JSON_VERSION, r#type: kind, content })?;
        self.out(line)
    }

    /// A line of progress on stderr; `--quiet` silences it. A stderr that nobody reads is not worth an error.
    pub(crate) fn note(&self, line: impl Display) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// A bar on a terminal, nothing elsewhere.
    pub(crate) fn byte_bar(&self, bytes: u64) -> ProgressBar {
        let target = if self.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        let template = "  {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }

    /// A detail on stderr, printed with `--verbose` only.
    pub(crate) fn detail(&self, line: impl Display) {
        if self.verbose {
            let _ = writeln!(io::stderr(), "{}", self.paint(DIM, &line.to_string()));
        }
    }

    /// A warning on stderr. It is printed even with `--quiet`: nobody should lose data silently.
    pub(crate) fn warn(&self, line: impl Display) {
        let _ = writeln!(io::stderr(), "{} {line}", self.paint(YELLOW, "warning:"));
    }

    /// Prints an error and gives the exit code it stands for.
    pub(crate) fn report(&self, error: &anyhow::Error) -> ExitCode {
        if error.is::<ReaderGone>() {
            return ExitCode::SUCCESS;
        }
        if error.is::<Differs>() {
            return ExitCode::from(Differs::CODE);
        }
        let failure = Failure::from_error(error);
        self.print_failure(&failure);
        ExitCode::from(failure.exit.code())
    }

    /// Prints a failure as a JSON line. A stdout that takes nothing (full disk) is left to the words on stderr.
    pub(crate) fn print_json(&self, failure: &Failure) {
        let _ = self.out_json("error", failure.to_json());
    }

    /// Prints a failure: words on stderr always, and a JSON line on stdout when the output is JSON.
    pub(crate) fn print_failure(&self, failure: &Failure) {
        if self.json {
            self.print_json(failure);
        }
        let label = match failure.exit {
            Exit::Interrupted => self.paint(YELLOW, "stopped:"),
            _ => self.paint(RED, "error:"),
        };
        let _ = writeln!(
            io::stderr(),
            "{label} {}\n{} {}\n{} {}",
            self.wrap(&failure.what),
            self.paint(BOLD, "  why:"),
            self.wrap(&failure.why),
            self.paint(BOLD, " next:"),
            self.wrap(&failure.next)
        );
    }

    /// `text` with the indent of a failure's labels on every further line, and broken at spaces for a terminal.
    fn wrap(&self, text: &str) -> String {
        let lines: Vec<String> = text
            .lines()
            .map(|line| self.columns.map_or_else(|| line.to_owned(), |columns| wrap(line, columns)))
            .collect();
        lines.join(&format!("\n{:LABEL_COLUMNS$}", ""))
    }

    /// `text` in a colour when colours are wanted.
    pub(crate) fn paint(&self, sequence: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{sequence}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// SGR parameters for [`Context::paint`].
pub(crate) const RED: &str = "1;31";
pub(crate) const YELLOW: &str = "33";
pub(crate) const BOLD: &str = "1";
pub(crate) const DIM: &str = "2";

#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    None
}

/// Columns that a failure's labels take; the lines after the first begin there.
const LABEL_COLUMNS: usize = 7;

fn wrap(text: &str, columns: usize) -> String {
    let room = columns.saturating_sub(LABEL_COLUMNS).max(1);
    let mut wrapped = String::with_capacity(text.len());
    let mut used = 0_usize;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used.saturating_add(1).saturating_add(length) > room {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', LABEL_COLUMNS));
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used = used.saturating_add(1);
        }
        wrapped.push_str(word);
        used = used.saturating_add(length);
    }
    wrapped
}

/// An error of writing to stdout, told apart from every other I/O error.
pub(crate) fn stdout_error(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ReaderGone.into();
    }
    Failure::new(
        Exit::Internal,
        "Standard output takes no more.",
        error.to_string(),
        "make room where the output goes, and run the same command again",
    )
    .into()
}

/// stdout was closed by whoever read it. A type of its own: a serial port that vanishes is a broken pipe too.
#[derive(Debug)]
struct ReaderGone;

impl Display for ReaderGone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("standard output was closed by its reader")
    }
}

impl std::error::Error for ReaderGone {}

/// The answer of a comparison that found a difference, as `diff` and `cmp` give it: no error, but not 0.
#[derive(Debug)]
pub(crate) struct Differs;

impl Differs {
    const CODE: u8 = 1;
}

impl Display for Differs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("there is a difference")
    }
}

impl std::error::Error for Differs {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_at_spaces_and_indented() {
        assert_eq!(wrap("one two three", 12 + LABEL_COLUMNS), "one two\n       three");
        assert_eq!(wrap("one two three", 60), "one two three");
        assert_eq!(wrap("/a/path/longer/than/the/line ok", 10), "/a/path/longer/than/the/line\n       ok");
        assert_eq!(wrap("", 60), "");
    }
}
