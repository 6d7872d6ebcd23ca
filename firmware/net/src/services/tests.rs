//! Services of two boards on one wire, in memory and in simulated time.

use core::net::Ipv4Addr;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

use obkmq_node::Instant;
use smoltcp::phy::{self, DeviceCapabilities, Medium};

use super::*;
use crate::stack::stack_time;
use crate::{Capacities, Setup, Stack};

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// An end of the wire.
struct End {
    sent: Queue,
    received: Queue,
}

struct Received(Vec<u8>);
struct Leave(Queue);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Leave {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = std::vec![0; length];
        let result = write(&mut frame);
        self.0.borrow_mut().push_back(frame);
        result
    }
}

impl phy::Device for End {
    type RxToken<'a> = Received;
    type TxToken<'a> = Leave;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received, Leave)> {
        let frame = self.received.borrow_mut().pop_front()?;
        Some((Received(frame), Leave(Rc::clone(&self.sent))))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Leave> {
        Some(Leave(Rc::clone(&self.sent)))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1492;
        capabilities
    }
}

struct Board {
    end: End,
    stack: Stack,
}

impl Board {
    fn new(end: End, number: u8, address: Ipv4Addr) -> Self {
        let mut end = end;
        let setup = Setup {
            mac: [2, 0, 0, 0, 0, number],
            address,
            prefix_bits: 24,
            gateway: None,
            seed: number.into(),
            capacities: Capacities { sockets: 2, receive_bytes: 64, send_bytes: 64 },
        };
        let stack = Stack::new(setup, &mut end, Instant::ZERO).unwrap();
        Self { end, stack }
    }

    fn poll(&mut self, now: Instant) {
        let (interface, sockets) = self.stack.parts();
        interface.poll(stack_time(now), &mut self.end, sockets);
    }

    fn address(&mut self) -> Option<Ipv4Addr> {
        self.stack.parts().0.ipv4_addr()
    }
}

const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 4, 1);
const OFFER: Offer<'static> = Offer { own: OWN, prefix_bits: 24, page: None };

/// A board that is a network of its own, and one that comes into it.
fn pair() -> (Board, Board) {
    let (one, other) = (Queue::default(), Queue::default());
    let own = End { sent: Rc::clone(&one), received: Rc::clone(&other) };
    let guest = End { sent: other, received: one };
    (Board::new(own, 1, OWN), Board::new(guest, 2, Ipv4Addr::UNSPECIFIED))
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

#[test]
fn a_guest_is_given_an_address_and_keeps_it_over_a_new_start() {
    let (mut own, mut guest) = pair();
    let mut server = DhcpServer::new(&mut own.stack).unwrap();
    let mut client = DhcpClient::default();
    assert_eq!(client.poll(&mut guest.stack), None);
    client.start(&mut guest.stack);
    let mut told = Vec::new();
    for millis in 0..20_000 {
        if millis == 10_000 {
            // It comes into the network again.
            client.start(&mut guest.stack);
            assert_eq!(guest.address(), Some(Ipv4Addr::new(192, 168, 4, 2)), "meanwhile it has what it had");
        }
        guest.poll(at(millis));
        own.poll(at(millis));
        server.poll(&mut own.stack, &OFFER, at(millis));
        told.extend(client.poll(&mut guest.stack));
    }
    let address = Ipv4Addr::new(192, 168, 4, 2);
    let lease = Lease { address, prefix_bits: 24, router: Some(OWN), name_server: Some(OWN) };
    assert_eq!(told, [Some(lease), Some(lease)]);
    assert_eq!(guest.address(), Some(address));
    client.forget(&mut guest.stack);
    assert_eq!(guest.address(), None);
    assert_eq!(client.poll(&mut guest.stack), None);
}

#[test]
fn a_network_that_is_silent_gives_nothing() {
    let (_, mut guest) = pair();
    let mut client = DhcpClient::default();
    client.start(&mut guest.stack);
    for millis in 0..60_000 {
        guest.poll(at(millis));
        assert_eq!(client.poll(&mut guest.stack), None);
    }
}

#[test]
fn boards_that_have_one_name_end_up_with_two() {
    let (mut one, mut other) = pair();
    other.stack.set_address(Some((Ipv4Addr::new(192, 168, 4, 2), 24, None)));
    let mut first = Mdns::new(&mut one.stack).unwrap();
    let mut second = Mdns::new(&mut other.stack).unwrap();
    let service = [Service { kind: "_mqtt", port: 1883 }];
    let host = Host { name: "obkmq", address: OWN, services: &service };
    for millis in 0..10_000 {
        one.poll(at(millis));
        other.poll(at(millis));
        first.poll(&mut one.stack, &host, at(millis));
        if millis > 3_000 {
            let host = Host { address: Ipv4Addr::new(192, 168, 4, 2), ..host };
            second.poll(&mut other.stack, &host, at(millis));
        }
    }
    assert_eq!((first.name(), second.name()), (Some("obkmq"), Some("obkmq-2")));
}

#[test]
fn a_guest_that_looks_for_the_internet_finds_the_board() {
    let (mut own, mut guest) = pair();
    guest.stack.set_address(Some((Ipv4Addr::new(192, 168, 4, 2), 24, Some(OWN))));
    let mut names = CaptiveNames::new(&mut own.stack).unwrap();
    let servers = [OWN.into()];
    let queries: Vec<Option<smoltcp::socket::dns::DnsQuery>> = std::vec![None];
    let mut socket = smoltcp::socket::dns::Socket::new(&servers, queries);
    let (interface, sockets) = guest.stack.parts();
    let query =
        socket.start_query(interface.context(), "example.com", smoltcp::wire::DnsQueryType::A).unwrap();
    let handle = sockets.add(socket);
    for millis in 0..5_000 {
        guest.poll(at(millis));
        own.poll(at(millis));
        names.poll(&mut own.stack, OWN);
    }
    let (_, sockets) = guest.stack.parts();
    let found = sockets.get_mut::<smoltcp::socket::dns::Socket<'_>>(handle).get_query_result(query).unwrap();
    assert_eq!(found.first(), Some(&OWN.into()));
}

/// A server at the own network's address, which answers with this time.
fn serve_time(udp: super::udp::Udp, stack: &mut Stack, unix_s: u32) {
    udp.answer(stack, |question, from, out| {
        out[..48].fill(0);
        out[..2].copy_from_slice(&[0x24, 1]);
        out[24..32].copy_from_slice(&question[40..48]);
        out[40..44].copy_from_slice(&(unix_s.wrapping_add(2_208_988_800)).to_be_bytes());
        Some((48, from))
    });
}

#[test]
fn the_time_is_found_by_the_servers_name_and_goes_on() {
    let (mut own, mut guest) = pair();
    guest.stack.set_address(Some((Ipv4Addr::new(192, 168, 4, 2), 24, Some(OWN))));
    let mut names = CaptiveNames::new(&mut own.stack).unwrap();
    let server = super::udp::Udp::bind(&mut own.stack, 123).unwrap();
    let mut sntp = Sntp::new(&mut guest.stack).unwrap();
    for millis in 0..20_000 {
        guest.poll(at(millis));
        own.poll(at(millis));
        names.poll(&mut own.stack, OWN);
        serve_time(server, &mut own.stack, 1_800_000_000);
        sntp.poll(&mut guest.stack, "pool.ntp.org", Some(OWN), || 7, at(millis));
    }
    let since = sntp.unix_seconds(at(20_000)).unwrap() - 1_800_000_000;
    assert!((18..=20).contains(&since), "{since}");
    assert_eq!(sntp.unix_seconds(at(3_620_000)), Some(1_800_003_600 + since));
}

#[test]
fn a_silent_server_is_asked_seldom_and_nothing_is_known() {
    let (mut own, mut guest) = pair();
    guest.stack.set_address(Some((Ipv4Addr::new(192, 168, 4, 2), 24, Some(OWN))));
    let server = super::udp::Udp::bind(&mut own.stack, 123).unwrap();
    let mut sntp = Sntp::new(&mut guest.stack).unwrap();
    let mut asked = 0;
    for seconds in 0..7_200 {
        for millis in [0, 1, 2] {
            let now = at(seconds * 1000 + millis);
            sntp.poll(&mut guest.stack, "192.168.4.1", None, || 7, now);
            guest.poll(now);
            own.poll(now);
            server.answer(&mut own.stack, |_, _, _| {
                asked += 1;
                None
            });
        }
    }
    assert_eq!(sntp.unix_seconds(at(7_200_000)), None);
    assert!((7..=10).contains(&asked), "{asked}");
    sntp.restart(&mut guest.stack, at(7_200_000));
    sntp.poll(&mut guest.stack, "time.example", None, || 7, at(7_200_000));
    assert_eq!(sntp.unix_seconds(at(7_200_000)), None, "without a name server");
}

#[test]
fn the_time_of_whoever_was_not_asked_is_not_taken() {
    let (mut own, mut guest) = pair();
    guest.stack.set_address(Some((Ipv4Addr::new(192, 168, 4, 2), 24, None)));
    let server = super::udp::Udp::bind(&mut own.stack, 123).unwrap();
    let other = super::udp::Udp::bind(&mut own.stack, 999).unwrap();
    let mut sntp = Sntp::new(&mut guest.stack).unwrap();
    let mut answers = 0;
    for millis in 0..4_000 {
        guest.poll(at(millis));
        own.poll(at(millis));
        let mut asked = None;
        server.answer(&mut own.stack, |question, from, _| {
            asked = Some((<[u8; 48]>::try_from(question).unwrap(), from));
            None
        });
        if let Some((mut message, from)) = asked {
            message.copy_within(40..48, 24);
            message[..2].copy_from_slice(&[0x24, 1]);
            other.send(&mut own.stack, &message, from);
            answers += 1;
        }
        sntp.poll(&mut guest.stack, "192.168.4.1", None, || 7, at(millis));
    }
    assert_eq!((answers, sntp.unix_seconds(at(4_000))), (1, None));
}

#[test]
fn connections_of_an_address_that_is_gone_end() {
    use smoltcp::socket::tcp;
    let (mut own, mut guest) = pair();
    guest.stack.set_address(Some((Ipv4Addr::new(192, 168, 4, 2), 24, None)));
    own.stack.listen(Some(1883));
    let buffer = || tcp::SocketBuffer::new(std::vec![0; 64]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    let (interface, sockets) = guest.stack.parts();
    socket.connect(interface.context(), (OWN, 1883), 50_000).unwrap();
    sockets.add(socket);
    let mut open_at = Vec::new();
    for millis in 0..3_000 {
        if millis == 1_000 {
            own.stack.set_address(Some((OWN, 24, None)));
        }
        if millis == 2_000 {
            own.stack.set_address(Some((Ipv4Addr::new(192, 168, 4, 77), 24, None)));
        }
        guest.poll(at(millis));
        own.poll(at(millis));
        let (_, sockets) = own.stack.parts();
        let open = sockets.iter().filter(|(_, socket)| match socket {
            smoltcp::socket::Socket::Tcp(socket) => socket.state() == tcp::State::Established,
            _ => false,
        });
        open_at.push(open.count());
    }
    assert_eq!((open_at[999], open_at[1_999], open_at[2_999]), (1, 1, 0));
}
