//! A life of the broker from a script: links of all versions open, bytes arrive and leave in pieces, time passes, memory
//! is short, limits and rights change. The budget is kept, every stream that leaves is well formed and within what its
//! client takes, and in the end nothing is left in memory.
#![no_main]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use obkmq_broker::{
    Anonymous, Attempt, Broker, Change, Instant, Limits, LinkId, Peer, Policy, Progress, QoS,
    RestoredSession, Retained, Rights, Scope, UserId, Verdict, Verifier, Version, Want,
};
use obkmq_mqtt::{Connect, FixedHeader, HeaderProgress, Packet, Property};

#[path = "broker/packets.rs"]
mod packets;

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let mut life = Life::new(&mut script);
    while !script.0.is_empty() {
        life.step(&mut script);
        let statistics = life.broker.statistics();
        assert!(statistics.memory_used_bytes <= life.ceiling, "{statistics:?}");
    }
    life.end();
});

/// Reads the script; behind its end there are zeros.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

/// Needs a few slices of work for each attempt; two users are let in.
#[derive(Default)]
struct Gate {
    slices: u8,
    left: u8,
    asked: u8,
}

impl Verifier for Gate {
    fn judge(&mut self, _now: Instant, attempt: &Attempt<'_>) -> Verdict {
        self.asked = self.asked.wrapping_add(1);
        if self.asked.is_multiple_of(16) {
            return Verdict::Busy;
        }
        if self.left == 0 && self.slices > 0 && self.asked % 2 == 1 {
            self.left = self.slices;
            return Verdict::Pending;
        }
        match attempt.user {
            "guest" => Verdict::Accepted(UserId(0)),
            "other" => Verdict::Accepted(UserId(1)),
            _ => Verdict::Refused,
        }
    }

    fn work(&mut self, _now: Instant) -> Progress {
        match self.left {
            0 => Progress::Idle,
            1 => {
                self.left = 0;
                Progress::Finished
            }
            _ => {
                self.left -= 1;
                Progress::Working
            }
        }
    }
}

/// The far end of a link.
struct End {
    link: LinkId,
    /// What the script's packets are written in.
    version: Version,
    /// What the broker has taken, to know which client this was.
    taken: Vec<u8>,
    /// What waits because the broker did not take it.
    waiting: Vec<u8>,
    /// What the broker has sent.
    received: Vec<u8>,
}

struct Life {
    broker: Broker<Gate>,
    now: Instant,
    ends: Vec<End>,
    gone: Vec<LinkId>,
    client_ids: BTreeSet<String>,
    topics: BTreeSet<String>,
    /// How many bytes arrive at a time.
    piece: usize,
    /// What the broker may hold: its limit, or what it held when that was lowered.
    ceiling: usize,
}

impl Life {
    fn new(script: &mut Script<'_>) -> Self {
        let policy = policy(script.byte(), script.byte(), script.byte());
        let (piece, slices) = (script.byte(), script.byte() % 4);
        let gate = Gate { slices, ..Gate::default() };
        let mut broker = Broker::new(policy, u64::from(piece), gate);
        broker.set_rights(rights(piece % 4 == 3));
        Self {
            broker,
            now: Instant::ZERO,
            ends: Vec::new(),
            gone: Vec::new(),
            client_ids: BTreeSet::new(),
            topics: BTreeSet::new(),
            piece: usize::from(piece) + 1,
            ceiling: policy.limits.memory_bytes,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.byte();
        let at = usize::from(operation >> 4) % self.ends.len().max(1);
        let version = self.ends.get(at).map_or(Version::V3_1_1, |end| end.version);
        match operation & 0x0F {
            0 => self.open(operation >> 4),
            1 => self.receive(at, script.bytes()),
            2 => {
                let version = packets::version(operation >> 4);
                if let Some(end) = self.ends.get_mut(at) {
                    end.version = version;
                }
                self.receive(at, &packets::connect(version, script.byte(), script.byte(), script.byte()));
            }
            3 => {
                let (flags, id, extra) = (script.byte(), script.byte(), script.byte());
                self.receive(at, &packets::publish(version, flags, id, extra, script.bytes()));
            }
            4 => {
                let packet = packets::subscribe(version, script.byte(), script.byte(), script.byte());
                self.receive(at, &packet);
            }
            5 => self.receive(at, &packets::ack(version, script.byte(), script.byte())),
            6 => match script.byte() {
                number if number & 0x80 != 0 => {
                    self.receive(at, &packets::unsubscribe(version, number, script.byte()));
                }
                number if number & 0x40 != 0 => self.receive(at, &packets::disconnect(version, number)),
                _ => self.receive(at, &[0xC0, 0]),
            },
            7 | 8 => self.send(at, usize::from(script.byte()), usize::from(script.byte())),
            9 => self.close(at),
            10 => self.poll(u64::from(script.byte()) * 16),
            11 => self.poll(u64::from(script.byte()) * 1000),
            12 => {
                let (topic, flags) = (packets::topic(script.byte()), script.byte());
                let (qos, retain) = (packets::qos(flags), flags & 4 != 0);
                let _ = self.broker.publish(self.now, topic, script.bytes(), qos, retain);
            }
            13 => self.drain(),
            14 => self.govern(script),
            _ => self.stale(usize::from(script.byte())),
        }
        self.wants();
    }

    fn open(&mut self, number: u8) {
        let ip = if number.is_multiple_of(2) {
            Ipv4Addr::LOCALHOST.into()
        } else {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        };
        if let Ok(link) = self.broker.opened(self.now, Peer(SocketAddr::new(ip, 40_000))) {
            self.ends.push(End {
                link,
                version: Version::V3_1_1,
                taken: Vec::new(),
                waiting: Vec::new(),
                received: Vec::new(),
            });
        }
    }

    fn receive(&mut self, at: usize, bytes: &[u8]) {
        let Some(end) = self.ends.get_mut(at) else { return };
        end.waiting.extend_from_slice(bytes);
        while !end.waiting.is_empty() {
            let given = end.waiting.len().min(self.piece);
            let taken = self.broker.receive(self.now, end.link, &end.waiting[..given]);
            end.taken.extend(end.waiting.drain(..taken));
            if taken < given {
                return;
            }
        }
    }

    fn send(&mut self, at: usize, room: usize, most: usize) {
        let Some(end) = self.ends.get_mut(at) else { return };
        let mut buffer = vec![0; room];
        let filled = self.broker.fill(end.link, &mut buffer);
        let mut again = vec![0; room];
        assert_eq!(self.broker.fill(end.link, &mut again), filled);
        assert_eq!(again, buffer, "the same bytes come until they are sent");
        let sent = filled.min(most);
        end.received.extend_from_slice(&buffer[..sent]);
        self.broker.sent(self.now, end.link, sent);
    }

    fn poll(&mut self, millis: u64) {
        self.now = self.now.saturating_add_millis(millis);
        self.broker.poll(self.now);
    }

    fn close(&mut self, at: usize) {
        if at >= self.ends.len() {
            return;
        }
        let end = self.ends.swap_remove(at);
        // The broker reads no second CONNECT, so the first packet says who the client was and how it speaks.
        let connect = first_connect(&end.taken);
        check_stream(&end.received, connect.as_ref());
        if let Some(connect) = connect {
            self.client_ids.insert(connect.client_id.as_str().to_owned());
        }
        self.broker.closed(self.now, end.link);
        self.gone.push(end.link);
    }

    /// What the owner may do at any time.
    fn govern(&mut self, script: &mut Script<'_>) {
        let (choice, detail) = (script.byte(), script.byte());
        match choice % 7 {
            0 => self.broker.revoke(self.now, UserId(u16::from(detail % 2))),
            1 => {
                let policy = policy(detail, script.byte(), script.byte());
                self.ceiling = policy.limits.memory_bytes.max(self.broker.statistics().memory_used_bytes);
                self.broker.set_policy(policy);
            }
            2 => self.broker.set_rights(rights(detail % 2 == 0)),
            3 => self.broker.tell_retained_again(|topic| topic == packets::topic(detail)),
            4 => self.broker.tell_sessions_again(),
            5 => {
                let client_id = ["a", "b", "c", "z"][usize::from(detail % 4)];
                let user = (detail & 4 != 0).then_some(UserId(u16::from(detail >> 3 & 1)));
                let session = RestoredSession { client_id, user, state: script.bytes() };
                self.client_ids.insert(client_id.to_owned());
                let _ = self.broker.restore_session(&session);
            }
            _ => {
                let (payload, topic) = (script.bytes(), packets::topic(detail));
                let expiry_seconds = (detail & 8 != 0).then_some(u32::from(detail >> 6));
                let retained =
                    Retained { payload, qos: packets::qos(detail >> 4), properties: &[], expiry_seconds };
                if self.broker.restore_retained(topic, &retained).is_ok() {
                    self.topics.insert(topic.to_owned());
                }
            }
        }
    }

    /// A board may be late: what is said about a link that is gone must not touch another one.
    fn stale(&mut self, at: usize) {
        let Some(&link) = self.gone.get(at) else { return };
        let mut buffer = [0; 64];
        assert_eq!(self.broker.fill(link, &mut buffer), 0);
        self.broker.sent(self.now, link, 5);
        self.broker.receive(self.now, link, &[0xC0, 0]);
        self.broker.closed(self.now, link);
    }

    fn wants(&mut self) {
        while let Some((link, want)) = self.broker.next_want() {
            let Some(at) = self.ends.iter().position(|end| end.link == link) else {
                panic!("{want:?} for a link that is gone");
            };
            match want {
                Want::Write => {}
                Want::Read => self.receive(at, &[]),
                Want::Close => self.close(at),
            }
        }
    }

    fn drain(&mut self) {
        while self.broker.next_event().is_some() {}
        while let Some(change) = self.broker.next_change() {
            match change {
                Change::RetainedSet { topic, .. } | Change::RetainedCleared { topic } => {
                    self.topics.insert(topic.to_owned());
                }
                Change::SessionSet { client_id, session } => {
                    session.encode(&mut obkmq_mqtt::Count::default());
                    self.client_ids.insert(client_id.to_owned());
                }
                Change::SessionCleared { .. } => {}
            }
        }
    }

    /// Ends every link and makes the broker forget what it keeps for those who come back.
    fn end(mut self) {
        while !self.ends.is_empty() {
            self.close(0);
            self.wants();
        }
        let statistics = self.broker.statistics();
        assert!(statistics.memory_used_bytes <= self.ceiling, "{statistics:?}");
        let limits = Limits { memory_bytes: usize::MAX, ..Limits::default() };
        let roomy =
            Policy { anonymous: Anonymous::Always, sys_interval_seconds: 0, limits, ..Policy::default() };
        self.broker.set_policy(roomy);
        self.broker.set_rights(rights(false));
        // Those with an assigned identifier are known from here only.
        self.broker.tell_sessions_again();
        self.drain();
        for user in [UserId(0), UserId(1)] {
            self.broker.revoke(self.now, user);
        }
        self.drain();
        for client_id in std::mem::take(&mut self.client_ids) {
            self.visit(&client_id);
        }
        self.drain();
        for topic in std::mem::take(&mut self.topics) {
            self.broker
                .publish(self.now, &topic, b"", QoS::AtMostOnce, true)
                .expect("a retained topic is a topic");
        }
        self.drain();
        // Room that was kept for the next change or link is given back with the last link.
        self.visit("last");
        self.drain();
        let statistics = self.broker.statistics();
        assert_eq!((statistics.links, statistics.sessions, statistics.retained), (0, 0, 0), "{statistics:?}");
        assert_eq!((statistics.messages_stored, statistics.subscriptions), (0, 0), "{statistics:?}");
        assert_eq!(statistics.memory_used_bytes, 0, "{statistics:?}");
    }

    /// A client connects with a clean session and goes.
    fn visit(&mut self, client_id: &str) {
        self.open(0);
        self.piece = usize::MAX;
        self.receive(0, &packets::connect_as(Version::V3_1_1, client_id, "", 2, &[], None));
        self.close(0);
        self.wants();
        self.drain();
    }
}

/// Everybody may everything, or the anonymous and a user may little.
fn rights(restricted: bool) -> Rights {
    let mut rights = Rights::new();
    let scope = if restricted { Scope::Listed } else { Scope::Everything };
    rights.add_user(None, "", scope, false).expect("few users");
    rights.add_user(Some(UserId(0)), "guest", scope, false).expect("few users");
    rights.add_user(Some(UserId(1)), "other", Scope::Everything, true).expect("few users");
    if restricted {
        rights.add_rule(None, true, true, "a/#").expect("few rules");
        rights.add_rule(None, false, true, "will").expect("few rules");
        rights.add_rule(Some(UserId(0)), true, false, "+/b").expect("few rules");
    }
    rights
}

fn policy(memory: u8, shape: u8, more: u8) -> Policy {
    let limits = Limits {
        max_links: 6,
        max_packet_bytes: if more & 0x20 == 0 { 400 } else { 60 },
        max_client_id_bytes: 23,
        max_subscriptions: 6,
        max_filter_shapes: u16::from(more >> 6) * 4 + 4,
        inflight_window: u16::from(shape % 4 + 1),
        max_inbound_inflight: u16::from(shape / 4 % 4 + 1),
        max_queued_messages: u16::from(shape / 16 % 4 + 1),
        max_replies: u16::from(shape / 64),
        max_retained: 6,
        max_topic_aliases: u16::from(shape % 3),
        max_stored_sessions: 2,
        verify_queue: 2,
        packet_timeout_ms: 2000,
        ..Limits::for_chip(usize::from(memory) * 256)
    };
    Policy {
        anonymous: if more & 0x01 == 0 { Anonymous::Loopback } else { Anonymous::Always },
        sys_interval_seconds: u32::from(more >> 1 & 1),
        max_keep_alive_seconds: u16::from(more >> 2 & 3) * 5,
        max_session_expiry_seconds: if more & 0x10 == 0 { u32::MAX } else { u32::from(more >> 5) },
        log_details: shape & 0x08 != 0,
        limits,
    }
}

fn packet(stream: &[u8], version: Version) -> Option<(Packet<'_>, &[u8])> {
    let Ok(HeaderProgress::Complete { header, header_bytes }) = FixedHeader::decode(stream, version) else {
        return None;
    };
    let body_bytes = usize::try_from(header.remaining_length).ok()?;
    let (body, rest) = stream.get(header_bytes..)?.split_at_checked(body_bytes)?;
    Some((Packet::decode(header, body, version).ok()?, rest))
}

fn first_connect(stream: &[u8]) -> Option<Connect<'_>> {
    match packet(stream, Version::V3_1_1) {
        Some((Packet::Connect(connect), _)) => Some(connect),
        _ => None,
    }
}

/// Whole packets and, at the end, perhaps a part of one: first a CONNACK, none larger than the client takes.
fn check_stream(mut stream: &[u8], connect: Option<&Connect<'_>>) {
    let version = connect.map_or(Version::V3_1_1, |connect| connect.version);
    let maximum = |property| match property {
        Property::MaximumPacketSize(bytes) => usize::try_from(bytes.get()).ok(),
        _ => None,
    };
    let limit = connect.and_then(|connect| connect.properties.iter().find_map(maximum)).unwrap_or(usize::MAX);
    let mut is_first = true;
    while !stream.is_empty() {
        match FixedHeader::decode(stream, version).expect("the broker sends headers that can be read") {
            HeaderProgress::NeedMore => return,
            HeaderProgress::Complete { header, .. } => {
                assert!(header.packet_bytes() <= limit, "{header:?} to a client that takes {limit} bytes");
                if stream.len() < header.packet_bytes() {
                    return;
                }
            }
        }
        let (packet, rest) = packet(stream, version).expect("the broker sends packets that can be read");
        assert_eq!(matches!(packet, Packet::ConnAck(_)), is_first, "{packet:?}");
        is_first = false;
        stream = rest;
    }
}
