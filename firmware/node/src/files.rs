//! What the console's `file` commands do.

use alloc::string::ToString;
use alloc::vec;

use obkmq_config::limits::FILE_PIECE_LIMIT_BYTES;
use obkmq_config::line::{ErrorCode, Fields, FileCommand, FileInfo, FileName, FilePiece};
use obkmq_config::settings::LogLevel;

use crate::board::Board;
use crate::console::Answer;
use crate::node::Node;
use crate::storage::{Begun, FileError, FilesState, StorageError, Upload};

impl<B: Board> Node<B> {
    /// The files that are stored, in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = &FileInfo> {
        self.files.list()
    }

    /// Reads a stored file from `offset` into `bytes`; how many bytes, 0 behind its end.
    pub fn read_file(&mut self, name: &FileName, offset: u32, bytes: &mut [u8]) -> Result<usize, FileError> {
        self.files.read(self.board.flash(), name, offset, bytes)
    }

    pub(crate) fn file_command(&mut self, command: &FileCommand<'_>) -> Answer {
        let answer = match command {
            FileCommand::List => Ok(self.list_files()),
            FileCommand::Get { name, offset } => self.get_piece(name, *offset),
            FileCommand::Put { name, bytes, sha256 } => {
                self.put_file(FileInfo { name: name.clone(), bytes: *bytes, sha256: *sha256 })
            }
            FileCommand::Data { offset, data } => self.take_piece(*offset, data),
            FileCommand::End => match self.console.upload.take() {
                Some(upload) => {
                    let name = upload.name().clone();
                    self.files.finish(self.board.flash(), upload).map(|()| self.file_changed(&name))
                }
                None => Err(FileError::NotWriting),
            },
            FileCommand::Abort => match self.console.upload.take() {
                Some(upload) => {
                    self.files.abandon(upload);
                    Ok(Answer::ok())
                }
                None => Err(FileError::NotWriting),
            },
            FileCommand::Remove { name } => {
                self.files.remove(self.board.flash(), name).map(|()| self.file_changed(name))
            }
        };
        answer.unwrap_or_else(|error| Answer::refuse(code_of(&error), error.to_string()))
    }

    /// Whoever has used a file takes note.
    #[cfg_attr(not(feature = "scripts"), expect(clippy::unused_self, reason = "nobody does"))]
    fn file_changed(&mut self, name: &FileName) -> Answer {
        #[cfg(feature = "scripts")]
        self.note_script_file(name);
        #[cfg(not(feature = "scripts"))]
        let _ = name;
        Answer::ok()
    }

    fn list_files(&self) -> Answer {
        let mut answer = Answer::rows(self.files.list().map(FileInfo::to_fields).collect());
        let end = Fields::new().with("free", self.files.free_bytes());
        answer.end = Ok(match self.files.state() {
            FilesState::Whole => end,
            FilesState::OldList | FilesState::Lost | FilesState::Unread => end.with("state", "damaged"),
        });
        answer
    }

    fn get_piece(&mut self, name: &FileName, offset: u32) -> Result<Answer, FileError> {
        let bytes = self.files.info(name).ok_or(FileError::NotThere)?.bytes;
        let mut data = vec![0; FILE_PIECE_LIMIT_BYTES];
        let read = self.files.read(self.board.flash(), name, offset, &mut data)?;
        data.truncate(read);
        Ok(Answer::fields(FilePiece { bytes, data }.to_fields()))
    }

    fn take_piece(&mut self, offset: u32, data: &[u8]) -> Result<Answer, FileError> {
        let upload = self.console.upload.as_mut().ok_or(FileError::NotWriting)?;
        let written = self.files.write(self.board.flash(), upload, offset, data);
        if matches!(written, Err(FileError::Storage(_))) {
            // A part of the piece may be in flash and another not: it is begun anew.
            let upload = self.console.upload.take();
            self.drop_upload(upload);
        }
        written.map(|()| Answer::ok())
    }

    fn put_file(&mut self, info: FileInfo) -> Result<Answer, FileError> {
        if let Some(upload) = self.console.upload.take() {
            self.files.abandon(upload);
        }
        let same = match self.files.begin(self.board.flash(), info)? {
            Begun::Same => "yes",
            Begun::Upload(upload) => {
                self.console.upload = Some(upload);
                "no"
            }
        };
        Ok(Answer::fields(Fields::new().with("same", same)))
    }

    /// A console's run has ended: what it had begun is dropped.
    pub(crate) fn drop_upload(&mut self, upload: Option<Upload>) {
        if let Some(upload) = upload {
            self.files.abandon(upload);
        }
    }

    pub(crate) fn load_files(&mut self) {
        match self.files.load(self.board.flash()) {
            Ok(FilesState::Whole | FilesState::Unread) => {}
            Ok(FilesState::OldList) => self.log(
                LogLevel::Error,
                format_args!(
                    "the list of files is damaged and an older one stands in for it; put the files again"
                ),
            ),
            Ok(FilesState::Lost) | Err(StorageError::Damaged) => {
                self.log(
                    LogLevel::Error,
                    format_args!("the files are damaged beyond repair; put them again"),
                );
            }
            Err(error) => self.log(LogLevel::Error, format_args!("files cannot be read: {error}")),
        }
    }

    /// Removes one piece of a former file; whether there is more to do.
    pub(crate) fn poll_files(&mut self) -> bool {
        if self.files.has_work()
            && let Err(error) = self.files.work(self.board.flash())
        {
            self.log(LogLevel::Error, format_args!("a former file cannot be removed: {error}"));
        }
        self.files.has_work()
    }
}

fn code_of(error: &FileError) -> ErrorCode {
    match error {
        FileError::NotThere => ErrorCode::NotThere,
        FileError::NotWriting => ErrorCode::NoTransaction,
        FileError::Busy => ErrorCode::Busy,
        FileError::NoRoom { .. }
        | FileError::TooMany
        | FileError::Offset { .. }
        | FileError::TooLong
        | FileError::WrongHash => ErrorCode::BadValue,
        FileError::Damaged | FileError::Memory | FileError::Storage(_) => ErrorCode::Storage,
    }
}
