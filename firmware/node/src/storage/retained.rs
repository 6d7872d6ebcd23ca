//! Retained messages in flash: one item a topic, under the first 16 bytes of the topic's SHA-256.
//!
//! A key made by a cryptographic hash needs no index in RAM, and nobody can make two topics share an item. The item
//! is `quality of service (1 byte), topic length (2 bytes, little-endian), topic, payload`.

use core::ops::Range;

use alloc::vec::Vec;
use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_mqtt::QoS;
use sha2::{Digest, Sha256};

use super::{StorageError, complete, item_buffer, open};

type Key = [u8; 16];

/// The flash region of retained messages.
pub(crate) struct RetainedStore {
    range: Range<u32>,
}

impl RetainedStore {
    pub(crate) const fn new(range: Range<u32>) -> Self {
        Self { range }
    }

    /// Writes or replaces the message of `topic`.
    pub(crate) fn set<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        topic: &str,
        payload: &[u8],
        qos: QoS,
    ) -> Result<(), StorageError> {
        let item = encode(topic, payload, qos)?;
        let mut buffer = item_buffer()?;
        let mut map = open::<Key, F>(flash, &self.range)?;
        complete(map.store_item(&mut buffer, &key(topic), &item.as_slice()))
    }

    /// Forgets the message of `topic`; one that was never kept is not an error.
    pub(crate) fn clear<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        topic: &str,
    ) -> Result<(), StorageError> {
        let mut buffer = item_buffer()?;
        let mut map = open::<Key, F>(flash, &self.range)?;
        complete(map.remove_item(&mut buffer, &key(topic)))
    }

    /// Forgets everything: the way out of a region that cannot be read any more.
    pub(crate) fn erase<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<(), StorageError> {
        let mut map = open::<Key, F>(flash, &self.range)?;
        complete(map.erase_all())
    }

    /// Hands every kept message to `restore`, older versions of a topic before newer ones. Items that cannot be read
    /// are passed over and counted in the answer: one damaged message must not cost the others.
    pub(crate) fn load<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        mut restore: impl FnMut(&str, &[u8], QoS),
    ) -> Result<u32, StorageError> {
        let mut buffer = item_buffer()?;
        let mut map = open::<Key, F>(flash, &self.range)?;
        let mut scratch = item_buffer()?;
        let mut unreadable = 0_u32;
        let mut items = complete(map.fetch_all_items(&mut scratch))?;
        while let Some((_, item)) = complete::<Option<(Key, &[u8])>, _>(items.next(&mut buffer))? {
            match decode(item) {
                Some((topic, payload, qos)) => restore(topic, payload, qos),
                None => unreadable = unreadable.saturating_add(1),
            }
        }
        Ok(unreadable)
    }
}

fn key(topic: &str) -> Key {
    let digest = Sha256::digest(topic.as_bytes());
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(digest) {
        *to = from;
    }
    key
}

fn encode(topic: &str, payload: &[u8], qos: QoS) -> Result<Vec<u8>, StorageError> {
    let topic_length = u16::try_from(topic.len()).map_err(|_| StorageError::TooBig)?;
    let mut item = Vec::new();
    let size = topic.len().saturating_add(payload.len()).saturating_add(3);
    item.try_reserve_exact(size).map_err(|_| StorageError::Memory)?;
    item.push(qos.bits());
    item.extend_from_slice(&topic_length.to_le_bytes());
    item.extend_from_slice(topic.as_bytes());
    item.extend_from_slice(payload);
    Ok(item)
}

fn decode(item: &[u8]) -> Option<(&str, &[u8], QoS)> {
    let (qos, rest) = item.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (topic, payload) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((core::str::from_utf8(topic).ok()?, payload, QoS::from_bits(*qos).ok()?))
}
