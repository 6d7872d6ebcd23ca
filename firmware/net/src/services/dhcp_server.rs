//! Gives addresses to the stations of the board's own network (RFC 2131).
//!
//! The few addresses that there are right behind the board's own are all there is: who asks in other names over and over
//! can hold them for the time of an offer, and no memory besides.

use core::net::Ipv4Addr;

use obkmq_node::Instant;
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
};

use super::udp::Udp;
use crate::limits::{LEASE_S, LEASES, OFFER_MS};
use crate::stack::Stack;

/// The option that leads to a page for newcomers (RFC 8910).
const CAPTIVE_PORTAL: u8 = 114;
/// What a client that found its address taken keeps others from, in the place of an owner.
const NOBODY: EthernetAddress = EthernetAddress([0; 6]);

/// What the server tells beside addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The board's address; it is also the router and the name server.
    pub own: Ipv4Addr,
    /// Bits of it that name the network.
    pub prefix_bits: u8,
    /// The page for newcomers, of 255 bytes at most.
    pub page: Option<&'a str>,
}

/// Who has an address, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lease {
    owner: Option<EthernetAddress>,
    until: Instant,
}

/// All leases: the one at 0 is of the address behind the board's own.
#[derive(Clone, Debug, Default)]
pub struct Leases([Lease; LEASES]);

impl Leases {
    /// Answers a message: writes what is to be broadcast and says how long it is.
    pub fn answer(
        &mut self,
        message: &[u8],
        offer: &Offer<'_>,
        now: Instant,
        out: &mut [u8],
    ) -> Option<usize> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        // Relays are for larger networks.
        if !request.relay_agent_ip.is_unspecified() {
            return None;
        }
        let client = request.client_hardware_address;
        let for_us = request.server_identifier.is_none_or(|server| server == offer.own);
        let wanted =
            request.requested_ip.or(Some(request.client_ip)).filter(|wanted| !wanted.is_unspecified());
        let at = wanted.and_then(|wanted| place_of(wanted, offer.own));
        match request.message_type {
            DhcpMessageType::Discover => {
                let at = self.choose(client, at, now)?;
                self.hold(at, client, now.saturating_add_millis(OFFER_MS));
                reply(&request, DhcpMessageType::Offer, Some(address_at(at, offer.own)), offer, out)
            }
            // It takes another server's offer.
            DhcpMessageType::Request if !for_us => {
                self.free(client);
                None
            }
            DhcpMessageType::Request => match at.filter(|at| self.may_have(*at, client, now)) {
                Some(at) => {
                    self.free(client);
                    self.hold(at, client, now.saturating_add_millis(u64::from(LEASE_S) * 1000));
                    reply(&request, DhcpMessageType::Ack, Some(address_at(at, offer.own)), offer, out)
                }
                None => wanted.and_then(|_| reply(&request, DhcpMessageType::Nak, None, offer, out)),
            },
            DhcpMessageType::Release if for_us => {
                self.free(client);
                None
            }
            DhcpMessageType::Decline if for_us => {
                let at = at.filter(|at| self.may_have(*at, client, now))?;
                self.free(client);
                self.hold(at, NOBODY, now.saturating_add_millis(u64::from(LEASE_S) * 1000));
                None
            }
            _ => None,
        }
    }

    /// The place for a client: its own, the one that it wants, one that nobody had, or the one that ended first.
    fn choose(&self, client: EthernetAddress, wanted: Option<usize>, now: Instant) -> Option<usize> {
        let own = self.0.iter().position(|lease| lease.owner == Some(client));
        let wanted = || wanted.filter(|at| self.may_have(*at, client, now));
        let unused = || self.0.iter().position(|lease| lease.owner.is_none());
        let ended = || {
            let ended = self.0.iter().enumerate().filter(|(_, lease)| lease.until <= now);
            ended.min_by_key(|(_, lease)| lease.until).map(|(at, _)| at)
        };
        own.or_else(wanted).or_else(unused).or_else(ended)
    }

    fn may_have(&self, at: usize, client: EthernetAddress, now: Instant) -> bool {
        let lease = self.0.get(at);
        lease.is_some_and(|lease| lease.owner.is_none_or(|owner| owner == client) || lease.until <= now)
    }

    fn hold(&mut self, at: usize, owner: EthernetAddress, until: Instant) {
        if let Some(lease) = self.0.get_mut(at) {
            // An offer takes nothing off a lease.
            let until = if lease.owner == Some(owner) { until.max(lease.until) } else { until };
            *lease = Lease { owner: Some(owner), until };
        }
    }

    fn free(&mut self, client: EthernetAddress) {
        for lease in self.0.iter_mut().filter(|lease| lease.owner == Some(client)) {
            *lease = Lease::default();
        }
    }
}

fn address_at(at: usize, own: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(own.to_bits().wrapping_add(1).wrapping_add(u32::try_from(at).unwrap_or(0)))
}

/// The place of an address, which there may not be.
fn place_of(address: Ipv4Addr, own: Ipv4Addr) -> Option<usize> {
    let behind = address.to_bits().checked_sub(own.to_bits())?.checked_sub(1)?;
    usize::try_from(behind).ok()
}

fn reply(
    request: &DhcpRepr<'_>,
    message_type: DhcpMessageType,
    address: Option<Ipv4Addr>,
    offer: &Offer<'_>,
    out: &mut [u8],
) -> Option<usize> {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(offer.prefix_bits.into())).unwrap_or(0);
    let page = offer.page.filter(|page| page.len() <= 255).filter(|_| address.is_some());
    let page = page.map(|page| DhcpOption { kind: CAPTIVE_PORTAL, data: page.as_bytes() });
    let reply = DhcpRepr {
        message_type,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: address.unwrap_or(Ipv4Addr::UNSPECIFIED),
        server_ip: offer.own,
        router: address.map(|_| offer.own),
        subnet_mask: address.map(|_| Ipv4Addr::from_bits(mask)),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: true,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(offer.own),
        parameter_request_list: None,
        dns_servers: address.map(|_| core::iter::once(offer.own).collect()),
        max_size: None,
        lease_duration: address.map(|_| LEASE_S),
        renew_duration: None,
        rebind_duration: None,
        additional_options: page.as_slice(),
    };
    let length = reply.buffer_len();
    let mut packet = DhcpPacket::new_checked(out.get_mut(..length)?).ok()?;
    reply.emit(&mut packet).ok()?;
    Some(length)
}

/// The server on a stack.
#[derive(Debug)]
pub struct DhcpServer {
    udp: Udp,
    leases: Leases,
}

impl DhcpServer {
    /// Listens on a stack.
    pub fn new(stack: &mut Stack) -> Option<Self> {
        Some(Self { udp: Udp::bind(stack, DHCP_SERVER_PORT)?, leases: Leases::default() })
    }

    /// Answers what has come, in a bounded turn.
    pub fn poll(&mut self, stack: &mut Stack, offer: &Offer<'_>, now: Instant) {
        let everybody = (Ipv4Addr::BROADCAST, DHCP_CLIENT_PORT);
        let Self { udp, leases } = self;
        udp.answer(stack, |message, _, out| Some((leases.answer(message, offer, now, out)?, everybody)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// What every client takes.
    const MESSAGE_BYTES: usize = 548;

    const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 4, 1);
    const OFFER: Offer<'static> = Offer { own: OWN, prefix_bits: 24, page: None };

    fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 4, last)
    }

    fn client(number: u8) -> EthernetAddress {
        EthernetAddress([2, 0, 0, 0, 0, number])
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    fn request(message_type: DhcpMessageType, number: u8) -> DhcpRepr<'static> {
        DhcpRepr {
            message_type,
            transaction_id: 0x1234_5678,
            secs: 0,
            client_hardware_address: client(number),
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: None,
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        }
    }

    fn bytes(message: &DhcpRepr<'_>) -> Vec<u8> {
        let mut bytes = std::vec![0; message.buffer_len()];
        message.emit(&mut DhcpPacket::new_checked(&mut bytes[..]).unwrap()).unwrap();
        bytes
    }

    /// What is answered: its type, and the address that the client gets.
    fn ask(leases: &mut Leases, message: &DhcpRepr<'_>, now: Instant) -> Option<(DhcpMessageType, Ipv4Addr)> {
        let mut out = [0; MESSAGE_BYTES];
        let length = leases.answer(&bytes(message), &OFFER, now, &mut out)?;
        let packet = DhcpPacket::new_checked(&out[..length]).unwrap();
        let reply = DhcpRepr::parse(&packet).unwrap();
        assert_eq!((reply.transaction_id, reply.server_identifier), (0x1234_5678, Some(OWN)));
        assert_eq!(reply.client_hardware_address, message.client_hardware_address);
        Some((reply.message_type, reply.your_ip))
    }

    fn discover(leases: &mut Leases, number: u8, now: Instant) -> Option<Ipv4Addr> {
        ask(leases, &request(DhcpMessageType::Discover, number), now).map(|(_, address)| address)
    }

    fn take(leases: &mut Leases, number: u8, wanted: Ipv4Addr, now: Instant) -> Option<DhcpMessageType> {
        let message = DhcpRepr { requested_ip: Some(wanted), ..request(DhcpMessageType::Request, number) };
        ask(leases, &message, now).map(|(kind, _)| kind)
    }

    #[test]
    fn a_client_gets_an_address_and_the_same_one_again() {
        let mut leases = Leases::default();
        assert_eq!(discover(&mut leases, 1, at(0)), Some(address(2)));
        assert_eq!(take(&mut leases, 1, address(2), at(1)), Some(DhcpMessageType::Ack));
        assert_eq!(discover(&mut leases, 2, at(2)), Some(address(3)));
        assert_eq!(discover(&mut leases, 1, at(9_999_999)), Some(address(2)));
        let renew = DhcpRepr { client_ip: address(2), ..request(DhcpMessageType::Request, 1) };
        assert_eq!(ask(&mut leases, &renew, at(3)), Some((DhcpMessageType::Ack, address(2))));
        let after_offer = at(3 + OFFER_MS / 1000);
        discover(&mut leases, 1, at(3));
        assert_eq!(take(&mut leases, 4, address(2), after_offer), Some(DhcpMessageType::Nak), "still leased");
        let wish = DhcpRepr { requested_ip: Some(address(9)), ..request(DhcpMessageType::Discover, 3) };
        assert_eq!(ask(&mut leases, &wish, at(4)), Some((DhcpMessageType::Offer, address(9))));
    }

    #[test]
    fn the_answer_says_what_a_station_needs_to_know() {
        let mut out = [0; MESSAGE_BYTES];
        let offer = Offer { page: Some("http://192.168.4.1/"), ..OFFER };
        let asked = bytes(&request(DhcpMessageType::Discover, 1));
        let length = Leases::default().answer(&asked, &offer, at(0), &mut out).unwrap();
        let packet = DhcpPacket::new_checked(&out[..length]).unwrap();
        let reply = DhcpRepr::parse(&packet).unwrap();
        assert_eq!((reply.router, reply.subnet_mask), (Some(OWN), Some(Ipv4Addr::new(255, 255, 255, 0))));
        assert_eq!((reply.lease_duration, reply.dns_servers.unwrap()[0]), (Some(LEASE_S), OWN));
        let page = packet.options().find(|option| option.kind == CAPTIVE_PORTAL).unwrap();
        assert_eq!(page.data, b"http://192.168.4.1/");
    }

    #[test]
    fn what_belongs_to_another_client_or_network_is_refused() {
        let mut leases = Leases::default();
        take(&mut leases, 1, address(2), at(0));
        assert_eq!(take(&mut leases, 2, address(2), at(1)), Some(DhcpMessageType::Nak));
        for elsewhere in [address(1), address(200), Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::BROADCAST] {
            assert_eq!(take(&mut leases, 2, elsewhere, at(1)), Some(DhcpMessageType::Nak), "{elsewhere}");
        }
        let lease_end = at(u64::from(LEASE_S));
        assert_eq!(
            take(&mut leases, 2, address(2), lease_end),
            Some(DhcpMessageType::Ack),
            "its lease is over"
        );
        assert_eq!(take(&mut leases, 1, address(2), lease_end), Some(DhcpMessageType::Nak));
        let mut relayed = request(DhcpMessageType::Discover, 5);
        relayed.relay_agent_ip = address(7);
        assert_eq!(ask(&mut leases, &relayed, at(1)), None);
    }

    #[test]
    fn another_servers_clients_are_left_alone_and_give_back_what_they_were_offered() {
        let mut leases = Leases::default();
        assert_eq!(discover(&mut leases, 1, at(0)), Some(address(2)));
        let other = DhcpRepr {
            server_identifier: Some(Ipv4Addr::new(192, 168, 4, 99)),
            requested_ip: Some(address(2)),
            ..request(DhcpMessageType::Request, 1)
        };
        assert_eq!(ask(&mut leases, &other, at(1)), None);
        assert_eq!(discover(&mut leases, 2, at(1)), Some(address(2)));
    }

    #[test]
    fn a_released_address_is_free_and_a_declined_one_is_nobodys() {
        let mut leases = Leases::default();
        take(&mut leases, 1, address(2), at(0));
        let release = DhcpRepr { client_ip: address(2), ..request(DhcpMessageType::Release, 1) };
        assert_eq!(ask(&mut leases, &release, at(1)), None);
        assert_eq!(take(&mut leases, 2, address(2), at(2)), Some(DhcpMessageType::Ack));
        let decline = DhcpRepr { requested_ip: Some(address(2)), ..request(DhcpMessageType::Decline, 2) };
        assert_eq!(ask(&mut leases, &decline, at(3)), None);
        assert_eq!(discover(&mut leases, 2, at(4)), Some(address(3)));
        assert_eq!(take(&mut leases, 3, address(2), at(4)), Some(DhcpMessageType::Nak));
    }

    #[test]
    fn whoever_asks_in_many_names_holds_the_addresses_for_the_time_of_an_offer() {
        let mut leases = Leases::default();
        take(&mut leases, 0, address(2), at(0));
        for number in 1..100 {
            let offered = discover(&mut leases, number, at(0)).is_some();
            assert_eq!(offered, usize::from(number) < LEASES, "{number}");
        }
        let offer_end = at(OFFER_MS / 1000);
        assert!(discover(&mut leases, 100, offer_end).is_some());
        assert_eq!(
            take(&mut leases, 0, address(2), offer_end),
            Some(DhcpMessageType::Ack),
            "a lease is kept"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            place in 0..280_usize,
            change in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut leases = Leases::default();
            let mut out = [0; MESSAGE_BYTES];
            leases.answer(&bytes, &OFFER, at(0), &mut out);
            // Almost a message.
            let mut message = self::bytes(&request(DhcpMessageType::Discover, 1));
            message.resize(280, 0);
            message.splice(place..(place + change.len()).min(280), change);
            if let Some(length) = leases.answer(&message, &OFFER, at(0), &mut out) {
                prop_assert!(length <= MESSAGE_BYTES);
            }
        }
    }
}
