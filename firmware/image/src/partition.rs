//! Partition tables: which part of the flash is whose.
//!
//! A table is a list of 32-byte entries, then an entry with the MD5 sum of the list, then blank flash. Reading checks the
//! sum, the names, the alignment and that no two partitions overlap, so that code behind [`PartitionTable`] can rely on it.
//! Source: "Partition Tables" in ESP-IDF's programming guide and its `gen_esp32part.py`.

use core::fmt;
use core::ops::Range;

use md5::{Digest as _, Md5};

use crate::bytes::{array, byte, slice, text, word};
use crate::layout;
use crate::limits::{
    APP_ALIGNMENT_BYTES, MAX_PARTITIONS, PARTITION_NAME_BYTES, SECTOR_BYTES, TABLE_BYTES, TABLE_ENTRY_BYTES,
};

const ENTRY_MAGIC: [u8; 2] = [0xAA, 0x50];
const MD5_MAGIC: [u8; 16] = {
    let mut magic = [0xFF; 16];
    magic[0] = 0xEB;
    magic[1] = 0xEB;
    magic
};
const BLANK_ENTRY: [u8; TABLE_ENTRY_BYTES] = [0xFF; TABLE_ENTRY_BYTES];

/// What a partition is for: type and subtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartitionType {
    /// 0 application, 1 data, 0x40 and above for applications' own types.
    pub kind: u8,
    /// The meaning depends on `kind`.
    pub subtype: u8,
}

impl PartitionType {
    /// The application that boots while nothing else has been chosen.
    pub const FACTORY: Self = Self::new(0x00, 0x00);
    /// First of the applications that updates alternate between.
    pub const OTA_0: Self = Self::new(0x00, 0x10);
    /// Second of the applications that updates alternate between.
    pub const OTA_1: Self = Self::new(0x00, 0x11);
    /// Which application boots.
    pub const OTADATA: Self = Self::new(0x01, 0x00);
    /// ESP-IDF's key-value store.
    pub const NVS: Self = Self::new(0x01, 0x02);
    /// obkmq's settings.
    pub const SETTINGS: Self = Self::new(0x40, 0x00);
    /// obkmq's files: scripts, start-up file, certificates.
    pub const FILES: Self = Self::new(0x40, 0x01);
    /// obkmq's retained messages and sessions.
    pub const RETAINED: Self = Self::new(0x40, 0x02);

    /// Any type.
    pub const fn new(kind: u8, subtype: u8) -> Self {
        Self { kind, subtype }
    }

    /// Whether an application lies in it.
    pub const fn is_app(self) -> bool {
        self.kind == 0
    }
}

impl fmt::Display for PartitionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::FACTORY => "app/factory",
            Self::OTA_0 => "app/ota_0",
            Self::OTA_1 => "app/ota_1",
            Self::OTADATA => "data/ota",
            Self::NVS => "data/nvs",
            Self::SETTINGS => "obkmq/settings",
            Self::FILES => "obkmq/files",
            Self::RETAINED => "obkmq/retained",
            Self { kind, subtype } => return write!(formatter, "0x{kind:02X}/0x{subtype:02X}"),
        };
        formatter.write_str(name)
    }
}

/// One part of the flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// 1 to 16 printable ASCII characters.
    pub name: String,
    /// What it is for.
    pub partition_type: PartitionType,
    /// Where it begins, in bytes from the start of the flash.
    pub offset: u32,
    /// Its length in bytes.
    pub size: u32,
    /// Bit 0: encrypted; bit 1: read-only.
    pub flags: u32,
}

impl Partition {
    /// A partition without flags; [`PartitionTable::new`] checks it.
    pub fn new(name: &str, partition_type: PartitionType, offset: u32, size: u32) -> Self {
        Self { name: name.to_owned(), partition_type, offset, size, flags: 0 }
    }

    /// First byte behind it. Partitions of a [`PartitionTable`] have been checked to end inside 32 bits.
    pub const fn end(&self) -> u32 {
        self.offset.saturating_add(self.size)
    }

    /// The bytes of flash it covers.
    pub const fn range(&self) -> Range<u32> {
        self.offset..self.end()
    }

    fn check(&self) -> Result<(), TableError> {
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let name_fits = (1..=PARTITION_NAME_BYTES).contains(&self.name.len());
        if !name_fits || !self.name.bytes().all(printable) {
            return Err(TableError::Name { offset: self.offset });
        }
        let alignment = if self.partition_type.is_app() { APP_ALIGNMENT_BYTES } else { SECTOR_BYTES };
        let aligned = self.offset.is_multiple_of(alignment) && self.size.is_multiple_of(SECTOR_BYTES);
        if self.size == 0 || !aligned || self.offset.checked_add(self.size).is_none() {
            return Err(TableError::Place { name: self.name.clone(), offset: self.offset, size: self.size });
        }
        if self.offset < layout::TABLE_END {
            return Err(TableError::Overlap {
                first: "partition table".to_owned(),
                second: self.name.clone(),
                at: self.offset,
            });
        }
        Ok(())
    }

    fn encode(&self, entry: &mut Vec<u8>) {
        entry.extend_from_slice(&ENTRY_MAGIC);
        entry.extend_from_slice(&[self.partition_type.kind, self.partition_type.subtype]);
        entry.extend_from_slice(&self.offset.to_le_bytes());
        entry.extend_from_slice(&self.size.to_le_bytes());
        let name = self.name.bytes().chain(core::iter::repeat(0)).take(PARTITION_NAME_BYTES);
        entry.extend(name);
        entry.extend_from_slice(&self.flags.to_le_bytes());
    }

    fn decode(entry: &[u8]) -> Option<Self> {
        Some(Self {
            partition_type: PartitionType::new(byte(entry, 2)?, byte(entry, 3)?),
            offset: word(entry, 4)?,
            size: word(entry, 8)?,
            name: text(slice(entry, 12, PARTITION_NAME_BYTES)?),
            flags: word(entry, 28)?,
        })
    }
}

/// What can be wrong with a partition table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Nothing but blank flash.
    #[error("there is none, the flash is blank")]
    Blank,
    /// The table is cut short.
    #[error("it is cut short after {found} bytes")]
    Truncated {
        /// Bytes there are.
        found: usize,
    },
    /// An entry begins with neither magic.
    #[error("entry {index} should begin with AA 50, but there is {:02X} {:02X}", found[0], found[1])]
    EntryMagic {
        /// Which entry, counted from 0.
        index: usize,
        /// Its first two bytes.
        found: [u8; 2],
    },
    /// The sum over the entries is wrong.
    #[error("its MD5 sum does not fit its entries: it is damaged")]
    Md5,
    /// There is no MD5 entry, or more than one.
    #[error("it has {found} MD5 entries instead of one")]
    Md5Count {
        /// How many there are.
        found: usize,
    },
    /// No blank entry behind the last one.
    #[error("it has no end mark")]
    Unterminated,
    /// Something stands behind the end mark.
    #[error("unexpected data at byte {at} behind its end mark")]
    Stray {
        /// Where in the table.
        at: usize,
    },
    /// More partitions than a table holds.
    #[error("{found} partitions; at most {MAX_PARTITIONS} fit")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A name is empty, too long or not printable ASCII.
    #[error("the partition at offset 0x{offset:X} has no usable name")]
    Name {
        /// Where the partition begins.
        offset: u32,
    },
    /// Two partitions have the same name.
    #[error("two partitions are named `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A partition is empty, not aligned, or reaches beyond 32 bits.
    #[error(
        "partition `{name}` (offset 0x{offset:X}, size 0x{size:X}) is empty or not aligned to sectors (applications: 64 KiB)"
    )]
    Place {
        /// The partition.
        name: String,
        /// Where it begins.
        offset: u32,
        /// Its length.
        size: u32,
    },
    /// Two partitions share flash.
    #[error("partitions `{first}` and `{second}` overlap at offset 0x{at:X}")]
    Overlap {
        /// The one that begins first.
        first: String,
        /// The other one.
        second: String,
        /// Where the second one begins.
        at: u32,
    },
    /// A partition reaches beyond the flash chip.
    #[error("partition `{name}` ends at 0x{end:X}, but the flash has 0x{flash:X} bytes")]
    BeyondFlash {
        /// The partition.
        name: String,
        /// Where it ends.
        end: u32,
        /// The size of the flash chip.
        flash: u32,
    },
    /// There is no layout for so little flash.
    #[error("obkmq needs at least {} MB of flash, there are {flash} bytes", layout::MIN_FLASH_BYTES >> 20)]
    FlashTooSmall {
        /// The size of the flash chip.
        flash: u32,
    },
}

/// A checked list of partitions: named, aligned, without overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionTable {
    partitions: Vec<Partition>,
}

impl PartitionTable {
    /// Checks `partitions`; their order is kept.
    ///
    /// # Errors
    /// The [`TableError`] of the first partition that is wrong.
    pub fn new(partitions: Vec<Partition>) -> Result<Self, TableError> {
        if partitions.len() > MAX_PARTITIONS {
            return Err(TableError::TooMany { found: partitions.len() });
        }
        for partition in &partitions {
            partition.check()?;
        }
        let mut by_offset: Vec<&Partition> = partitions.iter().collect();
        by_offset.sort_by_key(|partition| partition.offset);
        for (first, second) in by_offset.iter().zip(by_offset.iter().skip(1)) {
            if first.end() > second.offset {
                let (first, at) = (first.name.clone(), second.offset);
                return Err(TableError::Overlap { first, second: second.name.clone(), at });
            }
        }
        let mut names: Vec<&str> = partitions.iter().map(|partition| partition.name.as_str()).collect();
        names.sort_unstable();
        if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(one, other)| one == other) {
            return Err(TableError::Duplicate { name: (*name).to_owned() });
        }
        Ok(Self { partitions })
    }

    /// Reads the table at the start of `bytes`: what stands at [`layout::TABLE_OFFSET`] in flash.
    ///
    /// # Errors
    /// A [`TableError`]; a table without an MD5 entry is refused, since nothing made since 2018 lacks one.
    pub fn decode(bytes: &[u8]) -> Result<Self, TableError> {
        let bytes = bytes.get(..TABLE_BYTES).unwrap_or(bytes);
        let mut partitions = Vec::new();
        let mut md5_entries = 0;
        let mut end = None;
        for (index, entry) in bytes.chunks(TABLE_ENTRY_BYTES).enumerate() {
            let at = index * TABLE_ENTRY_BYTES;
            if entry.len() < TABLE_ENTRY_BYTES {
                return Err(TableError::Truncated { found: bytes.len() });
            }
            if entry == BLANK_ENTRY {
                end = Some(at);
                break;
            }
            let magic: [u8; 2] = array(entry, 0).unwrap_or_default();
            if entry.starts_with(&MD5_MAGIC) {
                let sum = Md5::digest(bytes.get(..at).unwrap_or_default());
                if entry.get(MD5_MAGIC.len()..) != Some(sum.as_slice()) {
                    return Err(TableError::Md5);
                }
                md5_entries += 1;
            } else if magic == ENTRY_MAGIC && md5_entries == 0 {
                partitions.extend(Partition::decode(entry));
            } else {
                return Err(TableError::EntryMagic { index, found: magic });
            }
        }
        let end = match end {
            Some(0) => return Err(TableError::Blank),
            Some(end) => end,
            None if bytes.len() < TABLE_BYTES => return Err(TableError::Truncated { found: bytes.len() }),
            None => return Err(TableError::Unterminated),
        };
        if md5_entries != 1 {
            return Err(TableError::Md5Count { found: md5_entries });
        }
        let behind = bytes.get(end..).unwrap_or_default();
        if let Some(stray) = behind.iter().position(|&byte| byte != 0xFF) {
            return Err(TableError::Stray { at: end + stray });
        }
        Self::new(partitions)
    }

    /// The table as it stands in flash, blank to its end.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TABLE_BYTES);
        for partition in &self.partitions {
            partition.encode(&mut bytes);
        }
        let sum = Md5::digest(&bytes);
        bytes.extend_from_slice(&MD5_MAGIC);
        bytes.extend_from_slice(&sum);
        bytes.resize(TABLE_BYTES, 0xFF);
        bytes
    }

    /// The partitions, in the table's order.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The partition of this type.
    pub fn find(&self, partition_type: PartitionType) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.partition_type == partition_type)
    }

    /// The application that boots while otadata is blank: factory if there is one, else the first for updates.
    pub fn default_app(&self) -> Option<&Partition> {
        self.find(PartitionType::FACTORY).or_else(|| self.find(PartitionType::OTA_0))
    }

    /// Where the last partition ends: the flash must have at least this many bytes.
    pub fn end(&self) -> u32 {
        self.partitions.iter().map(Partition::end).max().unwrap_or(layout::TABLE_END)
    }

    /// Checks that everything lies inside a flash chip of this size.
    ///
    /// # Errors
    /// [`TableError::BeyondFlash`].
    pub fn fits(&self, flash_bytes: u32) -> Result<(), TableError> {
        match self.partitions.iter().find(|partition| partition.end() > flash_bytes) {
            None => Ok(()),
            Some(beyond) => Err(TableError::BeyondFlash {
                name: beyond.name.clone(),
                end: beyond.end(),
                flash: flash_bytes,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
