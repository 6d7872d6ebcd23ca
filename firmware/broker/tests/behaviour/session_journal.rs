//! Sessions in the journal, and back from it after a power cut.

use obkmq_broker::{Change, QoS, RestoredSession, Sink, UserId};
use obkmq_mqtt::{Property, Subscription};

use crate::network::*;

#[derive(Default)]
struct State(Vec<u8>);

impl Sink for State {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// What the journal tells: a name and the session, or nothing if it is over.
fn told(network: &mut Network) -> Vec<(String, Option<Vec<u8>>)> {
    let mut told = Vec::new();
    while let Some(change) = network.broker.next_change() {
        match change {
            Change::SessionSet { client_id, session } => {
                let mut state = State::default();
                session.encode(&mut state);
                told.push((client_id.to_owned(), Some(state.0)));
            }
            Change::SessionCleared { client_id, .. } => told.push((client_id.to_owned(), None)),
            Change::RetainedSet { .. } | Change::RetainedCleared { .. } => panic!("nothing was retained"),
        }
    }
    told
}

#[test]
fn sessions_that_last_are_told_when_they_change_and_only_then() {
    let mut network = Network::new();
    network.connect("clean");
    let (client, _) = network.connect_persistent("c");
    assert_eq!(told(&mut network).len(), 1);
    for _ in 0..2 {
        network.subscribed(client, "a/#", QoS::AtLeastOnce);
    }
    assert_eq!(told(&mut network).len(), 1);
    // Neither the same filter again, nor messages, nor coming and going.
    network.subscribed(client, "a/#", QoS::AtLeastOnce);
    network.broker.publish(network.now, "a/b", b"x", QoS::AtLeastOnce, false).unwrap();
    network.cut(client);
    let (client, _) = network.connect_persistent("c");
    network.unsubscribe(client, "nothing");
    assert_eq!(told(&mut network), []);
    network.unsubscribe(client, "a/#");
    assert_eq!(told(&mut network).len(), 1);
    network.cut(client);
    network.connect("c");
    assert_eq!(told(&mut network), [("c".to_owned(), None)]);
    assert_eq!(told(&mut network), []);
}

#[test]
fn a_session_that_begins_anew_before_its_end_was_told_is_told_as_it_is() {
    let mut network = Network::new();
    let (client, _) = network.connect_persistent("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    assert_eq!(told(&mut network).len(), 1);
    network.cut(client);
    let clean = network.connect("c");
    network.cut(clean);
    let (_, present) = network.connect_persistent("c");
    assert!(!present);
    let now = told(&mut network);
    assert!(matches!(&now[..], [(name, Some(_))] if name == "c"), "{now:?}");
}

#[test]
fn no_more_sessions_than_the_quota_are_told() {
    let mut network = Network::with_limits(|limits| limits.max_stored_sessions = 2);
    let clients = ["a", "b", "c"].map(|name| network.connect_persistent(name).0);
    assert_eq!(told(&mut network).len(), 2);
    assert_eq!(network.broker.statistics().drops.sessions_not_stored, 1);
    network.cut(clients[0]);
    network.connect("a");
    let now = told(&mut network);
    assert!(matches!(&now[..], [(a, None), (c, Some(_))] if (&a[..], &c[..]) == ("a", "c")), "{now:?}");
    network.subscribed(clients[2], "x", QoS::AtMostOnce);
    assert_eq!(told(&mut network).len(), 1);
}

#[test]
fn a_restored_session_is_as_it_was() {
    let mut network = Network::new();
    let (client, _) = network.five_for("c", 1000);
    let identifier = Property::SubscriptionIdentifier(core::num::NonZeroU32::new(77).unwrap());
    let wish =
        Subscription { no_local: true, retain_as_published: true, ..subscription("a/+", QoS::ExactlyOnce) };
    network.subscribe_five(client, &[wish], &[identifier]);
    network.subscribed(client, "$share/g/b", QoS::AtLeastOnce);
    let (_, state) = told(&mut network).remove(0);
    let state = state.unwrap();

    let mut after = Network::new();
    let restored = RestoredSession { client_id: "c", user: None, state: &state };
    after.broker.restore_session(&restored).unwrap();
    // It is in the journal already.
    assert_eq!(told(&mut after), []);
    assert!(after.broker.restore_session(&restored).is_err(), "there is one already");
    after.broker.publish(after.now, "a/x", b"1", QoS::ExactlyOnce, false).unwrap();
    let (client, answer) = after.connect_five("c", false, &[Property::SessionExpiryInterval(1000)]);
    assert!(answer.contains("present") && answer.ends_with("a/x=1 q2 id1 sub77"), "{answer}");
    after.publish_five(client, "a/y", "own", QoS::AtMostOnce, &[]);
    assert_eq!(after.take(client), "");
    after.publish_five(client, "b", "shared", QoS::AtMostOnce, &[]);
    assert_eq!(after.take(client), "b=shared q0");
    after.cut(client);
    after.advance_millis(1_001_000);
    assert_eq!(told(&mut after), [("c".to_owned(), None)]);
}

#[test]
fn a_restored_session_belongs_to_its_user() {
    let mut network = Network::new();
    let (client, _) = network.connect_persistent("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    let state = told(&mut network).remove(0).1.unwrap();
    let mut after = Network::new();
    let restored = RestoredSession { client_id: "c", user: Some(UserId(3)), state: &state };
    after.broker.restore_session(&restored).unwrap();
    let (_, present) = after.connect_persistent("c");
    assert!(!present);
    // Both stand in the journal, each for itself.
    assert_eq!(told(&mut after).len(), 1);
    after.broker.revoke(after.now, UserId(3));
    let change = after.broker.next_change();
    assert!(matches!(change, Some(Change::SessionCleared { client_id: "c", user: Some(UserId(3)) })));
    assert!(after.broker.keeps_session("c", None) && !after.broker.keeps_session("c", Some(UserId(3))));
}

#[test]
fn a_damaged_session_is_refused_and_leaves_nothing_wrong_behind() {
    let mut network = Network::new();
    let (client, _) = network.connect_persistent("c");
    network.subscribed(client, "a/b", QoS::AtLeastOnce);
    network.subscribed(client, "c/#", QoS::AtLeastOnce);
    let state = told(&mut network).remove(0).1.unwrap();
    for end in 0..state.len() {
        let mut after = Network::new();
        let restored = RestoredSession { client_id: "c", user: None, state: &state[..end] };
        assert!(after.broker.restore_session(&restored).is_err(), "{end} bytes");
    }
    for place in 0..state.len() {
        for bit in 0..8 {
            let mut state = state.clone();
            state[place] ^= 1 << bit;
            let mut after = Network::new();
            let _ =
                after.broker.restore_session(&RestoredSession { client_id: "c", user: None, state: &state });
            after.connect_persistent("c");
            after.broker.publish(after.now, "a/b", b"x", QoS::AtLeastOnce, false).unwrap();
            after.run();
        }
    }
}
