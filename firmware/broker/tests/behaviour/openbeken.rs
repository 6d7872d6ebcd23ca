//! Regression tests for the faults of OpenBeken's own broker, as far as a broker can have them.

use obkmq_broker::{Anonymous, QoS};
use obkmq_mqtt::{AckKind, Connect, Packet, Publish};

use crate::network::*;

#[test]
fn a_connect_that_leaves_its_flags_out_gets_nobody_in() {
    let mut policy = policy();
    policy.anonymous = Anonymous::Never;
    let mut network = Network::with(policy);
    network.broker.verifier_mut().known = vec![("alice", b"secret", 1)];
    let name_only = Connect { user_name: Some(text("alice")), ..connect_fields("c") };
    for fields in [connect_fields("c"), name_only] {
        let client = network.open(LOOPBACK);
        network.send(client, &Packet::Connect(fields));
        assert_ne!(network.read(client), ["CONNACK 0"]);
        assert!(network.client(client).closed);
    }
}

#[test]
fn one_login_attempt_a_connection() {
    let mut network = Network::new();
    network.broker.verifier_mut().known = vec![("alice", b"secret", 1)];
    network.broker.verifier_mut().slices = 1;
    let client = network.open(LOOPBACK);
    for _ in 0..3 {
        network.send(client, &login("c", "alice", "guess"));
    }
    assert_eq!(network.read(client), ["CONNACK 4"]);
    assert_eq!(network.broker.verifier().verified, 1);
}

#[test]
fn lengths_beyond_the_packet_are_no_memory_errors() {
    let connects: [&[u8]; 3] = [
        b"\x10\x0C\xFF\xFFMQTT\x04\x02\0\0\0\0",
        b"\x10\x0F\0\x04MQTT\x04\x06\0\0\0\0\xFF\xFFw",
        b"\x10\x11\0\x04MQTT\x04\x06\0\0\0\0\0\x01w\xFF\xFF",
    ];
    for packet in connects {
        let mut network = Network::new();
        let client = network.open(LOOPBACK);
        network.send_bytes(client, packet);
        assert!(network.client(client).closed);
    }
    let mut network = Network::new();
    let client = network.connect("c");
    network.send_bytes(client, b"\x32\x03\0\x01a");
    assert!(network.client(client).closed);
}

#[test]
fn a_subscribe_may_have_more_than_16_filters() {
    let mut network = Network::new();
    let client = network.connect("c");
    let names: Vec<_> = (0..500).map(|number| format!("f/{number}")).collect();
    let filters: Vec<_> = names.iter().map(|name| (name.as_str(), QoS::AtMostOnce)).collect();
    network.subscribe(client, &filters);
    assert_eq!(network.read(client), [format!("SUBACK 100 [{}]", vec!["0"; 500].join(","))]);
    network.publish(client, "f/499", "x");
    assert_eq!(network.read(client), ["f/499=x q0"]);
}

#[test]
fn a_packet_over_2048_bytes_keeps_the_framing() {
    let mut network = Network::new();
    network.pieces.0 = 536;
    let client = network.connect("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    network.send(client, &publish("a", &[b'x'; 5000]));
    network.publish(client, "a", "next");
    let packets = network.read(client);
    assert_eq!(packets.len(), 2);
    assert_eq!(packets[1], "a=next q0");
}

#[test]
fn four_byte_lengths_work_and_malformed_ones_close() {
    let mut network = Network::with_limits(|limits| limits.max_packet_bytes = 3_000_000);
    let client = network.connect("c");
    let large = encode(&publish("a", &vec![0; 2_097_152]));
    assert_eq!(&large[1..5], [0x83, 0x80, 0x80, 0x01]);
    network.send_bytes(client, &large);
    assert!(network.is_alive(client));
    network.send_bytes(client, &[0x30, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert!(network.client(client).closed);
}

#[test]
fn partial_sends_do_not_corrupt_the_stream_of_a_slow_subscriber() {
    let mut network = Network::new();
    network.pieces = (usize::MAX, 100, 3);
    let client = network.connect("c");
    network.subscribed(client, "#", QoS::AtLeastOnce);
    for number in 1..=20 {
        network.send(
            client,
            &publish_qos("a/topic", &"x".repeat(usize::from(number) * 7), QoS::AtLeastOnce, number),
        );
    }
    assert_eq!(network.read(client).len(), 40);
    assert!(network.is_between_packets(client));
}

#[test]
fn openbekens_own_client_is_served() {
    let mut network = Network::new();
    let home_assistant = network.connect("ha");
    network.subscribed(home_assistant, "obk123/#", QoS::AtMostOnce);
    let device = network.open(LOOPBACK);
    let will = will("obk123/connected", "offline", QoS::AtLeastOnce, true);
    let fields = Connect { will, keep_alive_seconds: 100, ..connect_fields("obk123") };
    network.send(device, &Packet::Connect(fields));
    let Packet::Publish(online) = publish_qos("obk123/connected", "online", QoS::ExactlyOnce, 1) else {
        panic!()
    };
    network.send(device, &Packet::Publish(Publish { retain: true, ..online }));
    assert_eq!(network.read(device), ["CONNACK 0", "PUBREC 1"]);
    network.ack(device, AckKind::PubRel, 1);
    assert_eq!(network.read(device), ["PUBCOMP 1"]);
    assert_eq!(network.read(home_assistant), ["obk123/connected=online q0"]);
    network.advance_millis(151_000);
    assert_eq!(network.read(home_assistant), ["obk123/connected=offline q0"]);
    assert_eq!(network.broker.retained("obk123/connected").unwrap().payload, b"offline");
}

#[test]
fn a_hash_matches_at_the_end_only_and_includes_the_parent() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.subscribed(client, "sport/#", QoS::AtMostOnce);
    network.publish(client, "sport", "parent");
    network.publish(client, "sports", "other");
    assert_eq!(network.read(client), ["sport=parent q0"]);
    network.send_bytes(client, b"\x82\x0C\0\x01\0\x07a/#/b/c\0");
    assert!(network.client(client).closed);
}

#[test]
fn half_open_connections_do_not_lock_everyone_out() {
    let mut network = Network::with_limits(|limits| limits.max_links = 8);
    for _ in 0..4 {
        network.open(REMOTE);
    }
    for number in 0..4 {
        let client = network.open(REMOTE);
        network.send(
            client,
            &Packet::Connect(Connect { keep_alive_seconds: 30, ..connect_fields(&format!("c{number}")) }),
        );
    }
    assert!(network.try_open(REMOTE).is_err());
    network.advance_millis(50_000);
    assert_eq!(network.broker.statistics().links, 0);
    network.connect("late");
}

#[test]
fn texts_from_outside_are_harmless_in_events() {
    let mut network = Network::new();
    network.connect("<b>\u{1b}[2J\n");
    let Some(obkmq_broker::Event::Connected { client_id, .. }) = network.events.last() else { panic!() };
    assert_eq!(client_id.as_str(), "<b>?[2J?");
}
