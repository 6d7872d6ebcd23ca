//! The flash chip: a file with the rules of NOR flash.
//!
//! Programming only clears bits and erasing sets whole sectors to `0xFF`, as on the chip: firmware or a flasher that
//! forgets to erase reads back rubbish here too. Every operation is in the file before it returns, so that ending the
//! process at any moment is what pulling the power is on a board.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::limits::{SECTOR_BYTES, TRANSFER_BYTES};

/// A chip of NOR flash.
pub trait FlashChip {
    /// Bytes of the chip.
    fn capacity(&self) -> u32;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// [`FlashError::Range`] if that is not all inside the chip, or what the medium says.
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError>;

    /// Clears the bits that are zero in `bytes`, from `offset` on.
    ///
    /// # Errors
    /// As for [`read`](Self::read); a part may have been written.
    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError>;

    /// Sets `length` bytes from `offset` on to `0xFF`; both are multiples of [`SECTOR_BYTES`].
    ///
    /// # Errors
    /// As for [`read`](Self::read); a part may have been erased.
    fn erase(&mut self, offset: u32, length: u32) -> Result<(), FlashError>;
}

/// Why an operation on the flash failed.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// Beyond the end of the chip, or not whole sectors.
    #[error("0x{length:X} bytes at offset 0x{offset:X} are not sectors of this flash chip")]
    Range {
        /// Where it should have begun.
        offset: u32,
        /// How long it should have been.
        length: u64,
    },
    /// The power went: [`PowerLoss`](crate::faults::PowerLoss) was asked for.
    #[error("the power went while the flash was being written")]
    PowerLost,
    /// The operating system refused.
    #[error("the flash file: {0}")]
    Io(#[from] io::Error),
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
    /// The path names a device or a pipe.
    #[error("it is no file")]
    NotAFile,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Checks that an operation stays inside the chip.
fn check_range(capacity: u32, offset: u32, length: usize) -> Result<(), FlashError> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if u64::from(offset).saturating_add(length) > u64::from(capacity) {
        return Err(FlashError::Range { offset, length });
    }
    Ok(())
}

fn check_sectors(capacity: u32, offset: u32, length: u32) -> Result<(), FlashError> {
    if !offset.is_multiple_of(SECTOR_BYTES) || !length.is_multiple_of(SECTOR_BYTES) {
        return Err(FlashError::Range { offset, length: length.into() });
    }
    check_range(capacity, offset, usize::try_from(length).unwrap_or(usize::MAX))
}

/// What programming leaves in the cells.
fn program_cells(cells: &mut [u8], bytes: &[u8]) {
    for (cell, byte) in cells.iter_mut().zip(bytes) {
        *cell &= byte;
    }
}

/// A flash chip in a file, which is locked against other programs while it is open.
#[derive(Debug)]
pub struct FileFlash {
    file: File,
    capacity: u32,
}

impl FileFlash {
    /// Opens `path`, or makes it: a chip as it comes from the factory, blank.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, capacity: u32) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // A board holds Wi-Fi passwords in clear.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Err(OpenError::NotAFile);
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let found = file.seek(SeekFrom::End(0))?;
        if found == 0 {
            // A disk that is full must not leave a file that the next start takes for another chip's.
            if let Err(error) = fill_blank(&mut file, capacity) {
                file.set_len(0)?;
                return Err(error.into());
            }
        } else if found != u64::from(capacity) {
            return Err(OpenError::Size { found, expected: capacity });
        }
        Ok(Self { file, capacity })
    }
}

fn fill_blank(file: &mut File, length: u32) -> io::Result<()> {
    io::copy(&mut io::repeat(0xFF).take(length.into()), file)?;
    Ok(())
}

impl FlashChip for FileFlash {
    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_range(self.capacity, offset, bytes.len())?;
        self.file.seek(SeekFrom::Start(offset.into()))?;
        Ok(self.file.read_exact(bytes)?)
    }

    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_range(self.capacity, offset, bytes.len())?;
        let mut position = u64::from(offset);
        let mut cells = [0; TRANSFER_BYTES];
        for chunk in bytes.chunks(TRANSFER_BYTES) {
            let Some(cells) = cells.get_mut(..chunk.len()) else { break };
            self.file.seek(SeekFrom::Start(position))?;
            self.file.read_exact(cells)?;
            program_cells(cells, chunk);
            self.file.seek(SeekFrom::Start(position))?;
            self.file.write_all(cells)?;
            position = self.file.stream_position()?;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, length: u32) -> Result<(), FlashError> {
        check_sectors(self.capacity, offset, length)?;
        self.file.seek(SeekFrom::Start(offset.into()))?;
        Ok(fill_blank(&mut self.file, length)?)
    }
}

/// A flash chip in memory, gone with the process.
#[derive(Clone, Debug)]
pub struct MemoryFlash {
    cells: Vec<u8>,
}

impl MemoryFlash {
    /// A blank chip.
    pub fn new(capacity: u32) -> Self {
        Self { cells: vec![0xFF; usize::try_from(capacity).unwrap_or(usize::MAX)] }
    }

    /// A chip that holds this.
    pub fn holding(cells: Vec<u8>) -> Self {
        Self { cells }
    }

    /// Everything on it.
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    fn slice(&mut self, offset: u32, length: usize) -> Result<&mut [u8], FlashError> {
        check_range(self.capacity(), offset, length)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = FlashError::Range { offset, length: u64::try_from(length).unwrap_or(u64::MAX) };
        self.cells.get_mut(start..start.saturating_add(length)).ok_or(range)
    }
}

impl FlashChip for MemoryFlash {
    fn capacity(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        bytes.copy_from_slice(self.slice(offset, bytes.len())?);
        Ok(())
    }

    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        program_cells(self.slice(offset, bytes.len())?, bytes);
        Ok(())
    }

    fn erase(&mut self, offset: u32, length: u32) -> Result<(), FlashError> {
        check_sectors(self.capacity(), offset, length)?;
        self.slice(offset, usize::try_from(length).unwrap_or(usize::MAX))?.fill(0xFF);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(flash: &mut dyn FlashChip, offset: u32) -> [u8; 4] {
        let mut bytes = [0; 4];
        flash.read(offset, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn programming_only_clears_bits_and_erasing_sets_sectors() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = FileFlash::open(&folder.path().join("flash"), 0x4000).unwrap();
        let mut memory = MemoryFlash::new(0x4000);
        for flash in [&mut file as &mut dyn FlashChip, &mut memory] {
            flash.program(0x1FFE, &[0xF0, 0x0F, 0xAA, 0x55]).unwrap();
            flash.program(0x1FFE, &[0x3C, 0xFF, 0xFF, 0x00]).unwrap();
            assert_eq!(contents(flash, 0x1FFE), [0x30, 0x0F, 0xAA, 0x00]);
            flash.erase(0x2000, 0x1000).unwrap();
            assert_eq!(contents(flash, 0x1FFE), [0x30, 0x0F, 0xFF, 0xFF]);
        }
    }

    #[test]
    fn a_program_longer_than_one_transfer_arrives_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut flash = FileFlash::open(&folder.path().join("flash"), 0x4000).unwrap();
        let bytes: Vec<u8> = (0..0x2801_u32).map(|index| index.to_le_bytes()[0]).collect();
        flash.program(0x123, &bytes).unwrap();
        let mut read = vec![0; bytes.len()];
        flash.read(0x123, &mut read).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn nothing_reaches_beyond_the_chip() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = FileFlash::open(&folder.path().join("flash"), 0x4000).unwrap();
        let mut memory = MemoryFlash::new(0x4000);
        for flash in [&mut file as &mut dyn FlashChip, &mut memory] {
            assert!(matches!(flash.read(0x3FFD, &mut [0; 4]), Err(FlashError::Range { .. })));
            assert!(matches!(flash.program(0xFFFF_FFFF, &[0; 4]), Err(FlashError::Range { .. })));
            assert!(matches!(flash.erase(0x3000, 0x2000), Err(FlashError::Range { .. })));
            assert!(matches!(flash.erase(0x800, 0x1000), Err(FlashError::Range { .. })));
            assert!(matches!(flash.erase(0x1000, 0x10), Err(FlashError::Range { .. })));
        }
    }

    #[test]
    fn a_file_keeps_its_cells_its_size_and_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let mut flash = FileFlash::open(&path, 0x4000).unwrap();
        flash.program(0x10, b"kept").unwrap();
        assert!(matches!(FileFlash::open(&path, 0x4000), Err(OpenError::InUse)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o077,
                0,
                "others can read it"
            );
            assert!(matches!(FileFlash::open(Path::new("/dev/null"), 0x4000), Err(OpenError::NotAFile)));
        }
        drop(flash);
        assert!(matches!(
            FileFlash::open(&path, 0x8000),
            Err(OpenError::Size { found: 0x4000, expected: 0x8000 })
        ));
        assert_eq!(&contents(&mut FileFlash::open(&path, 0x4000).unwrap(), 0x10), b"kept");
    }
}
