//! Programs that a broker is run under to count what it does: strace for system calls, callgrind for instructions.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instrument {
    /// System calls, by strace.
    SystemCalls,
    /// Instructions outside of the kernel, by valgrind's callgrind.
    Instructions,
}

impl Instrument {
    /// Its program.
    const fn program(self) -> &'static str {
        match self {
            Self::SystemCalls => "strace",
            Self::Instructions => "valgrind",
        }
    }

    /// How to get it.
    pub(super) const fn install(self) -> &'static str {
        match self {
            Self::SystemCalls => "apt-get install strace",
            Self::Instructions => "apt-get install valgrind",
        }
    }

    /// Whether this machine has it.
    pub(super) fn is_present(self) -> bool {
        find(self.program()).is_some()
    }

    /// The command that runs `program` under the instrument, which leaves its figures in `folder`.
    pub(super) fn wrap(self, folder: &Path, program: &Path) -> Command {
        let mut command = Command::new(self.program());
        let result = self.result(folder);
        match self {
            Self::SystemCalls => command.args(["-f", "-c", "-o"]).arg(result),
            Self::Instructions => {
                let mut option = OsStr::new("--callgrind-out-file=").to_owned();
                option.push(result);
                command.args(["--quiet", "--tool=callgrind"]).arg(option)
            }
        };
        command.arg(program);
        command
    }

    /// What was counted, once the program has ended.
    pub(super) fn count(self, folder: &Path) -> Result<u64> {
        let path = self.result(folder);
        let text = fs::read_to_string(&path).with_context(|| format!("{} left nothing", self.program()))?;
        let count = match self {
            Self::SystemCalls => system_calls(&text),
            Self::Instructions => instructions(&text),
        };
        count.with_context(|| format!("{} wrote something unexpected", self.program()))
    }

    fn result(self, folder: &Path) -> PathBuf {
        folder.join(self.program()).with_extension("out")
    }
}

/// A program on the path. Debian keeps daemons where only the administrator's path looks.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The fourth figure of strace's last line: `100.00 0.004 11 354 12 total`.
fn system_calls(table: &str) -> Option<u64> {
    let total = table.lines().rfind(|line| line.trim_end().ends_with(" total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}

/// Callgrind closes with `totals: 123`.
fn instructions(profile: &str) -> Option<u64> {
    profile.lines().rev().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_where_the_programs_write_them() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000900          30        30           write
 40.00    0.000600          20        30         7 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.001500          25        60         7 total
";
        assert_eq!(system_calls(table), Some(60));
        assert_eq!(system_calls("strace: exec: No such file"), None);
        assert_eq!(instructions("events: Ir\nfn=(1)\n1 2\ntotals: 123456\n"), Some(123_456));
        assert_eq!(instructions("events: Ir\n"), None);
    }
}
