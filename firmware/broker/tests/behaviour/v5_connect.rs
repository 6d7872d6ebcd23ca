//! CONNECT, CONNACK and DISCONNECT of MQTT 5.0.

use core::num::{NonZeroU16, NonZeroU32};

use obkmq_broker::{DisconnectReason, Event, QoS, RefusedReason};
use obkmq_mqtt::{Binary, Property, PropertyOwner, ReasonCode, Version, Will};

use crate::five::props;
use crate::network::*;

fn maximum(bytes: u32) -> Property<'static> {
    Property::MaximumPacketSize(NonZeroU32::new(bytes).unwrap())
}

#[test]
fn mqtt_3_2_2_15_of_5_0_the_answer_tells_the_limits() {
    let mut network = Network::with_limits(|limits| {
        limits.max_packet_bytes = 5000;
        limits.max_inbound_inflight = 9;
        limits.max_topic_aliases = 3;
    });
    let (_, answer) = network.connect_five("c", true, &[]);
    assert_eq!(answer, "CONNACK 0x00 ReceiveMaximum(9) MaximumPacketSize(5000) TopicAliasMaximum(3)");
}

#[test]
fn mqtt_3_2_2_16_of_5_0_an_empty_client_id_is_assigned_one_that_is_told() {
    let mut network = Network::new();
    let (first, answer) = network.connect_five("", true, &[]);
    assert!(answer.contains("AssignedClientIdentifier"), "{answer}");
    // MQTT 5 gives one also to a client that does not start clean.
    let (second, other) = network.connect_five("", false, &[]);
    assert!(other.contains("AssignedClientIdentifier") && other != answer, "{other}");
    assert!(network.is_alive(first) && network.is_alive(second));
}

#[test]
fn mqtt_3_2_2_21_of_5_0_the_ceiling_of_keep_alives_is_told_and_holds() {
    let mut policy = policy();
    policy.max_keep_alive_seconds = 10;
    let mut network = Network::with(policy);
    // Without a keep-alive of its own the client would never be found to be gone.
    let (client, answer) = network.connect_five("c", true, &[]);
    assert!(answer.contains("ServerKeepAlive(10)"), "{answer}");
    network.advance_millis(15_500);
    assert_eq!(network.take(client), "DISCONNECT 0x8d");
    assert!(network.client(client).closed);
}

#[test]
fn the_ceiling_of_session_expiries_is_told_and_holds() {
    let mut policy = policy();
    policy.max_session_expiry_seconds = 60;
    let mut network = Network::with(policy);
    let (client, answer) = network.connect_five("c", true, &[Property::SessionExpiryInterval(3600)]);
    assert!(answer.contains("SessionExpiryInterval(60)"), "{answer}");
    network.cut(client);
    network.advance_millis(61_000);
    assert_eq!(network.broker.statistics().sessions, 0);
    assert_eq!(network.broker.statistics().sessions_expired, 1);
}

#[test]
fn mqtt_4_12_0_1_of_5_0_enhanced_authentication_is_refused_with_its_code() {
    let mut network = Network::new();
    let (client, answer) = network.connect_five("c", true, &[Property::AuthenticationMethod(text("SCRAM"))]);
    assert_eq!(answer, "CONNACK 0x8c");
    assert!(network.client(client).closed);
    assert!(matches!(
        network.events.last(),
        Some(Event::Refused { reason: RefusedReason::EnhancedAuthentication, .. })
    ));
    let client = network.five("d");
    network.send_bytes(client, &[0xF0, 0]);
    assert_eq!(network.take(client), "DISCONNECT 0x82");
}

#[test]
fn mqtt_3_1_0_2_of_5_0_a_second_connect_is_a_protocol_error() {
    let mut network = Network::new();
    let client = network.five("c");
    network.send_bytes(client, b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01c");
    assert_eq!(network.take(client), "DISCONNECT 0x82");
    assert!(network.client(client).closed);
}

#[test]
fn mqtt_3_14_0_1_of_5_0_the_last_word_does_not_come_before_the_answer_to_connect() {
    let mut network = Network::new();
    let client = network.open(LOOPBACK);
    network.client(client).version = Version::V5;
    let mut bytes = b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01c".to_vec();
    bytes.extend([0xFF, 0]);
    network.send_bytes(client, &bytes);
    let packets = network.read(client);
    assert_eq!(packets.len(), 2, "{packets:?}");
    assert!(packets[0].starts_with("CONNACK 0x00"));
    assert_eq!(packets[1], "DISCONNECT 0x81");
}

#[test]
fn mqtt_3_1_4_3_of_5_0_who_is_taken_over_is_told() {
    let mut network = Network::new();
    let old = network.five("c");
    let new = network.five("c");
    assert_eq!(network.take(old), "DISCONNECT 0x8e");
    assert!(network.client(old).closed);
    assert!(network.is_alive(new));
}

#[test]
fn mqtt_3_1_2_24_of_5_0_a_packet_that_the_client_does_not_take_is_not_sent() {
    let mut network = Network::new();
    let (reader, _) = network.connect_five("r", true, &[maximum(60)]);
    network.subscribed(reader, "a", QoS::AtLeastOnce);
    let sender = network.connect("s");
    network.send(sender, &publish_qos("a", &"x".repeat(100), QoS::AtLeastOnce, 1));
    network.publish(sender, "a", &"y".repeat(100));
    network.send(sender, &publish_qos("a", "short", QoS::AtLeastOnce, 2));
    assert_eq!(network.take(reader), "a=short q1 id1");
    assert_eq!(network.broker.statistics().drops.too_large, 2);
    // What waits for an absent client meets the limit that it comes back with.
    network.cut(reader);
    let (reader, _) = network.connect_five("r", true, &[maximum(60), Property::SessionExpiryInterval(1000)]);
    network.subscribed(reader, "a", QoS::AtLeastOnce);
    network.cut(reader);
    network.send(sender, &publish_qos("a", &"x".repeat(45), QoS::AtLeastOnce, 3));
    let (_, answer) = network.connect_five("r", false, &[maximum(40)]);
    assert!(!answer.contains("xxx"), "{answer}");
    assert_eq!(network.broker.statistics().drops.too_large, 3);
}

#[test]
fn mqtt_3_2_2_19_of_5_0_the_reason_in_words_is_left_out_where_it_does_not_fit() {
    let mut network = Network::with_limits(|limits| limits.max_client_id_bytes = 4);
    for (limit, bytes) in [(1000, 10..60), (12, 5..6)] {
        let (client, answer) = network.connect_five("longer", true, &[maximum(limit)]);
        assert_eq!(answer, "CONNACK 0x85");
        let received = network.client(client).received_bytes;
        assert!(bytes.contains(&received), "{received}");
    }
}

#[test]
fn mqtt_3_3_4_9_of_5_0_more_than_receive_maximum_is_told_so() {
    let mut network = Network::with_limits(|limits| limits.max_inbound_inflight = 2);
    let client = network.five("c");
    for number in 1..=2 {
        network.send(client, &publish_qos("a", "x", QoS::ExactlyOnce, number));
    }
    assert_eq!(network.take(client), "PUBREC 1 0x10; PUBREC 2 0x10");
    network.send(client, &publish_qos("a", "x", QoS::ExactlyOnce, 3));
    assert_eq!(network.take(client), "DISCONNECT 0x93");
}

#[test]
fn mqtt_3_1_2_25_of_5_0_a_packet_over_the_limit_is_told_so() {
    let mut network = Network::with_limits(|limits| limits.max_packet_bytes = 100);
    let client = network.five("c");
    network.send_bytes(client, &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert_eq!(network.take(client), "DISCONNECT 0x95");
}

#[test]
fn a_connect_larger_than_its_limit_is_not_waited_for() {
    let mut network = Network::with_limits(|limits| limits.max_connect_bytes = 100);
    let client = network.open(LOOPBACK);
    network.send_bytes(client, &[0x10, 0x80, 0x02, 0]);
    assert!(network.client(client).closed);
}

#[test]
fn mqtt_3_14_2_2_of_5_0_disconnect_may_change_the_expiry_but_not_from_nothing() {
    let mut network = Network::new();
    let (client, _) = network.five_for("c", 10);
    network.disconnect_five(client, ReasonCode::Success, &[Property::SessionExpiryInterval(1000)]);
    network.advance_millis(100_000);
    assert!(network.five_for("c", 0).1);
    let client = network.five("d");
    network.disconnect_five(client, ReasonCode::Success, &[Property::SessionExpiryInterval(1)]);
    assert_eq!(network.take(client), "DISCONNECT 0x82");
    let client = network.five("e");
    network.disconnect_five(client, ReasonCode::Success, &[Property::ServerReference(text("other"))]);
    assert_eq!(network.take(client), "DISCONNECT 0x82");
}

#[test]
fn mqtt_3_14_4_3_of_5_0_a_disconnect_may_ask_for_the_will() {
    let mut network = Network::new();
    let reader = network.five("r");
    network.subscribed(reader, "w", QoS::AtMostOnce);
    for (reason, said) in [(ReasonCode::Success, ""), (ReasonCode::DisconnectWithWillMessage, "w=gone q0")] {
        let will = will("w", "gone", QoS::AtMostOnce, false);
        let (client, _) = network.connect_five_with("c", true, &[], will);
        network.disconnect_five(client, reason, &[]);
        assert_eq!(network.take(reader), said);
    }
    assert!(network.events.iter().any(|event| matches!(
        event,
        Event::Disconnected { reason: DisconnectReason::DisconnectedWithWill, .. }
    )));
}

#[test]
fn mqtt_3_1_3_9_of_5_0_a_will_waits_for_its_delay_and_not_longer_than_its_session() {
    let delayed = properties(&[Property::WillDelayInterval(30), Property::MessageExpiryInterval(100)]);
    let will = || {
        let properties = props(&delayed, PropertyOwner::Will);
        let payload = Binary::new(b"gone").unwrap();
        let topic = obkmq_mqtt::TopicName::new("w").unwrap();
        Some(Will { topic, payload, qos: QoS::AtMostOnce, retain: false, properties })
    };
    let mut network = Network::new();
    let reader = network.five("r");
    network.subscribed(reader, "w", QoS::AtMostOnce);
    let expiry = |seconds| [Property::SessionExpiryInterval(seconds)];
    // Published when the delay is over.
    let (client, _) = network.connect_five_with("c", true, &expiry(1000), will());
    network.cut(client);
    network.advance_millis(29_000);
    assert_eq!(network.take(reader), "");
    network.advance_millis(2_000);
    assert_eq!(network.take(reader), "w=gone q0 expiry100");
    // Not at all if the client comes back in time.
    let (client, _) = network.connect_five_with("c", true, &expiry(1000), will());
    network.cut(client);
    network.advance_millis(20_000);
    let (client, answer) = network.connect_five("c", false, &expiry(5));
    assert!(answer.contains("present"));
    network.advance_millis(30_000);
    assert_eq!(network.take(reader), "");
    network.cut(client);
    // With the end of the session, if that comes earlier.
    let (client, _) = network.connect_five_with("c", true, &expiry(5), will());
    network.cut(client);
    network.advance_millis(6_000);
    assert_eq!(network.take(reader), "w=gone q0 expiry100");
    // At once if a new session begins.
    let (client, _) = network.connect_five_with("c", true, &expiry(1000), will());
    network.cut(client);
    network.five("c");
    assert_eq!(network.take(reader), "w=gone q0 expiry100");
}

#[test]
fn a_malformed_packet_is_told_so_and_nobody_else_is_harmed() {
    let cases: [(&[u8], &str); 5] = [
        // A property twice, one that has no place here, reserved bits of options, no filter, a topic with a wildcard.
        (&[0x30, 9, 0, 1, b'a', 4, 0x01, 0, 0x01, 0, b'x'], "0x82"),
        (&[0x30, 9, 0, 1, b'a', 5, 0x11, 0, 0, 0, 1], "0x81"),
        (&[0x82, 7, 0, 1, 0, 0, 1, b'a', 0xC0], "0x81"),
        (&[0x82, 3, 0, 1, 0], "0x82"),
        (&[0x30, 4, 0, 1, b'#', 0], "0x81"),
    ];
    let mut network = Network::new();
    let bystander = network.five("b");
    for (bytes, code) in cases {
        let client = network.five("c");
        network.send_bytes(client, bytes);
        let said = network.take(client);
        assert!(said.starts_with("DISCONNECT") && said.contains(code), "{bytes:?}: {said}");
        assert!(network.client(client).closed);
    }
    assert!(network.is_alive(bystander));
}

#[test]
fn mqtt_3_3_4_7_of_5_0_no_more_than_the_clients_receive_maximum_is_under_way() {
    let receive = Property::ReceiveMaximum(NonZeroU16::new(2).unwrap());
    let mut network = Network::new();
    let (reader, _) = network.connect_five("r", true, &[receive]);
    network.subscribed(reader, "a", QoS::ExactlyOnce);
    let sender = network.connect("s");
    for number in 1..=4 {
        network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, number));
    }
    assert_eq!(network.take(reader), "a=x q1 id1; a=x q1 id2");
    network.ack(reader, obkmq_mqtt::AckKind::PubAck, 1);
    assert_eq!(network.take(reader), "a=x q1 id3");
}

#[test]
fn mqtt_3_1_3_10_of_5_0_the_order_of_a_wills_user_properties_is_kept() {
    let pairs = [("a", "1"), ("b", "2"), ("a", "3")];
    let list = pairs.map(|(name, value)| Property::UserProperty(text(name), text(value)));
    let bytes = properties(&list);
    let will = will("w", "gone", QoS::AtMostOnce, false)
        .map(|will| Will { properties: props(&bytes, PropertyOwner::Will), ..will });
    let mut network = Network::new();
    let reader = network.five("r");
    network.subscribed(reader, "w", QoS::AtMostOnce);
    let (client, _) = network.connect_five_with("c", true, &[], will);
    network.cut(client);
    assert_eq!(network.take(reader), "w=gone q0 a:1 b:2 a:3");
}
