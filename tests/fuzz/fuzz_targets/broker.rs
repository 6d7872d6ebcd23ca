//! A life of the broker from a script: links open, bytes arrive and leave in pieces, time passes, memory is short. The
//! budget is kept, every stream that leaves is well formed, and in the end nothing is left in memory.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use obkmq_broker::{
    Anonymous, Attempt, Broker, Change, Instant, Limits, LinkId, Peer, Policy, QoS, UserId, Verdict,
    Verifier, Want,
};
use obkmq_mqtt::{FixedHeader, HeaderProgress, Packet, Version};

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let mut life = Life::new(&mut script);
    while !script.0.is_empty() {
        life.step(&mut script);
        let statistics = life.broker.statistics();
        assert!(statistics.memory_used_bytes <= statistics.memory_limit_bytes, "{statistics:?}");
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

/// Needs a few slices for each attempt; `g…` is let in.
#[derive(Default)]
struct Gate {
    asked: u8,
}

impl Verifier for Gate {
    fn verify(&mut self, attempt: &Attempt<'_>) -> Verdict {
        self.asked = self.asked.wrapping_add(1);
        if !self.asked.is_multiple_of(3) {
            return Verdict::Pending;
        }
        match attempt.user.as_bytes() {
            [b'g', rest @ ..] => Verdict::Accepted(UserId(u16::from(rest.first().copied().unwrap_or(0)))),
            _ => Verdict::Refused,
        }
    }
}

/// The far end of a link.
struct End {
    link: LinkId,
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
}

const PEER: Peer =
    Peer(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40_000));

impl Life {
    fn new(script: &mut Script<'_>) -> Self {
        let memory_bytes = usize::from(script.byte()) * 128;
        let shape = script.byte();
        let limits = Limits {
            max_links: 6,
            max_packet_bytes: 400,
            inflight_window: u16::from(shape % 4 + 1),
            max_inbound_inflight: u16::from(shape / 4 % 4 + 1),
            max_queued_messages: u32::from(shape / 16 % 4 + 1),
            max_replies: u16::from(shape / 64 + 1),
            max_retained: 6,
            ..Limits::for_chip(memory_bytes)
        };
        let policy = Policy { anonymous: Anonymous::Loopback, limits };
        Self {
            broker: Broker::new(policy, u64::from(shape), Gate::default()),
            now: Instant::ZERO,
            ends: Vec::new(),
            gone: Vec::new(),
            client_ids: BTreeSet::new(),
            topics: BTreeSet::new(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.byte();
        let at = usize::from(operation >> 4) % self.ends.len().max(1);
        match operation & 0x0F {
            0 => self.open(),
            1 => self.receive(at, script.bytes()),
            2 => self.receive(at, &connect(script.byte(), script.byte())),
            3 => self.receive(at, &publish(script.byte(), script.byte(), script.bytes())),
            4 => self.receive(at, &subscribe(script.byte(), script.byte())),
            5 => self.receive(
                at,
                &[[0x40, 0x50, 0x62, 0x70][usize::from(script.byte() % 4)], 2, 0, script.byte()],
            ),
            6 => self.receive(at, if script.byte() % 2 == 0 { &[0xC0, 0] } else { &[0xE0, 0] }),
            7 | 8 => self.send(at, usize::from(script.byte()), usize::from(script.byte())),
            9 => self.close(at),
            10 => self.poll(u64::from(script.byte()) * 16),
            11 => self.poll(u64::from(script.byte()) * 1000),
            12 => {
                let (topic, flags) = (topic(script.byte()), script.byte());
                let _ = self.broker.publish(self.now, topic, script.bytes(), qos(flags), flags & 4 != 0);
            }
            13 => self.drain(),
            14 => {
                let user = UserId(u16::from(script.byte()));
                self.broker.revoke(self.now, user);
            }
            _ => self.stale(usize::from(script.byte())),
        }
        self.wants();
    }

    fn open(&mut self) {
        if let Ok(link) = self.broker.opened(self.now, PEER) {
            self.ends.push(End { link, taken: Vec::new(), waiting: Vec::new(), received: Vec::new() });
        }
    }

    fn receive(&mut self, at: usize, bytes: &[u8]) {
        let Some(end) = self.ends.get_mut(at) else { return };
        end.waiting.extend_from_slice(bytes);
        let taken = self.broker.receive(self.now, end.link, &end.waiting);
        end.taken.extend(end.waiting.drain(..taken));
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
        check_stream(&end.received);
        // The broker reads no second CONNECT, so the first packet names the client.
        if let Some(Packet::Connect(connect)) = first_packet(&end.taken).map(|(packet, _)| packet) {
            self.client_ids.insert(connect.client_id.as_str().to_owned());
        }
        self.broker.closed(self.now, end.link);
        self.gone.push(end.link);
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
            if let Change::RetainedSet { topic, .. } = change {
                self.topics.insert(topic.to_owned());
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
        assert!(statistics.memory_peak_bytes <= statistics.memory_limit_bytes, "{statistics:?}");
        let roomy = Limits { memory_bytes: usize::MAX, ..Limits::default() };
        self.broker.set_policy(Policy { anonymous: Anonymous::Always, limits: roomy });
        for client_id in std::mem::take(&mut self.client_ids) {
            self.open();
            self.receive(0, &connect_as(&client_id, 2));
            self.close(0);
            self.wants();
        }
        self.drain();
        for topic in std::mem::take(&mut self.topics) {
            self.broker
                .publish(self.now, &topic, b"", QoS::AtMostOnce, true)
                .expect("a retained topic is a topic");
        }
        self.drain();
        // Room that was kept for the next change or link is given back with the last link.
        self.open();
        self.receive(0, &connect_as("last", 2));
        self.close(0);
        self.drain();
        let statistics = self.broker.statistics();
        assert_eq!((statistics.links, statistics.sessions, statistics.retained), (0, 0, 0), "{statistics:?}");
        assert_eq!((statistics.messages_stored, statistics.subscriptions), (0, 0), "{statistics:?}");
        assert_eq!(statistics.memory_used_bytes, 0, "{statistics:?}");
    }
}

fn first_packet(stream: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let Ok(HeaderProgress::Complete { header, header_bytes }) = FixedHeader::decode(stream) else {
        return None;
    };
    let body_bytes = usize::try_from(header.remaining_length).ok()?;
    let (body, rest) = stream.get(header_bytes..)?.split_at_checked(body_bytes)?;
    Some((Packet::decode(header, body, Version::V3_1_1).ok()?, rest))
}

/// Whole packets and, at the end, perhaps a part of one.
fn check_stream(mut stream: &[u8]) {
    while !stream.is_empty() {
        match FixedHeader::decode(stream).expect("the broker sends headers that can be read") {
            HeaderProgress::NeedMore => return,
            HeaderProgress::Complete { header, .. } if stream.len() < header.packet_bytes() => return,
            HeaderProgress::Complete { .. } => {}
        }
        stream = first_packet(stream).expect("the broker sends packets that can be read").1;
    }
}

/// The packets of the script: few names, so that they meet.
fn topic(number: u8) -> &'static str {
    ["a", "a/b", "a/b/c", "b", "$s/a", "a/", "/b", "will"][usize::from(number % 8)]
}

fn filter(number: u8) -> &'static str {
    [
        "#", "+", "a/#", "+/b", "a/b", "a/+/c", "$s/#", "will", "/+", "a", "b", "+/+", "a/b/c", "+/#", "a/+",
        "a/",
    ][usize::from(number % 16)]
}

fn qos(flags: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(flags % 3)]
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("scripts are short");
    let mut bytes = vec![first];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => bytes.extend([(length & 0x7F) as u8 | 0x80, (length >> 7) as u8]),
    }
    bytes.extend_from_slice(body);
    bytes
}

fn put_text(body: &mut Vec<u8>, text: &[u8]) {
    body.extend(u16::try_from(text.len()).expect("texts are short").to_be_bytes());
    body.extend_from_slice(text);
}

fn connect(client: u8, flags: u8) -> Vec<u8> {
    connect_as(["", "a", "b", "c"][usize::from(client % 4)], flags & 0xFE)
}

fn connect_as(client_id: &str, flags: u8) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 10];
    put_text(&mut body, client_id.as_bytes());
    if flags & 0x04 != 0 {
        put_text(&mut body, b"will");
        put_text(&mut body, b"gone");
    }
    if flags & 0x80 != 0 {
        put_text(&mut body, b"guest");
    }
    if flags & 0x40 != 0 {
        put_text(&mut body, b"secret");
    }
    packet(0x10, &body)
}

fn publish(flags: u8, id: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, topic(flags >> 4).as_bytes());
    if flags & 0x06 != 0 {
        body.extend([0, id]);
    }
    body.extend_from_slice(payload);
    packet(0x30 | (flags & 0x0F), &body)
}

fn subscribe(number: u8, id: u8) -> Vec<u8> {
    let mut body = vec![0, id];
    put_text(&mut body, filter(number).as_bytes());
    if number & 0x80 != 0 {
        return packet(0xA2, &body);
    }
    body.push(number >> 4 & 3);
    packet(0x82, &body)
}
