//! Images made for the tests of this crate.

use sha2::{Digest as _, Sha256};

use crate::partition::PartitionTable;

/// A descriptor; texts longer than their fields are cut.
pub(crate) fn descriptor(version: &str, project: &str) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    bytes[..4].copy_from_slice(&0xABCD_5432_u32.to_le_bytes());
    let mut put = |at: usize, room: usize, text: &str| {
        let text = &text.as_bytes()[..text.len().min(room)];
        bytes[at..at + text.len()].copy_from_slice(text);
    };
    put(16, 32, version);
    put(48, 32, project);
    put(80, 16, "12:00:00");
    put(96, 16, "2026-01-31");
    put(112, 32, "v5.5.1");
    bytes[144..176].fill(0xA5);
    bytes[180] = 16;
    bytes
}

/// An image to be built; the default is an obkmq application for an ESP32-C3 with 4 MB of flash.
pub(crate) struct AppBuilder {
    pub(crate) chip_id: u16,
    pub(crate) flash_size_code: u8,
    pub(crate) hash_appended: bool,
    /// What the first segment holds.
    pub(crate) first: Vec<u8>,
    pub(crate) second: Vec<u8>,
}

impl Default for AppBuilder {
    fn default() -> Self {
        let mut first = descriptor("0.1.0", "obkmq");
        first.extend((0..64).map(|value: u8| value.wrapping_mul(7)));
        Self { chip_id: 5, flash_size_code: 2, hash_appended: true, first, second: (0..100).collect() }
    }
}

impl AppBuilder {
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut file = vec![0xE9, 2, 2, self.flash_size_code << 4 | 0xF];
        file.extend_from_slice(&0x4038_0000_u32.to_le_bytes());
        file.extend_from_slice(&[0xEE, 0, 0, 0]);
        file.extend_from_slice(&self.chip_id.to_le_bytes());
        file.extend_from_slice(&[0, 3, 0, 199, 0, 0, 0, 0, 0, u8::from(self.hash_appended)]);
        let mut checksum = 0xEF;
        for (address, data) in [(0x3C00_0020_u32, &self.first), (0x4038_0000, &self.second)] {
            file.extend_from_slice(&address.to_le_bytes());
            file.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
            file.extend_from_slice(data);
            checksum = data.iter().fold(checksum, |sum, byte| sum ^ byte);
        }
        while file.len() % 16 != 15 {
            file.push(0);
        }
        file.push(checksum);
        if self.hash_appended {
            let hash = Sha256::digest(&file);
            file.extend_from_slice(&hash);
        }
        file
    }
}

/// An obkmq application.
pub(crate) fn app(version: &str) -> Vec<u8> {
    AppBuilder { first: descriptor(version, "obkmq"), ..AppBuilder::default() }.build()
}

/// A second-stage bootloader: an image without a descriptor.
pub(crate) fn bootloader() -> Vec<u8> {
    AppBuilder { first: vec![0x11; 512], ..AppBuilder::default() }.build()
}

/// A merged image with obkmq's 4 MB layout, ending with its application.
pub(crate) fn merged() -> Vec<u8> {
    merged_of(&bootloader(), &app("0.1.0"))
}

/// A merged image of these parts.
pub(crate) fn merged_of(bootloader: &[u8], app: &[u8]) -> Vec<u8> {
    let mut file = bootloader.to_vec();
    file.resize(0x8000, 0xFF);
    file.extend_from_slice(&PartitionTable::obkmq(4 << 20).unwrap().encode());
    file.resize(0x1_0000, 0xFF);
    file.extend_from_slice(app);
    file
}
