//! The journal of what should survive a power cut.

use obkmq_broker::{Change, PublishError, QoS, Retained, Sink};

use crate::network::*;

fn changes(network: &mut Network) -> Vec<String> {
    let mut changes = Vec::new();
    while let Some(change) = network.broker.next_change() {
        changes.push(match change {
            Change::RetainedSet { topic, retained } => {
                format!("{topic}={} q{}", String::from_utf8_lossy(retained.payload), retained.qos.bits())
            }
            Change::RetainedCleared { topic } => format!("{topic} cleared"),
            Change::SessionSet { client_id, session } => {
                let mut state = State(Vec::new());
                session.encode(&mut state);
                format!("session {client_id} {}", state.0.len())
            }
            Change::SessionCleared { client_id, .. } => format!("session {client_id} cleared"),
        });
    }
    changes.sort();
    changes
}

fn kept(payload: &[u8], qos: QoS) -> Retained<'_> {
    Retained { payload, qos, properties: &[], expiry_seconds: None }
}

/// An encoded session.
struct State(Vec<u8>);

impl Sink for State {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn retain(network: &mut Network, topic: &str, payload: &str) {
    network.broker.publish(network.now, topic, payload.as_bytes(), QoS::AtMostOnce, true).unwrap();
}

#[test]
fn set_replaced_and_cleared_are_told_once() {
    let mut network = Network::new();
    retain(&mut network, "a", "1");
    retain(&mut network, "b", "1");
    assert_eq!(changes(&mut network), ["a=1 q0", "b=1 q0"]);
    retain(&mut network, "a", "2");
    retain(&mut network, "b", "");
    assert_eq!(changes(&mut network), ["a=2 q0", "b cleared"]);
    assert!(changes(&mut network).is_empty());
}

#[test]
fn changes_of_a_topic_come_as_one_with_the_last_state() {
    let mut network = Network::new();
    for number in 0..1000 {
        retain(&mut network, "a", &number.to_string());
    }
    retain(&mut network, "b", "1");
    retain(&mut network, "b", "");
    retain(&mut network, "c", "1");
    retain(&mut network, "c", "");
    retain(&mut network, "c", "2");
    assert_eq!(changes(&mut network), ["a=999 q0", "b cleared", "c=2 q0"]);
}

#[test]
fn an_unchanged_message_is_no_change() {
    let mut network = Network::new();
    retain(&mut network, "a", "1");
    assert_eq!(changes(&mut network).len(), 1);
    retain(&mut network, "a", "1");
    retain(&mut network, "never", "");
    assert!(changes(&mut network).is_empty());
    network.broker.publish(network.now, "a", b"1", QoS::AtLeastOnce, true).unwrap();
    assert_eq!(changes(&mut network), ["a=1 q1"]);
}

#[test]
fn restored_messages_are_no_changes_and_are_found() {
    let mut network = Network::new();
    network.broker.restore_retained("a", &kept(b"1", QoS::AtLeastOnce)).unwrap();
    assert!(changes(&mut network).is_empty());
    let client = network.connect("c");
    network.subscribe(client, &[("#", QoS::AtMostOnce)]);
    assert_eq!(network.read(client), ["SUBACK 100 [0]", "a=1 q0 retain"]);
    retain(&mut network, "a", "");
    assert_eq!(changes(&mut network), ["a cleared"]);
    assert!(matches!(
        network.broker.restore_retained("+", &kept(b"1", QoS::AtMostOnce)),
        Err(PublishError::Topic(_))
    ));
    let empty = network.broker.restore_retained("a", &kept(b"", QoS::AtMostOnce));
    assert_eq!(empty, Err(PublishError::EmptyRetained));
}

#[test]
fn a_topic_set_again_right_after_its_clearing_was_told_stays() {
    let mut network = Network::new();
    retain(&mut network, "a", "1");
    retain(&mut network, "a", "");
    assert!(matches!(network.broker.next_change(), Some(Change::RetainedCleared { topic: "a" })));
    retain(&mut network, "a", "2");
    assert_eq!(changes(&mut network), ["a=2 q0"]);
    assert_eq!(network.broker.retained("a").unwrap().payload, b"2");
}

#[test]
fn cleared_topics_give_their_memory_back_when_they_have_been_told() {
    let mut network = Network::new();
    for number in 0..50 {
        retain(&mut network, &format!("topic/{number}"), "some payload");
    }
    for number in 0..50 {
        retain(&mut network, &format!("topic/{number}"), "");
    }
    assert_eq!(network.broker.statistics().messages_stored, 50);
    assert_eq!(changes(&mut network).len(), 50);
    assert_eq!(network.broker.statistics().messages_stored, 0);
}

#[test]
fn what_could_not_be_stored_is_told_again() {
    let mut network = Network::new();
    for topic in ["a/1", "a/2", "b"] {
        retain(&mut network, topic, "1");
    }
    retain(&mut network, "a/2", "");
    assert_eq!(changes(&mut network), ["a/1=1 q0", "a/2 cleared", "b=1 q0"]);
    // The last one that was told may still be told again, even if it is gone.
    network.broker.tell_retained_again(|topic| topic.starts_with("a/"));
    assert_eq!(changes(&mut network), ["a/1=1 q0"]);
    retain(&mut network, "a/1", "");
    assert!(matches!(network.broker.next_change(), Some(Change::RetainedCleared { topic: "a/1" })));
    network.broker.tell_retained_again(|_| true);
    assert_eq!(changes(&mut network), ["a/1 cleared", "b=1 q0"]);
    assert!(changes(&mut network).is_empty());
}
