//! Messages of QoS 2 to clients, and what of them survives a lost link (section 4.3.3).

use obkmq_broker::QoS;
use obkmq_mqtt::{Ack, AckKind, Packet, Properties, ReasonCode};

use crate::network::*;

fn pair(network: &mut Network) -> (Id, Id) {
    let sender = network.connect("s");
    let (reader, _) = network.connect_persistent("r");
    network.subscribed(reader, "a", QoS::ExactlyOnce);
    (sender, reader)
}

fn again(network: &mut Network, reader: Id) -> Id {
    network.cut(reader);
    let (reader, present) = network.connect_persistent("r");
    assert!(present);
    reader
}

#[test]
fn mqtt_4_3_3_1_the_four_packets_go_their_way() {
    let mut network = Network::new();
    let (sender, reader) = pair(&mut network);
    network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, 5));
    assert_eq!(network.read(sender), ["PUBREC 5"]);
    assert_eq!(network.read(reader), ["a=x q2 id1"]);
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    network.ack(reader, AckKind::PubComp, 1);
    network.ack(sender, AckKind::PubRel, 5);
    assert_eq!(network.read(sender), ["PUBCOMP 5"]);
    assert!(network.is_alive(reader));
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn mqtt_4_4_0_1_each_half_is_sent_again_after_its_loss() {
    let mut network = Network::new();
    let (sender, mut reader) = pair(&mut network);
    for (number, payload) in [(1, "x"), (2, "y"), (3, "z")] {
        network.send(sender, &publish_qos("a", payload, QoS::ExactlyOnce, number));
    }
    assert_eq!(network.read(reader), ["a=x q2 id1", "a=y q2 id2", "a=z q2 id3"]);
    // The first is received and released, the second received, the third is lost.
    network.ack(reader, AckKind::PubRec, 1);
    network.ack(reader, AckKind::PubRec, 2);
    assert_eq!(network.read(reader), ["PUBREL 1", "PUBREL 2"]);
    network.ack(reader, AckKind::PubComp, 1);
    reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["PUBREL 2", "a=z q2 id3 dup"]);
    // And again, as often as it is lost.
    reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["PUBREL 2", "a=z q2 id3 dup"]);
    network.ack(reader, AckKind::PubComp, 2);
    network.ack(reader, AckKind::PubRec, 3);
    assert_eq!(network.read(reader), ["PUBREL 3"]);
    network.ack(reader, AckKind::PubComp, 3);
    reader = again(&mut network, reader);
    assert!(network.read(reader).is_empty());
}

#[test]
fn a_pubrec_that_comes_again_is_answered_again() {
    let mut network = Network::new();
    let (sender, reader) = pair(&mut network);
    network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, 1));
    network.read(reader);
    for _ in 0..3 {
        network.ack(reader, AckKind::PubRec, 1);
        assert_eq!(network.read(reader), ["PUBREL 1"]);
    }
    network.ack(reader, AckKind::PubComp, 1);
    // Nothing is known of it any more, but the client can come to its end.
    network.ack(reader, AckKind::PubRec, 1);
    assert_eq!(network.read(reader), ["PUBREL 1"]);
    network.ack(reader, AckKind::PubComp, 1);
    assert!(network.is_alive(reader));
}

#[test]
fn mqtt_4_3_3_4_of_5_0_a_pubrec_with_an_error_ends_the_message() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (reader, _) = network.five_for("r", 1000);
    network.subscribed(reader, "a", QoS::ExactlyOnce);
    network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, 1));
    assert_eq!(network.read(reader), ["a=x q2 id1"]);
    let ack = Ack {
        kind: AckKind::PubRec,
        packet_id: id(1),
        reason: ReasonCode::QuotaExceeded,
        properties: Properties::EMPTY,
    };
    network.send(reader, &Packet::Ack(ack));
    assert!(network.read(reader).is_empty());
    network.ack(sender, AckKind::PubRel, 1);
    assert_eq!(network.broker.statistics().messages_stored, 0);
    let ack = Ack { kind: AckKind::PubRec, packet_id: id(9), ..ack };
    network.send(reader, &Packet::Ack(ack));
    assert!(network.is_alive(reader));
}

#[test]
fn mqtt_4_6_0_5_and_6_order_is_kept_over_reconnections_and_a_small_window() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 2);
    let (sender, mut reader) = pair(&mut network);
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
    network.pieces = (usize::MAX, 1460, 5);
    let (sender, reader) = pair(&mut network);
    network.client(reader).blocked = true;
    network.send(sender, &publish_qos("a", "payload", QoS::ExactlyOnce, 1));
    let link = network.link(reader);
    let mut buffer = [0; 4];
    assert_eq!(network.broker.fill(link, &mut buffer), 4);
    network.broker.sent(network.now, link, 4);
    let reader = again(&mut network, reader);
    assert_eq!(network.read(reader), ["a=payload q2 id1 dup"]);
}
