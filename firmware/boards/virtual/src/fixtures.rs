//! What the tests of this crate flash.

use obkmq_image::PartitionTable;
use sha2::{Digest as _, Sha256};

/// Where a region of the image made by [`merged`] begins.
pub(crate) const APP_A: usize = 0x1_0000;
pub(crate) const APP_B: usize = 0x19_0000;

/// An image to be built.
pub(crate) struct ImageBuilder {
    pub(crate) chip_id: u16,
    pub(crate) min_revision: u16,
    pub(crate) segments: Vec<(u32, Vec<u8>)>,
}

impl ImageBuilder {
    /// A second-stage bootloader for 4 MB of flash.
    pub(crate) fn bootloader() -> Self {
        let mut first = vec![0x50, 0, 0, 0, 1, 0, 0, 0];
        first.extend_from_slice(b"v6.1-test");
        first.resize(0x200, 0);
        Self {
            chip_id: 5,
            min_revision: 3,
            segments: vec![(0x3FCD_5830, first), (0x403C_BF10, vec![0x13; 0x400])],
        }
    }

    /// An application of this name.
    pub(crate) fn app(project: &str, version: &str) -> Self {
        let mut first = vec![0x32, 0x54, 0xCD, 0xAB];
        first.resize(256, 0);
        first[16..16 + version.len()].copy_from_slice(version.as_bytes());
        first[48..48 + project.len()].copy_from_slice(project.as_bytes());
        first.resize(0x300, 0x77);
        let code = (0..0x1000_u32).flat_map(|index| index.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect();
        Self { chip_id: 5, min_revision: 3, segments: vec![(0x3C00_0020, first), (0x4038_0000, code)] }
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let count = u8::try_from(self.segments.len()).unwrap();
        let mut file = vec![0xE9, count, 2, 0x2F, 0x1A, 0xBF, 0x3C, 0x40, 0xEE, 0, 0, 0];
        file.extend_from_slice(&self.chip_id.to_le_bytes());
        file.push(0);
        file.extend_from_slice(&self.min_revision.to_le_bytes());
        file.extend_from_slice(&[199, 0, 0, 0, 0, 0, 1]);
        let mut checksum = 0xEF;
        for (address, data) in &self.segments {
            file.extend_from_slice(&address.to_le_bytes());
            file.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
            file.extend_from_slice(data);
            checksum = data.iter().fold(checksum, |sum, byte| sum ^ byte);
        }
        while file.len() % 16 != 15 {
            file.push(0);
        }
        file.push(checksum);
        let hash = Sha256::digest(&file);
        file.extend_from_slice(&hash);
        file
    }
}

/// A merged image of obkmq's own 4 MB layout.
pub(crate) fn merged(version: &str) -> Vec<u8> {
    merged_of(&ImageBuilder::bootloader().build(), &ImageBuilder::app("obkmq", version).build())
}

/// A merged image of these parts.
pub(crate) fn merged_of(bootloader: &[u8], app: &[u8]) -> Vec<u8> {
    let mut file = bootloader.to_vec();
    file.resize(0x8000, 0xFF);
    file.extend_from_slice(&PartitionTable::obkmq(4 << 20).unwrap().encode());
    file.resize(APP_A, 0xFF);
    file.extend_from_slice(app);
    file
}

/// A Beken application in its container, with this version in its header.
pub(crate) fn beken_app(version: &str) -> Vec<u8> {
    use obkmq_image::beken::app::APP_CODE_BYTES;
    use obkmq_image::beken::{Application, CodeKey, Release};

    let mut code = [0xEA00_0006_u32; 8].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    code.extend((0..40_000_u32).flat_map(|index| index.wrapping_mul(0x9E37_79B9).to_le_bytes()).take(5000));
    let release = Release { name: "app".to_owned(), version: version.to_owned(), unix_time: 1_700_000_000 };
    Application::new(&code).unwrap().container(CodeKey::DEFAULT, &release, APP_CODE_BYTES).unwrap()
}
