//! Sessions of MQTT 5.0, and what is under way in them.

use core::num::NonZeroU16;

use obkmq_broker::QoS;
use obkmq_mqtt::{Ack, AckKind, Packet, Properties, Property, ReasonCode};

use crate::network::*;

fn refused(kind: AckKind, number: u16) -> Packet<'static> {
    let reason = ReasonCode::QuotaExceeded;
    Packet::Ack(Ack { kind, packet_id: id(number), reason, properties: Properties::EMPTY })
}

#[test]
fn mqtt_3_1_2_23_of_5_0_a_session_lasts_as_long_as_it_was_to() {
    let mut network = Network::new();
    let (client, present) = network.five_for("c", 10);
    assert!(!present);
    network.cut(client);
    network.advance_millis(9_000);
    let (client, present) = network.five_for("c", 10);
    assert!(present);
    // Its time begins with the end of the link.
    network.advance_millis(100_000);
    network.cut(client);
    network.advance_millis(10_500);
    assert!(!network.five_for("c", u32::MAX).1);
    let (client, present) = network.five_for("c", u32::MAX);
    assert!(present);
    network.cut(client);
    network.advance_millis(200_000_000_000);
    let (client, present) = network.five_for("c", 0);
    assert!(present, "the largest number is for ever");
    network.cut(client);
    assert_eq!(network.broker.statistics().sessions, 0);
}

#[test]
fn mqtt_3_1_3_7_of_5_0_an_assigned_client_id_finds_its_session_again() {
    let mut network = Network::new();
    let (client, answer) = network.connect_five("", true, &[Property::SessionExpiryInterval(100)]);
    let given = answer.split("AssignedClientIdentifier(").nth(1).unwrap();
    let given = given.split('"').nth(1).unwrap().to_owned();
    network.cut(client);
    assert!(network.five_for(&given, 100).1, "{given}");
}

#[test]
fn mqtt_4_9_0_3_of_5_0_a_full_window_delays_only_what_needs_it() {
    let mut network = Network::new();
    let one = Property::ReceiveMaximum(NonZeroU16::new(1).unwrap());
    let (reader, _) = network.connect_five("r", true, &[one]);
    network.subscribed(reader, "a", QoS::ExactlyOnce);
    let sender = network.connect("s");
    for number in 1..=2 {
        network.send(sender, &publish_qos("a", &number.to_string(), QoS::ExactlyOnce, number));
    }
    network.publish(sender, "a", "0");
    assert_eq!(network.read(reader), ["a=1 q2 id1", "a=0 q0"]);
    network.subscribed(reader, "b", QoS::AtMostOnce);
    network.publish_five(reader, "c", "x", QoS::AtLeastOnce, &[]);
    assert_eq!(network.read(reader), ["PUBACK 7 0x10"]);
    // PUBREC alone makes no room, PUBCOMP does.
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    network.ack(reader, AckKind::PubComp, 1);
    assert_eq!(network.read(reader), ["a=2 q2 id2"]);
    assert!(network.is_alive(reader));
}

#[test]
fn mqtt_4_4_0_2_of_5_0_a_refused_message_is_done_with() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 1);
    let sender = network.connect("s");
    let (reader, _) = network.five_for("r", 1000);
    network.subscribed(reader, "a", QoS::ExactlyOnce);
    for (number, qos) in [(1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce), (3, QoS::AtLeastOnce)] {
        network.send(sender, &publish_qos("a", &number.to_string(), qos, number));
    }
    assert_eq!(network.read(reader), ["a=1 q1 id1"]);
    network.send(reader, &refused(AckKind::PubAck, 1));
    assert_eq!(network.read(reader), ["a=2 q2 id2"]);
    network.send(reader, &refused(AckKind::PubRec, 2));
    let last = network.read(reader);
    assert!(last[0].starts_with("a=3 q1"), "{last:?}");
    network.cut(reader);
    let (_, said) = network.connect_five("r", false, &[]);
    assert!(!said.contains("a=1") && !said.contains("a=2") && said.contains("a=3"), "{said}");
}

#[test]
fn mqtt_4_3_3_7_of_5_0_what_has_been_sent_does_not_expire() {
    let mut network = Network::new();
    let sender = network.five("s");
    let (reader, _) = network.five_for("r", 1000);
    network.subscribed(reader, "a", QoS::ExactlyOnce);
    network.publish_five(sender, "a", "x", QoS::ExactlyOnce, &[Property::MessageExpiryInterval(5)]);
    assert_eq!(network.read(reader), ["a=x q2 id1 expiry5"]);
    network.cut(reader);
    network.advance_millis(10_000);
    let (reader, said) = network.connect_five("r", false, &[Property::SessionExpiryInterval(1000)]);
    assert!(said.ends_with("a=x q2 id1 dup expiry0"), "{said}");
    // Nor does what is owed for a message from a client.
    network.ack(sender, AckKind::PubRel, 7);
    assert_eq!(network.read(sender), ["PUBREC 7", "PUBCOMP 7"]);
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
}

#[test]
fn mqtt_4_8_2_4_to_6_of_5_0_what_one_member_was_sent_no_other_gets() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (one, _) = network.five_for("one", 10);
    network.subscribed(one, "$share/g/a", QoS::ExactlyOnce);
    for number in 1..=3 {
        network.send(sender, &publish_qos("a", &number.to_string(), QoS::ExactlyOnce, number));
    }
    assert_eq!(network.read(one).len(), 3);
    let other = network.five("other");
    network.subscribed(other, "$share/g/a", QoS::AtLeastOnce);
    network.send(one, &refused(AckKind::PubRec, 1));
    network.cut(one);
    // The link is back: the rest is completed with the same member.
    let (_, said) = network.connect_five("one", false, &[Property::SessionExpiryInterval(10)]);
    assert!(said.ends_with("a=2 q2 id2 dup; a=3 q2 id3 dup"), "{said}");
    assert!(network.read(other).is_empty());
    // Its session is over: nobody gets it. The granted QoS is each member's own.
    let again = network.five("one");
    assert!(network.is_alive(again));
    network.send(sender, &publish_qos("a", "4", QoS::ExactlyOnce, 9));
    assert_eq!(network.read(other), ["a=4 q1 id1"]);
}

#[test]
fn mqtt_4_3_2_5_of_5_0_an_acknowledged_identifier_may_carry_another_message() {
    let mut network = Network::new();
    let [sender, reader] = ["s", "r"].map(|name| network.five(name));
    network.subscribed(reader, "a", QoS::AtMostOnce);
    network.send_bytes(sender, &[0x32, 7, 0, 1, b'a', 0, 7, 0, b'1']);
    network.send_bytes(sender, &[0x3A, 7, 0, 1, b'a', 0, 7, 0, b'2']);
    assert_eq!(network.read(reader), ["a=1 q0", "a=2 q0"]);
}

#[test]
fn mqtt_3_3_2_12_of_5_0_every_alias_up_to_the_maximum_is_taken() {
    let mut network = Network::with_limits(|limits| limits.max_topic_aliases = 20);
    let [sender, reader] = ["s", "r"].map(|name| network.five(name));
    network.subscribed(reader, "#", QoS::AtMostOnce);
    let alias = |number| [Property::TopicAlias(NonZeroU16::new(number).unwrap())];
    for number in 1..=20 {
        network.publish_five(sender, &format!("t{number}"), "x", QoS::AtMostOnce, &alias(number));
    }
    network.read(reader);
    for number in (1..=20).rev() {
        network.publish_five(sender, "", "y", QoS::AtMostOnce, &alias(number));
        assert_eq!(network.read(reader), [format!("t{number}=y q0")]);
    }
    // Where there are none, none is told, and none is taken.
    let mut network = Network::with_limits(|limits| limits.max_topic_aliases = 0);
    let (client, answer) = network.connect_five("c", true, &[]);
    assert!(!answer.contains("TopicAlias"), "{answer}");
    network.publish_five(client, "a", "x", QoS::AtMostOnce, &alias(1));
    assert_eq!(network.take(client), "DISCONNECT 0x94");
}
