use super::*;
use proptest::prelude::*;

fn table() -> PartitionTable {
    PartitionTable::obkmq(4 << 20).unwrap()
}

/// A small table as ESP-IDF's `gen_esp32part.py` writes it.
///
/// ```text
/// nvs,     data, nvs,     0x9000,  0x6000
/// phy,     data, phy,     0xf000,  0x1000
/// factory, app,  factory, 0x10000, 1M
/// ```
const ESP_IDF: [u8; 128] = [
    0xAA, 0x50, 0x01, 0x02, 0x00, 0x90, 0x00, 0x00, 0x00, 0x60, 0x00, 0x00, b'n', b'v', b's', 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xAA, 0x50, 0x01, 0x01, 0x00, 0xF0, 0x00, 0x00, 0x00, 0x10, 0x00,
    0x00, b'p', b'h', b'y', b'_', b'i', b'n', b'i', b't', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xAA, 0x50,
    0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x10, 0x00, b'f', b'a', b'c', b't', b'o', b'r', b'y', 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xEB, 0xEB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00,
];

#[test]
fn reads_the_entries_that_esp_idf_writes() {
    let mut bytes = ESP_IDF.to_vec();
    let sum = Md5::digest(&bytes[..96]);
    bytes[112..].copy_from_slice(&sum);
    bytes.resize(TABLE_BYTES, 0xFF);
    let table = PartitionTable::decode(&bytes).unwrap();
    assert_eq!(table.partitions().len(), 3);
    assert_eq!(
        table.find(PartitionType::NVS),
        Some(&Partition::new("nvs", PartitionType::NVS, 0x9000, 0x6000))
    );
    assert_eq!(table.default_app().unwrap().name, "factory");
    assert_eq!(table.encode(), bytes);
}

#[test]
fn every_flipped_bit_of_a_table_is_noticed() {
    let bytes = table().encode();
    let mut damaged = bytes.clone();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            damaged[at] ^= 1 << bit;
            let read = PartitionTable::decode(&damaged);
            assert!(read.is_err(), "bit {bit} of byte 0x{at:X} went unnoticed");
            damaged[at] = bytes[at];
        }
    }
}

#[test]
fn blank_flash_is_no_table() {
    assert_eq!(PartitionTable::decode(&[0xFF; TABLE_BYTES]), Err(TableError::Blank));
    assert_eq!(PartitionTable::decode(&[]), Err(TableError::Truncated { found: 0 }));
}

#[test]
fn a_table_cut_anywhere_is_refused() {
    let bytes = table().encode();
    let used = (table().partitions().len() + 1) * TABLE_ENTRY_BYTES;
    for length in 0..=used {
        assert!(PartitionTable::decode(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_table_without_a_sum_is_refused() {
    let mut bytes = table().encode();
    let at = table().partitions().len() * TABLE_ENTRY_BYTES;
    bytes[at..at + TABLE_ENTRY_BYTES].fill(0xFF);
    assert_eq!(PartitionTable::decode(&bytes), Err(TableError::Md5Count { found: 0 }));
}

#[test]
fn what_is_wrong_with_a_partition_is_named() {
    let app = |name, offset, size| Partition::new(name, PartitionType::OTA_0, offset, size);
    let data = |name, offset, size| Partition::new(name, PartitionType::SETTINGS, offset, size);
    let refuse = |partitions| PartitionTable::new(partitions).unwrap_err();

    let overlap = refuse(vec![data("b", 0xB000, 0x2000), data("a", 0xA000, 0x2000)]);
    assert_eq!(overlap.to_string(), "partitions `a` and `b` overlap at offset 0xB000");
    assert!(matches!(refuse(vec![app("app", 0x11000, 0x1000)]), TableError::Place { .. }));
    assert!(matches!(refuse(vec![data("a", 0x9000, 0x800)]), TableError::Place { .. }));
    assert!(matches!(refuse(vec![data("a", 0xFFFF_F000, 0x1000)]), TableError::Place { .. }));
    assert!(matches!(refuse(vec![data("a", 0x9000, 0)]), TableError::Place { .. }));
    assert!(matches!(refuse(vec![data("a", 0x8000, 0x1000)]), TableError::Overlap { .. }));
    assert!(matches!(refuse(vec![data("", 0x9000, 0x1000)]), TableError::Name { offset: 0x9000 }));
    assert!(matches!(refuse(vec![data("seventeen letters", 0x9000, 0x1000)]), TableError::Name { .. }));
    let twins = vec![data("a", 0x9000, 0x1000), data("a", 0xA000, 0x1000)];
    assert_eq!(refuse(twins), TableError::Duplicate { name: "a".to_owned() });
    let many = vec![data("a", 0x9000, 0x1000); 95];
    assert_eq!(refuse(many), TableError::TooMany { found: 95 });
}

#[test]
fn a_full_table_makes_the_round_trip() {
    let partitions = (0..94)
        .map(|index| {
            Partition::new(&format!("p{index}"), PartitionType::new(0x40, 7), 0x9000 + index * 0x1000, 0x1000)
        })
        .collect();
    let table = PartitionTable::new(partitions).unwrap();
    assert_eq!(PartitionTable::decode(&table.encode()), Ok(table));
}

prop_compose! {
    fn any_table()(sizes in prop::collection::vec((1u32..40, 0u32..3, any::<u8>(), any::<u32>()), 0..20))
        -> Vec<Partition>
    {
        let mut offset = 0x9000;
        sizes.into_iter().enumerate().map(|(index, (sectors, gap, subtype, flags))| {
            offset += gap * SECTOR_BYTES;
            let size = sectors * SECTOR_BYTES;
            let name = format!("part {index}");
            let partition_type = PartitionType::new(0x42, subtype);
            let partition = Partition { flags, ..Partition::new(&name, partition_type, offset, size) };
            offset += size;
            partition
        }).collect()
    }
}

proptest! {
    #[test]
    fn tables_make_the_round_trip(partitions in any_table()) {
        let table = PartitionTable::new(partitions).unwrap();
        if !table.partitions().is_empty() {
            prop_assert_eq!(PartitionTable::decode(&table.encode()), Ok(table));
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = PartitionTable::decode(&bytes);
    }

    #[test]
    fn any_entries_are_checked_without_panic(kind: u8, offset: u32, size: u32, name in ".{0,20}") {
        let partition = Partition::new(&name, PartitionType::new(kind, 0), offset, size);
        if let Ok(table) = PartitionTable::new(vec![partition]) {
            prop_assert_eq!(PartitionTable::decode(&table.encode()), Ok(table));
        }
    }
}
