//! `config apply` and `config diff`: a device becomes what a file says, or is compared with it.
//!
//! Both open a transaction and say what it is to hold. The device answers what of it is a change, so that passwords can be
//! compared without ever coming out; `diff` then drops the transaction, `apply` commits it, reads back and compares.

use std::path::PathBuf;

use clap::Args;
use obkmq_config::limits::TRIAL_RANGE_S;
use obkmq_config::line::Command;
use serde::Serialize;

use super::change;
use super::state::State;
use super::wanted::{Change, Step, Wanted};
use crate::context::{Context, Differs};
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::prompt;
use crate::serial::connect::DeviceOption;
use crate::serial::session::{self, Session};

/// Passwords from which on it is said that they take time.
const MANY_PASSWORDS: usize = 3;

/// Make a device what a settings file says
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config apply house.toml --port /dev/ttyUSB0
  obkmq config apply house.toml --yes --json
  obkmq config apply house.toml --trial 120

It shows what would change, asks, sends all of it as one transaction, waits until that is stored, reads back and compares. \
What the file does not name gets its default, and users it does not name are deleted. Applied twice, the second time \
changes nothing. With --trial the device uses it for a while and goes back to what it had by itself, unless `obkmq config \
confirm` comes in time.")]
pub(crate) struct Apply {
    /// The settings file (TOML)
    file: PathBuf,
    #[command(flatten)]
    device: DeviceOption,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Keep it for so long only, unless it is confirmed
    #[arg(long, value_name = "SECONDS", value_parser = trial_seconds)]
    trial: Option<u32>,
}

/// Show what applying a settings file would change
#[derive(Args)]
#[command(after_help = "\
Example:
  obkmq config diff house.toml --port /dev/ttyUSB0

Exit code 0: no difference; 1: there is one.")]
pub(crate) struct Diff {
    /// The settings file (TOML)
    file: PathBuf,
    #[command(flatten)]
    device: DeviceOption,
}

#[derive(Serialize)]
struct Applied {
    changes: usize,
    generation: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial_s: Option<u32>,
}

impl Apply {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wanted = Wanted::read(&self.file)?;
        let mut session = session::open(&self.device, context)?;
        note_passwords(&wanted, &session, context);
        let mut agreed: Option<Vec<Change>> = None;
        let generation = session.work(|session| self.apply(&wanted, session, &mut agreed, context))?;
        interrupt::arm("The device has what the file says.", "see it: obkmq config list");
        let changes = agreed.unwrap_or_default().len();
        if context.json {
            let trial_s = self.trial.filter(|_| changes > 0);
            return context.out_json("applied", Applied { changes, generation, trial_s });
        }
        match changes {
            0 => context
                .out(format_args!("nothing to change: the device has what {} says", self.file.display())),
            count => match self.trial {
                None => context
                    .out(format_args!("{count} applied, stored and read back (generation {generation})")),
                Some(seconds) => {
                    context.out(format_args!(
                        "{count} applied on trial and read back (generation {generation})"
                    ))?;
                    context.note(format_args!(
                        "they end in {seconds} s or with a restart; to keep them: obkmq config confirm"
                    ));
                    Ok(())
                }
            },
        }
    }

    /// One try, done again if the device is reset in it: then what was agreed to need not be asked again.
    fn apply(
        &self,
        wanted: &Wanted,
        session: &mut Session,
        agreed: &mut Option<Vec<Change>>,
        context: &Context,
    ) -> anyhow::Result<u32> {
        let is_locked = session.hello.state == "locked";
        let (changes, expected) = stage(wanted, session, context)?;
        if changes.is_empty() && !is_locked {
            session.request(&Command::Abort)?;
            agreed.get_or_insert_default();
            return Ok(session.hello.generation);
        }
        if agreed.as_ref() != Some(&changes) {
            print(&changes, context)?;
            if let Err(refusal) = self.agree(session, is_locked, changes.len(), context) {
                // What it held goes with the next run, should this fail.
                let _ = session.request(&Command::Abort);
                return Err(refusal);
            }
            *agreed = Some(changes);
        }
        let hold = interrupt::defer(
            change::HURRY,
            "The device has its old settings, or all of the file's.",
            "see which: obkmq config diff FILE",
        );
        let commit = match self.trial {
            Some(seconds) => Command::CommitTrial { seconds },
            None => Command::Commit,
        };
        let generation = change::finish(session, &commit)?;
        if State::read(session)? != expected {
            return Err(Failure::new(
                Exit::Settings,
                "The device does not list what it was given.",
                "it committed, but somebody else changed it at once, or its firmware has a fault",
                format!("compare: obkmq config diff {}", self.file.display()),
            )
            .into());
        }
        change::end(&hold, "The device has what the file says.")?;
        Ok(generation)
    }

    fn agree(
        &self,
        session: &Session,
        is_locked: bool,
        count: usize,
        context: &Context,
    ) -> anyhow::Result<()> {
        if is_locked {
            context.warn("the newest settings are lost: what is compared with are older ones; a commit opens the network");
        }
        if self.yes {
            return Ok(());
        }
        if !context.interactive {
            return Err(Failure::new(
                Exit::Usage,
                "Nothing was changed.",
                "there is nobody to ask: standard input is not a terminal, or the output is JSON",
                "look at the changes, then run it with --yes",
            )
            .into());
        }
        let what = if count == 1 { "this change".to_owned() } else { format!("these {count} changes") };
        if prompt::agrees(&format!("Make {what} on {}?", session.name()))? {
            return Ok(());
        }
        let next = "correct the file, or run it again and answer y";
        Err(Failure::new(Exit::Interrupted, "Nothing was changed.", "the answer was no", next).into())
    }
}

impl Diff {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wanted = Wanted::read(&self.file)?;
        let mut session = session::open(&self.device, context)?;
        note_passwords(&wanted, &session, context);
        let changes = session.work(|session| {
            let (changes, _) = stage(&wanted, session, context)?;
            session.request(&Command::Abort)?;
            Ok(changes)
        })?;
        print(&changes, context)?;
        if changes.is_empty() { Ok(()) } else { Err(Differs.into()) }
    }
}

/// A slow chip hashes each of them.
fn note_passwords(wanted: &Wanted, session: &Session, context: &Context) {
    let count = wanted.passwords();
    if count >= MANY_PASSWORDS {
        context.note(format_args!(
            "{}: comparing {count} passwords; a chip takes up to a second for each",
            session.name()
        ));
    }
}

/// Opens a transaction that holds what the file wants; what of it is a change, and what the device would list.
fn stage(wanted: &Wanted, session: &mut Session, context: &Context) -> anyhow::Result<(Vec<Change>, State)> {
    let state = State::read(session)?;
    let unknown: Vec<&str> = state
        .settings
        .iter()
        .filter(|setting| setting.entry().is_none())
        .map(|setting| setting.key.as_str())
        .collect();
    if !unknown.is_empty() {
        context.note(format_args!(
            "left alone, because this obkmq is older than the firmware and does not know them: {}",
            unknown.join(", ")
        ));
    }
    let steps = wanted.steps(&state)?;
    session.request(&Command::Begin { generation: session.hello.generation })?;
    let mut changes = Vec::new();
    let mut refused = Vec::new();
    for Step { command, change } in steps {
        match session.request(&command) {
            // Firmware that does not say may have changed something.
            Ok(reply) if reply.fields.get("changed") != Some("no") => changes.extend(change),
            Ok(_) => {}
            Err(failure) if failure.exit == Exit::Settings => {
                refused.push(match change {
                    Some(change) => format!("{}: {}", change.key, failure.why),
                    None => failure.why,
                });
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    if refused.is_empty()
        && let Err(failure) = session.request(&Command::Check)
    {
        if failure.exit != Exit::Settings {
            return Err(failure.into());
        }
        refused.push(failure.why);
    }
    if !refused.is_empty() {
        session.request(&Command::Abort)?;
        return Err(Failure::new(
            Exit::Settings,
            "The device refuses what the file says; nothing was changed.",
            refused.join("\n"),
            "correct the file and run the same command again",
        )
        .into());
    }
    let expected = State::read(session)?;
    Ok((changes, expected))
}

/// Reads how long a trial is to be.
fn trial_seconds(text: &str) -> Result<u32, String> {
    let (min, max) = (TRIAL_RANGE_S.start(), TRIAL_RANGE_S.end());
    let seconds = text.parse().ok().filter(|seconds| TRIAL_RANGE_S.contains(seconds));
    seconds.ok_or_else(|| format!("a trial takes {min} to {max} seconds"))
}

fn print(changes: &[Change], context: &Context) -> anyhow::Result<()> {
    let width = changes.iter().map(|change| change.key.chars().count()).max().unwrap_or(0);
    for change in changes {
        if context.json {
            context.out_json("change", change)?;
        } else {
            context.out(change.to_text(width))?;
        }
    }
    Ok(())
}
