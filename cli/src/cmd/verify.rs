//! `obkmq verify`: whether a board holds an image, without writing anything.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::image::{self, Image};
use crate::flash::options::LoaderOptions;
use crate::interrupt;

/// Compare a board's flash with an image
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq verify --port /dev/ttyUSB0
  obkmq verify --image app.bin --board bk7231n

Nothing is written. The exit code is 7 if something differs. The board is out of service meanwhile, and starts again \
afterwards.")]
pub(crate) struct Verify {
    /// The image (default: what `cargo xtask image` made for the chip)
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    #[command(flatten)]
    loader: LoaderOptions,
}

#[derive(Serialize)]
struct Compared {
    name: String,
    offset: u32,
    bytes: usize,
    same: bool,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            port: &'a str,
            chip: &'a str,
            image: String,
            same: bool,
            parts: Vec<Compared>,
        }
        let images = match &self.image {
            Some(path) => vec![Image::load(path, self.loader.board)?],
            None => image::found(self.loader.board)?,
        };
        interrupt::arm("Nothing was changed.", "tap RESET, or switch the board's power off and on");
        let wanted = images.first().map(|image| image.model);
        let (path, mut loader) = self.loader.connect(wanted, false, context)?;
        let chip = loader.model().name();
        let compared = image::for_model(images, loader.model()).and_then(|image| {
            let mut parts = Vec::new();
            for part in &image.parts {
                let end = part.offset.saturating_add(u32::try_from(part.data.len()).unwrap_or(u32::MAX));
                let same = end <= loader.flash_bytes() && loader.holds(&(part.offset..end), &part.data)?;
                let (name, bytes) = (part.name.clone(), part.data.len());
                parts.push(Compared { name, offset: part.offset, bytes, same });
            }
            Ok((image, parts))
        });
        // Whatever was found: the board is wanted back.
        let restarted = loader.start_firmware(context);
        let (image, parts) = compared?;
        if let Err(failure) = restarted {
            context.warn(format_args!("the board was not started again ({}): tap RESET", failure.why));
        }
        let differing: Vec<String> =
            parts.iter().filter(|part| !part.same).map(|part| part.name.clone()).collect();
        if context.json {
            let (image, same) = (image.path.display().to_string(), differing.is_empty());
            context.out_json("verify", Line { port: &path, chip: &chip, image, same, parts })?;
        } else {
            for Compared { name, offset, bytes, same } in &parts {
                let word = if *same { "same" } else { "differs" };
                context.out(format_args!("{word:7}  0x{offset:06x}  {bytes:>9} bytes  {name}"))?;
            }
        }
        if differing.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Write,
            format!("The board on {path} does not hold {}.", image.path.display()),
            format!("what differs: {}", differing.join(", ")),
            "write it: obkmq flash",
        )
        .into())
    }
}
