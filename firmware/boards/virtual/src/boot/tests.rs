use super::*;
use crate::fixtures::{APP_A, APP_B, ImageBuilder, merged, merged_of};
use crate::flash::MemoryFlash;
use proptest::prelude::*;

fn flash_with(file: &[u8]) -> MemoryFlash {
    let mut flash = MemoryFlash::new(4 << 20);
    flash.program(0, file).unwrap();
    flash
}

fn reset(flash: &mut MemoryFlash) -> Boot {
    boot(flash, ResetCause::PowerOn).unwrap()
}

fn refusal(file: &[u8]) -> Refusal {
    reset(&mut flash_with(file)).outcome.unwrap_err()
}

/// The last line that the chip prints about this file.
fn last_words(file: &[u8]) -> String {
    reset(&mut flash_with(file)).log.pop().unwrap()
}

#[test]
fn a_flashed_board_boots() {
    let booted = reset(&mut flash_with(&merged("0.1.0")));
    assert_eq!(
        booted.outcome,
        Ok(Firmware {
            version: "0.1.0".to_owned(),
            partition: "app_a".to_owned(),
            settings: 0xB000..0x1_0000,
            files: 0x31_0000..0x39_0000,
            retained: 0x39_0000..0x40_0000,
        })
    );
    let log = booted.log.join("\n");
    for line in [
        "rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)",
        "mode:DIO, clock div:1",
        "load:0x3fcd5830,len:0x200",
        "entry 0x403cbf1a",
        "I (0) boot: ESP-IDF v6.1-test 2nd stage bootloader",
        "I (0) boot:  2 app_a            OTA app          00 10 00010000 00180000",
        "I (0) esp_image: segment 0: paddr=00010020 vaddr=3c000020 size=00300h (   768) map",
        "I (0) boot: Loaded app from partition at offset 0x10000",
    ] {
        assert!(log.contains(line), "{line} is missing from\n{log}");
    }
}

/// Two readers, written apart, have to agree about the images of these tests.
#[test]
fn what_boots_here_is_an_image_to_the_flasher_too() {
    let file = merged("0.1.0");
    assert_eq!(obkmq_image::identify(&file).unwrap().descriptor.version, "0.1.0");
}

#[test]
fn a_blank_board_complains_as_the_rom_does() {
    let booted = reset(&mut MemoryFlash::new(4 << 20));
    assert_eq!(booted.outcome, Err(Refusal::NothingFlashed));
    assert_eq!(booted.log[3..], ["invalid header: 0xffffffff"; HEADER_COMPLAINTS]);
    assert_eq!(last_words(&[0x25, 0x73, 0x20, 0x25]), "invalid header: 0x25207325");
}

#[test]
fn a_damaged_bootloader_is_refused() {
    let mut file = merged("0.1.0");
    file[0x100] ^= 0x10;
    assert_eq!(refusal(&file), Refusal::Bootloader);
    assert!(last_words(&file).starts_with("Checksum failure. Calculated 0x"), "{}", last_words(&file));

    // The entry address is guarded by the hash alone.
    let mut file = merged("0.1.0");
    file[5] ^= 0x10;
    assert_eq!(refusal(&file), Refusal::Bootloader);
    assert!(last_words(&file).starts_with("Expected: "));
}

#[test]
fn a_damaged_partition_table_is_refused() {
    let mut file = merged("0.1.0");
    file[0x8028] ^= 1;
    assert_eq!(refusal(&file), Refusal::PartitionTable);
    assert_eq!(last_words(&file), "E (0) boot: load partition table error!");
    file.truncate(0x8000);
    assert_eq!(refusal(&file), Refusal::PartitionTable);
}

/// The stock bootloader says 2 MB; whoever forgets to patch it gets a board that does not boot.
#[test]
fn a_table_beyond_the_bootloaders_flash_size_is_refused() {
    let mut bootloader = ImageBuilder::bootloader().build();
    bootloader[3] = 0x1F;
    let end = bootloader.len() - 32;
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&bootloader[..end]);
    bootloader[end..].copy_from_slice(&hash);
    let file = merged_of(&bootloader, &ImageBuilder::app("obkmq", "0.1.0").build());
    assert_eq!(refusal(&file), Refusal::PartitionTable);
    let log = reset(&mut flash_with(&file)).log.join("\n");
    assert!(
        log.contains("partition 3 invalid - offset 0x190000 size 0x180000 exceeds flash chip size 0x200000")
    );
}

#[test]
fn a_damaged_application_is_refused() {
    for (at, value, words) in [
        (APP_A, 0x00, "image at 0x10000 has invalid magic byte (nothing flashed here?)"),
        (APP_A + 1, 17, "image at 0x10000 segment count 17 exceeds max 16"),
        (APP_A + 5, 0x00, "Image hash failed - image is corrupt"),
        (APP_A + 28, 0x03, "invalid segment length 0x303"),
        (APP_A + 0x200, 0x00, "Checksum failed. Calculated 0x"),
    ] {
        let mut file = merged("0.1.0");
        file[at] = value;
        assert_eq!(refusal(&file), Refusal::NoBootableApplication);
        let log = reset(&mut flash_with(&file)).log.join("\n");
        assert!(log.contains(&format!("E (0) esp_image: {words}")), "{words} is missing from\n{log}");
        assert!(log.contains("E (0) boot: OTA app partition slot 0 is not bootable"));
        assert!(log.ends_with("E (0) boot: No bootable app partitions in the partition table"));
    }
}

#[test]
fn an_image_for_another_chip_or_revision_is_refused() {
    let app = |change: fn(&mut ImageBuilder)| {
        let mut builder = ImageBuilder::app("obkmq", "0.1.0");
        change(&mut builder);
        reset(&mut flash_with(&merged_of(&ImageBuilder::bootloader().build(), &builder.build())))
            .log
            .join("\n")
    };
    assert!(app(|app| app.chip_id = 13).contains("mismatch chip ID, expected 5, found 13"));
    assert!(app(|app| app.min_revision = 101).contains("Required >= v1.1, found v0.4."));
    assert!(
        app(|app| app.segments[0].0 = 0x3C00_0040)
            .contains("Segment 0 load address 0x3c000040, doesn't match data 0x00010020")
    );
}

#[test]
fn what_this_board_cannot_stand_in_for_is_refused() {
    let bootloader = ImageBuilder::bootloader().build();
    let foreign = merged_of(&bootloader, &ImageBuilder::app("blink", "1.0").build());
    assert_eq!(refusal(&foreign), Refusal::ForeignApplication { project: "blink".to_owned() });
    let unnamed = merged_of(&bootloader, &ImageBuilder::bootloader().build());
    assert!(matches!(refusal(&unnamed), Refusal::ForeignApplication { .. }));
}

#[test]
fn otadata_chooses_and_the_other_application_is_the_fallback() {
    let mut flash = flash_with(&merged("0.1.0"));
    flash.program(0x19_0000, &ImageBuilder::app("obkmq", "0.2.0").build()).unwrap();
    let version = |flash: &mut MemoryFlash| reset(flash).outcome.unwrap().version;
    assert_eq!(version(&mut flash), "0.1.0", "nothing was chosen");

    flash.program(0x9000, &otadata::tests::entry(2, u32::MAX)).unwrap();
    assert_eq!(version(&mut flash), "0.2.0");
    flash.program(0xA000, &otadata::tests::entry(3, u32::MAX)).unwrap();
    assert_eq!(version(&mut flash), "0.1.0", "the higher sequence number counts");
    flash.erase(0xA000, 0x1000).unwrap();

    // Half of the chosen application is gone.
    flash.erase(u32::try_from(APP_B).unwrap() + 0x1000, 0x1000).unwrap();
    let booted = reset(&mut flash);
    assert_eq!(booted.outcome.unwrap().version, "0.1.0");
    assert!(booted.log.join("\n").contains("OTA app partition slot 1 is not bootable"));
}

#[test]
fn damaged_otadata_is_reported_and_passed_over() {
    let mut flash = flash_with(&merged("0.1.0"));
    flash.program(0x9000, &[0x12; 32]).unwrap();
    let booted = reset(&mut flash);
    assert_eq!(booted.outcome.unwrap().version, "0.1.0");
    assert!(booted.log.join("\n").contains("ota data partition invalid and no factory"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flash_is_met_without_panic(places in prop::collection::vec((0u32..0x1_8000, prop::collection::vec(any::<u8>(), 1..64)), 0..12)) {
        let mut flash = flash_with(&merged("0.1.0"));
        for (offset, bytes) in places {
            flash.program(offset, &bytes).unwrap();
        }
        let _ = reset(&mut flash);
    }

    #[test]
    fn any_header_is_met_without_panic(header in prop::collection::vec(any::<u8>(), 64)) {
        let mut file = header;
        file[0] = 0xE9;
        let _ = reset(&mut flash_with(&file));
    }
}
