//! Files of a device, by its console: whole, or as they were.

use obkmq_config::limits::FILE_PIECE_LIMIT_BYTES;
use obkmq_config::line::{Command, FileCommand, FileInfo, FileName, FilePiece};
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure};
use crate::serial::session::Session;

/// A file that changes under the reader is read anew so often.
const READINGS: u32 = 3;

/// What `file ls` says.
pub(super) struct Listing {
    pub(super) files: Vec<FileInfo>,
    /// Bytes that another file may have.
    pub(super) free: u32,
    /// An older list stands in for one that is damaged.
    pub(super) damaged: bool,
}

impl Listing {
    pub(super) fn read(session: &mut Session) -> Result<Self, Failure> {
        let reply = session.request(&Command::File(FileCommand::List))?;
        Ok(Self {
            files: reply.rows.iter().filter_map(FileInfo::from_fields).collect(),
            free: reply.fields.parse("free").unwrap_or(0),
            damaged: reply.fields.get("state").is_some_and(|state| state != "ok"),
        })
    }

    pub(super) fn find(&self, name: &FileName) -> Result<&FileInfo, Failure> {
        self.files.iter().find(|file| file.name == *name).ok_or_else(|| {
            let names: Vec<_> = self.files.iter().map(|file| file.name.as_str()).collect();
            let why = match names.as_slice() {
                [] => "it has no files at all".to_owned(),
                names => format!("it has: {}", names.join(", ")),
            };
            let next = "correct the name; `obkmq script ls` shows them";
            Failure::new(Exit::Settings, format!("The device has no file {name}."), why, next)
        })
    }
}

/// Checks the name that a file is to have on the device.
pub(super) fn name(text: &str) -> Result<FileName, String> {
    FileName::new(text).map_err(|error| error.message)
}

/// What a file of these contents is to the device.
pub(super) fn describe(name: FileName, contents: &[u8]) -> Option<FileInfo> {
    let bytes = u32::try_from(contents.len()).ok()?;
    Some(FileInfo { name, bytes, sha256: Sha256::digest(contents).into() })
}

/// Sends all but the last request, `file end`. `false` if the device has the file already. `progress` is told how many
/// bytes have gone; from the beginning again after a reset.
pub(super) fn send(
    session: &mut Session,
    info: &FileInfo,
    contents: &[u8],
    mut progress: impl FnMut(u64),
) -> Result<bool, Failure> {
    let FileInfo { name, bytes, sha256 } = info.clone();
    let begun = session.request(&Command::File(FileCommand::Put { name, bytes, sha256 }))?;
    if begun.fields.get("same") == Some("yes") {
        return Ok(false);
    }
    let mut offset = 0_u32;
    for piece in contents.chunks(FILE_PIECE_LIMIT_BYTES) {
        progress(offset.into());
        session.request(&Command::File(FileCommand::Data { offset, data: piece.into() }))?;
        offset = offset.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
    }
    progress(offset.into());
    Ok(true)
}

/// Reads a whole file and compares its hash.
pub(super) fn receive(
    session: &mut Session,
    name: &FileName,
    mut progress: impl FnMut(u64),
) -> Result<Vec<u8>, Failure> {
    for _ in 0..READINGS {
        let info = Listing::read(session)?.find(name)?.clone();
        let mut contents = Vec::new();
        loop {
            let offset = u32::try_from(contents.len()).unwrap_or(u32::MAX);
            progress(offset.into());
            let get = Command::File(FileCommand::Get { name: name.clone(), offset });
            let reply = session.request(&get)?;
            match FilePiece::from_fields(&reply.fields) {
                Some(piece) if !piece.data.is_empty() && offset < info.bytes => contents.extend(piece.data),
                _ => break,
            }
        }
        if describe(name.clone(), &contents).as_ref() == Some(&info) {
            return Ok(contents);
        }
    }
    Err(Failure::new(
        Exit::Settings,
        format!("{name} does not read as the device lists it."),
        "somebody writes it again and again, or its flash is damaged",
        "run the same command again; if it stays so, put the file anew",
    ))
}
