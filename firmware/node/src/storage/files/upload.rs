//! Files on their way into flash.

use alloc::vec::Vec;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_config::line::{FileInfo, FileName};
use sha2::{Digest, Sha256};

use super::list::Entry;
use super::{CHUNK_BYTES, CHUNK_LENGTH, FileError, Files, LAST_ID, Reserved, chunks_of, key};
use crate::limits::FILES_LIMIT;

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

impl Files {
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
                let number = upload.received.saturating_sub(1) / u32::from(CHUNK_BYTES);
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
}
