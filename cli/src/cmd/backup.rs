//! `obkmq backup`: all that a board's flash holds, in a file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use obkmq_config::line::{Command, ErrorCode};
use serde::Serialize;

use crate::context::Context;
use crate::flash::backup;
use crate::flash::options::LoaderOptions;
use crate::interrupt;
use crate::serial::client::{Client, ClientError};
use crate::serial::transport::SerialTransport;

/// A board whose firmware runs answers within this time; one that waits in its loader never does.
const GREETING_PATIENCE: Duration = Duration::from_secs(2);
/// More often than this a board is not asked to store what waits: clients may publish faster than flash takes it.
const FLUSHES_LIMIT: u32 = 1_000;
/// After so many messages that did not fit, the others will not either.
const REFUSALS_LIMIT: u32 = 3;

/// Save all that a board's flash holds in a file
#[derive(Args)]
#[command(after_help = "\
Example:
  obkmq backup kitchen.bin --port /dev/ttyUSB0

Users, settings, scripts, retained messages and the firmware itself: `obkmq restore` puts them on this board again, or on a \
spare one. The SHA-256 stands in FILE.sha256. An interrupted backup goes on where it stopped when the same command is \
run again. The board is out of service meanwhile, and starts again afterwards.")]
pub(crate) struct Backup {
    /// The file to be made
    #[arg(default_value = "obkmq-backup.bin")]
    file: PathBuf,
    #[command(flatten)]
    loader: LoaderOptions,
}

impl Backup {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Outcome<'a> {
            file: &'a Path,
            chip: String,
            bytes: u64,
            resumed_bytes: u64,
            sha256: &'a str,
            seconds: f64,
        }
        backup::check_free(&self.file)?;
        self.store_what_waits(context)?;
        let (_, mut loader) = self.loader.connect(None, false, context)?;
        let bytes = loader.flash_bytes();
        let chip = loader.model().to_string();
        context.note(format_args!(
            "{} kB to {}, about {:.0} s at {} baud",
            bytes / 1024,
            self.file.display(),
            backup::seconds(bytes, self.loader.baud).ceil(),
            self.loader.baud
        ));
        interrupt::arm(
            "The backup is not whole; the board is as it was, and waits in its loader.",
            "run the same command again: it goes on where it stopped; or tap RESET",
        );
        let started = Instant::now();
        let bar = context.byte_bar(bytes.into());
        let taken = backup::take(loader.as_mut(), &self.file, &mut |done| bar.set_position(done), context);
        bar.finish_and_clear();
        // Whether or not it was read: the board is wanted back.
        interrupt::arm("The board waits in its loader.", "tap RESET");
        let restarted = loader.start_firmware(context);
        let taken = taken?;
        if let Err(failure) = restarted {
            context.warn(format_args!("the board was not started again ({}): tap RESET", failure.why));
        }
        context.warn(format_args!(
            "{} holds password hashes, and Wi-Fi passwords in clear: keep it to yourself",
            self.file.display()
        ));
        let seconds = started.elapsed().as_secs_f64();
        if context.json {
            return context.out_json(
                "backup",
                Outcome {
                    file: &self.file,
                    chip,
                    bytes: taken.bytes,
                    resumed_bytes: taken.resumed_bytes,
                    sha256: &taken.sha256,
                    seconds,
                },
            );
        }
        let resumed = if taken.resumed_bytes > 0 {
            format!(", {} of them from before", taken.resumed_bytes)
        } else {
            String::new()
        };
        context.out(format_args!(
            "{}: {} bytes{resumed} in {seconds:.1} s",
            self.file.display(),
            taken.bytes
        ))?;
        context.out(format_args!("sha256 {}", taken.sha256))
    }

    /// Asks the firmware, if it runs, to store the retained messages and sessions that it has not stored yet: entering the
    /// loader ends it.
    fn store_what_waits(&self, context: &Context) -> anyhow::Result<()> {
        if self.loader.is_in_loader() {
            return Ok(());
        }
        let mut client = Client::new(SerialTransport::new(self.loader.port.open(context)?), |_| {});
        if client.hello(GREETING_PATIENCE).is_err() {
            context.detail("the firmware does not answer: what it had not stored is not in the backup");
            return Ok(());
        }
        let mut refused = 0;
        for _ in 0..FLUSHES_LIMIT {
            match client.request(&Command::Flush) {
                Ok(reply) if reply.fields.get("waiting") == Some("yes") => {}
                Ok(_) => return Ok(()),
                Err(ClientError::Refused(refusal)) if refusal.code == ErrorCode::Storage => {
                    context.warn(format_args!("not in the backup: {}", refusal.message));
                    refused += 1;
                    if refused == REFUSALS_LIMIT {
                        break;
                    }
                }
                // Older firmware does not know the command.
                Err(error) => {
                    let why = error.into_failure(client.name(), true).what;
                    context.detail(format_args!("what waits to be stored is not in the backup: {why}"));
                    return Ok(());
                }
            }
        }
        context.warn("the board has more to store than it could; what came last may not be in the backup");
        Ok(())
    }
}
