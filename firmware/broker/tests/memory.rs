//! What the broker takes, measured at the allocator: the goal for a chip, the costs that `limits.rs` states, and that
//! the broker's own account of it is honest.
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

use heap::{allocations, held, inside};
use network::*;
use obkmq_broker::{Broker, Limits, LinkId, QoS, Version, Want};
use obkmq_mqtt::{Connect, Packet, Properties, Publish, Subscribe, Subscriptions};

/// A broker whose calls are measured.
struct Scale {
    broker: Broker<Users>,
    /// What others before it have left.
    bytes_before: usize,
}

impl Scale {
    fn new() -> Self {
        let mut broker = Broker::new(policy(), 1, Users::default());
        broker.set_rights(everybody());
        Scale { broker, bytes_before: held().accounted_bytes() }
    }

    fn open(&mut self) -> LinkId {
        let peer = obkmq_broker::Peer(LOOPBACK.parse().unwrap());
        inside(|| self.broker.opened(NOW, peer)).unwrap()
    }

    fn send(&mut self, link: LinkId, version: Version, packet: &Packet<'_>) {
        let bytes = encode_as(version, packet);
        assert_eq!(inside(|| self.broker.receive(NOW, link, &bytes)), bytes.len());
    }

    /// A client that has taken all that it was sent, events fetched.
    fn connect(&mut self, client_id: &str, version: Version) -> LinkId {
        let link = self.open();
        self.send(link, version, &Packet::Connect(Connect { version, ..connect_fields(client_id) }));
        self.take(link);
        link
    }

    /// A client that has subscribed to `away/#`, with a session that outlives its link.
    fn connect_away(&mut self, client_id: &str) -> LinkId {
        let link = self.open();
        let version = Version::V3_1_1;
        self.send(
            link,
            version,
            &Packet::Connect(Connect { clean_start: false, ..connect_fields(client_id) }),
        );
        let list = [subscription("away/#", QoS::AtLeastOnce)];
        let subscriptions = Subscriptions::new(&list);
        let subscribe = Subscribe { packet_id: id(1), properties: Properties::EMPTY, subscriptions };
        self.send(link, version, &Packet::Subscribe(subscribe));
        self.take(link);
        link
    }

    fn subscribe(&mut self, link: LinkId, version: Version, filter: &str) {
        let list = [subscription(filter, QoS::AtMostOnce)];
        let subscriptions = Subscriptions::new(&list);
        let subscribe = Subscribe { packet_id: id(1), properties: Properties::EMPTY, subscriptions };
        self.send(link, version, &Packet::Subscribe(subscribe));
        self.take(link);
    }

    /// Takes what has been sent to a link, and what has happened.
    fn take(&mut self, link: LinkId) {
        let mut buffer = [0; 512];
        loop {
            let filled = inside(|| self.broker.fill(link, &mut buffer));
            if filled == 0 {
                break;
            }
            inside(|| self.broker.sent(NOW, link, filled));
        }
        while let Some((_, want)) = inside(|| self.broker.next_want()) {
            assert_eq!(want, Want::Write);
        }
        while inside(|| self.broker.next_event()).is_some() {}
        self.check();
    }

    /// The account is what the allocator has given out.
    fn check(&self) {
        let account = self.broker.statistics().memory_used_bytes;
        assert_eq!(account, held().accounted_bytes() - self.bytes_before);
    }
}

const NOW: obkmq_broker::Instant = obkmq_broker::Instant::from_millis(1000);

/// What each thing more takes, from one number of them to another: bytes, bytes with eight for the allocator's own use in each block, and what the
/// broker's account says, which counts two pointers a block.
fn slope((from, to): (usize, usize), add: impl Fn(&mut Scale, usize)) -> (usize, usize, usize) {
    let mut scale = Scale::new();
    let mut marks = Vec::new();
    for number in 0..to {
        add(&mut scale, number);
        scale.check();
        marks.push((held(), scale.broker.statistics().memory_used_bytes));
    }
    let ((few, few_accounted), (many, many_accounted)) = (marks[from - 1], marks[to - 1]);
    let bytes = many.bytes - few.bytes;
    let blocks = many.blocks - few.blocks;
    let each = |bytes: usize| bytes.div_ceil(to - from);
    (each(bytes), each(bytes + 8 * blocks), each(many_accounted - few_accounted))
}

fn filters(number: usize) -> [String; 2] {
    [format!("cmnd/tasmota_{number:09}/#"), format!("cmnd/DVES_{number:07}_fb/+/x")]
}

fn idle_client(scale: &mut Scale, number: usize, version: Version) {
    let client_id = format!("DVES_{number:07}");
    assert_eq!(client_id.len(), 12);
    let link = scale.connect(&client_id, version);
    for filter in filters(number) {
        assert_eq!(filter.len(), 24);
        scale.subscribe(link, version, &filter);
    }
}

#[test]
fn an_idle_client_is_as_small_as_a_chip_needs() {
    let (bytes, with_overhead, account) =
        slope((16, 48), |scale, number| idle_client(scale, number, Version::V3_1_1));
    println!("idle client: {bytes} bytes, {with_overhead} with 8 for each block, {account} accounted for");
    assert!(bytes <= if size_of::<usize>() == 4 { 256 } else { 450 }, "{bytes} bytes a client");
}

/// A message above QoS 0 of 30 bytes for sessions whose clients are away, and how many of them there are.
fn waiting_message(receivers: usize) -> impl Fn(&mut Scale, usize) {
    move |scale, number| {
        if number == 0 {
            for receiver in 0..receivers {
                let link = scale.connect_away(&format!("away-{receiver}"));
                inside(|| scale.broker.closed(NOW, link));
            }
        }
        let topic = format!("away/{number:05}");
        inside(|| scale.broker.publish(NOW, &topic, &[7; 20], QoS::AtLeastOnce, false)).unwrap();
    }
}

fn retained_message(scale: &mut Scale, number: usize) {
    let topic = format!("kept/{number:05}");
    inside(|| scale.broker.publish(NOW, &topic, &[7; 20], QoS::AtLeastOnce, true)).unwrap();
    while inside(|| scale.broker.next_change().is_some()) {}
}

/// What the budget is charged is what `limits.rs` says, and not much less.
#[test]
fn what_limits_says_about_costs_is_so() {
    let client = |version| {
        move |scale: &mut Scale, number| {
            scale.connect(&format!("DVES_{number:07}"), version);
        }
    };
    let charged = |add: &dyn Fn(&mut Scale, usize)| slope((100, 800), add).2;
    let client_bytes = charged(&client(Version::V3_1_1)) - 12;
    let v5_bytes = charged(&client(Version::V5)) - 12 - client_bytes;
    let idle_bytes = charged(&|scale, number| idle_client(scale, number, Version::V3_1_1));
    let subscription_bytes = (idle_bytes - client_bytes - 12) / 2 - 24;
    let first_bytes = charged(&waiting_message(1));
    let delivery_bytes = (charged(&waiting_message(5)) - first_bytes) / 4;
    let message_bytes = first_bytes - delivery_bytes - 30;
    let retained_bytes = charged(&retained_message) - message_bytes - 30;
    for (name, measured, stated) in [
        ("client", client_bytes, Limits::CLIENT_BYTES),
        ("client of MQTT 5", v5_bytes, Limits::V5_CLIENT_BYTES),
        ("subscription", subscription_bytes, Limits::SUBSCRIPTION_BYTES),
        ("message", message_bytes, Limits::MESSAGE_BYTES),
        ("delivery", delivery_bytes, Limits::DELIVERY_BYTES),
        ("retained message", retained_bytes, Limits::RETAINED_BYTES),
    ] {
        println!("{name}: {measured} bytes, {stated} stated");
        assert!(measured <= stated, "{name}: {measured} bytes, {stated} stated");
        assert!(measured * 4 >= stated * 3, "{name}: {measured} bytes only, {stated} stated");
    }
}

#[test]
fn a_lone_message_takes_no_memory() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut scale = Scale::new();
        let [sender, reader] = ["sender", "reader"].map(|name| scale.connect(name, Version::V3_1_1));
        let list = [subscription("house/lamp", qos)];
        let subscriptions = Subscriptions::new(&list);
        let subscribe = Subscribe { packet_id: id(1), properties: Properties::EMPTY, subscriptions };
        scale.send(reader, Version::V3_1_1, &Packet::Subscribe(subscribe));
        scale.take(reader);
        let before = allocations();
        let mut buffer = [0; 512];
        for number in 1..100 {
            let fields = publish_fields("house/lamp", b"a short payload");
            let packet_id = (qos != QoS::AtMostOnce).then(|| id(number));
            let bytes = encode(&Packet::Publish(Publish { qos, packet_id, ..fields }));
            inside(|| scale.broker.receive(NOW, sender, &bytes));
            for link in [reader, sender] {
                let filled = inside(|| scale.broker.fill(link, &mut buffer));
                inside(|| scale.broker.sent(NOW, link, filled));
            }
            if qos != QoS::AtMostOnce {
                inside(|| scale.broker.receive(NOW, reader, &[0x40, 2, 0, 1]));
            }
            while inside(|| scale.broker.next_want()).is_some() {}
        }
        assert_eq!(scale.broker.statistics().messages_sent, 99);
        assert_eq!(allocations() - before, 0, "{qos:?}");
    }
}
