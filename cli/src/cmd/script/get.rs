//! `obkmq script get`: a file of a device onto this machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_config::line::FileName;
use serde::Serialize;

use super::files;
use crate::context::{self, Context};
use crate::failure::{Exit, Failure};
use crate::secret_file;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Copy a file from a device
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq script get autoexec.be
  obkmq script get autoexec.be -o backup.be --port /dev/ttyUSB0")]
pub(crate) struct Get {
    /// Its name on the device
    #[arg(value_parser = files::name)]
    name: FileName,
    /// Where to write it (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceOption,
}

impl Get {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Read<'a> {
            name: &'a str,
            bytes: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            text: Option<String>,
        }
        let mut session = session::open(&self.device, context)?;
        let bar = context.byte_bar(0);
        let contents =
            session.work(|session| Ok(files::receive(session, &self.name, |bytes| bar.set_position(bytes))?));
        bar.finish_and_clear();
        let contents = contents?;
        if let Some(path) = &self.output {
            write(path, &contents)?;
        }
        let (name, bytes) = (self.name.as_str(), contents.len());
        if context.json {
            let text = self.output.is_none().then(|| String::from_utf8_lossy(&contents).into_owned());
            return context.out_json("file", Read { name, bytes, text });
        }
        match &self.output {
            Some(path) => context.out(format_args!("{name}: {bytes} bytes written to {}", path.display())),
            None => std::io::stdout().write_all(&contents).map_err(context::stdout_error),
        }
    }
}

fn write(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    secret_file::replace(path, contents).map_err(|error| {
        let what = format!("{} cannot be written.", path.display());
        Failure::new(Exit::Usage, what, error.to_string(), "name another place with -o")
    })
}
