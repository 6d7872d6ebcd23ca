//! SUBSCRIBE and UNSUBSCRIBE of MQTT 5.0: options, identifiers, shared subscriptions.

use core::num::NonZeroU32;

use obkmq_broker::QoS;
use obkmq_mqtt::{AckKind, Property, RetainHandling, Subscription};

use crate::network::*;

fn identifier(number: u32) -> Property<'static> {
    Property::SubscriptionIdentifier(NonZeroU32::new(number).unwrap())
}

#[test]
fn mqtt_3_8_3_3_of_5_0_no_local_keeps_a_clients_own_messages_from_it() {
    let mut network = Network::new();
    let [one, other] = ["one", "other"].map(|name| network.five(name));
    let no_local = Subscription { no_local: true, ..subscription("a", QoS::AtLeastOnce) };
    network.subscribe_five(one, &[no_local], &[]);
    network.subscribed(other, "a", QoS::AtMostOnce);
    network.publish_five(one, "a", "x", QoS::AtMostOnce, &[]);
    assert_eq!(network.take(one), "");
    assert_eq!(network.take(other), "a=x q0");
    network.publish_five(other, "a", "y", QoS::AtMostOnce, &[]);
    assert_eq!(network.take(one), "a=y q0");
    // Another filter of the same client wants them.
    network.subscribed(one, "#", QoS::AtMostOnce);
    network.publish_five(one, "a", "z", QoS::AtMostOnce, &[]);
    assert_eq!(network.take(one), "a=z q0");
}

#[test]
fn mqtt_3_3_1_12_of_5_0_retain_as_published_keeps_the_flag() {
    let mut network = Network::new();
    let [sender, plain, kept] = ["s", "p", "k"].map(|name| network.five(name));
    network.subscribed(plain, "a", QoS::AtMostOnce);
    let as_published = Subscription { retain_as_published: true, ..subscription("a", QoS::AtMostOnce) };
    network.subscribe_five(kept, &[as_published], &[]);
    for (retain, expected) in [(true, "a=x q0 retain"), (false, "a=x q0")] {
        network.publish_five_as(sender, "a", "x", QoS::AtMostOnce, retain, &[]);
        assert_eq!(network.take(plain), "a=x q0");
        assert_eq!(network.take(kept), expected);
    }
}

#[test]
fn mqtt_3_3_1_9_to_11_of_5_0_retain_handling_decides_what_a_subscription_finds() {
    let mut network = Network::new();
    network.broker.publish(network.now, "a", b"x", QoS::AtMostOnce, true).unwrap();
    let client = network.five("c");
    let wish = |retain_handling| [Subscription { retain_handling, ..subscription("a", QoS::AtMostOnce) }];
    let found = "a=x q0 retain";
    assert_eq!(network.subscribe_five(client, &wish(RetainHandling::Never), &[]).len(), 1);
    assert_eq!(network.subscribe_five(client, &wish(RetainHandling::IfNew), &[]).len(), 1);
    assert_eq!(network.subscribe_five(client, &wish(RetainHandling::Always), &[])[1], found);
    network.unsubscribe(client, "a");
    assert_eq!(network.take(client), "UNSUBACK 101 [0]");
    assert_eq!(network.subscribe_five(client, &wish(RetainHandling::IfNew), &[])[1], found);
}

#[test]
fn mqtt_3_3_4_3_of_5_0_identifiers_of_all_matching_subscriptions_are_told_once_each() {
    let mut network = Network::new();
    let [sender, one, both] = ["s", "o", "b"].map(|name| network.five(name));
    network.subscribe_five(one, &[subscription("a/#", QoS::AtMostOnce)], &[identifier(268_435_455)]);
    network.subscribe_five(both, &[subscription("a/#", QoS::AtMostOnce)], &[identifier(1)]);
    network.subscribe_five(both, &[subscription("a/b", QoS::AtLeastOnce)], &[identifier(200)]);
    network.subscribe_five(both, &[subscription("+/b", QoS::AtLeastOnce)], &[]);
    network.publish_five(sender, "a/b", "x", QoS::AtLeastOnce, &[]);
    assert_eq!(network.take(one), "a/b=x q0 sub268435455");
    let said = network.take(both);
    assert!(said == "a/b=x q1 id1 sub1 sub200" || said == "a/b=x q1 id1 sub200 sub1", "{said}");
    // They survive a reconnection, and go with a replacement that has none.
    network.ack(both, AckKind::PubAck, 1);
    network.subscribe_five(both, &[subscription("a/#", QoS::AtMostOnce)], &[]);
    network.publish_five(sender, "a/c", "y", QoS::AtMostOnce, &[]);
    assert_eq!(network.take(both), "a/c=y q0");
    network.take(one);
    // Retained messages come with the identifier of the subscription that finds them.
    network.broker.publish(network.now, "r", b"x", QoS::AtMostOnce, true).unwrap();
    let found = network.subscribe_five(one, &[subscription("r", QoS::AtMostOnce)], &[identifier(5)]);
    assert_eq!(found[1], "r=x q0 retain sub5");
}

#[test]
fn mqtt_3_11_3_1_of_5_0_every_filter_of_an_unsubscribe_has_its_code() {
    let mut network = Network::new();
    let client = network.five("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    network.unsubscribe(client, "b");
    assert_eq!(network.take(client), "UNSUBACK 101 [17]");
    network.unsubscribe(client, "a");
    assert_eq!(network.take(client), "UNSUBACK 101 [0]");
}

#[test]
fn mqtt_3_8_3_4_of_5_0_no_local_on_a_shared_subscription_is_a_protocol_error() {
    let mut network = Network::new();
    let client = network.five("c");
    let shared = Subscription { no_local: true, ..subscription("$share/g/a", QoS::AtMostOnce) };
    let said = network.subscribe_five(client, &[shared], &[]);
    assert_eq!(said, ["DISCONNECT 0x82"]);
}

#[test]
fn mqtt_4_8_2_1_of_5_0_filters_of_groups_are_checked() {
    let mut network = Network::new();
    for bad in ["$share//a", "$share/g", "$share/g/", "$share/g+/a", "$share/#/a", "$share/g/a#"] {
        let client = network.five("c");
        let bytes = [&[0, 1, 0, 0, bad.len() as u8][..], bad.as_bytes(), &[0]].concat();
        network.send_bytes(client, &[&[0x82, bytes.len() as u8][..], &bytes].concat());
        assert!(network.client(client).closed, "{bad}");
    }
}

#[test]
fn a_group_is_served_in_turn_and_together_with_others() {
    let mut network = Network::new();
    let sender = network.five("s");
    let members = ["a", "b", "c"].map(|name| network.five(name));
    for member in members {
        network.subscribed(member, "$share/g/t/+", QoS::AtMostOnce);
    }
    let [alone, other_group] = ["alone", "other"].map(|name| network.five(name));
    network.subscribed(alone, "t/#", QoS::AtMostOnce);
    network.subscribed(other_group, "$share/h/t/+", QoS::AtMostOnce);
    network.broker.publish(network.now, "t/r", b"kept", QoS::AtMostOnce, true).unwrap();
    network.run();
    for client in members {
        network.take(client);
    }
    network.take(alone);
    network.take(other_group);
    for number in 0..9 {
        network.publish(sender, "t/x", &number.to_string());
    }
    for member in members {
        assert_eq!(network.read(member).len(), 3);
    }
    assert_eq!(network.read(alone).len(), 9);
    assert_eq!(network.read(other_group).len(), 9);
    // Table of section 3.8.4: a group gets nothing of what was kept.
    let late = network.five("late");
    network.subscribed(late, "$share/g/t/+", QoS::AtMostOnce);
    network.unsubscribe(members[0], "$share/g/t/+");
    network.take(members[0]);
    for number in 0..6 {
        network.publish(sender, "t/x", &number.to_string());
    }
    assert_eq!(network.read(members[0]).len(), 0);
    assert_eq!(network.read(late).len(), 2);
}

#[test]
fn a_group_does_not_wait_for_a_member_that_is_stuck_or_away() {
    let mut network = Network::with_limits(|limits| limits.max_queued_messages = 2);
    let sender = network.five("s");
    let (away, _) = network.five_for("away", 1000);
    let [stuck, fine] = ["stuck", "fine"].map(|name| network.five(name));
    for member in [away, stuck, fine] {
        network.subscribed(member, "$share/g/a", QoS::AtLeastOnce);
    }
    network.cut(away);
    network.client(stuck).blocked = true;
    let mut received = 0;
    for number in 0..20 {
        network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, number + 1));
        for packet in network.read(fine) {
            let number = packet.rsplit_once(" id").unwrap().1.parse().unwrap();
            network.ack(fine, AckKind::PubAck, number);
            received += 1;
        }
    }
    // The stuck one takes what its outbox has room for.
    assert!(received >= 17, "{received}");
    assert_eq!(network.broker.statistics().drops.queue_full, 0);
    // Rather than for somebody who is away it waits for one who is there and has much to do.
    for number in 30..50 {
        network.send(sender, &publish_qos("a", "y", QoS::AtLeastOnce, number));
    }
    assert!(network.read(fine).len() > 10);
    // With nobody there it waits for the one who comes back.
    network.cut(stuck);
    network.cut(fine);
    network.send(sender, &publish_qos("a", "later", QoS::AtLeastOnce, 99));
    let (_, said) = network.connect_five("away", false, &[]);
    assert!(said.contains("a=later q1"), "{said}");
}

#[test]
fn an_identifier_that_did_not_count_is_not_told_with_the_next_message() {
    let mut network = Network::new();
    let sender = network.connect("sender");
    let (reader, _) = network.five_for("reader", 100);
    network.subscribe_five(reader, &[subscription("a", QoS::AtMostOnce)], &[identifier(1)]);
    network.subscribe_five(reader, &[subscription("b", QoS::AtLeastOnce)], &[identifier(2)]);
    network.cut(reader);
    network.send(sender, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    network.send(sender, &publish_qos("b", "y", QoS::AtLeastOnce, 2));
    let (_, answers) = network.connect_five("reader", false, &[]);
    assert!(answers.ends_with("; b=y q1 id1 sub2"), "{answers}");
}
