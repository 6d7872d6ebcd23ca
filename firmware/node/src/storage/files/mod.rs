//! Files in flash: chunks, and one item that lists the files.
//!
//! A file is written under an identifier that no file has, chunk by chunk; then one append of the list puts it in place
//! of the former one. So a file is the old or the new one whenever the power goes, and what nobody lists is removed,
//! one flash operation a turn. The number of the newest list is written a second time after it, as with
//! [settings](super::settings): a list that is older than its marker is *noticed*.
//!
//! | key | item |
//! |---|---|
//! | identifier · 65536 + number of the chunk | [`CHUNK_BYTES`] of the file, or what is left of it |
//! | 0xFFFF0000 | the list: generation, then identifier, length, SHA-256 and name (behind its length in one byte) of each |
//! | 0xFFFF0001 | generation of the newest list |
//!
//! Numbers are little-endian.

mod list;
mod unlisted;
mod upload;

use alloc::vec::Vec;
use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_config::line::{FileInfo, FileName};

use super::pages::{self, Found};
use super::{StorageError, complete, fetched, item_buffer, open};
use crate::limits::FILES_LIMIT;
use list::{Entry, decode_list, encode_list};
use unlisted::Unlisted;

pub(crate) use upload::{Begun, Upload};

/// Contents of one item: four of them fit a page.
const CHUNK_BYTES: u16 = 1_000;
const CHUNK_LENGTH: usize = CHUNK_BYTES as usize;
const CHUNKS_PER_PAGE: u32 = 4;
/// Pages that hold no chunks when a region is full: one that the store keeps erased, and the list in two versions.
const OTHER_PAGES: u32 = 3;

const LIST: u32 = 0xFFFF_0000;
const MARKER: u32 = 0xFFFF_0001;
/// Identifiers below that of [`LIST`].
const LAST_ID: u16 = 0xFFFE;

/// Why a file could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("there is no such file")]
    NotThere,
    /// The flash region has too little room.
    #[error("the file takes {needed} bytes of flash and {free} are free; delete others")]
    NoRoom {
        /// What it takes, in whole chunks.
        needed: u32,
        /// What is free.
        free: u32,
    },
    /// Room that is needed is being made.
    #[error("former files are being removed; try again in a moment")]
    Busy,
    /// There are as many files as there may be.
    #[error("there are {FILES_LIMIT} files already; delete others")]
    TooMany,
    /// No file is being written.
    #[error("no file is being written; `file put` begins one")]
    NotWriting,
    /// A piece that is not the next one.
    #[error("the next piece begins at {expected}")]
    Offset {
        /// What has arrived.
        expected: u32,
    },
    /// More bytes than the file was to have.
    #[error("the file was announced with fewer bytes")]
    TooLong,
    /// What arrived is not what was announced.
    #[error("what arrived is not what was announced, nothing was changed; send it again")]
    WrongHash,
    /// A part of the file cannot be read.
    #[error("the file is damaged; put it again")]
    Damaged,
    /// No heap.
    #[error("out of memory")]
    Memory,
    /// Flash failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What was found at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilesState {
    /// All of it, or nothing yet.
    Whole,
    /// The newest list is damaged; an older one stands in for it.
    OldList,
    /// Nothing can be read.
    Lost,
    /// It could not be looked at: flash failed or memory is short. What is there is not known.
    Unread,
}

/// A file on its way: its identifier, and the chunks it will have in the end.
struct Reserved {
    id: u16,
    chunks: u32,
}

/// The flash region of files.
pub(crate) struct Files {
    range: Range<u32>,
    page_bytes: u32,
    entries: Vec<Entry>,
    generation: u32,
    state: FilesState,
    last_id: u16,
    unlisted: Vec<Unlisted>,
    /// More of them stand in flash than are noted.
    more_unlisted: bool,
    /// Uploads, whether anything of them is written or not.
    reserved: Vec<Reserved>,
    /// Flash has failed: it may have a list that was refused, so that nothing is removed until another list is stored.
    in_doubt: bool,
}

impl Files {
    pub(crate) const fn new(range: Range<u32>) -> Self {
        Self {
            range,
            page_bytes: 1,
            entries: Vec::new(),
            generation: 0,
            state: FilesState::Whole,
            last_id: 0,
            unlisted: Vec::new(),
            more_unlisted: false,
            reserved: Vec::new(),
            in_doubt: false,
        }
    }

    /// Reads the list, and notes what nobody lists.
    pub(crate) fn load<F: MultiwriteNorFlash>(&mut self, flash: &mut F) -> Result<FilesState, StorageError> {
        self.page_bytes = u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX).max(1);
        self.state = FilesState::Unread;
        let found = pages::mend::<u32, F>(flash, &self.range)?;
        self.state = match self.load_list(flash, found) {
            Err(StorageError::Damaged) => FilesState::Lost,
            state => state?,
        };
        if self.state != FilesState::Lost {
            self.note_unlisted(flash)?;
        }
        if self.state == FilesState::OldList {
            // They stay until the owner writes a file; until then only their identifiers are taken.
            self.unlisted.clear();
            self.more_unlisted = false;
        }
        Ok(self.state)
    }

    fn load_list<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        found: Found,
    ) -> Result<FilesState, StorageError> {
        if found == Found::Lost {
            return Ok(FilesState::Lost);
        }
        let mut buffer = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        let marker = fetched(map.fetch_item::<u32>(&mut buffer, &MARKER))?.unwrap_or(0);
        let list = match fetched(map.fetch_item::<&[u8]>(&mut buffer, &LIST))? {
            Some(list) => decode_list(list)?,
            None => Some((0, Vec::new())),
        };
        let is_list = list.is_some();
        let (generation, entries) = list.unwrap_or_default();
        self.generation = generation.max(marker);
        self.last_id = entries.iter().map(|entry| entry.id).max().unwrap_or(0);
        self.entries = entries;
        if found == Found::Damaged {
            // The pages are in order from now on: this is what the next boot notices.
            self.generation = self.generation.saturating_add(1);
            let _ = complete(map.store_item(&mut buffer, &MARKER, &self.generation));
            return Ok(FilesState::OldList);
        }
        Ok(if generation < marker || !is_list { FilesState::OldList } else { FilesState::Whole })
    }

    /// How the region was found, or is after what was written since.
    pub(crate) fn state(&self) -> FilesState {
        self.state
    }

    /// The files, in the order of their names.
    pub(crate) fn list(&self) -> impl Iterator<Item = &FileInfo> {
        self.entries.iter().map(|entry| &entry.info)
    }

    /// Bytes that another file may have.
    pub(crate) fn free_bytes(&self) -> u32 {
        self.free_chunks().saturating_mul(u32::from(CHUNK_BYTES))
    }

    fn free_chunks(&self) -> u32 {
        let pages = self.range.end.saturating_sub(self.range.start) / self.page_bytes;
        let listed: u32 = self.entries.iter().map(|entry| chunks_of(entry.info.bytes)).sum();
        let all = pages.saturating_sub(OTHER_PAGES).saturating_mul(CHUNKS_PER_PAGE);
        let reserved: u32 = self.reserved.iter().map(|upload| upload.chunks).sum();
        all.saturating_sub(listed).saturating_sub(reserved).saturating_sub(self.unlisted_chunks())
    }

    fn find(&self, name: &FileName) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.info.name == *name)
    }

    /// One file.
    pub(crate) fn info(&self, name: &FileName) -> Option<&FileInfo> {
        self.find(name).map(|entry| &entry.info)
    }

    /// Reads from `offset` into `bytes`; how many, 0 behind the end.
    pub(crate) fn read<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        name: &FileName,
        offset: u32,
        bytes: &mut [u8],
    ) -> Result<usize, FileError> {
        let entry = self.find(name).ok_or(FileError::NotThere)?;
        let mut buffer = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        let mut done = 0;
        while let Some(room) = bytes.get_mut(done..).filter(|room| !room.is_empty()) {
            let at = (offset as usize).saturating_add(done);
            if at >= entry.info.bytes as usize {
                break;
            }
            let (number, skip) = (at / CHUNK_LENGTH, at % CHUNK_LENGTH);
            let key = key(entry.id, u32::try_from(number).unwrap_or(u32::MAX))?;
            let chunk = fetched(map.fetch_item::<&[u8]>(&mut buffer, &key))?.ok_or(FileError::Damaged)?;
            let expected =
                (entry.info.bytes as usize).saturating_sub(number * CHUNK_LENGTH).min(CHUNK_LENGTH);
            let rest = chunk.get(skip..).filter(|_| chunk.len() == expected).ok_or(FileError::Damaged)?;
            let length = rest.len().min(room.len());
            for (to, from) in room.iter_mut().zip(rest) {
                *to = *from;
            }
            done += length;
        }
        Ok(done)
    }

    /// Looks at what could not be looked at before, and stores the list anew where flash may have one that was refused.
    fn settle_doubts<F: MultiwriteNorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError> {
        if self.state == FilesState::Unread {
            self.load(flash)?;
        }
        if self.in_doubt { self.store_list(flash) } else { Ok(()) }
    }

    /// Whether every chunk of a file can be read. The store checks their contents.
    fn is_whole<F: MultiwriteNorFlash>(&self, flash: &mut F, info: &FileInfo) -> Result<bool, FileError> {
        for offset in (0..info.bytes).step_by(CHUNK_LENGTH) {
            match self.read(flash, &info.name, offset, &mut [0]) {
                Err(FileError::Damaged | FileError::Storage(StorageError::Damaged)) => return Ok(false),
                read => read?,
            };
        }
        Ok(true)
    }

    /// Deletes a file.
    pub(crate) fn remove<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        name: &FileName,
    ) -> Result<(), FileError> {
        self.settle_doubts(flash)?;
        let at = self.entries.iter().position(|entry| entry.info.name == *name).ok_or(FileError::NotThere)?;
        let entry = self.entries.remove(at);
        if let Err(error) = self.store_list(flash) {
            self.entries.insert(at, entry);
            return Err(error.into());
        }
        self.forget_chunks(entry.id, chunks_of(entry.info.bytes));
        Ok(())
    }

    fn store_list<F: MultiwriteNorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError> {
        let generation = self.generation.saturating_add(1);
        let list = encode_list(generation, &self.entries)?;
        // Whatever an operation that fails leaves in flash, this one has the same number.
        self.in_doubt = true;
        // Damage hid what else stands there.
        self.more_unlisted |= self.state == FilesState::OldList;
        self.store(flash, LIST, &list)?;
        // From here on the new list is the one that a restart finds.
        self.in_doubt = false;
        self.generation = generation;
        self.state = FilesState::Whole;
        let mut buffer = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        // A list that is newer than its marker is whole: only the notice of its own later loss is missing.
        let _ = complete(map.store_item(&mut buffer, &MARKER, &generation));
        Ok(())
    }

    /// Stores an item. A region of which nothing could be read is erased first: there is nothing to lose.
    fn store<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        key: u32,
        item: &[u8],
    ) -> Result<(), StorageError> {
        let mut buffer = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        if self.state == FilesState::Lost {
            complete(map.erase_all())?;
            self.state = FilesState::Whole;
        }
        complete(map.store_item(&mut buffer, &key, &item))?;
        // In a damaged region an older item may stand in the way of this one.
        match fetched(map.fetch_item::<&[u8]>(&mut buffer, &key))? {
            Some(stored) if stored == item => Ok(()),
            _ => Err(StorageError::Damaged),
        }
    }
}

fn chunks_of(bytes: u32) -> u32 {
    bytes.div_ceil(u32::from(CHUNK_BYTES))
}

fn key(id: u16, chunk: u32) -> Result<u32, StorageError> {
    let chunk = u16::try_from(chunk).map_err(|_| StorageError::TooBig)?;
    Ok(u32::from(id) << 16 | u32::from(chunk))
}

/// Identifier and number of a chunk.
fn parts(key: u32) -> (u16, u32) {
    ((key >> 16) as u16, key & 0xFFFF)
}
