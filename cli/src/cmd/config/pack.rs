//! `config pack`: a settings file as the content of a board's settings region, for boards that are flashed in a factory.

use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_image::layout::SETTINGS_OFFSET;
use serde::Serialize;

use crate::context::Context;
use crate::flash::provision::Provision;
use crate::secret_file;

/// Make the settings region of a board from a settings file
#[derive(Args)]
#[command(after_help = "\
Example:
  obkmq config pack house.toml -o settings.bin
  esptool write-flash 0xb000 settings.bin

For boards that are flashed elsewhere; `obkmq flash --config FILE` does both in one pass. Secrets are read from where the \
file refers to. The result holds password hashes, and Wi-Fi passwords in clear.")]
pub(crate) struct Pack {
    /// The settings file
    file: PathBuf,
    /// The file to be made, readable by you only
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Pack {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Outcome<'a> {
            output: &'a Path,
            offset: u32,
            bytes: usize,
            users: usize,
        }
        let packed = Provision::pack(&self.file)?;
        secret_file::create(&self.output, packed.region())?;
        let (output, users) = (self.output.as_path(), packed.users());
        let bytes = packed.region().len();
        if context.json {
            return context.out_json("pack", Outcome { output, offset: SETTINGS_OFFSET, bytes, users });
        }
        context.out(format_args!(
            "{}: {bytes} bytes for flash address 0x{SETTINGS_OFFSET:x}, with {users} user{}",
            output.display(),
            if users == 1 { "" } else { "s" }
        ))
    }
}
