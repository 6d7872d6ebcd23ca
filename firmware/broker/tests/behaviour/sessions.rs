//! Sessions that outlive their link.

use obkmq_broker::{Anonymous, QoS};
use obkmq_mqtt::{AckKind, Connect, Packet};

use crate::network::*;

#[test]
fn mqtt_3_2_2_session_present_tells_whether_there_was_one() {
    let mut network = Network::new();
    let (client, present) = network.connect_persistent("c");
    assert!(!present);
    network.cut(client);
    let (client, present) = network.connect_persistent("c");
    assert!(present);
    network.cut(client);
    // [MQTT-3.1.2-6]: a clean session discards it, and is not there afterwards.
    let client = network.connect("c");
    network.cut(client);
    assert!(!network.connect_persistent("c").1);
}

#[test]
fn mqtt_3_1_2_5_messages_wait_for_an_absent_client() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (receiver, _) = network.connect_persistent("r");
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    network.subscribed(receiver, "zero", QoS::AtMostOnce);
    network.cut(receiver);
    network.send(sender, &publish_qos("a", "1", QoS::AtLeastOnce, 1));
    network.publish(sender, "a", "at QoS 0");
    network.send(sender, &publish_qos("zero", "subscribed at QoS 0", QoS::AtLeastOnce, 2));
    network.send(sender, &publish_qos("a", "2", QoS::AtLeastOnce, 3));
    assert_eq!(network.read(sender), ["PUBACK 1", "PUBACK 2", "PUBACK 3"]);
    let (receiver, present) = network.connect_persistent("r");
    assert!(present);
    assert_eq!(network.read(receiver), ["a=1 q1 id1", "a=2 q1 id2"]);
    network.publish(sender, "zero", "still subscribed");
    assert_eq!(network.read(receiver), ["zero=still subscribed q0"]);
}

#[test]
fn mqtt_4_4_0_1_unacknowledged_messages_are_sent_again_in_order_with_dup() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 4);
    let sender = network.connect("s");
    let (receiver, _) = network.connect_persistent("r");
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    for number in 1..=2 {
        network.send(sender, &publish_qos("a", &number.to_string(), QoS::AtLeastOnce, number));
    }
    network.client(receiver).blocked = true;
    for number in 3..=6 {
        network.send(sender, &publish_qos("a", &number.to_string(), QoS::AtLeastOnce, number));
    }
    assert_eq!(network.read(receiver), ["a=1 q1 id1", "a=2 q1 id2"]);
    network.cut(receiver);
    let (receiver, _) = network.connect_persistent("r");
    // 3 and 4 had their identifiers but were never sent: no DUP.
    let expected = ["a=1 q1 id1 dup", "a=2 q1 id2 dup", "a=3 q1 id3", "a=4 q1 id4"];
    assert_eq!(network.read(receiver), expected);
    for number in 1..=4 {
        network.ack(receiver, AckKind::PubAck, number);
    }
    assert_eq!(network.read(receiver), ["a=5 q1 id5", "a=6 q1 id6"]);
    for number in 5..=6 {
        network.ack(receiver, AckKind::PubAck, number);
    }
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn a_message_sent_in_part_is_sent_again_with_dup() {
    let mut network = Network::new();
    let (receiver, _) = network.connect_persistent("r");
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    network.client(receiver).blocked = true;
    network.broker.publish(network.now, "a", b"long enough", QoS::AtLeastOnce, false).unwrap();
    let link = network.link(receiver);
    network.broker.sent(network.now, link, 3);
    network.cut(receiver);
    let (receiver, _) = network.connect_persistent("r");
    assert_eq!(network.read(receiver), ["a=long enough q1 id1 dup"]);
}

#[test]
fn queues_of_absent_clients_are_bounded() {
    let mut network = Network::with_limits(|limits| limits.max_queued_messages = 3);
    let sender = network.connect("s");
    let (receiver, _) = network.connect_persistent("r");
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    network.cut(receiver);
    for number in 1..=5 {
        network.send(sender, &publish_qos("a", &number.to_string(), QoS::AtLeastOnce, number));
    }
    assert_eq!(network.read(sender).len(), 5);
    assert_eq!(network.broker.statistics().drops.queue_full, 2);
    let (receiver, _) = network.connect_persistent("r");
    assert_eq!(network.read(receiver), ["a=1 q1 id1", "a=2 q1 id2", "a=3 q1 id3"]);
}

#[test]
fn a_take_over_continues_the_session() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (old, _) = network.connect_persistent("r");
    network.subscribed(old, "a", QoS::AtLeastOnce);
    network.send(sender, &publish_qos("a", "1", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(old), ["a=1 q1 id1"]);
    let (new, present) = network.connect_persistent("r");
    assert!(present && network.client(old).closed);
    assert_eq!(network.read(new), ["a=1 q1 id1 dup"]);
}

#[test]
fn what_was_stored_for_one_user_is_not_given_to_another() {
    let mut policy = policy();
    policy.anonymous = Anonymous::Never;
    let mut network = Network::with(policy);
    network.broker.verifier_mut().known = vec![("alice", b"a", 1), ("bob", b"b", 2)];
    let mut connect = |user, password| {
        let client = network.open(REMOTE);
        let Packet::Connect(fields) = login("c", user, password) else { panic!() };
        network.send(client, &Packet::Connect(Connect { clean_start: false, ..fields }));
        let answer = network.read(client);
        network.cut(client);
        answer
    };
    assert_eq!(connect("alice", "a"), ["CONNACK 0"]);
    assert_eq!(connect("alice", "a"), ["CONNACK 0 present"]);
    assert_eq!(connect("bob", "b"), ["CONNACK 0"]);
}

#[test]
fn a_wrong_password_takes_nothing_over() {
    let mut network = Network::new();
    network.broker.verifier_mut().known = vec![("alice", b"a", 1)];
    let client = network.connect("c");
    let thief = network.open(REMOTE);
    network.send(thief, &login("c", "alice", "wrong"));
    assert!(network.is_alive(client));
}

#[test]
fn clients_that_never_come_back_do_not_keep_others_out() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 20_000;
    });
    let mut admitted = 0;
    for number in 0..300 {
        let Ok(client) = network.try_open(LOOPBACK) else { continue };
        let name = format!("client-{number:050}");
        network.send(client, &Packet::Connect(Connect { clean_start: false, ..connect_fields(&name) }));
        if network.read(client) == ["CONNACK 0"] {
            admitted += 1;
        }
        network.cut(client);
        network.advance_millis(100);
    }
    assert!(admitted > 200, "{admitted}");
    // The one who left last is still known.
    let (_, present) = network.connect_persistent(&format!("client-{:050}", 298));
    assert!(present || network.connect_persistent(&format!("client-{:050}", 299)).1);
}

#[test]
fn mqtt_2_3_1_2_a_message_sent_again_keeps_its_identifier_for_itself() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 2);
    let (receiver, _) = network.connect_persistent("r");
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    let publish = |network: &mut Network| {
        network.broker.publish(network.now, "a", b"x", QoS::AtLeastOnce, false).unwrap();
        network.run();
    };
    // The first is never acknowledged, all the others are, until its identifier would come again.
    publish(&mut network);
    for number in 2..=u16::MAX {
        publish(&mut network);
        network.ack(receiver, AckKind::PubAck, number);
    }
    assert_eq!(network.read(receiver).len(), usize::from(u16::MAX));
    publish(&mut network);
    assert_eq!(network.read(receiver), ["a=x q1 id2"]);
    network.cut(receiver);
    let (receiver, present) = network.connect_persistent("r");
    assert!(present);
    assert_eq!(network.read(receiver), ["a=x q1 id1 dup", "a=x q1 id2 dup"]);
}

#[test]
fn what_waits_for_an_absent_client_does_not_keep_everybody_out() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 20_000;
    });
    let (absent, _) = network.connect_persistent("absent");
    network.subscribed(absent, "a", QoS::AtLeastOnce);
    network.cut(absent);
    for _ in 0..20 {
        let _ = network.broker.publish(network.now, "a", &[b'x'; 1000], QoS::AtLeastOnce, false);
    }
    assert!(network.try_open(LOOPBACK).is_err());
    network.connect("present");
}
