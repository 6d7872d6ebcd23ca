//! The memory budget, down to nothing: no panic, no leak, well-formed streams.

use obkmq_broker::{Broker, QoS};
use obkmq_mqtt::{AckKind, Connect, Packet};

use crate::network::*;

/// A life with everything in it, in which any step may fail for want of memory.
fn scenario(memory_bytes: usize) -> Network {
    let mut network = Network::with_limits(|limits| {
        limits.memory_bytes = memory_bytes;
        limits.event_queue = 4;
        limits.inflight_window = 2;
        limits.max_packet_bytes = 2000;
    });
    network.broker.verifier_mut().known = vec![("alice", b"secret", 1)];
    network.pieces = (70, 50, 33);
    let mut clients = Vec::new();
    for number in 0..6 {
        let Ok(client) = network.try_open(LOOPBACK) else { continue };
        let name = format!("client-{number}");
        let will = will("will", "gone", QoS::AtLeastOnce, number % 2 == 0);
        let mut fields = Connect { will, clean_start: number < 3, ..connect_fields(&name) };
        if number == 5 {
            let Packet::Connect(login) = login(&name, "alice", "secret") else { unreachable!() };
            fields = login;
        }
        network.send(client, &Packet::Connect(fields));
        network.subscribe(
            client,
            &[("a/#", QoS::AtLeastOnce), ("+/b", QoS::AtMostOnce), ("will", QoS::AtLeastOnce)],
        );
        clients.push(client);
    }
    if let Some(&last) = clients.last() {
        network.client(last).blocked = true;
    }
    for (number, &client) in (1..).zip(&clients) {
        network.send(client, &publish_qos("a/b", &"x".repeat(200), QoS::AtLeastOnce, number));
        network.send(client, &publish_retained(&format!("a/{number}"), &"r".repeat(50)));
        network.send(client, &publish_qos("a/c", "two", QoS::ExactlyOnce, number + 100));
        network.ack(client, AckKind::PubRel, number + 100);
        network.ack(client, AckKind::PubAck, 1);
    }
    for &client in &clients {
        network.subscribe(client, &[("#", QoS::AtMostOnce)]);
        network.unsubscribe(client, "+/b");
    }
    for &client in clients.iter().skip(1).step_by(2) {
        network.cut(client);
    }
    network.advance_millis(30_000);
    for &client in &clients {
        // Panics on a malformed stream.
        network.read(client);
        network.cut(client);
    }
    network
}

/// Makes the broker forget everything that it keeps for those who come back.
fn clear(network: &mut Network) {
    let mut policy = policy();
    policy.limits.memory_bytes = usize::MAX;
    network.broker.set_policy(policy);
    for number in 0..6 {
        let client = network.connect(&format!("client-{number}"));
        network.cut(client);
    }
    for topic in ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "will"] {
        network.broker.publish(network.now, topic, b"", QoS::AtMostOnce, true).unwrap();
    }
    while network.broker.next_change().is_some() {}
    let client = network.connect("last");
    network.cut(client);
}

#[test]
fn every_budget_is_kept_without_panic_or_leak() {
    let whole = scenario(1 << 20).broker.statistics().memory_peak_bytes;
    assert!(whole > 5000);
    for memory_bytes in (0..whole * 3 / 2).step_by(37) {
        let mut network = scenario(memory_bytes);
        let statistics = network.broker.statistics();
        assert!(statistics.memory_peak_bytes <= memory_bytes, "{statistics:?}");
        clear(&mut network);
        let statistics = network.broker.statistics();
        assert_eq!(statistics.memory_used_bytes, 0, "budget {memory_bytes}: {statistics:?}");
        assert_eq!((statistics.sessions, statistics.messages_stored), (0, 0));
    }
}

#[test]
fn an_idle_broker_holds_no_memory() {
    let broker = Broker::new(policy(), 1, Users::default());
    assert_eq!(broker.statistics().memory_used_bytes, 0);
}

/// The slope from 16 to 48 clients with two filters each, transport not counted.
#[test]
fn an_idle_client_is_small() {
    let mut network = Network::new();
    let mut used = Vec::new();
    for number in 0..48 {
        let client = network.connect(&format!("DVES_{number:07}"));
        network.subscribed(client, &format!("cmnd/tasmota_{number:07}/#"), QoS::AtMostOnce);
        network.subscribed(client, &format!("cmnd/DVES_{number:07}_fb/#"), QoS::AtMostOnce);
        while network.broker.next_event().is_some() {}
        used.push(network.broker.statistics().memory_used_bytes);
    }
    let slope = (used[47] - used[15]) / 32;
    println!("slope {slope}");
    assert!(slope <= 700, "{slope} bytes a client");
}
