//! The requests about files on the device: `file ls`, `get`, `put`, `data`, `end`, `abort`, `rm`.
//!
//! A file travels in pieces of at most [`FILE_PIECE_LIMIT_BYTES`], each a request of its own, so that a lost line costs
//! one piece. `put` says how long the file will be and what its SHA-256 is; `end` puts it in place of the former one
//! if that is true, as a whole or not at all.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::command::{CommandError, bad_argument, write_words};
use super::fields::Fields;
use crate::limits::{FILE_NAME_LIMIT_BYTES, FILE_PIECE_LIMIT_BYTES, FILE_SHA256_BYTES};

/// SHA-256 of a file's contents.
pub type FileHash = [u8; FILE_SHA256_BYTES];

/// The name of a file on the device: letters, digits, `.`, `_` and `-`, at most [`FILE_NAME_LIMIT_BYTES`], no leading
/// dot or dash. There are no folders.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, CommandError> {
        let may_follow = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = (1..=FILE_NAME_LIMIT_BYTES).contains(&name.len())
            && name.bytes().all(may_follow)
            && !name.starts_with(['.', '-']);
        if fits {
            return Ok(Self(name.to_string()));
        }
        Err(bad_argument(&format!(
            "a file name has 1 to {FILE_NAME_LIMIT_BYTES} letters, digits, dots, dashes and underscores, \
             and begins with a letter, digit or underscore"
        )))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A request about files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileCommand<'a> {
    /// Names, sizes and hashes, and the room that is left.
    List,
    /// A piece of a file.
    Get {
        /// Its name.
        name: FileName,
        /// Where the piece begins.
        offset: u32,
    },
    /// Begins to write a file.
    Put {
        /// Its name.
        name: FileName,
        /// Its length.
        bytes: u32,
        /// What it must be in the end.
        sha256: FileHash,
    },
    /// The next piece of the file that is being written.
    Data {
        /// How much came before.
        offset: u32,
        /// Its bytes.
        data: Cow<'a, [u8]>,
    },
    /// Puts what was written in place.
    End,
    /// Drops what was written.
    Abort,
    /// Deletes a file.
    Remove {
        /// Its name.
        name: FileName,
    },
}

impl FileCommand<'_> {
    /// Reads the words behind `file`; `None` where they are none of these.
    pub(super) fn parse(
        sub: &str,
        arguments: [Option<&str>; 3],
    ) -> Option<Result<FileCommand<'static>, CommandError>> {
        Some(match (sub, arguments) {
            ("ls", [None, ..]) => Ok(FileCommand::List),
            ("get", [Some(name), Some(offset), None]) => get(name, offset),
            ("put", [Some(name), Some(bytes), Some(sha256)]) => put(name, bytes, sha256),
            ("data", [Some(offset), Some(data), None]) => data_of(offset, data),
            ("end", [None, ..]) => Ok(FileCommand::End),
            ("abort", [None, ..]) => Ok(FileCommand::Abort),
            ("rm", [Some(name), None, ..]) => FileName::new(name).map(|name| FileCommand::Remove { name }),
            _ => return None,
        })
    }

    pub(super) fn encode(&self, line: &mut String) {
        match self {
            Self::List => line.push_str("file ls"),
            Self::Get { name, offset } => {
                write_words(line, &["file", "get", name.as_str(), &offset.to_string()]);
            }
            Self::Put { name, bytes, sha256 } => {
                let sha256 = hex(sha256);
                write_words(line, &["file", "put", name.as_str(), &bytes.to_string(), &sha256]);
            }
            Self::Data { offset, data } => {
                let data = STANDARD_NO_PAD.encode(data);
                write_words(line, &["file", "data", &offset.to_string(), &data]);
            }
            Self::End => line.push_str("file end"),
            Self::Abort => line.push_str("file abort"),
            Self::Remove { name } => write_words(line, &["file", "rm", name.as_str()]),
        }
    }

    pub(super) fn is_changing(&self) -> bool {
        !matches!(self, Self::List | Self::Get { .. })
    }
}

fn get(name: &str, offset: &str) -> Result<FileCommand<'static>, CommandError> {
    Ok(FileCommand::Get { name: FileName::new(name)?, offset: number(offset)? })
}

fn put(name: &str, bytes: &str, sha256: &str) -> Result<FileCommand<'static>, CommandError> {
    let sha256 = parse_hex(sha256).ok_or_else(|| bad_argument("a SHA-256 has 64 hexadecimal digits"))?;
    Ok(FileCommand::Put { name: FileName::new(name)?, bytes: number(bytes)?, sha256 })
}

fn data_of(offset: &str, data: &str) -> Result<FileCommand<'static>, CommandError> {
    let data = decode_data(data).ok_or_else(|| {
        bad_argument(&format!("a piece has 1 to {FILE_PIECE_LIMIT_BYTES} bytes in base64 without padding"))
    })?;
    Ok(FileCommand::Data { offset: number(offset)?, data: data.into() })
}

fn number(text: &str) -> Result<u32, CommandError> {
    text.parse().map_err(|_| bad_argument("sizes and offsets are whole numbers of bytes"))
}

fn decode_data(text: &str) -> Option<Vec<u8>> {
    let data = STANDARD_NO_PAD.decode(text).ok()?;
    (1..=FILE_PIECE_LIMIT_BYTES).contains(&data.len()).then_some(data)
}

/// A row of `file ls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name.
    pub name: FileName,
    /// Its length.
    pub bytes: u32,
    /// Hash of its contents.
    pub sha256: FileHash,
}

impl FileInfo {
    /// As fields of a reply.
    #[must_use]
    pub fn to_fields(&self) -> Fields {
        Fields::new().with("name", &self.name).with("bytes", self.bytes).with("sha256", hex(&self.sha256))
    }

    /// From the fields of a reply; `None` if one is missing or cannot be read.
    #[must_use]
    pub fn from_fields(fields: &Fields) -> Option<Self> {
        Some(Self {
            name: FileName::new(fields.get("name")?).ok()?,
            bytes: fields.parse("bytes")?,
            sha256: parse_hex(fields.get("sha256")?)?,
        })
    }
}

/// The answer to [`FileCommand::Get`]: a piece, empty behind the end of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePiece {
    /// Length of the whole file.
    pub bytes: u32,
    /// The piece.
    pub data: Vec<u8>,
}

impl FilePiece {
    /// As fields of a reply.
    #[must_use]
    pub fn to_fields(&self) -> Fields {
        Fields::new().with("bytes", self.bytes).with("data", STANDARD_NO_PAD.encode(&self.data))
    }

    /// From the fields of a reply; `None` if one is missing or cannot be read.
    #[must_use]
    pub fn from_fields(fields: &Fields) -> Option<Self> {
        let data = STANDARD_NO_PAD.decode(fields.get("data")?).ok()?;
        (data.len() <= FILE_PIECE_LIMIT_BYTES).then_some(())?;
        Some(Self { bytes: fields.parse("bytes")?, data })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_hex(text: &str) -> Option<FileHash> {
    let digits = text.len() == 2 * FILE_SHA256_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut hash = FileHash::default();
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2).filter(|_| digits)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_without_tricks() {
        for name in ["autoexec.be", "a", "_x-1.BAT", &"n".repeat(FILE_NAME_LIMIT_BYTES)] {
            assert_eq!(FileName::new(name).unwrap().as_str(), name);
        }
        for name in
            ["", ".", "..", ".hidden", "-rf", "a/b", "a\\b", "a b", "ä", "a\0", "a\n", &"n".repeat(33)]
        {
            assert!(FileName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_longest_requests_and_answers_fit_a_line() {
        let data =
            FileCommand::Data { offset: u32::MAX, data: alloc::vec![7; FILE_PIECE_LIMIT_BYTES].into() };
        assert!(Command::File(data).to_frame(u32::MAX).is_ok());
        let name = FileName::new(&"n".repeat(FILE_NAME_LIMIT_BYTES)).unwrap();
        let put = FileCommand::Put { name: name.clone(), bytes: u32::MAX, sha256: [7; 32] };
        assert!(Command::File(put).to_frame(u32::MAX).is_ok());
        let piece = FilePiece { bytes: u32::MAX, data: alloc::vec![7; FILE_PIECE_LIMIT_BYTES] };
        let answer = super::super::Reply::ok(piece.to_fields()).to_frame(u32::MAX);
        assert!(answer.contains(" ok bytes="), "{answer}");
        assert_eq!(FilePiece::from_fields(&piece.to_fields()), Some(piece));
        let info = FileInfo { name, bytes: u32::MAX, sha256: [7; 32] };
        assert_eq!(FileInfo::from_fields(&info.to_fields()), Some(info));
    }

    #[test]
    fn what_is_no_piece_is_refused() {
        let long = STANDARD_NO_PAD.encode(alloc::vec![7; FILE_PIECE_LIMIT_BYTES + 1]);
        for line in [
            "file data 0 \"\"",
            "file data 0 A",
            "file data 0 AA==",
            "file data -1 AA",
            &format!("file data 0 {long}"),
            "file put a 1 00",
            "file put ../a 1 ",
            "file get a",
            "file rm",
            "file ls a",
            "file",
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn pieces_round_trip(offset: u32, data in prop::collection::vec(any::<u8>(), 1..=FILE_PIECE_LIMIT_BYTES)) {
            let command = Command::File(FileCommand::Data { offset, data: data.into() });
            let line = command.encode();
            prop_assert_eq!(Command::parse(&line).unwrap(), command);
        }
    }
}
