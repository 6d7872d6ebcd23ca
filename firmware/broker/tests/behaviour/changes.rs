//! What a changed policy does to those who are there, and what a detailed log says of them.

use obkmq_broker::{DisconnectReason, Event, Limits, QoS};
use obkmq_mqtt::Property;

use crate::network::*;

fn lower(network: &mut Network, change: impl FnOnce(&mut Limits)) {
    let mut policy = *network.broker.policy();
    change(&mut policy.limits);
    network.broker.set_policy(policy);
    network.run();
}

#[test]
fn nobody_breaks_a_limit_by_keeping_to_what_connack_said() {
    let changes: [fn(&mut Limits); 3] = [
        |limits| limits.max_packet_bytes /= 2,
        |limits| limits.max_inbound_inflight /= 2,
        |limits| limits.max_topic_aliases /= 2,
    ];
    for change in changes {
        let mut network = Network::new();
        let (five, old) = (network.five("five"), network.connect("old"));
        lower(&mut network, |limits| limits.max_replies /= 2);
        lower(&mut network, |limits| limits.max_packet_bytes *= 2);
        assert!(network.is_alive(five));
        lower(&mut network, change);
        assert!(network.take(five).starts_with("DISCONNECT 0x98"));
        assert!(network.client(five).closed && network.is_alive(old));
        let last = network.events.iter().rev().find_map(|event| match event {
            Event::Disconnected { reason, .. } => Some(*reason),
            _ => None,
        });
        assert_eq!(last, Some(DisconnectReason::LimitsLowered));
        // What it is told the next time holds.
        let again = network.five("five");
        assert!(network.is_alive(again));
    }
}

#[test]
fn subscriptions_are_told_to_those_who_ask() {
    for details in [false, true] {
        let mut policy = policy();
        policy.log_details = details;
        let mut network = Network::with(policy);
        let client = network.connect("c");
        network.subscribe(client, &[("a/#", QoS::AtLeastOnce), ("b", QoS::AtMostOnce)]);
        network.unsubscribe(client, "b");
        let told: Vec<_> = network
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Subscribed { client_id, filter, code, others } => {
                    Some(format!("{client_id} {filter} {code} {others}"))
                }
                Event::Unsubscribed { client_id, filter, others } => {
                    Some(format!("{client_id} {filter} gone {others}"))
                }
                _ => None,
            })
            .collect();
        if details {
            assert_eq!(told, ["c a/# 1 1", "c b gone 0"]);
        } else {
            assert!(told.is_empty());
        }
    }
}

#[test]
fn an_interval_longer_than_can_be_told_is_an_interval_all_the_same() {
    let mut network = Network::new();
    let (sender, reader) = (network.five("s"), network.five("r"));
    network.subscribed(reader, "a", QoS::AtMostOnce);
    for seconds in [280_000_000, 282_000_000, u32::MAX] {
        let list = [Property::MessageExpiryInterval(seconds)];
        network.publish_five(sender, "a", "x", QoS::AtMostOnce, &list);
        let said = network.take(reader);
        let told: u32 = said.strip_prefix("a=x q0 expiry").expect(&said).parse().unwrap();
        assert!((280_000_000..=seconds).contains(&told), "{told} of {seconds}");
    }
}

#[test]
fn what_a_client_leaves_empty_comes_back_although_others_stay() {
    let mut network = Network::new();
    let stays = network.connect("stays");
    let before = network.broker.statistics().memory_used_bytes;
    let clients: Vec<_> = (0..50).map(|number| network.connect(&format!("c{number}"))).collect();
    for client in clients {
        network.cut(client);
    }
    network.advance_millis(2_000);
    // The tables of what was there once are larger than they need be, and no more than that.
    let after = network.broker.statistics().memory_used_bytes;
    assert!(after < before + 1500, "{before} to {after}");
    assert!(network.is_alive(stays));
}
