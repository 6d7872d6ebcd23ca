//! The 24 bytes an image begins with (`esp_image_header_t`).

use core::fmt;

use crate::bytes::{byte, half, word};
use crate::chip::ChipId;
use crate::error::ImageError;
use crate::esp::IMAGE_MAGIC;
use crate::limits::MAX_SEGMENTS;

/// Where the header's fields lie.
mod field {
    pub(super) const MAGIC: usize = 0;
    pub(super) const SEGMENT_COUNT: usize = 1;
    pub(super) const FLASH_MODE: usize = 2;
    pub(super) const FLASH_SIZE_AND_SPEED: usize = 3;
    pub(super) const ENTRY: usize = 4;
    pub(super) const CHIP_ID: usize = 12;
    pub(super) const MIN_REVISION: usize = 15;
    pub(super) const MAX_REVISION: usize = 17;
    pub(super) const HASH_APPENDED: usize = 23;
}

/// How the flash chip's data lines are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashMode {
    /// Quad I/O
    Qio,
    /// Quad output
    Qout,
    /// Dual I/O
    Dio,
    /// Dual output
    Dout,
    /// A value without a meaning here
    Other(u8),
}

impl From<u8> for FlashMode {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Qio,
            1 => Self::Qout,
            2 => Self::Dio,
            3 => Self::Dout,
            other => Self::Other(other),
        }
    }
}

/// A chip revision: hundreds are the major number, the rest the minor one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u16);

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "v{}.{}", self.0 / 100, self.0 % 100)
    }
}

/// What an image's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Segments that follow; 1 to 16.
    pub segment_count: u8,
    /// How the flash is wired.
    pub flash_mode: FlashMode,
    /// Size of the flash chip the image was made for, in bytes; `None` for a code without a meaning.
    pub flash_bytes: Option<u32>,
    /// The flash clock's code; its meaning depends on the chip.
    pub flash_speed: u8,
    /// Address of the first instruction.
    pub entry: u32,
    /// The chip the image runs on.
    pub chip_id: ChipId,
    /// Lowest revision of the chip it runs on.
    pub min_revision: Revision,
    /// Highest revision of the chip it runs on.
    pub max_revision: Revision,
    /// Whether a SHA-256 follows the checksum.
    pub hash_appended: bool,
}

impl ImageHeader {
    /// Bytes of a header.
    pub const BYTES: usize = 24;

    /// Reads the header at `at`.
    ///
    /// # Errors
    /// [`ImageError::Truncated`], [`ImageError::Magic`], [`ImageError::SegmentCount`], [`ImageError::HashFlag`].
    pub fn read(file: &[u8], at: usize) -> Result<Self, ImageError> {
        let truncated = || ImageError::Truncated {
            part: "header",
            at,
            needed: at.saturating_add(Self::BYTES),
            found: file.len(),
        };
        let header = file.get(at..).ok_or_else(truncated)?;
        let magic = byte(header, field::MAGIC).ok_or_else(truncated)?;
        if magic != IMAGE_MAGIC {
            return Err(ImageError::Magic { at, found: magic });
        }
        Self::fields(header, at).ok_or_else(truncated)?
    }

    /// `None` when the header is incomplete.
    fn fields(header: &[u8], at: usize) -> Option<Result<Self, ImageError>> {
        let segment_count = byte(header, field::SEGMENT_COUNT)?;
        let hash_flag = byte(header, field::HASH_APPENDED)?;
        if segment_count == 0 || segment_count > MAX_SEGMENTS {
            return Some(Err(ImageError::SegmentCount { at, found: segment_count }));
        }
        if hash_flag > 1 {
            return Some(Err(ImageError::HashFlag { at, found: hash_flag }));
        }
        let size_and_speed = byte(header, field::FLASH_SIZE_AND_SPEED)?;
        Some(Ok(Self {
            segment_count,
            flash_mode: byte(header, field::FLASH_MODE)?.into(),
            flash_bytes: flash_bytes(size_and_speed >> 4),
            flash_speed: size_and_speed & 0x0F,
            entry: word(header, field::ENTRY)?,
            chip_id: ChipId(half(header, field::CHIP_ID)?),
            min_revision: Revision(half(header, field::MIN_REVISION)?),
            max_revision: Revision(half(header, field::MAX_REVISION)?),
            hash_appended: hash_flag == 1,
        }))
    }
}

/// 0 means 1 MB, and each step doubles, up to 128 MB.
fn flash_bytes(code: u8) -> Option<u32> {
    (code <= 7).then(|| 0x10_0000 << code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 24 bytes of the second-stage bootloader that espflash 4.7 carries for the ESP32-C3.
    const BOOTLOADER: [u8; 24] = [
        0xE9, 0x03, 0x02, 0x1F, 0x1A, 0xBF, 0x3C, 0x40, 0xEE, 0x00, 0x00, 0x00, 0x05, 0x00, 0x03, 0x03, 0x00,
        0xC7, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
    ];

    #[test]
    fn reads_a_real_header() {
        let header = ImageHeader::read(&BOOTLOADER, 0).unwrap();
        assert_eq!(header.segment_count, 3);
        assert_eq!(header.flash_mode, FlashMode::Dio);
        assert_eq!(header.flash_bytes, Some(2 << 20));
        assert_eq!(header.flash_speed, 0xF);
        assert_eq!(header.entry, 0x403C_BF1A);
        assert_eq!(header.chip_id, ChipId(5));
        assert_eq!(header.min_revision.to_string(), "v0.3");
        assert_eq!(header.max_revision.to_string(), "v1.99");
        assert!(header.hash_appended);
    }

    #[test]
    fn a_short_header_is_truncated_at_every_length() {
        for length in 0..ImageHeader::BYTES {
            let error = ImageHeader::read(&BOOTLOADER[..length], 0).unwrap_err();
            assert_eq!(error, ImageError::Truncated { part: "header", at: 0, needed: 24, found: length });
        }
    }

    #[test]
    fn impossible_fields_are_named() {
        let mut header = BOOTLOADER;
        header[1] = 17;
        assert_eq!(ImageHeader::read(&header, 0), Err(ImageError::SegmentCount { at: 0, found: 17 }));
        header = BOOTLOADER;
        header[23] = 2;
        assert_eq!(ImageHeader::read(&header, 0), Err(ImageError::HashFlag { at: 0, found: 2 }));
        header = BOOTLOADER;
        header[0] = 0x7F;
        assert_eq!(ImageHeader::read(&header, 0), Err(ImageError::Magic { at: 0, found: 0x7F }));
    }

    #[test]
    fn sizes_beyond_the_table_have_no_meaning() {
        assert_eq!(flash_bytes(2), Some(4 << 20));
        assert_eq!(flash_bytes(7), Some(128 << 20));
        assert_eq!(flash_bytes(8), None);
    }
}
