//! A board without a chip: flash in memory, and bytes that are random enough for a test.

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};
use obkmq_node::{Anonymous, Board, Capabilities, HeapUse, Identity, Limits, Regions};

const PAGE: usize = 4096;
const PAGES: usize = 12;

/// Where the node's storage lies.
pub(crate) fn regions() -> Regions {
    Regions { settings: 0..0x5000, retained: 0x5000..0xA000, files: 0xA000..0xC000 }
}

/// A board that lets everybody in.
pub(crate) fn identity(limits: Limits) -> Identity {
    Identity {
        chip: "none",
        board: "test",
        firmware: "1.2.3",
        capabilities: Capabilities::NONE,
        limits,
        anonymous_without_users: Anonymous::Always,
    }
}

pub(crate) struct TestBoard {
    flash: Flash,
    random: u8,
}

impl TestBoard {
    pub(crate) fn new() -> Self {
        Self { flash: Flash(vec![0xFF; PAGE * PAGES]), random: 7 }
    }
}

impl Board for TestBoard {
    type Flash = Flash;

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.random = self.random.wrapping_mul(181).wrapping_add(97);
            *byte = self.random;
        }
    }

    fn heap(&self) -> Option<HeapUse> {
        None
    }
}

pub(crate) struct Flash(Vec<u8>);

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        check_erase(self, from, to)?;
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        check_write(self, offset, bytes.len())?;
        for (cell, byte) in self.0[offset as usize..].iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}
