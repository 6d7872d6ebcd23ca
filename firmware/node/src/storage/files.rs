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

use alloc::vec::Vec;
use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_config::line::{FileInfo, FileName};
use sha2::{Digest, Sha256};

use super::item::Bounded;
use super::pages::{self, Found};
use super::{StorageError, complete, fetched, item_buffer, open};
use crate::limits::{FILES_LIMIT, UNLISTED_FILES_NOTED};
use obkmq_broker::Sink as _;

/// Contents of one item: four of them fit a page.
const CHUNK_BYTES: u16 = 1_000;
const CHUNK_LENGTH: usize = CHUNK_BYTES as usize;
const CHUNKS_PER_PAGE: u32 = 4;
/// Pages that hold no chunks when a region is full: one that the store keeps erased, and the list in two versions.
const OTHER_PAGES: u32 = 3;

const LIST: u32 = 0xFFFF_0000;
const MARKER: u32 = 0xFFFF_0001;
/// The list without its names has so many bytes a file.
const SHORTEST_ENTRY_BYTES: usize = 2 + 4 + 32 + 1 + 1;
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

/// A file.
struct Entry {
    info: FileInfo,
    id: u16,
}

/// A file on its way: its identifier, and the chunks it will have in the end.
struct Reserved {
    id: u16,
    chunks: u32,
}

/// Chunks that no file has.
struct Unlisted {
    id: u16,
    chunks: Range<u16>,
}

/// A file on its way.
pub(crate) struct Upload {
    info: FileInfo,
    id: u16,
    received: u32,
    hash: Sha256,
    chunk: Vec<u8>,
}

impl Upload {
    /// The file that is being written.
    pub(crate) fn name(&self) -> &FileName {
        &self.info.name
    }
}

/// What beginning to write a file led to.
pub(crate) enum Begun {
    /// It is there already.
    Same,
    Upload(Upload),
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

    fn note_unlisted<F: MultiwriteNorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError> {
        let mut buffer = item_buffer()?;
        let mut scratch = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        let mut items = complete(map.fetch_all_items(&mut scratch))?;
        self.more_unlisted = false;
        while let Some((key, _)) = fetched::<Option<(u32, &[u8])>, _>(items.next(&mut buffer))? {
            let (id, chunk) = parts(key);
            // A file may have the identifier of one that an older list hid: what is behind its end is not its own.
            let entry = self.entries.iter().find(|entry| entry.id == id);
            let begin =
                entry.map_or(0, |entry| u16::try_from(chunks_of(entry.info.bytes)).unwrap_or(u16::MAX));
            if id > LAST_ID || chunk < begin || self.reserved.iter().any(|upload| upload.id == id) {
                continue;
            }
            self.last_id = self.last_id.max(id);
            let end = chunk.saturating_add(1);
            if let Some(unlisted) = self.unlisted.iter_mut().find(|unlisted| unlisted.id == id) {
                unlisted.chunks.end = unlisted.chunks.end.max(end);
            } else if self.unlisted.len() < UNLISTED_FILES_NOTED {
                self.unlisted.try_reserve(1).map_err(|_| StorageError::Memory)?;
                self.unlisted.push(Unlisted { id, chunks: begin..end });
            } else {
                // What finds no place in the notes is looked for again once they are done.
                self.more_unlisted = true;
            }
        }
        Ok(())
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

    fn unlisted_chunks(&self) -> u32 {
        let chunks = |of: &Unlisted| u32::from(of.chunks.end.saturating_sub(of.chunks.start));
        self.unlisted.iter().map(chunks).sum()
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
            let key = key(entry.id, number)?;
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

    /// Begins to write a file. Nothing is written to flash yet.
    ///
    /// A file that is there already is not written again, unless it is damaged.
    pub(crate) fn begin<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        info: FileInfo,
    ) -> Result<Begun, FileError> {
        self.settle_doubts(flash)?;
        let former = self.find(&info.name).map(|entry| &entry.info);
        if former == Some(&info) && self.is_whole(flash, &info)? {
            return Ok(Begun::Same);
        }
        if former.is_none() && self.entries.len() >= FILES_LIMIT {
            return Err(FileError::TooMany);
        }
        let (needed, free) = (chunks_of(info.bytes), self.free_chunks());
        if needed > free.saturating_add(self.unlisted_chunks()) {
            let bytes = |chunks: u32| chunks.saturating_mul(u32::from(CHUNK_BYTES));
            return Err(FileError::NoRoom { needed: bytes(needed), free: bytes(free) });
        }
        if needed > free {
            return Err(FileError::Busy);
        }
        let mut chunk = Vec::new();
        chunk.try_reserve_exact(CHUNK_LENGTH.min(info.bytes as usize)).map_err(|_| FileError::Memory)?;
        let id = self.next_id().ok_or(FileError::TooMany)?;
        self.reserved.try_reserve(1).map_err(|_| FileError::Memory)?;
        self.reserved.push(Reserved { id, chunks: needed });
        self.last_id = id;
        Ok(Begun::Upload(Upload { info, id, received: 0, hash: Sha256::new(), chunk }))
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

    /// An identifier that no file, no upload and nothing that is still to be removed has.
    fn next_id(&self) -> Option<u16> {
        let taken = |id: u16| {
            self.entries.iter().any(|entry| entry.id == id)
                || self.unlisted.iter().any(|other| other.id == id)
                || self.reserved.iter().any(|upload| upload.id == id)
        };
        let after = (self.last_id.saturating_add(1)..=LAST_ID).chain(1..=self.last_id);
        after.into_iter().find(|id| !taken(*id))
    }

    /// Takes the next piece; one flash operation for each [`CHUNK_BYTES`].
    pub(crate) fn write<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        upload: &mut Upload,
        offset: u32,
        data: &[u8],
    ) -> Result<(), FileError> {
        if offset != upload.received {
            return Err(FileError::Offset { expected: upload.received });
        }
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if length > upload.info.bytes.saturating_sub(upload.received) {
            return Err(FileError::TooLong);
        }
        let mut rest = data;
        while !rest.is_empty() {
            let room = CHUNK_LENGTH.saturating_sub(upload.chunk.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            upload.chunk.extend_from_slice(now);
            rest = later;
            upload.received = upload.received.saturating_add(u32::try_from(now.len()).unwrap_or(u32::MAX));
            if upload.chunk.len() == CHUNK_LENGTH || upload.received == upload.info.bytes {
                let number = (upload.received as usize).saturating_sub(1) / CHUNK_LENGTH;
                self.store(flash, key(upload.id, number)?, &upload.chunk)?;
                upload.chunk.clear();
            }
        }
        upload.hash.update(data);
        Ok(())
    }

    /// Puts a whole upload in place of the former file.
    pub(crate) fn finish<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        upload: Upload,
    ) -> Result<(), FileError> {
        let whole = upload.received == upload.info.bytes;
        if !whole || upload.hash.clone().finalize().as_slice() != upload.info.sha256.as_slice() {
            self.abandon(upload);
            return Err(FileError::WrongHash);
        }
        if self.entries.try_reserve(1).is_err() || self.unlisted.try_reserve(1).is_err() {
            self.abandon(upload);
            return Err(FileError::Memory);
        }
        let place = self.entries.binary_search_by(|entry| entry.info.name.cmp(&upload.info.name));
        let entry = Entry { info: upload.info.clone(), id: upload.id };
        // What is undone when the list cannot be written.
        let former = match place {
            Ok(at) => self.entries.get_mut(at).map(|former| core::mem::replace(former, entry)),
            Err(at) => {
                self.entries.insert(at, entry);
                None
            }
        };
        if let Err(error) = self.store_list(flash) {
            match (place, former) {
                (Ok(at), Some(former)) => {
                    if let Some(entry) = self.entries.get_mut(at) {
                        *entry = former;
                    }
                }
                (Ok(at) | Err(at), _) => {
                    self.entries.remove(at);
                }
            }
            self.abandon(upload);
            return Err(error.into());
        }
        self.reserved.retain(|other| other.id != upload.id);
        if let Some(former) = former {
            self.forget_chunks(former.id, chunks_of(former.info.bytes));
        }
        Ok(())
    }

    /// Drops an upload.
    pub(crate) fn abandon(&mut self, upload: Upload) {
        self.reserved.retain(|other| other.id != upload.id);
        self.forget_chunks(upload.id, chunks_of(upload.received));
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

    fn forget_chunks(&mut self, id: u16, chunks: u32) {
        let chunks = 0..u16::try_from(chunks).unwrap_or(u16::MAX);
        if chunks.is_empty() {
            return;
        }
        if self.unlisted.try_reserve(1).is_ok() {
            self.unlisted.push(Unlisted { id, chunks });
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
        let (id, Some(number)) = (unlisted.id, unlisted.chunks.clone().next()) else {
            self.unlisted.pop();
            return Ok(());
        };
        let mut buffer = item_buffer()?;
        let mut map = open::<u32, F>(flash, &self.range)?;
        complete(map.remove_item(&mut buffer, &key(id, usize::from(number))?))?;
        if let Some(unlisted) = self.unlisted.last_mut() {
            unlisted.chunks.start = number.saturating_add(1);
        }
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

fn key(id: u16, chunk: usize) -> Result<u32, StorageError> {
    let chunk = u16::try_from(chunk).map_err(|_| StorageError::TooBig)?;
    Ok(u32::from(id) << 16 | u32::from(chunk))
}

/// Identifier and number of a chunk.
fn parts(key: u32) -> (u16, u16) {
    ((key >> 16) as u16, (key & 0xFFFF) as u16)
}

fn encode_list(generation: u32, entries: &[Entry]) -> Result<Vec<u8>, StorageError> {
    let mut list = Bounded::default();
    list.put(&generation.to_le_bytes());
    for Entry { info, id } in entries {
        let name = info.name.as_str().as_bytes();
        list.put(&id.to_le_bytes());
        list.put(&info.bytes.to_le_bytes());
        list.put(&info.sha256);
        list.put(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        list.put(name);
    }
    list.finish()
}

/// Reads a list; `None` if it is none: files are in the order of their names, and each has chunks of its own.
fn decode_list(list: &[u8]) -> Result<Option<(u32, Vec<Entry>)>, StorageError> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(list.len() / SHORTEST_ENTRY_BYTES).map_err(|_| StorageError::Memory)?;
    Ok(decode_entries(list, &mut entries).map(|generation| (generation, entries)))
}

fn decode_entries(list: &[u8], entries: &mut Vec<Entry>) -> Option<u32> {
    let (generation, mut rest) = list.split_first_chunk()?;
    while !rest.is_empty() {
        let (id, tail) = rest.split_first_chunk()?;
        let (bytes, tail) = tail.split_first_chunk()?;
        let (sha256, tail) = tail.split_first_chunk()?;
        let (&length, tail) = tail.split_first()?;
        let (name, tail) = tail.split_at_checked(usize::from(length))?;
        let name = FileName::new(core::str::from_utf8(name).ok()?).ok()?;
        let (id, bytes) = (u16::from_le_bytes(*id), u32::from_le_bytes(*bytes));
        let is_in_order = entries.last().is_none_or(|last| last.info.name < name);
        let is_new = entries.iter().all(|entry| entry.id != id);
        let has_keys = id <= LAST_ID && chunks_of(bytes) <= u32::from(u16::MAX);
        (is_in_order && is_new && has_keys).then_some(())?;
        entries.push(Entry { info: FileInfo { name, bytes, sha256: *sha256 }, id });
        rest = tail;
    }
    Some(u32::from_le_bytes(*generation))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, bytes: u32, id: u16) -> Entry {
        Entry { info: FileInfo { name: FileName::new(name).unwrap(), bytes, sha256: [9; 32] }, id }
    }

    /// What devices have in their flash: these bytes are read for ever.
    #[test]
    fn the_stored_list() {
        let list = encode_list(7, &[entry("a.be", 258, 3)]).unwrap();
        let mut bytes = alloc::vec![7, 0, 0, 0, 3, 0, 2, 1, 0, 0];
        bytes.extend([9; 32]);
        bytes.extend(b"\x04a.be");
        assert_eq!(list, bytes);
        let (generation, entries) = decode_list(&list).unwrap().unwrap();
        assert_eq!((generation, entries.len(), entries[0].id, entries[0].info.bytes), (7, 1, 3, 258));
    }

    #[test]
    fn the_longest_list_fits_an_item() {
        let name = "n".repeat(obkmq_config::limits::FILE_NAME_LIMIT_BYTES);
        let entries: Vec<_> = (0..FILES_LIMIT).map(|_| entry(&name, u32::MAX, u16::MAX)).collect();
        assert!(encode_list(u32::MAX, &entries).is_ok());
    }

    #[test]
    fn files_that_share_a_name_or_chunks_are_no_list() {
        let is_list = |entries: &[Entry]| decode_list(&encode_list(1, entries).unwrap()).unwrap().is_some();
        assert!(is_list(&[entry("a", 1, 1), entry("b", 1, LAST_ID)]));
        assert!(!is_list(&[entry("a", 1, 1), entry("b", 1, 1)]));
        assert!(!is_list(&[entry("a", 1, 1), entry("a", 1, 2)]));
        assert!(!is_list(&[entry("b", 1, 1), entry("a", 1, 2)]));
        // Its chunks would have the key of the list itself.
        assert!(!is_list(&[entry("a", 1, u16::MAX)]));
        assert!(!is_list(&[entry("a", u32::MAX, 1)]));
    }

    proptest! {
        #[test]
        fn whatever_list_is_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Some((generation, entries)) = decode_list(&bytes).unwrap() {
                prop_assert_eq!(encode_list(generation, &entries).unwrap(), bytes);
            }
        }
    }
}
