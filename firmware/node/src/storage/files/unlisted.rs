//! Chunks in flash that no file has: of interrupted uploads, and of former files. They are removed one a turn.

use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;

use super::{Files, LAST_ID, chunks_of, key, parts};
use crate::limits::UNLISTED_FILES_NOTED;
use crate::storage::{StorageError, complete, fetched, item_buffer, open};

/// Chunks in a row that no file has.
pub(super) struct Unlisted {
    pub(super) id: u16,
    chunks: Range<u32>,
}

impl Unlisted {
    /// Takes a chunk in, if it is the next one in the row, before it or in it.
    fn take_in(&mut self, id: u16, chunk: u32) -> bool {
        let is_near =
            self.id == id && (self.chunks.start.saturating_sub(1)..=self.chunks.end).contains(&chunk);
        if is_near {
            self.chunks = self.chunks.start.min(chunk)..self.chunks.end.max(chunk.saturating_add(1));
        }
        is_near
    }
}

impl Files {
    pub(super) fn note_unlisted<F: MultiwriteNorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError> {
        let mut buffer = item_buffer()?;
        let mut scratch = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        let mut items = complete(map.fetch_all_items(&mut scratch))?;
        self.more_unlisted = false;
        while let Some((key, _)) = fetched::<Option<(u32, &[u8])>, _>(items.next(&mut buffer))? {
            let (id, chunk) = parts(key);
            // A file may have the identifier of one that an older list hid: what is behind its end is not its own.
            let entry = self.entries.iter().find(|entry| entry.id == id);
            let begin = entry.map_or(0, |entry| chunks_of(entry.info.bytes));
            if id > LAST_ID || chunk < begin || self.reserved.iter().any(|upload| upload.id == id) {
                continue;
            }
            self.last_id = self.last_id.max(id);
            if self.unlisted.iter_mut().any(|unlisted| unlisted.take_in(id, chunk)) {
                continue;
            }
            if self.unlisted.len() < UNLISTED_FILES_NOTED {
                self.unlisted.try_reserve(1).map_err(|_| StorageError::Memory)?;
                self.unlisted.push(Unlisted { id, chunks: chunk..chunk.saturating_add(1) });
            } else {
                // What finds no place in the notes is looked for again once they are done.
                self.more_unlisted = true;
            }
        }
        Ok(())
    }

    pub(super) fn unlisted_chunks(&self) -> u32 {
        self.unlisted.iter().map(|of| of.chunks.end.saturating_sub(of.chunks.start)).sum()
    }

    pub(super) fn forget_chunks(&mut self, id: u16, chunks: u32) {
        if chunks == 0 {
            return;
        }
        if self.unlisted.try_reserve(1).is_ok() {
            self.unlisted.push(Unlisted { id, chunks: 0..chunks });
        } else {
            self.more_unlisted = true;
        }
    }

    /// Whether [`Files::work`] has something to do.
    pub(crate) fn has_work(&self) -> bool {
        !self.in_doubt && (self.more_unlisted || !self.unlisted.is_empty())
    }

    /// Removes one chunk that nobody lists. After a failure there is nothing to do until somebody writes a file.
    pub(crate) fn work<F: MultiwriteNorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError> {
        let result = self.remove_unlisted(flash);
        self.in_doubt |= result.is_err();
        result
    }

    fn remove_unlisted<F: MultiwriteNorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError> {
        let Some(unlisted) = self.unlisted.last() else { return self.note_unlisted(flash) };
        let (id, Some(chunk)) = (unlisted.id, unlisted.chunks.clone().next()) else {
            self.unlisted.pop();
            return Ok(());
        };
        let mut buffer = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        complete(map.remove_item(&mut buffer, &key(id, chunk)?))?;
        if let Some(unlisted) = self.unlisted.last_mut() {
            unlisted.chunks.start = chunk.saturating_add(1);
        }
        Ok(())
    }
}
