//! HalfSipHash-1-3: the keyed hash of the broker's tables; and a quicker one for the levels of topics.
//!
//! Clients choose topics and identifiers, so an unkeyed hash would let them choose collisions too. HalfSipHash works on
//! 32-bit words, which is what the chips have.

/// Hashes byte strings under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hasher {
    key: [u32; 2],
}

impl Hasher {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    pub(crate) const fn new(seed: u64) -> Self {
        Hasher { key: [seed as u32, (seed >> 32) as u32] }
    }

    /// The hash of a byte string that is qualified by a number.
    #[inline]
    pub(crate) fn hash(&self, number: u32, bytes: &[u8]) -> u64 {
        // A table takes its bucket from the low end and its tag from the high end of whatever width the target has.
        let hash = u64::from(self.hash_word(number, bytes));
        hash << 32 | hash
    }

    /// The hash in one word.
    #[inline]
    pub(crate) fn hash_word(&self, number: u32, bytes: &[u8]) -> u32 {
        let mut state = State::new(self.key);
        state.word(number, 1);
        state.finish(bytes, 4, 1, 3)
    }
}

/// A quick hash of short names: two words and a secret go into each multiplication, and both halves of the product come
/// out.
///
/// It is no pseudorandom function as HalfSipHash is: its strength is that the key is secret and that clients see nothing
/// that depends on it, except time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameHasher {
    key: [u32; 3],
}

impl NameHasher {
    pub(crate) fn new(hasher: Hasher) -> Self {
        let [first, second, third] = [1, 2, 3].map(|number| hasher.hash_word(number, b"name"));
        NameHasher { key: [first, second, third] }
    }

    #[inline]
    const fn fold(one: u32, other: u32) -> u32 {
        let product = one as u64 * other as u64;
        #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
        let folded = product as u32 ^ (product >> 32) as u32;
        folded
    }

    #[inline]
    pub(crate) fn hash(&self, name: &[u8]) -> u32 {
        let [first, second, third] = self.key;
        let [length, more, ..] = name.len().to_le_bytes();
        let mut state = first ^ u32::from_le_bytes([length, more, 0, 0]);
        let mut rest = name;
        while let Some((pair, behind)) = rest.split_first_chunk::<8>() {
            let [a, b, c, d, e, f, g, h] = *pair;
            // What went before goes in twice: a factor of zero would forget it otherwise.
            let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
            state = Self::fold(low ^ state, high ^ second).wrapping_add(state.rotate_left(15));
            rest = behind;
        }
        // At most seven bytes are left. Two reads may overlap: the length tells them apart.
        let (low, high) = match (rest.first_chunk::<4>(), rest.last_chunk::<4>(), rest) {
            (Some(low), Some(high), _) => (u32::from_le_bytes(*low), u32::from_le_bytes(*high)),
            (_, _, [a, .., z]) => (u32::from_le_bytes([*a, rest[rest.len() / 2], *z, 0]), 0),
            (_, _, [a]) => (u32::from(*a), 0),
            _ => (0, 0),
        };
        state = Self::fold(low ^ state, high ^ third).wrapping_add(state.rotate_left(15));
        Self::fold(state ^ second, third)
    }
}

struct State([u32; 4]);

impl State {
    const fn new(key: [u32; 2]) -> Self {
        State([key[0], key[1], key[0] ^ 0x6c79_6765, key[1] ^ 0x7465_6462])
    }

    #[inline]
    const fn round(&mut self) {
        let [mut v0, mut v1, mut v2, mut v3] = self.0;
        v0 = v0.wrapping_add(v1);
        v1 = v1.rotate_left(5) ^ v0;
        v0 = v0.rotate_left(16);
        v2 = v2.wrapping_add(v3);
        v3 = v3.rotate_left(8) ^ v2;
        v0 = v0.wrapping_add(v3);
        v3 = v3.rotate_left(7) ^ v0;
        v2 = v2.wrapping_add(v1);
        v1 = v1.rotate_left(13) ^ v2;
        v2 = v2.rotate_left(16);
        self.0 = [v0, v1, v2, v3];
    }

    #[inline]
    fn word(&mut self, word: u32, rounds: usize) {
        self.0[3] ^= word;
        (0..rounds).for_each(|_| self.round());
        self.0[0] ^= word;
    }

    /// Takes the rest of the message, `taken` bytes of which went in before.
    #[inline]
    fn finish(mut self, bytes: &[u8], taken: u8, rounds: usize, final_rounds: usize) -> u32 {
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            self.word(u32::from_le_bytes(*word), rounds);
        }
        let [length, ..] = bytes.len().to_le_bytes();
        let mut last = u32::from(length.wrapping_add(taken)) << 24;
        for (index, &byte) in rest.iter().enumerate() {
            last |= u32::from(byte) << (8 * index);
        }
        self.word(last, rounds);
        self.0[2] ^= 0xFF;
        (0..final_rounds).for_each(|_| self.round());
        self.0[1] ^ self.0[3]
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// The first vectors of the reference implementation: HalfSipHash-2-4, key 00 01 … 07, message 00 01 ….
    #[test]
    fn the_published_vectors_hold() {
        let vectors: [[u8; 4]; 8] = [
            [0xa9, 0x35, 0x9f, 0x5b],
            [0x27, 0x47, 0x5a, 0xb8],
            [0xfa, 0x62, 0xa6, 0x03],
            [0x8a, 0xfe, 0xe7, 0x04],
            [0x2a, 0x6e, 0x46, 0x89],
            [0xc5, 0xfa, 0xb6, 0x69],
            [0x58, 0x63, 0xfc, 0x23],
            [0x8b, 0xcf, 0x63, 0xc5],
        ];
        let message = [0, 1, 2, 3, 4, 5, 6];
        for (length, expected) in vectors.iter().enumerate() {
            let state = State::new([0x0302_0100, 0x0706_0504]);
            assert_eq!(state.finish(&message[..length], 0, 2, 4).to_le_bytes(), *expected);
        }
    }

    #[test]
    fn names_meet_no_oftener_than_by_chance() {
        let hasher = NameHasher::new(Hasher::new(1));
        let mut hashes = Vec::new();
        // Names of every short length, and long ones that differ in one place only.
        for length in 0..40 {
            let mut name = vec![b'a'; length];
            hashes.push(hasher.hash(&name));
            for place in 0..length {
                for byte in [0, b'b', b'z', 0xFF] {
                    let former = core::mem::replace(&mut name[place], byte);
                    hashes.push(hasher.hash(&name));
                    name[place] = former;
                }
            }
        }
        for number in 0..20_000 {
            hashes.push(hasher.hash(format!("tasmota_{number:06X}").as_bytes()));
            hashes.push(hasher.hash(format!("{number}").as_bytes()));
        }
        let count = hashes.len();
        // What the two ends of a table take must be spread as well.
        for bits in [0xFFFF, 0xFFFF_0000_u32] {
            let mut parts: Vec<u32> = hashes.iter().map(|hash| hash & bits).collect();
            parts.sort_unstable();
            parts.dedup();
            // 43,000 into 65,536 places: about 31,600 are taken.
            assert!((31_000..32_300).contains(&parts.len()), "{} of {count}", parts.len());
        }
        hashes.sort_unstable();
        hashes.dedup();
        assert!(count - hashes.len() <= 3, "{} of {count}", count - hashes.len());
        assert_ne!(hasher.hash(b"a"), NameHasher::new(Hasher::new(2)).hash(b"a"));
    }

    #[test]
    fn key_number_and_text_all_count() {
        let hasher = Hasher::new(1);
        assert_ne!(hasher.hash(0, b"a"), Hasher::new(2).hash(0, b"a"));
        assert_ne!(hasher.hash(0, b"a"), hasher.hash(1, b"a"));
        assert_ne!(hasher.hash(0, b"a"), hasher.hash(0, b"b"));
        assert_ne!(hasher.hash(0, b""), hasher.hash(0, b"\0"));
    }
}
