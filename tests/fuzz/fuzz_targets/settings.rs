//! Settings from flash: any bytes are read or refused, and what was read is stored and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_config::limits::ENCODED_LIMIT;
use obkmq_config::settings::Settings;

fuzz_target!(|input: &[u8]| {
    let settings = match Settings::decode(input) {
        Ok(settings) => settings,
        Err(error) => {
            // The error names the record: saying so must not fail either.
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let encoded = settings.encode();
    assert!(encoded.len() <= ENCODED_LIMIT);
    assert_eq!(Settings::decode(&encoded).as_ref(), Ok(&settings));
    // What a listing shows is what may be set.
    let mut copy = settings.clone();
    for entry in settings.entries().filter(|entry| !entry.key.is_secret()) {
        copy.set(entry.key.name, &entry.value).expect("a stored value is allowed");
    }
    assert_eq!(copy, settings);
});
