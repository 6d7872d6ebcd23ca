//! The flash region of retained messages and sessions: one item each, see [`item`](super::item).

use core::ops::Range;

use alloc::vec::Vec;
use embedded_storage::nor_flash::MultiwriteNorFlash;

use super::item::{Item, Key};
use super::pages::{self, Found};
use super::{StorageError, complete, fetched, item_buffer, open};

/// The key of no item: nobody knows a text with this hash.
const NOBODY: Key = [0; 16];

/// The region.
pub(crate) struct KeptStore {
    range: Range<u32>,
}

impl KeptStore {
    pub(crate) const fn new(range: Range<u32>) -> Self {
        Self { range }
    }

    /// Writes or replaces an item. One that stands there already is not written again.
    pub(crate) fn set<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        key: &Key,
        item: &[u8],
    ) -> Result<(), StorageError> {
        let mut buffer = item_buffer()?;
        let mut map = open::<Key, F>(flash, &self.range)?;
        // What cannot be read is replaced.
        if matches!(complete(map.fetch_item::<&[u8]>(&mut buffer, key)), Ok(Some(stored)) if stored == item) {
            return Ok(());
        }
        complete(map.store_item(&mut buffer, key, &item))
    }

    /// Forgets an item; one that was never kept is not an error.
    pub(crate) fn clear<F: MultiwriteNorFlash>(&self, flash: &mut F, key: &Key) -> Result<(), StorageError> {
        let mut buffer = item_buffer()?;
        let mut map = open::<Key, F>(flash, &self.range)?;
        complete(map.remove_item(&mut buffer, key))
    }

    /// Forgets everything: the way out of a region that cannot be read any more.
    pub(crate) fn erase<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<(), StorageError> {
        let mut map = open::<Key, F>(flash, &self.range)?;
        complete(map.erase_all())
    }

    /// Reads the newest version of an item; `None` if there is none, or none that can be read.
    pub(crate) fn read<'b, F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        key: &Key,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, StorageError> {
        let mut map = open::<Key, F>(flash, &self.range)?;
        Ok(fetched(map.fetch_item::<&[u8]>(buffer, key))?.and_then(Item::decode))
    }

    /// Looks after the region at boot, before anything is read; whether messages may be missing, or not be the newest.
    pub(crate) fn mend<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<bool, StorageError> {
        match pages::mend::<Key, F>(flash, &self.range)? {
            Found::Whole => Ok(false),
            Found::Damaged => Ok(true),
            Found::Lost => {
                self.erase(flash)?;
                Ok(true)
            }
        }
    }

    /// Hands every item to `take`, older versions before newer ones. Items that cannot be read are passed over and
    /// counted in the answer: one damaged message must not cost the others.
    pub(crate) fn load<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        mut take: impl FnMut(&Key, Item<'_>),
    ) -> Result<u32, StorageError> {
        let mut buffer = item_buffer()?;
        let mut map = open::<Key, F>(flash, &self.range)?;
        // The list of all items stops at a page whose erasure was cut short; a search repairs it.
        fetched(map.fetch_item::<&[u8]>(&mut buffer, &NOBODY))?;
        let mut scratch = item_buffer()?;
        let mut unreadable = 0_u32;
        let mut items = complete(map.fetch_all_items(&mut scratch))?;
        while let Some((key, item)) = fetched::<Option<(Key, &[u8])>, _>(items.next(&mut buffer))? {
            match Item::decode(item) {
                Some(item) => take(&key, item),
                None => unreadable = unreadable.saturating_add(1),
            }
        }
        Ok(unreadable)
    }

    /// A buffer for [`KeptStore::read`].
    pub(crate) fn buffer() -> Result<Vec<u8>, StorageError> {
        item_buffer()
    }
}
