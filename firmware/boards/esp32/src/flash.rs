//! Where the node's storage lies, read from the partition table in flash.
//!
//! Offsets are never compiled in: a board keeps the table it was flashed with, and a later firmware has to find the
//! settings of an earlier one. The table carries an MD5 sum, which is checked.

use core::fmt;
use core::ops::Range;

use alloc::vec;
use esp_bootloader_esp_idf::partitions::{self, PARTITION_TABLE_MAX_LEN, PartitionTable};
use esp_storage::FlashStorage;
use obkmq_node::Regions;

/// Partition type of the regions that are obkmq's own: the first of the range that ESP-IDF leaves to applications.
const TYPE_OBKMQ: u8 = 0x40;
/// Subtype of the settings region.
const SUBTYPE_SETTINGS: u8 = 0x00;
/// Subtype of the region of files.
const SUBTYPE_FILES: u8 = 0x01;
/// Subtype of the region of retained messages.
const SUBTYPE_RETAINED: u8 = 0x02;

/// Why the storage regions could not be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegionError {
    /// The flash could not be read, or its table is damaged.
    Table(partitions::Error),
    /// There is no such region.
    Missing(&'static str),
    /// The region is not made of whole flash pages, or lies outside the flash.
    Impossible(&'static str),
}

impl fmt::Display for RegionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(error) => write!(formatter, "the partition table cannot be read ({error})"),
            Self::Missing(name) => write!(formatter, "the partition table has no `{name}` region"),
            Self::Impossible(name) => write!(formatter, "the `{name}` region does not fit this flash chip"),
        }
    }
}

/// Reads the partition table and picks the regions that the node writes to.
pub(crate) fn find_regions(flash: &mut FlashStorage<'_>) -> Result<Regions, RegionError> {
    let mut buffer = vec![0; PARTITION_TABLE_MAX_LEN];
    let table = partitions::read_partition_table(flash, &mut buffer).map_err(RegionError::Table)?;
    Ok(Regions {
        settings: find(&table, flash, SUBTYPE_SETTINGS, "settings")?,
        files: find(&table, flash, SUBTYPE_FILES, "files")?,
        retained: find(&table, flash, SUBTYPE_RETAINED, "retained")?,
    })
}

fn find(
    table: &PartitionTable<'_>,
    flash: &FlashStorage<'_>,
    subtype: u8,
    name: &'static str,
) -> Result<Range<u32>, RegionError> {
    // `find_partition` cannot be used: it knows no types beyond ESP-IDF's and panics on ours.
    let entry = table
        .iter()
        .find(|entry| entry.raw_type() == TYPE_OBKMQ && entry.raw_subtype() == subtype)
        .ok_or(RegionError::Missing(name))?;
    let end = entry.offset().checked_add(entry.len()).ok_or(RegionError::Impossible(name))?;
    let whole_pages = [entry.offset(), end].iter().all(|edge| edge.is_multiple_of(FlashStorage::SECTOR_SIZE));
    let inside = usize::try_from(end).is_ok_and(|end| end <= flash.capacity());
    if entry.is_empty() || !whole_pages || !inside {
        return Err(RegionError::Impossible(name));
    }
    Ok(entry.offset()..end)
}
