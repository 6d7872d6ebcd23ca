//! The device's memory of one client run: what makes a repeated request harmless.
//!
//! A client that hears nothing sends its request again. [`Session`] sees to it that a changing one is executed at
//! most once: a copy of the request in work is ignored (its answer is still to come), a copy of the last finished one
//! gets the same answer again, an older one is refused. `hello` with a new nonce opens a new run; before one, and so
//! after a reset of the device, a changing request is refused: the client must know that its transaction is gone.
//! Late copies from an earlier run are refused too: their numbers lie far from this run's
//! ([`SEQUENCE_WINDOW`]), and the nonces of ended runs are remembered.

use alloc::string::String;

use super::command::Command;
use super::error::ErrorCode;
use super::reply::Reply;
use crate::limits::{ENDED_RUNS_LIMIT, SEQUENCE_WINDOW};

/// The run of one client.
#[derive(Debug, Default)]
pub struct Session {
    run: Option<Run>,
    /// Nonces of runs that others have ended, newest first.
    ended: [Option<u64>; ENDED_RUNS_LIMIT],
}

#[derive(Debug)]
struct Run {
    nonce: u64,
    /// Highest sequence number seen, within the window of the ones before.
    newest: u32,
    /// Highest sequence number that may not be executed any more.
    floor: u32,
    /// Final line of the request numbered `floor`; `None` if that was not a changing one.
    answer: Option<String>,
    /// Number of the changing request in work.
    working: Option<u32>,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<'a> {
    /// Execute it. If it [changes something](Command::is_changing), its answer goes through [`Session::finish`].
    Execute,
    /// Execute `hello`, and drop what an earlier run left open.
    NewRun,
    /// Send this line again and do nothing.
    Replay(&'a str),
    /// Do nothing: the first copy is in work and will be answered.
    Ignore,
    /// Send this and do nothing.
    Refuse(Reply),
}

impl Session {
    /// No run yet: as after a reset.
    #[must_use]
    pub const fn new() -> Self {
        Self { run: None, ended: [None; ENDED_RUNS_LIMIT] }
    }

    /// Decides about a framed request.
    pub fn admit(&mut self, seq: u32, command: &Command<'_>) -> Admission<'_> {
        if let Command::Hello { nonce } = command {
            return self.hello(seq, *nonce);
        }
        let of_this_run = self.run.as_mut().is_some_and(|run| run.see(seq));
        if !command.is_changing() {
            return Admission::Execute;
        }
        let Some(run) = self.run.as_mut().filter(|_| of_this_run) else {
            return refuse(ErrorCode::NoHello, "no run with such numbers is open: say hello and start over");
        };
        if run.working == Some(seq) {
            return Admission::Ignore;
        }
        if seq == run.floor
            && let Some(answer) = &run.answer
        {
            return Admission::Replay(answer);
        }
        if seq <= run.floor {
            return refuse(ErrorCode::Stale, "a newer request was executed already");
        }
        if run.working.is_some() {
            return refuse(ErrorCode::Busy, "another request is in work; try again");
        }
        run.working = Some(seq);
        Admission::Execute
    }

    fn hello(&mut self, seq: u32, nonce: u64) -> Admission<'_> {
        if let Some(run) = &mut self.run
            && run.nonce == nonce
        {
            run.see(seq);
            return Admission::Execute;
        }
        if self.ended.contains(&Some(nonce)) {
            return refuse(ErrorCode::Stale, "another run was opened since: say hello with a new nonce");
        }
        // The number of the hello is the first of the run: lower ones are late copies from before it.
        let run = Run { nonce, newest: seq, floor: seq, answer: None, working: None };
        if let Some(before) = self.run.replace(run) {
            self.ended.rotate_right(1);
            if let Some(newest) = self.ended.first_mut() {
                *newest = Some(before.nonce);
            }
        }
        Admission::NewRun
    }

    /// Ends a changing request and gives the line to send. An answer to a request of an earlier run is framed and not
    /// remembered.
    pub fn finish(&mut self, seq: u32, reply: &Reply) -> String {
        let line = reply.to_frame(seq);
        if let Some(run) = &mut self.run
            && run.working == Some(seq)
        {
            run.working = None;
            run.floor = seq;
            run.answer = Some(line.clone());
        }
        line
    }
}

impl Run {
    /// Takes note of a number; whether it can be one of this run's.
    fn see(&mut self, seq: u32) -> bool {
        let of_this_run = seq <= self.newest.saturating_add(SEQUENCE_WINDOW);
        if of_this_run {
            self.newest = self.newest.max(seq);
        }
        of_this_run
    }
}

fn refuse(code: ErrorCode, message: &str) -> Admission<'static> {
    Admission::Refuse(Reply::err(code, message))
}

#[cfg(test)]
mod tests {
    use super::super::fields::Fields;
    use super::*;

    fn ok() -> Reply {
        Reply::ok(Fields::new())
    }

    fn opened() -> Session {
        let mut session = Session::new();
        assert_eq!(session.admit(1, &Command::Hello { nonce: 7 }), Admission::NewRun);
        session
    }

    fn refused(admission: &Admission<'_>) -> Option<ErrorCode> {
        match admission {
            Admission::Refuse(Reply::Err { code, .. }) => Some(*code),
            _ => None,
        }
    }

    #[test]
    fn before_hello_only_reading_is_allowed() {
        let mut session = Session::new();
        assert_eq!(session.admit(1, &Command::List), Admission::Execute);
        assert_eq!(refused(&session.admit(2, &Command::Commit)), Some(ErrorCode::NoHello));
    }

    #[test]
    fn a_copy_is_ignored_while_in_work_and_answered_again_afterwards() {
        let mut session = opened();
        assert_eq!(session.admit(2, &Command::Commit), Admission::Execute);
        assert_eq!(session.admit(2, &Command::Commit), Admission::Ignore);
        assert_eq!(refused(&session.admit(3, &Command::Reboot)), Some(ErrorCode::Busy));
        assert_eq!(session.admit(3, &Command::List), Admission::Execute);
        let line = session.finish(2, &ok());
        assert_eq!(session.admit(2, &Command::Commit), Admission::Replay(&line));
    }

    #[test]
    fn an_older_copy_is_refused() {
        let mut session = opened();
        for seq in [2, 5] {
            assert_eq!(session.admit(seq, &Command::Commit), Admission::Execute);
            session.finish(seq, &ok());
        }
        // 1 was the hello's own number.
        for seq in [1, 2, 3, 4] {
            assert_eq!(refused(&session.admit(seq, &Command::Commit)), Some(ErrorCode::Stale));
        }
    }

    #[test]
    fn the_number_of_the_hello_is_taken() {
        assert_eq!(refused(&opened().admit(1, &Command::Commit)), Some(ErrorCode::Stale));
    }

    #[test]
    fn hello_again_keeps_the_run_and_another_nonce_ends_it() {
        let mut session = opened();
        assert_eq!(session.admit(2, &Command::Commit), Admission::Execute);
        let line = session.finish(2, &ok());
        assert_eq!(session.admit(3, &Command::Hello { nonce: 7 }), Admission::Execute);
        assert_eq!(session.admit(2, &Command::Commit), Admission::Replay(&line));
        assert_eq!(session.admit(1, &Command::Hello { nonce: 8 }), Admission::NewRun);
        assert_eq!(session.admit(2, &Command::Commit), Admission::Execute);
    }

    #[test]
    fn a_late_hello_does_not_open_an_ended_run_again() {
        let mut session = opened();
        assert_eq!(session.admit(1001, &Command::Hello { nonce: 8 }), Admission::NewRun);
        assert_eq!(refused(&session.admit(1, &Command::Hello { nonce: 7 })), Some(ErrorCode::Stale));
        assert_eq!(session.admit(1002, &Command::Commit), Admission::Execute);
    }

    #[test]
    fn numbers_of_another_run_are_refused() {
        let mut session = opened();
        let above = 2 + SEQUENCE_WINDOW;
        assert_eq!(refused(&session.admit(above, &Command::Commit)), Some(ErrorCode::NoHello));
        // Reading is allowed to anyone, and moves the window only from within.
        assert_eq!(session.admit(above, &Command::List), Admission::Execute);
        assert_eq!(refused(&session.admit(above, &Command::Commit)), Some(ErrorCode::NoHello));
        assert_eq!(session.admit(2, &Command::List), Admission::Execute);
        assert_eq!(session.admit(above, &Command::Commit), Admission::Execute);
    }

    #[test]
    fn an_answer_that_comes_after_the_end_of_its_run_is_not_remembered() {
        let mut session = opened();
        assert_eq!(session.admit(2, &Command::Commit), Admission::Execute);
        assert_eq!(session.admit(1, &Command::Hello { nonce: 8 }), Admission::NewRun);
        session.finish(2, &ok());
        assert_eq!(session.admit(2, &Command::Commit), Admission::Execute, "no answer of the old run");
    }
}
