//! Password hashes: PBKDF2-HMAC-SHA256 (RFC 8018 section 5.2), stored, compared and computed in slices.
//!
//! A hash on a chip takes a good part of a second, so [`Derivation`] does as many iterations as its caller can
//! afford in one turn. Text form: `$pbkdf2-sha256$i=4096$SALT$HASH`, both in standard base64 without padding.
//!
//! Neither type prints a secret through `Debug`, and there is deliberately no `Display`: writing a hash out is
//! always a visible call of [`PasswordHash::to_text`].

use alloc::format;
use alloc::string::String;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::limits::{PASSWORD_ITERATIONS_DEFAULT, PASSWORD_ITERATIONS_LIMIT};

/// Bytes of salt in every hash.
pub const SALT_BYTES: usize = 16;
/// Bytes of the derived key: one SHA-256 output, so PBKDF2 computes exactly one block.
pub const HASH_BYTES: usize = 32;

const PREFIX: &str = "$pbkdf2-sha256$i=";
/// SHA-256's block, which is HMAC's native key length.
const BLOCK_BYTES: usize = 64;

/// A salted password hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    iterations: u32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

/// Why a text or a record is no password hash. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not of the form `$pbkdf2-sha256$i=N$SALT$HASH`.
    #[error("not of the form $pbkdf2-sha256$i=N$SALT$HASH")]
    Form,
    /// The iteration count is outside `1..=1000000` or not a plain decimal number.
    #[error("iterations outside 1..={PASSWORD_ITERATIONS_LIMIT}")]
    Iterations,
    /// The salt is not 16 bytes of unpadded standard base64.
    #[error("the salt is not 16 bytes of unpadded base64")]
    Salt,
    /// The hash is not 32 bytes of unpadded standard base64.
    #[error("the hash is not 32 bytes of unpadded base64")]
    Hash,
}

impl PasswordHash {
    /// Puts a hash together from its parts; refuses an iteration count outside its range.
    pub fn new(iterations: u32, salt: [u8; SALT_BYTES], hash: [u8; HASH_BYTES]) -> Result<Self, HashError> {
        if !(1..=PASSWORD_ITERATIONS_LIMIT).contains(&iterations) {
            return Err(HashError::Iterations);
        }
        Ok(Self { iterations, salt, hash })
    }

    /// Hashes a password in one go with [`PASSWORD_ITERATIONS_DEFAULT`]. `salt` must be fresh random bytes. For hosts;
    /// a device uses [`Derivation`] and [`PasswordHash::new`].
    #[must_use]
    pub fn derive(password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        let mut derivation = Derivation::new(password, salt, PASSWORD_ITERATIONS_DEFAULT);
        loop {
            if let Some(hash) = derivation.step(u32::MAX) {
                return Self { iterations: PASSWORD_ITERATIONS_DEFAULT, salt, hash };
            }
        }
    }

    /// A hash of random bytes, which no password has, as slow to check as a real one: what an unknown name is compared
    /// with, so that the time it takes does not tell that it is unknown.
    #[must_use]
    pub const fn decoy(salt: [u8; SALT_BYTES], random: [u8; HASH_BYTES]) -> Self {
        Self { iterations: PASSWORD_ITERATIONS_DEFAULT, salt, hash: random }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let mut parts = text.strip_prefix(PREFIX).ok_or(HashError::Form)?.split('$');
        let (Some(iterations), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(HashError::Form);
        };
        let plain = !iterations.starts_with('0') && iterations.bytes().all(|byte| byte.is_ascii_digit());
        let iterations: u32 = iterations.parse().ok().filter(|_| plain).ok_or(HashError::Iterations)?;
        let salt = decode_base64(salt).ok_or(HashError::Salt)?;
        let hash = decode_base64(hash).ok_or(HashError::Hash)?;
        Self::new(iterations, salt, hash)
    }

    /// The text form, hash included: for files that are allowed to hold it, never for a log or a listing.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "{PREFIX}{}${}${}",
            self.iterations,
            Base64Text::<22>::new(&self.salt),
            Base64Text::<43>::new(&self.hash)
        )
    }

    /// Iterations a check of this hash takes.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.salt
    }

    pub(crate) fn hash_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.hash
    }

    /// Starts checking `password` against this hash; its result goes to [`PasswordHash::matches`].
    #[must_use]
    pub fn check(&self, password: &[u8]) -> Derivation {
        Derivation::new(password, self.salt, self.iterations)
    }

    /// Compares a derived key in constant time.
    #[must_use]
    pub fn matches(&self, derived: &[u8; HASH_BYTES]) -> bool {
        self.hash.ct_eq(derived).into()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PasswordHash(pbkdf2-sha256, i={}, redacted)", self.iterations)
    }
}

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

fn decode_base64<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0_u8; BYTES];
    match STANDARD_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(length) if length == BYTES => Some(bytes),
        _ => None,
    }
}

/// Base64 text in an array of its own: `CHARACTERS` is the length the encoded bytes have.
struct Base64Text<const CHARACTERS: usize>([u8; CHARACTERS]);

impl<const CHARACTERS: usize> Base64Text<CHARACTERS> {
    fn new(bytes: &[u8]) -> Self {
        let mut text = [b'A'; CHARACTERS];
        // Fails only if the array is too short, and both lengths are constants of this file, pinned by a test.
        let _ = STANDARD_NO_PAD.encode_slice(bytes, &mut text);
        Self(text)
    }
}

impl<const CHARACTERS: usize> fmt::Display for Base64Text<CHARACTERS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(core::str::from_utf8(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

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

    #[test]
    fn only_the_right_password_matches() {
        let stored = PasswordHash::derive(b"secret", [9; SALT_BYTES]);
        assert!(stored.matches(&stored.check(b"secret").step(u32::MAX).unwrap()));
        assert!(!stored.matches(&stored.check(b"Secret").step(u32::MAX).unwrap()));
        assert!(!stored.matches(&stored.check(b"").step(u32::MAX).unwrap()));
    }

    #[test]
    fn text_form_is_pinned() {
        let hash = PasswordHash::new(4096, *b"0123456789abcdef", [0xff; HASH_BYTES]).unwrap();
        let text = hash.to_text();
        assert_eq!(text, format!("$pbkdf2-sha256$i=4096$MDEyMzQ1Njc4OWFiY2RlZg${}8", "/".repeat(42)));
        assert_eq!(PasswordHash::parse(&text), Ok(hash));
    }

    #[test]
    fn bad_texts_are_refused_by_part() {
        let salt = "MDEyMzQ1Njc4OWFiY2RlZg";
        let hash = "/".repeat(42) + "8";
        let with = |iterations: &str, salt: &str, hash: &str| {
            PasswordHash::parse(&format!("$pbkdf2-sha256$i={iterations}${salt}${hash}")).unwrap_err()
        };
        for iterations in ["0", "1000001", "+1", "01", "", "99999999999", "1 "] {
            assert_eq!(with(iterations, salt, &hash), HashError::Iterations, "{iterations}");
        }
        for salt in ["", "MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZ", "MDEyMzQ1Njc4OWFiY2RlZh", "é"]
        {
            assert_eq!(with("1", salt, &hash), HashError::Salt, "{salt}");
        }
        assert_eq!(with("1", salt, "AAAA"), HashError::Hash);
        for form in ["", "secret", "$6$i=1$a$b", "$pbkdf2-sha256$i=1$a", "$pbkdf2-sha256$i=1$a$b$c"] {
            assert_eq!(PasswordHash::parse(form).unwrap_err(), HashError::Form, "{form}");
        }
    }

    #[test]
    fn debug_shows_neither_hash_nor_password() {
        let hash = PasswordHash::derive(b"hunter2", [1; SALT_BYTES]);
        assert_eq!(format!("{hash:?}"), "PasswordHash(pbkdf2-sha256, i=4096, redacted)");
        assert_eq!(
            format!("{:?}", hash.check(b"hunter2")),
            "Derivation(4095 iterations to go, redacted)".to_string()
        );
    }

    proptest! {
        #[test]
        fn text_round_trips(
            iterations in 1..=PASSWORD_ITERATIONS_LIMIT, salt: [u8; SALT_BYTES], hash: [u8; HASH_BYTES],
        ) {
            let value = PasswordHash::new(iterations, salt, hash).unwrap();
            prop_assert_eq!(PasswordHash::parse(&value.to_text()).unwrap(), value);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(\\$pbkdf2-sha256\\$i=)?[0-9a-zA-Z$/+é]{0,90}") {
            if let Ok(hash) = PasswordHash::parse(&text) {
                prop_assert_eq!(hash.to_text(), text);
            }
        }
    }
}
