//! Wills.

use obkmq_broker::QoS;
use obkmq_mqtt::{Connect, Packet};

use crate::network::*;

fn mortal(network: &mut Network, qos: QoS, retain: bool) -> Id {
    let client = network.open(LOOPBACK);
    let will = will("tele/plug/LWT", "Offline", qos, retain);
    network
        .send(client, &Packet::Connect(Connect { will, keep_alive_seconds: 10, ..connect_fields("plug") }));
    assert_eq!(network.read(client), ["CONNACK 0"]);
    client
}

fn witness(network: &mut Network) -> Id {
    let witness = network.connect("witness");
    network.subscribed(witness, "tele/#", QoS::AtLeastOnce);
    witness
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_when_the_transport_is_lost() {
    let mut network = Network::new();
    let witness = witness(&mut network);
    let client = mortal(&mut network, QoS::AtLeastOnce, false);
    network.cut(client);
    assert_eq!(network.read(witness), ["tele/plug/LWT=Offline q1 id1"]);
    assert_eq!(network.broker.retained("tele/plug/LWT"), None);
}

#[test]
fn mqtt_3_14_4_3_disconnect_discards_the_will() {
    let mut network = Network::new();
    let witness = witness(&mut network);
    let client = mortal(&mut network, QoS::AtLeastOnce, false);
    network.send_bytes(client, &[0xE0, 0]);
    assert!(network.client(client).closed);
    assert!(network.read(witness).is_empty());
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn a_protocol_error_a_timeout_and_a_take_over_publish_the_will() {
    let ends: [fn(&mut Network, Id); 3] = [
        |network, client| network.send_bytes(client, &[0xFF]),
        |network, _| network.advance_millis(16_000),
        |network, _| {
            network.connect("plug");
        },
    ];
    for end in ends {
        let mut network = Network::new();
        let witness = witness(&mut network);
        let client = mortal(&mut network, QoS::AtMostOnce, false);
        end(&mut network, client);
        assert!(network.client(client).closed);
        assert_eq!(network.read(witness), ["tele/plug/LWT=Offline q0"]);
    }
}

#[test]
fn mqtt_3_1_2_17_a_retained_will_is_kept() {
    let mut network = Network::new();
    let client = mortal(&mut network, QoS::AtLeastOnce, true);
    network.cut(client);
    let late = network.connect("late");
    network.subscribe(late, &[("tele/+/LWT", QoS::AtMostOnce)]);
    assert_eq!(network.read(late), ["SUBACK 100 [0]", "tele/plug/LWT=Offline q0 retain"]);
}

#[test]
fn a_will_that_replaces_online_is_told_to_the_journal() {
    let mut network = Network::new();
    let client = mortal(&mut network, QoS::AtMostOnce, true);
    network.send(client, &publish_retained("tele/plug/LWT", "Online"));
    assert!(network.broker.next_change().is_some());
    assert!(network.broker.next_change().is_none());
    network.cut(client);
    assert!(matches!(
        network.broker.next_change(),
        Some(obkmq_broker::Change::RetainedSet { topic: "tele/plug/LWT", .. })
    ));
    assert_eq!(network.broker.retained("tele/plug/LWT").unwrap().payload, b"Offline");
}

#[test]
fn a_client_with_a_kept_session_finds_its_own_will() {
    let mut network = Network::new();
    let client = network.open(LOOPBACK);
    let will = will("a", "gone", QoS::AtLeastOnce, false);
    let fields = Connect { will, clean_start: false, ..connect_fields("c") };
    network.send(client, &Packet::Connect(fields));
    assert_eq!(network.read(client), ["CONNACK 0"]);
    network.subscribed(client, "a", QoS::AtLeastOnce);
    network.cut(client);
    let (client, _) = network.connect_persistent("c");
    assert_eq!(network.read(client), ["a=gone q1 id1"]);
}

#[test]
fn mqtt_3_1_2_12_without_a_will_nothing_is_published() {
    let mut network = Network::new();
    let [reader, client] = ["r", "c"].map(|name| network.connect(name));
    network.subscribed(reader, "#", QoS::AtMostOnce);
    network.cut(client);
    network.advance_millis(1_000_000);
    assert!(network.read(reader).is_empty());
}

#[test]
fn mqtt_3_1_2_10_a_will_that_was_published_is_gone() {
    let mut network = Network::new();
    let witness = witness(&mut network);
    let client = mortal(&mut network, QoS::AtMostOnce, false);
    network.cut(client);
    assert_eq!(network.read(witness), ["tele/plug/LWT=Offline q0"]);
    // The same client without a will: the one before is not published once more.
    let client = network.connect("plug");
    network.cut(client);
    network.advance_millis(60_000);
    assert!(network.read(witness).is_empty());
}
