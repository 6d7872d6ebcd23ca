//! mosquitto's files: a configuration, a password file and an ACL file, apart by NUL bytes, become settings or an error,
//! and the settings file that is written of them reads back as the same settings: nothing in the files can write a line of
//! its own into it.
#![no_main]

// The command line is no library; these are its files.
#[allow(dead_code)]
#[path = "../../../cli/src/failure.rs"]
mod failure;
#[allow(dead_code)]
#[path = "../../../cli/src/mosquitto/mod.rs"]
mod mosquitto;

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mosquitto::{convert, draft};
use obkmq_config::toml;

/// The names of the three files.
const NAMES: [&str; 3] = ["mosquitto.conf", "passwd", "acl"];

/// A folder for this process, in memory where there is such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = parent.join(format!("obkmq-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the files");
    folder
});

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(3, |byte| *byte == 0);
    for name in NAMES {
        let contents = parts.next().unwrap_or_default();
        std::fs::write(FOLDER.join(name), contents).expect("room for the file");
    }
    let conf = FOLDER.join(NAMES[0]);
    match convert::import(&conf) {
        Ok(imported) => {
            let text = draft::write(&conf, &imported);
            let file = toml::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            for user in imported.settings.users() {
                let read = file.settings.user(user.name()).expect("a user is written");
                assert_eq!(read.password().to_text(), user.password().to_text());
                let name = user.name();
                let rights = imported.settings.user_rights(name);
                assert_eq!(file.settings.user_rights(name).as_str(), rights.as_str());
            }
            assert_eq!(file.passwords.len(), imported.without_password.len(), "{text}");
            assert_eq!(file.settings.mqtt_port(), imported.settings.mqtt_port());
            assert_eq!(file.settings.anonymous(), imported.settings.anonymous());
        }
        Err(failure) => assert!(!failure.what.is_empty() && !failure.next.is_empty()),
    }
});
