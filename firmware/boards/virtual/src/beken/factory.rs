//! The flash of a module as it comes from its factory: a stand-in for the vendor's boot loader, calibration of a radio that
//! is not there, a MAC address, and no application.
//!
//! The stand-in holds nothing of the vendor's code. It has what tells boot loaders apart: units with their CRC-16, the
//! key at 0x48, the partition table in clear, and for a BK7231T four bytes that give its first 256 bytes the CRC-32 of
//! version 1.0.5, by which flashers identify it.

use flate2::Crc;
use obkmq_image::beken::BekenChip;

use crate::flash::{FlashChip, FlashError};

/// Bytes of flash of every module.
pub const FLASH_BYTES: u32 = 2 << 20;

const BOOTLOADER_BYTES: usize = 0x1_1000;
const KEY: [u32; 4] = [0x510F_B093, 0xA3CB_EADC, 0x5993_A17E, 0xC7AD_EB03];
/// CRC-32 of the first 256 bytes of BK7231S 1.0.5.
const CRC_OF_1_0_5: u32 = 0xBA54_C1B8;
/// Where those bytes are bent to have that sum: inside a unit, behind the key.
const BENT_AT: usize = 252;

/// Where the radio's calibration lies.
pub const fn calibration_offset(chip: BekenChip) -> u32 {
    match chip {
        BekenChip::T => 0x1E_0000,
        BekenChip::N => 0x1D_0000,
    }
}

/// Makes a blank flash one of a new module.
///
/// # Errors
/// What the flash says.
pub fn fill(chip: BekenChip, flash: &mut impl FlashChip) -> Result<(), FlashError> {
    flash.program(0, &bootloader(chip))?;
    flash.program(calibration_offset(chip), &calibration())
}

/// The stand-in for the vendor's boot loader, as it is stored.
pub fn bootloader(chip: BekenChip) -> Vec<u8> {
    // Vectors that jump to themselves, the key, and nothing that could run.
    let mut plain = [0xEAFF_FFFE_u32; 16].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    plain.resize(0x48, 0);
    plain.extend(KEY.iter().flat_map(|word| word.to_le_bytes()));
    plain.extend_from_slice(b"A stand-in of obkmq's virtual boards; no code of the chip's maker.");
    plain.resize(0xFF40, 0xFF);
    for (index, word) in plain.chunks_mut(4).enumerate() {
        let address = u32::try_from(index).unwrap_or(0).wrapping_mul(4);
        for (byte, key) in word.iter_mut().zip(keystream(address).to_le_bytes()) {
            *byte ^= key;
        }
    }
    plain.extend(partition_table(chip));
    let mut stored = units(&plain);
    if chip == BekenChip::T {
        bend(&mut stored);
    }
    stored
}

/// The boot loader's three partitions, which stand in clear at its end.
fn partition_table(chip: BekenChip) -> Vec<u8> {
    let download = match chip {
        BekenChip::T => 0x13_2000,
        BekenChip::N => 0x12_A000,
    };
    [
        ("bootloader", "beken_onchip_crc", 0, 0x1_0000),
        ("app", "beken_onchip_crc", 0x1_0000, 0x10_8700),
        ("download", "beken_onchip", download, 0xA_6000),
    ]
    .iter()
    .flat_map(|&(name, device, offset, length): &(&str, &str, u32, u32)| {
        let mut entry = b"01PE".to_vec();
        for (text, end) in [(name, 28), (device, 52)] {
            entry.extend_from_slice(text.as_bytes());
            entry.resize(end, 0);
        }
        entry.extend_from_slice(&offset.to_le_bytes());
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(&[0; 4]);
        entry
    })
    .collect()
}

fn calibration() -> Vec<u8> {
    let mut sector: Vec<u8> = (0..=255_u8).cycle().take(4096).collect();
    sector.splice(0x1C..0x24, [0x02, 0x11, 0x11, 0x11, 0x06, 0, 0, 0]);
    // Of the range that is for local use.
    sector.splice(0x24..0x2A, [0x02, 0x6F, 0x62, 0x6B, 0x00, 0x01]);
    sector
}

/// 32 bytes and their CRC-16/CMS, high byte first, until the boot loader's place is full.
fn units(plain: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(BOOTLOADER_BYTES);
    for unit in plain.chunks(32) {
        stored.extend_from_slice(unit);
        stored.extend_from_slice(&crc16(unit).to_be_bytes());
    }
    stored
}

pub(super) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, &byte| {
        (0..8).fold(
            crc ^ u16::from(byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 }
            },
        )
    })
}

/// The code cipher with the key that nearly all modules have. With it two of the four parts fall away.
pub(super) fn keystream(address: u32) -> u32 {
    // Bits 0 and 1 of the last word switch off the two 16-bit parts, bit 11 and up choose no rotation but by 8.
    let rotated = address.rotate_right(8 * (KEY[3] >> 11 & 3));
    let x = rotated ^ KEY[0];
    let nibble = x >> 2 & 0xF;
    ((x & 0x7FFF) << 17 | x >> 15) ^ (0xE519_A4F1 & nibble.wrapping_mul(0x1111_1111)) ^ KEY[2]
}

/// Chooses four bytes so that the first 256 have the CRC-32 that is wanted, and mends their unit's CRC-16.
fn bend(stored: &mut [u8]) {
    // CRC-32 runs backwards, too: what the register has to be before the four bytes follows from what it is after them.
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| (0..8).fold(byte, |crc, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0xEDB8_8320 }))
        .collect();
    let mut register = !CRC_OF_1_0_5;
    for _ in 0..4 {
        let top = register >> 24;
        let index = table.iter().position(|entry| entry >> 24 == top).unwrap_or(0);
        let entry = table.get(index).copied().unwrap_or(0);
        register = (register ^ entry) << 8 | u32::try_from(index).unwrap_or(0);
    }
    let mut before = Crc::new();
    before.update(stored.get(..BENT_AT).unwrap_or_default());
    let bytes = (register ^ !before.sum()).to_le_bytes();
    if let Some(place) = stored.get_mut(BENT_AT..BENT_AT + 4) {
        place.copy_from_slice(&bytes);
    }
    let unit = BENT_AT / 34 * 34;
    let crc = stored.get(unit..unit + 32).map(crc16).unwrap_or_default();
    if let Some(place) = stored.get_mut(unit + 32..unit + 34) {
        place.copy_from_slice(&crc.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use obkmq_image::beken::{BekenKind, identify};

    use super::*;

    #[test]
    fn the_stand_in_is_a_boot_loader_to_a_reader_of_images() {
        for chip in [BekenChip::T, BekenChip::N] {
            let stored = bootloader(chip);
            assert_eq!(stored.len(), BOOTLOADER_BYTES);
            let read = identify(&stored).unwrap();
            assert_eq!((read.kind, read.chip), (BekenKind::Bootloader, Some(chip)));
        }
    }

    #[test]
    fn a_t_has_the_sum_by_which_flashers_know_it() {
        let mut crc = Crc::new();
        crc.update(&bootloader(BekenChip::T)[..256]);
        assert_eq!(crc.sum(), CRC_OF_1_0_5);
    }

    #[test]
    fn the_cipher_is_that_of_the_vendor() {
        for (address, wanted) in [(0, 0x7CB5_0721), (0x1_0000, 0x7EB5_0721), (0x1234_5678, 0x5108_F354)] {
            assert_eq!(keystream(address), wanted, "{address:#x}");
        }
    }
}
