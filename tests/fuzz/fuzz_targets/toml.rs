//! Settings files: any text is read or refused with positions inside of it, and what was read is written as a file that
//! says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_config::settings::Settings;
use obkmq_config::toml::{parse, write};

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(file) => {
            let written = write(&file.settings);
            let read = parse(&written).expect("a written file is read");
            assert_eq!(read.settings, file.settings, "{written}");
            assert!(read.passwords.is_empty());
            assert_eq!(Settings::decode(&file.settings.encode()).as_ref(), Ok(&file.settings));
        }
        Err(error) => {
            assert!(!error.mistakes.is_empty());
            assert!(error.mistakes.is_sorted_by_key(|mistake| mistake.position), "{error}");
            let lines = text.split('\n').count();
            for mistake in &error.mistakes {
                assert!((1..=lines).contains(&mistake.position.line), "{mistake}");
            }
        }
    }
});
