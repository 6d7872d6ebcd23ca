//! The asking end of the line protocol on a real wire: [`obkmq_config::line::Client`] knows the protocol, a
//! [`Transport`] carries it, this file adds time.
//!
//! A request that is not answered is sent again (the protocol makes that safe), at once when the device or the answer
//! reports damage. Lines that are no answer are the device's log: they go to the caller and are remembered, because a
//! silent device is diagnosed by what else it printed.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use obkmq_config::line::{self, Answer, Command, ErrorCode, Event, Fields, Hello, PROTOCOL, Refusal};

use super::text::printable;
use super::transport::Transport;

/// How long one copy of a request waits for its answer. The slowest chip hashes a password in about two seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a greeting waits; nothing is computed for it.
const HELLO_TIMEOUT: Duration = Duration::from_millis(700);

/// The pause before a device that is busy is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(250);

/// A busy device is given this long to finish before the error is shown.
const BUSY_PATIENCE: Duration = Duration::from_secs(20);

/// The last lines a device printed, kept to explain its silence.
const HEARD_LINES: usize = 12;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The stream is gone.
    Gone(io::Error),
    /// Nothing that counts as an answer came; these lines did.
    Silent { heard: Vec<String> },
    /// The device said no.
    Refused(Refusal),
    /// The device was reset in the middle; what was asked did not happen.
    Reset,
    /// The device speaks another version of the protocol.
    Version { device: String },
    /// The request does not fit a line.
    TooLong(line::TooLong),
}

/// A run of the line protocol over a transport.
pub(crate) struct Client<T: Transport> {
    transport: T,
    protocol: line::Client,
    /// Bytes that came with an answer and behind it.
    unread: VecDeque<u8>,
    heard: VecDeque<String>,
    on_log: Box<dyn FnMut(&str)>,
}

impl<T: Transport> Client<T> {
    /// `on_log` gets every line of the device that is no answer.
    pub(crate) fn new(transport: T, on_log: impl FnMut(&str) + 'static) -> Self {
        Self {
            transport,
            protocol: line::Client::new(nonce()),
            unread: VecDeque::new(),
            heard: VecDeque::new(),
            on_log: Box::new(on_log),
        }
    }

    /// What the user calls the device's port.
    pub(crate) fn name(&self) -> &str {
        self.transport.name()
    }

    /// Whether a cable leads to the device.
    pub(crate) fn is_cable(&self) -> bool {
        self.transport.is_cable()
    }

    /// The transport's clock.
    pub(crate) fn now(&self) -> Duration {
        self.transport.now()
    }

    /// Opens the stream again and begins another run: whatever was open in the last one is gone.
    pub(crate) fn begin_anew(&mut self, patience: Duration) -> Result<Hello, ClientError> {
        self.transport.reopen().map_err(ClientError::Gone)?;
        self.protocol = line::Client::new(nonce());
        self.unread.clear();
        self.heard.clear();
        self.hello(patience)
    }

    /// Opens a run, greeting until the device answers or `patience` ends: it may still be starting.
    pub(crate) fn hello(&mut self, patience: Duration) -> Result<Hello, ClientError> {
        let deadline = self.transport.now().saturating_add(patience);
        loop {
            let line = self.protocol.hello();
            self.send(&line)?;
            match self.receive(HELLO_TIMEOUT)? {
                Waited::Answer(Answer { outcome: Ok(fields), .. }) => return greeted(&fields),
                Waited::Answer(Answer { outcome: Err(refusal), .. }) => {
                    return Err(ClientError::Refused(refusal));
                }
                Waited::Damaged | Waited::Timeout => {}
            }
            if self.transport.now() >= deadline {
                return Err(self.silent());
            }
        }
    }

    /// Asks for `command` and waits for the whole answer.
    pub(crate) fn request(&mut self, command: &Command<'_>) -> Result<Reply, ClientError> {
        let patience = self.transport.now().saturating_add(BUSY_PATIENCE);
        loop {
            let mut line = self.protocol.start(command).map_err(ClientError::TooLong)?;
            let answer = loop {
                self.send(&line)?;
                if let Waited::Answer(answer) = self.receive(ANSWER_TIMEOUT)? {
                    break answer;
                }
                line = self.protocol.resend().ok_or_else(|| self.silent())?;
            };
            match answer.outcome {
                Ok(fields) => return Ok(Reply { rows: answer.lines, fields }),
                Err(refusal) if refusal.code == ErrorCode::Busy && self.transport.now() < patience => {
                    self.listen(BUSY_PAUSE)?;
                }
                Err(refusal) if refusal.code == ErrorCode::NoHello => return Err(ClientError::Reset),
                Err(refusal) => return Err(ClientError::Refused(refusal)),
            }
        }
    }

    /// Lets the device talk for a while; nothing is pending, so all of it is log.
    fn listen(&mut self, time: Duration) -> Result<(), ClientError> {
        let deadline = self.transport.now().saturating_add(time);
        loop {
            let left = deadline.saturating_sub(self.transport.now());
            if left.is_zero() {
                return Ok(());
            }
            self.receive(left)?;
        }
    }

    fn send(&mut self, line: &str) -> Result<(), ClientError> {
        self.transport.write_all(line.as_bytes()).map_err(ClientError::Gone)
    }

    /// Waits for the end of a request. The device's log does not lengthen the wait, rows of the answer do.
    fn receive(&mut self, timeout: Duration) -> Result<Waited, ClientError> {
        let deadline = self.transport.now().saturating_add(timeout);
        loop {
            while let Some(byte) = self.unread.pop_front() {
                match self.protocol.receive(byte) {
                    Some(Event::Answer(answer)) => return Ok(Waited::Answer(answer)),
                    Some(Event::Damaged) => return Ok(Waited::Damaged),
                    Some(Event::Text(text)) => self.log(&text),
                    None => {}
                }
            }
            let left = deadline.saturating_sub(self.transport.now());
            if left.is_zero() {
                return Ok(Waited::Timeout);
            }
            let mut buffer = [0_u8; 512];
            let count = self.transport.read(&mut buffer, left).map_err(ClientError::Gone)?;
            self.unread.extend(buffer.iter().take(count));
        }
    }

    fn log(&mut self, line: &str) {
        let text = printable(line.as_bytes());
        (self.on_log)(&text);
        if self.heard.len() >= HEARD_LINES {
            self.heard.pop_front();
        }
        self.heard.push_back(text);
    }

    fn silent(&self) -> ClientError {
        ClientError::Silent { heard: self.heard.iter().cloned().collect() }
    }
}

/// A whole answer of a device that said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The lines before the last, in order.
    pub(crate) rows: Vec<Fields>,
    /// The last line.
    pub(crate) fields: Fields,
}

enum Waited {
    Answer(Answer),
    Damaged,
    Timeout,
}

fn greeted(fields: &Fields) -> Result<Hello, ClientError> {
    match Hello::from_fields(fields) {
        Some(hello) if hello.protocol == PROTOCOL => Ok(hello),
        _ => Err(ClientError::Version { device: fields.get("protocol").unwrap_or("?").to_owned() }),
    }
}

/// Tells this run from every other one; the standard library's hash seeds are random and cost no dependency.
#[cfg(not(test))]
fn nonce() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// In tests of faults the same numbers each time: one damaged line in 65,536 fits its checksum all the same.
#[cfg(test)]
fn nonce() -> u64 {
    use std::cell::Cell;
    thread_local! { static LAST: Cell<u64> = const { Cell::new(0) } }
    LAST.set(LAST.get() + 7);
    LAST.get()
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
