//! PBKDF2-HMAC-SHA256 (RFC 8018 section 5.2) in slices: the hash of passwords that are set here.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{HASH_BYTES, SALT_BYTES};

/// SHA-256's block, which is HMAC's native key length.
const BLOCK_BYTES: usize = 64;

/// A PBKDF2 computation that can be done in slices.
#[derive(Clone)]
pub struct Derivation {
    /// HMAC keyed with the password; cloned per iteration, so an iteration costs two SHA-256 blocks, not four.
    keyed: Hmac<Sha256>,
    last: [u8; HASH_BYTES],
    sum: [u8; HASH_BYTES],
    remaining: u32,
}

impl Derivation {
    /// Starts a computation and does its first iteration. An iteration count of 0 counts as 1.
    #[must_use]
    pub fn new(password: &[u8], salt: [u8; SALT_BYTES], iterations: u32) -> Self {
        Self::with_salt(password, &salt, iterations)
    }

    fn with_salt(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let keyed = keyed_hmac(password);
        let mut first = keyed.clone();
        first.update(salt);
        // The number of the only block, big-endian (RFC 8018's INT(i)).
        first.update(&1_u32.to_be_bytes());
        let first: [u8; HASH_BYTES] = first.finalize().into_bytes().into();
        Self { keyed, last: first, sum: first, remaining: iterations.saturating_sub(1) }
    }

    /// Does at most `iterations` more; the derived key once all are done.
    pub fn step(&mut self, iterations: u32) -> Option<[u8; HASH_BYTES]> {
        let now = self.remaining.min(iterations);
        for _ in 0..now {
            let mut next = self.keyed.clone();
            next.update(&self.last);
            self.last = next.finalize().into_bytes().into();
            for (sum, byte) in self.sum.iter_mut().zip(self.last) {
                *sum ^= byte;
            }
        }
        self.remaining = self.remaining.saturating_sub(now);
        (self.remaining == 0).then_some(self.sum)
    }

    pub(super) fn remaining(&self) -> u32 {
        self.remaining
    }
}

impl fmt::Debug for Derivation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Derivation({} iterations to go, redacted)", self.remaining)
    }
}

/// HMAC-SHA256 keyed as RFC 2104 says: long keys are hashed, short ones padded. Done here, because handing HMAC a
/// whole block is its only constructor that cannot fail.
fn keyed_hmac(password: &[u8]) -> Hmac<Sha256> {
    let mut block = [0_u8; BLOCK_BYTES];
    let digest: [u8; HASH_BYTES];
    let key = if password.len() > BLOCK_BYTES {
        digest = Sha256::digest(password).into();
        &digest[..]
    } else {
        password
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    <Hmac<Sha256> as KeyInit>::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::tests::hex;
    use alloc::string::String;

    fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> String {
        let mut derivation = Derivation::with_salt(password, salt, iterations);
        hex(&derivation.step(iterations).unwrap())
    }

    /// First 32 bytes of the vector of RFC 7914 section 11, then the well-known SHA-256 twins of RFC 6070's vectors.
    #[test]
    fn published_vectors() {
        assert_eq!(
            pbkdf2(b"passwd", b"salt", 1),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
        assert_eq!(
            pbkdf2(b"Password", b"NaCl", 80_000),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        );
        assert_eq!(
            pbkdf2(b"password", b"salt", 1),
            "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"
        );
        assert_eq!(
            pbkdf2(b"password", b"salt", 2),
            "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"
        );
        assert_eq!(
            pbkdf2(b"password", b"salt", 4096),
            "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"
        );
    }

    /// RFC 4231 test case 6: a key longer than the block is hashed first.
    #[test]
    fn long_keys_are_hashed() {
        let mut mac = keyed_hmac(&[0xaa; 131]);
        mac.update(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(
            hex(&mac.finalize().into_bytes()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn slices_add_up_to_the_whole() {
        let whole = Derivation::new(b"pw", [7; SALT_BYTES], 100).step(100).unwrap();
        let mut sliced = Derivation::new(b"pw", [7; SALT_BYTES], 100);
        let mut turns = 0;
        let result = loop {
            turns += 1;
            if let Some(result) = sliced.step(7) {
                break result;
            }
        };
        assert_eq!(
            (result, turns),
            (whole, 15),
            "99 iterations are left after the first: 14 sevens and one 1"
        );
    }
}
