//! `obkmq restore`: what `obkmq backup` has saved, onto this board or a spare one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::flash;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::Loader;
use crate::flash::backup::{self, Backup};
use crate::flash::consent::Consent;
use crate::flash::options::{DangerOption, LoaderOptions};
use crate::interrupt;

/// Put a backup on a board, in place of all that it holds
#[derive(Args)]
#[command(after_help = "\
Example:
  obkmq restore kitchen.bin --port /dev/ttyUSB0

The checksum of the file, the chip and the size of its flash are checked before anything is written, and everything \
is verified. A spare board is then the same as the old one, down to its users and their passwords: do not run both in one \
network. Running it again writes only what differs.")]
pub(crate) struct Restore {
    /// What `obkmq backup` has made
    file: PathBuf,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    danger: DangerOption,
    #[command(flatten)]
    loader: LoaderOptions,
}

impl Restore {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Outcome<'a> {
            port: &'a str,
            file: &'a Path,
            bytes: u64,
            written_bytes: u64,
            skipped_bytes: u64,
            seconds: f64,
            firmware: Option<String>,
        }
        let backup = backup::load(&self.file, self.loader.board)?;
        let (path, mut loader) =
            self.loader.connect(Some(backup.model), self.danger.risk_dead_board, context)?;
        if let Err(failure) = check(&backup, loader.as_ref()).and_then(|()| self.ask(&backup, &path, context))
        {
            // Nothing was done to the board, so it goes on as before. If it cannot, the failure says more.
            let _ = loader.start_firmware(context);
            return Err(failure.into());
        }
        let kept = loader.kept();
        for (name, range) in &kept {
            context.note(format_args!("kept as it is: {name}, 0x{:06x}..0x{:06x}", range.start, range.end));
        }
        let parts = backup.parts(&kept);
        let bytes = parts.iter().map(|part| part.data.len() as u64).sum();

        interrupt::arm(
            "The board is half-restored, and does not start.",
            "run the same command again; what is written already is skipped",
        );
        let started = Instant::now();
        let bar = context.byte_bar(bytes);
        let written = loader.write(&parts, &mut |done| bar.set_position(done), context);
        bar.finish_and_clear();
        let written = written?;
        let seconds = started.elapsed().as_secs_f64();

        interrupt::arm("Everything is written and verified.", "tap RESET, then: obkmq info");
        let transport = loader.start_firmware(context)?;
        // The backup may be of somebody else's firmware.
        let firmware = match flash::await_firmware(transport, context) {
            Ok(hello) => Some(hello.firmware),
            Err(_) => {
                context
                    .warn("it is written and verified, but does not answer as obkmq does: was it obkmq's?");
                None
            }
        };
        if context.json {
            let (written_bytes, skipped_bytes) = (written.written_bytes, written.skipped_bytes);
            let (port, file) = (path.as_str(), self.file.as_path());
            return context.out_json(
                "restore",
                Outcome { port, file, bytes, written_bytes, skipped_bytes, seconds, firmware },
            );
        }
        let runs = firmware.map(|version| format!("; obkmq {version} runs")).unwrap_or_default();
        context.out(format_args!(
            "{path}: {} bytes written in {seconds:.1} s, {} were there already, verified{runs}",
            written.written_bytes, written.skipped_bytes
        ))
    }

    fn ask(&self, backup: &Backup, path: &str, context: &Context) -> Result<(), Failure> {
        let (file, bytes) = (self.file.display(), backup.bytes.len());
        self.consent.ask(&format!("all that {path} holds gives way to {file} ({bytes} bytes)"), context)
    }
}

/// Refuses a board that the backup cannot be for.
fn check(backup: &Backup, loader: &dyn Loader) -> Result<(), Failure> {
    if backup.model != loader.model() {
        return Err(Failure::new(
            Exit::WrongImage,
            format!("The chip is {}; the backup is of another one.", loader.model()),
            format!("it is of {}; nothing was erased", backup.model),
            "use a board of the same kind",
        ));
    }
    let (has, needs) = (loader.flash_bytes() as usize, backup.bytes.len());
    if has < needs {
        return Err(Failure::new(
            Exit::WrongImage,
            "The backup does not fit this chip's flash.",
            format!("it has {} kB, the chip has {} kB; nothing was erased", needs / 1024, has / 1024),
            "use a board with as much flash",
        ));
    }
    Ok(())
}
