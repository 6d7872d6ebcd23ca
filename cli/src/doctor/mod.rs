//! What an owner could have wrong: looked at piece by piece, each with what to do about it.
//!
//! | file | looks at |
//! |---|---|
//! | [`machine`] | this computer: program, clock, profile, serial ports and who holds them, images |
//! | [`device`] | the board, over its console |
//! | [`network`] | the broker, over the network |

pub(crate) mod device;
mod holder;
pub(crate) mod machine;
pub(crate) mod network;

use serde::Serialize;

use crate::failure::{Exit, Failure};

/// How it is with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// Not looked at, or there is nothing to look at.
    Skipped,
    /// It works, and could be better.
    Warning,
    /// It does not work.
    Problem,
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) what: String,
    /// Empty where `what` says it all.
    pub(crate) why: String,
    /// What to do; empty where there is nothing to do.
    pub(crate) next: String,
    /// What a command would end with that meets this.
    #[serde(skip)]
    pub(crate) exit: Option<Exit>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, what, "", "")
    }

    pub(crate) fn skipped(check: &'static str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, what, "", next)
    }

    pub(crate) fn warning(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Warning, what, why, next)
    }

    pub(crate) fn problem(check: &'static str, error: &anyhow::Error) -> Self {
        let Failure { exit, what, why, next } = Failure::from_error(error);
        Self { exit: Some(exit), ..Self::new(check, Verdict::Problem, what, why, next) }
    }

    fn new(
        check: &'static str,
        verdict: Verdict,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { check, verdict, what: what.into(), why: why.into(), next: next.into(), exit: None }
    }
}
