//! MQTT 3.1: the protocol of old devices.

use obkmq_broker::QoS;
use obkmq_mqtt::Version;

use crate::network::*;

fn open(network: &mut Network, connect: &[u8]) -> Id {
    let client = network.open(LOOPBACK);
    network.client(client).version = Version::V3_1;
    network.send_bytes(client, connect);
    client
}

const CONNECT: &[u8] = b"\x10\x0F\0\x06MQIsdp\x03\x02\0\x3C\0\x01c";

#[test]
fn a_client_of_3_1_is_served() {
    let mut network = Network::new();
    let old = open(&mut network, CONNECT);
    assert_eq!(network.read(old), ["CONNACK 0"]);
    // SUBSCRIBE with the DUP flag, which 3.1 has there.
    network.send_bytes(old, b"\x8A\x06\0\x01\0\x01a\x02");
    assert_eq!(network.read(old), ["SUBACK 1 [2]"]);
    let new = network.five("n");
    network.publish_five(new, "a", "x", QoS::ExactlyOnce, &[]);
    assert_eq!(network.read(old), ["a=x q2 id1"]);
    network.send_bytes(old, b"\x50\x02\0\x01");
    assert_eq!(network.read(old), ["PUBREL 1"]);
    network.send_bytes(old, b"\x70\x02\0\x01\xE0\0");
    assert!(network.client(old).closed);
}

#[test]
fn a_message_of_qos_2_from_3_1_is_released_with_the_dup_flag_set() {
    let mut network = Network::new();
    let old = open(&mut network, CONNECT);
    network.send_bytes(old, b"\x34\x06\0\x01a\0\x05x");
    network.send_bytes(old, b"\x6A\x02\0\x05");
    assert_eq!(network.read(old), ["CONNACK 0", "PUBREC 5", "PUBCOMP 5"]);
    // 3.1.1 does not know that flag there.
    let newer = network.connect("n");
    network.send_bytes(newer, b"\x6A\x02\0\x05");
    assert!(network.client(newer).closed);
}

#[test]
fn a_refused_filter_is_granted_in_words_since_3_1_knows_no_refusal() {
    let mut network = Network::new();
    let mut rights = obkmq_broker::Rights::new();
    rights.add_user(None, "", obkmq_broker::Scope::Listed, false).unwrap();
    rights.add_rule(None, true, true, "mine").unwrap();
    network.broker.set_rights(rights);
    let old = open(&mut network, CONNECT);
    network.send_bytes(old, b"\x82\x0F\0\x01\0\x06theirs\x01\0\x01a\x02");
    assert_eq!(network.read(old), ["CONNACK 0", "SUBACK 1 [1,2]"]);
    assert_eq!(network.broker.statistics().subscriptions, 0);
    // 3.1.1 has a code for it.
    let newer = network.connect("n");
    network.subscribe(newer, &[("theirs", QoS::AtLeastOnce)]);
    assert_eq!(network.read(newer), ["SUBACK 100 [128]"]);
}

#[test]
fn an_empty_client_id_is_not_known_in_3_1() {
    let mut network = Network::new();
    let old = open(&mut network, b"\x10\x0E\0\x06MQIsdp\x03\x02\0\x3C\0\0");
    assert_eq!(network.read(old), ["CONNACK 2"]);
}
