//! Random operations against a model with plain lists and no budgets: the same messages reach the same clients.
//!
//! The clients speak all versions, stop to acknowledge or to read, and lose their links at any moment. What counts as
//! received is what a client has that keeps to the specification: at QoS 1 every message at least once, at QoS 2 every
//! packet identifier exactly once, in the order of their topic and QoS. Of a group exactly one member gets a message.

use core::num::NonZeroU32;
use std::collections::{BTreeMap, BTreeSet};

use obkmq_broker::{QoS, Version};
use obkmq_mqtt::{
    AckKind, Connect, Disconnect, Packet, Properties, Property, PropertyOwner, Publish, ReasonCode,
    RetainHandling, Subscribe, Subscription, Subscriptions, TopicFilter, TopicName, Will, matches,
};
use proptest::prelude::*;

use crate::model_steps::*;
use crate::network::*;

/// A message as its receiver sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    topic: String,
    payload: String,
    qos: u8,
    retain: bool,
    /// Subscription identifiers.
    identifiers: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct ModelClient {
    online: bool,
    exists: bool,
    expiry: u32,
    left_at: u64,
    subscriptions: BTreeMap<&'static str, Wish>,
    will: Option<(QoS, bool, u32, String)>,
    /// When a will that is held back goes out.
    will_at: Option<u64>,
    /// Not received yet.
    owed: Vec<Message>,
    // What the client itself keeps.
    link: Option<Id>,
    silent: bool,
    blocked: bool,
    /// Acknowledgements that it has not sent.
    unsent: Vec<(AckKind, u16)>,
    /// Messages at QoS 1 it has received on this session, which may come again.
    seen: BTreeSet<(String, String)>,
    /// Packet identifiers at QoS 2 that were not released.
    unreleased: BTreeSet<u16>,
    /// Sent at QoS 2 and not released.
    sending: Option<(u16, &'static str, String, bool)>,
}

/// A message for a group, and who may get it.
#[derive(Debug)]
struct ForGroup {
    candidates: Vec<(usize, Message)>,
    /// Somebody was there, and all who were could have taken it.
    at_once: bool,
    taken: bool,
}

struct World {
    network: Network,
    /// Seconds.
    now: u64,
    clients: [ModelClient; CLIENTS],
    retained: BTreeMap<String, (String, QoS)>,
    groups: Vec<ForGroup>,
    number: u16,
}

fn is_match(filter: &str, topic: &str) -> bool {
    matches(TopicFilter::new(filter).unwrap(), TopicName::new(topic).unwrap())
}

fn inner(filter: &str) -> &str {
    ["$share/g/", "$share/h/"].iter().find_map(|group| filter.strip_prefix(group)).unwrap_or(filter)
}

fn is_for_group(topic: &str) -> bool {
    matches!(topic, "$s/g" | "$s/h")
}

fn is_v5(client: usize) -> bool {
    VERSIONS[client] == Version::V5
}

impl World {
    fn new(take: usize) -> Self {
        let mut network = Network::with_limits(|limits| {
            limits.inflight_window = 3;
            limits.send_timeout_ms = u32::MAX;
        });
        network.pieces = (13, 64, take);
        World {
            network,
            now: 0,
            clients: Default::default(),
            retained: BTreeMap::new(),
            groups: Vec::new(),
            number: 0,
        }
    }

    // What should happen.

    fn route(&mut self, from: usize, topic: &str, payload: &str, qos: QoS, retain: bool) {
        let mut group = ForGroup { candidates: Vec::new(), at_once: false, taken: false };
        let mut online = Vec::new();
        for (index, client) in self.clients.iter_mut().enumerate() {
            let matching = || {
                let wishes = client.subscriptions.values().filter(|wish| !(wish.no_local && index == from));
                wishes.filter(|wish| is_match(inner(wish.filter), topic))
            };
            let Some(best) = matching().map(|wish| wish.qos).max() else { continue };
            let qos = best.min(qos);
            if !client.exists || !client.online && qos == QoS::AtMostOnce {
                continue;
            }
            let identifiers = matching().map(|wish| wish.identifier).filter(|&number| number > 0);
            let message = Message {
                topic: topic.into(),
                payload: payload.into(),
                qos: qos.bits(),
                retain: retain && matching().any(|wish| wish.retain_as_published),
                identifiers: identifiers.map(|number| format!("sub{number}")).collect(),
            };
            if is_for_group(topic) {
                online.push(client.online.then_some(!client.silent && !client.blocked));
                group.candidates.push((index, message));
            } else {
                client.owed.push(message);
            }
        }
        if !group.candidates.is_empty() {
            let mut online = online.into_iter().flatten().peekable();
            group.at_once = online.peek().is_some() && online.all(|is_reading| is_reading);
            self.groups.push(group);
        }
        if retain && payload.is_empty() {
            self.retained.remove(topic);
        } else if retain {
            self.retained.insert(topic.into(), (payload.into(), qos));
        }
    }

    fn replay(&mut self, client: usize, wish: Wish) {
        for (topic, (payload, qos)) in &self.retained {
            if is_match(wish.filter, topic) {
                let identifier = (wish.identifier > 0).then(|| format!("sub{}", wish.identifier));
                self.clients[client].owed.push(Message {
                    topic: topic.clone(),
                    payload: payload.clone(),
                    qos: wish.qos.min(*qos).bits(),
                    retain: true,
                    identifiers: identifier.into_iter().collect(),
                });
            }
        }
    }

    /// The link is gone.
    fn leave(&mut self, index: usize, with_will: bool) {
        let client = &mut self.clients[index];
        if !core::mem::take(&mut client.online) {
            return;
        }
        client.left_at = self.now;
        client.link = None;
        client.silent = false;
        client.blocked = false;
        client.unsent.clear();
        // Who does not read loses what does not wait.
        client.owed.retain(|message| message.qos > 0);
        let will = client.will.take().filter(|_| with_will);
        match will.as_ref().map(|(_, _, delay, _)| (*delay).min(client.expiry)) {
            Some(delay) if delay > 0 => {
                client.will = will;
                client.will_at = Some(self.now + u64::from(delay));
            }
            _ => self.publish_will(index, will),
        }
        if self.clients[index].expiry == 0 {
            self.end(index);
        }
    }

    fn end(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let will = client.will.take();
        *client = ModelClient::default();
        self.publish_will(index, will);
    }

    fn publish_will(&mut self, index: usize, will: Option<(QoS, bool, u32, String)>) {
        if let Some((qos, retain, _, payload)) = will {
            self.route(index, &format!("will/{index}"), &payload, qos, retain);
        }
    }

    /// Ends sessions and publishes wills whose time has come: the broker does it a little later than on the second.
    fn expire(&mut self) {
        for index in 0..CLIENTS {
            let client = &mut self.clients[index];
            if client.will_at.is_some_and(|at| at < self.now) {
                client.will_at = None;
                let will = client.will.take();
                self.publish_will(index, will);
            }
            let client = &self.clients[index];
            let is_over = client.expiry != FOREVER && client.left_at + u64::from(client.expiry) < self.now;
            if client.exists && !client.online && is_over && client.expiry > 0 {
                self.end(index);
            }
        }
    }

    // What does happen.

    fn connect(&mut self, index: usize, clean: bool, expiry: u32, will: Option<(QoS, bool, u32)>) {
        let version = VERSIONS[index];
        let expiry = match version {
            Version::V5 => expiry,
            _ if clean => 0,
            _ => FOREVER,
        };
        let will = will.map(|(qos, retain, delay)| {
            (qos, retain, if is_v5(index) { delay } else { 0 }, format!("gone{}", self.number))
        });
        // An older link is closed; a will that is held back is cancelled if the session goes on.
        self.leave(index, true);
        if clean {
            self.end(index);
        }
        let client = &mut self.clients[index];
        client.will = None;
        client.will_at = None;
        let present = client.exists;
        client.will.clone_from(&will);
        client.online = true;
        client.exists = true;
        client.expiry = expiry;

        let name = format!("client-{index}");
        let topic = format!("will/{index}");
        let lasting = properties(&[Property::SessionExpiryInterval(expiry)]);
        let delay =
            properties(&[Property::WillDelayInterval(will.as_ref().map_or(0, |(_, _, delay, _)| *delay))]);
        let of_v5 = |bytes, owner| {
            if version == Version::V5 { Properties::new(bytes, owner).unwrap() } else { Properties::EMPTY }
        };
        let sent_will = will
            .as_ref()
            .and_then(|(qos, retain, _, payload)| crate::network::will(&topic, payload, *qos, *retain));
        let connect = Connect {
            version,
            clean_start: clean,
            will: sent_will.map(|will| Will { properties: of_v5(&delay, PropertyOwner::Will), ..will }),
            properties: of_v5(&lasting, PropertyOwner::Connect),
            ..connect_fields(&name)
        };
        let link = self.network.open(LOOPBACK);
        self.network.send(link, &Packet::Connect(connect));
        self.clients[index].link = Some(link);
        self.read(index, Some(present));
        if let Some((number, topic, payload, retain)) = self.clients[index].sending.clone() {
            let publish = publish_fields(topic, payload.as_bytes());
            let qos = QoS::ExactlyOnce;
            let publish = Publish { qos, dup: true, retain, packet_id: Some(id(number)), ..publish };
            self.network.send(link, &Packet::Publish(publish));
            self.network.ack(link, AckKind::PubRel, number);
            self.clients[index].sending = None;
        }
    }

    fn subscribe(&mut self, index: usize, mut wish: Wish) {
        let Some(link) = self.clients[index].link else { return };
        if !is_v5(index) {
            let Wish { filter, qos, .. } = wish;
            let (no_local, retain_as_published, identifier) = (false, false, 0);
            wish = Wish {
                filter,
                qos,
                no_local,
                retain_as_published,
                handling: RetainHandling::Always,
                identifier,
            };
        }
        let list = [Subscription {
            no_local: wish.no_local,
            retain_as_published: wish.retain_as_published,
            retain_handling: wish.handling,
            ..subscription(wish.filter, wish.qos)
        }];
        let identifier = NonZeroU32::new(wish.identifier).map(Property::SubscriptionIdentifier);
        let encoded = properties(identifier.as_slice());
        let properties = Properties::new(&encoded, PropertyOwner::Subscribe).unwrap();
        let subscriptions = Subscriptions::new(&list);
        self.network
            .send(link, &Packet::Subscribe(Subscribe { packet_id: id(100), properties, subscriptions }));
        let is_new = self.clients[index].subscriptions.insert(wish.filter, wish).is_none();
        let replays = match wish.handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => is_new,
            RetainHandling::Never => false,
        };
        if replays && !wish.filter.starts_with("$share") {
            self.replay(index, wish);
        }
    }

    fn publish(
        &mut self,
        index: usize,
        topic: &'static str,
        qos: QoS,
        (retain, empty, again, cut): (bool, bool, bool, bool),
    ) {
        let Some(link) = self.clients[index].link else { return };
        let payload = if empty { String::new() } else { format!("{}", self.number) };
        let number = 1000 + self.number;
        let packet_id = (qos != QoS::AtMostOnce).then(|| id(number));
        let publish = Publish { qos, retain, packet_id, ..publish_fields(topic, payload.as_bytes()) };
        self.network.send(link, &Packet::Publish(publish));
        self.route(index, topic, &payload, qos, retain);
        if qos != QoS::ExactlyOnce {
            return;
        }
        if again {
            self.network.send(link, &Packet::Publish(Publish { dup: true, ..publish }));
        }
        if cut {
            self.clients[index].sending = Some((number, topic, payload, retain));
            self.read_all();
            self.network.cut(link);
            self.leave(index, true);
        } else {
            self.network.ack(link, AckKind::PubRel, number);
        }
    }

    fn behave(&mut self, index: usize, silent: bool, blocked: bool) {
        let client = &mut self.clients[index];
        let Some(link) = client.link else { return };
        client.silent = silent;
        client.blocked = blocked;
        self.network.client(link).blocked = blocked;
        if !silent {
            for (kind, number) in core::mem::take(&mut client.unsent) {
                self.network.ack(link, kind, number);
            }
        }
        self.network.run();
    }

    fn step(&mut self, step: Step) {
        self.number += 1;
        match step {
            Step::Connect { client, clean, expiry, will } => self.connect(client, clean, expiry, will),
            Step::Cut { client } => {
                if let Some(link) = self.clients[client].link {
                    self.network.cut(link);
                    self.leave(client, true);
                }
            }
            Step::Leave { client, with_will } => {
                if let Some(link) = self.clients[client].link {
                    let with_will = with_will && is_v5(client);
                    let reason =
                        if with_will { ReasonCode::DisconnectWithWillMessage } else { ReasonCode::Success };
                    let goodbye = Disconnect { reason, properties: Properties::EMPTY };
                    self.network.send(link, &Packet::Disconnect(goodbye));
                    assert!(self.network.client(link).closed);
                    self.leave(client, with_will);
                }
            }
            Step::Subscribe { client, wish } => self.subscribe(client, wish),
            Step::Unsubscribe { client, filter } => {
                if let Some(link) = self.clients[client].link {
                    self.network.unsubscribe(link, filter);
                    self.clients[client].subscriptions.remove(filter);
                }
            }
            Step::Publish { client, topic, qos, retain, empty, times, again, cut } => {
                for time in 1..=times {
                    self.publish(client, topic, qos, (retain, empty, again, cut && time == times));
                    self.number += 1;
                    if is_for_group(topic) {
                        // Who has as many under way as may be is no better than who is away.
                        self.read_all();
                    }
                }
            }
            Step::Behave { client, silent, blocked } => self.behave(client, silent, blocked),
            Step::Wait { seconds } => {
                for _ in 0..seconds {
                    self.network.advance_millis(1000);
                    self.now += 1;
                    self.expire();
                }
            }
        }
        self.read_all();
    }

    fn read_all(&mut self) {
        // What one acknowledges may bring the next.
        (0..CLIENTS).for_each(|index| self.read(index, None));
        for group in &self.groups {
            assert!(group.taken || !group.at_once, "nobody of the group got {group:?}");
        }
        for (index, client) in self.clients.iter().enumerate() {
            if client.online && !client.silent && !client.blocked {
                assert!(client.owed.is_empty(), "client {index} misses {:?}", client.owed);
            }
        }
    }

    /// Reads what a client has received, and acknowledges it if it does that; first the answer to CONNECT.
    fn read(&mut self, index: usize, mut answer: Option<bool>) {
        let Some(link) = self.clients[index].link else { return };
        loop {
            let packets = self.network.read(link);
            if packets.is_empty() {
                assert_eq!(answer, None, "no CONNACK");
                return;
            }
            for packet in packets {
                if let Some(present) = answer.take() {
                    assert!(packet.starts_with("CONNACK 0"), "{packet}");
                    if VERSIONS[index] != Version::V3_1 {
                        assert_eq!(packet.contains(" present"), present, "client {index}");
                    }
                } else if let Some(number) = packet.strip_prefix("PUBREL ") {
                    let number = number.split(' ').next().unwrap().parse().unwrap();
                    self.clients[index].unreleased.remove(&number);
                    self.acknowledge(index, AckKind::PubComp, number);
                } else if packet.contains('=') {
                    self.receive(index, &packet);
                }
            }
        }
    }

    fn acknowledge(&mut self, index: usize, kind: AckKind, number: u16) {
        let client = &mut self.clients[index];
        if client.silent {
            client.unsent.push((kind, number));
        } else if let Some(link) = client.link {
            self.network.ack(link, kind, number);
        }
    }

    fn receive(&mut self, index: usize, packet: &str) {
        let mut words = packet.split(' ');
        let (topic, payload) = words.next().unwrap().split_once('=').unwrap();
        let mut message = Message {
            topic: topic.into(),
            payload: payload.into(),
            qos: 0,
            retain: false,
            identifiers: BTreeSet::new(),
        };
        let mut number = 0;
        let mut dup = false;
        for word in words {
            match word {
                "q0" | "q1" | "q2" => message.qos = word[1..].parse().unwrap(),
                "dup" => dup = true,
                "retain" => message.retain = true,
                word if word.starts_with("id") => number = word[2..].parse().unwrap(),
                word => {
                    message.identifiers.insert(word.into());
                }
            }
        }
        let client = &mut self.clients[index];
        let known = (message.topic.clone(), message.payload.clone());
        match message.qos {
            1 if dup && client.seen.contains(&known) => {
                return self.acknowledge(index, AckKind::PubAck, number);
            }
            1 => {
                client.seen.insert(known);
            }
            2 if !client.unreleased.insert(number) => {
                assert!(dup, "an identifier in use: {packet}");
                return self.acknowledge(index, AckKind::PubRec, number);
            }
            _ => {}
        }
        self.take(index, &message);
        match message.qos {
            1 => self.acknowledge(index, AckKind::PubAck, number),
            2 => self.acknowledge(index, AckKind::PubRec, number),
            _ => {}
        }
    }

    /// Checks off what was to come.
    fn take(&mut self, index: usize, message: &Message) {
        if is_for_group(&message.topic) {
            let is_this =
                |group: &&mut ForGroup| !group.taken && group.candidates.contains(&(index, message.clone()));
            let group = self.groups.iter_mut().find(is_this);
            group.unwrap_or_else(|| panic!("not for client {index}: {message:?}")).taken = true;
            return;
        }
        let owed = &mut self.clients[index].owed;
        let place = owed.iter().position(|other| other == message);
        let place = place.unwrap_or_else(|| panic!("client {index} is not owed {message:?} but {owed:?}"));
        // [MQTT-4.6.0-6]; replayed messages have no order among the others.
        let is_before = |other: &Message| {
            !other.retain && !message.retain && other.topic == message.topic && other.qos == message.qos
        };
        assert!(!owed[..place].iter().any(is_before), "out of order: {message:?} of {owed:?}");
        owed.remove(place);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_same_messages_reach_the_same_clients(steps in steps(), take in 1usize..100) {
        let mut world = World::new(take);
        for &step in &steps {
            world.step(step);
        }
        // In the end everybody reads and acknowledges.
        (0..CLIENTS).for_each(|client| world.behave(client, false, false));
        world.read_all();
        // What waits for an absent client goes with its session, and a group may have nobody; nothing else is lost.
        let statistics = world.network.broker.statistics();
        let drops = obkmq_broker::Drops { link_closed: 0, queue_full: 0, ..statistics.drops };
        prop_assert_eq!(drops, obkmq_broker::Drops::default());
        let sum = world.clients.iter().map(|client| client.subscriptions.len()).sum::<usize>();
        prop_assert_eq!(statistics.subscriptions, sum);
        prop_assert_eq!(statistics.retained, world.retained.len());
        prop_assert_eq!(statistics.clients, world.clients.iter().filter(|client| client.online).count());
    }
}
