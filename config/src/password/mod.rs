//! Password hashes, compared in constant time and computed in slices.
//!
//! Passwords that are set here are hashed with PBKDF2-HMAC-SHA256 (RFC 8018 section 5.2). A hash on a chip takes a good
//! part of a second, so [`Derivation`] and [`Check`] do as much as their caller can afford in one turn. Text form:
//! `$pbkdf2-sha256$i=4096$SALT$HASH`, both in standard base64 without padding. Hashes of mosquitto are
//! checked, too, and keep the form they have there.
//!
//! No type here prints a secret through `Debug`, and there is deliberately no `Display`: writing a hash out is always
//! a visible call of [`PasswordHash::to_text`].

mod derivation;
mod mosquitto;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

pub use derivation::Derivation;
use mosquitto::{MosquittoHash, Sha512Check};

use crate::limits::{MOSQUITTO_ITERATIONS_LIMIT, MOSQUITTO_SALT_LIMIT_BYTES};
use crate::limits::{PASSWORD_ITERATIONS_DEFAULT, PASSWORD_ITERATIONS_LIMIT};

/// Bytes of salt in every hash that is made here.
pub const SALT_BYTES: usize = 16;
/// Bytes of its derived key: one SHA-256 output, so PBKDF2 computes exactly one block.
pub const HASH_BYTES: usize = 32;

const PREFIX: &str = "$pbkdf2-sha256$i=";

/// A salted password hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Own(OwnHash),
    /// Boxed, because it is more than twice as large and a device has few of them or none.
    Mosquitto(Box<MosquittoHash>),
}

#[derive(Clone, PartialEq, Eq)]
struct OwnHash {
    iterations: u32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

/// Why a text or a record is no password hash. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Of no known form.
    #[error("not of the form $pbkdf2-sha256$i=N$SALT$HASH, nor mosquitto's $6$SALT$HASH or $7$N$SALT$HASH")]
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
    /// As [`HashError::Iterations`], in a hash of mosquitto's.
    #[error("iterations outside 1..={MOSQUITTO_ITERATIONS_LIMIT}")]
    MosquittoIterations,
    /// The salt of a hash of mosquitto's is empty, too long or no base64.
    #[error("the salt is not 1 to {MOSQUITTO_SALT_LIMIT_BYTES} bytes of base64")]
    MosquittoSalt,
    /// The hash of a hash of mosquitto's is of another length or no base64.
    #[error("the hash is not 64 bytes of base64")]
    MosquittoHash,
    /// mosquitto 2.1 makes them, and one check takes more memory than a chip has.
    #[error("argon2 hashes cannot be checked on a chip; set the password anew")]
    Argon2,
}

impl PasswordHash {
    /// Puts a hash together from its parts; refuses an iteration count outside its range.
    pub fn new(iterations: u32, salt: [u8; SALT_BYTES], hash: [u8; HASH_BYTES]) -> Result<Self, HashError> {
        if !(1..=PASSWORD_ITERATIONS_LIMIT).contains(&iterations) {
            return Err(HashError::Iterations);
        }
        Ok(Self(Kind::Own(OwnHash { iterations, salt, hash })))
    }

    /// Hashes a password in one go with [`PASSWORD_ITERATIONS_DEFAULT`]. `salt` must be fresh random bytes. For hosts;
    /// a device uses [`Derivation`] and [`PasswordHash::new`].
    #[must_use]
    pub fn derive(password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        let mut derivation = Derivation::new(password, salt, PASSWORD_ITERATIONS_DEFAULT);
        loop {
            if let Some(hash) = derivation.step(u32::MAX) {
                return Self::decoy(salt, hash);
            }
        }
    }

    /// A hash of random bytes, which no password has, as slow to check as a real one: what an unknown name is compared
    /// with, so that the time it takes does not tell that it is unknown.
    #[must_use]
    pub const fn decoy(salt: [u8; SALT_BYTES], random: [u8; HASH_BYTES]) -> Self {
        Self(Kind::Own(OwnHash { iterations: PASSWORD_ITERATIONS_DEFAULT, salt, hash: random }))
    }

    /// Reads a text form, of ours or of mosquitto's.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if let Some(result) = MosquittoHash::parse(text) {
            return result.map(|hash| Self(Kind::Mosquitto(Box::new(hash))));
        }
        if text.starts_with("$argon2") {
            return Err(HashError::Argon2);
        }
        let mut parts = text.strip_prefix(PREFIX).ok_or(HashError::Form)?.split('$');
        let (Some(iterations), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(HashError::Form);
        };
        let iterations = plain_number(iterations).ok_or(HashError::Iterations)?;
        let salt = decode_base64(salt).ok_or(HashError::Salt)?;
        let hash = decode_base64(hash).ok_or(HashError::Hash)?;
        Self::new(iterations, salt, hash)
    }

    /// The text form, hash included: for files that are allowed to hold it, never for a log or a listing.
    #[must_use]
    pub fn to_text(&self) -> String {
        match &self.0 {
            Kind::Own(OwnHash { iterations, salt, hash }) => {
                format!(
                    "{PREFIX}{iterations}${}${}",
                    Base64Text::<22>::new(salt),
                    Base64Text::<43>::new(hash)
                )
            }
            Kind::Mosquitto(hash) => hash.to_text(),
        }
    }

    /// Iterations a check of this hash takes.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        match &self.0 {
            Kind::Own(hash) => hash.iterations,
            Kind::Mosquitto(hash) => hash.iterations(),
        }
    }

    /// Whether mosquitto has made it.
    #[must_use]
    pub fn is_mosquittos(&self) -> bool {
        matches!(self.0, Kind::Mosquitto(_))
    }

    /// Bytes of the flash form.
    pub(crate) fn encoded_len(&self) -> usize {
        match &self.0 {
            Kind::Own(_) => 4 + SALT_BYTES + HASH_BYTES,
            Kind::Mosquitto(hash) => hash.encoded_len(),
        }
    }

    /// The flash form: iterations u32 · salt · hash, or that of [`mosquitto`].
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        match &self.0 {
            Kind::Own(OwnHash { iterations, salt, hash }) => {
                bytes.extend_from_slice(&iterations.to_le_bytes());
                bytes.extend_from_slice(salt);
                bytes.extend_from_slice(hash);
            }
            Kind::Mosquitto(hash) => hash.encode(bytes),
        }
    }

    /// Reads the flash form of a hash that was made here; nothing may follow it.
    pub(crate) fn decode_own(bytes: &[u8]) -> Option<Self> {
        let (iterations, rest) = bytes.split_first_chunk::<4>()?;
        let (salt, hash) = rest.split_first_chunk()?;
        Self::new(u32::from_le_bytes(*iterations), *salt, hash.try_into().ok()?).ok()
    }

    /// Reads the flash form of a hash of mosquitto's; nothing may follow it.
    pub(crate) fn decode_mosquittos(bytes: &[u8]) -> Option<Self> {
        MosquittoHash::decode(bytes).map(|hash| Self(Kind::Mosquitto(Box::new(hash))))
    }

    /// Starts checking `password` against this hash; its result goes to [`PasswordHash::matches`].
    #[must_use]
    pub fn check(&self, password: &[u8]) -> Check {
        Check(match &self.0 {
            Kind::Own(hash) => Checking::Own(Derivation::new(password, hash.salt, hash.iterations)),
            Kind::Mosquitto(hash) => Checking::Mosquitto(hash.check(password)),
        })
    }

    /// Compares what a check of this hash gave, in constant time.
    #[must_use]
    pub fn matches(&self, derived: &Derived) -> bool {
        match (&self.0, derived) {
            (Kind::Own(hash), Derived(Key::Own(derived))) => hash.hash.ct_eq(derived).into(),
            (Kind::Mosquitto(hash), Derived(Key::Mosquitto(derived))) => {
                hash.hash_bytes().ct_eq(derived).into()
            }
            _ => false,
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            Kind::Own(_) => "pbkdf2-sha256",
            Kind::Mosquitto(hash) => hash.name(),
        };
        write!(formatter, "PasswordHash({name}, i={}, redacted)", self.iterations())
    }
}

/// The check of a password against a hash, in slices.
#[derive(Clone)]
pub struct Check(Checking);

#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a check begins when the network asks for it: no heap to run out of"
)]
enum Checking {
    Own(Derivation),
    Mosquitto(Sha512Check),
}

/// What a check gave. It is as secret as the hash it is compared with.
#[derive(Clone)]
pub struct Derived(Key);

#[derive(Clone)]
enum Key {
    Own([u8; HASH_BYTES]),
    Mosquitto([u8; 64]),
}

impl Check {
    /// Works for about as long as `units` iterations of PBKDF2-HMAC-SHA256 take; the result once it is there.
    pub fn step(&mut self, units: u32) -> Option<Derived> {
        match &mut self.0 {
            Checking::Own(derivation) => derivation.step(units).map(Key::Own),
            Checking::Mosquitto(check) => check.step(units).map(Key::Mosquitto),
        }
        .map(Derived)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remaining = match &self.0 {
            Checking::Own(derivation) => derivation.remaining(),
            Checking::Mosquitto(check) => check.remaining(),
        };
        write!(formatter, "Check({remaining} iterations to go, redacted)")
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Derived(redacted)")
    }
}

/// A decimal number without sign and leading zeros.
fn plain_number(text: &str) -> Option<u32> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
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

    pub(super) fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
        for form in ["", "secret", "$pbkdf2-sha256$i=1$a", "$pbkdf2-sha256$i=1$a$b$c"] {
            assert_eq!(PasswordHash::parse(form).unwrap_err(), HashError::Form, "{form}");
        }
    }

    #[test]
    fn debug_shows_neither_hash_nor_password() {
        let hash = PasswordHash::derive(b"hunter2", [1; SALT_BYTES]);
        assert_eq!(format!("{hash:?}"), "PasswordHash(pbkdf2-sha256, i=4096, redacted)");
        assert_eq!(
            format!("{:?}", hash.check(b"hunter2")),
            "Check(4095 iterations to go, redacted)".to_string()
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
