//! The serial console: lines in, replies out, one command at a time.
//!
//! What a command does stands in [`commands`](crate::commands); here is what surrounds it: the session makes a repeated request harmless, the transaction, and the slow hash that a new password takes.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use obkmq_broker::Instant;
use obkmq_config::improv::Heard;
use obkmq_config::limits::PASSWORD_ITERATIONS_DEFAULT;
use obkmq_config::line::{
    Admission, Command, ErrorCode, Fields, Incoming, LineBuffer, RawLine, Reply, Session, read_line,
};
use obkmq_config::password::{Check, Derivation, PasswordHash, SALT_BYTES};
use obkmq_config::settings::Draft;

use crate::board::Board;
use crate::improv::Improv;
use crate::limits::{CONSOLE_INPUT_BYTES, HASH_ITERATIONS_PER_TURN};
use crate::node::Node;
use crate::output::Output;
use crate::storage::Upload;

/// Stands for lost input. No UTF-8 text has this byte, so that no line around the gap is read.
const GAP: u8 = 0xFF;

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Somebody who typed.
    Typed,
    /// A program, with the sequence number of its request.
    Program(u32),
}

/// A whole answer: lines of a listing, then the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Fields>,
    pub(crate) end: Result<Fields, (ErrorCode, String)>,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::fields(Fields::new())
    }

    pub(crate) fn fields(fields: Fields) -> Self {
        Self { rows: Vec::new(), end: Ok(fields) }
    }

    pub(crate) fn rows(rows: Vec<Fields>) -> Self {
        Self { rows, end: Ok(Fields::new()) }
    }

    pub(crate) fn refuse(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { rows: Vec::new(), end: Err((code, message.into())) }
    }
}

/// A password that is being hashed for `user set`.
struct Hashing {
    asker: Asker,
    name: String,
    salt: [u8; SALT_BYTES],
    derivation: Derivation,
    /// The hash the user has, and the same password hashed as that one was: if it is the same password, the hash stays.
    known: Option<(PasswordHash, Check)>,
}

/// The state of the console between two lines.
#[derive(Default)]
pub(crate) struct Console {
    input: VecDeque<u8>,
    lines: LineBuffer,
    session: Session,
    hashing: Option<Hashing>,
    pub(crate) improv: Improv,
    /// The open transaction.
    pub(crate) draft: Option<Draft>,
    /// The file that is being written.
    pub(crate) upload: Option<Upload>,
    pub(crate) output: Output,
}

impl Console {
    /// Takes what came in. What finds no room is lost, and [`GAP`] stands in its place: its line is refused, also one
    /// that was typed and has no checksum.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let room = self.room();
        let taken = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        let taken = if self.input.try_reserve(taken.len().saturating_add(1)).is_ok() { taken } else { &[] };
        self.input.extend(taken);
        if taken.len() < bytes.len() && self.input.back() != Some(&GAP) {
            if self.input.len() < self.input.capacity() {
                self.input.push_back(GAP);
            } else if let Some(last) = self.input.back_mut() {
                *last = GAP;
            } else {
                // No heap for a single byte: only the beginning of a line can be left to spoil.
                let _ = self.lines.push(GAP);
            }
        }
    }

    /// How many bytes find room.
    pub(crate) fn room(&self) -> usize {
        CONSOLE_INPUT_BYTES.saturating_sub(self.input.len())
    }

    /// Whether another line may be executed now.
    fn is_free(&self) -> bool {
        self.hashing.is_none() && self.output.has_room_for_reply()
    }

    /// Whether nobody has said anything.
    fn is_idle(&self) -> bool {
        self.hashing.is_none() && self.input.is_empty() && !self.improv.is_waiting()
    }

    /// Whether there is something to do at once.
    fn is_busy(&self) -> bool {
        self.hashing.is_some() || (self.is_free() && !self.input.is_empty())
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.input.pop_front();
        if self.input.is_empty() {
            // A quiet console holds no heap.
            self.input = VecDeque::new();
        }
        byte
    }

    fn send(&mut self, line: &str) {
        self.output.reply(line.trim_end());
    }

    /// Sends a whole answer.
    fn answer(&mut self, asker: Asker, answer: Answer) {
        let mut lines = 0_u32;
        for fields in answer.rows {
            lines = lines.saturating_add(1);
            let row = Reply::More { number: lines, fields };
            self.send(&match asker {
                Asker::Typed => row.to_text(),
                Asker::Program(seq) => row.to_frame(seq),
            });
        }
        let end = match answer.end {
            Ok(fields) => Reply::Ok { lines, fields },
            Err((code, message)) => Reply::err(code, message),
        };
        let line = match asker {
            Asker::Typed => end.to_text(),
            Asker::Program(seq) => self.session.finish(seq, &end),
        };
        self.send(&line);
    }

    /// Begins to hash a password for `user set`; `known` is the hash that the user has.
    pub(crate) fn begin_hashing(
        &mut self,
        asker: Asker,
        name: &str,
        password: &str,
        salt: [u8; SALT_BYTES],
        known: Option<&PasswordHash>,
    ) {
        let derivation = Derivation::new(password.as_bytes(), salt, PASSWORD_ITERATIONS_DEFAULT);
        // A hash that came from mosquitto is replaced even if the password is the same.
        let known = known.filter(|hash| !hash.is_mosquittos());
        let known = known.map(|hash| (hash.clone(), hash.check(password.as_bytes())));
        self.hashing = Some(Hashing { asker, name: name.into(), salt, derivation, known });
    }

    /// Does a slice of hashing: who asked, for which user, and the hash when it is done. A user who gets the password
    /// that they have keeps their hash, so that saying it twice changes nothing.
    fn hash(&mut self) -> Option<(Asker, String, PasswordHash)> {
        let hashing = self.hashing.as_mut()?;
        if let Some((known, check)) = &mut hashing.known {
            let derived = check.step(HASH_ITERATIONS_PER_TURN)?;
            if !known.matches(&derived) {
                hashing.known = None;
                return None;
            }
            let Hashing { asker, name, known, .. } = self.hashing.take()?;
            return known.map(|(hash, _)| (asker, name, hash));
        }
        let derived = hashing.derivation.step(HASH_ITERATIONS_PER_TURN)?;
        let Hashing { asker, name, salt, .. } = self.hashing.take()?;
        // The iteration count is a constant of its own range.
        let hash = PasswordHash::new(PASSWORD_ITERATIONS_DEFAULT, salt, derived).ok()?;
        Some((asker, name, hash))
    }
}

impl<B: Board> Node<B> {
    /// Works on what came in on the console whose turn it is: one slice of hashing and one command at most.
    #[inline]
    pub(crate) fn poll_console(&mut self) -> Option<Instant> {
        if self.console.is_idle() { None } else { self.work_console() }
    }

    fn work_console(&mut self) -> Option<Instant> {
        if let Some((asker, name, hash)) = self.console.hash() {
            let answer = self.change(|draft| draft.set_user(&name, hash));
            self.console.answer(asker, answer);
        }
        let improv_due = self.poll_improv();
        // Taken out, because commands borrow from the line while they change the node.
        let mut lines = core::mem::take(&mut self.console.lines);
        let mut scanner = self.console.improv.take_scanner(self.now);
        while self.console.is_free()
            && let Some(byte) = self.console.next_byte()
        {
            let (before, last) = match scanner.push(byte) {
                Heard::Nothing => continue,
                Heard::Line(bytes) => bytes.split_at(bytes.len().saturating_sub(1)),
                Heard::Packet { kind, data } => {
                    self.improv_packet(kind, data);
                    break;
                }
                Heard::Damaged => {
                    self.improv_damaged();
                    break;
                }
            };
            for byte in before {
                // These are the first letters of a packet, so none of them ends a line.
                let _ = lines.push(*byte);
            }
            if let Some(line) = last.first().and_then(|byte| lines.push(*byte)) {
                self.console_line(line);
                break;
            }
        }
        self.console.improv.put_scanner(scanner);
        self.console.lines = lines;
        if self.console.is_busy() { Some(self.now) } else { improv_due }
    }

    fn console_line(&mut self, line: RawLine<'_>) {
        let (asker, text) = match read_line(line) {
            Incoming::Typed(line) => (Asker::Typed, line),
            Incoming::Request(frame) => (Asker::Program(frame.seq), frame.body),
            Incoming::Unreadable { framed, code, message } => {
                let reply = Reply::err(code, message);
                return self.console.send(&if framed { reply.to_frame(0) } else { reply.to_text() });
            }
        };
        let command = match Command::parse(text) {
            Ok(command) => command,
            // What is no command of the grammar may be one of OpenBeken's, if a person typed it.
            Err(error) if error.code == ErrorCode::UnknownCommand && asker == Asker::Typed => {
                let mut answer = self.run_openbeken(text);
                if let Err((ErrorCode::UnknownCommand, message)) = &mut answer.end {
                    *message = error.message;
                }
                return self.console.answer(asker, answer);
            }
            Err(error) => return self.console.answer(asker, Answer::refuse(error.code, error.message)),
        };
        if let Asker::Program(seq) = asker {
            match self.console.session.admit(seq, &command) {
                Admission::Execute => {}
                Admission::NewRun => {
                    self.console.draft = None;
                    let upload = self.console.upload.take();
                    self.drop_upload(upload);
                }
                Admission::Ignore => return,
                Admission::Replay(line) => return self.console.output.reply(line.trim_end()),
                Admission::Refuse(reply) => return self.console.send(&reply.to_frame(seq)),
            }
        }
        if let Some(answer) = self.execute(asker, &command) {
            self.console.answer(asker, answer);
        }
    }
}
