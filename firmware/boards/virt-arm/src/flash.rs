//! A flash chip made of RAM, by the rules of NOR: pages are erased as a whole, and writing only clears bits.
//!
//! It lies outside the memory that the chip would have, and a warm reset leaves it as it is. Cells are kept inverted: the
//! emulator's memory begins as zeros, which then is erased flash.

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};

use crate::limits::{FLASH_BYTES, PAGE_BYTES};

unsafe extern "C" {
    /// Where it lies, from the linker script.
    static mut __flash_chip: u8;
}

/// The chip.
pub(crate) struct Flash {
    inverted: &'static mut [u8],
}

impl Flash {
    /// # Safety
    /// There was no call before.
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: the machine has RAM there that nothing else in this program names, and the caller promises that this
        // is the only call. Any byte is a `u8`.
        Self { inverted: unsafe { core::slice::from_raw_parts_mut(&raw mut __flash_chip, FLASH_BYTES) } }
    }

    /// The cells of a range that was checked.
    fn cells(&mut self, offset: u32, length: usize) -> &mut [u8] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        self.inverted.get_mut(start..start.saturating_add(length)).unwrap_or_default()
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        let length = bytes.len();
        for (byte, cell) in bytes.iter_mut().zip(self.cells(offset, length)) {
            *byte = !*cell;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.inverted.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_BYTES;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        self.cells(from, length).fill(0);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        for (cell, byte) in self.cells(offset, bytes.len()).iter_mut().zip(bytes) {
            *cell |= !byte;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}
