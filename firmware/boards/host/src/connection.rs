//! One accepted socket and the node's link that it carries.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use obkmq_node::{Instant, LinkId, Node};

use crate::board::HostBoard;
use crate::limits::{DRAIN_MS, TRANSFERS_PER_TURN};

/// A socket, what is known of its readiness, and what the node did not take yet.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    link: LinkId,
    /// Read, but not taken by the node: it paused the link.
    untaken: Vec<u8>,
    readable: bool,
    writable: bool,
    phase: Phase,
    /// In the server's list of connections with work left over.
    queued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The node waits for room or a verification; nothing is read until it says so.
    Paused,
    /// The node has ended the link. The peer may still be sending; see [`DRAIN_MS`].
    Draining {
        until: Instant,
    },
}

/// What the server has to do with the connection after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Wait for the operating system.
    Wait,
    /// More can be moved at once; its turn comes again.
    Again,
    /// Drop the socket.
    Drop,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, link: LinkId) -> Self {
        Self {
            stream,
            link,
            untaken: Vec::new(),
            readable: false,
            writable: true,
            phase: Phase::Open,
            queued: false,
        }
    }

    pub(crate) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(crate) fn link(&self) -> LinkId {
        self.link
    }

    /// Notes an edge from the operating system.
    pub(crate) fn note_ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// The node takes bytes of this link again.
    pub(crate) fn resume(&mut self) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Open;
        }
    }

    /// Marks the connection as listed for another turn; `false` if it was already.
    pub(crate) fn queue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    /// Its other turn has come.
    pub(crate) fn unqueue(&mut self) {
        self.queued = false;
    }

    /// When a draining connection is dropped at last.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Draining { until } => Some(until),
            Phase::Open | Phase::Paused => None,
        }
    }

    /// The node has ended the link and everything it had to say was written.
    pub(crate) fn end(&mut self, node: &mut Node<HostBoard>, now: Instant) {
        if !matches!(self.phase, Phase::Draining { .. }) {
            node.closed(now, self.link);
            // A peer that is already gone needs no FIN.
            let _ = self.stream.shutdown(Shutdown::Write);
            self.untaken = Vec::new();
            self.phase = Phase::Draining { until: now.saturating_add_millis(DRAIN_MS) };
        }
    }

    /// Moves bytes both ways, as many as one turn allows.
    pub(crate) fn turn(&mut self, node: &mut Node<HostBoard>, now: Instant, buffer: &mut [u8]) -> After {
        let moved = self.write(node, now, buffer).and_then(|again| {
            let more = self.read(node, now, buffer)?;
            Ok(again || more)
        });
        match moved {
            Ok(true) => After::Again,
            Ok(false) if self.deadline().is_some_and(|until| now >= until) => After::Drop,
            Ok(false) => After::Wait,
            Err(_) => {
                if !matches!(self.phase, Phase::Draining { .. }) {
                    node.closed(now, self.link);
                }
                After::Drop
            }
        }
    }

    /// Whether more can be written at once. The transport's end is an error.
    fn write(&mut self, node: &mut Node<HostBoard>, now: Instant, buffer: &mut [u8]) -> io::Result<bool> {
        if matches!(self.phase, Phase::Draining { .. }) {
            return Ok(false);
        }
        for _ in 0..TRANSFERS_PER_TURN {
            if !self.writable {
                return Ok(false);
            }
            let filled = node.fill(self.link, buffer);
            let Some(bytes) = buffer.get(..filled).filter(|bytes| !bytes.is_empty()) else {
                return Ok(false);
            };
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    node.sent(now, self.link, taken);
                    self.writable = taken == filled;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.writable)
    }

    /// Whether more can be read at once. The peer's end of the stream is an error.
    fn read(&mut self, node: &mut Node<HostBoard>, now: Instant, buffer: &mut [u8]) -> io::Result<bool> {
        for _ in 0..TRANSFERS_PER_TURN {
            if self.phase == Phase::Paused {
                return Ok(false);
            }
            if !self.untaken.is_empty() {
                let taken = node.receive(now, self.link, &self.untaken);
                self.untaken.drain(..taken.min(self.untaken.len()));
                if !self.untaken.is_empty() {
                    self.phase = Phase::Paused;
                    return Ok(false);
                }
                self.untaken = Vec::new();
            }
            if !self.readable {
                return Ok(false);
            }
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if matches!(self.phase, Phase::Draining { .. }) => {}
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    let taken = node.receive(now, self.link, bytes);
                    if let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
                        self.untaken = rest.to_vec();
                        self.phase = Phase::Paused;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.readable)
    }
}
