//! The code cipher: an XOR with a keystream that depends on the logical address of each 32-bit word.
//!
//! It hides nothing (the keys are published) but a chip with another key cannot run the code. Enciphering twice gives
//! the plain code again.

use core::fmt;

/// The four coefficients that are a chip's key, burnt into its eFuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeKey(pub [u32; 4]);

impl CodeKey {
    /// The key of nearly all modules, those of Tuya among them.
    pub const DEFAULT: Self = Self([0x510F_B093, 0xA3CB_EADC, 0x5993_A17E, 0xC7AD_EB03]);

    /// The key of modules that are labelled `uascent`.
    pub const UASCENT: Self = Self([0x4862_379A, 0x8612_784B, 0x85C5_E258, 0x7575_4528]);

    /// No cipher: development boards.
    pub const PLAIN: Self = Self([0; 4]);

    /// The keys that a reader tries, the likeliest first.
    pub const KNOWN: [Self; 3] = [Self::DEFAULT, Self::UASCENT, Self::PLAIN];

    /// What the word at the logical address `address` is combined with.
    pub const fn keystream(self, address: u32) -> u32 {
        let Self([c0, c1, c2, c3]) = self;
        if matches!(c3 >> 24, 0 | 0xFF) || c3 & 0xF == 0xF {
            return 0;
        }
        let p15 = if c3 & 1 == 0 { scramble_15(address, c1, c3) } else { 0 };
        let p16 = if c3 & 2 == 0 { scramble_16(address, c1, c3) } else { 0 };
        let p32 = if c3 & 4 == 0 { scramble_32(address, c0, c3) } else { 0 };
        let constant = if c3 & 8 == 0 { c2 } else { 0 };
        p32 ^ (p15 << 16 | p16) ^ constant
    }

    /// Enciphers or deciphers `code`, whose first byte has the logical address `address`, a multiple of 4.
    pub fn apply(self, code: &mut [u8], address: u32) {
        let mut address = address;
        for word in code.chunks_mut(4) {
            for (byte, key) in word.iter_mut().zip(self.keystream(address).to_le_bytes()) {
                *byte ^= key;
            }
            address = address.wrapping_add(4);
        }
    }
}

impl fmt::Display for CodeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DEFAULT => formatter.write_str("default"),
            Self::UASCENT => formatter.write_str("uascent"),
            Self::PLAIN => formatter.write_str("none (plain code)"),
            Self([c0, c1, c2, c3]) => write!(formatter, "{c0:08x} {c1:08x} {c2:08x} {c3:08x}"),
        }
    }
}

/// Combines the two halves of the address, each perhaps with its bytes swapped; 16 bits.
const fn scramble_15(address: u32, c1: u32, c3: u32) -> u32 {
    let selector = (c3 >> 5) & 3;
    let swapped = address.swap_bytes();
    let high = if selector < 2 { address >> 16 } else { swapped & 0xFFFF };
    let low = if selector & 1 == 0 { address & 0xFFFF } else { swapped >> 16 };
    let x = high ^ low ^ (c1 >> 16);
    let nibble = (x >> 5) & 0xF;
    ((x & 0x7F) << 9 | x >> 7) ^ (0x6371 & (nibble * 0x1111))
}

/// Works on 17 bits, of which the topmost is dropped at the end.
const fn scramble_16(address: u32, c1: u32, c3: u32) -> u32 {
    let coefficient = ((c1 >> 8) & 0xFF) << 9 | ((c3 >> 4) & 1) << 8 | (c1 & 0xFF);
    let x = ((address >> ((c3 >> 8) & 3)) & 0x1_FFFF) ^ coefficient;
    let nibble = (x >> 1 & 1) << 3 | (x >> 5 & 1) << 2 | (x >> 9 & 1) << 1 | (x >> 13 & 1);
    let mask = (x >> 4 & 1) << 16 | (nibble * 0x1111);
    (((x & 0x3FF) << 7 | x >> 10) ^ (0x1_3659 & mask)) & 0xFFFF
}

const fn scramble_32(address: u32, c0: u32, c3: u32) -> u32 {
    let x = address.rotate_right(8 * ((c3 >> 11) & 3)) ^ c0;
    let nibble = (x >> 2) & 0xF;
    x.rotate_right(15) ^ (0xE519_A4F1 & (nibble * 0x1111_1111))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keystreams_are_those_of_the_vendor() {
        let cases: [(CodeKey, &[(u32, u32)]); 4] = [
            (
                CodeKey::DEFAULT,
                &[
                    (0, 0x7CB5_0721),
                    (0x1_0000, 0x7EB5_0721),
                    (0x1_0004, 0x7EB5_0F21),
                    (0x1_0020, 0x7EB5_4721),
                    (0x11_0000, 0x5EB5_0721),
                    (0x1234_5678, 0x5108_F354),
                ],
            ),
            (
                CodeKey([0x510F_B093, 0xA3CB_EADC, 0x5993_A17E, 0xC7AD_EB00]),
                &[
                    (0, 0x8992_6954),
                    (0x1_0000, 0x8992_794D),
                    (0x1_0004, 0x8192_714D),
                    (0x1_001C, 0xB192_40C5),
                    (0x2_3450, 0xCEAB_2A9C),
                ],
            ),
            (
                CodeKey::UASCENT,
                &[
                    (0, 0x2E38_8101),
                    (0x1_0000, 0x2C38_8123),
                    (0x1_0004, 0x2D29_803A),
                    (0x1_001C, 0x4929_A25A),
                    (0x2_3450, 0x6F29_B743),
                ],
            ),
            (
                CodeKey([0x1234_5678, 0x9ABC_DEF0, 0x0FED_CBA9, 0x1234_5670]),
                &[
                    (0, 0x7F71_A71F),
                    (0x1_0000, 0x7F71_A70F),
                    (0x1_0004, 0x7F79_A787),
                    (0x1_001C, 0x7F49_A4BF),
                    (0x2_3450, 0x16C0_459C),
                ],
            ),
        ];
        for (key, words) in cases {
            for &(address, expected) in words {
                assert_eq!(key.keystream(address), expected, "{key} at 0x{address:X}");
            }
        }
        assert_eq!(CodeKey::PLAIN.keystream(0x1_0000), 0);
    }

    proptest! {
        #[test]
        fn enciphering_twice_gives_the_plain_code(
            key: [u32; 4], address: u32, code in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut twice = code.clone();
            CodeKey(key).apply(&mut twice, address);
            CodeKey(key).apply(&mut twice, address);
            prop_assert_eq!(twice, code);
        }
    }
}
