//! The board's networks and what belongs to them: addresses, connections, names, the time.

use alloc::rc::Rc;
use core::net::Ipv4Addr;

use esp_hal::rng::Rng;
use esp_radio::wifi::Interface;
use obkmq_net::services::{CaptiveNames, DhcpClient, DhcpServer, Host, Mdns, Offer, Service, Sntp};
use obkmq_net::{Capacities, NoMemory, Setup, Stack};
use obkmq_node::{Board, Instant, Node, StaticAddress};

use crate::board::Clock;
use crate::limits;
use crate::wifi::limits::OWN_ADDRESS;
use crate::wifi::{SharedAir, WifiDevice};

/// A network device and its stack.
struct Face {
    device: WifiDevice,
    stack: Stack,
}

impl Face {
    fn new(
        interface: Interface,
        (address, prefix_bits): (Ipv4Addr, u8),
        capacities: Capacities,
        random: Rng,
        now: Instant,
    ) -> Result<Self, NoMemory> {
        let mut device = WifiDevice::new(interface);
        let seed = random_number(random);
        let setup = Setup { mac: device.mac(), address, prefix_bits, gateway: None, seed, capacities };
        let stack = Stack::new(setup, &mut device, now)?;
        Ok(Self { device, stack })
    }
}

/// The network that was joined, and the board's own.
pub(crate) struct Network {
    air: SharedAir,
    clock: Clock,
    random: Rng,
    station: Face,
    dhcp: DhcpClient,
    /// What the station's address was asked for: the association, and the address that is set.
    asked_for: Option<(u32, Option<StaticAddress>)>,
    name_server: Option<Ipv4Addr>,
    mdns: Mdns,
    sntp: Sntp,
    own: Face,
    leases: DhcpServer,
    names: CaptiveNames,
}

impl Network {
    /// Both networks, which listen to nothing yet. `random` makes sequence numbers hard to guess.
    pub(crate) fn new(air: &SharedAir, random: Rng, now: Instant) -> Result<Self, NoMemory> {
        let nowhere = (Ipv4Addr::UNSPECIFIED, 0);
        let mut station = Face::new(Interface::station(), nowhere, limits::SOCKETS, random, now)?;
        let (address, capacities) = (OWN_ADDRESS, limits::OWN_SOCKETS);
        let mut own = Face::new(Interface::access_point(), address, capacities, random, now)?;
        Ok(Self {
            air: Rc::clone(air),
            clock: Clock::default(),
            random,
            dhcp: DhcpClient::default(),
            asked_for: None,
            name_server: None,
            mdns: Mdns::new(&mut station.stack).ok_or(NoMemory)?,
            sntp: Sntp::new(&mut station.stack).ok_or(NoMemory)?,
            station,
            leases: DhcpServer::new(&mut own.stack).ok_or(NoMemory)?,
            names: CaptiveNames::new(&mut own.stack).ok_or(NoMemory)?,
            own,
        })
    }

    /// Where the time is to be found.
    pub(crate) fn clock(&self) -> Clock {
        Rc::clone(&self.clock)
    }

    /// From now on accepts connections on this port, or on none.
    pub(crate) fn listen(&mut self, port: Option<u16>) {
        self.station.stack.listen(port);
        self.own.stack.listen(port);
    }

    /// Takes what has been received, in a bounded turn, and gives it to the node.
    pub(crate) fn receive<B: Board>(&mut self, now: Instant, node: &mut Node<B>) {
        self.station.stack.receive(now, &mut self.station.device, node);
        self.follow_address(now);
        self.serve_names(now, node);
        self.ask_for_time(now, node);
        if self.air.is_own_open() {
            self.own.stack.receive(now, &mut self.own.device, node);
            let (own, prefix_bits) = OWN_ADDRESS;
            self.leases.poll(&mut self.own.stack, &Offer { own, prefix_bits, page: None }, now);
            self.names.poll(&mut self.own.stack, own);
        }
    }

    /// Does what the node wants, in a bounded turn, and sends.
    pub(crate) fn send<B: Board>(&mut self, now: Instant, node: &mut Node<B>) {
        Stack::heed(&mut [&mut self.station.stack, &mut self.own.stack], now, node);
        self.station.stack.transmit(now, &mut self.station.device);
        if self.air.is_own_open() {
            self.own.stack.transmit(now, &mut self.own.device);
        }
    }

    /// Asks each network that was joined for an address, unless that is set.
    fn follow_address(&mut self, now: Instant) {
        let stack = &mut self.station.stack;
        let static_address = self.air.static_address();
        let wanted = self.air.association().map(|association| (association, static_address));
        if wanted != self.asked_for {
            self.asked_for = wanted;
            match (wanted, static_address) {
                (None, _) => self.dhcp.stop(stack),
                (Some(_), None) => self.dhcp.start(stack),
                (Some(_), Some(StaticAddress { address, prefix_bits, gateway, name_server })) => {
                    self.dhcp.forget(stack);
                    stack.set_address(Some((address, prefix_bits, gateway)));
                    self.name_server = name_server.or(gateway);
                    self.sntp.restart(stack, now);
                    self.air.addressed(Some(address));
                }
            }
        }
        if let Some(change) = self.dhcp.poll(stack) {
            self.name_server = change.and_then(|lease| lease.name_server.or(lease.router));
            self.sntp.restart(stack, now);
            self.air.addressed(change.map(|lease| lease.address));
        }
    }

    fn serve_names<B: Board>(&mut self, now: Instant, node: &Node<B>) {
        let Some(address) = self.air.address() else { return };
        let services = [Service { kind: "_mqtt", port: node.settings().mqtt_port() }];
        let host = Host { name: node.settings().hostname(), address, services: &services };
        self.mdns.poll(&mut self.station.stack, &host, now);
    }

    fn ask_for_time<B: Board>(&mut self, now: Instant, node: &Node<B>) {
        if let Some(server) = node.settings().sntp_server().filter(|_| self.air.address().is_some()) {
            let Self { sntp, station, random, name_server, .. } = self;
            sntp.poll(&mut station.stack, server, *name_server, || random_number(*random), now);
        }
        self.clock.set(self.sntp.unix_seconds(now));
    }
}

fn random_number(random: Rng) -> u64 {
    let mut bytes = [0; 8];
    random.read(&mut bytes);
    u64::from_le_bytes(bytes)
}
