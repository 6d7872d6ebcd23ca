//! QoS 2 in both directions (section 4.3.3), with the link cut at every point of the exchange.

use obkmq_broker::QoS;
use obkmq_mqtt::{Ack, AckKind, Packet, Properties, Property, PropertyOwner, Publish, ReasonCode};

use crate::network::*;

/// A client with a kept session that has subscribed at QoS 2, and a sender.
fn pair(network: &mut Network) -> (Id, Id) {
    let (reader, _) = network.connect_persistent("reader");
    network.subscribed(reader, "a/#", QoS::ExactlyOnce);
    let sender = network.connect("sender");
    (reader, sender)
}

fn again(network: &mut Network, reader: Id) -> Id {
    network.cut(reader);
    let (reader, was_present) = network.connect_persistent("reader");
    assert!(was_present);
    reader
}

/// Sends a message of QoS 2, to the end of the exchange.
fn send_whole(network: &mut Network, sender: Id, topic: &str, payload: &str) {
    network.send(sender, &publish_qos(topic, payload, QoS::ExactlyOnce, 9));
    assert_eq!(network.read(sender), ["PUBREC 9"]);
    network.ack(sender, AckKind::PubRel, 9);
    assert_eq!(network.read(sender), ["PUBCOMP 9"]);
}

fn send_dup(network: &mut Network, sender: Id, payload: &str, number: u16) {
    let fields = publish_fields("a/x", payload.as_bytes());
    let packet_id = Some(id(number));
    network.send(sender, &Packet::Publish(Publish { dup: true, qos: QoS::ExactlyOnce, packet_id, ..fields }));
}

fn ack_because(network: &mut Network, client: Id, kind: AckKind, number: u16, reason: ReasonCode) {
    let properties = Properties::EMPTY;
    network.send(client, &Packet::Ack(Ack { kind, packet_id: id(number), reason, properties }));
}

/// Nothing is under way any more: neither memory nor room in the window is held.
fn assert_done(network: &mut Network, reader: Id) {
    assert_eq!(network.broker.statistics().messages_stored, 0);
    let again = again(network, reader);
    assert!(network.read(again).is_empty());
}

#[test]
fn mqtt_4_3_3_1_the_sender_goes_through_both_halves() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    assert_eq!(network.read(reader), ["a/x=1 q2 id1"]);
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    // The message is not needed any more.
    assert_eq!(network.broker.statistics().messages_stored, 0);
    network.ack(reader, AckKind::PubComp, 1);
    assert!(network.read(reader).is_empty());
    assert_done(&mut network, reader);
}

#[test]
fn mqtt_4_4_0_1_a_publish_that_was_lost_comes_again() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    network.client(reader).blocked = true;
    send_whole(&mut network, sender, "a/x", "1");
    // None of it was on the wire: it is not a second try.
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["a/x=1 q2 id1"]);
    network.ack(reader, AckKind::PubRec, 1);
    network.ack(reader, AckKind::PubComp, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    assert_done(&mut network, reader);
}

#[test]
fn mqtt_3_3_1_1_a_publish_whose_pubrec_was_lost_comes_again_with_dup() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    assert_eq!(network.read(reader), ["a/x=1 q2 id1"]);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["a/x=1 q2 id1 dup"]);
    network.ack(reader, AckKind::PubRec, 1);
    network.ack(reader, AckKind::PubComp, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    assert_done(&mut network, reader);
}

#[test]
fn mqtt_4_4_0_1_a_pubrel_that_was_lost_comes_again_and_the_message_does_not() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    network.read(reader);
    network.client(reader).blocked = true;
    network.ack(reader, AckKind::PubRec, 1);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    network.ack(reader, AckKind::PubComp, 1);
    assert_done(&mut network, reader);
}

#[test]
fn mqtt_4_4_0_1_a_pubrel_whose_pubcomp_was_lost_comes_again() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["a/x=1 q2 id1", "PUBREL 1"]);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    network.ack(reader, AckKind::PubComp, 1);
    assert_done(&mut network, reader);
}

#[test]
fn what_comes_again_holds_room_in_the_window() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 2);
    let (reader, sender) = pair(&mut network);
    for payload in ["1", "2", "3", "4"] {
        send_whole(&mut network, sender, "a/x", payload);
    }
    assert_eq!(network.read(reader), ["a/x=1 q2 id1", "a/x=2 q2 id2"]);
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    // One half and one whole message are under way: still no room.
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["PUBREL 1", "a/x=2 q2 id2 dup"]);
    network.ack(reader, AckKind::PubComp, 1);
    assert_eq!(network.read(reader), ["a/x=3 q2 id3"]);
    network.ack(reader, AckKind::PubRec, 2);
    network.ack(reader, AckKind::PubComp, 2);
    assert_eq!(network.read(reader), ["PUBREL 2", "a/x=4 q2 id4"]);
    for number in [3, 4] {
        network.ack(reader, AckKind::PubRec, number);
        network.ack(reader, AckKind::PubComp, number);
    }
    assert_eq!(network.read(reader), ["PUBREL 3", "PUBREL 4"]);
    assert_done(&mut network, reader);
}

#[test]
fn mqtt_4_6_0_messages_and_releases_keep_their_order_over_a_reconnection() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    for payload in ["1", "2", "3", "4"] {
        send_whole(&mut network, sender, "a/x", payload);
    }
    network.read(reader);
    network.ack(reader, AckKind::PubRec, 1);
    network.ack(reader, AckKind::PubRec, 2);
    network.read(reader);
    network.cut(reader);
    send_whole(&mut network, sender, "a/x", "5");
    let (reader, _) = network.connect_persistent("reader");
    assert_eq!(
        network.read(reader),
        ["PUBREL 1", "PUBREL 2", "a/x=3 q2 id3 dup", "a/x=4 q2 id4 dup", "a/x=5 q2 id5"]
    );
}

#[test]
fn qos_1_and_2_keep_their_order_among_each_other_over_a_reconnection() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    for (payload, qos) in [("1", QoS::ExactlyOnce), ("2", QoS::AtLeastOnce), ("3", QoS::ExactlyOnce)] {
        network.send(sender, &publish_qos("a/x", payload, qos, 5));
        network.ack(sender, AckKind::PubRel, 5);
    }
    assert_eq!(network.read(reader), ["a/x=1 q2 id1", "a/x=2 q1 id2", "a/x=3 q2 id3"]);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["a/x=1 q2 id1 dup", "a/x=2 q1 id2 dup", "a/x=3 q2 id3 dup"]);
}

#[test]
fn what_was_not_sent_comes_before_what_waited_behind_it() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 2);
    let (reader, sender) = pair(&mut network);
    network.client(reader).blocked = true;
    for payload in ["1", "2", "3", "4"] {
        send_whole(&mut network, sender, "a/x", payload);
    }
    let reader = again(&mut network, reader);
    for number in [1, 2, 3, 4] {
        network.ack(reader, AckKind::PubRec, number);
        network.ack(reader, AckKind::PubComp, number);
    }
    let packets = network.read(reader);
    let messages: Vec<_> = packets.iter().filter(|packet| packet.contains('=')).collect();
    assert_eq!(messages, ["a/x=1 q2 id1", "a/x=2 q2 id2", "a/x=3 q2 id3", "a/x=4 q2 id4"]);
}

#[test]
fn a_pubrec_that_comes_twice_is_answered_twice() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    network.read(reader);
    for _ in 0..2 {
        network.ack(reader, AckKind::PubRec, 1);
        assert_eq!(network.read(reader), ["PUBREL 1"]);
    }
    network.ack(reader, AckKind::PubComp, 1);
    // The exchange is over, but this client does not know it.
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    network.ack(reader, AckKind::PubComp, 1);
    assert!(network.read(reader).is_empty());
    assert_done(&mut network, reader);
}

#[test]
fn answers_of_the_wrong_kind_or_number_move_nothing() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    network.read(reader);
    network.ack(reader, AckKind::PubAck, 1);
    network.ack(reader, AckKind::PubComp, 1);
    network.ack(reader, AckKind::PubComp, 77);
    network.ack(reader, AckKind::PubAck, 77);
    assert!(network.is_alive(reader));
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["a/x=1 q2 id1 dup"]);
}

#[test]
fn mqtt_4_3_3_2_a_publish_that_comes_again_is_not_delivered_again() {
    let mut network = Network::new();
    let reader = network.connect("reader");
    network.subscribed(reader, "#", QoS::AtMostOnce);
    let (sender, _) = network.connect_persistent("sender");
    network.send(sender, &publish_qos("a/x", "1", QoS::ExactlyOnce, 3));
    assert_eq!(network.read(sender), ["PUBREC 3"]);
    send_dup(&mut network, sender, "1", 3);
    assert_eq!(network.read(sender), ["PUBREC 3"]);
    // Also over a reconnection: the identifier belongs to the session.
    network.cut(sender);
    let (sender, _) = network.connect_persistent("sender");
    send_dup(&mut network, sender, "1", 3);
    assert_eq!(network.read(sender), ["PUBREC 3"]);
    assert_eq!(network.read(reader), ["a/x=1 q0"]);
    network.ack(sender, AckKind::PubRel, 3);
    assert_eq!(network.read(sender), ["PUBCOMP 3"]);
    // The number is free for the next message.
    network.send(sender, &publish_qos("a/x", "2", QoS::ExactlyOnce, 3));
    assert_eq!(network.read(reader), ["a/x=2 q0"]);
}

#[test]
fn mqtt_4_3_3_2_a_pubrel_that_comes_again_is_answered_again() {
    let mut network = Network::new();
    let (sender, _) = network.connect_persistent("sender");
    network.send(sender, &publish_qos("a/x", "1", QoS::ExactlyOnce, 3));
    network.ack(sender, AckKind::PubRel, 3);
    assert_eq!(network.read(sender), ["PUBREC 3", "PUBCOMP 3"]);
    // The PUBCOMP was lost with the link.
    network.cut(sender);
    let (sender, _) = network.connect_persistent("sender");
    network.ack(sender, AckKind::PubRel, 3);
    assert_eq!(network.read(sender), ["PUBCOMP 3"]);
    assert!(network.is_alive(sender));
}

#[test]
fn mqtt_3_1_2_6_a_clean_start_forgets_what_was_under_way_both_ways() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    network.read(reader);
    network.send(reader, &publish_qos("b", "x", QoS::ExactlyOnce, 3));
    network.cut(reader);
    let reader = network.connect("reader");
    assert!(network.read(reader).is_empty());
    network.subscribed(reader, "b", QoS::AtMostOnce);
    network.send(reader, &publish_qos("b", "y", QoS::ExactlyOnce, 3));
    assert_eq!(network.read(reader), ["b=y q0", "PUBREC 3"]);
}

#[test]
fn mqtt_4_3_3_4_of_5_0_a_pubrec_with_an_error_ends_the_exchange() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 1);
    let (reader, _) = network.five_for("reader", 1000);
    network.subscribed(reader, "a/#", QoS::ExactlyOnce);
    let sender = network.connect("sender");
    send_whole(&mut network, sender, "a/x", "1");
    send_whole(&mut network, sender, "a/x", "2");
    assert_eq!(network.read(reader), ["a/x=1 q2 id1"]);
    ack_because(&mut network, reader, AckKind::PubRec, 1, ReasonCode::QuotaExceeded);
    // No PUBREL, and the next message has its place in the window.
    assert_eq!(network.read(reader), ["a/x=2 q2 id2"]);
    network.cut(reader);
    let (_, answer) = network.connect_five("reader", false, &[]);
    assert!(answer.ends_with("; a/x=2 q2 id2 dup"), "{answer}");
}

#[test]
fn mqtt_3_5_2_1_of_5_0_a_pubrec_or_puback_with_a_reason_that_is_no_error_goes_on() {
    let mut network = Network::new();
    let reader = network.five("reader");
    network.subscribed(reader, "a/#", QoS::ExactlyOnce);
    let sender = network.connect("sender");
    send_whole(&mut network, sender, "a/x", "1");
    network.read(reader);
    ack_because(&mut network, reader, AckKind::PubRec, 1, ReasonCode::NoMatchingSubscribers);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    ack_because(&mut network, reader, AckKind::PubComp, 1, ReasonCode::PacketIdentifierNotFound);
    assert_eq!(network.broker.statistics().messages_stored, 0);
    assert!(network.is_alive(reader));
}

#[test]
fn mqtt_3_4_2_1_of_5_0_a_puback_with_an_error_is_a_puback() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 1);
    let reader = network.five("reader");
    network.subscribed(reader, "a/#", QoS::AtLeastOnce);
    let sender = network.connect("sender");
    for number in [1, 2] {
        network.send(sender, &publish_qos("a/x", &number.to_string(), QoS::AtLeastOnce, number));
    }
    assert_eq!(network.read(reader), ["a/x=1 q1 id1"]);
    ack_because(&mut network, reader, AckKind::PubAck, 1, ReasonCode::UnspecifiedError);
    assert_eq!(network.read(reader), ["a/x=2 q1 id2"]);
}

#[test]
fn mqtt_3_6_2_1_of_5_0_unknown_identifiers_are_told_to_be_unknown() {
    let mut network = Network::new();
    let client = network.five("client");
    network.ack(client, AckKind::PubRel, 3);
    assert_eq!(network.read(client), ["PUBCOMP 3 0x92"]);
    network.ack(client, AckKind::PubRec, 4);
    assert_eq!(network.read(client), ["PUBREL 4 0x92"]);
    network.ack(client, AckKind::PubComp, 4);
    assert!(network.is_alive(client));
}

#[test]
fn mqtt_3_4_2_1_of_5_0_the_answer_says_whether_anybody_is_subscribed() {
    let mut network = Network::new();
    let client = network.five("client");
    let exchange = |network: &mut Network, number| {
        network.send(client, &publish_qos("a/x", "1", QoS::AtLeastOnce, number));
        network.send(client, &publish_qos("a/x", "1", QoS::ExactlyOnce, number + 1));
        network.read(client)
    };
    assert_eq!(exchange(&mut network, 1), ["PUBACK 1 0x10", "PUBREC 2 0x10"]);
    let reader = network.connect("reader");
    network.subscribed(reader, "a/#", QoS::AtMostOnce);
    assert_eq!(exchange(&mut network, 3), ["PUBACK 3", "PUBREC 4"]);
}

#[test]
fn mqtt_3_3_1_3_of_5_0_dup_is_not_passed_on() {
    let mut network = Network::new();
    let reader = network.five("reader");
    network.subscribed(reader, "a/#", QoS::ExactlyOnce);
    let sender = network.five("sender");
    send_dup(&mut network, sender, "1", 5);
    assert_eq!(network.read(reader), ["a/x=1 q2 id1"]);
    assert_eq!(network.read(sender), ["PUBREC 5"]);
}

#[test]
fn an_exchange_goes_on_in_another_version() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    send_whole(&mut network, sender, "a/x", "1");
    send_whole(&mut network, sender, "a/x", "2");
    network.ack(reader, AckKind::PubRec, 1);
    network.cut(reader);
    let lasting = [Property::SessionExpiryInterval(1000)];
    let (reader, answer) = network.connect_five("reader", false, &lasting);
    assert!(answer.ends_with("; PUBREL 1; a/x=2 q2 id2 dup"), "{answer}");
    network.ack(reader, AckKind::PubComp, 1);
    network.ack(reader, AckKind::PubRec, 2);
    assert_eq!(network.read(reader), ["PUBREL 2"]);
    network.cut(reader);
    let (reader, _) = network.connect_persistent("reader");
    assert_eq!(network.read(reader), ["PUBREL 2"]);
}

#[test]
fn answers_may_carry_properties_which_nobody_reads() {
    let mut network = Network::new();
    let reader = network.five("reader");
    network.subscribed(reader, "a/#", QoS::ExactlyOnce);
    let sender = network.connect("sender");
    send_whole(&mut network, sender, "a/x", "1");
    network.read(reader);
    let why =
        properties(&[Property::ReasonString(text("done")), Property::UserProperty(text("k"), text("v"))]);
    for (kind, owner, answer) in [
        (AckKind::PubRec, PropertyOwner::PubRec, Some("PUBREL 1")),
        (AckKind::PubComp, PropertyOwner::PubComp, None),
    ] {
        let properties = Properties::new(&why, owner).unwrap();
        let ack = Ack { kind, packet_id: id(1), reason: ReasonCode::Success, properties };
        network.send(reader, &Packet::Ack(ack));
        assert_eq!(network.read(reader), answer.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn mqtt_3_10_4_3_what_has_begun_is_completed_after_unsubscribe() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    for number in 1..=2 {
        network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, number));
    }
    network.read(reader);
    network.ack(reader, AckKind::PubRec, 1);
    network.unsubscribe(reader, "a/#");
    assert_eq!(network.read(reader), ["PUBREL 1", "UNSUBACK 101"]);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["PUBREL 1", "a=x q2 id2 dup"]);
}

#[test]
fn mqtt_4_6_0_5_and_6_order_is_kept_over_reconnections_and_a_small_window() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 2);
    let (mut reader, sender) = pair(&mut network);
    let mut seen = Vec::new();
    for number in 1..=12 {
        let qos = if number % 3 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        network.send(sender, &publish_qos("a", &number.to_string(), qos, number));
        if number % 4 == 0 {
            reader = again(&mut network, reader);
        }
    }
    for _ in 0..40 {
        for packet in network.read(reader) {
            let Some((message, rest)) = packet.split_once(" id") else {
                let (kind, number) = packet.split_once(' ').unwrap();
                assert_eq!(kind, "PUBREL");
                network.ack(reader, AckKind::PubComp, number.parse().unwrap());
                continue;
            };
            let number = rest.split(' ').next().unwrap().parse().unwrap();
            let (payload, qos) = message[2..].split_once(" q").unwrap();
            seen.push(payload.parse::<u16>().unwrap());
            network.ack(reader, if qos == "1" { AckKind::PubAck } else { AckKind::PubRec }, number);
        }
    }
    seen.dedup();
    assert_eq!(seen, (1..=12).collect::<Vec<_>>());
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn a_message_taken_over_in_the_middle_of_a_packet_is_sent_again_as_a_duplicate() {
    let mut network = Network::new();
    let (reader, sender) = pair(&mut network);
    network.client(reader).blocked = true;
    network.send(sender, &publish_qos("a", "payload", QoS::ExactlyOnce, 1));
    let link = network.link(reader);
    let mut buffer = [0; 4];
    assert_eq!(network.broker.fill(link, &mut buffer), 4);
    network.broker.sent(network.now, link, 4);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["a=payload q2 id1 dup"]);
}

#[test]
fn mqtt_4_3_3_4_of_5_0_an_error_about_an_unknown_identifier_is_not_answered() {
    let mut network = Network::new();
    let client = network.five("client");
    ack_because(&mut network, client, AckKind::PubRec, 9, ReasonCode::QuotaExceeded);
    assert!(network.read(client).is_empty());
    assert!(network.is_alive(client));
}
