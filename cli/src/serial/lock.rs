//! "Two programs on one port" for pseudo-terminals.
//!
//! A real port is opened exclusively (`TIOCEXCL`), which its last close undoes. On a pseudo-terminal the flag
//! outlives the close and would lock out everybody after us, so there a lock file stands in: the system frees its
//! lock when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Held as long as the port is open.
#[derive(Debug)]
pub(crate) struct PortLock {
    _file: Option<File>,
}

/// Another program of ours has the port.
#[derive(Debug)]
pub(crate) struct Taken;

/// Whether `path` is a pseudo-terminal (links followed).
pub(crate) fn is_pseudo_terminal(path: &str) -> bool {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let text = real.to_string_lossy();
    let bsd_pty = cfg!(target_os = "macos")
        && text.strip_prefix("/dev/ttys").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    text.starts_with("/dev/pts/") || bsd_pty
}

/// Takes the lock of a pseudo-terminal. A machine where no lock file can be made goes without.
pub(crate) fn take(path: &str) -> Result<PortLock, Taken> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let name = real.to_string_lossy().replace(['/', '\\'], "-");
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    take_in(&folder, &name)
}

fn take_in(folder: &Path, name: &str) -> Result<PortLock, Taken> {
    let path = folder.join(format!("obkmq{name}.lock"));
    let Ok(file) = File::options().create(true).append(true).open(path) else {
        return Ok(PortLock { _file: None });
    };
    match file.try_lock() {
        Ok(()) => Ok(PortLock { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(Taken),
        Err(TryLockError::Error(_)) => Ok(PortLock { _file: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = take_in(folder.path(), "-dev-pts-7").unwrap();
        assert!(take_in(folder.path(), "-dev-pts-7").is_err());
        assert!(take_in(folder.path(), "-dev-pts-8").is_ok());
        drop(first);
        assert!(take_in(folder.path(), "-dev-pts-7").is_ok());
    }
}
