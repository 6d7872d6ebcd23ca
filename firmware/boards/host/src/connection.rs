//! One accepted socket and the node's link that it carries.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Event;
use mio::net::TcpStream;
use obkmq_node::{Instant, LinkId, Node};

use crate::board::HostBoard;
use crate::limits::{READS_PER_TURN, TRANSFER_BYTES, WRITES_PER_TURN};

/// A read that did not fill its buffer has emptied the socket: whatever comes later is a new edge. Windows tells of
/// readiness again only after an operation that would have blocked.
const SHORT_IS_ALL: bool = cfg!(unix);

/// A socket, what is known of its readiness, and what the node did not take yet.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    link: LinkId,
    /// Read, but not taken by the node: it paused the link.
    untaken: Vec<u8>,
    readable: bool,
    writable: bool,
    /// The peer will send no more, and its last bytes may have been read: only another read finds the end.
    peer_ended: bool,
    /// The node has something to send.
    has_output: bool,
    phase: Phase,
    /// In the server's list of connections with work left over.
    queued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The node waits for room or a verification; nothing is read until it says so.
    Paused,
    /// The node has ended the link. The peer may still be sending; see [`crate::limits::DRAIN_MS`].
    Draining,
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

/// What all connections share for moving bytes.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) buffer: Vec<u8>,
    /// Bytes that the node has taken since the server last served its wishes.
    pub(crate) received: usize,
    /// The same, in this turn.
    pub(crate) received_in_turn: usize,
}

impl Transfer {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; TRANSFER_BYTES], received: 0, received_in_turn: 0 }
    }

    fn note_received(&mut self, bytes: usize) {
        self.received += bytes;
        self.received_in_turn += bytes;
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, link: LinkId) -> Self {
        Self {
            stream,
            link,
            untaken: Vec::new(),
            readable: false,
            writable: true,
            peer_ended: false,
            has_output: false,
            phase: Phase::Open,
            queued: false,
        }
    }

    pub(crate) fn link(&self) -> LinkId {
        self.link
    }

    /// Notes an edge from the operating system.
    pub(crate) fn note_ready(&mut self, event: &Event) {
        let broken = event.is_error();
        self.peer_ended |= event.is_read_closed() || broken;
        self.readable |= event.is_readable() || self.peer_ended;
        self.writable |= event.is_writable() || event.is_write_closed() || broken;
    }

    /// The node takes bytes of this link again.
    pub(crate) fn resume(&mut self) {
        if self.phase == Phase::Paused {
            self.phase = Phase::Open;
        }
    }

    /// The node has something to send.
    pub(crate) fn output(
        &mut self,
        node: &mut Node<HostBoard>,
        now: Instant,
        transfer: &mut Transfer,
    ) -> After {
        self.has_output = true;
        let moved = self.write(node, now, &mut transfer.buffer);
        self.follow(node, now, moved)
    }

    /// Marks the connection as listed for another turn; `false` if it was already.
    pub(crate) fn queue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    /// Whether it is listed for another turn.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued
    }

    /// Its other turn has come.
    pub(crate) fn unqueue(&mut self) {
        self.queued = false;
    }

    /// The node has ended the link and everything it had to say was written. What the peer still sends is thrown away
    /// from now on.
    pub(crate) fn end(&mut self, node: &mut Node<HostBoard>, now: Instant, transfer: &mut Transfer) -> After {
        if self.phase == Phase::Draining {
            return After::Wait;
        }
        node.closed(now, self.link);
        self.untaken = Vec::new();
        self.phase = Phase::Draining;
        let after = self.turn(node, now, transfer);
        if after != After::Drop {
            // A peer that is gone by now needs no FIN.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        after
    }

    /// Moves bytes both ways, as many as one turn allows.
    pub(crate) fn turn(
        &mut self,
        node: &mut Node<HostBoard>,
        now: Instant,
        transfer: &mut Transfer,
    ) -> After {
        let moved = self.write(node, now, &mut transfer.buffer).and_then(|again| {
            let more = self.read(node, now, transfer)?;
            Ok(again || more)
        });
        self.follow(node, now, moved)
    }

    fn follow(&mut self, node: &mut Node<HostBoard>, now: Instant, moved: io::Result<bool>) -> After {
        match moved {
            Ok(true) => After::Again,
            Ok(false) => After::Wait,
            Err(_) => {
                if self.phase != Phase::Draining {
                    node.closed(now, self.link);
                }
                After::Drop
            }
        }
    }

    /// Whether more can be written at once. The transport's end is an error.
    #[inline]
    fn write(&mut self, node: &mut Node<HostBoard>, now: Instant, buffer: &mut [u8]) -> io::Result<bool> {
        if !self.has_output || self.phase == Phase::Draining {
            return Ok(false);
        }
        self.write_output(node, now, buffer)
    }

    fn write_output(
        &mut self,
        node: &mut Node<HostBoard>,
        now: Instant,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        for _ in 0..WRITES_PER_TURN {
            if !self.has_output || !self.writable {
                return Ok(false);
            }
            let filled = node.fill(self.link, buffer);
            let Some(bytes) = buffer.get(..filled).filter(|bytes| !bytes.is_empty()) else {
                self.has_output = false;
                return Ok(false);
            };
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    // Before the node is told: what that brings up it says anew.
                    self.has_output = taken < filled || filled == buffer.len();
                    self.writable = taken == filled || !SHORT_IS_ALL;
                    node.sent(now, self.link, taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.has_output && self.writable)
    }

    /// Whether more can be read at once. The peer's end of the stream is an error.
    fn read(
        &mut self,
        node: &mut Node<HostBoard>,
        now: Instant,
        transfer: &mut Transfer,
    ) -> io::Result<bool> {
        for _ in 0..READS_PER_TURN {
            if self.phase == Phase::Paused {
                return Ok(false);
            }
            if !self.untaken.is_empty() {
                let taken = node.receive(now, self.link, &self.untaken);
                transfer.note_received(taken);
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
            let buffer = transfer.buffer.as_mut_slice();
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.readable = count == buffer.len() || self.peer_ended || !SHORT_IS_ALL;
                    if self.phase == Phase::Draining {
                        continue;
                    }
                    let bytes = buffer.get(..count).unwrap_or_default();
                    let taken = node.receive(now, self.link, bytes);
                    if let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
                        self.untaken = rest.to_vec();
                        self.phase = Phase::Paused;
                    }
                    transfer.note_received(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.readable && self.phase != Phase::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_takes_little() {
        // The socket itself is a descriptor, and more only where mio checks its users.
        let own = size_of::<Option<Connection>>() - size_of::<TcpStream>();
        assert!(own <= 48, "{own}");
    }
}
