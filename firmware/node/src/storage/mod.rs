//! What survives a power cut: settings, files, chosen retained messages and sessions, in NOR flash.
//!
//! All lie in maps of `sequential-storage`, which appends items with a CRC and erases a page only once its newer
//! copies stand elsewhere. Its interface is asynchronous; over a blocking flash its futures are ready at the first
//! poll, so [`complete`] is all the executor needed.

mod files;
mod item;
mod kept;
mod masked;
mod pages;
mod settings;

use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use alloc::vec::Vec;
use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use embedded_storage_async::nor_flash as asynchronous;
use obkmq_config::settings::Settings;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{Key as MapKey, MapConfig, MapStorage, SerializationError};

pub use files::FileError;
pub(crate) use files::{Begun, Files, FilesState, Upload};
pub(crate) use item::{Bounded, Item, Key, message_key, session_key};
pub(crate) use kept::KeptStore;
pub(crate) use settings::{Loaded, SettingsStore};

/// Why something could not be read from or written to flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Even after compaction there is no room.
    #[error("the flash region is full")]
    Full,
    /// The item does not fit a flash page.
    #[error("the item is larger than a flash page")]
    TooBig,
    /// The flash holds data that is neither an old nor a new state.
    #[error("the flash region is damaged")]
    Damaged,
    /// The flash driver refused or failed.
    #[error("the flash driver failed: {0:?}")]
    Flash(NorFlashErrorKind),
    /// No heap for the buffer that an operation needs.
    #[error("out of memory")]
    Memory,
    /// The region is not page aligned or has fewer than two pages.
    #[error("the flash region has an impossible size")]
    Region,
}

impl<E: NorFlashError> From<sequential_storage::Error<E>> for StorageError {
    fn from(error: sequential_storage::Error<E>) -> Self {
        use sequential_storage::Error;
        match error {
            Error::FullStorage => Self::Full,
            Error::ItemTooBig
            | Error::BufferTooBig
            | Error::BufferTooSmall(_)
            | Error::SerializationError(SerializationError::BufferTooSmall) => Self::TooBig,
            Error::Storage { value, .. } => Self::Flash(value.kind()),
            _ => Self::Damaged,
        }
    }
}

/// Commits settings to the region in `range` of `flash`, just as a running node does: for a flash that is filled before
/// its first boot.
///
/// # Errors
/// [`StorageError`]; the region may hold a part of them then.
pub fn store_settings<F: MultiwriteNorFlash>(
    flash: &mut F,
    range: Range<u32>,
    settings: &Settings,
) -> Result<(), StorageError> {
    SettingsStore::new(range).save(flash, settings)
}

/// Stores an item of the region of files past all that knows of files.
#[cfg(test)]
pub(crate) fn store_in_files<F: MultiwriteNorFlash>(
    flash: &mut F,
    range: &Range<u32>,
    key: u32,
    item: &[u8],
) {
    let mut map = open::<u32, F>(flash, range).expect("a region");
    complete(map.store_item(&mut item_buffer().expect("memory"), &key, &item)).expect("room");
}

/// A blocking flash behind the asynchronous traits; every future is ready at once.
struct Ready<'a, F>(&'a mut F);

impl<F: ErrorType> ErrorType for Ready<'_, F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> asynchronous::ReadNorFlash for Ready<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> asynchronous::NorFlash for Ready<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, bytes)
    }
}

impl<F: MultiwriteNorFlash> asynchronous::MultiwriteNorFlash for Ready<'_, F> {}

/// Runs a future that never waits. One that does is a fault of the flash driver and reads as damage.
fn complete<T, E: Into<StorageError>>(future: impl Future<Output = Result<T, E>>) -> Result<T, StorageError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map_err(Into::into),
        Poll::Pending => Err(StorageError::Flash(NorFlashErrorKind::Other)),
    }
}

/// Runs a future that reads. What is shorter or longer than any of our items was not written by us.
fn fetched<T, E: Into<StorageError>>(future: impl Future<Output = Result<T, E>>) -> Result<T, StorageError> {
    complete(future)
        .map_err(|error| if error == StorageError::TooBig { StorageError::Damaged } else { error })
}

/// A buffer for the length of one flash operation, so that idle nodes do not carry it.
fn item_buffer() -> Result<Vec<u8>, StorageError> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(crate::limits::FLASH_ITEM_BYTES).map_err(|_| StorageError::Memory)?;
    buffer.resize(crate::limits::FLASH_ITEM_BYTES, 0);
    Ok(buffer)
}

/// A size of flash as an address has it.
#[expect(clippy::cast_possible_truncation, reason = "flash is smaller than 4 GiB")]
const fn size(bytes: usize) -> u32 {
    bytes as u32
}

/// The word that all of a map is made of.
const fn word_bytes<F: NorFlash>() -> u32 {
    size(if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE })
}

type Map<'a, K, F> = MapStorage<K, Ready<'a, F>, Cache<Uncached, Uncached, Uncached, K>>;

/// The map in `range` of `flash`. It holds no state of its own, so it is made anew for each operation.
fn open<'a, K: MapKey, F: MultiwriteNorFlash>(
    flash: &'a mut F,
    range: &Range<u32>,
) -> Result<Map<'a, K, F>, StorageError> {
    let capacity = u32::try_from(flash.capacity()).unwrap_or(u32::MAX);
    if range.start >= range.end || range.end > capacity {
        return Err(StorageError::Region);
    }
    let config = MapConfig::try_new(range.clone()).map_err(|_| StorageError::Region)?;
    Ok(MapStorage::new(Ready(flash), config, Cache::new_uncached()))
}
