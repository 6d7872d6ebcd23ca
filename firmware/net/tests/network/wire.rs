//! A network of queues: each port has what has arrived at it, and what it has sent and nobody has fetched yet.

use std::collections::VecDeque;

use obkmq_net::smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use obkmq_net::smoltcp::time::Instant;
use obkmq_net::smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Packet, TcpPacket};

use crate::heap;

/// A frame on its way.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) from_node: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Frame {
    pub(crate) fn destination(&self) -> EthernetAddress {
        EthernetFrame::new_checked(&self.bytes).unwrap().dst_addr()
    }

    /// The TCP segment in it.
    pub(crate) fn tcp(&self) -> Option<TcpPacket<&[u8]>> {
        let frame = EthernetFrame::new_checked(&self.bytes[..]).ok()?;
        (frame.ethertype() == EthernetProtocol::Ipv4).then_some(())?;
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        TcpPacket::new_checked(packet.payload()).ok()
    }
}

/// One end of the network. What is under way counts for nobody's heap.
#[derive(Default)]
pub(crate) struct Port {
    pub(crate) arrived: VecDeque<Vec<u8>>,
    pub(crate) sent: VecDeque<Vec<u8>>,
}

pub(crate) struct Arrived(Vec<u8>);

pub(crate) struct Leave<'a>(&'a mut VecDeque<Vec<u8>>);

impl Device for Port {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leave<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Arrived, Leave<'_>)> {
        Some((Arrived(self.arrived.pop_front()?), Leave(&mut self.sent)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leave<'_>> {
        Some(Leave(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(&self.0);
        heap::outside(|| drop(self.0));
        result
    }
}

impl TxToken for Leave<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut bytes = heap::outside(|| vec![0; length]);
        let result = write(&mut bytes);
        heap::outside(|| self.0.push_back(bytes));
        result
    }
}
