use super::*;
use crate::fixtures::{AppBuilder, app, bootloader, merged, merged_of};
use crate::partition::TableError;
use proptest::prelude::*;

fn likeness(file: &[u8]) -> Likeness {
    match identify(file) {
        Err(ImageError::NotAnImage { likeness }) => likeness,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tells_an_application_from_a_merged_image() {
    let file = app("0.1.0");
    let identified = identify(&file).unwrap();
    assert_eq!(identified.kind, Kind::App);
    assert_eq!(identified.chip_id(), ChipId(5));
    assert_eq!(identified.descriptor.version, "0.1.0");
    assert!(identified.regions().is_empty());

    let file = merged();
    let identified = identify(&file).unwrap();
    assert_eq!(identified.table(), Some(&PartitionTable::obkmq(4 << 20).unwrap()));
    assert_eq!(identified.app.bytes, app("0.1.0"));
}

#[test]
fn a_merged_image_writes_all_but_the_owners_data() {
    let file = merged();
    let regions = identify(&file).unwrap().regions();
    let places: Vec<_> = regions.iter().map(|region| (region.name.as_str(), region.offset)).collect();
    assert_eq!(
        places,
        [("bootloader", 0), ("partition table", 0x8000), ("otadata", 0x9000), ("app_a", 0x1_0000)]
    );
    assert_eq!(regions[0].bytes, bootloader());
    assert_eq!(regions[1].bytes, &file[0x8000..0x8C00]);
    assert_eq!(regions[2].bytes, [0xFF; 0x2000]);
    assert_eq!(regions[3].bytes, app("0.1.0"));
}

#[test]
fn chips_whose_bootloader_begins_later_are_known_too() {
    let parts = AppBuilder { chip_id: 0, ..AppBuilder::default() };
    let mut file = merged_of(&parts.build(), &parts.build());
    let shifted = file[..0x7000].to_vec();
    file[0x1000..0x8000].copy_from_slice(&shifted);
    file[..0x1000].fill(0xFF);
    let identified = identify(&file).unwrap();
    assert_eq!(identified.chip_id().to_string(), "ESP32");
    assert!(matches!(identified.kind, Kind::Merged { bootloader_offset: 0x1000, .. }));
}

#[test]
fn blank_flash_behind_an_image_is_accepted() {
    for mut file in [app("0.1.0"), merged()] {
        file.resize(file.len().next_multiple_of(0x1000), 0xFF);
        identify(&file).unwrap();
    }
}

#[test]
fn files_that_are_no_images_are_told_apart() {
    assert_eq!(likeness(b""), Likeness::Empty);
    assert_eq!(likeness(&[0xFF; 5000]), Likeness::Blank);
    assert_eq!(likeness(b"hello, this is a README\n"), Likeness::Text);
    assert_eq!(likeness("Grüße aus dem Keller\n".as_bytes()), Likeness::Text);
    assert_eq!(likeness(b"\x7FELF\x01\x01"), Likeness::Elf);
    assert_eq!(likeness(b"PK\x03\x04\x14"), Likeness::Archive);
    assert_eq!(likeness(b"UF2\nWQ]\x9E"), Likeness::Uf2);
    assert_eq!(likeness(&[0x00, 0x01]), Likeness::Unknown { first: 0 });
}

#[test]
fn every_flipped_byte_of_a_merged_image_is_noticed() {
    let mut file = merged();
    // Blank gaps are long and all alike: their edges and some bytes inside stand for the rest.
    let interesting = (0..bootloader().len() + 40)
        .chain(0x7FF0..0x8200)
        .chain(0x8BF0..0x8C10)
        .chain([0x9000, 0xA000, 0xB000, 0xFFFF])
        .chain(0x1_0000..file.len());
    for at in interesting {
        file[at] ^= 0x01;
        assert!(identify(&file).is_err(), "byte 0x{at:X} went unnoticed");
        file[at] ^= 0x01;
    }
    identify(&file).unwrap();
}

#[test]
fn an_image_cut_anywhere_is_refused() {
    let file = merged();
    // Inside blank gaps all cuts are alike.
    for length in
        (0..bootloader().len()).chain((bootloader().len()..0x1_0000).step_by(97)).chain(0x1_0000..file.len())
    {
        assert!(identify(&file[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_bootloader_alone_is_no_application() {
    assert_eq!(identify(&bootloader()), Err(ImageError::NotAnApplication { at: 0 }));
}

#[test]
fn parts_that_do_not_fit_each_other_are_named() {
    let foreign = AppBuilder { chip_id: 13, ..AppBuilder::default() }.build();
    assert_eq!(
        identify(&merged_of(&bootloader(), &foreign)).unwrap_err().to_string(),
        "the bootloader is for ESP32-C3, the application for ESP32-C6"
    );

    let small = AppBuilder { first: vec![0x11; 512], flash_size_code: 1, ..AppBuilder::default() }.build();
    let error = identify(&merged_of(&small, &app("0.1.0"))).unwrap_err();
    assert_eq!(error, ImageError::FlashSize { needed: 4 << 20, flash: 2 << 20 });

    let no_app = merged_of(&bootloader(), &[]);
    assert!(matches!(identify(&no_app), Err(ImageError::NoApplication { at: 0x1_0000, .. })));

    let mut file = merged();
    file[0x8000] = 0;
    let found = [0x00, 0x50];
    assert_eq!(identify(&file), Err(ImageError::Table(TableError::EntryMagic { index: 0, found })));

    let mut file = merged();
    file[0xB123] = 0x42;
    assert_eq!(identify(&file), Err(ImageError::Stray { after: "partition table", at: 0xB123, found: 0x42 }));
}

#[test]
fn an_application_larger_than_its_partition_is_refused() {
    let large = AppBuilder { second: vec![0; 0x18_0000], ..AppBuilder::default() }.build();
    let error = identify(&merged_of(&bootloader(), &large)).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { room: 0x18_0000, .. }), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_identified_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = identify(&bytes);
    }

    #[test]
    fn any_damage_is_met_without_panic(places in prop::collection::vec((0usize..0x1_0400, any::<u8>()), 1..8)) {
        let original = merged();
        let mut file = original.clone();
        for (at, value) in places {
            if let Some(byte) = file.get_mut(at) {
                *byte = value;
            }
        }
        prop_assert_eq!(identify(&file).is_ok(), file == original);
    }
}
