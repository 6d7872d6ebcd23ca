//! A node with its stack, devices that are its clients, and the time.

use std::net::Ipv4Addr;

use obkmq_net::smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use obkmq_net::smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use obkmq_net::smoltcp::time::Instant as StackInstant;
use obkmq_net::smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use obkmq_net::{Capacities, Setup, Stack};
use obkmq_node::{Action, Instant, Limits, Node};

use crate::board::{TestBoard, identity, regions};
use crate::heap;
use crate::packets::{self, CONNACK};
use crate::wire::{Frame, Port};

/// A board's, in size.
pub(crate) const SOCKETS: Capacities = Capacities { sockets: 38, receive_bytes: 512, send_bytes: 512 };
/// Links that these carry.
pub(crate) const LINKS: usize = SOCKETS.sockets - Capacities::BESIDE_CONNECTIONS;

const NODE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
const PORT: u16 = 1883;

/// In simulated time, what a test waits for at most.
const PATIENCE_MS: u64 = 120_000;
/// Turns without time passing: more is a loop that never ends.
const TURNS: u32 = 100_000;

/// A device with one connection at a time.
pub(crate) struct Host {
    mac: EthernetAddress,
    port: Port,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    local_port: u16,
    /// What the broker has sent and nobody has taken yet.
    received: Vec<u8>,
    /// Out of reach: nothing comes in or out.
    pub(crate) is_cut: bool,
    /// It takes what arrives; otherwise its window closes.
    reads: bool,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    limits: Limits,
    node: Node<TestBoard>,
    stack: Stack,
    port: Port,
    pub(crate) hosts: Vec<Host>,
    /// Says which frames are lost.
    pub(crate) loses: Box<dyn FnMut(&Frame) -> bool>,
    /// What worlds before this one have left in this thread's count.
    held_before: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits { max_links: u32::try_from(LINKS).unwrap(), ..Limits::for_chip(30 * 1024) })
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let now = Instant::from_millis(1);
        let held_before = heap::held().bytes;
        let mut port = Port::default();
        let (node, stack) = boot(limits, &mut port, now);
        let mut world = Self {
            now,
            limits,
            node,
            stack,
            port,
            hosts: Vec::new(),
            loses: Box::new(|_| false),
            held_before,
        };
        world.run_ms(10);
        world
    }

    /// The board starts again, and nobody is told.
    pub(crate) fn restart(&mut self) {
        let (node, stack) = boot(self.limits, &mut self.port, self.now);
        heap::inside(|| {
            drop((core::mem::replace(&mut self.node, node), core::mem::replace(&mut self.stack, stack)))
        });
        self.run_ms(10);
    }

    /// What node and stack hold of the heap, in bytes.
    pub(crate) fn held(&self) -> usize {
        heap::held().bytes - self.held_before
    }

    /// Adds a device that has not connected.
    pub(crate) fn host(&mut self) -> usize {
        let number = u8::try_from(self.hosts.len() + 10).unwrap();
        let mac = EthernetAddress([2, 0, 0, 0, 1, number]);
        let mut port = Port::default();
        let mut config = Config::new(mac.into());
        config.random_seed = number.into();
        let mut interface = Interface::new(config, &mut port, stack_time(self.now));
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::v4(192, 168, 1, number), 24)).unwrap();
        });
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(client_socket());
        self.hosts.push(Host {
            mac,
            port,
            interface,
            sockets,
            socket,
            local_port: 40_000,
            received: Vec::new(),
            is_cut: false,
            reads: true,
        });
        self.hosts.len() - 1
    }

    /// Begins a new TCP connection, whatever has become of the one before.
    pub(crate) fn knock(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        host.sockets.remove(host.socket);
        host.socket = host.sockets.add(client_socket());
        host.local_port += 1;
        host.received.clear();
        let socket = host.sockets.get_mut::<Socket<'_>>(host.socket);
        socket.connect(host.interface.context(), (NODE_ADDRESS, PORT), host.local_port).unwrap();
    }

    /// A new device that has connected with a clean session.
    pub(crate) fn join(&mut self, keep_alive_s: u16, will: Option<&str>) -> usize {
        let host = self.host();
        self.rejoin(host, keep_alive_s, will);
        host
    }

    /// A device connects anew.
    pub(crate) fn rejoin(&mut self, host: usize, keep_alive_s: u16, will: Option<&str>) {
        self.knock(host);
        self.send(host, &packets::connect(&format!("host-{host}"), keep_alive_s, will));
        self.expect(host, &CONNACK);
    }

    /// Puts bytes into the device's socket, as soon as it takes them.
    pub(crate) fn send(&mut self, host: usize, mut bytes: &[u8]) {
        self.run_until(|world| {
            let host = &mut world.hosts[host];
            let socket = host.sockets.get_mut::<Socket<'_>>(host.socket);
            if socket.can_send() {
                let sent = socket.send_slice(bytes).unwrap();
                bytes = &bytes[sent..];
            }
            bytes.is_empty()
        });
    }

    /// Waits until the device has received as much, and compares it.
    #[track_caller]
    pub(crate) fn expect(&mut self, host: usize, bytes: &[u8]) {
        self.run_until(|world| world.hosts[host].received.len() >= bytes.len());
        let rest = self.hosts[host].received.split_off(bytes.len());
        assert_eq!(self.hosts[host].received, bytes, "host {host}");
        self.hosts[host].received = rest;
    }

    /// What a device has received that nobody has taken.
    pub(crate) fn received(&self, host: usize) -> &[u8] {
        &self.hosts[host].received
    }

    /// The packet identifier of the PUBLISH that the device receives next, on a topic of one letter.
    pub(crate) fn identifier(&mut self, host: usize) -> u16 {
        self.run_until(|world| world.hosts[host].received.len() >= 7);
        let received = &self.hosts[host].received;
        u16::from_be_bytes([received[5], received[6]])
    }

    /// What arrives at a device is not taken from its socket any more, so that its window closes.
    pub(crate) fn stop_reading(&mut self, host: usize) {
        self.hosts[host].reads = false;
    }

    /// The state of a device's socket.
    pub(crate) fn state(&self, host: usize) -> State {
        let host = &self.hosts[host];
        host.sockets.get::<Socket<'_>>(host.socket).state()
    }

    /// A device ends its connection in good order.
    pub(crate) fn close(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        host.sockets.get_mut::<Socket<'_>>(host.socket).close();
    }

    /// A device ends its connection with a RST.
    pub(crate) fn abort(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        host.sockets.get_mut::<Socket<'_>>(host.socket).abort();
    }

    /// Lets time pass.
    pub(crate) fn run_ms(&mut self, millis: u64) {
        let end = self.now.saturating_add_millis(millis);
        self.run(end, |_| false);
    }

    /// Lets time pass until something is so.
    #[track_caller]
    pub(crate) fn run_until(&mut self, is_so: impl FnMut(&mut Self) -> bool) {
        let end = self.now.saturating_add_millis(PATIENCE_MS);
        assert!(self.run(end, is_so), "it did not come about within {PATIENCE_MS} ms");
    }

    fn run(&mut self, end: Instant, mut is_so: impl FnMut(&mut Self) -> bool) -> bool {
        let mut turns = 0;
        loop {
            if is_so(self) {
                return true;
            }
            match self.turn() {
                Some(due) if due <= self.now => {
                    turns += 1;
                    assert!(turns < TURNS, "time stands still");
                }
                due => {
                    turns = 0;
                    self.now = due.map_or(end, |due| due.min(end));
                    if self.now >= end {
                        self.turn();
                        return is_so(self);
                    }
                }
            }
        }
    }

    /// Everybody's turn once; when the next is due.
    fn turn(&mut self) -> Option<Instant> {
        let mut due = [heap::inside(|| self.node_turn()), None];
        if !self.port.arrived.is_empty() {
            due[0] = Some(self.now);
        }
        let mut frames = Vec::new();
        frames.extend(self.port.sent.drain(..).map(|bytes| Frame { from_node: true, bytes }));
        for host in &mut self.hosts {
            due[1] = [due[1], host.turn(self.now)].into_iter().flatten().min();
            let sent = host.port.sent.drain(..).map(|bytes| Frame { from_node: false, bytes });
            // What it could not send while it was out of reach is gone.
            frames.extend(sent.filter(|_| !host.is_cut));
        }
        for frame in frames.into_iter().filter(|frame| !(self.loses)(frame)) {
            let destination = frame.destination();
            if !frame.from_node {
                self.port.arrived.push_back(frame.bytes);
                due[0] = Some(self.now);
                continue;
            }
            for host in self.hosts.iter_mut().filter(|host| !host.is_cut) {
                if destination == host.mac || destination.is_broadcast() {
                    host.port.arrived.push_back(frame.bytes.clone());
                    due[0] = Some(self.now);
                }
            }
        }
        due.into_iter().flatten().min()
    }

    fn node_turn(&mut self) -> Option<Instant> {
        let now = self.now;
        self.stack.receive(now, &mut self.port, &mut self.node);
        let node_due = self.node.poll(now);
        while let Some(action) = self.node.next_action() {
            match action {
                Action::Listen { .. } => self.stack.listen(Some(PORT)),
                Action::StopListening => self.stack.listen(None),
                Action::Reboot => panic!("nobody asked for a reset"),
            }
        }
        let stack_due = self.stack.send(now, &mut self.port, &mut self.node);
        let said = self.node.console_output().len();
        self.node.console_written(said);
        [node_due, stack_due].into_iter().flatten().min()
    }
}

impl Host {
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        let now = stack_time(now);
        self.interface.poll(now, &mut self.port, &mut self.sockets);
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        while self.reads && socket.can_recv() {
            let received = &mut self.received;
            socket
                .recv(|bytes| {
                    received.extend_from_slice(bytes);
                    (bytes.len(), ())
                })
                .unwrap();
        }
        let due = self.interface.poll_at(now, &self.sockets)?;
        Some(Instant::from_micros(due.total_micros().try_into().unwrap()))
    }
}

fn boot(limits: Limits, port: &mut Port, now: Instant) -> (Node<TestBoard>, Stack) {
    let setup = Setup {
        mac: NODE_MAC,
        address: NODE_ADDRESS,
        prefix_bits: 24,
        gateway: None,
        seed: 1,
        capacities: SOCKETS,
    };
    heap::inside(|| {
        let board = heap::outside(TestBoard::new);
        let node = Node::boot(board, identity(limits), regions(), now);
        (node, Stack::new(setup, port, now).unwrap())
    })
}

fn client_socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; 8192]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket.set_ack_delay(None);
    socket
}

pub(crate) fn stack_time(now: Instant) -> StackInstant {
    StackInstant::from_micros(i64::try_from(now.as_micros()).unwrap())
}
