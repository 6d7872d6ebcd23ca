//! What a message costs inside the broker: `cargo bench -p obkmq-broker`. No sockets, one thread, the best of several
//! runs; `cargo xtask bench-broker` measures the whole with sockets and beside its peers.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    missing_docs
)]

use std::hint::black_box;
use std::time::Instant as Clock;

use obkmq_broker::{
    Anonymous, Attempt, Broker, Instant, LinkId, Peer, Policy, Progress, Rights, Scope, Verdict, Verifier,
};
use obkmq_mqtt::{FixedHeader, HeaderProgress, Packet, Version};

struct Nobody;

impl Verifier for Nobody {
    fn judge(&mut self, _: Instant, _: &Attempt<'_>) -> Verdict {
        Verdict::Refused
    }

    fn work(&mut self, _: Instant) -> Progress {
        Progress::Idle
    }
}

const NOW: Instant = Instant::ZERO;
const RUNS: usize = 7;

fn broker() -> Broker<Nobody> {
    let policy = Policy { anonymous: Anonymous::Always, sys_interval_seconds: 0, ..Policy::default() };
    let mut broker = Broker::new(policy, 0x0123_4567_89AB_CDEF, Nobody);
    let mut rights = Rights::new();
    rights.add_user(None, "", Scope::Everything, false).unwrap();
    broker.set_rights(rights);
    broker
}

fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    assert!(body.len() < 16_384);
    let mut packet = vec![first];
    if body.len() < 128 {
        packet.push(body.len() as u8);
    } else {
        packet.extend([body.len() as u8 | 0x80, (body.len() >> 7) as u8]);
    }
    packet.extend(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn connect(broker: &mut Broker<Nobody>, name: &str) -> LinkId {
    let link = broker.opened(NOW, Peer("127.0.0.1:1".parse().unwrap())).unwrap();
    broker.receive(NOW, link, &packet(0x10, &[b"\0\x04MQTT\x04\x02\0\0", &text(name)]));
    drain(broker, link);
    link
}

fn subscribe(broker: &mut Broker<Nobody>, link: LinkId, filter: &str, qos: u8) {
    broker.receive(NOW, link, &packet(0x82, &[&[0, 1], &text(filter), &[qos]]));
    drain(broker, link);
}

fn drain(broker: &mut Broker<Nobody>, link: LinkId) {
    let mut buffer = [0; 65_536];
    loop {
        let filled = broker.fill(link, &mut buffer);
        if filled == 0 {
            break;
        }
        broker.sent(NOW, link, filled);
    }
    while broker.next_want().is_some() {}
    while broker.next_event().is_some() {}
}

/// Nanoseconds a piece, the best of several runs of `pieces` each.
fn measure(name: &str, pieces: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let start = Clock::now();
        run();
        best = best.min(start.elapsed().as_nanos() as f64 / pieces as f64);
    }
    println!("{name:<58} {best:>9.1} ns");
    best
}

const BATCH: usize = 100;
const ROUNDS: usize = 500;

fn publications(qos: u8, payload: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    for id in 1..=BATCH as u16 {
        let id = if qos == 0 { vec![] } else { id.to_be_bytes().to_vec() };
        stream.extend(packet(0x30 | qos << 1, &[&text("house/kitchen/lamp"), &id, &vec![b'x'; payload]]));
    }
    stream
}

fn codec() {
    let stream = publications(0, 16);
    measure("decode PUBLISH, 16 B", BATCH * ROUNDS, || {
        for _ in 0..ROUNDS {
            let mut rest = &stream[..];
            while let Ok(HeaderProgress::Complete { header, header_bytes }) =
                FixedHeader::decode(rest, Version::V3_1_1)
            {
                let end = header_bytes + header.remaining_length as usize;
                black_box(Packet::decode(header, &rest[header_bytes..end], Version::V3_1_1).unwrap());
                rest = &rest[end..];
            }
        }
    });
}

fn one_to(receivers: usize, filter: &str, name: &str) {
    let mut broker = broker();
    let sender = connect(&mut broker, "sender");
    let links: Vec<_> = (0..receivers).map(|index| connect(&mut broker, &format!("r{index}"))).collect();
    for &link in &links {
        subscribe(&mut broker, link, filter, 0);
    }
    let stream = publications(0, 16);
    let mut buffer = vec![0; 65_536];
    measure(name, BATCH * ROUNDS * receivers, || {
        for _ in 0..ROUNDS {
            assert_eq!(broker.receive(NOW, sender, &stream), stream.len());
            for &link in &links {
                let filled = broker.fill(link, &mut buffer);
                broker.sent(NOW, link, filled);
            }
            while broker.next_want().is_some() {}
        }
    });
    assert_eq!(broker.statistics().messages_sent as usize, BATCH * ROUNDS * receivers * RUNS);
}

fn acknowledged() {
    let mut broker = broker();
    let sender = connect(&mut broker, "sender");
    let receiver = connect(&mut broker, "receiver");
    subscribe(&mut broker, receiver, "house/#", 1);
    let stream = publications(1, 16);
    let mut buffer = vec![0; 65_536];
    let mut acks = Vec::new();
    measure("1 to 1, QoS 1, with acknowledgements", BATCH * ROUNDS, || {
        for _ in 0..ROUNDS {
            assert_eq!(broker.receive(NOW, sender, &stream), stream.len());
            let filled = broker.fill(receiver, &mut buffer);
            broker.sent(NOW, receiver, filled);
            acks.clear();
            let each = filled / BATCH;
            for index in 0..BATCH {
                let at = index * each + 2 + 2 + 18;
                acks.extend([0x40, 2, buffer[at], buffer[at + 1]]);
            }
            broker.receive(NOW, receiver, &acks);
            let filled = broker.fill(sender, &mut buffer);
            broker.sent(NOW, sender, filled);
            while broker.next_want().is_some() {}
        }
    });
    assert_eq!(broker.statistics().messages_sent as usize, BATCH * ROUNDS * RUNS);
}

/// One topic against many subscriptions that do not match it, of several shapes.
fn unrelated() {
    let mut first = None;
    for count in [100, 1_000, 10_000, 100_000] {
        let mut broker = broker();
        let sender = connect(&mut broker, "sender");
        let receiver = connect(&mut broker, "receiver");
        subscribe(&mut broker, receiver, "house/+/lamp", 0);
        let others: Vec<_> = (0..10).map(|index| connect(&mut broker, &format!("other{index}"))).collect();
        for index in 0..count {
            let filter = match index % 5 {
                0 => format!("cmnd/tasmota_{index:06X}/#"),
                1 => format!("stat/+/device{index}/state"),
                2 => format!("house/room{index}/lamp"),
                3 => format!("+/room{index}/temperature"),
                _ => format!("tele/{index}/+/sensor/#"),
            };
            subscribe(&mut broker, others[index % 10], &filter, 0);
        }
        let stream = publications(0, 16);
        let mut buffer = vec![0; 65_536];
        let nanos = measure(&format!("1 to 1, QoS 0, beside {count} others"), BATCH * ROUNDS, || {
            for _ in 0..ROUNDS {
                broker.receive(NOW, sender, &stream);
                let filled = broker.fill(receiver, &mut buffer);
                broker.sent(NOW, receiver, filled);
                while broker.next_want().is_some() {}
            }
        });
        let first = *first.get_or_insert(nanos);
        println!("{:<58} {:>9.2} x", "", nanos / first);
    }
}

fn main() {
    codec();
    one_to(1, "house/kitchen/lamp", "1 to 1, QoS 0, exact filter");
    one_to(1, "house/#", "1 to 1, QoS 0, wildcard");
    one_to(50, "house/#", "1 to 50, QoS 0, each");
    acknowledged();
    unrelated();
}
