//! What can be wrong with a file that should be an image.

use crate::bytes::hex;
use crate::chip::ChipId;
use crate::identify::Likeness;
use crate::partition::TableError;

/// Why a file is not an image that can be flashed.
///
/// Offsets count from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file begins like no image.
    #[error("this is not a firmware image: {likeness}")]
    NotAnImage {
        /// What it looks like instead.
        likeness: Likeness,
    },
    /// The file ends before what its headers announce.
    #[error(
        "the image is cut short: its {part} at offset 0x{at:X} reaches to byte {needed}, but the file has {found} bytes"
    )]
    Truncated {
        /// What is incomplete.
        part: &'static str,
        /// Where it begins.
        at: usize,
        /// Bytes the file must have at least.
        needed: usize,
        /// Bytes the file has.
        found: usize,
    },
    /// An image does not begin with its magic byte.
    #[error("no image at offset 0x{at:X}: it should begin with 0xE9, but there is 0x{found:02X}")]
    Magic {
        /// Where the image should begin.
        at: usize,
        /// The byte that is there.
        found: u8,
    },
    /// No segments, or more than a loader takes.
    #[error("the image at offset 0x{at:X} claims {found} segments; 1 to 16 are possible")]
    SegmentCount {
        /// Where the image begins.
        at: usize,
        /// The number its header gives.
        found: u8,
    },
    /// A segment's length is not made of words, or is beyond what a loader takes.
    #[error("segment {index} at offset 0x{at:X} claims {found} bytes: not a multiple of 4 below 16 MiB")]
    SegmentLength {
        /// Which segment, counted from 0.
        index: u8,
        /// Where its header begins.
        at: usize,
        /// The length it gives.
        found: u32,
    },
    /// The sum over the segments is wrong.
    #[error(
        "the image is damaged: the checksum at offset 0x{at:X} says 0x{expected:02X}, the data gives 0x{found:02X}"
    )]
    Checksum {
        /// Where the checksum stands.
        at: usize,
        /// The checksum in the image.
        expected: u8,
        /// The checksum of the data.
        found: u8,
    },
    /// The SHA-256 over the image is wrong.
    #[error(
        "the image is damaged: the SHA-256 at offset 0x{at:X} is {}…, the data gives {}…",
        hex(expected.get(..8).unwrap_or_default()),
        hex(found.get(..8).unwrap_or_default())
    )]
    Hash {
        /// Where the hash stands.
        at: usize,
        /// The hash in the image.
        expected: [u8; 32],
        /// The hash of the data.
        found: [u8; 32],
    },
    /// A header's byte for "a hash follows" is neither 0 nor 1.
    #[error("the image header at offset 0x{at:X} is damaged: its hash flag is {found}, not 0 or 1")]
    HashFlag {
        /// Where the image begins.
        at: usize,
        /// The byte that is there.
        found: u8,
    },
    /// A proper image, but not of an application.
    #[error(
        "the image at offset 0x{at:X} has no application descriptor: it is a bootloader or other loadable code"
    )]
    NotAnApplication {
        /// Where the image begins.
        at: usize,
    },
    /// A merged image's partition table is wrong.
    #[error("partition table at offset 0x8000: {0}")]
    Table(#[from] TableError),
    /// A merged image's table names no application partition.
    #[error("the partition table has no application partition")]
    NoAppPartition,
    /// A merged image ends before its application, or there is nothing in that place.
    #[error("partition `{partition}` at offset 0x{at:X} is empty: the image holds no application")]
    NoApplication {
        /// The partition the bootloader would start.
        partition: String,
        /// Where it begins.
        at: usize,
    },
    /// The application is longer than its partition.
    #[error("the application has {found} bytes, its partition `{partition}` {room}")]
    TooLarge {
        /// The partition.
        partition: String,
        /// Bytes of the partition.
        room: u32,
        /// Bytes of the application.
        found: usize,
    },
    /// Bootloader and application of a merged image are for different chips.
    #[error("the bootloader is for {bootloader}, the application for {application}")]
    MixedChips {
        /// The bootloader's chip.
        bootloader: ChipId,
        /// The application's chip.
        application: ChipId,
    },
    /// The bootloader's header says that the flash is smaller than the table needs: it would refuse the table.
    #[error(
        "the partition table reaches to 0x{needed:X}, but the bootloader's header says {flash} bytes of flash"
    )]
    FlashSize {
        /// Where the last partition ends.
        needed: u32,
        /// The size in the bootloader's header.
        flash: u32,
    },
    /// Bytes that belong to no part of the image.
    #[error("unexpected data after the {after}: byte 0x{found:02X} at offset 0x{at:X} should be blank")]
    Stray {
        /// The part before it.
        after: &'static str,
        /// Where it is.
        at: usize,
        /// The first byte of it.
        found: u8,
    },
}
