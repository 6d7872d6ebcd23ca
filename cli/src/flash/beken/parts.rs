//! Chips and flash memories by what they answer.

use obkmq_image::beken::BekenChip;

/// The register with the chip's id, and what a BK7231N has there.
pub(super) const CHIP_ID_REGISTER: u32 = 0x0080_0000;
const CHIP_ID_N: u32 = 0x0007_231C;

/// CRC-32 of the first 256 bytes of the boot loaders of BK7231T.
const BOOTLOADERS_T: [(u32, &str); 4] = [
    (0xC1EC_A871, "BK7231S 1.0.1"),
    (0x4B31_E44D, "BK7231S 1.0.3"),
    (0xBA54_C1B8, "BK7231S 1.0.5"),
    (0xE5CB_C953, "BK7231S 1.0.6"),
];

/// The same of chips that are similar and still no target.
const BOOTLOADERS_OTHER: [(u32, &str); 5] = [
    (0x2739_019F, "BK7231U"),
    (0xF023_1EF6, "BK7231Q"),
    (0xFF5A_3EAC, "BK7231Q"),
    (0x39F9_B50C, "BK7252"),
    (0xE3A2_7C26, "BK7252"),
];

/// What is on the other end of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A target, and what told.
    Chip(BekenChip, String),
    /// Something else, by its name.
    Other(String),
    /// Neither its boot loader nor a register tells.
    Unknown { crc: u32 },
}

/// `crc` is that of bytes 0 to 255 for a chip that leaves the end out; `chip_id` what the register held, if it could be
/// read.
pub(super) fn identify(crc: u32, chip_id: Option<u32>) -> Found {
    match chip_id {
        Some(CHIP_ID_N) => return Found::Chip(BekenChip::N, format!("chip id 0x{CHIP_ID_N:X}")),
        Some(0x7238) => return Found::Other("BK7238".to_owned()),
        Some(0x7252) => return Found::Other("BK7252".to_owned()),
        Some(id) => return Found::Other(format!("chip with id 0x{id:X}")),
        None => {}
    }
    let known = |table: &[(u32, &str)]| {
        table.iter().find(|(known, _)| *known == crc).map(|(_, name)| (*name).to_owned())
    };
    if let Some(name) = known(&BOOTLOADERS_T) {
        return Found::Chip(BekenChip::T, format!("boot loader {name}"));
    }
    known(&BOOTLOADERS_OTHER).map_or(Found::Unknown { crc }, Found::Other)
}

/// Bytes of the status register of flash memories whose block protection is known: maker, type, size code.
const ONE_BYTE: [[u8; 3]; 12] = [
    [0x1C, 0x70, 0x15],
    [0x1C, 0x70, 0x16],
    [0x1C, 0x41, 0x16],
    [0x1C, 0x31, 0x13],
    [0xC8, 0x40, 0x13],
    [0xC8, 0x40, 0x16],
    [0x51, 0x40, 0x13],
    [0x51, 0x40, 0x14],
    [0x5E, 0x40, 0x14],
    [0x85, 0x42, 0x15],
    [0xE0, 0x40, 0x13],
    [0xE0, 0x40, 0x14],
];
const TWO_BYTES: [[u8; 3]; 23] = [
    [0x0B, 0x40, 0x14],
    [0x0B, 0x40, 0x15],
    [0x0B, 0x40, 0x16],
    [0x0B, 0x40, 0x17],
    [0x0B, 0x60, 0x17],
    [0x0E, 0x40, 0x16],
    [0x20, 0x40, 0x16],
    [0x85, 0x20, 0x15],
    [0x85, 0x60, 0x13],
    [0x85, 0x60, 0x14],
    [0x85, 0x60, 0x16],
    [0x85, 0x60, 0x17],
    [0xC2, 0x23, 0x14],
    [0xC2, 0x23, 0x15],
    [0xC8, 0x40, 0x14],
    [0xC8, 0x40, 0x15],
    [0xC8, 0x65, 0x15],
    [0xC8, 0x65, 0x16],
    [0xC8, 0x65, 0x17],
    [0xCD, 0x60, 0x14],
    [0xEB, 0x60, 0x15],
    [0xEF, 0x40, 0x16],
    [0xEF, 0x40, 0x18],
];

/// Block protection in the status register: BP0 to BP4, and CMP in the second byte.
pub(super) const PROTECTION: u16 = 0x407C;

/// A flash memory behind a BK7231N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlashPart {
    pub(super) id: [u8; 3],
    pub(super) bytes: u32,
    pub(super) has_two_status_bytes: bool,
}

impl FlashPart {
    /// `None` for one that is not known: how to take its protection off is not known either.
    pub(super) fn known(id: [u8; 3]) -> Option<Self> {
        let has_two_status_bytes = TWO_BYTES.contains(&id);
        if !has_two_status_bytes && !ONE_BYTE.contains(&id) {
            return None;
        }
        let bytes = 1_u32.checked_shl(id[2].into())?;
        Some(Self { id, bytes, has_two_status_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_are_told_apart() {
        assert!(matches!(identify(0xBA54_C1B8, None), Found::Chip(BekenChip::T, by) if by.contains("1.0.5")));
        assert!(matches!(identify(1, Some(0x7231C)), Found::Chip(BekenChip::N, _)));
        assert_eq!(identify(0x2739_019F, None), Found::Other("BK7231U".to_owned()));
        assert_eq!(identify(7, None), Found::Unknown { crc: 7 });
        assert!(matches!(identify(0xBA54_C1B8, Some(0x7238)), Found::Other(_)));
    }

    #[test]
    fn flash_memories_tell_their_size() {
        let part = FlashPart::known([0xEB, 0x60, 0x15]).unwrap();
        assert_eq!((part.bytes, part.has_two_status_bytes), (2 << 20, true));
        assert!(!FlashPart::known([0xC8, 0x40, 0x16]).unwrap().has_two_status_bytes);
        assert_eq!(FlashPart::known([0xEB, 0x60, 0x99]), None);
        assert!(ONE_BYTE.iter().all(|id| !TWO_BYTES.contains(id)));
    }
}
