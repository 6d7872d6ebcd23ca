//! Retained messages.

use obkmq_broker::{Event, QoS};
use obkmq_mqtt::{AckKind, Packet, Publish};

use crate::network::*;

#[test]
fn mqtt_3_3_1_6_and_8_a_new_subscription_finds_the_retained_message() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.send(sender, &publish_retained("a/b", "1"));
    network.send(sender, &publish_retained("a/b", "2"));
    network.send(sender, &publish_retained("c", "3"));
    network.subscribe(receiver, &[("a/#", QoS::AtMostOnce), ("c", QoS::AtLeastOnce)]);
    assert_eq!(network.read(receiver), ["SUBACK 100 [0,1]", "a/b=2 q0 retain", "c=3 q0 retain"]);
    // Subscribing again brings them again [MQTT-3.8.4-3].
    network.subscribe(receiver, &[("a/#", QoS::AtMostOnce)]);
    assert_eq!(network.read(receiver), ["SUBACK 100 [0]", "a/b=2 q0 retain"]);
}

#[test]
fn mqtt_3_3_1_9_live_messages_do_not_carry_the_flag() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtMostOnce);
    network.send(sender, &publish_retained("a", "1"));
    network.send(sender, &publish_retained("a", "1"));
    assert_eq!(network.read(receiver), ["a=1 q0", "a=1 q0"]);
}

#[test]
fn mqtt_3_3_1_10_an_empty_payload_deletes_and_is_delivered() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.send(sender, &publish_retained("a", "1"));
    network.subscribe(receiver, &[("a", QoS::AtMostOnce)]);
    network.send(sender, &publish_retained("a", ""));
    assert_eq!(network.read(receiver), ["SUBACK 100 [0]", "a=1 q0 retain", "a= q0"]);
    network.subscribed(receiver, "+", QoS::AtMostOnce);
    assert_eq!(network.broker.statistics().retained, 0);
    assert_eq!(network.broker.retained("a"), None);
}

#[test]
fn mqtt_3_3_1_12_messages_without_the_flag_leave_the_retained_one() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.send(sender, &publish_retained("a", "kept"));
    network.publish(sender, "a", "passing");
    network.publish(sender, "a", "");
    network.subscribe(receiver, &[("a", QoS::AtMostOnce)]);
    assert_eq!(network.read(receiver), ["SUBACK 100 [0]", "a=kept q0 retain"]);
}

#[test]
fn retained_messages_come_at_the_lower_of_both_qos() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let Packet::Publish(fields) = publish_qos("a", "x", QoS::AtLeastOnce, 1) else { panic!() };
    network.send(sender, &Packet::Publish(Publish { retain: true, ..fields }));
    let [zero, one] = ["zero", "one"].map(|name| network.connect(name));
    network.subscribe(zero, &[("#", QoS::AtMostOnce)]);
    network.subscribe(one, &[("#", QoS::AtLeastOnce)]);
    assert_eq!(network.read(zero), ["SUBACK 100 [0]", "a=x q0 retain"]);
    assert_eq!(network.read(one), ["SUBACK 100 [1]", "a=x q1 id1 retain"]);
    network.ack(one, AckKind::PubAck, 1);
    assert!(network.is_alive(one));
}

#[test]
fn a_subscription_finds_more_retained_messages_than_a_queue_holds() {
    let mut network = Network::with_limits(|limits| {
        limits.max_queued_messages = 5;
        limits.max_queued_bytes = 200;
        limits.max_replies = 8;
        limits.inflight_window = 4;
    });
    let sender = network.connect("s");
    for number in 0..100 {
        let topic = format!("homeassistant/sensor/{number}/config");
        let Packet::Publish(fields) = publish_qos(&topic, "{}", QoS::AtLeastOnce, 1) else { panic!() };
        network.send(sender, &Packet::Publish(Publish { retain: true, ..fields }));
    }
    let [zero, one] = ["zero", "one"].map(|name| network.connect(name));
    network.subscribe(zero, &[("homeassistant/#", QoS::AtMostOnce)]);
    assert_eq!(network.read(zero).len(), 101);
    network.subscribe(one, &[("homeassistant/#", QoS::AtLeastOnce)]);
    let mut received = network.read(one).len() - 1;
    for number in 1..=100 {
        network.ack(one, AckKind::PubAck, number);
        received += network.read(one).len();
    }
    assert_eq!(received, 100);
    assert_eq!(network.broker.statistics().drops, obkmq_broker::Drops::default());
}

#[test]
fn retained_messages_over_the_limit_are_delivered_but_not_kept() {
    let mut network = Network::with_limits(|limits| limits.max_retained = 1);
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "#", QoS::AtMostOnce);
    network.send(sender, &publish_retained("a", "1"));
    let Packet::Publish(fields) = publish_qos("b", "2", QoS::AtLeastOnce, 1) else { panic!() };
    network.send(sender, &Packet::Publish(Publish { retain: true, ..fields }));
    network.send(sender, &publish_retained("a", "3"));
    assert_eq!(network.read(receiver), ["a=1 q0", "b=2 q0", "a=3 q0"]);
    assert_eq!(network.read(sender), ["PUBACK 1"]);
    assert_eq!(network.broker.retained("b"), None);
    assert_eq!(network.broker.retained("a").unwrap().payload, b"3");
    assert_eq!(network.broker.statistics().drops.retained_not_kept, 1);
    let named = network
        .events
        .iter()
        .any(|event| matches!(event, Event::RetainedNotKept { topic } if topic.as_str() == "b"));
    assert!(named);
}

#[test]
fn a_retained_message_that_does_not_fit_takes_the_old_one_with_it() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 20_000;
    });
    let sender = network.connect("s");
    network.send(sender, &publish_retained("a", "old"));
    let payload = "x".repeat(18_000);
    let Packet::Publish(fields) = publish_qos("a", &payload, QoS::AtLeastOnce, 1) else { panic!() };
    network.send(sender, &Packet::Publish(Publish { retain: true, ..fields }));
    assert_eq!(network.read(sender), ["PUBACK 1"]);
    assert_eq!(network.broker.retained("a"), None);
    assert_eq!(network.broker.statistics().drops.retained_not_kept, 1);
}

#[test]
fn a_message_that_is_kept_already_stays_when_nobody_can_be_sent_it_again() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 20_000;
        limits.max_queued_bytes = 1 << 20;
    });
    let [sender, slow] = ["s", "r"].map(|name| network.connect(name));
    network.send(sender, &publish_retained("state", "on"));
    network.subscribe(slow, &[("#", QoS::AtLeastOnce)]);
    network.client(slow).blocked = true;
    // Small messages, so that in the end not even a delivery record fits.
    for number in 0..2000 {
        let payload = format!("{number}");
        let _ = network.broker.publish(network.now, "x", payload.as_bytes(), QoS::AtLeastOnce, false);
    }
    for _ in 0..100 {
        network.send(sender, &publish_retained("state", "on"));
    }
    assert!(network.broker.statistics().drops.out_of_memory > 0);
    assert!(network.broker.retained("state").is_some());
}

#[test]
fn mqtt_3_1_2_7_what_a_session_leaves_behind_is_not_its_own() {
    let mut network = Network::new();
    let sender = network.connect("s");
    network.send(sender, &publish_retained("a", "x"));
    network.cut(sender);
    assert_eq!(network.broker.statistics().sessions, 0);
    let reader = network.connect("r");
    network.subscribe(reader, &[("a", QoS::AtMostOnce)]);
    assert_eq!(network.read(reader), ["SUBACK 100 [0]", "a=x q0 retain"]);
}
