//! The partition table in flash, checked as the second-stage bootloader does.

use core::fmt;
use core::ops::Range;

use md5::{Digest as _, Md5};

use crate::flash::{FlashChip, FlashError};
use crate::limits::SECTOR_BYTES;

/// Where the table lies.
pub(super) const TABLE_OFFSET: u32 = 0x8000;

/// Subtypes of obkmq's own partition type.
pub(super) const SUBTYPE_SETTINGS: u8 = 0x00;
pub(super) const SUBTYPE_FILES: u8 = 0x01;
pub(super) const SUBTYPE_RETAINED: u8 = 0x02;

const TABLE_BYTES: usize = 0xC00;
const ENTRY_BYTES: usize = 32;
const TYPE_APP: u8 = 0x00;
const TYPE_DATA: u8 = 0x01;
const TYPE_OBKMQ: u8 = 0x40;
const SUBTYPE_FACTORY: u8 = 0x00;
const SUBTYPE_OTADATA: u8 = 0x00;
const SUBTYPES_UPDATE: Range<u8> = 0x10..0x20;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    kind: u8,
    subtype: u8,
    pub(super) offset: u32,
    pub(super) size: u32,
}

impl Entry {
    /// First byte behind it: the table has been checked to end inside the flash.
    pub(super) fn end(&self) -> u32 {
        self.offset.saturating_add(self.size)
    }

    /// How the bootloader calls an application's partition.
    pub(super) fn title(&self) -> String {
        match self.subtype {
            SUBTYPE_FACTORY => "Factory app partition".to_owned(),
            subtype => format!("OTA app partition slot {}", subtype.wrapping_sub(SUBTYPES_UPDATE.start)),
        }
    }

    fn usage(&self) -> &'static str {
        match (self.kind, self.subtype) {
            (TYPE_APP, SUBTYPE_FACTORY) => "factory app",
            (TYPE_APP, _) => "OTA app",
            (TYPE_DATA, SUBTYPE_OTADATA) => "OTA data",
            (TYPE_DATA, _) => "Unknown data",
            _ => "unknown",
        }
    }
}

/// What is wrong with a table, in the bootloader's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TableFault {
    Magic { index: usize, found: u16 },
    BeyondFlash { index: usize, offset: u32, size: u32, flash_bytes: u32 },
    Md5,
    ManyMd5,
    Unterminated,
}

impl fmt::Display for TableFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { index, found } => {
                write!(formatter, "partition {index} invalid magic number 0x{found:x}")
            }
            Self::BeyondFlash { index, offset, size, flash_bytes } => write!(
                formatter,
                "partition {index} invalid - offset 0x{offset:x} size 0x{size:x} exceeds flash chip size 0x{flash_bytes:x}"
            ),
            Self::Md5 => formatter.write_str("Incorrect MD5 checksum"),
            Self::ManyMd5 => formatter.write_str("Only one MD5 checksum is allowed"),
            Self::Unterminated => formatter.write_str("partition table has no terminating entry, not valid"),
        }
    }
}

/// A table that the bootloader accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    entries: Vec<Entry>,
}

impl Table {
    pub(super) fn read(
        flash: &mut impl FlashChip,
        flash_bytes: u32,
    ) -> Result<Result<Self, TableFault>, FlashError> {
        let mut bytes = [0; TABLE_BYTES];
        flash.read(TABLE_OFFSET, &mut bytes)?;
        Ok(Self::parse(&bytes, flash_bytes))
    }

    fn parse(bytes: &[u8], flash_bytes: u32) -> Result<Self, TableFault> {
        let mut entries = Vec::new();
        let mut passed = Md5::new();
        let mut summed = false;
        for (index, entry) in bytes.chunks_exact(ENTRY_BYTES).enumerate() {
            match entry {
                [0xFF, 0xFF, ..] => {
                    return if summed { Ok(Self { entries }) } else { Err(TableFault::Md5) };
                }
                [0xEB, 0xEB, ..] if summed => return Err(TableFault::ManyMd5),
                [0xEB, 0xEB, ..] => {
                    if entry.get(16..) != Some(passed.clone().finalize().as_slice()) {
                        return Err(TableFault::Md5);
                    }
                    summed = true;
                }
                [0xAA, 0x50, kind, subtype, o0, o1, o2, o3, s0, s1, s2, s3, name @ ..] => {
                    let entry = Entry {
                        name: text(name.get(..16).unwrap_or_default()),
                        kind: *kind,
                        subtype: *subtype,
                        offset: u32::from_le_bytes([*o0, *o1, *o2, *o3]),
                        size: u32::from_le_bytes([*s0, *s1, *s2, *s3]),
                    };
                    let (offset, size) = (entry.offset, entry.size);
                    if u64::from(offset).saturating_add(size.into()) > u64::from(flash_bytes) {
                        return Err(TableFault::BeyondFlash { index, offset, size, flash_bytes });
                    }
                    entries.push(entry);
                }
                [low, high, ..] => {
                    return Err(TableFault::Magic { index, found: u16::from_le_bytes([*low, *high]) });
                }
                _ => break,
            }
            passed.update(entry);
        }
        Err(TableFault::Unterminated)
    }

    /// The bootloader's list of partitions.
    pub(super) fn print(&self, log: &mut Vec<String>) {
        log.push("I (0) boot: Partition Table:".to_owned());
        log.push("I (0) boot: ## Label            Usage          Type ST Offset   Length".to_owned());
        for (index, entry) in self.entries.iter().enumerate() {
            let Entry { name, kind, subtype, offset, size } = entry;
            let usage = entry.usage();
            log.push(format!(
                "I (0) boot: {index:2} {name:<16} {usage:<16} {kind:02x} {subtype:02x} {offset:08x} {size:08x}"
            ));
        }
        log.push("I (0) boot: End of partition table".to_owned());
    }

    /// The partition that says which application boots.
    pub(super) fn otadata(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| (entry.kind, entry.subtype) == (TYPE_DATA, SUBTYPE_OTADATA))
    }

    /// The partitions that updates alternate between, in the order of their slots.
    pub(super) fn update_slots(&self) -> Vec<&Entry> {
        let is_slot = |entry: &&Entry| entry.kind == TYPE_APP && SUBTYPES_UPDATE.contains(&entry.subtype);
        let mut slots: Vec<_> = self.entries.iter().filter(is_slot).collect();
        slots.sort_by_key(|entry| entry.subtype);
        slots
    }

    /// Everything that can be booted: factory first, then the slots.
    pub(super) fn applications(&self) -> Vec<&Entry> {
        self.factory().into_iter().chain(self.update_slots()).collect()
    }

    /// Where in [`applications`](Self::applications) the choice stands: a slot, or the first of them without one.
    pub(super) fn position_of_choice(&self, slot: Option<usize>) -> usize {
        slot.map_or(0, |slot| slot + usize::from(self.factory().is_some()))
    }

    fn factory(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| (entry.kind, entry.subtype) == (TYPE_APP, SUBTYPE_FACTORY))
    }

    /// A region of obkmq's own type, if it is made of whole sectors.
    pub(super) fn obkmq_region(&self, subtype: u8) -> Option<Range<u32>> {
        let entry = self.entries.iter().find(|entry| (entry.kind, entry.subtype) == (TYPE_OBKMQ, subtype))?;
        let aligned = entry.offset.is_multiple_of(SECTOR_BYTES) && entry.size.is_multiple_of(SECTOR_BYTES);
        (aligned && entry.size > 0).then(|| entry.offset..entry.end())
    }
}

fn text(field: &[u8]) -> String {
    let printable = |&byte: &u8| if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '?' };
    field.iter().take_while(|&&byte| byte != 0).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use obkmq_image::PartitionTable;

    fn obkmq() -> Vec<u8> {
        PartitionTable::obkmq(4 << 20).unwrap().encode()
    }

    #[test]
    fn reads_obkmqs_own_table() {
        let table = Table::parse(&obkmq(), 4 << 20).unwrap();
        assert_eq!(table.otadata().unwrap().offset, 0x9000);
        assert_eq!(table.update_slots().len(), 2);
        assert_eq!(table.applications()[0].name, "app_a");
        assert_eq!(table.position_of_choice(None), 0);
        assert_eq!(table.position_of_choice(Some(1)), 1);
        assert_eq!(table.obkmq_region(SUBTYPE_SETTINGS), Some(0xB000..0x1_0000));
        assert_eq!(table.obkmq_region(SUBTYPE_RETAINED), Some(0x39_0000..0x40_0000));
        assert_eq!(table.obkmq_region(0x33), None);
    }

    #[test]
    fn faults_are_in_the_bootloaders_words() {
        let words = |bytes: &[u8], flash_bytes| Table::parse(bytes, flash_bytes).unwrap_err().to_string();
        assert_eq!(words(&[0; TABLE_BYTES], 4 << 20), "partition 0 invalid magic number 0x0");
        assert_eq!(words(&[0xFF; TABLE_BYTES], 4 << 20), "Incorrect MD5 checksum");
        assert_eq!(
            words(&obkmq(), 2 << 20),
            "partition 3 invalid - offset 0x190000 size 0x180000 exceeds flash chip size 0x200000"
        );
        let mut damaged = obkmq();
        damaged[40] ^= 1;
        assert_eq!(words(&damaged, 4 << 20), "Incorrect MD5 checksum");
        let twice: Vec<u8> = obkmq()[192..224].iter().copied().cycle().take(TABLE_BYTES).collect();
        assert_eq!(words(&twice, 4 << 20), "Incorrect MD5 checksum");
        let mut endless: Vec<u8> = obkmq()[..192].to_vec();
        let sum = obkmq()[192..224].to_vec();
        endless.extend_from_slice(&sum);
        endless.extend_from_slice(&sum);
        assert_eq!(words(&endless, 4 << 20), "Only one MD5 checksum is allowed");
        assert_eq!(words(&obkmq()[..224], 4 << 20), "partition table has no terminating entry, not valid");
    }
}
