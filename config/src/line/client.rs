//! The host's end: one request at a time, sent again until it is answered whole. No port and no clock: the caller
//! writes what it is given, feeds what it reads and says when it has waited long enough.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::buffer::{LineBuffer, RawLine};
use super::command::Command;
use super::error::ErrorCode;
use super::fields::Fields;
use super::frame::{TooLong, frame, parse_frame};
use super::reply::Reply;
use crate::limits::{CLIENT_ATTEMPTS_LIMIT, CLIENT_REPLY_LINES_LIMIT, SEQUENCE_WINDOW};

/// One run of a client on one serial line.
#[derive(Debug)]
pub struct Client {
    nonce: u64,
    last_seq: u32,
    buffer: LineBuffer,
    pending: Option<Pending>,
}

/// The request that waits for its answer.
struct Pending {
    body: String,
    changing: bool,
    seq: u32,
    attempts: u32,
    lines: Vec<Fields>,
    /// Damage was reported since the request was last sent.
    damaged: bool,
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A line that answers nothing: log or boot text. Bytes that are no text are replaced.
    Text(String),
    /// The whole answer to the pending request, which is pending no more.
    Answer(Answer),
    /// The request or its answer was damaged: [`Client::resend`] need not wait for the timeout.
    Damaged,
}

/// The whole answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The lines before the last, in order, none missing.
    pub lines: Vec<Fields>,
    /// The last line.
    pub outcome: Result<Fields, Refusal>,
}

/// The device said no; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{}]", .code.name())]
pub struct Refusal {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why and what to do, for people.
    pub message: String,
}

impl Client {
    /// A run of its own; `nonce` is random.
    ///
    /// Sequence numbers start at a thousand that the nonce picks: a device refuses late copies from a run whose
    /// numbers lie elsewhere, and in a trace the runs are told apart at a glance.
    #[must_use]
    pub fn new(nonce: u64) -> Self {
        let thousand = u32::try_from(nonce % 1_000_000).unwrap_or(0);
        Self {
            nonce,
            last_seq: thousand.saturating_mul(SEQUENCE_WINDOW),
            buffer: LineBuffer::new(),
            pending: None,
        }
    }

    /// The line that opens the run. It begins with a line end, which finishes whatever a program that was stopped
    /// left on the wire.
    #[must_use]
    pub fn hello(&mut self) -> String {
        let body = Command::Hello { nonce: self.nonce }.encode();
        self.pend(body, false);
        self.resend().unwrap_or_default()
    }

    /// The line that asks for `command`. A request that is still pending is given up.
    pub fn start(&mut self, command: &Command<'_>) -> Result<String, TooLong> {
        let body = command.encode();
        // The number is not drawn yet; the largest one is the longest.
        frame(u32::MAX, &body)?;
        self.pend(body, command.is_changing());
        Ok(self.resend().unwrap_or_default())
    }

    fn pend(&mut self, body: String, changing: bool) {
        let seq = self.next_seq();
        self.pending = Some(Pending { body, changing, seq, attempts: 0, lines: Vec::new(), damaged: false });
    }

    /// The line to send again. `None` once it has been sent as often as is reasonable, or nothing is pending.
    ///
    /// A changing request keeps its number, so that the device executes it once; another gets a new one, so that lines
    /// of two answers to it cannot mix.
    pub fn resend(&mut self) -> Option<String> {
        let pending = self.pending.as_ref().filter(|pending| pending.attempts < CLIENT_ATTEMPTS_LIMIT)?;
        let fresh = pending.attempts > 0 && !pending.changing;
        let fresh = fresh.then(|| self.next_seq());
        let pending = self.pending.as_mut()?;
        if let Some(seq) = fresh {
            pending.seq = seq;
        }
        pending.attempts = pending.attempts.saturating_add(1);
        pending.damaged = false;
        pending.lines.clear();
        let line = frame(pending.seq, &pending.body).ok()?;
        // An empty line costs nothing and separates the request from a damaged line end before it.
        Some(String::from("\n") + &line)
    }

    /// Whether a request waits for its answer.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes one byte from the device.
    pub fn receive(&mut self, byte: u8) -> Option<Event> {
        let raw = self.buffer.push(byte)?;
        let bytes = match raw {
            RawLine::Whole(bytes) => bytes,
            RawLine::TooLong { framed: true } => return damaged(&mut self.pending),
            RawLine::TooLong { framed: false } => return None,
        };
        if !bytes.starts_with(b"#") {
            return Some(Event::Text(String::from_utf8_lossy(bytes).into_owned()));
        }
        let reply = core::str::from_utf8(bytes).ok().and_then(|line| parse_frame(line).ok());
        let reply = reply.and_then(|frame| Reply::parse(frame.body).map(|reply| (frame.seq, reply)));
        let Some((seq, reply)) = reply else {
            return damaged(&mut self.pending);
        };
        let pending = self.pending.as_mut()?;
        if seq == 0 {
            return damaged(&mut self.pending);
        }
        if seq != pending.seq {
            // An answer to an earlier copy or request.
            return None;
        }
        match reply {
            Reply::More { number, fields } => {
                let next = u32::try_from(pending.lines.len()).unwrap_or(u32::MAX).saturating_add(1);
                if number == next && pending.lines.len() < CLIENT_REPLY_LINES_LIMIT {
                    pending.lines.push(fields);
                    None
                } else if number < next {
                    // The wire doubled a line.
                    None
                } else {
                    damaged(&mut self.pending)
                }
            }
            Reply::Ok { lines, fields } => {
                if usize::try_from(lines) != Ok(pending.lines.len()) {
                    return damaged(&mut self.pending);
                }
                self.answer(Ok(fields))
            }
            Reply::Err { code, message } => self.answer(Err(Refusal { code, message })),
        }
    }

    fn answer(&mut self, outcome: Result<Fields, Refusal>) -> Option<Event> {
        self.pending.take().map(|pending| Event::Answer(Answer { lines: pending.lines, outcome }))
    }

    fn next_seq(&mut self) -> u32 {
        self.last_seq = self.last_seq.saturating_add(1);
        self.last_seq
    }
}

/// Reports damage once for each time the request was sent.
fn damaged(pending: &mut Option<Pending>) -> Option<Event> {
    let pending = pending.as_mut()?;
    if pending.damaged {
        return None;
    }
    pending.damaged = true;
    Some(Event::Damaged)
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The body may hold a password.
        let verb = self.body.split(' ').next().unwrap_or_default().to_owned();
        write!(formatter, "Pending(#{} {verb}, {} attempts)", self.seq, self.attempts)
    }
}
