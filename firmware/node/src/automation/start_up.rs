//! Files of commands: `autoexec.bat` at boot, and what `startScript` runs.

use alloc::string::String;
use alloc::vec;

use obkmq_broker::Instant;
use obkmq_config::line::FileName;
use obkmq_config::openbeken::Rank;
use obkmq_config::settings::LogLevel;

use super::execute::{Caller, Outcome};
use super::threads::{Batch, BatchId, Place, State};
use crate::board::Board;
use crate::limits::{BATCH_FILE_BYTES, COMMAND_BYTES, THREADS};
use crate::node::Node;

/// What runs at every boot.
const AUTOEXEC: &str = "autoexec.bat";

impl<B: Board> Node<B> {
    /// Begins to run the start-up file, if there is one.
    pub(crate) fn start_autoexec(&mut self) {
        let is_there = self.files().any(|file| file.name.as_str() == AUTOEXEC);
        if !is_there || self.locked || !self.settings.automation_enabled() {
            return;
        }
        if self.board.is_safe_mode() {
            return self.log(
                LogLevel::Error,
                format_args!(
                    "{AUTOEXEC} is not run, since several starts in a row have failed; next: put a better one, then reboot"
                ),
            );
        }
        let outcome = self.start_thread(AUTOEXEC, "*", 0, Rank::Owner);
        self.warn_of(&outcome, format_args!("{AUTOEXEC}"));
    }

    /// Begins a thread.
    pub(super) fn start_thread(&mut self, name: &str, label: &str, id: i32, rank: Rank) -> Outcome {
        let (batch, place) = match self.find_label(name, label) {
            Ok(found) => found,
            Err(outcome) => return outcome,
        };
        if self.automation.threads.start(id, batch, place, rank) {
            Outcome::ok()
        } else {
            Outcome::error(format_args!("{THREADS} files run already"))
        }
    }

    /// A file and the place behind a label in it.
    pub(super) fn find_label(&mut self, name: &str, label: &str) -> Result<(BatchId, Place), Outcome> {
        let id = match self.automation.threads.find_batch(name) {
            Some(id) => id,
            None => {
                let text = self.read_text(name)?;
                self.automation.threads.add_batch(Batch { name: name.into(), text })
            }
        };
        match self.automation.threads.batch(id).and_then(|batch| batch.find(label)) {
            Some(place) => Ok((id, place)),
            None => Err(Outcome::bad_argument(format_args!("{name} has no line `{label}:`"))),
        }
    }

    fn read_text(&mut self, name: &str) -> Result<String, Outcome> {
        let file = self.files().find(|file| file.name.as_str() == name).cloned();
        let Some(file) = file else {
            return Err(Outcome::bad_argument(format_args!("there is no file {name}")));
        };
        let bytes = usize::try_from(file.bytes).unwrap_or(usize::MAX);
        if bytes > BATCH_FILE_BYTES {
            return Err(Outcome::error(format_args!(
                "{name} has {bytes} bytes, and a file of commands may have {BATCH_FILE_BYTES}"
            )));
        }
        let mut text = vec![0; bytes];
        if let Err(error) = self.read_whole(&file.name, &mut text) {
            return Err(Outcome::error(format_args!("{name} cannot be read: {error}")));
        }
        String::from_utf8(text).map_err(|_| Outcome::error(format_args!("{name} is not UTF-8 text")))
    }

    fn read_whole(&mut self, name: &FileName, bytes: &mut [u8]) -> Result<(), crate::storage::FileError> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let offset = u32::try_from(done).unwrap_or(u32::MAX);
            match self.read_file(name, offset, rest)? {
                0 => break,
                read => done += read,
            }
        }
        Ok(())
    }

    /// Executes a line of each thread that is not waiting.
    pub(super) fn poll_threads(&mut self) -> Option<Instant> {
        self.automation.threads.wake(self.now)?;
        for at in 0..self.automation.threads.len() {
            self.run_line(at);
        }
        self.automation.threads.sweep();
        self.automation.threads.wake(self.now)
    }

    fn run_line(&mut self, at: usize) {
        // What only the board can do now, such as hashing a password, comes before the next line.
        let is_busy = self.automation.password.is_some();
        let threads = &mut self.automation.threads;
        let Some(thread) = threads.get_mut(at).filter(|thread| thread.state == State::Ready && !is_busy)
        else {
            return;
        };
        let rank = thread.rank;
        let Some(line) = threads.next_command(at).map(String::from) else {
            self.automation.threads.stop_at(at);
            return;
        };
        let number = threads.get_mut(at).map_or(0, |thread| thread.place.line);
        let name = threads.batch_of(at).map(|batch| batch.name.clone()).unwrap_or_default();
        let outcome = if line.len() > COMMAND_BYTES {
            Outcome::error(format_args!("the line is longer than {COMMAND_BYTES} bytes"))
        } else {
            self.run_command(Caller { rank, thread: Some(at), depth: 0, nesting: 0 }, &line)
        };
        if !outcome.is_ok() {
            self.log(LogLevel::Warn, format_args!("{name}:{number}: {outcome}"));
        }
    }
}
