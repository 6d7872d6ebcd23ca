//! A new file that only its owner can read.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::failure::{Exit, Failure};

/// Makes a file that was not there before; one that cannot be written whole is taken away again.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |why: String, next: &str| {
        Failure::new(Exit::Usage, format!("{} cannot be written.", path.display()), why, next)
    };
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => failed(
            "it is there already, and may hold what you have changed".to_owned(),
            "choose another name, or move it away",
        ),
        _ => failed(error.to_string(), "choose another folder"),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        failed(error.to_string(), "make room, or choose another folder")
    })
}
