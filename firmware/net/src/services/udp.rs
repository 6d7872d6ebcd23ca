//! A service's socket.

use core::net::Ipv4Addr;

use alloc::vec;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::limits::{DATAGRAM_BYTES, DATAGRAMS, DATAGRAMS_PER_TURN};
use crate::stack::Stack;

/// An address and a port.
pub(super) type Place = (Ipv4Addr, u16);

/// A bound UDP socket, for small messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Udp(SocketHandle);

impl Udp {
    /// A socket on this port. A service is begun when the board starts, while there is memory.
    pub(super) fn bind(stack: &mut Stack, port: u16) -> Option<Self> {
        let buffer =
            || PacketBuffer::new(vec![PacketMetadata::EMPTY; DATAGRAMS], vec![0; DATAGRAMS * DATAGRAM_BYTES]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.bind(port).ok()?;
        let (_, sockets) = stack.parts();
        Some(Self(sockets.add(socket)))
    }

    /// Gives what has come to `answer`, in a bounded turn: who sent it, and room for an answer. What it answers with, a
    /// length and for whom, is sent; what finds no room is lost, as any datagram may be.
    pub(super) fn answer(
        self,
        stack: &mut Stack,
        mut answer: impl FnMut(&[u8], Place, &mut [u8]) -> Option<(usize, Place)>,
    ) {
        let mut out = [0; DATAGRAM_BYTES];
        for _ in 0..DATAGRAMS_PER_TURN {
            let (_, sockets) = stack.parts();
            let socket = sockets.get_mut::<Socket<'_>>(self.0);
            let Ok((message, from)) = socket.recv() else { return };
            let IpAddress::Ipv4(address) = from.endpoint.addr;
            if let Some((length, to)) = answer(message, (address, from.endpoint.port), &mut out) {
                self.send(stack, out.get(..length).unwrap_or_default(), to);
            }
        }
    }

    /// Sends a message, if there is room for it.
    pub(super) fn send(self, stack: &mut Stack, message: &[u8], (address, port): Place) {
        let (_, sockets) = stack.parts();
        let to = IpEndpoint::new(IpAddress::Ipv4(address), port);
        let _ = sockets.get_mut::<Socket<'_>>(self.0).send_slice(message, to);
    }
}
