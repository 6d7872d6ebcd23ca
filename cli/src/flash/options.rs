//! How the loader of a chip is reached, for every verb that needs it.

use clap::{Args, ValueEnum};
use obkmq_image::Board;

use super::beken;
use super::esp;
use super::{Loader, Model};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::serial::connect::PortOption;
use crate::serial::open::CONSOLE_BAUD;

/// How the chip gets into its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Before {
    // Not doc comments: they would turn the short help into a long one.
    // Through the cable's DTR and RTS lines, and by asking a firmware that runs.
    DefaultReset,
    // Not at all: BOOT was held while RESET was tapped; CEN will be connected to GND by hand.
    NoReset,
}

/// Options of the verbs that talk to a chip's loader.
#[derive(Args)]
pub(crate) struct LoaderOptions {
    #[command(flatten)]
    pub(crate) port: PortOption,
    /// The board, for example bk7231n (default: what the file is for, or else an ESP32 of any kind)
    #[arg(long, value_name = "BOARD")]
    pub(crate) board: Option<Board>,
    /// Speed of the transfer; drops to 115200 by itself when it fails
    #[arg(long, default_value_t = 460_800, value_parser = clap::value_parser!(u32).range(9600..=4_000_000))]
    pub(crate) baud: u32,
    /// How the chip enters its loader; no-reset: you do it (ESP32: hold BOOT, tap RESET; BK7231: CEN to GND)
    #[arg(long, value_enum, default_value_t = Before::DefaultReset)]
    before: Before,
}

/// The option of the verbs that can write to a BK7231T.
#[derive(Args)]
pub(crate) struct DangerOption {
    /// BK7231T: also write or erase its boot loader. If that fails, the board is dead but for an SPI programmer
    #[arg(long)]
    pub(crate) risk_dead_board: bool,
}

impl LoaderOptions {
    /// Whether the chip is in its loader already, by hand.
    pub(crate) fn is_in_loader(&self) -> bool {
        self.before == Before::NoReset
    }

    /// At the speed that every chip starts with, which is enough for a few questions.
    pub(crate) fn plain(port: PortOption, board: Option<Board>) -> Self {
        Self { port, board, baud: CONSOLE_BAUD, before: Before::DefaultReset }
    }

    /// Opens the port and brings the chip behind it into its loader. `wanted` is what the file at hand is for.
    pub(crate) fn connect(
        &self,
        wanted: Option<Model>,
        risk_dead_board: bool,
        context: &Context,
    ) -> anyhow::Result<(String, Box<dyn Loader>)> {
        let port = self.port.open(context)?;
        let path = port.path.clone();
        context.note(format_args!("{path}: connecting to the loader"));
        let said = self.board.map(Model::from);
        let loader: Box<dyn Loader> = match wanted.or(said) {
            Some(Model::Beken(chip)) => {
                Box::new(beken::connect(port, self.before, self.baud, Some(chip), risk_dead_board, context)?)
            }
            Some(Model::Esp(_)) | None => Box::new(esp::connect(port, self.before, self.baud, context)?),
        };
        let megabytes = loader.flash_bytes() / (1024 * 1024);
        context.note(format_args!("{path}: {} with {megabytes} MB of flash", loader.model()));
        match said {
            Some(said) if said != loader.model() => {
                let found = loader.model();
                // Nothing was done to the board, so it goes on as before.
                let _ = loader.start_firmware(context);
                Err(Failure::new(
                    Exit::WrongImage,
                    format!("The chip on {path} is {found}, not {said}."),
                    "--board names another one; nothing was done",
                    "leave --board out, or use the other board",
                )
                .into())
            }
            _ => Ok((path, loader)),
        }
    }
}
