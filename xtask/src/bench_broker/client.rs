//! One MQTT client of the load: a socket that never blocks, what it still has to send, and the packet it has half of.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::wire::{self, Packet};

/// A connection to the broker. Messages that ask for it are acknowledged at once, many in one write.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    /// What is to be sent; the socket has taken the first `sent` bytes.
    pending: Vec<u8>,
    sent: usize,
    /// The beginning of a packet.
    partial: Vec<u8>,
}

impl Client {
    /// Begins to connect.
    pub(super) fn connect(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        // One message a write is one message a segment.
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, pending: Vec::new(), sent: 0, partial: Vec::new() })
    }

    /// Sends now what the socket takes, and the rest as it becomes writable.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        self.flush()
    }

    /// Whether everything was sent.
    pub(super) const fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Goes on sending.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self.pending.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.pending.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads all there is. An end of the stream is an error.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut sink: impl FnMut(Packet<'_>)) -> io::Result<()> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let short = count < buffer.len();
            let bytes = buffer.get(..count).unwrap_or_default();
            if self.partial.is_empty() {
                let rest = take(bytes, &mut self.pending, &mut sink);
                self.partial.extend_from_slice(rest);
            } else {
                self.partial.extend_from_slice(bytes);
                let left = take(&self.partial, &mut self.pending, &mut sink).len();
                self.partial.drain(..self.partial.len() - left);
            }
            if short {
                break;
            }
        }
        self.flush()
    }
}

/// Hands all whole packets to `sink`, queues the acknowledgements that they ask for, and gives back the rest.
fn take<'a>(mut bytes: &'a [u8], answers: &mut Vec<u8>, sink: &mut impl FnMut(Packet<'_>)) -> &'a [u8] {
    while let Some((packet, rest)) = wire::split(bytes) {
        if let Some(id) = packet.id_to_acknowledge() {
            answers.extend(wire::puback(id));
        }
        sink(packet);
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_qos_1_is_acknowledged_and_a_half_packet_stays() {
        let mut stream = wire::publish("a", b"x", Some(0x0102));
        stream.extend(wire::publish("a", b"x", None));
        stream.push(0x30);
        let (mut answers, mut seen) = (Vec::new(), 0);
        let rest = take(&stream, &mut answers, &mut |_| seen += 1);
        assert_eq!((seen, rest, answers.as_slice()), (2, &[0x30][..], &wire::puback([1, 2])[..]));
    }
}
