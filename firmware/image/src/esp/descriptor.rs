//! What an application says about itself (`esp_app_desc_t`, 256 bytes).

use crate::bytes::{array, half, slice, text, word};

/// First four bytes of a descriptor.
const MAGIC: u32 = 0xABCD_5432;

/// Where the descriptor's fields lie, and how long its texts are.
mod field {
    pub(super) const SECURE_VERSION: usize = 4;
    pub(super) const VERSION: (usize, usize) = (16, 32);
    pub(super) const PROJECT_NAME: (usize, usize) = (48, 32);
    pub(super) const TIME: (usize, usize) = (80, 16);
    pub(super) const DATE: (usize, usize) = (96, 16);
    pub(super) const IDF_VERSION: (usize, usize) = (112, 32);
    pub(super) const ELF_SHA256: usize = 144;
    pub(super) const MIN_EFUSE_BLOCK_REVISION: usize = 176;
    pub(super) const MAX_EFUSE_BLOCK_REVISION: usize = 178;
    pub(super) const MMU_PAGE_SIZE: usize = 180;
}

/// An application's description of itself, at the start of its first segment.
///
/// The texts are what the build wrote; bytes that are not printable ASCII have become `?`, since they end up in logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppDescriptor {
    /// Counter against downgrades, where the chip's fuses enforce one.
    pub secure_version: u32,
    /// Version of the application: `0.1.0`.
    pub version: String,
    /// Name of the application: `obkmq`.
    pub project_name: String,
    /// Time of the build, as the build wrote it.
    pub time: String,
    /// Date of the build, as the build wrote it.
    pub date: String,
    /// Version of ESP-IDF that the application expects of its bootloader.
    pub idf_version: String,
    /// SHA-256 of the program the image was made from.
    pub elf_sha256: [u8; 32],
    /// Lowest revision of the fuse block it runs with.
    pub min_efuse_block_revision: u16,
    /// Highest revision of the fuse block it runs with.
    pub max_efuse_block_revision: u16,
    /// Binary logarithm of the page size with which flash is mapped; 0 for the chip's default.
    pub mmu_page_size_log2: u8,
}

impl AppDescriptor {
    /// The project name of obkmq's own firmware.
    pub const OBKMQ: &str = "obkmq";

    /// Bytes of a descriptor.
    pub const BYTES: usize = 256;

    /// Reads the descriptor at the start of `segment`; `None` if there is none or it is cut short.
    pub fn read(segment: &[u8]) -> Option<Self> {
        let bytes = slice(segment, 0, Self::BYTES)?;
        if word(bytes, 0)? != MAGIC {
            return None;
        }
        let words = |(at, length)| slice(bytes, at, length).map(text);
        Some(Self {
            secure_version: word(bytes, field::SECURE_VERSION)?,
            version: words(field::VERSION)?,
            project_name: words(field::PROJECT_NAME)?,
            time: words(field::TIME)?,
            date: words(field::DATE)?,
            idf_version: words(field::IDF_VERSION)?,
            elf_sha256: array(bytes, field::ELF_SHA256)?,
            min_efuse_block_revision: half(bytes, field::MIN_EFUSE_BLOCK_REVISION)?,
            max_efuse_block_revision: half(bytes, field::MAX_EFUSE_BLOCK_REVISION)?,
            mmu_page_size_log2: bytes.get(field::MMU_PAGE_SIZE).copied()?,
        })
    }

    /// Whether the application is obkmq's own firmware.
    pub fn is_obkmq(&self) -> bool {
        self.project_name == Self::OBKMQ
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::descriptor;

    #[test]
    fn reads_every_text() {
        let read = AppDescriptor::read(&descriptor("1.2.3", "obkmq")).unwrap();
        assert_eq!(read.version, "1.2.3");
        assert!(read.is_obkmq());
        assert_eq!(read.time, "12:00:00");
        assert_eq!(read.date, "2026-01-31");
        assert_eq!(read.idf_version, "v5.5.1");
        assert_eq!(read.elf_sha256, [0xA5; 32]);
        assert_eq!(read.mmu_page_size_log2, 16);
    }

    #[test]
    fn a_text_without_an_end_stops_at_its_field() {
        let long = "x".repeat(40);
        let read = AppDescriptor::read(&descriptor(&long, "other")).unwrap();
        assert_eq!(read.version, "x".repeat(32));
        assert!(!read.is_obkmq());
    }

    #[test]
    fn no_magic_no_descriptor() {
        let mut bytes = descriptor("1.2.3", "obkmq");
        assert!(AppDescriptor::read(&bytes[..255]).is_none());
        bytes[0] ^= 1;
        assert!(AppDescriptor::read(&bytes).is_none());
    }
}
