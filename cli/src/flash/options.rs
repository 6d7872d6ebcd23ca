//! How the loader of a chip is reached, for every verb that needs it.

use clap::Args;

use super::Loader as _;
use super::esp::{self, Before, EspLoader};
use crate::context::Context;
use crate::serial::connect::PortOption;

/// Options of the verbs that talk to a chip's loader.
#[derive(Args)]
pub(crate) struct LoaderOptions {
    #[command(flatten)]
    pub(crate) port: PortOption,
    /// Speed of the transfer; drops to 115200 by itself when it fails
    #[arg(long, default_value_t = 460_800, value_parser = clap::value_parser!(u32).range(9600..=4_000_000))]
    pub(crate) baud: u32,
    /// How the chip enters its loader; no-reset: BOOT was held while RESET was tapped
    #[arg(long, value_enum, default_value_t = Before::DefaultReset)]
    before: Before,
}

impl LoaderOptions {
    /// Whether the chip is in its loader already, by hand.
    pub(crate) fn is_in_loader(&self) -> bool {
        self.before == Before::NoReset
    }

    /// Opens the port and brings the chip behind it into its loader.
    pub(crate) fn connect(&self, context: &Context) -> anyhow::Result<(String, EspLoader)> {
        let port = self.port.open(context)?;
        let path = port.path.clone();
        context.note(format_args!("{path}: connecting to the loader"));
        let loader = esp::connect(port, self.before, self.baud, context)?;
        let megabytes = loader.flash_bytes() / (1024 * 1024);
        context.note(format_args!("{path}: {} with {megabytes} MB of flash", loader.chip()));
        Ok((path, loader))
    }
}
