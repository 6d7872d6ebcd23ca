//! What a client could do to the others once, with credentials and without.

use obkmq_broker::{Change, Limits, QoS};

use crate::network::*;

fn chip(memory_bytes: usize) -> Network {
    let mut policy = policy();
    policy.limits = Limits::for_chip(memory_bytes);
    Network::with(policy)
}

/// Brings a SUBSCRIBE to the broker whose answer nobody takes. Says how much of it was taken.
fn subscribe_unread(network: &mut Network, client: Id, filters: &[String]) -> (usize, usize) {
    let list: Vec<_> = filters.iter().map(|filter| subscription(filter, QoS::AtMostOnce)).collect();
    let bytes = encode(&obkmq_mqtt::Packet::Subscribe(obkmq_mqtt::Subscribe {
        packet_id: id(1),
        properties: obkmq_mqtt::Properties::EMPTY,
        subscriptions: obkmq_mqtt::Subscriptions::new(&list),
    }));
    let link = network.link(client);
    (network.broker.receive(network.now, link, &bytes), bytes.len())
}

#[test]
fn a_session_that_comes_and_goes_while_its_end_is_being_told_is_no_harm() {
    let mut network = Network::new();
    let (client, _) = network.connect_persistent("c");
    while network.broker.next_change().is_some() {}
    network.cut(client);
    let client = network.connect("c");
    network.cut(client);
    // One change at a time, as a board fetches them.
    assert!(matches!(
        network.broker.next_change(),
        Some(Change::SessionCleared { client_id: "c", user: None })
    ));
    let client = network.connect("c");
    network.cut(client);
    assert!(network.broker.next_change().is_none());
    assert_eq!(network.broker.statistics().sessions, 0);
}

#[test]
fn one_filter_a_thousand_times_does_not_keep_others_out() {
    let mut network = chip(96 * 1024);
    let client = network.connect("c");
    network.client(client).blocked = true;
    let filters = vec!["+/x".to_owned(); 2600];
    for _ in 0..3 {
        subscribe_unread(&mut network, client, &filters);
    }
    assert!(network.broker.statistics().memory_used_bytes < 40 * 1024);
    assert!(network.try_open(REMOTE).is_ok());
}

#[test]
fn long_answers_that_nobody_takes_count_for_what_they_are() {
    let mut network = chip(96 * 1024);
    let client = network.connect("c");
    let filters = vec!["x".to_owned(); 4000];
    for _ in 0..40 {
        let (taken, whole) = subscribe_unread(&mut network, client, &filters);
        if taken < whole {
            break;
        }
    }
    assert!(network.broker.statistics().memory_used_bytes < 48 * 1024);
    assert!(network.try_open(REMOTE).is_ok());
}

#[test]
fn strangers_do_not_end_the_sessions_of_clients_that_are_away() {
    let mut network = chip(48 * 1024);
    for name in ["s1", "s2", "s3"] {
        let (client, _) = network.connect_persistent(name);
        network.subscribed(client, &format!("{name}/#"), QoS::AtLeastOnce);
        network.cut(client);
    }
    for _ in 0..100 {
        if let Ok(stranger) = network.try_open(REMOTE) {
            let mut half = vec![0x10, 0xF0, 0x0F];
            half.resize(2030, 0);
            network.send_bytes(stranger, &half);
        }
    }
    assert_eq!(network.broker.statistics().sessions, 3);
}

#[test]
fn one_filter_cannot_have_groups_without_end() {
    let mut network = Network::new();
    let client = network.connect("c");
    let filters: Vec<_> = (0..1000).map(|number| format!("$share/{number}/#")).collect();
    subscribe_unread(&mut network, client, &filters);
    assert!((64..=65).contains(&network.broker.statistics().subscriptions));
}

#[test]
fn the_shapes_of_a_session_are_forgotten_with_it() {
    let mut network = Network::with_limits(|limits| limits.max_filter_shapes = 8);
    let shapes = ["+", "+/+", "+/a"];
    for round in 0..5 {
        let client = network.connect(&format!("c{round}"));
        let keeper = network.connect("keeper");
        for filter in &shapes[..2] {
            network.subscribed(client, filter, QoS::AtMostOnce);
        }
        network.unsubscribe(client, "+");
        network.unsubscribe(client, "+/+");
        network.read(client);
        network.subscribed(keeper, "a", QoS::AtMostOnce);
        network.cut(client);
        let next = network.connect("next");
        network.subscribed(next, "+/a", QoS::AtMostOnce);
        network.subscribed(next, "b/+", QoS::AtMostOnce);
        network.cut(next);
        network.cut(keeper);
    }
}

#[test]
fn what_expires_all_at_once_is_deleted_in_one_pass() {
    let mut policy = policy();
    policy.sys_interval_seconds = 10;
    let mut network = Network::with(policy);
    let sender = network.five("s");
    for number in 0..500 {
        let list = [obkmq_mqtt::Property::MessageExpiryInterval(1)];
        network.publish_five_as(sender, &format!("t/{number}"), "x", QoS::AtMostOnce, true, &list);
    }
    network.advance_millis(25_000);
    assert_eq!(network.broker.statistics().retained, 0);
}
