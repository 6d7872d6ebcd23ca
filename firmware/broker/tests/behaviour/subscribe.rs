//! SUBSCRIBE and UNSUBSCRIBE.

use obkmq_broker::QoS;
use obkmq_mqtt::{AckKind, Filters, Packet, TopicFilter, Unsubscribe};

use crate::network::*;

#[test]
fn mqtt_3_8_4_1_and_5_every_filter_is_answered_in_order() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.subscribe(client, &[("a", QoS::AtMostOnce), ("b/#", QoS::AtLeastOnce), ("+", QoS::AtMostOnce)]);
    assert_eq!(network.read(client), ["SUBACK 100 [0,1,0]"]);
}

#[test]
fn qos_2_is_granted_and_delivered() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::ExactlyOnce);
    network.send(sender, &publish_qos("a", "x", QoS::ExactlyOnce, 1));
    assert_eq!(network.read(receiver), ["a=x q2 id1"]);
    network.ack(receiver, AckKind::PubRec, 1);
    assert_eq!(network.read(receiver), ["PUBREL 1"]);
    network.ack(receiver, AckKind::PubComp, 1);
    assert!(network.is_alive(receiver));
}

#[test]
fn mqtt_3_8_4_3_the_same_filter_again_replaces_the_subscription() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    network.subscribed(receiver, "a", QoS::AtMostOnce);
    network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(receiver), ["a=x q0"]);
    assert_eq!(network.broker.statistics().subscriptions, 1);
}

#[test]
fn mqtt_3_10_4_an_unsubscribed_filter_delivers_no_more() {
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "a/#", QoS::AtMostOnce);
    network.subscribed(receiver, "a/+", QoS::AtMostOnce);
    network.unsubscribe(receiver, "a/#");
    assert_eq!(network.read(receiver), ["UNSUBACK 101"]);
    network.publish(sender, "a/b", "x");
    network.publish(sender, "a/b/c", "y");
    assert_eq!(network.read(receiver), ["a/b=x q0"]);
    network.unsubscribe(receiver, "a/+");
    network.publish(sender, "a/b", "z");
    assert_eq!(network.read(receiver), ["UNSUBACK 101"]);
}

#[test]
fn mqtt_3_10_4_5_an_unknown_filter_is_acknowledged_too() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.unsubscribe(client, "never/there");
    assert_eq!(network.read(client), ["UNSUBACK 101"]);
}

#[test]
fn filters_over_the_limit_are_refused_one_by_one() {
    let mut network = Network::with_limits(|limits| limits.max_subscriptions = 2);
    let client = network.connect("c");
    network.subscribe(client, &[("a", QoS::AtMostOnce), ("b", QoS::AtLeastOnce), ("c", QoS::AtMostOnce)]);
    assert_eq!(network.read(client), ["SUBACK 100 [0,1,128]"]);
    network.publish(client, "b", "x");
    network.publish(client, "c", "x");
    assert_eq!(network.read(client), ["b=x q0"]);
    // What is subscribed already can be changed, and room can be made.
    network.subscribe(client, &[("a", QoS::AtLeastOnce)]);
    network.unsubscribe(client, "b");
    network.subscribe(client, &[("c", QoS::AtMostOnce)]);
    assert_eq!(network.read(client), ["SUBACK 100 [1]", "UNSUBACK 101", "SUBACK 100 [0]"]);
}

#[test]
fn mqtt_4_7_2_1_leading_wildcards_do_not_match_server_topics() {
    let mut network = Network::new();
    let client = network.connect("c");
    for filter in ["#", "+/broker", "$SYS/#"] {
        network.subscribed(client, filter, QoS::AtMostOnce);
    }
    network.broker.publish(network.now, "$SYS/broker", b"x", QoS::AtMostOnce, false).unwrap();
    network.unsubscribe(client, "$SYS/#");
    network.broker.publish(network.now, "$SYS/broker", b"y", QoS::AtMostOnce, false).unwrap();
    network.run();
    assert_eq!(network.read(client), ["$SYS/broker=x q0", "UNSUBACK 101"]);
}

#[test]
fn subscriptions_end_with_a_clean_start() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    network.cut(client);
    let statistics = network.broker.statistics();
    assert_eq!((statistics.subscriptions, statistics.sessions), (0, 0));
}

#[test]
fn unsubscribing_in_the_order_of_subscribing_does_not_search() {
    let mut network = Network::new();
    let client = network.connect("c");
    let filters: Vec<_> = (0..50_000).map(|number| format!("{number}")).collect();
    // A search through what is left would take a thousand million steps.
    let list: Vec<_> = filters.iter().map(|filter| (filter.as_str(), QoS::AtMostOnce)).collect();
    network.subscribe(client, &list);
    let list: Vec<_> = filters.iter().map(|filter| TopicFilter::new(filter).unwrap()).collect();
    let filters = Filters::new(&list);
    network.send(
        client,
        &Packet::Unsubscribe(Unsubscribe {
            packet_id: id(101),
            properties: obkmq_mqtt::Properties::EMPTY,
            filters,
        }),
    );
    assert_eq!(network.broker.statistics().subscriptions, 0);
    assert!(network.is_alive(client));
}

/// A packet of a megabyte of `+/x` once held the broker for twenty seconds: each is compared with all that is retained.
#[test]
fn many_wildcards_and_retained_messages_are_brought_together_a_step_at_a_time() {
    let mut network = Network::new();
    for number in 0..1000 {
        let topic = format!("{number}/y");
        network.broker.publish(network.now, &topic, b"1", QoS::AtMostOnce, true).unwrap();
    }
    let client = network.open(LOOPBACK);
    network.send(client, &connect("c"));
    let filters = vec![("+/x", QoS::AtMostOnce); 10_000];
    let list: Vec<_> = filters.iter().map(|&(filter, qos)| subscription(filter, qos)).collect();
    let subscriptions = obkmq_mqtt::Subscriptions::new(&list);
    let properties = obkmq_mqtt::Properties::EMPTY;
    let subscribe = obkmq_mqtt::Subscribe { packet_id: id(1), properties, subscriptions };
    let link = network.link(client);
    let before = std::time::Instant::now();
    network.broker.receive(network.now, link, &encode(&Packet::Subscribe(subscribe)));
    // Ten million comparisons in one go would not be over yet; this is a test of steps, not of speed.
    assert!(before.elapsed().as_secs() < 20);
    assert!(network.broker.poll(network.now).is_some_and(|next| next <= network.now));
}

#[test]
fn mqtt_3_10_3_1_a_filter_that_is_no_text_ends_the_link() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.send_bytes(client, &[0xA2, 5, 0, 1, 0, 1, 0xFF]);
    assert!(network.client(client).closed);
}

#[test]
fn mqtt_3_8_4_3_a_replaced_subscription_interrupts_nothing() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (receiver, _) = network.connect_persistent("r");
    network.subscribed(receiver, "a", QoS::AtLeastOnce);
    network.send(sender, &publish_qos("a", "1", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(receiver), ["a=1 q1 id1"]);
    // One is under way and one comes with the replacement: both are delivered, each as it was.
    network.send(sender, &publish_qos("a", "2", QoS::AtLeastOnce, 2));
    network.subscribe(receiver, &[("a", QoS::AtMostOnce)]);
    network.send(sender, &publish_qos("a", "3", QoS::AtLeastOnce, 3));
    assert_eq!(network.read(receiver), ["a=2 q1 id2", "SUBACK 100 [0]", "a=3 q0"]);
    network.cut(receiver);
    let (receiver, _) = network.connect_persistent("r");
    assert_eq!(network.read(receiver), ["a=1 q1 id1 dup", "a=2 q1 id2 dup"]);
}
