//! `obkmq restore`: what `obkmq backup` has saved, onto this board or a spare one.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::flash;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::backup::{self, Backup};
use crate::flash::options::LoaderOptions;
use crate::flash::{Loader, Part};
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
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
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
        let backup = backup::load(&self.file)?;
        let (path, loader) = self.loader.connect(context)?;
        let mut loader: Box<dyn Loader> = Box::new(loader);
        if let Err(failure) =
            check(&backup, loader.as_ref()).and_then(|()| self.consent(&backup, &path, context))
        {
            // Nothing was done to the board, so it goes on as before. If it cannot, the failure says more.
            let _ = loader.start_firmware(context);
            return Err(failure.into());
        }
        let bytes = backup.bytes.len() as u64;

        interrupt::arm(
            "The board is half-restored, and does not start.",
            "run the same command again; what is written already is skipped",
        );
        let started = Instant::now();
        let part = Part { name: "backup".to_owned(), offset: 0, data: backup.bytes };
        let bar = context.byte_bar(bytes);
        let written = loader.write(std::slice::from_ref(&part), &mut |done| bar.set_position(done), context);
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

    fn consent(&self, backup: &Backup, path: &str, context: &Context) -> Result<(), Failure> {
        let bytes = backup.bytes.len();
        context
            .note(format_args!("all that {path} holds gives way to {} ({bytes} bytes)", self.file.display()));
        if self.yes {
            return Ok(());
        }
        let refusal = |why: &str| {
            Failure::new(
                Exit::Usage,
                "Nothing was written.",
                why,
                "run the same command with --yes when you are sure",
            )
        };
        if !context.interactive {
            return Err(refusal("all that the board holds would be gone, and nobody is there to be asked"));
        }
        let _ = write!(std::io::stderr(), "Go on? [y/N] ");
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
            return Ok(());
        }
        Err(refusal("the answer was not yes"))
    }
}

/// Refuses a board that the backup cannot be for.
fn check(backup: &Backup, loader: &dyn Loader) -> Result<(), Failure> {
    if backup.chip != loader.chip() {
        return Err(Failure::new(
            Exit::WrongImage,
            format!("The chip is an {}; the backup is of another one.", loader.chip()),
            format!("it is of an {}; nothing was erased", backup.chip),
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
