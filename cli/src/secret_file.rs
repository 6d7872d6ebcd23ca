//! Files that only their owner can read, and that appear whole or not at all, whatever happens meanwhile: they are written
//! beside their place first.

use std::io::{self, Write as _};
use std::path::Path;

use crate::failure::{Exit, Failure};

/// Makes a file that was not there before.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |why: String, next: &str| {
        Failure::new(Exit::Usage, format!("{} cannot be written.", path.display()), why, next)
    };
    let taken = || {
        failed(
            "it is there already, and may hold what you have changed".to_owned(),
            "choose another name, or move it away",
        )
    };
    if path.symlink_metadata().is_ok() {
        return Err(taken());
    }
    written(path, bytes)
        .and_then(|file| file.persist_noclobber(path).map_err(|error| bare(error.error)))
        .map(drop)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(),
            _ => failed(error.to_string(), "make room, or choose another folder"),
        })
}

/// Makes a file, or puts it in the place of the one that is there.
///
/// # Errors
/// What the operating system said; nothing has changed then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    written(path, bytes)?.persist(path).map(drop).map_err(|error| bare(error.error))
}

fn written(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".obkmq").tempfile_in(folder).map_err(bare)?;
    file.write_all(bytes).map_err(bare)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The error without the name of the temporary file, which says nothing to anybody. The library has it in its text only.
fn bare(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((why, _)) => io::Error::new(error.kind(), why),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_replaced_or_left_alone_as_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, b"one").unwrap();
        assert!(create(&path, b"two").unwrap_err().why.contains("there already"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn errors_do_not_name_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("file");
        for why in [create(&path, b"").unwrap_err().why, replace(&path, b"").unwrap_err().to_string()] {
            assert!(!why.contains(".obkmq"), "{why}");
        }
    }
}
