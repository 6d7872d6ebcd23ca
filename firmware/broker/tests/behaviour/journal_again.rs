//! Sessions in the journal whose change could not be stored, or not be told at once.

use obkmq_broker::{Change, QoS, RestoredSession, Sink};
use obkmq_mqtt::{Property, ReasonCode};

use crate::network::*;

#[derive(Default)]
struct State(Vec<u8>);

impl Sink for State {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// The next change of a session, with what is stored of it.
fn next(network: &mut Network) -> Option<(String, Vec<u8>)> {
    match network.broker.next_change()? {
        Change::SessionSet { client_id, session } => {
            let mut state = State::default();
            session.encode(&mut state);
            Some((format!("{client_id} set"), state.0))
        }
        Change::SessionCleared { client_id, .. } => Some((format!("{client_id} cleared"), Vec::new())),
        other => panic!("{other:?}"),
    }
}

fn told(network: &mut Network) -> Vec<String> {
    let mut told: Vec<_> = core::iter::from_fn(|| next(network)).map(|(words, _)| words).collect();
    told.sort();
    told
}

#[test]
fn all_that_is_stored_is_told_again() {
    let mut network = Network::new();
    for name in ["a", "b"] {
        network.connect_persistent(name);
    }
    network.connect("clean");
    assert_eq!(told(&mut network), ["a set", "b set"]);
    network.broker.tell_sessions_again();
    assert_eq!(told(&mut network), ["a set", "b set"]);
    assert!(told(&mut network).is_empty());
}

#[test]
fn an_end_that_could_not_be_stored_is_told_again() {
    let mut network = Network::new();
    for name in ["a", "b"] {
        let (client, _) = network.five_for(name, 10);
        network.cut(client);
    }
    assert_eq!(told(&mut network), ["a set", "b set"]);
    network.advance_millis(11_000);
    let (words, _) = next(&mut network).unwrap();
    // The flash was busy: this one and all others once more.
    network.broker.tell_sessions_again();
    assert_eq!(told(&mut network), ["a cleared", "b cleared"], "after {words}");
    network.broker.tell_sessions_again();
    assert!(told(&mut network).len() <= 1);
}

#[test]
fn ended_sessions_give_their_memory_back_when_that_has_been_told() {
    let mut network = Network::new();
    for number in 0..50 {
        let (client, _) = network.five_for(&format!("client/{number}"), 10);
        network.subscribed(client, "a", QoS::AtLeastOnce);
        network.cut(client);
    }
    assert_eq!(told(&mut network).len(), 50);
    network.advance_millis(11_000);
    let statistics = network.broker.statistics();
    assert_eq!((statistics.sessions, statistics.subscriptions), (0, 0));
    assert_eq!(told(&mut network).len(), 50);
    // Emptied storage is given back when something is due again.
    let client = network.open(LOOPBACK);
    network.cut(client);
    network.advance_millis(60_000);
    assert_eq!(network.broker.statistics().memory_used_bytes, 0);
}

#[test]
fn a_session_that_is_to_end_with_its_link_is_not_stored_any_more() {
    let mut network = Network::new();
    let (client, _) = network.five_for("c", 1000);
    network.subscribed(client, "a", QoS::AtLeastOnce);
    assert_eq!(told(&mut network), ["c set"]);
    network.cut(client);
    // It goes on for now, but a power cut may end it.
    let (client, answer) = network.connect_five("c", false, &[]);
    assert!(answer.contains("present"), "{answer}");
    assert_eq!(told(&mut network), ["c cleared"]);
    network.subscribed(client, "b", QoS::AtLeastOnce);
    assert!(told(&mut network).is_empty());
    network.cut(client);
    assert!(told(&mut network).is_empty());
}

#[test]
fn a_new_expiry_is_told_and_restored() {
    let mut network = Network::new();
    let (client, _) = network.five_for("c", 1000);
    next(&mut network).unwrap();
    network.disconnect_five(client, ReasonCode::Success, &[Property::SessionExpiryInterval(20)]);
    let (words, state) = next(&mut network).unwrap();
    assert_eq!(words, "c set");
    let restored = RestoredSession { client_id: "c", user: None, state: &state };
    for (wait, present) in [(19_000, true), (21_000, false)] {
        let mut after = Network::new();
        after.broker.restore_session(&restored).unwrap();
        // Nobody knows how long the power was off: its time begins anew.
        after.advance_millis(wait);
        assert_eq!(after.five_for("c", 0).1, present, "{wait}");
    }
}

#[test]
fn a_restored_session_is_told_when_it_changes_and_counts_for_the_quota() {
    let mut network = Network::new();
    network.connect_persistent("c");
    let (_, state) = next(&mut network).unwrap();
    let mut after = Network::with_limits(|limits| limits.max_stored_sessions = 1);
    after.broker.restore_session(&RestoredSession { client_id: "c", user: None, state: &state }).unwrap();
    after.connect_persistent("d");
    assert!(told(&mut after).is_empty());
    assert_eq!(after.broker.statistics().drops.sessions_not_stored, 1);
    let (client, present) = after.connect_persistent("c");
    assert!(present);
    after.subscribed(client, "a", QoS::AtMostOnce);
    assert_eq!(told(&mut after), ["c set"]);
}
