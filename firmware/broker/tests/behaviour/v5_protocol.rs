//! What MQTT 5.0 forbids: each breach ends its own link, with the code that names it.

use obkmq_broker::{QoS, Version};
use obkmq_mqtt::{Property, PropertyOwner};

use crate::five::props;
use crate::network::*;

/// A packet of less than 128 bytes.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[first, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

/// A section of properties.
fn section(list: &[Property<'_>]) -> Vec<u8> {
    let bytes = properties(list);
    [&[u8::try_from(bytes.len()).unwrap()][..], &bytes].concat()
}

/// Sends bytes on a link of their own and compares the last word.
fn breaks(network: &mut Network, bytes: &[u8], code: u8) {
    let client = network.five("breaker");
    network.send_bytes(client, bytes);
    assert_eq!(network.read(client), [format!("DISCONNECT {code:#04x}")], "{bytes:02x?}");
    assert!(network.client(client).closed);
}

#[test]
fn mqtt_4_13_1_1_of_5_0_packets_that_cannot_be_read_are_malformed() {
    let mut network = Network::new();
    let bystander = network.five("bystander");
    let cases: &[&[u8]] = &[
        // Type 0; flags that are not those of PINGREQ, SUBSCRIBE, PUBREL; a length of five bytes.
        &[0x00, 0],
        &[0xC1, 0],
        &[0x80, 6, 0, 1, 0, 0, 1, b'a'],
        &[0x60, 2, 0, 1],
        &[0xC0, 0x80, 0x80, 0x80, 0x80],
        // QoS 3, DUP without an identifier, a body that ends too early.
        &[0x36, 6, 0, 1, b'a', 0, 1, 0],
        &[0x38, 4, 0, 1, b'a', 0],
        &[0x30, 1, 0],
        // A topic that is no UTF-8, one with NUL, one with a wildcard.
        &[0x30, 4, 0, 1, 0xFF, 0],
        &[0x30, 4, 0, 1, 0, 0],
        &[0x30, 4, 0, 1, b'+', 0],
        // A filter that is none.
        &[0x82, 8, 0, 1, 0, 0, 2, b'a', b'#', 0],
        // An unknown property; one of another packet; properties longer than their packet; an overlong length.
        &[0x30, 6, 0, 1, b'a', 2, 0x7E, 0],
        &[0x30, 6, 0, 1, b'a', 2, 0x24, 1],
        &[0x30, 4, 0, 1, b'a', 9],
        &[0x30, 5, 0, 1, b'a', 0x80, 0],
        // Bytes behind the end.
        &[0xC0, 1, 0],
        // Reserved options of a subscription.
        &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x40],
    ];
    for bytes in cases {
        breaks(&mut network, bytes, 0x81);
    }
    assert!(network.is_alive(bystander));
}

#[test]
fn mqtt_4_13_1_1_of_5_0_packets_that_say_what_they_may_not_are_protocol_errors() {
    let mut network = Network::new();
    let bystander = network.five("bystander");
    let subscribe =
        |list: &[Property<'_>], options: u8| packet(0x82, &[&[0, 1], &section(list), &[0, 1, b'a', options]]);
    let publish = |list: &[Property<'_>]| packet(0x30, &[&[0, 1, b'a'], &section(list)]);
    let format = Property::PayloadFormatIndicator(true);
    let expiry = Property::MessageExpiryInterval(1);
    let identifier = Property::SubscriptionIdentifier(7.try_into().unwrap());
    let cases = [
        // What stands twice and may not.
        publish(&[format, format]),
        publish(&[expiry, expiry]),
        publish(&[Property::ContentType(text("a")), Property::ContentType(text("a"))]),
        subscribe(&[identifier, identifier], 0),
        // Values out of their range: a payload format of 2, a subscription identifier of 0.
        packet(0x30, &[&[0, 1, b'a', 2, 0x01, 2]]),
        packet(0x82, &[&[0, 1, 2, 0x0B, 0, 0, 1, b'a', 0]]),
        // QoS 3 and Retain Handling 3 in a subscription.
        subscribe(&[], 0x03),
        subscribe(&[], 0x30),
        // Nothing to subscribe to, or to end.
        packet(0x82, &[&[0, 1, 0]]),
        packet(0xA2, &[&[0, 1, 0]]),
        // Identifier 0.
        packet(0x32, &[&[0, 1, b'a', 0, 0, 0]]),
        packet(0x82, &[&[0, 0, 0, 0, 1, b'a', 0]]),
        packet(0x40, &[&[0, 0]]),
        // Neither topic nor alias.
        packet(0x30, &[&[0, 0, 0]]),
        // A reason of another packet.
        packet(0x40, &[&[0, 1, 0x92]]),
        packet(0xE0, &[&[0x85]]),
        // What only a server says, and a step of an authentication that nobody began.
        vec![0x20, 3, 0, 0, 0],
        vec![0xD0, 0],
        packet(0x90, &[&[0, 1, 0, 0]]),
        packet(0xB0, &[&[0, 1, 0, 0]]),
        vec![0xF0, 0],
        packet(0xF0, &[&[0x18], &section(&[Property::AuthenticationMethod(text("m"))])]),
    ];
    for bytes in cases {
        breaks(&mut network, &bytes, 0x82);
    }
    assert!(network.is_alive(bystander));
}

#[test]
fn a_connect_that_breaks_the_protocol_is_closed_without_an_answer() {
    let connect = |flags: u8, properties: &[u8], rest: &[u8]| {
        packet(0x10, &[b"\0\x04MQTT\x05", &[flags, 0, 0], properties, b"\0\x01c", rest])
    };
    let cases = [
        // A reserved flag, will flags without a will, QoS 3 of a will.
        connect(0x03, &[0], &[]),
        connect(0x0A, &[0], &[]),
        connect(0x1E, &[0], &[0, 0, 1, b'w', 0, 0]),
        // A property twice, one of another packet, a Receive Maximum and a Maximum Packet Size of 0.
        connect(0x02, &[10, 0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1], &[]),
        connect(0x02, &[3, 0x23, 0, 1], &[]),
        connect(0x02, &[3, 0x21, 0, 0], &[]),
        connect(0x02, &[5, 0x27, 0, 0, 0, 0], &[]),
        // Authentication data without its method, a flag of 2, a delay among the properties of the connection.
        connect(0x02, &[3, 0x16, 0, 0], &[]),
        connect(0x02, &[2, 0x17, 2], &[]),
        connect(0x02, &[5, 0x18, 0, 0, 0, 1], &[]),
        // A will whose topic has a wildcard; bytes behind the end.
        connect(0x06, &[0], &[0, 0, 1, b'#', 0, 0]),
        connect(0x02, &[0], &[0]),
    ];
    let mut network = Network::new();
    for bytes in cases {
        let client = network.open(LOOPBACK);
        network.client(client).version = Version::V5;
        network.send_bytes(client, &bytes);
        assert!(network.client(client).closed, "{bytes:02x?}");
        let said = network.take(client);
        // Section 4.13.1 allows a CONNACK with the code, and none.
        assert!(said.is_empty() || said.starts_with("CONNACK 0x8"), "{bytes:02x?}: {said}");
    }
    assert_eq!(network.broker.statistics().sessions, 0);
}

#[test]
fn a_level_of_mqtt_that_is_to_come_is_refused() {
    let mut network = Network::new();
    let client = network.open(LOOPBACK);
    network.send_bytes(client, b"\x10\x0E\0\x04MQTT\x06\x02\0\0\0\0\x01c");
    // The answer of 3.1.1, since nothing is known of the other.
    assert_eq!(network.take(client), "CONNACK 1");
    assert!(network.client(client).closed);
}

#[test]
fn mqtt_3_1_2_28_and_29_of_5_0_problem_information_stands_in_last_words_only() {
    let mut network = Network::with_limits(|limits| limits.max_client_id_bytes = 4);
    for wanted in [true, false] {
        let list = [Property::RequestProblemInformation(wanted)];
        let (client, answer) = network.connect_five("c", true, &list);
        assert!(answer.starts_with("CONNACK 0x00"));
        let before = network.client(client).received_bytes;
        network.publish_five(client, "nobody", "x", QoS::AtLeastOnce, &[]);
        network.subscribe(client, &[("a", QoS::AtMostOnce)]);
        network.unsubscribe(client, "b");
        assert_eq!(network.take(client), "PUBACK 7 0x10; SUBACK 100 [0]; UNSUBACK 101 [17]");
        // PUBACK with its reason, SUBACK and UNSUBACK with a code each: no room for words.
        assert_eq!(network.client(client).received_bytes - before, 5 + 6 + 6);
        // CONNACK and DISCONNECT may have them in any case (section 3.1.2.11.7).
        let before = network.client(client).received_bytes;
        network.send_bytes(client, &[0xFF]);
        assert_eq!(network.take(client), "DISCONNECT 0x81");
        assert!(network.client(client).received_bytes - before > 10);
    }
}

#[test]
fn mqtt_3_1_2_30_of_5_0_no_step_of_an_authentication_is_asked_for() {
    let mut network = Network::new();
    let list = [
        Property::AuthenticationMethod(text("SCRAM-SHA-256")),
        Property::AuthenticationData(obkmq_mqtt::Binary::new(b"n,,").unwrap()),
    ];
    let bytes = properties(&list);
    let properties = props(&bytes, PropertyOwner::Connect);
    network.broker.verifier_mut().known = vec![("ann", b"a", 1)];
    let client = network.open(LOOPBACK);
    let obkmq_mqtt::Packet::Connect(fields) = login("c", "ann", "a") else { unreachable!() };
    let connect = obkmq_mqtt::Connect { version: Version::V5, properties, ..fields };
    network.send(client, &obkmq_mqtt::Packet::Connect(connect));
    assert_eq!(network.take(client), "CONNACK 0x8c");
    assert!(network.client(client).closed);
}

#[test]
fn wishes_that_the_broker_has_no_use_for_are_no_errors() {
    let mut network = Network::new();
    let list = [
        Property::RequestResponseInformation(true),
        Property::TopicAliasMaximum(10),
        Property::UserProperty(text("a"), text("b")),
        Property::UserProperty(text("a"), text("b")),
    ];
    let (client, answer) = network.connect_five("c", true, &list);
    assert!(answer.starts_with("CONNACK 0x00") && !answer.contains("ResponseInformation"), "{answer}");
    // [MQTT-3.1.2-26, -27]: no alias is sent, so none is above the maximum.
    network.subscribed(client, "a", QoS::AtMostOnce);
    for _ in 0..3 {
        network.publish_five(client, "a", "x", QoS::AtMostOnce, &[]);
        assert_eq!(network.take(client), "a=x q0");
    }
    let bytes = packet(0x82, &[&[0, 1], &section(&list[2..]), &[0, 1, b'b', 0]]);
    network.send_bytes(client, &bytes);
    let bytes = packet(0xA2, &[&[0, 2], &section(&list[2..]), &[0, 1, b'b']]);
    network.send_bytes(client, &bytes);
    assert_eq!(network.take(client), "SUBACK 1 [0]; UNSUBACK 2 [0]");
}

#[test]
fn mqtt_3_1_2_24_of_5_0_answers_that_the_client_does_not_take_are_not_sent() {
    let mut network = Network::new();
    let maximum = Property::MaximumPacketSize(30.try_into().unwrap());
    let (client, answer) = network.connect_five("c", true, &[maximum]);
    assert!(answer.starts_with("CONNACK 0x00"), "{answer}");
    let filters: Vec<_> = (0..40).map(|number| format!("a/{number}")).collect();
    let list: Vec<_> = filters.iter().map(|filter| subscription(filter, QoS::AtMostOnce)).collect();
    // An answer with forty codes is too large.
    assert!(network.subscribe_five(client, &list, &[]).is_empty());
    assert!(network.is_alive(client));
    network.publish_five(client, "a/39", "x", QoS::AtMostOnce, &[]);
    assert_eq!(network.take(client), "a/39=x q0");
    // Its properties count: what fits without them may not fit with them.
    network.publish_five(client, "a/39", &"x".repeat(18), QoS::AtMostOnce, &[]);
    assert_eq!(network.take(client).len(), "a/39= q0".len() + 18);
    let list = [Property::ContentType(text("text/plain"))];
    network.publish_five(client, "a/39", &"x".repeat(18), QoS::AtMostOnce, &list);
    assert_eq!(network.take(client), "");
    assert_eq!(network.broker.statistics().drops.too_large, 1);
}

#[test]
fn mqtt_3_14_2_1_of_5_0_a_client_gives_no_reason_that_is_for_servers() {
    let mut network = Network::new();
    for code in (0x80..=0xA2).chain([0x00, 0x04]) {
        let client = network.five("c");
        network.send_bytes(client, &[0xE0, 1, code]);
        // Either side may end a re-authentication with 0x8C (section 4.12.1).
        let for_all = matches!(code, 0x00 | 0x04 | 0x80..=0x83 | 0x8C | 0x90 | 0x93..=0x99);
        let expected: &[&str] = if for_all { &[] } else { &["DISCONNECT 0x82"] };
        assert_eq!(network.read(client), expected, "{code:#04x}");
        assert!(network.client(client).closed);
    }
}
