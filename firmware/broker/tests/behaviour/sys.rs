//! The broker's own figures.

use obkmq_broker::{QoS, RadioFigures};

use crate::network::*;

fn network() -> Network {
    let mut policy = policy();
    policy.sys_interval_seconds = 10;
    Network::with(policy)
}

#[test]
fn figures_are_found_like_retained_messages_and_told_again_in_turn() {
    let mut network = network();
    let client = network.connect("c");
    network.subscribe(client, &[("$SYS/broker/clients/connected", QoS::AtMostOnce)]);
    assert_eq!(network.read(client), ["SUBACK 100 [0]", "$SYS/broker/clients/connected=1 q0 retain"]);
    network.connect("d");
    network.advance_millis(10_500);
    assert_eq!(network.read(client), ["$SYS/broker/clients/connected=2 q0"]);
    assert_eq!(network.broker.statistics().retained, 0);
}

#[test]
fn mqtt_4_7_2_1_a_wildcard_in_front_does_not_find_them() {
    let mut network = network();
    let client = network.connect("c");
    network.subscribe(client, &[("#", QoS::AtMostOnce), ("+/broker/#", QoS::AtMostOnce)]);
    assert_eq!(network.read(client).len(), 1);
    network.advance_millis(30_000);
    assert!(network.read(client).is_empty());
    network.subscribe(client, &[("$SYS/#", QoS::AtMostOnce)]);
    let all = network.read(client);
    assert!(all.len() > 20, "{all:?}");
    for name in ["version", "uptime", "heap/current", "heap/maximum", "heap/budget", "loop time/maximum"] {
        assert!(all.iter().any(|packet| packet.starts_with(&format!("$SYS/broker/{name}="))), "{name}");
    }
}

#[test]
fn a_radio_tells_its_figures_where_there_is_one_and_its_strength_while_it_is_in_a_network() {
    let mut network = network();
    let client = network.connect("c");
    network.subscribe(client, &[("$SYS/broker/wifi/#", QoS::AtMostOnce)]);
    assert_eq!(network.read(client), ["SUBACK 100 [0]"]);
    network.broker.note_radio(RadioFigures { rssi_dbm: None, reconnects: 0 });
    network.advance_millis(10_500);
    assert_eq!(network.read(client), ["$SYS/broker/wifi/reconnects=0 q0"]);
    network.broker.note_radio(RadioFigures { rssi_dbm: Some(-61), reconnects: 2 });
    network.advance_millis(10_500);
    assert_eq!(
        network.read(client),
        ["$SYS/broker/wifi/rssi=-61 dBm q0", "$SYS/broker/wifi/reconnects=2 q0"]
    );
}

#[test]
fn a_board_that_knows_tells_why_it_has_started() {
    let mut network = network();
    let client = network.connect("c");
    network.broker.note_start("panic", 2);
    network.subscribe(client, &[("$SYS/broker/start/+", QoS::AtMostOnce)]);
    let told =
        ["SUBACK 100 [0]", "$SYS/broker/start/cause=panic q0 retain", "$SYS/broker/start/failed=2 q0 retain"];
    assert_eq!(network.read(client), told);
}

#[test]
fn nobody_but_the_broker_publishes_them() {
    let mut network = network();
    let client = network.connect("c");
    network.subscribe(client, &[("$SYS/mine", QoS::AtMostOnce)]);
    network.read(client);
    network.send(client, &publish_qos_retained("$SYS/mine", "x", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(client), ["PUBACK 1"]);
    assert_eq!(network.broker.statistics().drops.not_authorized, 1);
}

#[test]
fn an_interval_of_zero_switches_them_off() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.subscribe(client, &[("$SYS/#", QoS::AtMostOnce)]);
    network.advance_millis(100_000);
    assert_eq!(network.read(client).len(), 1);
}
