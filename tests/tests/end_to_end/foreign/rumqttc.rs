//! rumqttc, in both of its protocol versions.

mod v4;
mod v5;

use std::net::SocketAddr;
use std::time::Duration;

use libtest_mimic::Trial;

use super::{PASSWORD, broker};
use crate::test;

/// How long anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Requests that wait for the event loop at most.
const REQUESTS: usize = 100;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        test("rumqttc_speaks_mqtt_3_1_1", || {
            let (_board, address, _home) = broker();
            common_steps::<v4::Peer>(address);
        }),
        test("rumqttc_speaks_mqtt_5", || {
            let (_board, address, _home) = broker();
            common_steps::<v5::Peer>(address);
            v5::steps(address);
        }),
    ]
}

/// A client of either version, as far as both can do the same. Dropped, it ends without a DISCONNECT.
trait Peer: Sized {
    /// Connects; an error says what the broker answered.
    fn connect(address: SocketAddr, options: Options) -> Result<Self, String>;
    /// Whether the broker still had its session.
    fn session_present(&self) -> bool;
    /// Subscribes; the level granted.
    fn subscribe(&mut self, filter: &str, qos: u8) -> u8;
    /// Publishes and waits for the last acknowledgement.
    fn publish(&mut self, message: &Message);
    /// The next message.
    fn next(&mut self) -> Message;
    /// Sends DISCONNECT and ends.
    fn disconnect(self);

    fn open(address: SocketAddr, options: Options) -> Self {
        Self::connect(address, options).unwrap_or_else(|error| panic!("{options:?}: {error}"))
    }
}

/// Whether a client keeps its session, and its last words.
#[derive(Debug, Clone, Copy)]
struct Options {
    id: &'static str,
    password: &'static str,
    persistent: bool,
    will: Option<(&'static str, u8)>,
}

impl Options {
    const fn named(id: &'static str) -> Self {
        Self { id, password: PASSWORD, persistent: false, will: None }
    }
}

/// What a message says and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    topic: String,
    payload: String,
    qos: u8,
    retain: bool,
}

impl Message {
    fn new(topic: &str, payload: &str, qos: u8) -> Self {
        Self { topic: topic.to_owned(), payload: payload.to_owned(), qos, retain: false }
    }

    fn retained(self) -> Self {
        Self { retain: true, ..self }
    }
}

fn common_steps<P: Peer>(address: SocketAddr) {
    every_quality_of_service::<P>(address);
    retained::<P>(address);
    wills::<P>(address);
    sessions::<P>(address);
    let refusal = P::connect(address, Options { password: "wrong", ..Options::named("intruder") }).err();
    assert!(refusal.as_deref().is_some_and(|text| text.contains("refused")), "{refusal:?}");
}

fn every_quality_of_service<P: Peer>(address: SocketAddr) {
    let mut peer = P::open(address, Options::named("levels"));
    for qos in 0..=2 {
        let message = Message::new(&format!("qos/{qos}"), "level", qos);
        assert_eq!(peer.subscribe(&message.topic, qos), qos);
        peer.publish(&message);
        assert_eq!(peer.next(), message);
    }
    peer.publish(&Message::new("qos/1", "lowered", 2));
    assert_eq!(peer.next().qos, 1);
    for number in 0..20 {
        peer.publish(&Message::new("qos/2", &number.to_string(), 2));
    }
    for number in 0..20 {
        assert_eq!(peer.next(), Message::new("qos/2", &number.to_string(), 2));
    }
    peer.disconnect();
}

fn retained<P: Peer>(address: SocketAddr) {
    let mut peer = P::open(address, Options::named("keeper"));
    for value in ["old", "new"] {
        peer.publish(&Message::new("kept/state", value, 1).retained());
    }
    let mut late = P::open(address, Options::named("late"));
    late.subscribe("kept/#", 1);
    assert_eq!(late.next(), Message::new("kept/state", "new", 1).retained());
    peer.publish(&Message::new("kept/state", "", 1).retained());
    assert_eq!(late.next(), Message::new("kept/state", "", 1));
    let mut later = P::open(address, Options::named("later"));
    later.subscribe("kept/#", 1);
    peer.publish(&Message::new("kept/mark", "live", 1));
    assert_eq!(later.next(), Message::new("kept/mark", "live", 1), "first message after the deletion");
    for peer in [peer, late, later] {
        peer.disconnect();
    }
}

fn wills<P: Peer>(address: SocketAddr) {
    let mut watcher = P::open(address, Options::named("watcher"));
    watcher.subscribe("will/#", 2);
    P::open(address, Options { will: Some(("will/polite", 1)), ..Options::named("polite") }).disconnect();
    drop(P::open(address, Options { will: Some(("will/mortal", 2)), ..Options::named("mortal") }));
    assert_eq!(watcher.next(), Message::new("will/mortal", "gone", 2));
    watcher.disconnect();
}

fn sessions<P: Peer>(address: SocketAddr) {
    let persistent = Options { persistent: true, ..Options::named("sleeper") };
    let mut sleeper = P::open(address, persistent);
    assert!(!sleeper.session_present());
    sleeper.subscribe("sleep/#", 2);
    sleeper.disconnect();
    let queued = [Message::new("sleep/1", "queued", 1), Message::new("sleep/2", "queued", 2)];
    let mut peer = P::open(address, Options::named("waker"));
    for message in &queued {
        peer.publish(message);
    }
    let mut sleeper = P::open(address, persistent);
    assert!(sleeper.session_present(), "the session is gone");
    let mut seen = [sleeper.next(), sleeper.next()];
    seen.sort();
    assert_eq!(seen, queued);
    sleeper.disconnect();
    let sleeper = P::open(address, Options::named("sleeper"));
    assert!(!sleeper.session_present(), "the session outlived a clean start");
    for peer in [peer, sleeper] {
        peer.disconnect();
    }
}
