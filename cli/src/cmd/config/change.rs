//! A change to a device: one transaction, whatever it holds, that a reset or Ctrl-C in the middle leaves whole.

use obkmq_config::line::Command;

use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::serial::session::Session;

pub(super) const HURRY: &str = "Ctrl-C: the change is on its way, one moment. Ctrl-C again ends at once.";

/// Stages and commits `commands`; the generation that the device has then. If the device is reset in the middle, all of
/// it is done again: twice is as good as once.
///
/// # Errors
/// [`Exit::Interrupted`] if the user interrupted while the commit was on its way; it says what is in force.
pub(super) fn commit(session: &mut Session, commands: &[Command<'_>]) -> anyhow::Result<u32> {
    let generation = session.work(|session| {
        stage(session, commands)?;
        let hold = interrupt::defer(
            HURRY,
            "The device has its old or its new settings.",
            "see which: obkmq config list",
        );
        let generation = finish(session, &Command::Commit)?;
        end(&hold, "The change is made, and in force.")?;
        Ok(generation)
    })?;
    interrupt::arm("The change is made, and in force.", "see it: obkmq config list");
    Ok(generation)
}

/// Opens a transaction and says what it is to hold; one answer a command: whether it changes anything.
pub(super) fn stage(session: &mut Session, commands: &[Command<'_>]) -> Result<Vec<bool>, Failure> {
    unlocked(session)?;
    session.request(&Command::Begin { generation: session.hello.generation })?;
    let mut changed = Vec::with_capacity(commands.len());
    for command in commands {
        match session.request(command) {
            // Firmware that does not say may have changed something.
            Ok(reply) => changed.push(reply.fields.get("changed") != Some("no")),
            Err(failure) => {
                // Should that fail too, the next run of any program drops the transaction.
                if failure.exit != Exit::NoReply {
                    let _ = session.request(&Command::Abort);
                }
                return Err(failure);
            }
        }
    }
    Ok(changed)
}

/// Commits what is staged; the generation that the device has then.
pub(super) fn finish(session: &mut Session, commit: &Command<'_>) -> Result<u32, Failure> {
    match session.request(commit) {
        Ok(reply) => {
            let generation = reply.fields.parse("gen").unwrap_or(session.hello.generation);
            session.hello.generation = generation;
            Ok(generation)
        }
        Err(failure) if failure.exit == Exit::NoReply => Err(Failure {
            next: format!("{}; then see whether the old or the new settings are in force", failure.next),
            ..failure
        }),
        Err(failure) => {
            let _ = session.request(&Command::Abort);
            Err(failure)
        }
    }
}

/// Reports an interruption that came while something was finished.
pub(super) fn end(hold: &interrupt::Hold, state: &str) -> Result<(), Failure> {
    if !hold.interrupted() {
        return Ok(());
    }
    let why = "interrupted while the device was committing, and waited for it";
    Err(Failure::new(Exit::Interrupted, state, why, "nothing, or look at it: obkmq config list"))
}

/// A commit of one setting would put the older settings of a damaged device in force, unseen.
fn unlocked(session: &Session) -> Result<(), Failure> {
    if session.hello.state != "locked" {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Settings,
        "The device is locked: its newest settings are damaged.",
        "what it has now are older ones, which may let in users that were deleted since",
        "look at `obkmq config list`, then write what it should be: obkmq config apply FILE",
    ))
}
