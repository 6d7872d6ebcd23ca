//! `obkmq script ls`: the files of a device.

use clap::Args;
use serde::Serialize;

use super::files::Listing;
use crate::context::Context;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// List the files of a device
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq script ls --port /dev/ttyUSB0")]
pub(crate) struct Ls {
    #[command(flatten)]
    device: DeviceOption,
}

impl Ls {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct File<'a> {
            name: &'a str,
            bytes: u32,
            sha256: String,
        }
        #[derive(Serialize)]
        struct Room {
            files: usize,
            free_bytes: u32,
            damaged: bool,
        }
        let mut session = session::open(&self.device, context)?;
        let listing = session.work(|session| Ok(Listing::read(session)?))?;
        if listing.damaged {
            context.warn("the newest list of files is damaged: files may be missing or old; put them again");
        }
        let width = listing.files.iter().map(|file| file.name.as_str().len()).max().unwrap_or(0);
        for file in &listing.files {
            let name = file.name.as_str();
            if context.json {
                let sha256 = file.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
                context.out_json("file", File { name, bytes: file.bytes, sha256 })?;
            } else {
                context.out(format_args!("{name:<width$}  {:>7} bytes", file.bytes))?;
            }
        }
        let Listing { files, free, damaged } = listing;
        if context.json {
            return context.out_json("files", Room { files: files.len(), free_bytes: free, damaged });
        }
        context.note(format_args!("{} files; room for {free} bytes more", files.len()));
        Ok(())
    }
}
