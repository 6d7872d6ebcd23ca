//! Ctrl-C and SIGTERM: what they do depends on where the program stands, and the user is told.
//!
//! [`arm`] names the state that an interruption would leave behind; the handler prints it and ends with exit
//! code 130 at once, so that no slow serial operation has to be waited for. [`hold`] makes it only remember the
//! interruption, for moments that must be left in order (a terminal without echo).
//!
//! [`arm_with`] asks something that runs (a server) to end in order; asked twice, the program ends at once.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::Exit;

#[derive(Clone)]
enum Action {
    /// Print the sentence and the next step, end with the code.
    End { state: String, next: String, code: u8 },
    /// Set [`RAISED`]; a second interruption ends the program all the same.
    Remember,
    /// The same, told to the user: what is waited for, and what an impatient second interruption would leave.
    Defer { note: String, state: String, next: String },
    /// Ask for an end in order; a second interruption ends the program all the same.
    Ask(Arc<dyn Fn() + Send + Sync>),
}

static ACTION: Mutex<Option<Action>> = Mutex::new(None);
static RAISED: AtomicBool = AtomicBool::new(false);

fn action() -> MutexGuard<'static, Option<Action>> {
    // The content is replaced whole, so a poisoned lock still holds a good value.
    ACTION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on an interruption prints `state` ("Nothing was written.") and `next`, and ends with exit code 130.
pub(crate) fn arm(state: &str, next: &str) {
    set(Action::End { state: state.to_owned(), next: next.to_owned(), code: Exit::Interrupted.code() });
}

/// From now on an interruption is how the user says "enough": it ends the program with exit code 0.
pub(crate) fn arm_as_the_end() {
    set(Action::End { state: String::new(), next: String::new(), code: 0 });
}

/// From now on the first interruption calls `ask`, which makes what runs come to its end.
pub(crate) fn arm_with(ask: impl Fn() + Send + Sync + 'static) {
    set(Action::Ask(Arc::new(ask)));
}

/// While the guard lives, an interruption is only remembered; ask [`Hold::interrupted`].
pub(crate) fn hold() -> Hold {
    let before = action().clone();
    set(Action::Remember);
    Hold { before }
}

/// As [`hold`], for something short that must come to its end so that its outcome can be told. The first interruption
/// prints `note`, a second one ends the program with `state` and `next`.
pub(crate) fn defer(note: &str, state: &str, next: &str) -> Hold {
    let before = action().clone();
    set(Action::Defer { note: note.to_owned(), state: state.to_owned(), next: next.to_owned() });
    Hold { before }
}

/// As [`hold`], but the first interruption calls `ask`.
#[cfg(unix)]
pub(crate) fn hold_with(ask: impl Fn() + Send + Sync + 'static) -> Hold {
    let before = action().clone();
    arm_with(ask);
    Hold { before }
}

/// See [`hold`].
pub(crate) struct Hold {
    before: Option<Action>,
}

impl Hold {
    pub(crate) fn interrupted(&self) -> bool {
        RAISED.load(Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        *action() = self.before.take();
    }
}

fn set(new: Action) {
    let mut action = action();
    let first = action.is_none();
    *action = Some(new);
    drop(action);
    if first {
        // A second registration is refused by the crate and leaves the first one in place, which serves as well.
        let _ = ctrlc::set_handler(handle);
    }
}

fn handle() {
    let current = action().clone();
    match current {
        Some(Action::Remember) if !RAISED.swap(true, Ordering::SeqCst) => {}
        Some(Action::Defer { note, .. }) if !RAISED.swap(true, Ordering::SeqCst) => {
            let _ = writeln!(std::io::stderr(), "\n{note}");
        }
        Some(Action::Defer { state, next, .. }) => stop(&state, &next, Exit::Interrupted.code()),
        Some(Action::Ask(ask)) if !RAISED.swap(true, Ordering::SeqCst) => ask(),
        Some(Action::End { state, next, code }) if !state.is_empty() => {
            stop(&state, &next, code);
        }
        Some(Action::End { code, .. }) => {
            let _ = writeln!(std::io::stderr());
            std::process::exit(i32::from(code));
        }
        _ => std::process::exit(i32::from(Exit::Interrupted.code())),
    }
}

fn stop(state: &str, next: &str, code: u8) -> ! {
    let _ = writeln!(std::io::stderr(), "\nstopped: {state}\n next: {next}");
    std::process::exit(i32::from(code));
}
