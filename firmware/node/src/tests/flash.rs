//! NOR flash in memory, whose power can be cut in the middle of any operation, in the middle of a word too.

use core::ops::Range;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use super::*;

/// How far the operation came that the power was cut in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tear {
    /// Not begun.
    Nothing,
    /// Half of the bytes, whole.
    Half,
    /// The other half.
    Rear,
    /// Of a page that was being erased all bits are written, as chips do before they erase; else nothing.
    Cleared,
    /// Half of the bytes, of the next one some bits; of a page that was being erased any bits.
    Bits,
    /// All but the last byte.
    Most,
    /// Done, and nobody learns of it.
    Whole,
}

impl Tear {
    pub(super) const ALL: [Self; 7] =
        [Self::Nothing, Self::Half, Self::Rear, Self::Cleared, Self::Bits, Self::Most, Self::Whole];

    /// The bytes that are done.
    fn done(self, length: usize) -> Range<usize> {
        match self {
            Self::Nothing | Self::Cleared => 0..0,
            Self::Half | Self::Bits => 0..length / 2,
            Self::Rear => length / 2..length,
            Self::Most => 0..length - 1,
            Self::Whole => 0..length,
        }
    }
}

/// A byte that differs from place to place.
pub(super) fn noise(at: usize) -> u8 {
    let [low, high, ..] = at.to_le_bytes();
    low.wrapping_mul(151) ^ high
}

/// Every way to lose power in an operation, then in the one after it, without end.
pub(super) fn every_cut() -> impl Iterator<Item = (u32, Tear)> {
    (0..).flat_map(|operations| Tear::ALL.map(|tear| (operations, tear)))
}

/// The flash. With `cut` the power goes in the operation after so many.
#[derive(Clone)]
pub(super) struct Ram {
    pub(super) cells: Vec<u8>,
    pub(super) cut: Option<(u32, Tear)>,
    /// Pages erased so far.
    pub(super) erased: u32,
    /// After one operation that was cut, flash works again.
    pub(super) heals: bool,
    /// Reading fails too.
    pub(super) unreadable: bool,
    /// A cell whose lowest bit stays as it was.
    pub(super) worn: Option<usize>,
    /// Bytes read so far.
    pub(super) read: usize,
}

#[derive(Debug)]
pub(super) struct PowerLost;

impl NorFlashError for PowerLost {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Ram {
    pub(super) fn blank() -> Self {
        Self {
            cells: vec![0xFF; FLASH_BYTES as usize],
            cut: None,
            erased: 0,
            heals: false,
            unreadable: false,
            worn: None,
            read: 0,
        }
    }

    /// Lets the power go in the operation after `operations`, counted from 0.
    pub(super) fn cut_after(&mut self, operations: u32, tear: Tear) {
        self.cut = Some((operations, tear));
    }

    /// Whether this operation is still done, and how it is torn if not.
    fn step(&mut self) -> Result<Option<Tear>, PowerLost> {
        match &mut self.cut {
            None => Ok(None),
            Some((u32::MAX, _)) => Err(PowerLost),
            Some((left, tear)) => {
                let torn = (*left == 0).then_some(*tear);
                *left = left.wrapping_sub(1);
                if torn.is_some() && self.heals {
                    self.cut = None;
                }
                Ok(torn)
            }
        }
    }
}

impl ErrorType for Ram {
    type Error = PowerLost;
}

impl ReadNorFlash for Ram {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerLost> {
        if self.unreadable {
            return Err(PowerLost);
        }
        self.read += bytes.len();
        bytes.copy_from_slice(&self.cells[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl NorFlash for Ram {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerLost> {
        let torn = self.step()?;
        self.erased += (to - from) / 4096;
        let cells = &mut self.cells[from as usize..to as usize];
        let Some(tear) = torn else {
            cells.fill(0xFF);
            return Ok(());
        };
        if tear == Tear::Bits {
            for (at, cell) in cells.iter_mut().enumerate() {
                *cell |= noise(at);
            }
        }
        if tear == Tear::Cleared {
            cells.fill(0);
        }
        let done = tear.done(cells.len());
        cells[done].fill(0xFF);
        Err(PowerLost)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerLost> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4), "whole words");
        let torn = self.step()?;
        let done = torn.map_or(0..bytes.len(), |tear| tear.done(bytes.len()));
        let worn = self.worn.map(|at| (at, self.cells[at] & 1));
        let cells = &mut self.cells[offset as usize..];
        for (cell, byte) in cells[done.clone()].iter_mut().zip(&bytes[done.clone()]) {
            *cell &= byte;
        }
        if torn == Some(Tear::Bits) {
            cells[done.end] &= bytes[done.end] | 0x55;
        }
        if let Some((at, bit)) = worn {
            self.cells[at] |= bit;
        }
        torn.map_or(Ok(()), |_| Err(PowerLost))
    }
}

impl MultiwriteNorFlash for Ram {}
