//! Shared subscriptions (section 4.8.2 of MQTT 5.0), and the order of everything else beside them.

use obkmq_broker::{QoS, Rights, Scope, UserId};
use obkmq_mqtt::{AckKind, Property, RetainHandling, Subscription};

use crate::network::*;

fn members(network: &mut Network, names: &[&str], filter: &str, qos: QoS) -> Vec<Id> {
    names
        .iter()
        .map(|name| {
            let member = network.five(name);
            network.subscribed(member, filter, qos);
            member
        })
        .collect()
}

/// How many messages each client has received.
fn counts(network: &mut Network, clients: &[Id]) -> Vec<usize> {
    clients.iter().map(|&client| network.read(client).len()).collect()
}

#[test]
fn clients_of_mqtt_3_may_share_too() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let old = network.connect("old");
    network.subscribed(old, "$share/g/a/#", QoS::AtMostOnce);
    let new = network.five("new");
    network.subscribed(new, "$share/g/a/#", QoS::AtMostOnce);
    for _ in 0..6 {
        network.publish(sender, "a/x", "1");
    }
    assert_eq!(counts(&mut network, &[old, new]), [3, 3]);
    // The prefix is no topic.
    network.publish(sender, "$share/g/a/x", "1");
    assert_eq!(counts(&mut network, &[old, new]), [0, 0]);
}

#[test]
fn groups_of_one_name_with_different_filters_are_different() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let one = members(&mut network, &["one"], "$share/g/a/+", QoS::AtMostOnce)[0];
    let other = members(&mut network, &["other"], "$share/g/a/#", QoS::AtMostOnce)[0];
    network.publish(sender, "a/x", "1");
    assert_eq!(counts(&mut network, &[one, other]), [1, 1]);
}

#[test]
fn a_member_with_a_subscription_of_its_own_gets_the_message_once() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let both = members(&mut network, &["both", "other"], "$share/g/a", QoS::AtLeastOnce);
    network.subscribed(both[0], "a", QoS::AtMostOnce);
    for _ in 0..4 {
        network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    }
    let mut received = network.read(both[0]);
    received.sort();
    // In its turn at the higher QoS; never twice.
    assert_eq!(received, ["a=x q0", "a=x q0", "a=x q1 id1", "a=x q1 id2"]);
    assert_eq!(network.read(both[1]).len(), 2);
}

#[test]
fn a_sender_may_be_a_member_of_the_group() {
    let mut network = Network::new();
    let group = members(&mut network, &["one", "other"], "$share/g/a", QoS::AtMostOnce);
    for _ in 0..4 {
        network.publish(group[0], "a", "x");
    }
    assert_eq!(counts(&mut network, &group), [2, 2]);
}

#[test]
fn who_leaves_the_group_in_whatever_way_gets_nothing_more_and_holds_nothing_up() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let group = members(&mut network, &["a", "b", "c", "d"], "$share/g/t", QoS::AtMostOnce);
    network.unsubscribe(group[0], "$share/g/t");
    assert_eq!(network.take(group[0]), "UNSUBACK 101 [0]");
    // Another group, and the filter without one, are not what was subscribed to.
    for other in ["$share/h/t", "t"] {
        network.unsubscribe(group[1], other);
        assert_eq!(network.take(group[1]), "UNSUBACK 101 [17]");
    }
    network.cut(group[2]);
    for _ in 0..6 {
        network.publish(sender, "t", "x");
    }
    assert_eq!(counts(&mut network, &group), [0, 3, 0, 3]);
    network.cut(group[1]);
    network.cut(group[3]);
    network.publish(sender, "t", "x");
    assert_eq!(network.broker.statistics().subscriptions, 0);
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn qos_0_is_for_those_who_are_there() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (away, _) = network.five_for("away", 1000);
    network.subscribed(away, "$share/g/t", QoS::AtLeastOnce);
    network.cut(away);
    let here = members(&mut network, &["here"], "$share/g/t", QoS::AtLeastOnce)[0];
    for _ in 0..4 {
        network.publish(sender, "t", "x");
    }
    assert_eq!(network.read(here).len(), 4);
    // Above QoS 0 too, for as long as anybody is there to take it now.
    for number in 1..=4 {
        network.send(sender, &publish_qos("t", "x", QoS::AtLeastOnce, number));
    }
    assert_eq!(network.read(here).len(), 4);
    let (_, said) = network.connect_five("away", false, &[]);
    assert!(!said.contains("t=x"), "{said}");
}

#[test]
fn a_member_that_does_not_acknowledge_is_passed_over() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 2);
    let sender = network.connect("s");
    let group = members(&mut network, &["silent", "busy"], "$share/g/t", QoS::AtLeastOnce);
    let mut received = 0;
    for number in 1..=20 {
        network.send(sender, &publish_qos("t", "x", QoS::AtLeastOnce, number));
        for packet in network.read(group[1]) {
            let number = packet.rsplit_once(" id").unwrap().1.parse().unwrap();
            network.ack(group[1], AckKind::PubAck, number);
            received += 1;
        }
    }
    let silent = network.read(group[0]).len();
    assert_eq!(silent, 2, "its window");
    // One more may wait behind a full window before it is noticed.
    assert!(received >= 17, "{received}");
}

#[test]
fn a_member_whose_user_may_not_read_is_passed_over() {
    const ANN: Option<UserId> = Some(UserId(1));
    let mut network = Network::new();
    network.broker.verifier_mut().known = vec![("ann", b"a", 1)];
    let mut rights = Rights::new();
    rights.add_user(None, "", Scope::Everything, false).unwrap();
    rights.add_user(ANN, "ann", Scope::Listed, false).unwrap();
    rights.add_rule(ANN, true, false, "t/mine").unwrap();
    network.broker.set_rights(rights);
    let ann = network.open(LOOPBACK);
    network.send(ann, &login("ann", "ann", "a"));
    assert_eq!(network.take(ann), "CONNACK 0");
    network.subscribed(ann, "$share/g/t/#", QoS::AtMostOnce);
    // Judged without its prefix.
    network.subscribe(ann, &[("$share/t/mine", QoS::AtMostOnce), ("$share/g/u", QoS::AtMostOnce)]);
    assert_eq!(network.take(ann), "SUBACK 100 [128,128]");
    let other = members(&mut network, &["other"], "$share/g/t/#", QoS::AtMostOnce)[0];
    let sender = network.connect("s");
    for _ in 0..4 {
        network.publish(sender, "t/others", "x");
        network.publish(sender, "t/mine", "y");
    }
    let received = network.read(ann);
    assert!(!received.is_empty() && received.iter().all(|packet| packet == "t/mine=y q0"), "{received:?}");
    assert_eq!(network.read(other).len() + received.len(), 8);
}

#[test]
fn no_retain_handling_brings_a_group_what_was_kept() {
    let mut network = Network::new();
    network.broker.publish(network.now, "t", b"kept", QoS::AtMostOnce, true).unwrap();
    let member = network.five("c");
    for retain_handling in [RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never] {
        for filter in ["$share/g/t", "$share/g/#"] {
            let wish = Subscription { retain_handling, ..subscription(filter, QoS::AtMostOnce) };
            assert_eq!(network.subscribe_five(member, &[wish], &[]), ["SUBACK 1 [0]"]);
        }
    }
    // The same filter without a group finds it.
    network.subscribe(member, &[("t", QoS::AtMostOnce)]);
    assert_eq!(network.take(member), "SUBACK 100 [0]; t=kept q0 retain");
}

#[test]
fn a_member_has_options_of_its_own() {
    let mut network = Network::new();
    let sender = network.five("s");
    let [plain, kept] = ["plain", "kept"].map(|name| network.five(name));
    network.subscribed(plain, "$share/g/t", QoS::AtMostOnce);
    let wish = Subscription { retain_as_published: true, ..subscription("$share/g/t", QoS::ExactlyOnce) };
    let identifier = Property::SubscriptionIdentifier(9.try_into().unwrap());
    assert_eq!(network.subscribe_five(kept, &[wish], &[identifier]), ["SUBACK 1 [2]"]);
    for _ in 0..2 {
        network.publish_five_as(sender, "t", "x", QoS::AtLeastOnce, true, &[]);
    }
    assert_eq!(network.take(plain), "t=x q0");
    assert_eq!(network.take(kept), "t=x q1 id1 retain sub9");
}

#[test]
fn a_group_survives_in_a_session() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (member, _) = network.five_for("c", 1000);
    network.subscribed(member, "$share/g/t", QoS::AtLeastOnce);
    network.cut(member);
    for number in 1..=3 {
        network.send(sender, &publish_qos("t", &number.to_string(), QoS::AtLeastOnce, number));
    }
    // With nobody else there it waits for the one that comes back, in order.
    let (_, said) = network.connect_five("c", false, &[]);
    assert!(said.ends_with("t=1 q1 id1; t=2 q1 id2; t=3 q1 id3"), "{said}");
}
