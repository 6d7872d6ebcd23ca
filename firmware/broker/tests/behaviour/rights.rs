//! Who may read and write what.

use obkmq_broker::{Anonymous, Direction, Event, QoS, RefusedReason, Rights, Scope, UserId};
use obkmq_mqtt::{Connect, Packet};

use crate::network::*;

const ANN: Option<UserId> = Some(UserId(1));

fn rights(rules: &[(bool, bool, &str)]) -> Rights {
    let mut rights = Rights::new();
    rights.add_user(None, "", Scope::Everything, false).unwrap();
    rights.add_user(ANN, "ann", Scope::Listed, false).unwrap();
    for &(read, write, pattern) in rules {
        rights.add_rule(ANN, read, write, pattern).unwrap();
    }
    rights
}

/// A network in which ann reads `in/#`, writes `out/%c/#` and does both under `%u/`; and her client `c`.
fn network() -> (Network, Id) {
    let mut network = Network::new();
    network.broker.verifier_mut().known = vec![("ann", b"a", 1)];
    let rules = [(true, false, "in/#"), (false, true, "out/%c/#"), (true, true, "%u/+")];
    network.broker.set_rights(rights(&rules));
    let ann = network.open(LOOPBACK);
    network.send(ann, &login("c", "ann", "a"));
    assert_eq!(network.take(ann), "CONNACK 0");
    (network, ann)
}

#[test]
fn what_may_not_be_written_reaches_nobody_and_is_answered_all_the_same() {
    let (mut network, ann) = network();
    let all = network.connect("all");
    network.subscribed(all, "#", QoS::AtMostOnce);
    network.publish(ann, "in/x", "0");
    network.send(ann, &publish_qos_retained("other", "1", QoS::AtLeastOnce, 1));
    network.send(ann, &publish_qos("out/d/x", "2", QoS::ExactlyOnce, 2));
    network.ack(ann, obkmq_mqtt::AckKind::PubRel, 2);
    // MQTT 3.1.1 has no way to say no.
    assert_eq!(network.read(ann), ["PUBACK 1", "PUBREC 2", "PUBCOMP 2"]);
    network.publish(ann, "out/c/x", "3");
    network.publish(ann, "ann/x", "4");
    assert_eq!(network.read(all), ["out/c/x=3 q0", "ann/x=4 q0"]);
    let statistics = network.broker.statistics();
    assert_eq!((statistics.drops.not_authorized, statistics.retained), (3, 0));
    let denied = |event: &&Event| matches!(event, Event::Denied { direction: Direction::Publish, .. });
    assert_eq!(network.events.iter().filter(denied).count(), 1, "told once a link");
}

#[test]
fn mqtt_5_says_what_was_not_authorized() {
    let (mut network, _) = network();
    let ann = network.open(LOOPBACK);
    let Packet::Connect(fields) = login("d", "ann", "a") else { unreachable!() };
    let version = obkmq_mqtt::Version::V5;
    network.send(ann, &Packet::Connect(Connect { version, ..fields }));
    network.take(ann);
    network.publish_five(ann, "in/x", "0", QoS::AtLeastOnce, &[]);
    network.publish_five(ann, "in/x", "0", QoS::ExactlyOnce, &[]);
    // Refused with PUBREC it is over: the same identifier may carry another message.
    network.publish_five(ann, "ann/x", "0", QoS::ExactlyOnce, &[]);
    assert_eq!(network.read(ann), ["PUBACK 7 0x87", "PUBREC 7 0x87", "PUBREC 7 0x10"]);
    let said = network.subscribe_five(
        ann,
        &[subscription("out/#", QoS::AtMostOnce), subscription("in/a", QoS::AtLeastOnce)],
        &[],
    );
    assert_eq!(said, ["SUBACK 1 [135,1]"]);
}

#[test]
fn what_may_not_be_read_is_not_delivered_even_if_a_filter_matches_it() {
    let (mut network, ann) = network();
    network.broker.publish(network.now, "in/kept", b"1", QoS::AtMostOnce, true).unwrap();
    network.broker.publish(network.now, "secret/kept", b"1", QoS::AtMostOnce, true).unwrap();
    network.subscribe(ann, &[("#", QoS::AtMostOnce), ("secret/#", QoS::AtMostOnce)]);
    assert_eq!(network.read(ann), ["SUBACK 100 [0,128]", "in/kept=1 q0 retain"]);
    let all = network.connect("all");
    for topic in ["in/x", "out/c/x", "ann/y", "secret/x"] {
        network.publish(all, topic, "2");
    }
    assert_eq!(network.read(ann), ["in/x=2 q0", "ann/y=2 q0"]);
    // New rights hold at once for what is subscribed already.
    network.broker.set_rights(rights(&[(true, false, "secret/#")]));
    for topic in ["in/x", "secret/x"] {
        network.publish(all, topic, "3");
    }
    assert_eq!(network.read(ann), ["secret/x=3 q0"]);
    // A user that is not named any more may nothing.
    network.broker.set_rights(Rights::new());
    network.publish(all, "secret/x", "4");
    network.publish(ann, "ann/x", "5");
    assert!(network.read(ann).is_empty());
}

#[test]
fn a_will_where_the_client_may_not_publish_keeps_it_out() {
    let (mut network, _) = network();
    for (topic, answer) in [("in/gone", "CONNACK 5"), ("out/e/gone", "CONNACK 0"), ("$SYS/x", "CONNACK 5")] {
        let client = network.open(LOOPBACK);
        let Packet::Connect(fields) = login("e", "ann", "a") else { unreachable!() };
        let will = will(topic, "gone", QoS::AtMostOnce, false);
        network.send(client, &Packet::Connect(Connect { will, ..fields }));
        assert_eq!(network.take(client), answer);
    }
    assert!(
        network
            .events
            .iter()
            .any(|event| matches!(event, Event::Refused { reason: RefusedReason::WillNotAuthorized, .. }))
    );
}

#[test]
fn without_rights_nobody_may_anything() {
    let mut policy = policy();
    policy.anonymous = Anonymous::Always;
    let mut network = Network::with(policy);
    network.broker.set_rights(Rights::new());
    let client = network.connect("c");
    network.subscribe(client, &[("a", QoS::AtMostOnce)]);
    assert_eq!(network.read(client), ["SUBACK 100 [128]"]);
}

#[test]
fn a_held_back_login_is_told_to_come_back() {
    let mut network = Network::new();
    network.broker.verifier_mut().busy = true;
    let client = network.open(LOOPBACK);
    network.send(client, &login("c", "ann", "a"));
    assert_eq!(network.read(client), ["CONNACK 3"]);
    assert!(matches!(network.events.last(), Some(Event::Refused { reason: RefusedReason::BackOff, .. })));
}
