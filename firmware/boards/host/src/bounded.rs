//! Files that a user names, read up to a limit: what a wrong name stands for may be endless (`/dev/zero`), and a pipe
//! (`<(pass show house)`) does not know its size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// All of a file.
///
/// # Errors
/// It cannot be read, or has more than `limit_bytes` ([`io::ErrorKind::FileTooLarge`]).
pub fn read_bytes(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        let why = format!("it is larger than {limit_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// All of a text file.
///
/// # Errors
/// Those of [`read_bytes`]; it is not UTF-8 ([`io::ErrorKind::InvalidData`]).
pub fn read_text(path: &Path, limit_bytes: u64) -> io::Result<String> {
    let bytes = read_bytes(path, limit_bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// The first line of a small text file, as password files are written.
///
/// # Errors
/// Those of [`read_text`].
pub fn read_first_line(path: &Path) -> io::Result<String> {
    let text = read_text(path, crate::limits::PASSWORD_FILE_BYTES)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_an_endless_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        std::fs::write(&path, b"\xFF\n").unwrap();
        assert_eq!(read_text(&path, 5).unwrap_err().to_string(), "it is not UTF-8 text");
        #[cfg(unix)]
        assert_eq!(read_bytes(Path::new("/dev/zero"), 100).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_password_is_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (text, line) in [("apple\r\nuser: me\n", "apple"), ("apple", "apple"), ("", ""), ("\napple", "")]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_first_line(&path).unwrap(), line);
        }
    }
}
