//! What ends by itself in MQTT 5.0: sessions, messages that wait, retained messages.

use obkmq_broker::{Change, QoS, Retained};
use obkmq_mqtt::{AckKind, Property, ReasonCode};

use crate::network::*;

fn lasting(seconds: u32) -> [Property<'static>; 1] {
    [Property::SessionExpiryInterval(seconds)]
}

fn worth(seconds: u32) -> [Property<'static>; 1] {
    [Property::MessageExpiryInterval(seconds)]
}

#[test]
fn each_connect_says_anew_how_long_the_session_lasts() {
    let mut network = Network::new();
    let (client, _) = network.five_for("c", 1000);
    network.cut(client);
    let (client, present) = network.five_for("c", 5);
    assert!(present);
    network.cut(client);
    network.advance_millis(6_000);
    assert!(!network.five_for("c", 1000).1);
    // Without the property it ends with its link.
    let (client, answer) = network.connect_five("c", false, &[]);
    assert!(answer.contains("present"), "{answer}");
    network.cut(client);
    assert_eq!(network.broker.statistics().sessions, 0);
}

#[test]
fn mqtt_3_1_2_4_of_5_0_clean_start_ends_the_old_session_and_says_nothing_of_the_new_one() {
    let mut network = Network::new();
    let (client, _) = network.connect_five("c", true, &lasting(1000));
    network.subscribed(client, "a", QoS::AtLeastOnce);
    network.cut(client);
    let (client, answer) = network.connect_five("c", true, &lasting(1000));
    assert!(!answer.contains("present"), "{answer}");
    assert_eq!(network.broker.statistics().subscriptions, 0);
    network.cut(client);
    // A clean start is not a clean end.
    assert!(network.five_for("c", 0).1);
}

#[test]
fn a_disconnect_may_shorten_or_stretch_what_is_left_up_to_the_ceiling() {
    let mut policy = policy();
    policy.max_session_expiry_seconds = 60;
    let mut network = Network::with(policy);
    for (asked, alive_after, gone_after) in [(5, 4, 6), (3600, 59, 61), (u32::MAX, 59, 61), (0, 0, 0)] {
        let (client, _) = network.five_for("c", 30);
        network.disconnect_five(client, ReasonCode::Success, &lasting(asked));
        if gone_after > 0 {
            network.advance_millis(alive_after * 1000);
            assert_eq!(network.broker.statistics().sessions, 1, "{asked}");
            network.advance_millis((gone_after - alive_after) * 1000);
        }
        assert_eq!(network.broker.statistics().sessions, 0, "{asked}");
    }
    // Nor can DISCONNECT be refused for a link that ends: 0 to 0 is no change.
    let client = network.five("c");
    network.disconnect_five(client, ReasonCode::Success, &lasting(0));
    assert_eq!(network.take(client), "");
}

#[test]
fn the_ceiling_holds_for_mqtt_3_too() {
    let mut policy = policy();
    policy.max_session_expiry_seconds = 60;
    let mut network = Network::with(policy);
    let (client, _) = network.connect_persistent("c");
    network.cut(client);
    network.advance_millis(59_000);
    let (client, present) = network.connect_persistent("c");
    assert!(present);
    network.cut(client);
    network.advance_millis(61_000);
    assert!(!network.connect_persistent("c").1);
    // A ceiling of 0 keeps nothing.
    policy.max_session_expiry_seconds = 0;
    let mut network = Network::with(policy);
    let (client, _) = network.connect_persistent("c");
    network.cut(client);
    assert_eq!(network.broker.statistics().sessions, 0);
}

#[test]
fn a_session_that_ends_gives_back_all_that_it_held() {
    let mut network = Network::new();
    let sender = network.connect("s");
    let (client, _) = network.five_for("c", 10);
    network.subscribed(client, "a/#", QoS::ExactlyOnce);
    for number in 1..=5 {
        network.send(sender, &publish_qos("a/x", "x", QoS::ExactlyOnce, number));
    }
    network.ack(client, AckKind::PubRec, 1);
    network.publish_five(client, "b", "x", QoS::ExactlyOnce, &[]);
    network.cut(client);
    assert!(network.broker.statistics().messages_stored > 0);
    network.advance_millis(11_000);
    let statistics = network.broker.statistics();
    assert_eq!((statistics.sessions, statistics.subscriptions, statistics.messages_stored), (1, 0, 0));
    assert_eq!(statistics.sessions_expired, 1);
}

#[test]
fn mqtt_3_3_2_6_of_5_0_each_receiver_is_told_what_is_left_when_it_is_sent() {
    let mut network = Network::new();
    let sender = network.five("s");
    let now = network.five("now");
    network.subscribed(now, "a", QoS::AtLeastOnce);
    let slow = network.five("slow");
    network.subscribed(slow, "a", QoS::AtLeastOnce);
    network.client(slow).blocked = true;
    let (later, _) = network.five_for("later", 1000);
    network.subscribed(later, "a", QoS::AtLeastOnce);
    network.cut(later);
    network.publish_five(sender, "a", "x", QoS::AtLeastOnce, &worth(100));
    assert_eq!(network.take(now), "a=x q1 id1 expiry100");
    network.advance_millis(10_000);
    network.client(slow).blocked = false;
    network.run();
    assert_eq!(network.take(slow), "a=x q1 id1 expiry90");
    network.advance_millis(30_000);
    let (later, said) = network.connect_five("later", false, &lasting(1000));
    assert!(said.ends_with("a=x q1 id1 expiry60"), "{said}");
    // Sent again it has still less to live.
    network.cut(later);
    network.advance_millis(20_000);
    let (_, said) = network.connect_five("later", false, &lasting(1000));
    assert!(said.ends_with("a=x q1 id1 dup expiry40"), "{said}");
}

#[test]
fn what_expires_makes_room_in_a_queue_without_harm_to_the_order() {
    let mut network = Network::with_limits(|limits| limits.inflight_window = 1);
    let sender = network.five("s");
    let (reader, _) = network.five_for("r", 1000);
    network.subscribed(reader, "a", QoS::AtLeastOnce);
    for (payload, list) in [("1", &[][..]), ("2", &worth(5)), ("3", &[]), ("4", &worth(5)), ("5", &[])] {
        network.publish_five(sender, "a", payload, QoS::AtLeastOnce, list);
    }
    assert_eq!(network.take(reader), "a=1 q1 id1");
    network.advance_millis(10_000);
    for (number, next) in [(1, "a=3 q1 id2"), (2, "a=5 q1 id3"), (3, "")] {
        network.ack(reader, AckKind::PubAck, number);
        assert_eq!(network.take(reader), next);
    }
    assert_eq!(network.broker.statistics().drops.expired, 2);
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn a_time_of_zero_is_soon_over_for_those_who_are_not_there() {
    let mut network = Network::new();
    let sender = network.five("s");
    let (reader, _) = network.five_for("r", 1000);
    network.subscribed(reader, "a", QoS::AtLeastOnce);
    network.cut(reader);
    network.publish_five_as(sender, "a", "x", QoS::AtLeastOnce, true, &worth(0));
    // The broker's clock ticks every 66 ms, and nothing is over too early.
    network.advance_millis(200);
    let (reader, said) = network.connect_five("r", false, &lasting(1000));
    assert!(!said.contains("a="), "{said}");
    network.subscribed(reader, "a", QoS::AtLeastOnce);
}

#[test]
fn the_longest_time_is_not_over_soon() {
    let mut network = Network::new();
    let sender = network.five("s");
    network.publish_five_as(sender, "a", "x", QoS::AtMostOnce, true, &worth(u32::MAX));
    network.advance_millis(3600 * 1000);
    let reader = network.five("r");
    network.subscribe(reader, &[("a", QoS::AtMostOnce)]);
    let said = network.take(reader);
    assert!(said.starts_with("SUBACK 100 [0]; a=x q0 retain"), "{said}");
}

#[test]
fn an_expired_retained_message_is_not_found_and_may_be_replaced() {
    let mut network = Network::new();
    let sender = network.five("s");
    network.publish_five_as(sender, "a", "1", QoS::AtMostOnce, true, &worth(5));
    let reader = network.five("r");
    network.subscribe(reader, &[("a", QoS::AtMostOnce)]);
    assert_eq!(network.take(reader), "SUBACK 100 [0]; a=1 q0 retain expiry5");
    network.advance_millis(6_000);
    for filter in ["a", "#", "+"] {
        network.subscribe(reader, &[(filter, QoS::AtMostOnce)]);
        assert_eq!(network.take(reader), "SUBACK 100 [0]", "{filter}");
        network.unsubscribe(reader, filter);
        network.take(reader);
    }
    network.publish_five_as(sender, "a", "2", QoS::AtMostOnce, true, &[]);
    network.subscribe(reader, &[("a", QoS::AtMostOnce)]);
    assert_eq!(network.take(reader), "SUBACK 100 [0]; a=2 q0 retain");
}

#[test]
fn the_same_message_with_another_time_or_property_replaces_the_kept_one() {
    let mut network = Network::new();
    let sender = network.five("s");
    network.publish_five_as(sender, "a", "x", QoS::AtMostOnce, true, &worth(5));
    network.advance_millis(4_000);
    network.publish_five_as(sender, "a", "x", QoS::AtMostOnce, true, &worth(5));
    network.advance_millis(4_000);
    let reader = network.five("r");
    network.subscribe(reader, &[("a", QoS::AtMostOnce)]);
    assert_eq!(network.take(reader), "SUBACK 100 [0]; a=x q0 retain expiry1");
    let list = [Property::UserProperty(text("k"), text("v"))];
    for (list, found) in [(&[][..], "a=x q0 retain"), (&list, "a=x q0 retain k:v"), (&[], "a=x q0 retain")] {
        network.publish_five_as(sender, "a", "x", QoS::AtMostOnce, true, list);
        network.take(reader);
        network.subscribe(reader, &[("a", QoS::AtMostOnce)]);
        assert_eq!(network.take(reader), format!("SUBACK 100 [0]; {found}"));
    }
}

#[test]
fn what_expires_is_stored_with_what_it_has_left() {
    let mut network = Network::new();
    let sender = network.five("s");
    let told = |network: &mut Network| match network.broker.next_change() {
        Some(Change::RetainedSet { topic, retained }) => format!("{topic} {:?}", retained.expiry_seconds),
        Some(Change::RetainedCleared { topic }) => format!("{topic} cleared"),
        other => format!("{other:?}"),
    };
    network.publish_five_as(sender, "a", "1", QoS::AtMostOnce, true, &[]);
    assert_eq!(told(&mut network), "a None");
    network.publish_five_as(sender, "a", "2", QoS::AtMostOnce, true, &worth(100));
    network.advance_millis(40_000);
    assert_eq!(told(&mut network), "a Some(60)");
    assert_eq!(told(&mut network), "None");
    // Nothing that ends at once is stored, and the end is told.
    network.broker.tell_retained_again(|_| true);
    network.advance_millis(60_000);
    assert_eq!(told(&mut network), "a cleared");
    network.advance_millis(20_000);
    assert_eq!(network.broker.statistics().retained, 0);
    assert_eq!(told(&mut network), "a cleared");

    let mut after = Network::new();
    let retained =
        Retained { payload: b"2", qos: QoS::AtMostOnce, properties: &[], expiry_seconds: Some(60) };
    after.broker.restore_retained("a", &retained).unwrap();
    assert_eq!(after.broker.retained("a"), Some(retained));
    assert_eq!(told(&mut after), "None");
    after.advance_millis(75_000);
    assert_eq!(after.broker.statistics().retained, 0);
    assert_eq!(told(&mut after), "a cleared");
}
