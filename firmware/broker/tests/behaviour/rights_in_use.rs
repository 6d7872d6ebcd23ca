//! Rights while clients are there and while they are away: names in patterns, changes, other users.

use obkmq_broker::{Direction, Event, QoS, Rights, Scope, UserId};
use obkmq_mqtt::{AckKind, Connect, Packet, Property, PropertyOwner, Version};

use crate::five::props;
use crate::network::*;

const ANN: Option<UserId> = Some(UserId(1));
const BOB: Option<UserId> = Some(UserId(2));

/// Rules of ann and of bob; anonymous clients may everything.
fn rights(ann: &[(bool, bool, &str)], bob: &[(bool, bool, &str)]) -> Rights {
    let mut rights = Rights::new();
    rights.add_user(None, "", Scope::Everything, false).unwrap();
    for (user, name, rules) in [(ANN, "ann", ann), (BOB, "bob", bob)] {
        rights.add_user(user, name, Scope::Listed, false).unwrap();
        for &(read, write, pattern) in rules {
            rights.add_rule(user, read, write, pattern).unwrap();
        }
    }
    rights
}

fn network(ann: &[(bool, bool, &str)], bob: &[(bool, bool, &str)]) -> Network {
    let mut network = Network::new();
    network.broker.verifier_mut().known = vec![("ann", b"a", 1), ("bob", b"b", 2)];
    network.broker.set_rights(rights(ann, bob));
    network
}

/// Logs in with a session that lasts.
fn log_in(network: &mut Network, client_id: &str, user: &str) -> Id {
    let bytes = properties(&[Property::SessionExpiryInterval(1000)]);
    let Packet::Connect(fields) = login(client_id, user, &user[..1]) else { unreachable!() };
    let client = network.open(LOOPBACK);
    network.send(
        client,
        &Packet::Connect(Connect {
            version: Version::V5,
            clean_start: false,
            properties: props(&bytes, PropertyOwner::Connect),
            ..fields
        }),
    );
    client
}

fn logged_in(network: &mut Network, client_id: &str, user: &str) -> Id {
    let client = log_in(network, client_id, user);
    let answer = network.take(client);
    assert!(answer.starts_with("CONNACK 0x00"), "{answer}");
    client
}

#[test]
fn a_name_stands_for_itself_in_each_users_and_each_clients_topics() {
    let rules = [(true, true, "home/%u/#"), (false, true, "stat/%c/+"), (true, false, "cmnd/x-%c/%u")];
    let mut network = network(&rules, &rules);
    let all = network.five("all");
    network.subscribed(all, "#", QoS::AtMostOnce);
    let ann = logged_in(&mut network, "plug", "ann");
    let bob = logged_in(&mut network, "lamp", "bob");
    for (client, topics) in [
        (ann, ["home/ann/a", "home/bob/a", "stat/plug/1"]),
        (bob, ["home/ann/a", "home/bob/b", "stat/plug/1"]),
    ] {
        for topic in topics {
            network.publish(client, topic, "x");
        }
    }
    assert_eq!(network.read(all), ["home/ann/a=x q0", "stat/plug/1=x q0", "home/bob/b=x q0"]);
    assert_eq!(network.broker.statistics().drops.not_authorized, 3);
    for client in [ann, bob] {
        network.subscribe(client, &[("cmnd/#", QoS::AtMostOnce)]);
        assert_eq!(network.take(client), "SUBACK 100 [0]");
    }
    for topic in ["cmnd/x-plug/ann", "cmnd/x-lamp/ann", "cmnd/x-lamp/bob"] {
        network.publish(all, topic, "go");
    }
    assert_eq!(network.take(ann), "cmnd/x-plug/ann=go q0");
    assert_eq!(network.take(bob), "cmnd/x-lamp/bob=go q0");
}

#[test]
fn a_client_id_that_is_a_wildcard_widens_nothing() {
    let mut network = network(&[(true, true, "dev/%c/#")], &[]);
    for client_id in ["#", "+", "a/b", "+/c"] {
        let ann = logged_in(&mut network, client_id, "ann");
        network.subscribe(ann, &[("dev/#", QoS::AtMostOnce), ("#", QoS::AtMostOnce)]);
        assert_eq!(network.take(ann), "SUBACK 100 [135,135]", "{client_id}");
        network.publish_five(ann, "dev/a/b/c", "x", QoS::AtLeastOnce, &[]);
        assert_eq!(network.take(ann), "PUBACK 7 0x87", "{client_id}");
    }
}

#[test]
fn what_waits_for_an_absent_client_was_judged_when_it_came() {
    let all = [(true, true, "#")];
    let mut network = network(&all, &[]);
    let ann = logged_in(&mut network, "c", "ann");
    network.subscribed(ann, "a", QoS::AtLeastOnce);
    network.cut(ann);
    network.broker.set_rights(rights(&[], &[]));
    network.broker.publish(network.now, "a", b"secret", QoS::AtLeastOnce, false).unwrap();
    network.broker.set_rights(rights(&all, &[]));
    network.broker.publish(network.now, "a", b"open", QoS::AtLeastOnce, false).unwrap();
    let ann = log_in(&mut network, "c", "ann");
    let said = network.take(ann);
    assert!(said.ends_with("; a=open q1 id1") && !said.contains("secret"), "{said}");
}

#[test]
fn a_lifted_restriction_holds_at_once_and_so_does_a_new_one() {
    let mut network = network(&[], &[]);
    let ann = logged_in(&mut network, "c", "ann");
    network.subscribe(ann, &[("a", QoS::AtMostOnce)]);
    assert_eq!(network.take(ann), "SUBACK 100 [135]");
    // All topics, also for a session that began with none.
    let mut all = Rights::new();
    all.add_user(ANN, "ann", Scope::Everything, false).unwrap();
    network.broker.set_rights(all);
    network.subscribed(ann, "a", QoS::AtMostOnce);
    network.publish_five(ann, "a", "x", QoS::AtMostOnce, &[]);
    assert_eq!(network.take(ann), "a=x q0");
    // A login without restrictions is no promise either.
    network.cut(ann);
    let ann = logged_in(&mut network, "c", "ann");
    network.broker.set_rights(rights(&[(true, false, "a")], &[]));
    network.publish_five(ann, "a", "x", QoS::AtLeastOnce, &[]);
    assert_eq!(network.take(ann), "PUBACK 7 0x87");
    // The subscription stays where it may be read.
    network.broker.publish(network.now, "a", b"y", QoS::AtMostOnce, false).unwrap();
    network.run();
    assert_eq!(network.take(ann), "a=y q0");
}

#[test]
fn what_was_refused_is_not_kept_and_its_identifier_is_free() {
    let mut network = network(&[(true, true, "mine")], &[]);
    let ann = logged_in(&mut network, "c", "ann");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        network.publish_five_as(ann, "theirs", "x", qos, true, &[]);
    }
    assert_eq!(network.take(ann), "PUBACK 7 0x87; PUBREC 7 0x87");
    assert_eq!(network.broker.retained("theirs"), None);
    // The refused one counts for nothing: its number brings another message, to the end.
    network.subscribed(ann, "mine", QoS::AtMostOnce);
    network.publish_five(ann, "mine", "y", QoS::ExactlyOnce, &[]);
    network.ack(ann, AckKind::PubRel, 7);
    assert_eq!(network.take(ann), "mine=y q0; PUBREC 7; PUBCOMP 7");
    // Nor may it delete what is kept.
    network.broker.publish(network.now, "theirs", b"kept", QoS::AtMostOnce, true).unwrap();
    network.publish_five_as(ann, "theirs", "", QoS::AtLeastOnce, true, &[]);
    assert_eq!(network.take(ann), "PUBACK 7 0x87");
    assert_eq!(network.broker.retained("theirs").unwrap().payload, b"kept");
}

#[test]
fn a_topic_under_an_alias_is_judged_like_any_other() {
    let mut network = network(&[(false, true, "mine")], &[]);
    let all = network.five("all");
    network.subscribed(all, "#", QoS::AtMostOnce);
    let ann = logged_in(&mut network, "c", "ann");
    let alias = |number: u16| [Property::TopicAlias(number.try_into().unwrap())];
    for (topic, number) in [("mine", 1), ("theirs", 2), ("", 1), ("", 2)] {
        network.publish_five(ann, topic, "x", QoS::AtMostOnce, &alias(number));
    }
    assert_eq!(network.read(all), ["mine=x q0", "mine=x q0"]);
    assert!(network.is_alive(ann));
    assert_eq!(network.broker.statistics().drops.not_authorized, 2);
}

#[test]
fn one_identifier_of_two_users_is_two_clients() {
    let all = [(true, true, "#")];
    let mut network = network(&all, &all);
    let ann = logged_in(&mut network, "c", "ann");
    network.subscribed(ann, "a", QoS::AtLeastOnce);
    // Neither is thrown out, and anonymous clients are a user too.
    let bob = log_in(&mut network, "c", "bob");
    assert!(!network.take(bob).contains("present"));
    let nobody = network.connect("c");
    for client in [ann, bob, nobody] {
        assert!(network.is_alive(client));
    }
    assert_eq!(network.broker.statistics().sessions, 3);
    // The same user takes over.
    let again = logged_in(&mut network, "c", "ann");
    assert!(network.client(ann).closed && network.is_alive(again) && network.is_alive(bob));
}

#[test]
fn nobody_gets_or_ends_what_waits_for_an_absent_client_of_another_user() {
    let all = [(true, true, "#")];
    let mut network = network(&all, &all);
    let ann = logged_in(&mut network, "c", "ann");
    network.subscribed(ann, "a", QoS::AtLeastOnce);
    network.cut(ann);
    network.broker.publish(network.now, "a", b"x", QoS::AtLeastOnce, false).unwrap();
    for clean in [false, true] {
        let bob = network.open(LOOPBACK);
        let Packet::Connect(fields) = login("c", "bob", "b") else { unreachable!() };
        network.send(bob, &Packet::Connect(Connect { clean_start: clean, ..fields }));
        assert_eq!(network.read(bob), ["CONNACK 0"]);
        let nobody = network.open(LOOPBACK);
        network.send(nobody, &Packet::Connect(Connect { clean_start: clean, ..connect_fields("c") }));
        assert_eq!(network.read(nobody), ["CONNACK 0"]);
        network.cut(nobody);
        network.cut(bob);
    }
    let ann = log_in(&mut network, "c", "ann");
    let said = network.take(ann);
    assert!(said.contains("present") && said.ends_with("; a=x q1 id1"), "{said}");
}

#[test]
fn sessions_that_nobody_can_come_back_to_end() {
    let all = [(true, true, "#")];
    let mut network = network(&all, &all);
    let ann = logged_in(&mut network, "c", "ann");
    network.cut(ann);
    let (nobody, _) = network.connect_persistent("c");
    network.connect_persistent("d");
    network.cut(nobody);
    let mut closed = policy();
    closed.anonymous = obkmq_broker::Anonymous::Never;
    network.broker.set_policy(closed);
    assert_eq!(network.broker.statistics().sessions, 1);
    network.broker.revoke(network.now, UserId(1));
    assert_eq!(network.broker.statistics().sessions, 0);
}

#[test]
fn a_refused_subscription_is_told_once_and_leaves_the_granted_ones() {
    let mut network = network(&[(true, false, "a/+")], &[]);
    let ann = logged_in(&mut network, "c", "ann");
    network.subscribe(
        ann,
        &[
            ("b", QoS::AtMostOnce),
            ("a/b", QoS::ExactlyOnce),
            ("c", QoS::AtMostOnce),
            ("a/#", QoS::AtMostOnce),
        ],
    );
    assert_eq!(network.take(ann), "SUBACK 100 [135,2,135,0]");
    let denied = network
        .events
        .iter()
        .filter(|event| matches!(event, Event::Denied { direction: Direction::Subscribe, .. }))
        .count();
    assert_eq!(denied, 1);
    for topic in ["b", "a/b", "a", "a/b/c"] {
        network.broker.publish(network.now, topic, b"x", QoS::AtMostOnce, false).unwrap();
    }
    network.run();
    assert_eq!(network.take(ann), "a/b=x q0");
    assert_eq!(network.broker.statistics().subscriptions, 2);
}

#[test]
fn figures_of_the_broker_need_a_rule_of_their_own() {
    let mut policy = policy();
    policy.sys_interval_seconds = 10;
    let mut network = network(&[(true, true, "#")], &[(true, true, "$SYS/broker/uptime")]);
    network.broker.set_policy(policy);
    for (user, codes) in [("ann", "[135]"), ("bob", "[0]")] {
        let client = logged_in(&mut network, user, user);
        network.subscribe(client, &[("$SYS/broker/#", QoS::AtMostOnce)]);
        let said = network.read(client);
        assert_eq!(said[0], format!("SUBACK 100 {codes}"));
        let uptime = said[1..].iter().filter(|packet| packet.starts_with("$SYS/broker/uptime=")).count();
        assert_eq!((said.len(), uptime), if user == "bob" { (2, 1) } else { (1, 0) }, "{said:?}");
        // Nobody writes there, whatever the rules say.
        network.publish_five(client, "$SYS/broker/uptime", "0", QoS::AtLeastOnce, &[]);
        assert_eq!(network.take(client), "PUBACK 7 0x87");
    }
}
