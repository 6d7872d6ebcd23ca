//! Each named after what was wrong once.

use core::num::NonZeroU32;

use obkmq_broker::{PublishError, QoS, RestoredSession, Version};
use obkmq_mqtt::{
    Connect, Packet, Properties, Property, PropertyOwner, Subscribe, Subscription, Subscriptions,
};

use crate::network::*;

fn connect_v5(network: &mut Network, client_id: &str, list: &[Property<'_>]) -> Id {
    let encoded = properties(list);
    let properties = Properties::new(&encoded, PropertyOwner::Connect).unwrap();
    let client = network.open(LOOPBACK);
    network.send(
        client,
        &Packet::Connect(Connect { version: Version::V5, properties, ..connect_fields(client_id) }),
    );
    client
}

fn subscribe_v5(network: &mut Network, client: Id, filter: &str, identifier: u32, no_local: bool) {
    let encoded = properties(&[Property::SubscriptionIdentifier(NonZeroU32::new(identifier).unwrap())]);
    let list = [Subscription { no_local, ..subscription(filter, QoS::AtMostOnce) }];
    let properties = Properties::new(&encoded, PropertyOwner::Subscribe).unwrap();
    let subscriptions = Subscriptions::new(&list);
    network.send(client, &Packet::Subscribe(Subscribe { packet_id: id(1), properties, subscriptions }));
    assert_eq!(network.read(client).last().unwrap(), "SUBACK 1 [0]");
}

/// \[MQTT-3.3.4-4 of MQTT 5\]
#[test]
fn identifiers_come_from_subscriptions_that_match_only() {
    let mut network = Network::new();
    let client = connect_v5(&mut network, "client", &[]);
    let other = connect_v5(&mut network, "other", &[]);
    network.read(other);
    subscribe_v5(&mut network, client, "#", 1, false);
    subscribe_v5(&mut network, client, "$house/a", 2, false);
    subscribe_v5(&mut network, client, "own", 3, true);
    subscribe_v5(&mut network, client, "$share/g/turn", 4, false);
    subscribe_v5(&mut network, other, "$share/g/turn", 5, false);
    network.publish(client, "$house/a", "x");
    assert_eq!(network.read(client), ["$house/a=x q0 sub2"]);
    network.publish(client, "own", "x");
    assert_eq!(network.read(client), ["own=x q0 sub1"]);
    network.publish(other, "own", "x");
    let both = network.read(client);
    assert!(both == ["own=x q0 sub3 sub1"] || both == ["own=x q0 sub1 sub3"], "{both:?}");
    network.publish(client, "turn", "x");
    let both = network.read(client);
    assert!(both == ["turn=x q0 sub4 sub1"] || both == ["turn=x q0 sub1 sub4"], "{both:?}");
    network.publish(client, "turn", "x");
    assert_eq!(network.read(client), ["turn=x q0 sub1"]);
    assert_eq!(network.read(other), ["turn=x q0 sub5"]);
}

/// \[MQTT-3.2.0-1\]: nothing is sent to a client that has had no answer.
#[test]
fn a_client_that_takes_no_answer_is_refused() {
    let mut network = Network::new();
    let maximum = |bytes| [Property::MaximumPacketSize(NonZeroU32::new(bytes).unwrap())];
    let client = connect_v5(&mut network, "small", &maximum(10));
    assert_eq!(network.read(client), ["CONNACK 0x95"]);
    assert!(network.client(client).closed);
    let client = connect_v5(&mut network, "smaller", &maximum(2));
    network.advance_millis(3000);
    assert!(network.read(client).is_empty() && network.client(client).closed);
    let client = connect_v5(&mut network, "large", &maximum(100));
    assert!(network.read(client)[0].starts_with("CONNACK 0x00"));
}

#[test]
fn a_session_that_is_restored_in_part_ends_in_time() {
    let mut network = Network::new();
    let state = [&[1][..], &[5, 0, 0, 0], &[2, 0, 0, 0], &[0, 0, 0, 0, 0, 1, 0], b"a"].concat();
    let restored =
        network.broker.restore_session(&RestoredSession { client_id: "away", user: None, state: &state });
    assert_eq!(restored, Err(PublishError::Damaged));
    assert_eq!(network.broker.statistics().sessions, 1);
    network.advance_millis(6000);
    assert_eq!(network.broker.statistics().sessions, 0);
}
