//! Files that an owner names as firmware: identified with every byte accounted for, or refused; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_image::{Manifest, PartitionTable, beken, identify};

fuzz_target!(|input: &[u8]| {
    match identify(input) {
        Ok(identified) => {
            for region in identified.regions() {
                let end = u64::from(region.offset) + region.bytes.len() as u64;
                assert!(end <= input.len() as u64, "{} lies outside of the file", region.name);
                assert!(!region.bytes.is_empty(), "{} is empty", region.name);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match beken::identify(input) {
        Ok(image) => {
            assert!(beken::is_beken(input));
            for (name, _, bytes) in image.regions(input.len()) {
                assert!(bytes <= input.len(), "{name} is longer than the file");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(table) = PartitionTable::decode(input) {
        let encoded = table.encode();
        assert_eq!(PartitionTable::decode(&encoded).as_ref(), Ok(&table));
    }
    if let Ok(manifest) = Manifest::from_json(input) {
        assert!(Manifest::from_json(manifest.to_json().as_bytes()).is_ok());
    }
});
