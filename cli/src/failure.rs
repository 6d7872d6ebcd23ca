//! The one shape of every error a user can meet: what failed, the probable why, the next step, an exit code.
//!
//! A [`Failure`] travels inside `anyhow::Error`; any other error is a defect of this program and ends with
//! [`Exit::Internal`].

use std::fmt;

use serde::Serialize;

/// The documented exit codes (README, "Exit codes"). Scripts rely on them: a number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// A defect of this program, or a machine that fails it (full disk).
    Internal = 1,
    /// The command line or a file it names makes no sense.
    Usage = 2,
    /// No serial port, or several and none was chosen.
    NoPort = 3,
    /// The port exists, but may not be opened or is in use.
    PortDenied = 4,
    /// Nothing answers, or the chip is in the wrong boot mode.
    NoReply = 5,
    /// The image is not one, is damaged, or is for another chip.
    WrongImage = 6,
    /// Writing failed, or what was written reads back differently.
    Write = 7,
    /// The device refused a setting, or its settings changed meanwhile.
    Settings = 8,
    /// A network target cannot be reached or refuses.
    Network = 9,
    /// A load test missed a threshold it was given.
    Threshold = 10,
    /// Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// The number the process ends with.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// An error in the words of the person who meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The class of the failure.
    pub(crate) exit: Exit,
    /// What failed, as one sentence.
    pub(crate) what: String,
    /// The probable cause, as far as it can be told.
    pub(crate) why: String,
    /// What to do now.
    pub(crate) next: String,
}

impl Failure {
    /// All three sentences are wanted; write one that helps or think again.
    pub(crate) fn new(
        exit: Exit,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { exit, what: what.into(), why: why.into(), next: next.into() }
    }

    /// A [`Failure`] out of any error: itself when it is one, else the report of a defect.
    pub(crate) fn from_error(error: &anyhow::Error) -> Self {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.clone();
        }
        let mut causes = error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        if causes.is_empty() {
            causes = "this should not happen".to_owned();
        }
        Self::new(
            Exit::Internal,
            error.to_string(),
            causes,
            "run it again with --verbose and report the output together with the command",
        )
    }

    /// The failure as one JSON line's content.
    pub(crate) fn to_json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Line {
            exit: u8,
            what: String,
            why: String,
            next: String,
        }
        Line {
            exit: self.exit.code(),
            what: self.what.clone(),
            why: self.why.clone(),
            next: self.next.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}\n  why: {}\n next: {}", self.what, self.why, self.next)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_trip_through_anyhow() {
        let failure = Failure::new(Exit::NoPort, "a", "b", "c");
        let error = anyhow::Error::from(failure.clone()).context("while opening");
        assert_eq!(Failure::from_error(&error), failure);
    }

    #[test]
    fn any_other_error_is_internal_and_keeps_its_causes() {
        let error = anyhow::anyhow!("root").context("middle").context("top");
        let failure = Failure::from_error(&error);
        assert_eq!(failure.exit, Exit::Internal);
        assert_eq!(failure.what, "top");
        assert_eq!(failure.why, "middle: root");
    }

    #[test]
    fn three_lines_each_with_its_label() {
        let text = Failure::new(Exit::Usage, "No.", "Because.", "Do.").to_string();
        assert_eq!(text, "error: No.\n  why: Because.\n next: Do.");
    }
}
