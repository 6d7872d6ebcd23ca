//! Subscribers inside the firmware.

use obkmq_broker::{Heard, ListenError, Origin, QoS, ReaderId, UserId};

use crate::network::*;

/// What a reader has, as text; a retained message with its tag.
fn heard(network: &mut Network, reader: ReaderId) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let heard = network.broker.next_message(reader, |message| {
            let payload = String::from_utf8_lossy(message.payload);
            let tag = message.retained_for.map(|tag| format!(" retained for {tag}")).unwrap_or_default();
            all.push(format!("{}={payload}{tag}", message.topic));
        });
        if heard == Heard::Nothing {
            assert!(!network.broker.is_reader_waiting(reader));
            return all;
        }
    }
}

fn reader(network: &mut Network, filters: &[&str]) -> ReaderId {
    let reader = network.broker.open_reader().unwrap();
    for (tag, filter) in (1..).zip(filters) {
        network.broker.listen(reader, filter, tag).unwrap();
    }
    assert!(heard(network, reader).is_empty());
    reader
}

#[test]
fn a_reader_hears_clients_wills_and_the_board_once_each() {
    let mut network = Network::new();
    let reader = reader(&mut network, &["tele/#", "tele/+/LWT", "cmnd/lamp/POWER"]);
    let client = network.connect("c");
    network.publish(client, "tele/lamp/LWT", "Online");
    network.publish(client, "cmnd/lamp/POWER2", "ON");
    network.send(client, &publish_qos("cmnd/lamp/POWER", "ON", QoS::ExactlyOnce, 7));
    assert_eq!(network.read(client), ["PUBREC 7"]);
    network.broker.publish(network.now, "tele/own", b"\0\xFF", QoS::AtMostOnce, false).unwrap();
    assert_eq!(
        heard(&mut network, reader),
        ["tele/lamp/LWT=Online", "cmnd/lamp/POWER=ON", "tele/own=\0\u{fffd}"]
    );
    let dying = network.open(LOOPBACK);
    let mut connect = connect_fields("d");
    connect.will = will("tele/lamp/LWT", "Offline", QoS::AtLeastOnce, true);
    network.send(dying, &obkmq_mqtt::Packet::Connect(connect));
    network.cut(dying);
    assert_eq!(heard(&mut network, reader), ["tele/lamp/LWT=Offline"]);
}

#[test]
fn a_new_filter_finds_what_is_retained_before_what_comes_meanwhile() {
    let mut network = Network::new();
    let client = network.connect("c");
    for number in 0..600 {
        network.send(client, &publish_retained(&format!("other/{number}"), "x"));
    }
    network.send(client, &publish_retained("stat/a", "1"));
    network.send(client, &publish_retained("stat/b", "2"));
    let reader = reader(&mut network, &["stat"]);
    network.broker.listen(reader, "stat/+", 9).unwrap();
    network.publish(client, "stat/b", "3");
    // Each step looks at some of the store only.
    assert_eq!(network.broker.next_message(reader, |_| panic!("too early")), Heard::More);
    assert_eq!(
        heard(&mut network, reader),
        ["stat/a=1 retained for 9", "stat/b=2 retained for 9", "stat/b=3"]
    );
}

#[test]
fn what_nobody_else_wants_is_stored_only_while_a_reader_has_it() {
    let mut network = Network::new();
    let client = network.connect("c");
    let reader = reader(&mut network, &["a/#"]);
    // The storage of slots stays until a link ends.
    network.publish(client, "a/b", "1");
    assert_eq!(heard(&mut network, reader).len(), 1);
    let before = network.broker.statistics();
    for round in 0..3 {
        network.publish(client, "a/b", &"x".repeat(1000 + round));
        network.publish(client, "b", "nobody");
    }
    let during = network.broker.statistics();
    assert_eq!(during.messages_stored, before.messages_stored + 3);
    assert_eq!(heard(&mut network, reader).len(), 3);
    network.advance_millis(5000);
    let after = network.broker.statistics();
    assert_eq!(after.messages_stored, before.messages_stored);
    assert_eq!(after.memory_used_bytes, before.memory_used_bytes);
}

#[test]
fn a_slow_reader_loses_its_own_messages_only() {
    let mut network = Network::with_limits(|limits| limits.max_queued_messages = 5);
    let client = network.connect("c");
    let slow = reader(&mut network, &["#"]);
    let fast = reader(&mut network, &["#"]);
    for number in 0..8 {
        network.publish(client, "a", &number.to_string());
        assert_eq!(heard(&mut network, fast), [format!("a={number}")]);
    }
    assert_eq!(heard(&mut network, slow), ["a=0", "a=1", "a=2", "a=3", "a=4"]);
    assert_eq!(network.broker.statistics().drops.slow_reader, 3);
}

#[test]
fn who_published_is_told_and_how_deep_it_is() {
    let mut network = Network::new();
    let user = UserId(4);
    network.broker.verifier_mut().known.push(("anna", b"pw", 4));
    let reader = reader(&mut network, &["a"]);
    let anna = network.open(REMOTE);
    network.send(anna, &login("x", "anna", "pw"));
    network.publish(anna, "a", "");
    let nobody = network.connect("c");
    network.publish(nobody, "a", "");
    network.broker.publish_after(network.now, 3, "a", b"", QoS::AtMostOnce, false).unwrap();
    network.broker.publish(network.now, "a", b"", QoS::AtMostOnce, false).unwrap();
    let mut origins = Vec::new();
    while network.broker.next_message(reader, |message| origins.push(message.origin)) != Heard::Nothing {}
    let board = |depth| Origin::Board { depth };
    assert_eq!(origins, [Origin::Client(Some(user)), Origin::Client(None), board(3), board(0)]);
}

#[test]
fn a_filter_that_is_taken_away_ends_and_gives_its_memory_back() {
    let mut network = Network::new();
    let reader = network.broker.open_reader().unwrap();
    let before = network.broker.statistics().memory_used_bytes;
    let client = network.connect("c");
    network.broker.listen(reader, "a", 1).unwrap();
    network.broker.listen(reader, "b", 2).unwrap();
    network.publish(client, "a", "1");
    assert!(network.broker.stop_listening(reader, 1));
    assert!(!network.broker.stop_listening(reader, 1));
    network.publish(client, "a", "2");
    network.publish(client, "b", "3");
    // What it has taken before is still its own; who shares a reader compares filters again.
    assert_eq!(heard(&mut network, reader), ["a=1", "b=3"]);
    network.publish(client, "b", "4");
    assert!(network.broker.stop_listening(reader, 2));
    assert!(heard(&mut network, reader).is_empty());
    network.broker.listen(reader, "b", 2).unwrap();
    network.publish(client, "b", "5");
    network.broker.close_reader(reader);
    assert!(heard(&mut network, reader).is_empty());
    network.cut(client);
    assert_eq!(network.broker.statistics().memory_used_bytes, before);
}

#[test]
fn what_a_reader_cannot_have() {
    let mut network = Network::new();
    let reader = network.broker.open_reader().unwrap();
    let mut listen = |filter: &str| network.broker.listen(reader, filter, 1);
    assert!(matches!(listen("a/#/b"), Err(ListenError::Filter(_))));
    assert!(matches!(listen(""), Err(ListenError::Filter(_))));
    assert_eq!(listen("$share/group/a"), Err(ListenError::Shared));
    let listened = (0..100).map(|number| listen(&format!("a/{number}"))).take_while(Result::is_ok).count();
    assert_eq!(listened, 64);
    assert_eq!(listen("b"), Err(ListenError::TooMany));
    let mut network = Network::with_limits(|limits| limits.memory_bytes = 1000);
    let opened = (0..9).map_while(|_| network.broker.open_reader().ok()).count();
    assert!((1..=8).contains(&opened), "{opened}");
}

#[test]
fn with_a_reader_a_message_has_a_receiver() {
    let mut network = Network::new();
    reader(&mut network, &["a"]);
    let client = network.five("c");
    network.send(client, &publish_qos("a", "", QoS::AtLeastOnce, 1));
    network.send(client, &publish_qos("b", "", QoS::AtLeastOnce, 2));
    assert_eq!(network.read(client), ["PUBACK 1", "PUBACK 2 0x10"]);
}

#[test]
fn a_filter_hears_what_it_matches_and_nothing_else() {
    for (filter, topics) in [
        ("tele/#", &["tele", "tele/", "tele/a", "tele/a/b", "tele/a//b", "tele/a/x/b"][..]),
        ("tele/+", &["tele/", "tele/a"]),
        ("+/a", &["tele/a", "/a"]),
        ("tele", &["tele"]),
        ("tele/a/+/b", &["tele/a//b", "tele/a/x/b"]),
        ("#", &["tele", "tele/", "tele/a", "tele/a/b", "telex", "/a", "tele/a//b", "tele/a/x/b"]),
    ] {
        let mut network = Network::new();
        let reader = reader(&mut network, &[filter]);
        let client = network.connect("c");
        for topic in ["tele", "tele/", "tele/a", "tele/a/b", "telex", "/a", "tele/a//b", "tele/a/x/b"] {
            network.publish(client, topic, "");
            let found = heard(&mut network, reader);
            assert_eq!(found.len(), usize::from(topics.contains(&topic)), "{filter} {topic}");
        }
    }
}
