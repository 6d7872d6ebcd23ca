//! Flash made of a file or of memory, with the rules of NOR flash: programming only clears bits, erasing sets whole
//! pages to `0xFF`.
//!
//! A file is locked against other programs for as long as it is open, and every operation reaches the disk before
//! it returns: that is what the power-cut promises of the storage layer rest on.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase,
    check_read, check_write,
};

use crate::limits::PAGE_BYTES;

/// A flash chip that is not one.
#[derive(Debug)]
pub struct Flash {
    /// What the file holds; all there is where there is no file. The storage layer finds an item by reading headers
    /// one by one, thousands of reads that had better not be system calls.
    cells: Vec<u8>,
    file: Option<File>,
}

/// Why a flash file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another program has it open.
    #[error("the flash file is in use by another program")]
    InUse,
    /// It is there, but of another size.
    #[error("the flash file has {found} bytes instead of {expected}")]
    Size {
        /// Its size in bytes.
        found: u64,
        /// The size it should have.
        expected: u32,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why an operation on the flash failed.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// Not aligned, or beyond the end.
    #[error("address or length: {0:?}")]
    Address(NorFlashErrorKind),
    /// The operating system refused (disk full, disk gone).
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Address(kind) => *kind,
            Self::Io(_) => NorFlashErrorKind::Other,
        }
    }
}

impl Flash {
    /// Opens `path`, or makes it, blank, with `capacity_bytes`.
    pub fn open(path: &Path, capacity_bytes: u32) -> Result<Self, OpenError> {
        Self::open_from(path, capacity_bytes, capacity_bytes)
    }

    /// As [`Flash::open`]; a file of at least `former_bytes`, from a version that had fewer regions, grows.
    pub(crate) fn open_from(path: &Path, former_bytes: u32, capacity_bytes: u32) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // It holds password hashes and what the house says: nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let found = file.seek(SeekFrom::End(0))?;
        let expected = u64::from(capacity_bytes);
        if found > expected {
            return Err(OpenError::Size { found, expected: capacity_bytes });
        }
        let mut cells = Vec::with_capacity(capacity_bytes as usize);
        file.rewind()?;
        file.read_to_end(&mut cells)?;
        if found < expected {
            // New, or left behind by a start that found the disk full: nothing was ever stored in it.
            if found < u64::from(former_bytes) && cells.iter().any(|&cell| cell != 0xFF) {
                return Err(OpenError::Size { found, expected: capacity_bytes });
            }
            cells.resize(capacity_bytes as usize, 0xFF);
            file.rewind()?;
            file.write_all(&cells)?;
            file.sync_all()?;
        }
        Ok(Self { cells, file: Some(file) })
    }

    /// Flash that is gone with the process.
    pub fn in_memory(capacity_bytes: u32) -> Self {
        Self { cells: vec![0xFF; capacity_bytes as usize], file: None }
    }

    /// What it holds.
    pub(crate) fn into_cells(self) -> Vec<u8> {
        self.cells
    }

    fn at(&mut self, offset: u32, length: usize) -> Result<&mut [u8], FlashError> {
        let start = offset as usize;
        let cells = self.cells.get_mut(start..start.saturating_add(length));
        cells.ok_or(FlashError::Address(NorFlashErrorKind::OutOfBounds))
    }

    /// The file first: what the disk refused was not stored.
    fn store(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(offset.into()))?;
            file.write_all(bytes)?;
            file.sync_data()?;
        }
        self.at(offset, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len()).map_err(FlashError::Address)?;
        bytes.copy_from_slice(self.at(offset, bytes.len())?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_BYTES as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to).map_err(FlashError::Address)?;
        self.store(from, &vec![0xFF; (to - from) as usize])
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len()).map_err(FlashError::Address)?;
        let mut cells = self.at(offset, bytes.len())?.to_vec();
        for (cell, byte) in cells.iter_mut().zip(bytes) {
            *cell &= byte;
        }
        self.store(offset, &cells)
    }
}

impl MultiwriteNorFlash for Flash {}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> (tempfile::TempDir, [Flash; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let file = Flash::open(&folder.path().join("chip"), 8192).unwrap();
        (folder, [file, Flash::in_memory(8192)])
    }

    #[test]
    fn programming_only_clears_bits_and_erasing_sets_them() {
        let (_folder, flashes) = both();
        for mut flash in flashes {
            let mut cells = [0; 4];
            flash.write(4096, &[0xF0; 4]).unwrap();
            flash.write(4096, &[0x3C; 4]).unwrap();
            flash.read(4096, &mut cells).unwrap();
            assert_eq!(cells, [0x30; 4]);
            flash.erase(4096, 8192).unwrap();
            flash.read(4096, &mut cells).unwrap();
            assert_eq!(cells, [0xFF; 4]);
        }
    }

    #[test]
    fn addresses_are_checked() {
        let (_folder, flashes) = both();
        for mut flash in flashes {
            assert!(flash.write(1, &[0; 4]).is_err());
            assert!(flash.write(8192, &[0; 4]).is_err());
            assert!(flash.erase(0, 100).is_err());
            assert!(flash.read(8190, &mut [0; 4]).is_err());
        }
    }

    #[test]
    fn a_file_keeps_its_cells_and_belongs_to_one_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chip");
        let mut flash = Flash::open(&path, 8192).unwrap();
        flash.write(0, b"kept").unwrap();
        assert!(matches!(Flash::open(&path, 8192), Err(OpenError::InUse)));
        drop(flash);
        let mut cells = [0; 4];
        Flash::open(&path, 8192).unwrap().read(0, &mut cells).unwrap();
        assert_eq!(&cells, b"kept");
        assert!(matches!(Flash::open(&path, 4096), Err(OpenError::Size { found: 8192, expected: 4096 })));
        assert!(matches!(Flash::open(&path, 16384), Err(OpenError::Size { found: 8192, expected: 16384 })));
        assert!(Flash::open_from(&path, 12288, 16384).is_err());
        Flash::open_from(&path, 8192, 16384).unwrap().read(0, &mut cells).unwrap();
        assert_eq!(&cells, b"kept");
        assert!(Flash::open(&path, 16384).is_ok());
    }

    #[test]
    fn a_file_whose_making_was_cut_short_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chip");
        std::fs::write(&path, [0xFF; 5000]).unwrap();
        let mut flash = Flash::open(&path, 8192).unwrap();
        flash.write(8188, b"kept").unwrap();
        drop(flash);
        let mut cells = [0; 4];
        Flash::open(&path, 8192).unwrap().read(8188, &mut cells).unwrap();
        assert_eq!(&cells, b"kept");
    }
}
