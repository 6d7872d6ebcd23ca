//! Random operations against a model with plain lists and no budgets: the same messages reach the same clients.

use std::collections::BTreeMap;

use obkmq_broker::QoS;
use obkmq_mqtt::{AckKind, Packet, Publish, TopicFilter, TopicName, matches};
use proptest::prelude::*;

use crate::network::*;

const CLIENTS: usize = 4;
const TOPICS: [&str; 6] = ["a", "a/b", "a/b/c", "b", "/", "$s/a"];
const FILTERS: [&str; 9] = ["a", "a/b", "a/+", "a/#", "#", "+/b/#", "+", "/", "$s/#"];

#[derive(Debug, Clone)]
enum Step {
    Connect { client: usize, clean: bool },
    Cut { client: usize },
    Leave { client: usize },
    Subscribe { client: usize, filter: &'static str, qos: QoS },
    Unsubscribe { client: usize, filter: &'static str },
    Publish { client: usize, topic: &'static str, qos: QoS, retain: bool, empty: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..CLIENTS;
    let filter = || proptest::sample::select(&FILTERS[..]);
    let qos = || proptest::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce][..]);
    let any_qos = || proptest::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..]);
    let topic = proptest::sample::select(&TOPICS[..]);
    let step = prop_oneof![
        2 => (client.clone(), any::<bool>()).prop_map(|(client, clean)| Step::Connect { client, clean }),
        1 => client.clone().prop_map(|client| Step::Cut { client }),
        1 => client.clone().prop_map(|client| Step::Leave { client }),
        4 => (client.clone(), filter(), qos())
            .prop_map(|(client, filter, qos)| Step::Subscribe { client, filter, qos }),
        1 => (client.clone(), filter()).prop_map(|(client, filter)| Step::Unsubscribe { client, filter }),
        6 => (client, topic, any_qos(), any::<bool>(), any::<bool>()).prop_map(
            |(client, topic, qos, retain, empty)| Step::Publish { client, topic, qos, retain, empty }
        ),
    ];
    proptest::collection::vec(step, 1..80)
}

#[derive(Debug, Default)]
struct ModelClient {
    online: bool,
    clean: bool,
    exists: bool,
    subscriptions: BTreeMap<&'static str, QoS>,
    /// Of QoS 1, for an absent client.
    queue: Vec<String>,
    received: Vec<String>,
}

#[derive(Debug, Default)]
struct Model {
    clients: [ModelClient; CLIENTS],
    retained: BTreeMap<&'static str, (String, QoS)>,
}

impl ModelClient {
    fn end(&mut self) {
        self.online = false;
        if self.clean {
            let received = core::mem::take(&mut self.received);
            *self = ModelClient { received, ..ModelClient::default() };
        }
    }

    fn deliver(&mut self, topic: &str, payload: &str, qos: QoS, retain: bool) {
        let flag = if retain { " retain" } else { "" };
        let message = format!("{topic}={payload} q{}{flag}", qos.bits());
        match (self.online, qos) {
            (true, _) => self.received.push(message),
            (false, QoS::AtMostOnce) => {}
            (false, _) => self.queue.push(message),
        }
    }
}

fn is_match(filter: &str, topic: &str) -> bool {
    matches(TopicFilter::new(filter).unwrap(), TopicName::new(topic).unwrap())
}

/// Reads what a client has received, acknowledges it, and forgets the packet identifiers.
fn drain(network: &mut Network, client: Id, into: &mut Vec<String>) {
    loop {
        let packets = network.read(client);
        if packets.is_empty() {
            return;
        }
        for packet in packets {
            let Some((head, tail)) = packet.split_once(" id") else {
                if packet.contains('=') {
                    into.push(packet);
                }
                continue;
            };
            let (number, flags) =
                tail.split_once(' ').map_or((tail, String::new()), |(n, f)| (n, format!(" {f}")));
            network.ack(client, AckKind::PubAck, number.parse().unwrap());
            into.push(format!("{head}{flags}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_same_messages_reach_the_same_clients(steps in steps(), take in 1usize..100) {
        let mut network = Network::with_limits(|limits| limits.inflight_window = 3);
        network.pieces = (13, 64, take);
        let mut model = Model::default();
        let mut links: [Option<Id>; CLIENTS] = [None; CLIENTS];
        let mut received: [Vec<String>; CLIENTS] = Default::default();
        for (number, step) in (1u16..).zip(&steps) {
            match *step {
                Step::Connect { client, clean } => {
                    if links[client].is_some() {
                        continue;
                    }
                    let name = format!("client-{client}");
                    let entry = &mut model.clients[client];
                    let link = if clean {
                        entry.clean = true;
                        entry.end();
                        network.connect(&name)
                    } else {
                        let (link, present) = network.connect_persistent(&name);
                        prop_assert_eq!(present, entry.exists);
                        link
                    };
                    entry.online = true;
                    entry.exists = true;
                    entry.clean = clean;
                    let queue = core::mem::take(&mut entry.queue);
                    entry.received.extend(queue);
                    links[client] = Some(link);
                }
                Step::Cut { client } | Step::Leave { client } => {
                    let Some(link) = links[client].take() else { continue };
                    if matches!(step, Step::Cut { .. }) {
                        network.cut(link);
                    } else {
                        network.send_bytes(link, &[0xE0, 0]);
                    }
                    model.clients[client].end();
                }
                Step::Subscribe { client, filter, qos } => {
                    let Some(link) = links[client] else { continue };
                    network.subscribe(link, &[(filter, qos)]);
                    let entry = &mut model.clients[client];
                    entry.subscriptions.insert(filter, qos);
                    for (topic, (payload, retained_qos)) in &model.retained {
                        if is_match(filter, topic) {
                            entry.deliver(topic, payload, qos.min(*retained_qos), true);
                        }
                    }
                }
                Step::Unsubscribe { client, filter } => {
                    let Some(link) = links[client] else { continue };
                    network.unsubscribe(link, filter);
                    model.clients[client].subscriptions.remove(filter);
                }
                Step::Publish { client, topic, qos, retain, empty } => {
                    let Some(link) = links[client] else { continue };
                    let payload = if empty { String::new() } else { format!("{number}") };
                    let packet_id = (qos != QoS::AtMostOnce).then(|| id(number));
                    let fields = publish_fields(topic, payload.as_bytes());
                    network.send(link, &Packet::Publish(Publish { qos, retain, packet_id, ..fields }));
                    if qos == QoS::ExactlyOnce {
                        network.ack(link, AckKind::PubRel, number);
                    }
                    for entry in &mut model.clients {
                        let matching = entry.subscriptions.iter().filter(|(filter, _)| is_match(filter, topic));
                        if let Some(best) = matching.map(|(_, qos)| *qos).max() {
                            entry.deliver(topic, &payload, best.min(qos), false);
                        }
                    }
                    if retain && empty {
                        model.retained.remove(topic);
                    } else if retain {
                        model.retained.insert(topic, (payload, qos));
                    }
                }
            }
            for client in 0..CLIENTS {
                if let Some(link) = links[client] {
                    drain(&mut network, link, &mut received[client]);
                }
                // Replayed messages have no order among each other.
                received[client].sort();
                model.clients[client].received.sort();
                prop_assert_eq!(&received[client], &model.clients[client].received, "client {}", client);
            }
        }
        // What waits for an absent client goes when it comes back with a clean session; nothing else is lost.
        let drops = obkmq_broker::Drops { link_closed: 0, ..network.broker.statistics().drops };
        prop_assert_eq!(drops, obkmq_broker::Drops::default());
        let sum = model.clients.iter().map(|client| client.subscriptions.len()).sum::<usize>();
        prop_assert_eq!(network.broker.statistics().subscriptions, sum);
        prop_assert_eq!(network.broker.statistics().retained, model.retained.len());
    }
}
