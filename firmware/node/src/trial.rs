//! Settings on trial, and the way back.
//!
//! A trial is in RAM only: flash holds the former settings until the owner confirms, so a restart ends it whatever
//! happens, and a wrong Wi-Fi password cannot lock anybody out. What a trial ends (sessions of users that it deletes)
//! does not come back with the former settings.

use alloc::string::ToString;

use obkmq_broker::Instant;
use obkmq_config::line::{ErrorCode, Fields};
use obkmq_config::settings::{Draft, LogLevel, Settings};

use crate::board::Board;
use crate::commands::refuse;
use crate::console::Answer;
use crate::node::Node;

/// Settings that are in use and not stored.
pub(crate) struct Trial {
    deadline: Instant,
    former: Settings,
}

impl<B: Board> Node<B> {
    /// Applies a transaction and stores nothing.
    pub(crate) fn commit_trial(&mut self, draft: Draft, seconds: u32) -> Answer {
        if self.locked {
            return Answer::refuse(
                ErrorCode::Locked,
                "the stored settings are damaged: there would be no good ones to come back to; `commit`",
            );
        }
        let settings = match self.checked(&draft) {
            Ok(Some(settings)) => settings,
            Ok(None) => return self.generation_answer(),
            Err(answer) => return answer,
        };
        let deadline = self.now.saturating_add_millis(u64::from(seconds) * 1000);
        self.trial = Some(Trial { deadline, former: self.settings.clone() });
        self.apply(settings);
        let mut answer = self.generation_answer();
        answer.end = answer.end.map(|fields| fields.with("trial", seconds));
        answer
    }

    /// Stores what is on trial.
    pub(crate) fn confirm(&mut self) -> Answer {
        if self.trial.is_none() {
            return Answer::refuse(ErrorCode::NotThere, "no settings are on trial");
        }
        if let Err(error) = self.settings_store.save(self.board.flash(), &self.settings) {
            let text =
                alloc::format!("{error}; the trial goes on, but its settings may be there after a restart");
            return Answer::refuse(ErrorCode::Storage, text);
        }
        self.trial = None;
        self.generation_answer()
    }

    /// Ends a trial, or else puts the settings before the last commit in place again: as a new generation.
    pub(crate) fn roll_back(&mut self) -> Answer {
        if self.end_trial() {
            return self.generation_answer();
        }
        if self.locked {
            return Answer::refuse(
                ErrorCode::Locked,
                "the stored settings are damaged: `list` shows what is left, and a transaction corrects it",
            );
        }
        let current = self.settings.generation();
        let mut former = match self.settings_store.former(self.board.flash(), current) {
            Ok(Some(former)) => former,
            Ok(None) => return Answer::refuse(ErrorCode::NotThere, "there are no settings before these"),
            Err(error) => return Answer::refuse(ErrorCode::Storage, error.to_string()),
        };
        former.raise_generation(current.saturating_add(1));
        if let Err(error) = self.check(&former) {
            return refuse(&error);
        }
        match self.store_and_apply(former) {
            Ok(()) => self.generation_answer(),
            Err(answer) => answer,
        }
    }

    /// Puts the settings before the trial to use again; whether there was one.
    fn end_trial(&mut self) -> bool {
        let Some(Trial { mut former, .. }) = self.trial.take() else { return false };
        // A number of its own: what somebody read during the trial has passed.
        former.raise_generation(self.settings.generation().saturating_add(1));
        self.apply(former);
        true
    }

    /// Ends a trial whose time is up.
    pub(crate) fn poll_trial(&mut self) -> Option<Instant> {
        let deadline = self.trial.as_ref()?.deadline;
        if self.now < deadline {
            return Some(deadline);
        }
        self.end_trial();
        self.log(
            LogLevel::Warn,
            format_args!("the settings on trial were not confirmed: the former ones are in use again"),
        );
        None
    }

    /// How long the trial goes on, in seconds.
    pub(crate) fn trial_left_s(&self) -> Option<u64> {
        let trial = self.trial.as_ref()?;
        Some(trial.deadline.as_micros().saturating_sub(self.now.as_micros()).div_ceil(1_000_000))
    }

    pub(crate) fn generation_answer(&self) -> Answer {
        Answer::fields(Fields::new().with("gen", self.settings.generation()))
    }
}
