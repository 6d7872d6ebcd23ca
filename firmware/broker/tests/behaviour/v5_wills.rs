//! Wills of MQTT 5.0: held back, cancelled, and published with what they were left with.

use obkmq_broker::{QoS, Rights, Scope, UserId, Version};
use obkmq_mqtt::{Binary, Connect, Packet, Property, PropertyOwner, ReasonCode, Will};

use crate::five::props;
use crate::network::*;

/// A reader of `w`, and a client `c` whose session lasts for `expiry` seconds and that leaves a will `w`.
struct Stage {
    network: Network,
    reader: Id,
}

impl Stage {
    fn new() -> Self {
        let mut network = Network::new();
        let reader = network.five("r");
        network.subscribed(reader, "w", QoS::AtMostOnce);
        Stage { network, reader }
    }

    fn connect(&mut self, clean_start: bool, expiry: u32, list: &[Property<'_>]) -> Id {
        let bytes = properties(list);
        let will = will("w", "gone", QoS::AtLeastOnce, false)
            .map(|will| Will { properties: props(&bytes, PropertyOwner::Will), ..will });
        let lasting = [Property::SessionExpiryInterval(expiry)];
        let (client, answer) = self.network.connect_five_with("c", clean_start, &lasting, will);
        assert!(answer.starts_with("CONNACK 0x00"), "{answer}");
        client
    }

    /// What is published in so many seconds.
    fn after(&mut self, seconds: u64) -> String {
        self.network.advance_millis(seconds * 1000);
        self.network.take(self.reader)
    }
}

const DELAYED: [Property<'static>; 1] = [Property::WillDelayInterval(30)];

#[test]
fn mqtt_3_1_3_9_of_5_0_the_shorter_of_delay_and_session_counts() {
    for (expiry, early, late) in [(1000, 29, 2), (10, 9, 2), (30, 29, 2)] {
        let mut stage = Stage::new();
        let client = stage.connect(true, expiry, &DELAYED);
        stage.network.cut(client);
        assert_eq!(stage.after(early), "", "{expiry}");
        assert_eq!(stage.after(late), "w=gone q0", "{expiry}");
        assert_eq!(stage.after(2000), "", "{expiry}");
    }
    // A session that ends with its link leaves nothing to wait for.
    let mut stage = Stage::new();
    let client = stage.connect(true, 0, &DELAYED);
    stage.network.cut(client);
    assert_eq!(stage.after(0), "w=gone q0");
}

#[test]
fn mqtt_3_1_3_9_of_5_0_a_take_over_that_goes_on_cancels_a_delayed_will() {
    let mut stage = Stage::new();
    stage.connect(true, 1000, &DELAYED);
    let second = stage.connect(false, 1000, &DELAYED);
    assert_eq!(stage.after(100), "");
    // The second will is not the first: it waits from its own link's end on.
    stage.network.cut(second);
    assert_eq!(stage.after(29), "");
    assert_eq!(stage.after(2), "w=gone q0");
}

#[test]
fn a_take_over_publishes_a_will_without_delay_and_one_whose_session_it_ends() {
    let mut stage = Stage::new();
    stage.connect(true, 1000, &[]);
    stage.connect(false, 1000, &DELAYED);
    assert_eq!(stage.after(0), "w=gone q0");
    stage.connect(true, 1000, &DELAYED);
    assert_eq!(stage.after(0), "w=gone q0");
}

#[test]
fn a_disconnect_may_end_the_session_and_with_it_the_delay() {
    let mut stage = Stage::new();
    let client = stage.connect(true, 1000, &DELAYED);
    let ending = [Property::SessionExpiryInterval(0)];
    stage.network.disconnect_five(client, ReasonCode::DisconnectWithWillMessage, &ending);
    assert_eq!(stage.after(0), "w=gone q0");
    assert_eq!(stage.network.broker.statistics().sessions, 1);
    // A goodbye leaves no will, held back or not.
    let client = stage.connect(true, 1000, &DELAYED);
    stage.network.disconnect_five(client, ReasonCode::Success, &[]);
    assert_eq!(stage.after(100), "");
}

#[test]
fn the_time_of_a_will_runs_from_its_publication() {
    let mut stage = Stage::new();
    let list = [Property::WillDelayInterval(30), Property::MessageExpiryInterval(20)];
    let (absent, _) = stage.network.five_for("absent", 1000);
    stage.network.subscribed(absent, "w", QoS::AtLeastOnce);
    stage.network.cut(absent);
    let client = stage.connect(true, 1000, &list);
    // Longer than the will lives.
    stage.after(100);
    stage.network.cut(client);
    assert_eq!(stage.after(31), "w=gone q0 expiry20");
    stage.after(21);
    let (_, said) = stage.network.connect_five("absent", false, &[]);
    assert!(!said.contains("gone"), "{said}");
}

#[test]
fn a_will_has_what_any_message_has() {
    let mut stage = Stage::new();
    let list = [
        Property::PayloadFormatIndicator(true),
        Property::ContentType(text("t")),
        Property::ResponseTopic(obkmq_mqtt::TopicName::new("answer").unwrap()),
        Property::CorrelationData(Binary::new(&[7]).unwrap()),
        Property::WillDelayInterval(0),
    ];
    let old = stage.network.connect("old");
    stage.network.subscribed(old, "w", QoS::AtMostOnce);
    let client = stage.connect(true, 0, &list);
    stage.network.cut(client);
    let said = stage.after(0);
    for word in ["PayloadFormatIndicator(true)", "ContentType", "ResponseTopic", "CorrelationData"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    // The delay was for the broker.
    assert!(!said.contains("Delay"), "{said}");
    assert_eq!(stage.network.take(old), "w=gone q0");
}

#[test]
fn a_held_back_will_is_published_only_if_its_user_still_may() {
    const ANN: Option<UserId> = Some(UserId(1));
    let rights = |may_write: bool| {
        let mut rights = Rights::new();
        rights.add_user(None, "", Scope::Everything, false).unwrap();
        rights.add_user(ANN, "ann", Scope::Listed, false).unwrap();
        rights.add_rule(ANN, true, may_write, "w").unwrap();
        rights
    };
    let mut stage = Stage::new();
    stage.network.broker.verifier_mut().known = vec![("ann", b"a", 1)];
    stage.network.broker.set_rights(rights(true));
    let bytes = properties(&DELAYED);
    let lasting = properties(&[Property::SessionExpiryInterval(1000)]);
    for may_write in [true, false] {
        let will = will("w", "gone", QoS::AtMostOnce, false)
            .map(|will| Will { properties: props(&bytes, PropertyOwner::Will), ..will });
        let Packet::Connect(fields) = login("ann-1", "ann", "a") else { unreachable!() };
        let properties = props(&lasting, PropertyOwner::Connect);
        let client = stage.network.open(LOOPBACK);
        let connect = Connect { version: Version::V5, will, properties, ..fields };
        stage.network.send(client, &Packet::Connect(connect));
        stage.network.cut(client);
        stage.network.broker.set_rights(rights(may_write));
        assert_eq!(stage.after(31), if may_write { "w=gone q0" } else { "" });
    }
    assert_eq!(stage.network.broker.statistics().drops.not_authorized, 1);
}

#[test]
fn a_held_back_will_takes_memory_only_while_it_waits() {
    let mut stage = Stage::new();
    let client = stage.connect(true, 1000, &DELAYED);
    stage.network.cut(client);
    assert_eq!(stage.network.broker.statistics().messages_stored, 1);
    let client = stage.connect(false, 1000, &DELAYED);
    // That of the new link.
    assert_eq!(stage.network.broker.statistics().messages_stored, 1);
    stage.network.disconnect_five(client, ReasonCode::Success, &[]);
    assert_eq!(stage.network.broker.statistics().messages_stored, 0);
}
