//! The firmware image that `cargo xtask test` has built, and files that are no image for the board.

use std::path::{Path, PathBuf};

use obkmq_image::PartitionTable;
use obkmq_image::beken::app::APP_CODE_BYTES;
use obkmq_image::beken::{Application, CodeKey, Release};
use sha2::{Digest as _, Sha256};

/// The ESP32-C3 image, where `cargo xtask image esp32c3` leaves it.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn esp32c3() -> PathBuf {
    built("esp32c3", "obkmq-esp32c3.bin")
}

/// The program of the ARMv5TE board, where `cargo xtask image virt-arm` leaves it.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn virt_arm() -> PathBuf {
    built("virt-arm", "obkmq-virt-arm.elf")
}

/// A file that `cargo xtask image` makes.
fn built(board: &str, name: &str) -> PathBuf {
    let program = crate::obkmq();
    let target = program.ancestors().nth(2).unwrap_or(Path::new("target"));
    let path = target.join("images").join(board).join(name);
    assert!(path.is_file(), "{} is not there; build it with `cargo xtask image {board}`", path.display());
    path
}

/// The first half of a file, as a download leaves it that broke off.
///
/// # Panics
/// When the file cannot be read.
#[must_use]
#[expect(clippy::panic, reason = "a test without its subject has failed")]
pub fn first_half(path: &Path) -> Vec<u8> {
    match std::fs::read(path) {
        Ok(mut bytes) => {
            bytes.truncate(bytes.len() / 2);
            bytes
        }
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// A merged image for an ESP32, valid in every respect: boot loader, partition table, application.
///
/// # Panics
/// When our own layout does not fit 4 MB.
#[must_use]
#[expect(clippy::expect_used, reason = "the layout is a constant")]
pub fn for_esp32() -> Vec<u8> {
    const BOOTLOADER: usize = 0x1000;
    const TABLE: usize = 0x8000;
    const APPLICATION: usize = 0x1_0000;
    // An application begins with its descriptor.
    let mut application = vec![0; 256];
    application.splice(..4, 0xABCD_5432_u32.to_le_bytes());
    application.splice(16..19, *b"1.0");
    application.splice(48..53, *b"other");
    let table = PartitionTable::obkmq(4 << 20).expect("a layout for 4 MB");

    let mut image = vec![0xFF; BOOTLOADER];
    image.extend(esp32_image(0x3FFF_0018, &[0; 64]));
    image.resize(TABLE, 0xFF);
    image.extend(table.encode());
    image.resize(APPLICATION, 0xFF);
    image.extend(esp32_image(0x3F40_0020, &application));
    image
}

/// An image of one segment: header, data, checksum, hash.
fn esp32_image(address: u32, data: &[u8]) -> Vec<u8> {
    const CHECKSUM_SEED: u8 = 0xEF;
    // Magic, segments, flash mode, size (4 MB) and frequency, entry point, WP pin, drive settings, chip id 0 (ESP32),
    // revisions, reserved, hash appended.
    let mut image =
        vec![0xE9, 1, 2, 0x20, 0x00, 0x01, 0x08, 0x40, 0xEE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    image.extend(address.to_le_bytes());
    image.extend(u32::try_from(data.len()).unwrap_or(0).to_le_bytes());
    image.extend(data);
    while image.len() % 16 != 15 {
        image.push(0);
    }
    image.push(data.iter().fold(CHECKSUM_SEED, |sum, byte| sum ^ byte));
    let hash = Sha256::digest(&image);
    image.extend(hash);
    image
}

/// An application for BK7231T and N in its container, with this version in its header: vectors, and bytes that are no code.
///
/// # Panics
/// When it does not fit, which it does.
#[must_use]
#[expect(clippy::expect_used, reason = "what is made here is a constant")]
pub fn for_bk7231(version: &str) -> Vec<u8> {
    let mut code: Vec<u8> = [0xEA00_0006_u32; 8].iter().flat_map(|word| word.to_le_bytes()).collect();
    // Another version is other code.
    let seed = version.bytes().fold(0, |seed: u32, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    code.extend(
        (0..35_000_u32)
            .map(|index| index.wrapping_add(seed))
            .flat_map(|index| index.wrapping_mul(0x9E37_79B9).to_le_bytes()),
    );
    let release = Release { name: "app".to_owned(), version: version.to_owned(), unix_time: 1_700_000_000 };
    let app = Application::new(&code).expect("an application");
    app.container(CodeKey::DEFAULT, &release, APP_CODE_BYTES).expect("a container")
}
