//! Packets whose end does not come: how long they are waited for, and what they may take up.

use obkmq_broker::{DisconnectReason, Event, Limits, QoS};

use crate::network::*;

fn chip(memory_bytes: usize) -> Network {
    let mut policy = policy();
    policy.limits = Limits { connect_timeout_ms: 10_000, ..Limits::for_chip(memory_bytes) };
    Network::with(policy)
}

fn gone_for(network: &Network, wanted: DisconnectReason) -> usize {
    let is_it = |event: &&Event| matches!(event, Event::Disconnected { reason, .. } if *reason == wanted);
    network.events.iter().filter(is_it).count()
}

/// A PUBLISH with so many bytes of payload.
fn long(payload_bytes: usize) -> Vec<u8> {
    encode(&publish("a", &vec![7; payload_bytes]))
}

#[test]
fn half_a_packet_is_not_waited_for_for_ever() {
    let mut network = Network::new();
    let silent = network.connect("silent");
    let idle = network.connect("idle");
    network.advance_millis(100_000);
    network.send_bytes(silent, &long(1000)[..200]);
    network.advance_millis(29_000);
    assert!(!network.client(silent).closed);
    network.advance_millis(2_000);
    assert!(network.client(silent).closed);
    assert_eq!(gone_for(&network, DisconnectReason::PacketIncomplete), 1);
    assert!(network.is_alive(idle));
}

#[test]
fn a_byte_now_and_then_gains_no_time() {
    let mut network = Network::new();
    let client = network.connect("c");
    let packet = long(1000);
    for byte in &packet[..60] {
        if network.client(client).closed {
            return;
        }
        network.send_bytes(client, &[*byte]);
        network.advance_millis(1_000);
    }
    panic!("still there");
}

#[test]
fn a_slow_but_steady_packet_arrives_and_the_next_one_has_all_its_time_again() {
    let mut network = Network::new();
    let reader = network.connect("r");
    network.subscribed(reader, "a", QoS::AtMostOnce);
    let client = network.connect("c");
    for _ in 0..2 {
        for piece in long(100_000).chunks(1500) {
            network.send_bytes(client, piece);
            network.advance_millis(1_000);
        }
        assert_eq!(network.read(reader).len(), 1);
        network.send_bytes(client, &long(10)[..1]);
        network.advance_millis(20_000);
        network.send_bytes(client, &long(10)[1..]);
        assert_eq!(network.read(reader).len(), 1);
    }
}

#[test]
fn what_is_not_read_is_not_late() {
    let mut policy = policy();
    policy.limits = Limits::for_chip(96 * 1024);
    policy.limits.packet_timeout_ms = 5_000;
    policy.limits.stall_timeout_ms = 100_000;
    let mut network = Network::with(policy);
    let (large, late) = (network.connect("large"), network.connect("late"));
    let packet = long(16_000);
    network.send_bytes(large, &packet[..15_000]);
    network.send_bytes(late, &packet[..5_000]);
    network.advance_millis(3_000);
    // There is no room for more of it, until the other one is through.
    network.send_bytes(late, &packet[5_000..15_000]);
    network.advance_millis(14_000);
    network.send_bytes(large, &packet[15_000..]);
    network.advance_millis(13_000);
    assert!(!network.client(late).closed, "{:?}", network.events);
    network.send_bytes(late, &packet[15_000..]);
    assert!(network.is_alive(late) && network.is_alive(large));
}

#[test]
fn the_beginnings_of_packets_share_a_quarter_of_the_memory() {
    let mut network = chip(96 * 1024);
    let clients: Vec<_> = (0..10).map(|number| network.connect(&format!("c{number}"))).collect();
    let before = network.broker.statistics().memory_used_bytes;
    let packet = long(16_000);
    for &client in &clients {
        network.send_bytes(client, &packet[..15_000]);
    }
    let held = network.broker.statistics().memory_used_bytes - before;
    assert!(held <= 96 * 1024 / 4 + 4096, "{held}");
    // Others come in meanwhile, and one after the other gets through.
    let other = network.connect("other");
    network.subscribed(other, "a", QoS::AtMostOnce);
    network.send_bytes(clients[0], &packet[15_000..]);
    assert_eq!(network.read(other).len(), 1);
    assert!(network.is_alive(other));
    network.advance_millis(100_000);
    assert!(clients[1..].iter().all(|&client| network.client(client).closed));
    for client in [clients[0], other] {
        network.cut(client);
    }
    network.run();
    assert_eq!(network.broker.statistics().memory_used_bytes, 0);
}

#[test]
fn one_packet_may_be_larger_than_the_share() {
    let mut network = chip(48 * 1024);
    let client = network.connect("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    let packet = long(15_000);
    network.send_bytes(client, &packet[..14_900]);
    network.send_bytes(client, &packet[14_900..]);
    assert_eq!(network.read(client).len(), 1);
}

#[test]
fn strangers_share_an_eighth_of_the_memory() {
    let mut network = chip(96 * 1024);
    let mut half = vec![0x10, 0xF0, 0x0F];
    half.resize(2000, 0);
    let mut open = 0;
    for _ in 0..40 {
        let stranger = network.open(REMOTE);
        network.send_bytes(stranger, &half);
        open += usize::from(!network.client(stranger).closed);
    }
    assert!((5..=6).contains(&open), "{open}");
    let held = network.broker.statistics().memory_used_bytes;
    assert!(held <= 96 * 1024 / 8 + 4096, "{held}");
    // Who says what there is to say at once needs no room for it.
    network.connect("c");
}
