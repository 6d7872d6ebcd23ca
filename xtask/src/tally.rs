//! Adds up what test programs report.
//!
//! The test harness of Rust and `libtest-mimic` close every program with the same kind of line. A test that lacks a
//! tool is reported there as ignored, and says on a line of its own which tool and how to get it:
//! `skipped: TEST: REASON; install: COMMAND`.

/// A test that did not run for want of a tool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// Test and reason.
    pub(crate) what: String,
    /// The command that installs the tool, or a sentence where there is none.
    pub(crate) install: String,
}

impl Skip {
    /// Whether the tool comes from a registry that a continuous-integration machine has: Debian's, PyPI or npm.
    pub(crate) fn is_avoidable(&self) -> bool {
        ["apt install", "apt-get install", "pip install", "pip3 install", "npm install", "npm i "]
            .iter()
            .any(|command| self.install.contains(command))
    }
}

/// Sums over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) skipped: u64,
    /// The tests that said why they were not run.
    pub(crate) skips: Vec<Skip>,
}

impl Tally {
    /// Takes one line of a test program's output.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let counts = counts.split_once(". ").map_or("", |(_, counts)| counts);
            for count in counts.split(';') {
                match count.trim().split_once(' ') {
                    Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                    Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                    Some((number, "ignored")) => self.skipped += number.parse().unwrap_or(0),
                    _ => {}
                }
            }
        } else if let Some(text) = line.strip_prefix("skipped: ")
            && let Some((what, install)) = text.split_once("; install: ")
        {
            self.skips.push(Skip { what: what.to_owned(), install: install.trim().to_owned() });
        }
    }

    /// Counts a run that failed without any test that says so: a program that crashed or was never built.
    pub(crate) fn unaccounted_failure(&mut self) {
        self.failed = self.failed.max(1);
    }

    /// Counts as failed what was skipped although its tool can be had; for machines that have no excuse.
    pub(crate) fn deny_avoidable_skips(&mut self) {
        for _ in self.skips.iter().filter(|skip| skip.is_avoidable()) {
            self.skipped = self.skipped.saturating_sub(1);
            self.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn the_lines_of_both_harnesses_are_added_up() {
        let sum = tally(
            "running 3 tests\ntest a ... ok\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; finished in 1.00s\n",
        );
        assert_eq!((sum.passed, sum.failed, sum.skipped), (4, 2, 1));
    }

    #[test]
    fn text_that_only_looks_like_a_result_counts_nothing() {
        for line in
            ["test result:", "test result: ok", "test result: ok. many passed", " test result: ok. 1 passed"]
        {
            assert_eq!(tally(line), Tally::default(), "{line}");
        }
    }

    #[test]
    fn a_skip_that_debian_could_prevent_fails_where_skips_are_denied() {
        let mut sum = tally(
            "skipped: pub_sub: no mosquitto_pub; install: apt-get install mosquitto-clients\n\
             skipped: emulator: no such QEMU; install: Espressif's idf_tools.py install qemu-riscv32\n\
             test result: ok. 0 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!((sum.failed, sum.skipped), (0, 2));
        sum.deny_avoidable_skips();
        assert_eq!((sum.failed, sum.skipped), (1, 1));
    }

    #[test]
    fn a_run_that_died_counts_as_one_failure() {
        let mut sum = Tally::default();
        sum.unaccounted_failure();
        assert_eq!(sum.failed, 1);
        sum.failed = 3;
        sum.unaccounted_failure();
        assert_eq!(sum.failed, 3);
    }
}
