//! The sockets and the node, brought together in turns.

use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddr};

use obkmq_node::{Board, Instant, Node, Want};
use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketSet, SocketStorage};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as StackInstant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Cidr};

use crate::limits::{
    Capacities, DRAIN_MS, FILLS_PER_TURN, FRAMES_PER_TURN, HALF_OPEN_MS, HALF_OPEN_PART, KEEP_ALIVE,
    PEER_TIMEOUT, READS_PER_TURN, SENDS_PER_TURN, SERVICE_SOCKETS, WANTS_PER_TURN,
};
use crate::neighbors::Watched;
use crate::place::{Phase, Place};

/// Who the board is in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Ethernet (or Wi-Fi) address.
    pub mac: [u8; 6],
    /// IPv4 address; unspecified (0.0.0.0) until [`Stack::set_address`] says which.
    pub address: Ipv4Addr,
    /// Bits of `address` that name the network, 0 to 32.
    pub prefix_bits: u8,
    /// The router to other networks.
    pub gateway: Option<Ipv4Addr>,
    /// Random: sequence numbers come from it.
    pub seed: u64,
    /// What the sockets may use.
    pub capacities: Capacities,
}

/// There is no memory for the table of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl fmt::Display for NoMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no memory for the table of sockets")
    }
}

impl core::error::Error for NoMemory {}

/// The network: see the [crate's documentation](crate).
pub struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    /// As many as there are sockets; its capacity is that of the table.
    places: Vec<Place>,
    capacities: Capacities,
    port: Option<u16>,
}

impl Stack {
    /// A network that does not listen yet.
    pub fn new(setup: Setup, device: &mut impl Device, now: Instant) -> Result<Self, NoMemory> {
        let Setup { mac, address, prefix_bits, gateway, seed, capacities } = setup;
        let mut storage = Vec::new();
        let sockets = capacities.sockets.saturating_add(SERVICE_SOCKETS);
        storage.try_reserve_exact(sockets).map_err(|_| NoMemory)?;
        storage.resize_with(sockets, || SocketStorage::EMPTY);
        let mut places = Vec::new();
        places.try_reserve_exact(capacities.sockets).map_err(|_| NoMemory)?;

        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = seed;
        let interface = Interface::new(config, device, stack_time(now));
        let mut stack = Self { interface, sockets: SocketSet::new(storage), places, capacities, port: None };
        stack.set_address((!address.is_unspecified()).then_some((address, prefix_bits, gateway)));
        Ok(stack)
    }

    /// Has another address from now on, with the bits of it that name the network and the router, or none. Connections of
    /// the former address end in the next turn, which smoltcp sees to; nothing can be sent from there any more, so their
    /// peers find out by themselves.
    pub fn set_address(&mut self, address: Option<(Ipv4Addr, u8, Option<Ipv4Addr>)>) {
        // Both lists have room for one entry at least.
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            if let Some((address, prefix_bits, _)) = address {
                let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(address, prefix_bits.min(32))));
            }
        });
        self.interface.routes_mut().remove_default_ipv4_route();
        if let Some((_, _, Some(gateway))) = address {
            let _ = self.interface.routes_mut().add_default_ipv4_route(gateway);
        }
    }

    /// What the services work on: their sockets stand beside those of connections.
    #[cfg(feature = "services")]
    pub(crate) fn parts(&mut self) -> (&mut Interface, &mut SocketSet<'static>) {
        (&mut self.interface, &mut self.sockets)
    }

    /// From now on accepts connections on this port and on no other; `None`: on none. Connections that are there stay.
    pub fn listen(&mut self, port: Option<u16>) {
        if self.port == port {
            return;
        }
        self.port = port;
        if let Some(at) = self.places.iter().position(|place| place.phase == Phase::Listening) {
            self.remove(at);
        }
        self.provide_listener();
    }

    /// Takes what the device has received, in a bounded turn, and gives it to the node.
    pub fn receive<B: Board>(&mut self, now: Instant, device: &mut impl Device, node: &mut Node<B>) {
        self.provide_listener();
        let mut device = Watched { device, newcomer: None, is_crowded: false };
        for _ in 0..FRAMES_PER_TURN {
            device.is_crowded = self.is_crowded();
            match self.interface.poll_ingress_single(stack_time(now), &mut device, &mut self.sockets) {
                PollIngressSingleResult::None => break,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => self.replace_listener(now),
            }
            if let Some(newcomer) = device.newcomer.take() {
                let mut introduction = newcomer.introduction();
                self.interface.poll_ingress_single(stack_time(now), &mut introduction, &mut self.sockets);
            }
        }
        // Backwards, because the last one takes the place of one that is removed.
        for at in (0..self.places.len()).rev() {
            self.serve(at, now, node);
        }
    }

    /// Does what the node wants, in a bounded turn, and sends. Answers when to call [`Stack::receive`] again at the
    /// latest; the device may have something before.
    ///
    /// A board with several networks calls [`Stack::heed`] and [`Stack::transmit`] instead.
    pub fn send<B: Board>(
        &mut self,
        now: Instant,
        device: &mut impl Device,
        node: &mut Node<B>,
    ) -> Option<Instant> {
        let due = (!Self::heed(&mut [self], now, node)).then_some(now);
        due.into_iter().chain(self.transmit(now, device)).min()
    }

    /// Does what the node wants of the links of all its networks, in a bounded turn; `false` if that may have moved its
    /// deadlines, or if there is more to do.
    pub fn heed<B: Board>(stacks: &mut [&mut Self], now: Instant, node: &mut Node<B>) -> bool {
        let mut settled = true;
        for _ in 0..WANTS_PER_TURN {
            let Some((link, want)) = node.next_want() else { return settled };
            settled &= want == Want::Write;
            let place = |stack: &&mut Self| stack.places.iter().position(|place| place.carries(link));
            let found = stacks.iter_mut().find_map(|stack| place(stack).map(|at| (at, stack)));
            let Some((at, stack)) = found else { continue };
            match want {
                Want::Write => {
                    stack.note(at, |_, has_output| *has_output = true);
                    stack.fill(at, now, node);
                }
                Want::Read => {
                    stack.note(at, |paused, _| *paused = false);
                    stack.serve(at, now, node);
                }
                Want::Close => stack.end(at, now, node),
            }
        }
        false
    }

    /// Sends what there is to send, in a bounded turn. Answers as [`Stack::send`].
    pub fn transmit(&mut self, now: Instant, device: &mut impl Device) -> Option<Instant> {
        let mut due = None;
        let mut sent_all = false;
        for _ in 0..SENDS_PER_TURN {
            if self.interface.poll_egress(stack_time(now), device, &mut self.sockets) == PollResult::None {
                sent_all = true;
                break;
            }
        }
        if !sent_all {
            due = Some(now);
        }
        let stack_due = self.interface.poll_at(stack_time(now), &self.sockets);
        let stack_due = stack_due.map(|at| Instant::from_micros(at.total_micros().try_into().unwrap_or(0)));
        let dropped = self.places.iter().filter_map(Place::until).min();
        [due, stack_due, dropped].into_iter().flatten().min()
    }

    fn note(&mut self, at: usize, change: impl FnOnce(&mut bool, &mut bool)) {
        if let Some(Place { phase: Phase::Open { paused, has_output, .. }, .. }) = self.places.get_mut(at) {
            change(paused, has_output);
        }
    }

    /// Follows what has become of a socket, and moves bytes both ways.
    fn serve<B: Board>(&mut self, at: usize, now: Instant, node: &mut Node<B>) {
        let Some(&Place { handle, phase }) = self.places.get(at) else { return };
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        match phase {
            Phase::Listening => {}
            Phase::HalfOpen { until } => match socket.state() {
                // The peer took it back, or somebody else opened it in its name.
                State::Listen | State::Closed => self.remove(at),
                State::SynReceived if now >= until => self.remove(at),
                State::SynReceived => {}
                _ => self.open(at, now, node),
            },
            Phase::Open { .. } => {
                self.read(at, now, node);
                self.fill(at, now, node);
            }
            Phase::Ended { until } => {
                while socket.recv(|bytes| (bytes.len(), bytes.len())).is_ok_and(|count| count > 0) {}
                // Without an endpoint there is nothing left to be told to the peer.
                let is_over = socket.state() == State::Closed && socket.remote_endpoint().is_none();
                let is_quiet = matches!(socket.state(), State::Closed | State::TimeWait);
                if is_over || now >= until && is_quiet {
                    self.remove(at);
                } else if now >= until {
                    // It has not taken the last bytes, or not ended its side: then it has to learn that it is over.
                    socket.abort();
                }
            }
        }
    }

    /// The handshake is over: the node has a new link, if it wants one.
    fn open<B: Board>(&mut self, at: usize, now: Instant, node: &mut Node<B>) {
        let Some(place) = self.places.get_mut(at) else { return };
        let socket = self.sockets.get_mut::<Socket<'_>>(place.handle);
        let Some(peer) = socket.remote_endpoint() else { return self.remove(at) };
        match node.opened(now, SocketAddr::new(peer.addr.into(), peer.port)) {
            Ok(link) => {
                socket.set_keep_alive(Some(KEEP_ALIVE));
                socket.set_timeout(Some(PEER_TIMEOUT));
                place.phase = Phase::Open { link, paused: false, has_output: false };
                self.serve(at, now, node);
            }
            Err(_) => {
                socket.close();
                place.phase = Phase::Ended { until: now.saturating_add_millis(DRAIN_MS) };
            }
        }
    }

    fn read<B: Board>(&mut self, at: usize, now: Instant, node: &mut Node<B>) {
        let Some(place) = self.places.get_mut(at) else { return };
        let Phase::Open { link, paused, .. } = &mut place.phase else { return };
        let link = *link;
        let socket = self.sockets.get_mut::<Socket<'_>>(place.handle);
        for _ in 0..READS_PER_TURN {
            if *paused || !socket.can_recv() {
                break;
            }
            let received = socket.recv(|bytes| {
                let taken = node.receive(now, link, bytes).min(bytes.len());
                (taken, taken == bytes.len())
            });
            *paused |= received == Ok(false);
        }
        let has_ended = match socket.state() {
            State::Closed => true,
            // The peer will send no more. What it sent before may still wait for the node.
            State::CloseWait => !socket.can_recv(),
            _ => false,
        };
        if has_ended {
            self.end(at, now, node);
        }
    }

    fn fill<B: Board>(&mut self, at: usize, now: Instant, node: &mut Node<B>) {
        let Some(place) = self.places.get_mut(at) else { return };
        let Phase::Open { link, has_output, .. } = &mut place.phase else { return };
        let link = *link;
        let socket = self.sockets.get_mut::<Socket<'_>>(place.handle);
        for _ in 0..FILLS_PER_TURN {
            if !*has_output || !socket.can_send() {
                break;
            }
            let filled = socket.send(|room| {
                let filled = node.fill(link, room).min(room.len());
                (filled, (filled, filled == room.len()))
            });
            let Ok((filled, to_the_brim)) = filled else { break };
            // Before the node is told: what that brings up it says anew.
            *has_output = to_the_brim;
            if filled > 0 {
                node.sent(now, link, filled);
            }
        }
    }

    /// The link is over, by whoever's will. What was written is still sent, and then the end.
    fn end<B: Board>(&mut self, at: usize, now: Instant, node: &mut Node<B>) {
        let Some(place) = self.places.get_mut(at) else { return };
        let Phase::Open { link, .. } = place.phase else { return };
        node.closed(now, link);
        let socket = self.sockets.get_mut::<Socket<'_>>(place.handle);
        socket.close();
        place.phase = Phase::Ended { until: now.saturating_add_millis(DRAIN_MS) };
    }

    /// A listener that somebody has knocked at is one no more, and another one is needed.
    fn replace_listener(&mut self, now: Instant) {
        let Some(place) = self.places.iter_mut().find(|place| place.phase == Phase::Listening) else {
            return;
        };
        if !self.sockets.get::<Socket<'_>>(place.handle).is_listening() {
            place.phase = Phase::HalfOpen { until: now.saturating_add_millis(HALF_OPEN_MS) };
            self.provide_listener();
        }
    }

    /// Makes a socket listen, if none does and there is a place and memory for it.
    fn provide_listener(&mut self) {
        let Some(port) = self.port else { return };
        if self.is_crowded() || self.places.iter().any(|place| place.phase == Phase::Listening) {
            return;
        }
        let has_place = self.places.len() < self.capacities.sockets || self.evict_ended();
        if !has_place {
            return;
        }
        let mut buffers = self.buffers();
        if buffers.is_none() && self.evict_ended() {
            buffers = self.buffers();
        }
        let Some((receive, send)) = buffers else { return };
        let mut socket = Socket::new(receive, send);
        // Small packets must not wait for acknowledgements of earlier ones.
        socket.set_nagle_enabled(false);
        if socket.listen(port).is_ok() {
            // There is a vacant place in both lists, so that neither grows.
            self.places.push(Place { handle: self.sockets.add(socket), phase: Phase::Listening });
        }
    }

    /// Whether nobody more may be half-open.
    fn is_crowded(&self) -> bool {
        let is_half_open = |place: &&Place| matches!(place.phase, Phase::HalfOpen { .. });
        self.places.iter().filter(is_half_open).count() >= self.capacities.sockets / HALF_OPEN_PART
    }

    fn buffers(&self) -> Option<(SocketBuffer<'static>, SocketBuffer<'static>)> {
        let receive = buffer(self.capacities.receive_bytes)?;
        Some((receive, buffer(self.capacities.send_bytes)?))
    }

    /// Drops the connection that has ended first; `false` if there is none.
    fn evict_ended(&mut self) -> bool {
        let ended = self.places.iter().enumerate().filter_map(|(at, place)| match place.phase {
            Phase::Ended { until } => Some((until, at)),
            _ => None,
        });
        let Some((_, at)) = ended.min() else { return false };
        self.remove(at);
        true
    }

    /// Frees a socket and its buffers without another word to its peer, who gets a RST if it still sends something.
    fn remove(&mut self, at: usize) {
        if at < self.places.len() {
            let place = self.places.swap_remove(at);
            drop(self.sockets.remove(place.handle));
        }
    }
}

fn buffer(bytes: usize) -> Option<SocketBuffer<'static>> {
    let mut storage = Vec::new();
    storage.try_reserve_exact(bytes).ok()?;
    storage.resize(bytes, 0);
    Some(SocketBuffer::new(storage))
}

pub(crate) fn stack_time(now: Instant) -> StackInstant {
    StackInstant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}
