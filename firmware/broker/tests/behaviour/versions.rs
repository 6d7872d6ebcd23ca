//! Clients of all three versions on one broker, and what only MQTT 3.1 has.

use obkmq_broker::{Event, QoS, Version};
use obkmq_mqtt::{Connect, Packet, Property};

use crate::network::*;

fn old_connect(client_id: &str, clean_start: bool) -> Packet<'_> {
    Packet::Connect(Connect { version: Version::V3_1, clean_start, ..connect_fields(client_id) })
}

/// Connects with MQTT 3.1.
fn connect_old(network: &mut Network, client_id: &str) -> Id {
    let client = network.open(LOOPBACK);
    network.send(client, &old_connect(client_id, true));
    assert_eq!(network.read(client), ["CONNACK 0"]);
    client
}

#[test]
fn name_and_level_belong_together() {
    let mut network = Network::new();
    let mixed =
        [&b"\x10\x0D\0\x04MQTT\x03\x02\0\x3C\0\x01c"[..], b"\x10\x0F\0\x06MQIsdp\x04\x02\0\x3C\0\x01c"];
    for connect in mixed {
        let client = network.open(LOOPBACK);
        network.send_bytes(client, connect);
        assert_eq!(network.read(client), ["CONNACK 1"]);
        assert!(network.client(client).closed);
    }
    connect_old(&mut network, "old");
    assert!(matches!(network.events.last(), Some(Event::Connected { version: Version::V3_1, .. })));
}

/// Sections 3.8 and 3.10 of MQTT 3.1: what is sent again says so, which later versions forbid.
#[test]
fn subscribe_and_unsubscribe_may_be_sent_again_with_dup_in_3_1_only() {
    let subscribe = b"\x8A\x06\0\x05\0\x01a\x01";
    let unsubscribe = b"\xAA\x05\0\x06\0\x01a";
    let mut network = Network::new();
    let client = connect_old(&mut network, "old");
    network.send_bytes(client, subscribe);
    network.send_bytes(client, unsubscribe);
    assert_eq!(network.read(client), ["SUBACK 5 [1]", "UNSUBACK 6"]);
    for packet in [&subscribe[..], unsubscribe] {
        let client = network.connect("new");
        network.send_bytes(client, packet);
        assert!(network.client(client).closed, "{packet:?}");
        let client = network.five("newest");
        network.send_bytes(client, packet);
        assert_eq!(network.read(client), ["DISCONNECT 0x81"]);
    }
}

/// Section 3.1 of MQTT 3.1: where the remaining length leaves no room, name and password are missing whatever the flags.
#[test]
fn the_remaining_length_takes_precedence_over_the_login_flags_of_3_1() {
    let mut network = Network::new();
    let client = network.open(LOOPBACK);
    network.client(client).version = Version::V3_1;
    network.send_bytes(client, b"\x10\x0F\0\x06MQIsdp\x03\xC2\0\x3C\0\x01c");
    assert_eq!(network.read(client), ["CONNACK 0"]);
    // It gets nobody in who would not be let in without the flags.
    let mut policy = policy();
    policy.anonymous = obkmq_broker::Anonymous::Never;
    network.broker.set_policy(policy);
    let client = network.open(LOOPBACK);
    network.client(client).version = Version::V3_1;
    network.send_bytes(client, b"\x10\x0F\0\x06MQIsdp\x03\xC2\0\x3C\0\x01d");
    assert_eq!(network.read(client), ["CONNACK 5"]);
    // Later it is a malformed packet.
    let client = network.open(LOOPBACK);
    network.send_bytes(client, b"\x10\x0D\0\x04MQTT\x04\xC2\0\x3C\0\x01c");
    assert!(network.read(client).is_empty() && network.client(client).closed);
}

/// The first byte of the answer is reserved (section 3.2 of MQTT 3.1).
#[test]
fn a_session_of_3_1_goes_on_though_the_answer_cannot_say_so() {
    let mut network = Network::new();
    let client = network.open(LOOPBACK);
    network.send(client, &old_connect("old", false));
    assert_eq!(network.read(client), ["CONNACK 0"]);
    network.subscribed(client, "a", QoS::AtLeastOnce);
    network.cut(client);
    let sender = network.connect("sender");
    network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    let client = network.open(LOOPBACK);
    network.send(client, &old_connect("old", false));
    // Read as 3.1.1 reads it, which has a meaning for that byte.
    network.client(client).version = Version::V3_1_1;
    assert_eq!(network.read(client), ["CONNACK 0", "a=x q1 id1"]);
}

#[test]
fn messages_cross_all_versions() {
    let mut network = Network::new();
    let [three, four, five] = [connect_old(&mut network, "3"), network.connect("4"), network.five("5")];
    for client in [three, four, five] {
        network.subscribed(client, "a", QoS::AtMostOnce);
    }
    for sender in [three, four] {
        network.publish(sender, "a", "x");
    }
    let list = [Property::ContentType(text("t")), Property::MessageExpiryInterval(50)];
    network.publish_five_as(five, "a", "y", QoS::AtMostOnce, true, &list);
    for client in [three, four] {
        assert_eq!(network.read(client), ["a=x q0", "a=x q0", "a=y q0"]);
    }
    let said = network.read(five);
    assert_eq!(said[..2], ["a=x q0", "a=x q0"]);
    assert!(said[2].starts_with("a=y q0 expiry50 ContentType"), "{said:?}");
    // The same on the way through the store.
    for late in [connect_old(&mut network, "late"), network.connect("later")] {
        network.subscribe(late, &[("a", QoS::AtMostOnce)]);
        assert_eq!(network.read(late), ["SUBACK 100 [0]", "a=y q0 retain"]);
    }
}

#[test]
fn a_client_that_knows_no_last_word_is_closed_without_one() {
    let mut network = Network::new();
    for old in [connect_old(&mut network, "c"), network.connect("c")] {
        let new = network.five("c");
        assert!(network.read(old).is_empty());
        assert!(network.client(old).closed && network.is_between_packets(old));
        assert!(network.is_alive(new));
    }
}
