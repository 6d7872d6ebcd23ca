//! `obkmq script rm`: deletes files of a device.

use clap::Args;
use obkmq_config::line::{Command, FileCommand, FileName};
use serde::Serialize;

use super::files::{self, Listing};
use crate::context::Context;
use crate::interrupt;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Delete files of a device
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq script rm old.be --port /dev/ttyUSB0")]
pub(crate) struct Rm {
    /// Their names on the device
    #[arg(required = true, value_name = "NAME", value_parser = files::name)]
    names: Vec<FileName>,
    #[command(flatten)]
    device: DeviceOption,
}

impl Rm {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Deleted<'a> {
            name: &'a str,
        }
        let mut session = session::open(&self.device, context)?;
        let listing = session.work(|session| Ok(Listing::read(session)?))?;
        for name in &self.names {
            listing.find(name)?;
        }
        interrupt::arm("Some of the files may be deleted.", "see which are left: obkmq script ls");
        for name in &self.names {
            session.work(|session| {
                // Done before a reset, and then asked for again.
                if Listing::read(session)?.find(name).is_ok() {
                    session.request(&Command::File(FileCommand::Remove { name: name.clone() }))?;
                }
                Ok(())
            })?;
            if context.json {
                context.out_json("file-deleted", Deleted { name: name.as_str() })?;
            } else {
                context.out(format_args!("{name} is deleted"))?;
            }
        }
        Ok(())
    }
}
