//! An allocator that fails: whichever allocation of the broker it is, in a life with clients of all versions, nobody
//! panics, nothing leaks, and every stream stays well formed.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    clippy::cast_possible_truncation,
    reason = "a test may fail, and the network is made for others"
)]

mod heap;
#[path = "behaviour/network.rs"]
mod network;

use std::num::{NonZeroU16, NonZeroU32};

use heap::{Failing, Held, allocations, fail, held, inside};
use network::{
    connect_fields, encode_as, everybody, id, login, policy, properties, publish_fields, subscription, will,
};
use obkmq_broker::{
    Attempt, Broker, Change, Instant, LinkId, Peer, Progress, QoS, Statistics, UserId, Verdict, Verifier,
    Version, Want,
};
use obkmq_mqtt::{
    Ack, AckKind, Connect, Count, Disconnect, FixedHeader, HeaderProgress, Packet, PingReq, Properties,
    Property, PropertyOwner, Publish, ReasonCode, Subscribe, Subscription, Subscriptions, TopicFilter,
    Unsubscribe, Will,
};

const CLIENTS: usize = 20;

/// Lets `alice` in, after a slice of work. What it remembers takes no memory.
#[derive(Debug, Default)]
struct Gate {
    is_done: bool,
    is_working: bool,
}

impl Verifier for Gate {
    fn judge(&mut self, _now: Instant, attempt: &Attempt<'_>) -> Verdict {
        if !self.is_done {
            self.is_working = true;
            return Verdict::Pending;
        }
        if attempt.user == "alice" { Verdict::Accepted(UserId(1)) } else { Verdict::Refused }
    }

    fn work(&mut self, _now: Instant) -> Progress {
        if !core::mem::take(&mut self.is_working) {
            return Progress::Idle;
        }
        self.is_done = true;
        Progress::Finished
    }
}

/// The far end of a link.
#[derive(Debug)]
struct End {
    link: Option<LinkId>,
    version: Version,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    is_paused: bool,
    is_writing: bool,
    /// Takes nothing, or does not answer.
    is_blocked: bool,
    is_silent: bool,
}

struct World {
    broker: Broker<Gate>,
    now: Instant,
    ends: Vec<End>,
}

fn version(number: usize) -> Version {
    [Version::V3_1, Version::V3_1_1, Version::V5][number % 3]
}

fn of_v5(version: Version, bytes: &[u8], owner: PropertyOwner) -> Properties<'_> {
    if version == Version::V5 { Properties::new(bytes, owner).unwrap() } else { Properties::EMPTY }
}

impl World {
    fn new() -> Self {
        let mut policy = policy();
        policy.sys_interval_seconds = 7;
        policy.limits.event_queue = 3;
        policy.limits.inflight_window = 3;
        policy.limits.max_replies = 6;
        policy.limits.max_queued_messages = 12;
        let mut broker = Broker::new(policy, 3, Gate::default());
        broker.set_rights(everybody());
        World { broker, now: Instant::from_millis(1000), ends: Vec::new() }
    }

    /// Opens a connection, if the broker has room for it.
    fn open(&mut self, version: Version, from: &str) -> usize {
        let peer = Peer(from.parse().unwrap());
        let link = inside(|| self.broker.opened(self.now, peer)).ok();
        self.ends.push(End {
            link,
            version,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            is_paused: false,
            is_writing: false,
            is_blocked: false,
            is_silent: false,
        });
        self.run();
        self.ends.len() - 1
    }

    fn send(&mut self, end: usize, packet: &Packet<'_>) {
        let bytes = encode_as(self.ends[end].version, packet);
        self.send_bytes(end, &bytes);
    }

    fn send_bytes(&mut self, end: usize, bytes: &[u8]) {
        self.ends[end].outgoing.extend_from_slice(bytes);
        self.run();
    }

    fn cut(&mut self, end: usize) {
        if let Some(link) = self.ends[end].link.take() {
            inside(|| self.broker.closed(self.now, link));
            self.run();
        }
    }

    fn pass(&mut self, millis: u64) {
        let end = self.now.saturating_add_millis(millis);
        for _ in 0..10_000 {
            match inside(|| self.broker.poll(self.now)) {
                Some(next) if next < end => self.now = self.now.max(next),
                _ => break,
            }
            self.run();
        }
        self.now = end;
        self.run();
    }

    /// Lets everything happen that can happen without time passing.
    fn run(&mut self) {
        for _ in 0..100_000 {
            let mut moved = inside(|| self.broker.poll(self.now)).is_some_and(|next| next <= self.now);
            for index in 0..self.ends.len() {
                moved |= self.serve();
                moved |= self.bring(index);
                moved |= self.fetch(index);
            }
            moved |= self.serve();
            let statistics = self.broker.statistics();
            assert_eq!(statistics.memory_used_bytes, held().accounted_bytes(), "{statistics:?}");
            if !moved {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn serve(&mut self) -> bool {
        let mut moved = false;
        while let Some((link, want)) = inside(|| self.broker.next_want()) {
            moved = true;
            let end = self.ends.iter_mut().find(|end| end.link == Some(link)).expect("a live link");
            match want {
                Want::Write => end.is_writing = true,
                Want::Read => end.is_paused = false,
                Want::Close => {
                    end.link = None;
                    inside(|| self.broker.closed(self.now, link));
                }
            }
        }
        moved
    }

    fn bring(&mut self, index: usize) -> bool {
        let end = &mut self.ends[index];
        let Some(link) = end.link.filter(|_| !end.is_paused && !end.outgoing.is_empty()) else {
            return false;
        };
        let given = end.outgoing.len().min(150);
        let taken = inside(|| self.broker.receive(self.now, link, &end.outgoing[..given]));
        end.is_paused = taken < given;
        end.outgoing.drain(..taken);
        true
    }

    fn fetch(&mut self, index: usize) -> bool {
        let end = &mut self.ends[index];
        let Some(link) = end.link.filter(|_| end.is_writing && !end.is_blocked) else { return false };
        let mut buffer = [0; 200];
        let filled = inside(|| self.broker.fill(link, &mut buffer));
        if filled == 0 {
            end.is_writing = false;
            return false;
        }
        let taken = filled.min(77);
        end.incoming.extend_from_slice(&buffer[..taken]);
        inside(|| self.broker.sent(self.now, link, taken));
        self.answer(index);
        true
    }

    /// Reads what a client has received and acknowledges it.
    fn answer(&mut self, index: usize) {
        let End { version, incoming, outgoing, is_silent, .. } = &mut self.ends[index];
        let mut used = 0;
        while let HeaderProgress::Complete { header, header_bytes } =
            FixedHeader::decode(&incoming[used..], *version).expect("well-formed")
        {
            let Some(packet) = incoming[used..].get(..header.packet_bytes()) else { break };
            let packet = Packet::decode(header, &packet[header_bytes..], *version).expect("well-formed");
            used += header.packet_bytes();
            let (kind, packet_id) = match packet {
                Packet::Publish(Publish { qos: QoS::AtLeastOnce, packet_id, .. }) => {
                    (AckKind::PubAck, packet_id)
                }
                Packet::Publish(Publish { qos: QoS::ExactlyOnce, packet_id, .. }) => {
                    (AckKind::PubRec, packet_id)
                }
                Packet::Ack(Ack { kind: AckKind::PubRel, packet_id, .. }) => {
                    (AckKind::PubComp, Some(packet_id))
                }
                Packet::Ack(Ack { kind: AckKind::PubRec, packet_id, reason, .. }) if !reason.is_error() => {
                    (AckKind::PubRel, Some(packet_id))
                }
                _ => continue,
            };
            if let Some(packet_id) = packet_id.filter(|_| !*is_silent) {
                let ack = Ack { kind, packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY };
                outgoing.extend(encode_as(*version, &Packet::Ack(ack)));
            }
        }
        incoming.drain(..used);
    }

    fn connect(&mut self, number: usize, clean_start: bool) -> usize {
        let version = version(number);
        let name = format!("client-{number}");
        let end = self.open(version, if number == 5 { "[fe80::1]:5000" } else { "127.0.0.1:5000" });
        let lasting = properties(&[
            Property::SessionExpiryInterval(if number == 14 { 20 } else { u32::MAX }),
            Property::ReceiveMaximum(NonZeroU16::new(2).unwrap()),
            Property::MaximumPacketSize(NonZeroU32::new(250).unwrap()),
        ]);
        let delayed =
            properties(&[Property::WillDelayInterval(5), Property::ContentType(network::text("t"))]);
        let mut fields = Connect {
            version,
            clean_start,
            properties: of_v5(version, &lasting, PropertyOwner::Connect),
            ..connect_fields(&name)
        };
        if number % 10 == 7 {
            let Packet::Connect(login) = login(&name, "alice", "secret") else { unreachable!() };
            fields = Connect { version, clean_start, ..login };
        }
        if number % 4 != 3 {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][number % 3];
            let properties = of_v5(version, &delayed, PropertyOwner::Will);
            fields.will = will("will", "gone", qos, number % 4 == 1).map(|will| Will { properties, ..will });
        }
        self.send(end, &Packet::Connect(fields));
        end
    }

    fn subscribe(&mut self, end: usize, filters: &[(&str, QoS)]) {
        let version = self.ends[end].version;
        let own = properties(&[Property::SubscriptionIdentifier(NonZeroU32::new(9).unwrap())]);
        let list: Vec<_> = filters
            .iter()
            .map(|&(filter, qos)| Subscription {
                retain_as_published: version == Version::V5,
                ..subscription(filter, qos)
            })
            .collect();
        let subscribe = Subscribe {
            packet_id: id(100),
            properties: of_v5(version, &own, PropertyOwner::Subscribe),
            subscriptions: Subscriptions::new(&list),
        };
        self.send(end, &Packet::Subscribe(subscribe));
    }

    fn publish(&mut self, end: usize, topic: &str, payload: &str, qos: QoS, number: u16, retain: bool) {
        let packet_id = (qos != QoS::AtMostOnce).then(|| id(number));
        let version = self.ends[end].version;
        let own = properties(&[
            Property::MessageExpiryInterval(60),
            Property::TopicAlias(NonZeroU16::new(1 + number % 3).unwrap()),
            Property::UserProperty(network::text("name"), network::text("value")),
        ]);
        let properties = of_v5(version, &own, PropertyOwner::Publish);
        let fields =
            Publish { qos, retain, packet_id, properties, ..publish_fields(topic, payload.as_bytes()) };
        self.send(end, &Packet::Publish(fields));
        if version == Version::V5 {
            // The same once more, by its number only.
            let fields = Publish { topic: None, packet_id: packet_id.map(|_| id(number + 1000)), ..fields };
            self.send(end, &Packet::Publish(fields));
        }
    }

    fn drain(&mut self) {
        while inside(|| self.broker.next_event()).is_some() {}
        inside(|| {
            while let Some(change) = self.broker.next_change() {
                if let Change::SessionSet { session, .. } = change {
                    session.encode(&mut Count::default());
                }
            }
        });
    }
}

/// A life with everything in it, in which any step may fail.
fn scenario() -> World {
    let mut world = World::new();
    let ends: Vec<_> = (0..CLIENTS).map(|number| world.connect(number, number % 2 == 0)).collect();
    for (number, &end) in ends.iter().enumerate() {
        let qos = [QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce][number / 3 % 3];
        let own = format!("own/{number}/+/#");
        world.subscribe(end, &[("a/#", qos), (&own, QoS::AtLeastOnce), ("will", QoS::AtLeastOnce)]);
        if (8..12).contains(&number) {
            world.subscribe(end, &[("$share/g/a/+", QoS::AtLeastOnce), ("+/b", QoS::ExactlyOnce)]);
        }
        world.ends[end].is_silent = number % 5 == 4;
    }
    world.subscribe(ends[1], &[("$SYS/#", QoS::AtMostOnce), ("$SYS/broker/uptime", QoS::AtLeastOnce)]);
    world.ends[ends[19]].is_blocked = true;
    for (number, &end) in ends.iter().enumerate().step_by(2) {
        let packet_id = number as u16 + 1;
        world.publish(end, "a/b", &"x".repeat(100), QoS::AtMostOnce, packet_id, false);
        world.publish(end, &format!("a/{number}"), "once", QoS::AtLeastOnce, packet_id, true);
        world.publish(
            end,
            &format!("own/{}/x", number + 1),
            "twice",
            QoS::ExactlyOnce,
            packet_id + 100,
            false,
        );
    }
    // Packets in part, one of them for good.
    let whole = encode_as(world.ends[ends[2]].version, &network::publish("own/3/a", &[b'p'; 300]));
    for piece in whole.chunks(90) {
        world.send_bytes(ends[2], piece);
    }
    world.send_bytes(ends[3], &[0x30, 0x7F, 0]);
    // Some go, and messages wait for those whose sessions stay.
    for number in [3, 5, 7, 9, 14] {
        world.cut(ends[number]);
    }
    let goodbye = Disconnect { reason: ReasonCode::DisconnectWithWillMessage, properties: Properties::EMPTY };
    world.send(ends[8], &Packet::Disconnect(goodbye));
    for number in 0..6 {
        world.publish(ends[0], "a/b", "later", QoS::ExactlyOnce, 200 + number, false);
        world.publish(ends[1], "a/b", &"y".repeat(260), QoS::AtLeastOnce, 300 + number, number == 5);
    }
    let _ = inside(|| world.broker.publish(world.now, "a/local", b"board", QoS::AtLeastOnce, true));
    world.drain();
    world.pass(8_000);
    // They come back, one in the place of a link that is still there.
    let back: Vec<_> = [3, 5, 7, 9, 4].iter().map(|&number| (number, world.connect(number, false))).collect();
    for &(number, end) in &back {
        world.subscribe(end, &[("#", QoS::AtLeastOnce)]);
        let list = [TopicFilter::new("a/#").unwrap(), TopicFilter::new("none").unwrap()];
        let filters = obkmq_mqtt::Filters::new(&list);
        let properties = Properties::EMPTY;
        world.send(end, &Packet::Unsubscribe(Unsubscribe { packet_id: id(101), properties, filters }));
        world.publish(end, "a/1", "", QoS::AtMostOnce, number as u16, true);
        world.send(end, &Packet::PingReq(PingReq));
    }
    world.pass(100_000);
    world.drain();
    world
}

/// Makes the broker forget everything that it keeps for those who come back.
fn clear(world: &mut World) {
    fail(Failing::None);
    for end in 0..world.ends.len() {
        world.cut(end);
    }
    world.pass(60_000);
    inside(|| world.broker.revoke(world.now, UserId(1)));
    for number in 0..CLIENTS {
        let end = world.open(Version::V3_1_1, "127.0.0.1:5000");
        world.send(end, &network::connect(&format!("client-{number}")));
        world.cut(end);
    }
    world.drain();
    let topics = (0..CLIENTS).map(|number| format!("a/{number}"));
    for topic in topics.chain(["a/b", "a/local", "will"].map(String::from)) {
        inside(|| world.broker.publish(world.now, &topic, b"", QoS::AtMostOnce, true)).unwrap();
    }
    world.drain();
    let end = world.open(Version::V3_1_1, "127.0.0.1:5000");
    world.cut(end);
    world.drain();
    let end = world.open(Version::V3_1_1, "127.0.0.1:5000");
    world.cut(end);
}

/// One life, of which `failing` fails. Returns how many allocations it made, and whether anybody missed anything.
fn live(failing: Failing) -> (u64, bool) {
    fail(failing);
    let mut world = scenario();
    let made = allocations();
    let Statistics { drops, refused, .. } = world.broker.statistics();
    let suffered = drops.out_of_memory > 0 || drops.retained_not_kept > 0 || refused > 0;
    clear(&mut world);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.sessions, statistics.retained), (0, 0), "{failing:?} {statistics:?}");
    assert_eq!(
        (statistics.messages_stored, statistics.memory_used_bytes),
        (0, 0),
        "{failing:?} {statistics:?}"
    );
    assert_eq!(held(), Held { bytes: 0, blocks: 0 }, "{failing:?}");
    (made, suffered)
}

#[test]
fn a_life_without_failures_leaves_nothing_behind_and_has_everything_in_it() {
    fail(Failing::None);
    let mut world = scenario();
    let statistics = world.broker.statistics();
    assert!(allocations() > 300, "{}", allocations());
    assert!(statistics.messages_sent > 500 && statistics.retained > 5, "{statistics:?}");
    assert!(statistics.clients >= CLIENTS - 4, "{statistics:?}");
    assert!(statistics.drops.too_large > 0 && statistics.drops.slow_reader > 0, "{statistics:?}");
    assert_eq!(statistics.drops.out_of_memory, 0, "{statistics:?}");
    clear(&mut world);
    assert_eq!(held(), Held { bytes: 0, blocks: 0 });
}

#[test]
fn any_one_allocation_may_fail() {
    let (whole, _) = live(Failing::None);
    let suffering = (1..=whole).filter(|&number| live(Failing::One(number)).1).count();
    println!("{suffering} of {whole} failures were felt");
    assert!(suffering > 20, "{suffering} of {whole} failures were felt");
}

/// Longer droughts, in which also what a failure gives rise to fails.
#[test]
fn any_row_of_allocations_may_fail() {
    let (whole, _) = live(Failing::None);
    for (count, step) in [(3, 11), (20, 17), (u64::MAX / 2, 23)] {
        for first in (1..=whole).step_by(step) {
            live(Failing::Some(first, count));
        }
    }
}
