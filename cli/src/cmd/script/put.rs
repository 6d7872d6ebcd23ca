//! `obkmq script put`: files of this machine onto a device.

use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_config::line::{Command, FileCommand, FileInfo, FileName};
use serde::Serialize;

use super::files::{self, Listing};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::serial::connect::DeviceOption;
use crate::serial::session::{self, Session};

const HURRY: &str = "Ctrl-C: the file is being put in place, one moment. Ctrl-C again ends at once.";

/// The largest file that is read; no device has room for more.
const FILE_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// Copy files to a device
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq script put autoexec.be --port /dev/ttyUSB0
  obkmq script put night.be --as autoexec.be

A file is there whole, or the former one is; one that the device has already is not sent again.")]
pub(crate) struct Put {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Its name on the device (default: that of the file)
    #[arg(long = "as", value_name = "NAME", value_parser = files::name)]
    name: Option<FileName>,
    #[command(flatten)]
    device: DeviceOption,
}

#[derive(Serialize)]
struct Stored<'a> {
    name: &'a str,
    bytes: u32,
    changed: bool,
}

impl Put {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.name.is_some() && self.files.len() > 1 {
            let why = "--as names one file, and several were given";
            return Err(
                Failure::new(Exit::Usage, "Nothing was sent.", why, "put them one after the other").into()
            );
        }
        // All of them before the first is sent.
        let mut sources = Vec::new();
        for path in &self.files {
            let name = match &self.name {
                Some(name) => name.clone(),
                None => name_of(path)?,
            };
            sources.push((name, read(path)?));
        }
        let mut session = session::open(&self.device, context)?;
        for (name, contents) in sources {
            put(&mut session, name, &contents, context)?;
        }
        Ok(())
    }
}

fn put(session: &mut Session, name: FileName, contents: &[u8], context: &Context) -> anyhow::Result<()> {
    let Some(info) = files::describe(name, contents) else {
        return Err(
            Failure::new(Exit::Usage, "The file is too large.", "it has more than 4 GiB", "cut it").into()
        );
    };
    interrupt::arm(
        &format!("{} is on the device as it was before.", info.name),
        "run the same command again when you are ready",
    );
    let bar = context.byte_bar(info.bytes.into());
    let changed = store(session, &info, contents, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    let changed = changed?;
    if context.json {
        let stored = Stored { name: info.name.as_str(), bytes: info.bytes, changed };
        return context.out_json("file-stored", stored);
    }
    let how = if changed { "stored" } else { "there already" };
    context.out(format_args!("{}: {how}, {} bytes", info.name, info.bytes))
}

/// Sends a file and waits until the device lists it; `false` if it had it already. All of it again after a reset.
pub(super) fn store(
    session: &mut Session,
    info: &FileInfo,
    contents: &[u8],
    mut progress: impl FnMut(u64),
) -> anyhow::Result<bool> {
    session.work(|session| {
        if !files::send(session, info, contents, &mut progress)? {
            return Ok(false);
        }
        let hold = interrupt::defer(
            HURRY,
            &format!("The device has the old or the new {}.", info.name),
            "see which: obkmq script ls",
        );
        session.request(&Command::File(FileCommand::End))?;
        if Listing::read(session)?.find(&info.name)? != info {
            return Err(Failure::new(
                Exit::Settings,
                format!("The device does not list {} as it was given.", info.name),
                "somebody else put another one at once, or its firmware has a fault",
                "run the same command again, with --verbose",
            )
            .into());
        }
        if hold.interrupted() {
            let what = format!("{} is on the device.", info.name);
            let why = "interrupted while it was put in place, and waited for it";
            return Err(
                Failure::new(Exit::Interrupted, what, why, "nothing, or see it: obkmq script ls").into()
            );
        }
        Ok(true)
    })
}

fn name_of(path: &Path) -> Result<FileName, Failure> {
    let text = path.file_name().unwrap_or_default().to_string_lossy();
    files::name(&text).map_err(|why| {
        let what = format!("{} cannot have its name on the device.", path.display());
        Failure::new(Exit::Usage, what, why, "give it another one: --as NAME")
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| {
        let what = format!("{} cannot be read.", path.display());
        Failure::new(Exit::Usage, what, why, "correct the path")
    };
    obkmq_host::read_bytes(path, FILE_LIMIT_BYTES).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => failed(format!("{error}: it fits no device")),
        _ => failed(error.to_string()),
    })
}
