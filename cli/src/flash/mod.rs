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
//! | [`options`] | how the loader is reached |
//! | [`limits`] | sizes and times |
//!
//! A chip back end implements [`Loader`]; nothing outside it knows the chip's protocol.

pub(crate) mod backup;
pub(crate) mod esp;
mod explain;
pub(crate) mod image;
mod limits;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod provision;

use std::ops::Range;

use obkmq_image::ChipId;

use crate::context::Context;
use crate::failure::Failure;
use crate::serial::transport::SerialTransport;

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
    fn chip(&self) -> ChipId;

    /// The size of the flash that was detected, in bytes.
    fn flash_bytes(&self) -> u32;

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

    /// The MD5 sum that the chip computes of a range.
    fn md5(&mut self, range: &Range<u32>) -> Result<[u8; 16], Failure>;

    /// Erases whole erase units.
    fn erase(&mut self, range: &Range<u32>) -> Result<(), Failure>;

    /// Leaves the loader, starts what was written and hands the port back.
    fn start_firmware(self: Box<Self>, context: &Context) -> Result<SerialTransport, Failure>;
}

/// What [`Loader::write`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Bytes that had to be transferred.
    pub(crate) written_bytes: u64,
    /// Bytes that were in flash already.
    pub(crate) skipped_bytes: u64,
}
