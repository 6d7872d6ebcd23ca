//! What one user may take of what all have together, and what those may who are nobody yet.

use obkmq_broker::{Anonymous, Change, Limits, QoS, Rights, Scope, UserId};
use obkmq_mqtt::{Connect, Packet, Property};

use crate::network::*;

/// Users 1 and 2.
fn network(change: impl FnOnce(&mut Limits)) -> Network {
    let mut network = Network::with_limits(change);
    network.broker.verifier_mut().known = vec![("ann", b"a", 1), ("bob", b"b", 2)];
    network
}

fn log_in(network: &mut Network, client_id: &str, user: &str) -> Id {
    let client = network.open(LOOPBACK);
    let Packet::Connect(fields) = login(client_id, user, &user[..1]) else { unreachable!() };
    network.send(client, &Packet::Connect(Connect { clean_start: false, ..fields }));
    let said = network.take(client);
    assert!(said.starts_with("CONNACK 0"), "{said}");
    client
}

/// So many retained messages of a client. Says how many there are then.
fn retain(network: &mut Network, client: Id, name: &str, count: usize) -> usize {
    for number in 0..count {
        network.send(client, &publish_retained(&format!("{name}/{number}"), "x"));
    }
    network.broker.statistics().retained
}

#[test]
fn one_user_does_not_use_up_the_retained_messages_of_the_others() {
    let mut network = network(|limits| limits.max_retained = 32);
    let ann = log_in(&mut network, "a", "ann");
    let bob = log_in(&mut network, "b", "bob");
    assert_eq!(retain(&mut network, ann, "ann", 100), 24);
    assert_eq!(retain(&mut network, bob, "bob", 100), 27);
    // It is the last one's who set it.
    network.send(ann, &publish_retained("bob/0", "y"));
    assert_eq!(retain(&mut network, bob, "again", 2), 28);
    network.send(bob, &publish_retained("again/0", ""));
    while network.broker.next_change().is_some() {}
    // What is there may be replaced, and what goes makes room.
    network.send(ann, &publish_retained("ann/3", "new"));
    assert_eq!(network.broker.retained("ann/3").unwrap().payload, b"new");
    for number in 0..4 {
        network.send(ann, &publish_retained(&format!("ann/{number}"), ""));
    }
    while network.broker.next_change().is_some() {}
    assert_eq!(retain(&mut network, bob, "more", 1), 24);
    assert_eq!(retain(&mut network, ann, "more", 9), 24);
    // The board itself is nobody to be protected from.
    for number in 0..20 {
        let topic = format!("board/{number}");
        network.broker.publish(network.now, &topic, b"x", QoS::AtMostOnce, true).unwrap();
    }
    assert_eq!(network.broker.statistics().retained, 32);
}

#[test]
fn who_is_alone_has_everything() {
    let mut network = network(|limits| limits.max_retained = 32);
    let mut rights = Rights::new();
    rights.add_user(Some(UserId(1)), "ann", Scope::Everything, false).unwrap();
    rights.add_user(None, "", Scope::Everything, false).unwrap();
    network.broker.set_rights(rights);
    let mut policy = *network.broker.policy();
    policy.anonymous = Anonymous::Never;
    network.broker.set_policy(policy);
    let ann = log_in(&mut network, "a", "ann");
    assert_eq!(retain(&mut network, ann, "ann", 100), 32);
}

#[test]
fn one_user_does_not_use_up_the_places_of_stored_sessions() {
    let mut network = network(|limits| limits.max_stored_sessions = 16);
    for number in 0..30 {
        let ann = log_in(&mut network, &format!("a{number}"), "ann");
        network.cut(ann);
    }
    let told = |network: &mut Network| {
        let mut told = [0; 3];
        while let Some(change) = network.broker.next_change() {
            if let Change::SessionSet { session, .. } = change {
                told[usize::from(session.user.map_or(0, |user| user.0))] += 1;
            }
        }
        told
    };
    assert_eq!(told(&mut network), [0, 12, 0]);
    for number in 0..5 {
        log_in(&mut network, &format!("b{number}"), "bob");
    }
    assert_eq!(told(&mut network), [0, 0, 2]);
    // Those that found no room are told when there is some.
    network.broker.revoke(network.now, UserId(1));
    assert_eq!(told(&mut network), [0, 0, 3]);
}

#[test]
fn a_session_that_found_no_room_in_the_journal_is_told_when_there_is_some() {
    let mut network = Network::with_limits(|limits| limits.max_stored_sessions = 1);
    let (first, _) = network.connect_persistent("first");
    let (second, _) = network.connect_persistent("second");
    let told = |network: &mut Network| {
        let mut told = Vec::new();
        while let Some(change) = network.broker.next_change() {
            told.push(match change {
                Change::SessionSet { client_id, .. } => format!("set {client_id}"),
                Change::SessionCleared { client_id, .. } => format!("cleared {client_id}"),
                _ => unreachable!(),
            });
        }
        told
    };
    assert_eq!(told(&mut network), ["set first"]);
    network.cut(first);
    network.connect("first");
    assert_eq!(told(&mut network), ["cleared first", "set second"]);
    // A larger quota is room too.
    let (_third, _) = network.connect_persistent("third");
    assert_eq!(told(&mut network), Vec::<String>::new());
    let mut policy = *network.broker.policy();
    policy.limits.max_stored_sessions = 2;
    network.broker.set_policy(policy);
    assert_eq!(told(&mut network), ["set third"]);
    network.cut(second);
}

#[test]
fn the_sessions_of_a_user_who_has_most_of_them_give_way_first() {
    let mut network = network(|limits| *limits = Limits::for_chip(24 * 1024));
    let bob = log_in(&mut network, "sensor", "bob");
    network.cut(bob);
    let mut number = 0;
    while network.broker.statistics().memory_used_bytes < 15 * 1024 {
        network.advance_millis(1_000);
        let ann = log_in(&mut network, &format!("ann-{number}"), "ann");
        network.subscribe(ann, &[(&format!("{number:0200}"), QoS::AtMostOnce)]);
        network.cut(ann);
        number += 1;
    }
    for _ in 0..100 {
        network.advance_millis(1_000);
        let Ok(ann) = network.try_open(LOOPBACK) else { continue };
        let client_id = format!("ann-{number}");
        let Packet::Connect(fields) = login(&client_id, "ann", "a") else { unreachable!() };
        network.send(ann, &Packet::Connect(Connect { clean_start: false, ..fields }));
        network.subscribe(ann, &[(&format!("{number:0200}"), QoS::AtMostOnce)]);
        network.cut(ann);
        number += 1;
    }
    let kept = network.broker.statistics().sessions;
    assert!(kept + 10 < number, "{kept} of {number}");
    assert!(network.broker.keeps_session("sensor", Some(UserId(2))));
}

#[test]
fn an_idle_stranger_does_not_keep_a_new_client_out() {
    let mut network = network(|limits| {
        *limits = Limits::for_chip(24 * 1024);
        limits.connect_timeout_ms = 1_000_000;
    });
    let stranger = network.open(REMOTE);
    let mut number = 0;
    while network.broker.statistics().memory_used_bytes < 17 * 1024 {
        let (client, _) = network.connect_persistent(&format!("client-{number}"));
        network.subscribe(client, &[(&format!("{number:0200}"), QoS::AtMostOnce)]);
        network.cut(client);
        number += 1;
    }
    // The rest goes to what is kept, which leaves no more than others need.
    let mut kept = 0;
    while network.try_open(REMOTE).map(|client| network.cut(client)).is_ok() {
        let topic = format!("kept/{kept}");
        network.broker.publish(network.now, &topic, &[7; 100], QoS::AtMostOnce, true).unwrap();
        kept += 1;
    }
    let sessions = network.broker.statistics().sessions;
    network.advance_millis(2_000);
    let mut tries = 0;
    while network.try_open(LOOPBACK).is_err() {
        network.run();
        tries += 1;
        assert!(tries < 4);
    }
    assert!(network.client(stranger).closed);
    assert!(network.broker.statistics().sessions + 3 >= sessions);
}

#[test]
fn retained_messages_that_expire_go_without_figures_too() {
    let mut network = Network::new();
    assert_eq!(network.broker.policy().sys_interval_seconds, 0);
    let sender = network.five("s");
    for seconds in [5, 30, 31] {
        let list = [Property::MessageExpiryInterval(seconds)];
        network.publish_five_as(sender, &format!("t/{seconds}"), "x", QoS::AtMostOnce, true, &list);
    }
    let before = network.broker.statistics().messages_stored;
    network.advance_millis(11_000);
    assert_eq!(network.broker.statistics().retained, 2);
    network.advance_millis(18_000);
    assert_eq!(network.broker.statistics().retained, 2);
    network.advance_millis(12_000);
    assert_eq!(network.broker.statistics().retained, 0);
    while network.broker.next_change().is_some() {}
    assert_eq!(network.broker.statistics().messages_stored, before - 3);
}
