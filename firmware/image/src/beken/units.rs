//! The units that code is stored in: 32 bytes and their CRC-16, 34 bytes of flash.
//!
//! The CRC is CRC-16/CMS over the enciphered bytes, stored high byte first. Flash that was never written holds 34 bytes of
//! 0xFF, which is no right CRC: the chip does not run such units, and a reader takes them as blank.

use crc::{CRC_16_CMS, Crc};

use super::error::BekenError;

/// Bytes of code in a unit.
pub const DATA_BYTES: usize = 32;

/// Bytes of flash that a unit takes.
pub const UNIT_BYTES: usize = 34;

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_CMS);

/// Code as it is stored; the last unit is filled up with 0xFF.
pub fn encode(code: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(code.len().div_ceil(DATA_BYTES).saturating_mul(UNIT_BYTES));
    for chunk in code.chunks(DATA_BYTES) {
        let mut data = [0xFF; DATA_BYTES];
        for (byte, &given) in data.iter_mut().zip(chunk) {
            *byte = given;
        }
        stored.extend_from_slice(&data);
        stored.extend_from_slice(&CRC.checksum(&data).to_be_bytes());
    }
    stored
}

/// The code in `stored`, every unit checked. Blank units, and a blank rest of less than a unit, give 0xFF.
///
/// # Errors
/// [`BekenError::UnitCrc`] or [`BekenError::Truncated`]; offsets count from the start of `stored`.
pub fn decode(stored: &[u8]) -> Result<Vec<u8>, BekenError> {
    let mut code = Vec::with_capacity(stored.len());
    for (index, unit) in stored.chunks(UNIT_BYTES).enumerate() {
        let begin = index.saturating_mul(UNIT_BYTES);
        if unit.iter().all(|&byte| byte == 0xFF) {
            code.resize(code.len().saturating_add(unit.len().min(DATA_BYTES)), 0xFF);
            continue;
        }
        let Some((data, crc)) = split(unit) else {
            let needed = begin.saturating_add(UNIT_BYTES);
            return Err(BekenError::Truncated { part: "last unit", needed, found: stored.len() });
        };
        let (expected, found) = (u16::from_be_bytes(crc), CRC.checksum(data));
        if expected != found {
            return Err(BekenError::UnitCrc { at: begin.saturating_add(DATA_BYTES), expected, found });
        }
        code.extend_from_slice(data);
    }
    Ok(code)
}

/// Whether `stored` begins with a unit whose CRC is right.
pub fn begins_with_unit(stored: &[u8]) -> bool {
    let first = stored.get(..UNIT_BYTES).and_then(split);
    first.is_some_and(|(data, crc)| CRC.checksum(data) == u16::from_be_bytes(crc))
}

fn split(unit: &[u8]) -> Option<(&[u8], [u8; 2])> {
    let (data, crc) = unit.split_at_checked(DATA_BYTES)?;
    Some((data, crc.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::beken::cipher::CodeKey;

    #[test]
    fn crcs_are_those_of_the_vendor() {
        assert_eq!(CRC.checksum(b"123456789"), 0xAEE7);
        assert_eq!(CRC.checksum(&[0; 32]), 0x8029);
        assert_eq!(CRC.checksum(&[0xFF; 32]), 0x000C);
        let count: Vec<u8> = (0..32).collect();
        assert_eq!(CRC.checksum(&count), 0x259D);
    }

    #[test]
    fn an_enciphered_unit_is_that_of_the_vendor() {
        let mut code: Vec<u8> = (0..32).collect();
        CodeKey::DEFAULT.apply(&mut code, 0x1_0000);
        let unit = crate::bytes::hex(&encode(&code));
        assert_eq!(unit, "2106b77d250ab379291ebf752d12bb713136a76d353aa369392eaf653d22ab61c542");
    }

    #[test]
    fn damage_and_a_missing_end_are_found() {
        let mut stored = encode(&[0x5A; 64]);
        assert!(matches!(decode(&stored[..60]), Err(BekenError::Truncated { needed: 68, found: 60, .. })));
        stored[40] ^= 1;
        assert!(matches!(decode(&stored), Err(BekenError::UnitCrc { at: 66, .. })));
    }

    #[test]
    fn blank_units_are_no_damage() {
        let mut stored = encode(&[1; 32]);
        stored.resize(34 * 3 + 5, 0xFF);
        let mut code = vec![1; 32];
        code.resize(32 * 3 + 5, 0xFF);
        assert_eq!(decode(&stored), Ok(code));
        assert!(!begins_with_unit(&[0xFF; 34]));
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read(code in proptest::collection::vec(any::<u8>(), 0..300)) {
            let stored = encode(&code);
            prop_assert_eq!(stored.len() % UNIT_BYTES, 0);
            let mut padded = code;
            padded.resize(padded.len().next_multiple_of(DATA_BYTES), 0xFF);
            prop_assert_eq!(decode(&stored), Ok(padded));
        }

        #[test]
        fn any_bytes_are_read_or_refused(stored in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&stored);
        }
    }
}
