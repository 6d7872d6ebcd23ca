//! mosquitto's password hashes, so that whoever moves in from there need not set every password anew.
//!
//! ```text
//! $6$SALT$HASH              SHA-512 of password and salt: mosquitto up to 1.6
//! $7$ITERATIONS$SALT$HASH   PBKDF2-HMAC-SHA512 (RFC 8018 section 5.2): mosquitto from 2.0
//! ```
//!
//! Salt and hash stand in padded standard base64, the hash always has 64 bytes. Both kinds are checked, never made.
//!
//! They are not replaced by a hash of ours at the first good log-in, although `$6$` is quickly guessed by whoever has
//! it: a log-in over the network would then write to flash, and a settings file that holds the hash would bring it back
//! the next time it is applied. Setting the password replaces it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha512};

use super::HashError;
use crate::limits::{MOSQUITTO_ITERATIONS_LIMIT, MOSQUITTO_SALT_LIMIT_BYTES, MOSQUITTO_UNITS_PER_ITERATION};

/// Bytes of every hash: one SHA-512 output, so PBKDF2 computes exactly one block.
const HASH_BYTES: usize = 64;
/// SHA-512's block, which is HMAC's native key length.
const BLOCK_BYTES: usize = 128;
/// First byte of the flash form of `$6$` and `$7$`.
const DIGEST_KIND: u8 = 6;
const PBKDF2_KIND: u8 = 7;

/// A hash that mosquitto has made.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct MosquittoHash {
    /// `None` for a plain digest.
    iterations: Option<u32>,
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

impl MosquittoHash {
    fn new(iterations: Option<u32>, salt: &[u8], hash: [u8; HASH_BYTES]) -> Result<Self, HashError> {
        if iterations.is_some_and(|count| !(1..=MOSQUITTO_ITERATIONS_LIMIT).contains(&count)) {
            return Err(HashError::MosquittoIterations);
        }
        if !(1..=MOSQUITTO_SALT_LIMIT_BYTES).contains(&salt.len()) {
            return Err(HashError::MosquittoSalt);
        }
        Ok(Self { iterations, salt: salt.to_vec(), hash })
    }

    /// Reads what follows `$6$` or `$7$`; `None` if the text begins with neither.
    pub(super) fn parse(text: &str) -> Option<Result<Self, HashError>> {
        if let Some(rest) = text.strip_prefix("$6$") {
            return Some(Self::parse_parts(None, rest));
        }
        let rest = text.strip_prefix("$7$")?;
        let Some((iterations, rest)) = rest.split_once('$') else { return Some(Err(HashError::Form)) };
        Some(match super::plain_number(iterations) {
            Some(iterations) => Self::parse_parts(Some(iterations), rest),
            None => Err(HashError::MosquittoIterations),
        })
    }

    fn parse_parts(iterations: Option<u32>, rest: &str) -> Result<Self, HashError> {
        let (salt, hash) = rest.split_once('$').ok_or(HashError::Form)?;
        // The decoder wants room for a whole group at the end.
        let mut salt_bytes = [0_u8; MOSQUITTO_SALT_LIMIT_BYTES + 3];
        let length = STANDARD.decode_slice(salt, &mut salt_bytes).map_err(|_| HashError::MosquittoSalt)?;
        let mut hash_bytes = [0_u8; HASH_BYTES + 3];
        let (Ok(HASH_BYTES), Some(hash)) =
            (STANDARD.decode_slice(hash, &mut hash_bytes), hash_bytes.first_chunk())
        else {
            return Err(HashError::MosquittoHash);
        };
        Self::new(iterations, salt_bytes.get(..length).unwrap_or_default(), *hash)
    }

    pub(super) fn to_text(&self) -> String {
        let (salt, hash) = (base64(&self.salt), base64(&self.hash));
        match self.iterations {
            None => format!("$6${salt}${hash}"),
            Some(iterations) => format!("$7${iterations}${salt}${hash}"),
        }
    }

    /// Iterations of a check; a plain digest counts as one.
    pub(super) fn iterations(&self) -> u32 {
        self.iterations.unwrap_or(1)
    }

    pub(super) fn name(&self) -> &'static str {
        if self.iterations.is_some() { "mosquitto's pbkdf2-sha512" } else { "mosquitto's sha512" }
    }

    /// Bytes [`MosquittoHash::encode`] gives.
    pub(super) fn encoded_len(&self) -> usize {
        self.salt.len().saturating_add(1 + 4 + 1 + HASH_BYTES)
    }

    /// The flash form: kind u8 (6 or 7) · iterations u32 · salt length u8 · salt · hash.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(if self.iterations.is_some() { PBKDF2_KIND } else { DIGEST_KIND });
        bytes.extend_from_slice(&self.iterations().to_le_bytes());
        // A checked salt is at most 64 bytes.
        bytes.push(u8::try_from(self.salt.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.hash);
    }

    /// Reads the flash form; nothing may follow it.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (iterations, rest) = rest.split_first_chunk::<4>()?;
        let iterations = u32::from_le_bytes(*iterations);
        let (&salt_len, rest) = rest.split_first()?;
        let (salt, rest) = rest.split_at_checked(usize::from(salt_len))?;
        let iterations = match (kind, iterations) {
            (DIGEST_KIND, 1) => None,
            (PBKDF2_KIND, iterations) => Some(iterations),
            _ => return None,
        };
        Self::new(iterations, salt, rest.try_into().ok()?).ok()
    }

    pub(super) fn hash_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.hash
    }

    /// Starts checking a password.
    pub(super) fn check(&self, password: &[u8]) -> Sha512Check {
        match self.iterations {
            None => {
                let digest: [u8; HASH_BYTES] =
                    Sha512::new().chain_update(password).chain_update(&self.salt).finalize().into();
                Sha512Check { keyed: None, last: digest, sum: digest, remaining: 0 }
            }
            Some(iterations) => {
                let keyed = keyed_hmac(password);
                let mut first = keyed.clone();
                first.update(&self.salt);
                // The number of the only block, big-endian (RFC 8018's INT(i)).
                first.update(&1_u32.to_be_bytes());
                let first: [u8; HASH_BYTES] = first.finalize().into_bytes().into();
                let remaining = iterations.saturating_sub(1);
                Sha512Check { keyed: Some(keyed), last: first, sum: first, remaining }
            }
        }
    }
}

/// A check that can be done in slices.
#[derive(Clone)]
pub(super) struct Sha512Check {
    /// HMAC keyed with the password; none where nothing is left to do.
    keyed: Option<Hmac<Sha512>>,
    last: [u8; HASH_BYTES],
    sum: [u8; HASH_BYTES],
    remaining: u32,
}

impl Sha512Check {
    /// Does as many iterations as `units` iterations of [`Derivation`](super::Derivation) would take time, one at least;
    /// the derived key once all are done.
    pub(super) fn step(&mut self, units: u32) -> Option<[u8; HASH_BYTES]> {
        let now = self.remaining.min((units / MOSQUITTO_UNITS_PER_ITERATION).max(1));
        if let Some(keyed) = &self.keyed {
            for _ in 0..now {
                let mut next = keyed.clone();
                next.update(&self.last);
                self.last = next.finalize().into_bytes().into();
                for (sum, byte) in self.sum.iter_mut().zip(self.last) {
                    *sum ^= byte;
                }
            }
        }
        self.remaining = self.remaining.saturating_sub(now);
        (self.remaining == 0).then_some(self.sum)
    }

    pub(super) fn remaining(&self) -> u32 {
        self.remaining
    }
}

/// Base64 of at most 64 bytes.
fn base64(bytes: &[u8]) -> String {
    let mut text = [0_u8; HASH_BYTES.div_ceil(3) * 4];
    let length = STANDARD.encode_slice(bytes, &mut text).unwrap_or(0);
    text.iter().take(length).copied().map(char::from).collect()
}

/// HMAC-SHA512 keyed as RFC 2104 says; see `keyed_hmac` of [`Derivation`](super::Derivation).
fn keyed_hmac(password: &[u8]) -> Hmac<Sha512> {
    let mut block = [0_u8; BLOCK_BYTES];
    let digest: [u8; HASH_BYTES];
    let key = if password.len() > BLOCK_BYTES {
        digest = Sha512::digest(password).into();
        &digest[..]
    } else {
        password
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    <Hmac<Sha512> as KeyInit>::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::PasswordHash;
    use crate::password::tests::hex;
    use alloc::string::ToString;
    use proptest::prelude::*;

    /// What Debian's `mosquitto_passwd -b FILE ann 'correct horse'` wrote, version 2.0.11.
    const PBKDF2: &str = "$7$101$+Uuzvn3W/l34eNJO$7pOzzNX8xrTeSmQ8go/u08z1uMwHEfqgEdyqEB6rwq10z/AVmkT0BSCLvIPUWWe9TmJZvfQNixvE5Dsj3/RccA==";
    /// The same with `-H sha512`.
    const DIGEST: &str = "$6$pEKfBp7mO5zZXD4h$MfA/+NZrHiDAUtMSVxaYPUMnEjZGLuJP0gGQ7d57xuRcHo74eVge80HsgBC2A+ZL5VBDDiHkshdzpGJF4uTAIg==";

    const LONG_KEY: &str = "7e06f7557aae6057f38260ec33f67b9675bebccb8b17931386629a07d32149d2378b0cb294a152173818b94281c3db47d169e538b02deb3f2457884f1a3e04d9";

    fn is_right(hash: &PasswordHash, password: &[u8]) -> bool {
        let mut check = hash.check(password);
        loop {
            if let Some(derived) = check.step(7) {
                return hash.matches(&derived);
            }
        }
    }

    #[test]
    fn what_mosquitto_passwd_wrote_lets_the_same_password_in_and_no_other() {
        for text in [PBKDF2, DIGEST] {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(is_right(&hash, b"correct horse"), "{text}");
            for wrong in [&b"correct horse "[..], b"Correct horse", b""] {
                assert!(!is_right(&hash, wrong), "{text}");
            }
            assert_eq!(hash.to_text(), text);
        }
    }

    /// The SHA-512 twins of RFC 6070's vectors; one with a key longer than the block is from Python's hashlib.
    #[test]
    fn published_vectors() {
        let pbkdf2 = |password: &[u8], iterations| {
            let hash = MosquittoHash::new(Some(iterations), b"salt", [0; HASH_BYTES]).unwrap();
            let mut check = hash.check(password);
            loop {
                if let Some(derived) = check.step(u32::MAX) {
                    return hex(&derived);
                }
            }
        };
        assert_eq!(
            pbkdf2(b"password", 1),
            "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce"
        );
        assert_eq!(
            pbkdf2(b"password", 2),
            "e1d9c16aa681708a45f5c7c4e215ceb66e011a2e9f0040713f18aefdb866d53cf76cab2868a39b9f7840edce4fef5a82be67335c77a6068e04112754f27ccf4e"
        );
        assert_eq!(
            pbkdf2(b"password", 4096),
            "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5"
        );
        assert_eq!(pbkdf2(&[b'x'; 200], 3), LONG_KEY);
    }

    #[test]
    fn bad_texts_are_refused_by_part() {
        let (salt, hash) = ("pEKfBp7mO5zZXD4h", "A".repeat(85) + "A==");
        let refused = |text: &str| PasswordHash::parse(text).unwrap_err();
        for text in ["$6$", "$6$x", "$7$101", "$7$101$x", "$5$a$b", "$8$a$b"] {
            assert_eq!(refused(text), HashError::Form, "{text}");
        }
        let too_long = "AAAA".repeat(22);
        for salt in ["", "é", "pEKf=", "pEK", "pEKfBp7mO5zZXD4h\n", &too_long, &too_long.repeat(9)] {
            assert_eq!(refused(&format!("$6${salt}${hash}")), HashError::MosquittoSalt, "{salt}");
        }
        for hash in ["", "AAAA", &hash[..86], &format!("{hash}$"), &hash.repeat(9)] {
            assert_eq!(refused(&format!("$6${salt}${hash}")), HashError::MosquittoHash, "{hash}");
        }
        let above = (MOSQUITTO_ITERATIONS_LIMIT + 1).to_string();
        for iterations in ["", "0", "01", "+1", "-1", "99999999999", &above] {
            let text = format!("$7${iterations}${salt}${hash}");
            assert_eq!(refused(&text), HashError::MosquittoIterations, "{iterations}");
        }
        assert_eq!(refused("$argon2id$v=19$m=47104,t=1,p=1$c2FsdA$aGFzaA"), HashError::Argon2);
    }

    #[test]
    fn debug_shows_neither_hash_nor_password() {
        let hash = PasswordHash::parse(PBKDF2).unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash(mosquitto's pbkdf2-sha512, i=101, redacted)");
        assert_eq!(format!("{:?}", hash.check(b"hunter2")), "Check(100 iterations to go, redacted)");
    }

    #[test]
    fn flash_form_is_pinned() {
        let mut bytes = Vec::new();
        MosquittoHash::new(Some(0x0102), b"salt", [0xAB; HASH_BYTES]).unwrap().encode(&mut bytes);
        assert_eq!(bytes[..10], *b"\x07\x02\x01\x00\x00\x04salt");
        assert_eq!((bytes[10..].len(), bytes[10]), (HASH_BYTES, 0xAB));
        // One iteration does not make a plain digest of it, and neither does an unknown kind.
        for (kind, iterations, expected) in
            [(7, 1, Some(Some(1))), (6, 1, Some(None)), (6, 2, None), (7, 0, None), (5, 1, None)]
        {
            (bytes[0], bytes[1], bytes[2]) = (kind, iterations, 0);
            let decoded = MosquittoHash::decode(&bytes).map(|hash| hash.iterations);
            assert_eq!(decoded, expected, "{kind} {iterations}");
        }
    }

    proptest! {
        #[test]
        fn text_and_flash_forms_round_trip(
            iterations in prop::option::of(1..=MOSQUITTO_ITERATIONS_LIMIT),
            salt in prop::collection::vec(any::<u8>(), 1..=MOSQUITTO_SALT_LIMIT_BYTES),
            hash: [u8; HASH_BYTES],
        ) {
            let hash = MosquittoHash::new(iterations, &salt, hash).unwrap();
            let text = hash.to_text();
            let again = MosquittoHash::parse(&text).unwrap();
            prop_assert!(again.is_ok_and(|again| again == hash), "{}", text);
            let mut bytes = Vec::new();
            hash.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), hash.encoded_len());
            prop_assert!(MosquittoHash::decode(&bytes).is_some_and(|again| again == hash));
            bytes.push(0);
            prop_assert!(MosquittoHash::decode(&bytes).is_none());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\$[67]\\$([0-9]{0,8}\\$)?[0-9a-zA-Z$/+=é]{0,120}") {
            if let Ok(hash) = PasswordHash::parse(&text) {
                prop_assert_eq!(hash.to_text(), text);
            }
        }

        #[test]
        fn any_flash_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..160)) {
            if let Some(hash) = MosquittoHash::decode(&bytes) {
                let mut again = Vec::new();
                hash.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
