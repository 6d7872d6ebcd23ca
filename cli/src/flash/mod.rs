//! Writing firmware to a chip: find and check the image, plan, write, verify, restart.
//!
//! | file | concept |
//! |---|---|
//! | [`image`] | the image: found, read and checked before any port is opened |
//! | [`backup`] | a whole flash in a file, with its checksum beside it |
//! | [`plan`] | what is written, kept and erased, and that it fits the chip |
//! | [`provision`] | settings that are written together with the image |
//! | [`esp`] | the ESP32 family's loader, with the espflash library |
//! | [`explain`] | that library's errors in words a user can act on |
//! | [`beken`] | the loaders of BK7231T and BK7231N |
//! | [`consent`] | a last question before what cannot be undone |
//! | [`options`] | how the loader is reached |
//! | [`limits`] | sizes and times |
//!
//! A chip back end implements [`Loader`]; nothing outside it knows the chip's protocol.

pub(crate) mod backup;
pub(crate) mod beken;
pub(crate) mod consent;
pub(crate) mod esp;
mod explain;
pub(crate) mod image;
mod limits;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod provision;

use std::fmt;
use std::ops::Range;

use obkmq_image::beken::BekenChip;
use obkmq_image::{Board, ChipId};

use crate::context::Context;
use crate::failure::Failure;
use crate::serial::transport::SerialTransport;

/// The least that can be erased.
pub(crate) const ERASE_UNIT: u32 = limits::SECTOR_BYTES;

/// One contiguous piece of flash content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// What it is, for the plan.
    pub(crate) name: String,
    /// Flash address of the first byte, a multiple of the erase unit.
    pub(crate) offset: u32,
    pub(crate) data: Vec<u8>,
}

/// A chip that waits in its loader for commands.
pub(crate) trait Loader {
    /// The chip that was detected.
    fn model(&self) -> Model;

    /// The size of the flash that was detected, in bytes.
    fn flash_bytes(&self) -> u32;

    /// What else the chip says of itself and holds, as names and values.
    fn facts(&mut self, _context: &Context) -> Result<Vec<(&'static str, String)>, Failure> {
        Ok(Vec::new())
    }

    /// What is never written or erased, with its name: asking for it is an error. In the order of the addresses.
    fn kept(&self) -> Vec<(&'static str, Range<u32>)> {
        Vec::new()
    }

    /// Writes the parts and compares each with what the flash holds afterwards. What is there already is skipped.
    ///
    /// `progress` is told how many bytes of all parts are done.
    fn write(
        &mut self,
        parts: &[Part],
        progress: &mut dyn FnMut(u64),
        context: &Context,
    ) -> Result<Written, Failure>;

    /// Reads a range, and compares it with the chip's own checksum.
    fn read(&mut self, range: &Range<u32>, context: &Context) -> Result<Vec<u8>, Failure>;

    /// Whether the flash holds these bytes in that range, by a sum that the chip computes.
    fn holds(&mut self, range: &Range<u32>, bytes: &[u8]) -> Result<bool, Failure>;

    /// Erases whole erase units.
    fn erase(&mut self, range: &Range<u32>, context: &Context) -> Result<(), Failure>;

    /// Leaves the loader, starts what was written and hands the port back.
    fn start_firmware(self: Box<Self>, context: &Context) -> Result<SerialTransport, Failure>;
}

/// A chip as it says itself what it is, or as an image or a backup is for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// Of the ESP32 family, known here or not.
    Esp(ChipId),
    /// A BK7231.
    Beken(BekenChip),
}

impl Model {
    /// The board in the words of command lines, if there is obkmq for it.
    pub(crate) fn board(self) -> Option<Board> {
        match self {
            Self::Esp(id) => id.chip().map(Board::Esp),
            Self::Beken(chip) => Some(Board::Beken(chip)),
        }
    }

    /// The same as a text, or else the maker's spelling.
    pub(crate) fn name(self) -> String {
        self.board().map_or_else(|| self.to_string(), |board| board.name().to_owned())
    }
}

impl From<Board> for Model {
    fn from(board: Board) -> Self {
        match board {
            Board::Esp(chip) => Self::Esp(chip.id()),
            Board::Beken(chip) => Self::Beken(chip),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Esp(id) => id.fmt(formatter),
            Self::Beken(chip) => chip.fmt(formatter),
        }
    }
}

/// What [`Loader::write`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Bytes that had to be transferred.
    pub(crate) written_bytes: u64,
    /// Bytes that were in flash already.
    pub(crate) skipped_bytes: u64,
}
