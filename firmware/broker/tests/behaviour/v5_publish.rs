//! PUBLISH of MQTT 5.0: properties, expiry, topic aliases.

use core::num::{NonZeroU16, NonZeroU32};

use obkmq_broker::QoS;
use obkmq_mqtt::{AckKind, Binary, Property, TopicName, Version};

use crate::network::*;

fn alias(number: u16) -> Property<'static> {
    Property::TopicAlias(NonZeroU16::new(number).unwrap())
}

#[test]
fn mqtt_3_3_2_17_of_5_0_properties_are_passed_on_unaltered_and_in_order() {
    let mut network = Network::new();
    let [sender, new] = ["s", "n"].map(|name| network.five(name));
    let old = network.connect("o");
    for reader in [new, old] {
        network.subscribed(reader, "a", QoS::AtMostOnce);
    }
    let list = [
        Property::UserProperty(text("b"), text("1")),
        Property::ContentType(text("text/plain")),
        Property::UserProperty(text("a"), text("2")),
        Property::UserProperty(text("b"), text("1")),
        Property::PayloadFormatIndicator(true),
        Property::ResponseTopic(TopicName::new("r").unwrap()),
        Property::CorrelationData(Binary::new(&[1, 2]).unwrap()),
    ];
    network.publish_five(sender, "a", "x", QoS::AtMostOnce, &list);
    let said = network.take(new);
    let order = ["b:1", "ContentType", "a:2", "b:1", "PayloadFormat", "ResponseTopic", "CorrelationData"];
    let mut rest = &said[..];
    for word in order {
        let at = rest.find(word).unwrap_or_else(|| panic!("{word} in {said}"));
        rest = &rest[at + word.len()..];
    }
    assert_eq!(network.take(old), "a=x q0");
    // Likewise what was kept.
    network.publish_five_as(sender, "a", "kept", QoS::AtMostOnce, true, &list[..2]);
    network.take(new);
    let late = network.five("l");
    network.subscribe(late, &[("a", QoS::AtMostOnce)]);
    assert!(network.take(late).contains("a=kept q0 retain b:1 ContentType"));
}

#[test]
fn mqtt_3_3_2_6_of_5_0_the_time_that_a_message_has_waited_is_taken_off() {
    let mut network = Network::new();
    let sender = network.five("s");
    let (reader, _) = network.five_for("r", 1000);
    network.subscribed(reader, "a", QoS::AtLeastOnce);
    network.cut(reader);
    network.publish_five(sender, "a", "x", QoS::AtLeastOnce, &[Property::MessageExpiryInterval(100)]);
    network.publish_five_as(
        sender,
        "a",
        "kept",
        QoS::AtMostOnce,
        true,
        &[Property::MessageExpiryInterval(90)],
    );
    network.advance_millis(30_000);
    let (reader, _) = network.five_for("r", 1000);
    // `five_for` has read the answer and what came with it.
    network.cut(reader);
    let (_, said) = network.connect_five("r", false, &[]);
    assert!(said.contains("a=x q1 id1 dup expiry70") || said.contains("a=x q1 id1 dup expiry69"), "{said}");
    let late = network.five("l");
    network.subscribe(late, &[("a", QoS::AtMostOnce)]);
    assert!(network.take(late).contains("a=kept q0 retain expiry60"));
}

#[test]
fn mqtt_3_3_2_5_of_5_0_what_is_out_of_date_is_not_sent() {
    let mut network = Network::new();
    let sender = network.five("s");
    let expiry = [Property::MessageExpiryInterval(10)];
    // Neither what waited for an absent client,
    let (absent, _) = network.five_for("absent", 1000);
    network.subscribed(absent, "a", QoS::AtLeastOnce);
    network.cut(absent);
    // nor what waited in an outbox that nobody emptied, nor what was kept.
    let slow = network.five("slow");
    network.subscribed(slow, "a", QoS::AtLeastOnce);
    network.client(slow).blocked = true;
    network.publish_five(sender, "a", "x", QoS::AtLeastOnce, &expiry);
    network.publish_five_as(sender, "a", "y", QoS::AtMostOnce, true, &expiry);
    network.advance_millis(11_000);
    network.client(slow).blocked = false;
    network.run();
    assert_eq!(network.take(slow), "");
    assert!(network.is_alive(slow));
    let (_, said) = network.connect_five("absent", false, &[]);
    assert!(!said.contains("a="), "{said}");
    let late = network.five("l");
    network.subscribed(late, "a", QoS::AtMostOnce);
    assert_eq!(network.broker.statistics().drops.expired, 3);
    // The window that the message in the outbox had taken is free again.
    network.publish_five(sender, "a", "z", QoS::AtLeastOnce, &[]);
    assert!(network.take(slow).starts_with("a=z q1"));
}

#[test]
fn what_expires_is_deleted_from_the_store() {
    let mut policy = policy();
    policy.sys_interval_seconds = 10;
    let mut network = Network::with(policy);
    let sender = network.five("s");
    network.publish_five_as(sender, "a", "x", QoS::AtMostOnce, true, &[Property::MessageExpiryInterval(5)]);
    assert_eq!(network.broker.statistics().retained, 1);
    network.advance_millis(30_000);
    assert_eq!(network.broker.statistics().retained, 0);
}

#[test]
fn a_packet_that_is_sent_in_pieces_does_not_change_while_time_passes() {
    let mut network = Network::new();
    network.pieces = (usize::MAX, 7, 3);
    let [sender, reader] = ["s", "r"].map(|name| network.five(name));
    network.subscribed(reader, "a", QoS::AtMostOnce);
    network.client(reader).blocked = true;
    network.publish_five(sender, "a", "payload", QoS::AtMostOnce, &[Property::MessageExpiryInterval(256)]);
    let link = network.link(reader);
    let mut stream = Vec::new();
    let mut buffer = [0; 64];
    for step in 0.. {
        let filled = network.broker.fill(link, &mut buffer);
        if filled == 0 {
            break;
        }
        stream.push(buffer[0]);
        network.now = network.now.saturating_add_millis(if step == 3 { 5000 } else { 0 });
        network.broker.sent(network.now, link, 1);
    }
    assert_eq!(describe(Version::V5, &stream).0, ["a=payload q0 expiry256"]);
}

#[test]
fn mqtt_3_3_2_10_of_5_0_a_topic_alias_stands_for_the_topic_it_was_set_with() {
    let mut network = Network::new();
    let [sender, reader] = ["s", "r"].map(|name| network.five(name));
    network.subscribed(reader, "#", QoS::AtMostOnce);
    network.publish_five(sender, "a/b", "1", QoS::AtMostOnce, &[alias(3)]);
    network.publish_five(sender, "", "2", QoS::AtMostOnce, &[alias(3)]);
    network.publish_five(sender, "", "3", QoS::AtLeastOnce, &[alias(3)]);
    network.publish_five(sender, "c", "4", QoS::AtMostOnce, &[alias(3)]);
    network.publish_five_as(sender, "", "5", QoS::ExactlyOnce, true, &[alias(3)]);
    assert_eq!(network.take(reader), "a/b=1 q0; a/b=2 q0; a/b=3 q0; c=4 q0; c=5 q0");
    assert_eq!(network.broker.retained("c").unwrap().payload, b"5");
}

#[test]
fn mqtt_3_3_2_7_of_5_0_a_topic_alias_that_means_nothing_ends_its_link() {
    let mut network = Network::with_limits(|limits| limits.max_topic_aliases = 2);
    for (topic, number) in [("", 1), ("a", 3), ("", 3)] {
        let client = network.five("c");
        network.publish_five(client, topic, "x", QoS::AtMostOnce, &[alias(number)]);
        assert_eq!(network.take(client), "DISCONNECT 0x94");
    }
    // They end with the link that they were set on [MQTT-3.3.2-7].
    let (client, _) = network.five_for("d", 1000);
    network.publish_five(client, "a", "x", QoS::AtMostOnce, &[alias(1)]);
    network.cut(client);
    let (client, present) = network.five_for("d", 1000);
    assert!(present);
    network.publish_five(client, "", "x", QoS::AtMostOnce, &[alias(1)]);
    assert_eq!(network.take(client), "DISCONNECT 0x94");
    let client = network.five("e");
    network.send_bytes(client, &[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 0]);
    assert_eq!(network.take(client), "DISCONNECT 0x94");
}

#[test]
fn mqtt_3_3_4_6_of_5_0_a_subscription_identifier_from_a_client_is_a_protocol_error() {
    let mut network = Network::new();
    let client = network.five("c");
    let identifier = Property::SubscriptionIdentifier(NonZeroU32::new(1).unwrap());
    network.publish_five(client, "a", "x", QoS::AtMostOnce, &[identifier]);
    assert_eq!(network.take(client), "DISCONNECT 0x82");
}

#[test]
fn answers_tell_that_nobody_was_there() {
    let mut network = Network::new();
    let client = network.five("c");
    network.publish_five(client, "a", "x", QoS::AtLeastOnce, &[]);
    assert_eq!(network.take(client), "PUBACK 7 0x10");
    network.subscribed(client, "a", QoS::AtMostOnce);
    network.publish_five(client, "a", "x", QoS::AtLeastOnce, &[]);
    let said = network.take(client);
    assert!(said.contains("PUBACK 7") && !said.contains("0x10"), "{said}");
    // MQTT 3 has no codes.
    let old = network.connect("o");
    network.send(old, &publish_qos("nobody", "x", QoS::AtLeastOnce, 9));
    assert_eq!(network.take(old), "PUBACK 9");
    network.ack(client, AckKind::PubRel, 5);
    assert_eq!(network.take(client), "PUBCOMP 5 0x92");
    network.ack(old, AckKind::PubRel, 5);
    assert_eq!(network.take(old), "PUBCOMP 5");
}

#[test]
fn a_will_of_a_client_is_not_local_to_it() {
    // [MQTT-3.8.3-3 of 5.0]: the publisher of a will is the client whose will it is.
    let mut network = Network::new();
    let list = [Property::SessionExpiryInterval(100)];
    let will = will("w", "gone", QoS::AtLeastOnce, false);
    let (client, _) = network.connect_five_with("c", true, &list, will);
    let subscription = obkmq_mqtt::Subscription { no_local: true, ..subscription("w", QoS::AtLeastOnce) };
    network.subscribe_five(client, &[subscription], &[]);
    network.cut(client);
    let (_, said) = network.connect_five("c", false, &[]);
    assert!(!said.contains("gone"), "{said}");
}
