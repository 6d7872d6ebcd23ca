//! Asks the network for an address (RFC 2131).

use core::net::Ipv4Addr;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::dhcpv4::{Event, Socket};

use crate::stack::Stack;

/// What the network has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The board's address.
    pub address: Ipv4Addr,
    /// Bits of it that name the network.
    pub prefix_bits: u8,
    /// The router.
    pub router: Option<Ipv4Addr>,
    /// A name server.
    pub name_server: Option<Ipv4Addr>,
}

/// The client. Its socket takes part in [`Stack::receive`] and [`Stack::transmit`] as long as it runs.
#[derive(Debug, Default)]
pub struct DhcpClient {
    handle: Option<SocketHandle>,
    lease: Option<Lease>,
}

impl DhcpClient {
    /// Asks from the beginning: the board has come into a network. Until that has answered, the address that it had
    /// stays, since most often it gets the same one again.
    pub fn start(&mut self, stack: &mut Stack) {
        self.stop(stack);
        let mut socket = Socket::new();
        // Its first word is that nothing is configured, which nobody needs to hear.
        let _ = socket.poll();
        let (_, sockets) = stack.parts();
        self.handle = Some(sockets.add(socket));
    }

    /// Asks no more. The address stays until the stack has another.
    pub fn stop(&mut self, stack: &mut Stack) {
        if let Some(handle) = self.handle.take() {
            let (_, sockets) = stack.parts();
            drop(sockets.remove(handle));
        }
    }

    /// Forgets the lease, and with it the stack's address: another network is to be joined.
    pub fn forget(&mut self, stack: &mut Stack) {
        self.stop(stack);
        if self.lease.take().is_some() {
            stack.set_address(None);
        }
    }

    /// Takes over what the network has answered. `Some` when something has changed; its inside is `None` when the
    /// address must not be used any more.
    pub fn poll(&mut self, stack: &mut Stack) -> Option<Option<Lease>> {
        let (_, sockets) = stack.parts();
        let socket = sockets.get_mut::<Socket<'_>>(self.handle?);
        let change = match socket.poll()? {
            Event::Configured(config) => Some(Lease {
                address: config.address.address(),
                prefix_bits: config.address.prefix_len(),
                router: config.router,
                name_server: config.dns_servers.first().copied(),
            }),
            Event::Deconfigured => None,
        };
        if change != self.lease {
            stack.set_address(change.map(|lease| (lease.address, lease.prefix_bits, lease.router)));
        }
        self.lease = change;
        Some(change)
    }
}
