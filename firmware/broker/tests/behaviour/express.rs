//! Lone packets, which do without storage and outbox; see `express.rs` of the broker.

use std::num::NonZeroU32;

use obkmq_broker::QoS;
use obkmq_mqtt::{AckKind, Property};

use crate::network::*;

/// A sender, and a receiver with a session that outlives its link.
fn two(network: &mut Network, qos: QoS) -> (Id, Id) {
    let sender = network.connect("sender");
    let (receiver, _) = network.connect_persistent("receiver");
    network.subscribed(receiver, "#", qos);
    (sender, receiver)
}

fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap()
}

fn link_closed(network: &Network) -> u64 {
    network.broker.statistics().drops.link_closed
}

/// The reader's transport takes so many bytes of what there is, and then nothing more.
fn take_bytes(network: &mut Network, client: Id, bytes: usize) {
    let link = network.link(client);
    let mut buffer = [0; 1460];
    let filled = network.broker.fill(link, &mut buffer);
    assert!(filled > bytes);
    network.broker.sent(network.now, link, bytes);
    network.client(client).incoming.extend_from_slice(&buffer[..bytes]);
}

#[test]
fn packets_stay_whole_and_in_order_however_they_are_taken() {
    for pieces in [(usize::MAX, 1460, 1), (usize::MAX, 3, 3), (usize::MAX, 1460, 29), (5, 7, usize::MAX)] {
        let mut network = Network::new();
        network.pieces = pieces;
        let sender = network.connect("sender");
        let readers = [network.connect("reader"), network.five("five")];
        for (reader, filter) in readers.into_iter().zip(["a/#", "b/#"]) {
            network.subscribe(reader, &[(filter, QoS::AtLeastOnce)]);
            network.read(reader);
        }
        for (reader, topic) in readers.into_iter().zip(["a/b", "b/c"]) {
            let long = "x".repeat(140);
            network.publish(sender, topic, &long);
            assert_eq!(network.read(reader), [format!("{topic}={long} q0")]);
            // Several at once, of which only the first goes that way.
            network.client(reader).blocked = true;
            network.send(sender, &publish_qos(topic, "1", QoS::AtLeastOnce, 1));
            network.publish(sender, topic, "2");
            network.send(sender, &publish_qos(topic, &long, QoS::AtLeastOnce, 2));
            assert_eq!(network.read(sender), ["PUBACK 1", "PUBACK 2"]);
            network.client(reader).blocked = false;
            network.run();
            let expected =
                [format!("{topic}=1 q1 id1"), format!("{topic}=2 q0"), format!("{topic}={long} q1 id2")];
            assert_eq!(network.read(reader), expected);
            network.ack(reader, AckKind::PubAck, 1);
            network.ack(reader, AckKind::PubAck, 2);
            assert!(network.is_alive(reader));
        }
    }
}

#[test]
fn who_publishes_to_himself_gets_the_message_before_its_acknowledgement() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.subscribed(client, "a", QoS::AtLeastOnce);
    for number in [7, 8] {
        network.send(client, &publish_qos("a", "x", QoS::AtLeastOnce, number));
        assert_eq!(network.read(client), ["a=x q1 id1".to_owned(), format!("PUBACK {number}")]);
        network.ack(client, AckKind::PubAck, 1);
    }
}

#[test]
fn what_waits_for_one_client_is_not_in_the_way_of_another() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut network = Network::new();
        let [one, other] = ["one", "other"].map(|name| network.connect(name));
        let senders = ["first", "second"].map(|name| network.connect(name));
        for (reader, filter) in [(one, "a"), (other, "b")] {
            network.subscribed(reader, filter, qos);
        }
        network.client(one).blocked = true;
        network.client(senders[0]).blocked = true;
        for (sender, topic) in senders.into_iter().zip(["a", "b"]) {
            network.send(sender, &publish_qos(topic, "x", QoS::AtLeastOnce, 3));
        }
        let id = if qos == QoS::AtMostOnce { "" } else { " id1" };
        assert_eq!(network.read(other), [format!("b=x q{}{id}", qos.bits())]);
        assert_eq!(network.read(senders[1]), ["PUBACK 3"]);
        network.client(one).blocked = false;
        network.client(senders[0]).blocked = false;
        network.run();
        assert_eq!(network.read(one), [format!("a=x q{}{id}", qos.bits())]);
        assert_eq!(network.read(senders[0]), ["PUBACK 3"]);
    }
}

#[test]
fn what_has_not_been_taken_counts_against_the_quotas() {
    let mut network = Network::with_limits(|limits| limits.max_queued_messages = 1);
    let [sender, reader] = ["sender", "reader"].map(|name| network.connect(name));
    network.subscribed(reader, "#", QoS::AtMostOnce);
    for round in 1..=2 {
        network.client(reader).blocked = true;
        network.publish(sender, "a", "1");
        network.publish(sender, "a", "2");
        assert_eq!(network.broker.statistics().drops.slow_reader, round);
        network.client(reader).blocked = false;
        network.run();
        assert_eq!(network.read(reader), ["a=1 q0"]);
    }
    assert_eq!(network.broker.statistics().messages_sent, 2);
}

#[test]
fn a_client_that_does_not_take_a_lone_message_is_closed() {
    let mut network = Network::with_limits(|limits| limits.send_timeout_ms = 5000);
    let [sender, reader] = ["sender", "reader"].map(|name| network.connect(name));
    network.subscribed(reader, "#", QoS::AtMostOnce);
    network.client(reader).blocked = true;
    network.publish(sender, "a", "1");
    network.advance_millis(4500);
    assert!(!network.client(reader).closed);
    network.advance_millis(1000);
    assert!(network.client(reader).closed);
    assert_eq!(link_closed(&network), 1);
    // The place is free for another.
    let other = network.connect("other");
    network.subscribed(other, "#", QoS::AtMostOnce);
    network.publish(sender, "a", "2");
    assert_eq!(network.read(other), ["a=2 q0"]);
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn each_message_under_way_has_an_identifier_of_its_own() {
    let mut network = Network::new();
    let (sender, receiver) = two(&mut network, QoS::AtLeastOnce);
    let publish = |network: &mut Network| {
        network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
        network.read(receiver)
    };
    assert_eq!(publish(&mut network), ["a=x q1 id1"]);
    assert_eq!(network.broker.statistics().messages_stored, 1);
    // An answer to something else is none to this.
    network.ack(receiver, AckKind::PubAck, 2);
    network.ack(receiver, AckKind::PubRec, 1);
    network.ack(receiver, AckKind::PubComp, 1);
    assert_eq!(network.read(receiver), ["PUBREL 1"]);
    assert_eq!(network.broker.statistics().messages_stored, 1);
    assert_eq!(publish(&mut network), ["a=x q1 id2"]);
    network.ack(receiver, AckKind::PubAck, 2);
    assert_eq!(publish(&mut network), ["a=x q1 id3"]);
    assert_eq!(network.broker.statistics().messages_stored, 2);
    network.ack(receiver, AckKind::PubAck, 1);
    network.ack(receiver, AckKind::PubAck, 3);
    assert_eq!(network.broker.statistics().messages_stored, 0);
    // A message of QoS 0, or one to somebody else, does not take it away.
    assert_eq!(publish(&mut network), ["a=x q1 id1"]);
    network.publish(sender, "a", "y");
    assert_eq!(network.read(receiver), ["a=y q0"]);
    assert_eq!(publish(&mut network), ["a=x q1 id2"]);
}

#[test]
fn mqtt_4_4_0_1_what_was_not_acknowledged_comes_again_as_what_it_is() {
    // How much was taken of the message, and whether it was sent before.
    for (taken, dup) in [(Some(0), ""), (Some(4), " dup"), (None, " dup")] {
        for others in 0..3 {
            let mut network = Network::new();
            let (sender, receiver) = two(&mut network, QoS::AtLeastOnce);
            network.client(receiver).blocked = taken.is_some();
            network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
            if let Some(bytes @ 1..) = taken {
                take_bytes(&mut network, receiver, bytes);
            }
            // These are behind it, wherever it is.
            let late = network.connect("late");
            for number in 0..others {
                network.client(receiver).blocked = true;
                network.send(late, &publish_qos("b", "y", QoS::AtLeastOnce, 2 + number));
            }
            network.cut(receiver);
            let stored = network.broker.statistics().messages_stored;
            assert_eq!(stored, 1 + usize::from(others));
            let (receiver, present) = network.connect_persistent("receiver");
            assert!(present);
            let mut expected = vec![format!("a=x q1 id1{dup}")];
            expected.extend((0..others).map(|number| format!("b=y q1 id{}", 2 + number)));
            assert_eq!(network.read(receiver), expected);
            (1..=1 + others).for_each(|number| network.ack(receiver, AckKind::PubAck, number));
            assert_eq!(network.broker.statistics().messages_stored, 0);
            assert_eq!(link_closed(&network), 0);
        }
    }
}

#[test]
fn an_answer_to_what_was_not_sent_is_none() {
    let mut network = Network::new();
    let (sender, receiver) = two(&mut network, QoS::AtLeastOnce);
    network.client(receiver).blocked = true;
    network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    network.ack(receiver, AckKind::PubAck, 1);
    network.cut(receiver);
    let (receiver, _) = network.connect_persistent("receiver");
    assert_eq!(network.read(receiver), ["a=x q1 id1"]);
}

#[test]
fn a_message_makes_room_for_the_next_and_is_not_forgotten() {
    let mut network = Network::new();
    let (sender, receiver) = two(&mut network, QoS::AtLeastOnce);
    let other = network.connect("other");
    network.unsubscribe(receiver, "#");
    network.subscribe(receiver, &[("a", QoS::AtLeastOnce)]);
    network.subscribe(other, &[("b", QoS::AtLeastOnce), ("c", QoS::AtMostOnce)]);
    network.read(receiver);
    network.read(other);
    network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, 1));
    assert_eq!(network.read(receiver), ["a=x q1 id1"]);
    network.send(sender, &publish_qos("b", "y", QoS::AtLeastOnce, 2));
    network.send(sender, &publish_qos("c", "z", QoS::AtLeastOnce, 3));
    assert_eq!(network.read(other), ["b=y q1 id1", "c=z q0"]);
    assert_eq!(network.broker.statistics().messages_stored, 2);
    network.cut(receiver);
    let (receiver, _) = network.connect_persistent("receiver");
    assert_eq!(network.read(receiver), ["a=x q1 id1 dup"]);
    network.ack(receiver, AckKind::PubAck, 1);
    network.ack(other, AckKind::PubAck, 1);
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn a_message_goes_with_the_session_it_is_for() {
    let mut network = Network::new();
    let [sender, reader] = ["sender", "reader"].map(|name| network.connect(name));
    network.subscribed(reader, "#", QoS::AtLeastOnce);
    network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(reader).len(), 1);
    network.cut(reader);
    assert_eq!((link_closed(&network), network.broker.statistics().messages_stored), (1, 0));
    // Whoever gets the session's place does not get its message.
    let reader = network.connect("reader");
    network.ack(reader, AckKind::PubAck, 1);
    network.subscribed(reader, "#", QoS::AtLeastOnce);
    assert!(network.is_alive(reader));
}

#[test]
fn what_there_is_no_memory_to_store_waits_for_its_client_where_it_is() {
    for sent in [true, false] {
        let mut network = Network::new();
        let (sender, receiver) = two(&mut network, QoS::AtLeastOnce);
        network.client(receiver).blocked = !sent;
        network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
        let mut policy = policy();
        let generous = policy.limits;
        policy.limits.memory_bytes = 0;
        network.broker.set_policy(policy);
        network.cut(receiver);
        policy.limits = generous;
        network.broker.set_policy(policy);
        assert_eq!(network.broker.statistics().messages_stored, 1);
        assert_eq!(link_closed(&network), 0);
        let (receiver, _) = network.connect_persistent("receiver");
        assert_eq!(network.read(receiver), ["a=x q1 id1 dup"]);
        network.ack(receiver, AckKind::PubAck, 1);
        assert_eq!(network.broker.statistics().messages_stored, 0);
    }
}

#[test]
fn a_last_word_does_not_stand_within_another_packet() {
    for (taken, said) in [(0, "DISCONNECT 0x8e"), (5, "")] {
        let mut network = Network::new();
        let [sender, reader] = ["sender", "reader"].map(|name| network.five(name));
        network.subscribe_five(reader, &[subscription("#", QoS::AtMostOnce)], &[]);
        network.client(reader).blocked = true;
        network.publish(sender, "a", "a message that is begun");
        if taken > 0 {
            take_bytes(&mut network, reader, taken);
        }
        network.five("reader");
        network.client(reader).blocked = false;
        network.run();
        let begun = network.client(reader).incoming.len();
        assert!(if taken > 0 { begun == taken } else { begun > 0 }, "{begun}");
        let heard = network.read(reader).join(" ").to_lowercase();
        assert!(heard.starts_with(&said.to_lowercase()), "{heard}");
        assert_eq!(link_closed(&network), 1);
    }
}

#[test]
fn a_packet_larger_than_its_receiver_takes_is_not_sent() {
    let mut network = Network::new();
    let sender = network.connect("sender");
    let (reader, _) = network.connect_five("reader", true, &[Property::MaximumPacketSize(number(20))]);
    network.subscribe_five(reader, &[subscription("#", QoS::AtLeastOnce)], &[]);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let id_bytes = if qos == QoS::AtMostOnce { 0 } else { 2 };
        for (length, fits) in [(14 - id_bytes, true), (15 - id_bytes, false)] {
            let payload = "x".repeat(length);
            match qos {
                QoS::AtMostOnce => network.publish(sender, "a", &payload),
                _ => network.send(sender, &publish_qos("a", &payload, qos, 1)),
            }
            assert_eq!(network.read(reader).len(), usize::from(fits), "{length}");
            network.ack(reader, AckKind::PubAck, 1);
        }
    }
    assert_eq!(network.broker.statistics().drops.too_large, 2);
}
