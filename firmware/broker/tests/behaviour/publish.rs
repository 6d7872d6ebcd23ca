//! PUBLISH in both directions: QoS 0, 1 and 2.

use obkmq_broker::{PublishError, QoS};
use obkmq_mqtt::{AckKind, Packet, Publish};

use crate::network::*;

#[test]
fn a_message_reaches_those_who_asked_for_it() {
    let mut network = Network::new();
    let [sender, receiver, other] = ["s", "r", "o"].map(|name| network.connect(name));
    network.subscribed(receiver, "a/+", QoS::AtMostOnce);
    network.subscribed(other, "b/#", QoS::AtMostOnce);
    network.publish(sender, "a/b", "hello");
    assert_eq!(network.read(receiver), ["a/b=hello q0"]);
    assert!(network.read(other).is_empty() && network.read(sender).is_empty());
}

#[test]
fn a_client_receives_its_own_messages() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.subscribed(client, "#", QoS::AtMostOnce);
    network.publish(client, "a", "x");
    assert_eq!(network.read(client), ["a=x q0"]);
}

#[test]
fn mqtt_3_8_4_6_delivery_is_at_the_lower_of_both_qos() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let [zero, one] = ["zero", "one"].map(|name| network.connect(name));
    network.subscribed(zero, "a", QoS::AtMostOnce);
    network.subscribed(one, "a", QoS::AtLeastOnce);
    network.publish(sender, "a", "0");
    network.send(sender, &publish_qos("a", "1", QoS::AtLeastOnce, 7));
    assert_eq!(network.read(sender), ["PUBACK 7"]);
    assert_eq!(network.read(zero), ["a=0 q0", "a=1 q0"]);
    assert_eq!(network.read(one), ["a=0 q0", "a=1 q1 id1"]);
}

#[test]
fn mqtt_3_3_5_1_overlapping_filters_deliver_once_at_the_highest_qos() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    for (filter, qos) in [
        ("a/#", QoS::AtMostOnce),
        ("a/+", QoS::AtLeastOnce),
        ("#", QoS::AtMostOnce),
        ("a/b", QoS::AtMostOnce),
    ] {
        network.subscribed(receiver, filter, qos);
    }
    network.send(sender, &publish_qos("a/b", "x", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(receiver), ["a/b=x q1 id1"]);
}

#[test]
fn mqtt_4_3_2_an_acknowledged_message_is_not_sent_again() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (receiver, _) = network.connect_persistent("r");
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    network.send(sender, &publish_qos("a", "y", QoS::AtLeastOnce, 2));
    assert_eq!(network.read(receiver), ["a=x q1 id1", "a=y q1 id2"]);
    network.ack(receiver, AckKind::PubAck, 1);
    network.cut(receiver);
    let (receiver, present) = network.connect_persistent("r");
    assert!(present);
    assert_eq!(network.read(receiver), ["a=y q1 id2 dup"]);
}

#[test]
fn mqtt_2_3_1_2_packet_ids_under_way_are_not_used_again() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 3);
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    // The first message is never acknowledged; its identifier is spared when the numbers come round.
    network.send(sender, &publish_qos("a", "first", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(receiver), ["a=first q1 id1"]);
    let mut expected = 1u16;
    for _ in 0..65_534 {
        network.broker.publish(network.now, "a", b"x", QoS::AtLeastOnce, false).unwrap();
        expected = expected.checked_add(1).unwrap();
        let link = network.link(receiver);
        let mut buffer = [0; 16];
        let filled = network.broker.fill(link, &mut buffer);
        assert_eq!(
            describe(obkmq_mqtt::Version::V3_1_1, &buffer[..filled]).0,
            [format!("a=x q1 id{expected}")]
        );
        network.broker.sent(network.now, link, filled);
        network.broker.receive(network.now, link, &[0x40, 2, (expected >> 8) as u8, expected as u8]);
    }
    network.broker.publish(network.now, "a", b"y", QoS::AtLeastOnce, false).unwrap();
    network.run();
    assert_eq!(network.read(receiver), ["a=y q1 id2"]);
}

#[test]
fn mqtt_4_6_0_6_messages_keep_their_order_through_a_small_window() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 2);
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    for number in 1..=5 {
        network.send(sender, &publish_qos("a", &number.to_string(), QoS::AtLeastOnce, number));
    }
    assert_eq!(network.read(sender).len(), 5);
    assert_eq!(network.read(receiver), ["a=1 q1 id1", "a=2 q1 id2"]);
    network.ack(receiver, AckKind::PubAck, 2);
    assert_eq!(network.read(receiver), ["a=3 q1 id3"]);
    network.ack(receiver, AckKind::PubAck, 1);
    network.ack(receiver, AckKind::PubAck, 3);
    assert_eq!(network.read(receiver), ["a=4 q1 id4", "a=5 q1 id5"]);
    // Acknowledgements of what is not under way change nothing.
    network.ack(receiver, AckKind::PubAck, 1);
    network.ack(receiver, AckKind::PubAck, 999);
    assert!(network.is_alive(receiver));
}

#[test]
fn mqtt_4_3_3_qos_2_is_delivered_exactly_once() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtMostOnce);
    let first = publish_qos("a", "x", QoS::ExactlyOnce, 5);
    network.send(sender, &first);
    assert_eq!(network.read(sender), ["PUBREC 5"]);
    let Packet::Publish(publish) = first else { panic!() };
    network.send(sender, &Packet::Publish(Publish { dup: true, ..publish }));
    assert_eq!(network.read(sender), ["PUBREC 5"]);
    network.ack(sender, AckKind::PubRel, 5);
    assert_eq!(network.read(sender), ["PUBCOMP 5"]);
    assert_eq!(network.read(receiver), ["a=x q0"]);
    // A repeated release is answered, and the identifier is free for another message.
    network.ack(sender, AckKind::PubRel, 5);
    assert_eq!(network.read(sender), ["PUBCOMP 5"]);
    network.send(sender, &publish_qos("a", "y", QoS::ExactlyOnce, 5));
    assert_eq!(network.read(receiver), ["a=y q0"]);
}

#[test]
fn mqtt_4_3_3_qos_2_survives_a_reconnection() {
    let mut network = Network::new();
    let receiver = network.connect("r");
    network.subscribed(receiver, "a", QoS::AtMostOnce);
    let (sender, _) = network.connect_persistent("s");
    network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, 5));
    network.cut(sender);
    let (sender, present) = network.connect_persistent("s");
    assert!(present);
    let Packet::Publish(publish) = publish_qos("a", "x", QoS::ExactlyOnce, 5) else { panic!() };
    network.send(sender, &Packet::Publish(Publish { dup: true, ..publish }));
    network.ack(sender, AckKind::PubRel, 5);
    assert_eq!(network.read(sender), ["PUBREC 5", "PUBCOMP 5"]);
    assert_eq!(network.read(receiver), ["a=x q0"]);
}

#[test]
fn unreleased_messages_of_qos_2_are_bounded() {
    let mut network = Network::with_limits(|limits| limits.max_inbound_inflight = 3);
    let sender = network.connect("s");
    for number in 1..=3 {
        network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, number));
    }
    assert!(network.is_alive(sender));
    network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, 4));
    assert!(network.client(sender).closed);
}

#[test]
fn packets_that_only_servers_send_close_the_link() {
    for packet in [&[0x20, 2, 0, 0][..], &[0x90, 3, 0, 1, 0], &[0xB0, 2, 0, 1], &[0xD0, 0]] {
        let mut network = Network::new();
        let client = network.connect("c");
        network.send_bytes(client, packet);
        assert!(network.client(client).closed, "{packet:?}");
    }
}

#[test]
fn mqtt_3_12_4_1_a_ping_is_answered() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.ping(client);
    assert_eq!(network.read(client), ["PINGRESP"]);
}

#[test]
fn the_board_can_publish_itself() {
    let mut network = Network::with_limits(|limits| limits.max_packet_bytes = 100);
    let client = network.connect("c");
    network.subscribed(client, "#", QoS::AtLeastOnce);
    network.broker.publish(network.now, "a", b"x", QoS::AtMostOnce, false).unwrap();
    network.broker.publish(network.now, "a", b"y", QoS::ExactlyOnce, true).unwrap();
    network.run();
    assert_eq!(network.read(client), ["a=x q0", "a=y q1 id1"]);
    assert_eq!(network.broker.retained("a").unwrap().payload, b"y");
    let mut publish =
        |topic, payload: &[u8]| network.broker.publish(network.now, topic, payload, QoS::AtMostOnce, false);
    assert!(matches!(publish("a/#", b""), Err(PublishError::Topic(_))));
    assert!(matches!(publish("", b""), Err(PublishError::Topic(_))));
    assert_eq!(publish("a", &[0; 100]), Err(PublishError::TooLong));
}

#[test]
fn messages_and_bytes_are_counted() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtMostOnce);
    let before = network.broker.statistics();
    network.publish(sender, "a", "0123456789");
    network.publish(sender, "nobody", "0123456789");
    let after = network.broker.statistics();
    assert_eq!(after.messages_received - before.messages_received, 2);
    assert_eq!(after.messages_sent - before.messages_sent, 1);
    assert_eq!(after.bytes_received - before.bytes_received, 15 + 20);
    assert_eq!(after.bytes_sent - before.bytes_sent, 15);
    assert_eq!(after.clients, 2);
}

#[test]
fn mqtt_3_3_1_3_an_incoming_dup_is_not_passed_on() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    let fields = publish_fields("a", b"x");
    let publish = Publish { dup: true, qos: QoS::AtLeastOnce, packet_id: Some(id(4)), ..fields };
    network.send(sender, &Packet::Publish(publish));
    assert_eq!(network.read(receiver), ["a=x q1 id1"]);
}

#[test]
fn mqtt_4_6_0_3_and_4_answers_keep_the_order_of_what_they_answer() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::ExactlyOnce);
    for number in [3, 1, 2] {
        network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, number));
    }
    assert_eq!(network.read(sender), ["PUBREC 3", "PUBREC 1", "PUBREC 2"]);
    assert_eq!(network.read(receiver).len(), 3);
    for number in [2, 1] {
        network.ack(receiver, AckKind::PubRec, number);
    }
    assert_eq!(network.read(receiver), ["PUBREL 2", "PUBREL 1"]);
}

#[test]
fn mqtt_4_3_2_2_after_puback_the_identifier_means_a_new_message_with_dup_or_without() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtMostOnce);
    let Packet::Publish(first) = publish_qos("a", "x", QoS::AtLeastOnce, 5) else { panic!() };
    for dup in [false, true, false] {
        network.send(sender, &Packet::Publish(Publish { dup, ..first }));
        assert_eq!(network.read(sender), ["PUBACK 5"]);
        assert_eq!(network.read(receiver), ["a=x q0"]);
    }
}

#[test]
fn mqtt_2_3_1_4_an_identifier_is_free_again_after_its_last_acknowledgement() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 1);
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::ExactlyOnce);
    for (payload, qos) in [("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce), ("3", QoS::AtLeastOnce)] {
        network.send(sender, &publish_qos("a", payload, qos, 1));
    }
    // One at a time: each waits for the end of the one before.
    assert_eq!(network.read(receiver), ["a=1 q1 id1"]);
    network.ack(receiver, AckKind::PubAck, 1);
    assert_eq!(network.read(receiver), ["a=2 q2 id2"]);
    network.ack(receiver, AckKind::PubRec, 2);
    assert_eq!(network.read(receiver), ["PUBREL 2"]);
    network.ack(receiver, AckKind::PubComp, 2);
    assert_eq!(network.read(receiver), ["a=3 q1 id3"]);
}
