//! `config confirm` and `config rollback`: the end of a trial, and the way back from a commit.

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use super::change;
use crate::context::Context;
use crate::interrupt;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Keep the settings that are on trial
#[derive(Args)]
#[command(after_help = "\
Example:
  obkmq config apply house.toml --trial 120
  obkmq config confirm

Without it, a trial ends by itself at its time or with a restart, and the former settings are in use again.")]
pub(crate) struct Confirm {
    #[command(flatten)]
    device: DeviceOption,
}

/// End a trial, or go back to the settings before the last change
#[derive(Args)]
#[command(after_help = "\
Example:
  obkmq config rollback --port /dev/ttyUSB0

The device remembers the settings before its last change; a second rollback comes back from there. Users that were deleted \
by that change are there again.")]
pub(crate) struct Rollback {
    #[command(flatten)]
    device: DeviceOption,
}

impl Confirm {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        end(&self.device, &Command::Confirm, context)
    }
}

impl Rollback {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        end(&self.device, &Command::Rollback, context)
    }
}

/// Neither is done again after a reset: that ends a trial, and rolls back once more.
fn end(device: &DeviceOption, command: &Command<'_>, context: &Context) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Done {
        generation: u32,
    }
    let mut session = session::open(device, context)?;
    let hold = interrupt::defer(
        change::HURRY,
        "The device has its old or its new settings.",
        "see which: obkmq config list",
    );
    let generation = change::finish(&mut session, command)?;
    let (kind, state, text) = match command {
        Command::Confirm => {
            ("confirmed", "The settings are kept.", "the settings that were on trial are kept")
        }
        _ => ("rolled-back", "The former settings are in use.", "the former settings are in use"),
    };
    change::end(&hold, state)?;
    if context.json {
        return context.out_json(kind, Done { generation });
    }
    context.out(format_args!("{text} (generation {generation})"))
}
