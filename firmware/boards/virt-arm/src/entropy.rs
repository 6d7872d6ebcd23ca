//! Random bytes. The machine has no source of them: whoever starts the emulator has to put 32 random bytes at `__seed`.
//!
//! They are written there again at every reset, so a second value is carried from boot to boot in memory that a reset
//! leaves alone; no two boots have the same stream. Without a seed everything that comes out can be known beforehand,
//! and the console says so.

use sha2::{Digest as _, Sha256};

const SEED_BYTES: usize = 32;

unsafe extern "C" {
    /// From the linker script, as the next.
    static __seed: [u8; SEED_BYTES];
    static mut __carried: [u8; SEED_BYTES];
}

/// A stream of random bytes: SHA-256 of a secret and a counter, with the secret replaced after each request.
pub(crate) struct Random {
    state: [u8; SEED_BYTES],
    is_seeded: bool,
}

impl Random {
    pub(crate) fn new() -> Self {
        // SAFETY: both are aligned to bytes and lie in RAM that nothing else in this program names; any bits are valid.
        // Volatile, because the emulator writes the seed.
        let (seed, carried) =
            unsafe { ((&raw const __seed).read_volatile(), (&raw const __carried).read_volatile()) };
        let state = hash(&[b"boot", &seed, &carried]);
        // SAFETY: as above.
        unsafe { (&raw mut __carried).write_volatile(hash(&[b"next boot", &state])) };
        Self { state, is_seeded: seed != [0; SEED_BYTES] }
    }

    /// Whether nobody can know what comes out.
    pub(crate) fn is_seeded(&self) -> bool {
        self.is_seeded
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for (number, chunk) in (0_u32..).zip(bytes.chunks_mut(SEED_BYTES)) {
            let block = hash(&[b"bytes", &self.state, &number.to_le_bytes()]);
            for (byte, random) in chunk.iter_mut().zip(block) {
                *byte = random;
            }
        }
        self.state = hash(&[b"next", &self.state]);
    }
}

fn hash(parts: &[&[u8]]) -> [u8; SEED_BYTES] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
