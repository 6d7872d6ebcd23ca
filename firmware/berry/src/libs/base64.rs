//! Base64 with the standard alphabet, padded (RFC 4648, section 4).
//!
//! The crate of that name takes 5 kB on riscv32imc for what stands here in half of one.

use alloc::vec::Vec;

use crate::memory::Budget;
use crate::raised::Raised;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the text of some bytes.
pub(super) fn encode(budget: &mut Budget, bytes: &[u8], text: &mut Vec<u8>) -> Result<(), Raised> {
    budget.reserve_exact(text, text.len() + bytes.len().div_ceil(3) * 4)?;
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = ALPHABET.get((bits >> (18 - 6 * place) & 63) as usize).copied();
            let letter = letter.filter(|_| place <= group.len()).unwrap_or(b'=');
            budget.push(text, letter)?;
        }
    }
    Ok(())
}

/// Appends the bytes of a text. Whether it was one: what is not canonical is none.
pub(super) fn decode(budget: &mut Budget, text: &[u8], bytes: &mut Vec<u8>) -> Result<bool, Raised> {
    let padding = text.iter().rev().take_while(|&&letter| letter == b'=').count();
    let letters = text.get(..text.len() - padding).unwrap_or_default();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return Ok(false);
    }
    budget.reserve_exact(bytes, bytes.len() + letters.len() * 3 / 4)?;
    let (mut bits, mut count) = (0_u32, 0);
    for letter in letters {
        let Some(value) = ALPHABET.iter().position(|known| known == letter) else { return Ok(false) };
        bits = bits << 6 | u32::try_from(value).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            budget.push(bytes, (bits >> count).to_le_bytes()[0])?;
        }
    }
    Ok(bits & ((1 << count) - 1) == 0)
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut text = Vec::new();
        encode(&mut Budget::new(10_000), bytes, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        decode(&mut Budget::new(10_000), text.as_bytes(), &mut bytes).unwrap().then_some(bytes)
    }

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn every_letter_and_every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for end in 250..=256 {
            let bytes = all.get(..end).unwrap();
            assert_eq!(decoded(&encoded(bytes)).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for text in [
            "Z",
            "Zg",
            "Zg=",
            "Zg===",
            "Zh==",
            "Zm9=",
            "====",
            "Zg==Zg==",
            "Zm 9",
            "Zm9v=",
            "Z=9v",
            "Zm9\u{e4}",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
