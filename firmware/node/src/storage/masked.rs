//! One page of a region alone, or the region without it, for reading.

use core::ops::Range;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use super::word_bytes;

/// What of the flash is seen; the rest reads as erased.
pub(super) enum Seen {
    /// This page, as a closed one whatever its marks say.
    Only(Range<u32>),
    /// All but this page.
    Without(Range<u32>),
}

/// The flash, seen in part.
pub(super) struct Masked<'a, F> {
    pub(super) flash: &'a mut F,
    pub(super) seen: Seen,
}

/// Why it could not be read, or that it cannot be written.
#[derive(Debug)]
pub(super) enum MaskedError<E> {
    Flash(E),
    ReadOnly,
}

impl<E: NorFlashError> NorFlashError for MaskedError<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Flash(error) => error.kind(),
            Self::ReadOnly => NorFlashErrorKind::Other,
        }
    }
}

impl<F: ErrorType> ErrorType for Masked<'_, F> {
    type Error = MaskedError<F::Error>;
}

impl<F: NorFlash> ReadNorFlash for Masked<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let word = word_bytes::<F>();
        match &self.seen {
            Seen::Only(page) if !page.contains(&offset) => bytes.fill(0xFF),
            Seen::Only(page) if offset < page.start + word || offset >= page.end - word => bytes.fill(0),
            Seen::Without(page) if page.contains(&offset) => bytes.fill(0xFF),
            _ => self.flash.read(offset, bytes).map_err(MaskedError::Flash)?,
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: NorFlash> NorFlash for Masked<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, _: u32, _: u32) -> Result<(), Self::Error> {
        Err(MaskedError::ReadOnly)
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Self::Error> {
        Err(MaskedError::ReadOnly)
    }
}

impl<F: MultiwriteNorFlash> MultiwriteNorFlash for Masked<'_, F> {}
