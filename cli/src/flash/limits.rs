//! Sizes and times of flashing.

/// Parts are written in pieces of this size: each is verified, and skipped when the flash holds it already.
pub(super) const SEGMENT_BYTES: usize = 64 * 1024;

/// How often a step is tried on a line that garbles without getting further. Segments that are written are skipped the
/// next time, and each of them starts the count anew.
pub(super) const LINE_TRIES: u32 = 3;

/// The chip erases whole sectors of this size.
pub(super) const SECTOR_BYTES: u32 = 4096;

/// An image file larger than this is not one.
pub(super) const IMAGE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Share of the line's raw speed that flashing reaches, for the estimate in the plan: ten bits a byte, framing and
/// erasing, compression in the other direction. Measured boards lie between 0.8 and 1.6.
pub(super) const LINE_SPEED_SHARE: f64 = 0.08;

/// Blocks in which the stub sends flash. One at a time is on its way: with more, the library loses its place.
pub(super) const READ_BLOCK_BYTES: u32 = 4096;
pub(super) const READ_BLOCKS_IN_FLIGHT: u32 = 1;

/// Share of the line's raw speed that reading reaches: ten bits a byte, framing, a pause for each acknowledgement.
pub(super) const READ_SPEED_SHARE: f64 = 0.07;

/// A backup larger than this is none: no chip of the family has more flash.
pub(super) const BACKUP_LIMIT_BYTES: u64 = 32 * 1024 * 1024;
