//! The network of the board in Espressif's emulator: Ethernet and an address by DHCP.

use alloc::rc::Rc;
use core::net::Ipv4Addr;

use esp_hal::rng::Rng;
use obkmq_net::services::{DhcpClient, Sntp};
use obkmq_net::{NoMemory, Setup, Stack};
use obkmq_node::{Board, Credentials, Instant, Node, Radio, WifiLink};

use crate::board::Clock;
use crate::limits;
use crate::openeth::OpenEthernet;

/// The address that the emulator's machine has.
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

/// The radio that is not there.
pub(crate) enum NoRadio {}

impl Radio for NoRadio {
    fn poll(&mut self, _now: Instant) -> Option<Instant> {
        match *self {}
    }
    fn join(&mut self, _network: Option<Credentials<'_>>) {
        match *self {}
    }
    fn link(&self) -> WifiLink {
        match *self {}
    }
    fn scan(&mut self) {
        match *self {}
    }
    fn is_scanning(&self) -> bool {
        match *self {}
    }
    fn networks(&self) -> &[obkmq_node::Network] {
        match *self {}
    }
}

/// The network.
pub(crate) struct Network {
    device: OpenEthernet,
    stack: Stack,
    dhcp: DhcpClient,
    sntp: Sntp,
    name_server: Option<Ipv4Addr>,
    clock: Clock,
    random: Rng,
}

impl Network {
    /// A network that listens to nothing yet. To be made once.
    pub(crate) fn new(random: Rng, now: Instant) -> Result<Self, NoMemory> {
        let mut device = OpenEthernet::new(MAC).ok_or(NoMemory)?;
        let setup = Setup {
            mac: MAC,
            address: Ipv4Addr::UNSPECIFIED,
            prefix_bits: 0,
            gateway: None,
            seed: random_number(random),
            capacities: limits::SOCKETS,
        };
        let mut stack = Stack::new(setup, &mut device, now)?;
        let mut dhcp = DhcpClient::default();
        dhcp.start(&mut stack);
        let sntp = Sntp::new(&mut stack).ok_or(NoMemory)?;
        Ok(Self { device, stack, dhcp, sntp, name_server: None, clock: Clock::default(), random })
    }

    /// Where the time is to be found.
    pub(crate) fn clock(&self) -> Clock {
        Rc::clone(&self.clock)
    }

    /// From now on accepts connections on this port, or on none.
    pub(crate) fn listen(&mut self, port: Option<u16>) {
        self.stack.listen(port);
    }

    /// Takes what has been received, in a bounded turn, and gives it to the node.
    pub(crate) fn receive<B: Board>(&mut self, now: Instant, node: &mut Node<B>) {
        self.stack.receive(now, &mut self.device, node);
        if let Some(change) = self.dhcp.poll(&mut self.stack) {
            self.name_server = change.and_then(|lease| lease.name_server.or(lease.router));
            self.sntp.restart(&mut self.stack, now);
        }
        if let (Some(server), Some(_)) = (node.settings().sntp_server(), self.name_server) {
            let Self { sntp, stack, random, name_server, .. } = self;
            sntp.poll(stack, server, *name_server, || random_number(*random), now);
        }
        self.clock.set(self.sntp.unix_seconds(now));
    }

    /// Does what the node wants, in a bounded turn, and sends.
    pub(crate) fn send<B: Board>(&mut self, now: Instant, node: &mut Node<B>) {
        self.stack.send(now, &mut self.device, node);
    }
}

fn random_number(random: Rng) -> u64 {
    let mut bytes = [0; 8];
    random.read(&mut bytes);
    u64::from_le_bytes(bytes)
}
