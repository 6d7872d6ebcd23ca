//! obkmq's own partition tables: the one place they are written down.
//!
//! These are final: a board keeps its settings through every update because no release ever moves a region. Firmware on
//! a chip reads the table from its flash and needs no copy of this page.
//!
//! | region | 4 MB and more | 2 MB |
//! |---|---|---|
//! | otadata | `0x009000` + 8 KiB | the same |
//! | settings | `0x00B000` + 20 KiB | the same |
//! | app_a | `0x010000` + 1536 KiB | `0x010000` + 832 KiB |
//! | app_b | `0x190000` + 1536 KiB | `0x0E0000` + 832 KiB |
//! | files | `0x310000` + 512 KiB | `0x1B0000` + 160 KiB |
//! | retained | `0x390000` + 448 KiB | `0x1D8000` + 160 KiB |

use crate::partition::{Partition, PartitionTable, PartitionType, TableError};

/// Where ESP chips' bootloaders look for the partition table.
pub const TABLE_OFFSET: u32 = 0x8000;

/// First byte behind the partition table's sector.
pub const TABLE_END: u32 = 0x9000;

/// The least flash obkmq can live in.
pub const MIN_FLASH_BYTES: u32 = 2 << 20;

/// Where the settings region lies in every layout.
pub const SETTINGS_OFFSET: u32 = 0xB000;

/// Size of the settings region in every layout.
pub const SETTINGS_BYTES: u32 = 0x5000;

const LARGE_FLASH_BYTES: u32 = 4 << 20;

/// Name, type, offset, size.
type Row = (&'static str, PartitionType, u32, u32);

const FOUR_MEGABYTES: [Row; 6] = [
    ("otadata", PartitionType::OTADATA, 0x00_9000, 0x00_2000),
    ("settings", PartitionType::SETTINGS, SETTINGS_OFFSET, SETTINGS_BYTES),
    ("app_a", PartitionType::OTA_0, 0x01_0000, 0x18_0000),
    ("app_b", PartitionType::OTA_1, 0x19_0000, 0x18_0000),
    ("files", PartitionType::FILES, 0x31_0000, 0x08_0000),
    ("retained", PartitionType::RETAINED, 0x39_0000, 0x07_0000),
];

const TWO_MEGABYTES: [Row; 6] = [
    ("otadata", PartitionType::OTADATA, 0x00_9000, 0x00_2000),
    ("settings", PartitionType::SETTINGS, SETTINGS_OFFSET, SETTINGS_BYTES),
    ("app_a", PartitionType::OTA_0, 0x01_0000, 0x0D_0000),
    ("app_b", PartitionType::OTA_1, 0x0E_0000, 0x0D_0000),
    ("files", PartitionType::FILES, 0x1B_0000, 0x02_8000),
    ("retained", PartitionType::RETAINED, 0x1D_8000, 0x02_8000),
];

impl PartitionTable {
    /// The table for a flash chip of this size: the largest of obkmq's layouts that fits.
    ///
    /// # Errors
    /// [`TableError::FlashTooSmall`] below [`MIN_FLASH_BYTES`].
    pub fn obkmq(flash_bytes: u32) -> Result<Self, TableError> {
        let rows = match flash_bytes {
            LARGE_FLASH_BYTES.. => FOUR_MEGABYTES,
            MIN_FLASH_BYTES.. => TWO_MEGABYTES,
            flash => return Err(TableError::FlashTooSmall { flash }),
        };
        Self::new(rows.map(|(name, kind, offset, size)| Partition::new(name, kind, offset, size)).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_fill_their_chips_without_gaps() {
        for flash_bytes in [2 << 20, 4 << 20] {
            let table = PartitionTable::obkmq(flash_bytes).unwrap();
            let mut cursor = TABLE_END;
            for partition in table.partitions() {
                assert_eq!(partition.offset, cursor, "{}", partition.name);
                cursor = partition.end();
            }
            assert_eq!(cursor, flash_bytes);
            assert_eq!(table.end(), flash_bytes);
            table.fits(flash_bytes).unwrap();
            assert!(table.fits(flash_bytes - 1).is_err());
        }
    }

    /// A board in the field holds exactly these bytes: a change here would strand its settings.
    #[test]
    fn the_layouts_are_final() {
        let places = |flash_bytes| {
            let table = PartitionTable::obkmq(flash_bytes).unwrap();
            [PartitionType::SETTINGS, PartitionType::OTA_1, PartitionType::FILES, PartitionType::RETAINED]
                .map(|kind| table.find(kind).unwrap().range())
        };
        assert_eq!(
            places(4 << 20),
            [0xB000..0x1_0000, 0x19_0000..0x31_0000, 0x31_0000..0x39_0000, 0x39_0000..0x40_0000]
        );
        assert_eq!(
            places(2 << 20),
            [0xB000..0x1_0000, 0xE_0000..0x1B_0000, 0x1B_0000..0x1D_8000, 0x1D_8000..0x20_0000]
        );
    }

    #[test]
    fn sizes_in_between_take_the_smaller_layout() {
        assert_eq!(PartitionTable::obkmq(3 << 20), PartitionTable::obkmq(2 << 20));
        assert_eq!(PartitionTable::obkmq(16 << 20), PartitionTable::obkmq(4 << 20));
        assert_eq!(PartitionTable::obkmq(1 << 20), Err(TableError::FlashTooSmall { flash: 1 << 20 }));
    }

    #[test]
    fn a_blank_otadata_starts_app_a() {
        assert_eq!(PartitionTable::obkmq(4 << 20).unwrap().default_app().unwrap().name, "app_a");
    }
}
