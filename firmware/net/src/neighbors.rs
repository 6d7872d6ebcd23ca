//! Those who knock: their hardware addresses, and their patience.
//!
//! smoltcp asks the network for the hardware address of a peer before it answers, and for one address a second at most.
//! When a board has started again, thirty devices that still know its address knock at once: the last one would wait for
//! half a minute, longer than its patience and than a half-open connection has. But each SYN says where it comes from. So
//! it is made known to smoltcp in the only way there is: as an ARP reply.
//!
//! Nobody gains by it what ARP, which knows no proof either, does not give already. smoltcp drops the reply if it concerns
//! another network, whose hardware addresses are the router's.
//!
//! Where no more connections may be half-open, a SYN is dropped instead of refused, as operating systems do: its sender
//! sends it again after a second, while one that was refused gives up, or comes back when its program thinks fit.

use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket,
};

/// A device whose frames are looked at as they pass.
pub(crate) struct Watched<'a, D> {
    pub(crate) device: &'a mut D,
    /// Who knocked with the frame that passed last.
    pub(crate) newcomer: Option<Newcomer>,
    /// Those who knock are not let through.
    pub(crate) is_crowded: bool,
}

/// Somebody who wants to connect, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newcomer {
    hardware: EthernetAddress,
    address: Ipv4Address,
    own_hardware: EthernetAddress,
    own_address: Ipv4Address,
}

impl Newcomer {
    /// Who sent this frame, if it is a SYN.
    fn of(frame: &[u8]) -> Option<Self> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        if packet.next_header() != IpProtocol::Tcp {
            return None;
        }
        let segment = TcpPacket::new_checked(packet.payload()).ok()?;
        (segment.syn() && !segment.ack()).then(|| Self {
            hardware: frame.src_addr(),
            address: packet.src_addr(),
            own_hardware: frame.dst_addr(),
            own_address: packet.dst_addr(),
        })
    }

    /// A device that receives its ARP reply, and nothing else.
    pub(crate) fn introduction(self) -> Introduction {
        let frame = EthernetRepr {
            src_addr: self.hardware,
            dst_addr: self.own_hardware,
            ethertype: EthernetProtocol::Arp,
        };
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: self.hardware,
            source_protocol_addr: self.address,
            target_hardware_addr: self.own_hardware,
            target_protocol_addr: self.own_address,
        };
        let mut bytes = [0; INTRODUCTION_BYTES];
        let mut buffer = EthernetFrame::new_unchecked(&mut bytes);
        frame.emit(&mut buffer);
        reply.emit(&mut ArpPacket::new_unchecked(buffer.payload_mut()));
        Introduction(Some(bytes))
    }
}

/// Ethernet header and an ARP packet for IPv4.
const INTRODUCTION_BYTES: usize = 14 + 28;

/// See [`Newcomer::introduction`].
pub(crate) struct Introduction(Option<[u8; INTRODUCTION_BYTES]>);

/// The frame in it.
pub(crate) struct Reply([u8; INTRODUCTION_BYTES]);

impl RxToken for Reply {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Where an answer would go: to nobody, since there is none to a reply.
pub(crate) struct Nowhere;

impl TxToken for Nowhere {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut bytes = [0; INTRODUCTION_BYTES];
        write(bytes.get_mut(..length).unwrap_or_default())
    }
}

impl Device for Introduction {
    type RxToken<'a> = Reply;
    type TxToken<'a> = Nowhere;

    fn receive(&mut self, _now: Instant) -> Option<(Reply, Nowhere)> {
        self.0.take().map(|bytes| (Reply(bytes), Nowhere))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Nowhere> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}

/// A frame that is looked at when it is read.
pub(crate) struct Passing<'a, T> {
    token: T,
    newcomer: &'a mut Option<Newcomer>,
    is_crowded: bool,
}

impl<T: RxToken> RxToken for Passing<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let newcomer = self.newcomer;
        self.token.consume(|frame| {
            *newcomer = Newcomer::of(frame);
            let is_dropped = self.is_crowded && newcomer.take().is_some();
            read(if is_dropped { &[] } else { frame })
        })
    }
}

impl<D: Device> Device for Watched<'_, D> {
    type RxToken<'a>
        = Passing<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (token, leave) = self.device.receive(now)?;
        Some((Passing { token, newcomer: &mut self.newcomer, is_crowded: self.is_crowded }, leave))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.device.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}
