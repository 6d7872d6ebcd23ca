//! Deadlines on simulated time.

use obkmq_broker::{DisconnectReason, Event, QoS, RefusedReason};
use obkmq_mqtt::{Connect, Packet};

use crate::network::*;

fn with_keep_alive(network: &mut Network, client_id: &str, seconds: u16) -> Id {
    let client = network.open(LOOPBACK);
    network
        .send(client, &Packet::Connect(Connect { keep_alive_seconds: seconds, ..connect_fields(client_id) }));
    assert_eq!(network.read(client), ["CONNACK 0"]);
    client
}

fn disconnected(network: &Network, reason: DisconnectReason) -> bool {
    network
        .events
        .iter()
        .any(|event| matches!(event, Event::Disconnected { reason: found, .. } if *found == reason))
}

#[test]
fn mqtt_3_1_2_24_silence_of_one_and_a_half_keep_alives_ends_the_link() {
    let mut network = Network::new();
    let client = with_keep_alive(&mut network, "c", 10);
    network.advance_millis(14_900);
    assert!(!network.client(client).closed);
    network.ping(client);
    network.advance_millis(14_900);
    assert!(!network.client(client).closed);
    network.advance_millis(400);
    assert!(network.client(client).closed);
    assert!(disconnected(&network, DisconnectReason::KeepAlive));
}

#[test]
fn a_keep_alive_of_zero_never_ends() {
    let mut network = Network::new();
    let client = with_keep_alive(&mut network, "c", 0);
    network.advance_millis(1_000_000_000);
    assert!(network.is_alive(client));
}

#[test]
fn bytes_that_never_become_a_packet_keep_nothing_alive() {
    let mut network = Network::new();
    let client = with_keep_alive(&mut network, "c", 10);
    network.send_bytes(client, &[0x30, 100]);
    for _ in 0..40 {
        network.advance_millis(500);
        if !network.client(client).closed {
            network.send_bytes(client, &[0]);
        }
    }
    assert!(network.client(client).closed);
}

#[test]
fn connect_must_come_in_time() {
    let mut network = Network::with_limits(|limits| limits.connect_timeout_ms = 5_000);
    let silent = network.open(REMOTE);
    let slow = network.open(REMOTE);
    network.send_bytes(slow, &[0x10]);
    network.advance_millis(4_900);
    network.send_bytes(slow, &[0x20]);
    assert!(!network.client(silent).closed && !network.client(slow).closed);
    network.advance_millis(400);
    assert!(network.client(silent).closed && network.client(slow).closed);
    let timeouts = network
        .events
        .iter()
        .filter(|event| matches!(event, Event::Refused { reason: RefusedReason::ConnectTimeout, .. }));
    assert_eq!(timeouts.count(), 2);
}

#[test]
fn a_client_that_does_not_take_its_refusal_is_dropped_all_the_same() {
    let mut network = Network::with_limits(|limits| limits.max_client_id_bytes = 3);
    let client = network.open(REMOTE);
    network.client(client).blocked = true;
    network.send(client, &connect("long"));
    assert!(!network.client(client).closed);
    network.advance_millis(2_500);
    assert!(network.client(client).closed);
}

#[test]
fn a_link_that_takes_nothing_is_closed() {
    let mut network = Network::with_limits(|limits| limits.send_timeout_ms = 20_000);
    let client = network.connect("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    network.client(client).blocked = true;
    network.broker.publish(network.now, "a", b"x", QoS::AtMostOnce, false).unwrap();
    network.advance_millis(19_000);
    assert!(!network.client(client).closed);
    network.advance_millis(2_000);
    assert!(network.client(client).closed);
    assert!(disconnected(&network, DisconnectReason::NotReading));
}

#[test]
fn a_link_that_pings_but_never_reads_is_closed_after_its_keep_alive() {
    let mut network = Network::new();
    let client = with_keep_alive(&mut network, "c", 10);
    network.client(client).blocked = true;
    for _ in 0..8 {
        network.ping(client);
        network.advance_millis(2_000);
    }
    assert!(network.client(client).closed);
    assert!(disconnected(&network, DisconnectReason::NotReading));
}

#[test]
fn poll_tells_when_it_must_be_called_again() {
    let mut network = Network::with_limits(|limits| limits.connect_timeout_ms = 5_000);
    assert_eq!(network.broker.poll(network.now), None);
    let client = network.open(REMOTE);
    let deadline = network.broker.poll(network.now).unwrap();
    let until = (deadline.as_micros() - network.now.as_micros()) / 1000;
    assert!((5_000..5_300).contains(&until), "{until}");
    network.cut(client);
    network.advance_millis(10_000);
    assert_eq!(network.broker.poll(network.now), None);
}
