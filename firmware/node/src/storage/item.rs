//! The stored form of what survives a power cut beside the settings: retained messages and sessions.
//!
//! The first byte tells what an item is. Numbers are little-endian, and each text stands behind its length in two
//! bytes:
//!
//! | first byte | then |
//! |---|---|
//! | 0, 1, 2: a message with that quality of service | topic, payload |
//! | 4, 5, 6: the same with properties | topic, properties behind their length, payload |
//! | 8 more: the same that expires | topic, seconds it had left when it was stored (four bytes), the rest as above |
//! | 16: the session of an anonymous client | client identifier, state |
//! | 17: the session of a user | client identifier, user name, state |
//!
//! Payload and state reach to the end; the state is the broker's own, see
//! [`StoredSession::encode`](obkmq_broker::StoredSession::encode). Users are stored by name, because their numbers are
//! given anew at each boot.

use alloc::vec::Vec;

use obkmq_broker::{QoS, Retained, Sink};
use sha2::{Digest, Sha256};

use super::StorageError;
use crate::limits::FLASH_ITEM_BYTES;

const WITH_PROPERTIES: u8 = 0x04;
const WITH_EXPIRY: u8 = 0x08;
const SESSION: u8 = 0x10;
const SESSION_OF_USER: u8 = 0x11;

/// In front of a client identifier, where no topic can begin like this: no topic has a NUL \[MQTT-4.7.3-2\].
const SESSION_TAG: &[u8] = b"\0session\0";

/// Where an item is found: the first 16 bytes of a SHA-256. It needs no index in RAM, and nobody can make two topics
/// share an item.
pub(crate) type Key = [u8; 16];

/// A stored item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Message { topic: &'a str, retained: Retained<'a> },
    Session { client_id: &'a str, user: Option<&'a str>, state: &'a [u8] },
}

impl<'a> Item<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (name, rest) = text(rest)?;
        match kind {
            SESSION => Some(Self::Session { client_id: name, user: None, state: rest }),
            SESSION_OF_USER => {
                let (user, state) = text(rest)?;
                Some(Self::Session { client_id: name, user: Some(user), state })
            }
            _ => {
                let qos = QoS::from_bits(kind & !(WITH_PROPERTIES | WITH_EXPIRY)).ok()?;
                let (expiry_seconds, rest) = match kind & WITH_EXPIRY {
                    0 => (None, rest),
                    _ => {
                        let (seconds, rest) = rest.split_first_chunk::<4>()?;
                        (Some(u32::from_le_bytes(*seconds)), rest)
                    }
                };
                let (properties, payload) =
                    if kind & WITH_PROPERTIES == 0 { (&[][..], rest) } else { piece(rest)? };
                let retained = Retained { payload, qos, properties, expiry_seconds };
                Some(Self::Message { topic: name, retained })
            }
        }
    }

    /// The stored form.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, StorageError> {
        let mut bytes = Bounded::default();
        match *self {
            Self::Message { topic, retained: Retained { payload, qos, properties, expiry_seconds } } => {
                let has_properties = if properties.is_empty() { 0 } else { WITH_PROPERTIES };
                bytes.put(&[qos.bits() | has_properties | expiry_seconds.map_or(0, |_| WITH_EXPIRY)]);
                bytes.put_piece(topic.as_bytes());
                if let Some(seconds) = expiry_seconds {
                    bytes.put(&seconds.to_le_bytes());
                }
                if !properties.is_empty() {
                    bytes.put_piece(properties);
                }
                bytes.put(payload);
            }
            Self::Session { client_id, user, state } => {
                bytes.put(&[user.map_or(SESSION, |_| SESSION_OF_USER)]);
                bytes.put_piece(client_id.as_bytes());
                if let Some(user) = user {
                    bytes.put_piece(user.as_bytes());
                }
                bytes.put(state);
            }
        }
        bytes.finish()
    }
}

/// Where the message of a topic is found.
pub(crate) fn message_key(topic: &str) -> Key {
    key_of(Sha256::new().chain_update(topic))
}

/// Where the session of a user's client is found. No client identifier has a NUL either \[MQTT-1.5.3-2\].
pub(crate) fn session_key(client_id: &str, user: Option<&str>) -> Key {
    let hash = Sha256::new().chain_update(SESSION_TAG).chain_update(client_id);
    key_of(match user {
        Some(user) => hash.chain_update(b"\0").chain_update(user),
        None => hash,
    })
}

fn key_of(hash: Sha256) -> Key {
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    key
}

/// Bytes that grow no further than an item may.
#[derive(Default)]
pub(crate) struct Bounded {
    bytes: Vec<u8>,
    failure: Option<StorageError>,
}

impl Bounded {
    /// A length that does not fit is that of an item that is too long anyway.
    fn put_piece(&mut self, piece: &[u8]) {
        self.put(&u16::try_from(piece.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.put(piece);
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, StorageError> {
        self.failure.map_or(Ok(self.bytes), Err)
    }
}

impl Sink for Bounded {
    fn put(&mut self, bytes: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        if bytes.len() > FLASH_ITEM_BYTES.saturating_sub(self.bytes.len()) {
            self.failure = Some(StorageError::TooBig);
        } else if self.bytes.try_reserve(bytes.len()).is_err() {
            self.failure = Some(StorageError::Memory);
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = piece(bytes)?;
    Some((core::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message<'a>(payload: &'a [u8], properties: &'a [u8]) -> Item<'a> {
        expiring(payload, properties, None)
    }

    fn expiring<'a>(payload: &'a [u8], properties: &'a [u8], expiry_seconds: Option<u32>) -> Item<'a> {
        let retained = Retained { payload, qos: QoS::AtLeastOnce, properties, expiry_seconds };
        Item::Message { topic: "a/b", retained }
    }

    /// What devices have in their flash: these bytes are read for ever.
    #[test]
    fn the_stored_forms() {
        for (item, bytes) in [
            (message(b"on", b""), &b"\x01\x03\x00a/bon"[..]),
            (message(b"on", b"\x01\x01"), b"\x05\x03\x00a/b\x02\x00\x01\x01on"),
            (expiring(b"on", b"", Some(258)), b"\x09\x03\x00a/b\x02\x01\x00\x00on"),
            (expiring(b"on", b"\x01\x01", Some(1)), b"\x0D\x03\x00a/b\x01\x00\x00\x00\x02\x00\x01\x01on"),
            (Item::Session { client_id: "c", user: None, state: b"state" }, b"\x10\x01\x00cstate"),
            (Item::Session { client_id: "c", user: Some(""), state: b"" }, b"\x11\x01\x00c\x00\x00"),
            (
                Item::Session { client_id: "c", user: Some("ann"), state: b"state" },
                b"\x11\x01\x00c\x03\x00annstate",
            ),
        ] {
            assert_eq!(item.encode().unwrap(), bytes);
            assert_eq!(Item::decode(bytes), Some(item));
        }
        assert_eq!(message_key("a/b")[..4], [0xc1, 0x4c, 0xdd, 0xc0]);
        assert_eq!(session_key("c", None)[..4], [0xd6, 0xc1, 0xe4, 0x4d]);
        // Not to be moved apart by a name that ends where another begins.
        assert_ne!(session_key("c", Some("d")), session_key("cd", Some("")));
        assert_ne!(session_key("c", Some("")), session_key("c", None));
    }

    #[test]
    fn what_is_no_item_is_not_read() {
        for bytes in [
            &b""[..],
            b"\x03\x00\x00",
            b"\x08\x01\x00a\x00\x00\x00",
            b"\x0B\x01\x00a\x00\x00\x00\x00",
            b"\x07\x00\x00\x00\x00",
            b"\x12\x00\x00",
            b"\x00\x01",
            b"\x00\x02\x00a",
            b"\x00\x01\x00\xff",
            b"\x04\x01\x00a\x01\x00",
            b"\x11\x01\x00c",
        ] {
            assert_eq!(Item::decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn an_item_that_fits_no_page_is_not_made() {
        let payload = alloc::vec![0; FLASH_ITEM_BYTES];
        assert_eq!(message(&payload, b"").encode(), Err(StorageError::TooBig));
        let name = "x".repeat(70_000);
        let session = Item::Session { client_id: &name, user: None, state: b"" };
        assert_eq!(session.encode(), Err(StorageError::TooBig));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(item) = Item::decode(&bytes) {
                let again = item.encode().unwrap();
                prop_assert_eq!(Item::decode(&again), Some(item));
            }
        }
    }
}
