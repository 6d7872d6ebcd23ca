//! MQTT 5, with what only it has.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::qos;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, Filter, LastWill, LastWillProperties, Packet, PubAckReason, Publish,
    PublishProperties, RetainForwardRule, SubscribeProperties, SubscribeReasonCode, UnsubAckReason,
};
use rumqttc::v5::{Client, Connection, ConnectionError, Event, MqttOptions};

use super::super::{PASSWORD, USER};
use super::{Message, Options, PATIENCE, Peer as _, REQUESTS};

pub(super) struct Peer {
    client: Client,
    connection: Connection,
    connack: Option<ConnAck>,
    messages: VecDeque<Publish>,
}

impl Peer {
    fn start(mut mqtt: MqttOptions, password: &str) -> Result<Self, String> {
        mqtt.set_credentials(USER, password);
        let (client, connection) = Client::new(mqtt, REQUESTS);
        let mut peer = Self { client, connection, connack: None, messages: VecDeque::new() };
        peer.connack = Some(peer.turn(|event| match event {
            Event::Incoming(Packet::ConnAck(connack)) => Some(connack.clone()),
            _ => None,
        })?);
        Ok(peer)
    }

    /// Turns the event loop until `pick` finds what it looks for. Messages that come meanwhile are kept.
    fn turn<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> Result<T, String> {
        loop {
            let event = self.connection.recv_timeout(PATIENCE).map_err(|error| format!("{error:?}"))?;
            let event = event.map_err(|error: ConnectionError| error.to_string())?;
            let picked = pick(&event);
            if let Event::Incoming(Packet::Publish(publish)) = event {
                self.messages.push_back(publish);
            }
            if let Some(picked) = picked {
                return Ok(picked);
            }
        }
    }

    #[track_caller]
    fn wait<T>(&mut self, what: &str, pick: impl FnMut(&Event) -> Option<T>) -> T {
        self.turn(pick).unwrap_or_else(|error| panic!("no {what}: {error}"))
    }

    /// What CONNACK told of the broker.
    fn told(&self) -> ConnAckProperties {
        self.connack.as_ref().and_then(|connack| connack.properties.clone()).expect("properties in CONNACK")
    }

    fn subscribe_to(&mut self, filter: Filter, identifier: Option<usize>) -> SubscribeReasonCode {
        let properties = SubscribeProperties { id: identifier, user_properties: Vec::new() };
        self.client.subscribe_many_with_properties([filter], properties).unwrap();
        let codes = self.wait("SUBACK", |event| match event {
            Event::Incoming(Packet::SubAck(suback)) => Some(suback.return_codes.clone()),
            _ => None,
        });
        assert_eq!(codes.len(), 1, "SUBACK with {codes:?}");
        codes[0]
    }

    fn unsubscribe(&mut self, filter: &str) -> Vec<UnsubAckReason> {
        self.client.unsubscribe(filter).unwrap();
        self.wait("UNSUBACK", |event| match event {
            Event::Incoming(Packet::UnsubAck(unsuback)) => Some(unsuback.reasons.clone()),
            _ => None,
        })
    }

    /// Publishes at QoS 1; the code of the PUBACK.
    fn publish_with(&mut self, topic: &str, payload: &str, properties: PublishProperties) -> PubAckReason {
        let level = qos(1).unwrap();
        self.client
            .publish_with_properties(topic, level, false, payload.as_bytes().to_vec(), properties)
            .unwrap();
        self.wait("PUBACK", |event| match event {
            Event::Incoming(Packet::PubAck(puback)) => Some(puback.reason),
            _ => None,
        })
    }

    fn next_publish(&mut self) -> Publish {
        if self.messages.is_empty() {
            self.wait("message", |event| matches!(event, Event::Incoming(Packet::Publish(_))).then_some(()));
        }
        self.messages.pop_front().unwrap()
    }
}

impl super::Peer for Peer {
    fn connect(address: SocketAddr, options: Options) -> Result<Self, String> {
        let mut mqtt = options_for(address, options.id);
        mqtt.set_clean_start(!options.persistent);
        mqtt.set_session_expiry_interval(options.persistent.then_some(300));
        if let Some((topic, level)) = options.will {
            mqtt.set_last_will(LastWill::new(topic, "gone", qos(level).unwrap(), false, None));
        }
        Self::start(mqtt, options.password)
    }

    fn session_present(&self) -> bool {
        self.connack.as_ref().is_some_and(|connack| connack.session_present)
    }

    fn subscribe(&mut self, filter: &str, level: u8) -> u8 {
        match self.subscribe_to(Filter::new(filter, qos(level).unwrap()), None) {
            SubscribeReasonCode::Success(level) => level as u8,
            code => panic!("SUBACK with {code:?}"),
        }
    }

    fn publish(&mut self, message: &Message) {
        let Message { topic, payload, retain, .. } = message;
        self.client.publish(topic, qos(message.qos).unwrap(), *retain, payload.as_bytes().to_vec()).unwrap();
        self.wait("end of the publication", |event| match (message.qos, event) {
            (0, Event::Outgoing(Outgoing::Publish(_)))
            | (1, Event::Incoming(Packet::PubAck(_)))
            | (2, Event::Incoming(Packet::PubComp(_))) => Some(()),
            _ => None,
        });
    }

    fn next(&mut self) -> Message {
        let publish = self.next_publish();
        Message {
            topic: text(&publish.topic),
            payload: text(&publish.payload),
            qos: publish.qos as u8,
            retain: publish.retain,
        }
    }

    fn disconnect(mut self) {
        self.client.disconnect().unwrap();
        self.wait("DISCONNECT", |event| matches!(event, Event::Outgoing(Outgoing::Disconnect)).then_some(()));
    }
}

fn options_for(address: SocketAddr, id: &str) -> MqttOptions {
    MqttOptions::new(id, address.ip().to_string(), address.port())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What version 5 adds.
pub(super) fn steps(address: SocketAddr) {
    let mut peer = Peer::open(address, Options::named("main"));
    connack_properties(&peer, address);
    message_properties(&mut peer, address);
    subscription_options(&mut peer, address);
    shared_subscription(&mut peer, address);
    topic_alias(&mut peer);
    reason_codes(&mut peer);
    take_over(address);
    peer.disconnect();
}

fn connack_properties(peer: &Peer, address: SocketAddr) {
    let told = peer.told();
    assert!(told.receive_max.is_some_and(|most| (1..u16::MAX).contains(&most)), "{told:?}");
    assert!(told.topic_alias_max.is_some_and(|most| most > 0), "{told:?}");
    let nameless = Peer::start(options_for(address, ""), PASSWORD).unwrap();
    let told = nameless.told();
    assert!(
        told.assigned_client_identifier.is_some_and(|id| !id.is_empty()),
        "no assigned client identifier"
    );
    nameless.disconnect();
}

fn message_properties(peer: &mut Peer, address: SocketAddr) {
    let sent = PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(300),
        response_topic: Some("data/answer".to_owned()),
        correlation_data: Some(vec![0x00, 0xFF].into()),
        user_properties: [("room", "attic"), ("room", "cellar"), ("unit", "°C")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        content_type: Some("application/json".to_owned()),
        ..PublishProperties::default()
    };
    peer.subscribe_to(Filter::new("data/#", qos(1).unwrap()), Some(7));
    assert_eq!(peer.publish_with("data/set", "{}", sent.clone()), PubAckReason::Success);
    let mut seen = peer.next_publish().properties.unwrap();
    assert!(seen.message_expiry_interval.is_some_and(|left| (290..=300).contains(&left)), "{seen:?}");
    assert_eq!(std::mem::take(&mut seen.subscription_identifiers), [7]);
    seen.message_expiry_interval = sent.message_expiry_interval;
    assert_eq!(seen, sent);

    let properties = LastWillProperties {
        delay_interval: None,
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: Some("text/plain".to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: vec![("cause".to_owned(), "power".to_owned())],
    };
    let mut mortal = options_for(address, "mortal");
    mortal.set_last_will(LastWill::new("data/will", "gone", qos(1).unwrap(), false, Some(properties)));
    drop(Peer::start(mortal, PASSWORD).unwrap());
    let will = peer.next_publish();
    assert_eq!(text(&will.topic), "data/will");
    let seen = will.properties.unwrap();
    assert_eq!(seen.content_type.as_deref(), Some("text/plain"));
    assert_eq!(seen.user_properties, [("cause".to_owned(), "power".to_owned())]);
}

fn subscription_options(peer: &mut Peer, address: SocketAddr) {
    let mut other = Peer::open(address, Options::named("other"));
    peer.subscribe_to(Filter { nolocal: true, ..Filter::new("chat/#", qos(1).unwrap()) }, None);
    peer.publish(&Message::new("chat/own", "mine", 1));
    other.publish(&Message::new("chat/other", "yours", 1));
    assert_eq!(peer.next(), Message::new("chat/other", "yours", 1), "with No Local");

    other.publish(&Message::new("flag/kept", "1", 1).retained());
    let filter = Filter {
        preserve_retain: true,
        retain_forward_rule: RetainForwardRule::Never,
        ..Filter::new("flag/#", qos(1).unwrap())
    };
    peer.subscribe_to(filter, None);
    let second = Message::new("flag/kept", "2", 1).retained();
    other.publish(&second);
    assert_eq!(peer.next(), second, "Retain As Published, and nothing retained before");
    let deletion = Message::new("flag/kept", "", 1).retained();
    other.publish(&deletion);
    assert_eq!(peer.next(), deletion);
    other.disconnect();
}

fn shared_subscription(peer: &mut Peer, address: SocketAddr) {
    let mut crew = ["first", "second"].map(|id| Peer::open(address, Options::named(id)));
    for member in &mut crew {
        assert_eq!(member.subscribe("$share/crew/job/+", 1), 1);
        member.subscribe("mark", 1);
    }
    let jobs: Vec<_> = (0..10).map(|number| Message::new(&format!("job/{number}"), "do", 1)).collect();
    let end = Message::new("mark", "end", 1);
    for message in jobs.iter().chain([&end]) {
        peer.publish(message);
    }
    let mut done = Vec::new();
    for mut member in crew {
        let share: Vec<_> = std::iter::from_fn(|| Some(member.next()).filter(|next| *next != end)).collect();
        assert!(!share.is_empty(), "a member had nothing to do");
        done.extend(share);
        member.disconnect();
    }
    done.sort();
    assert_eq!(done, jobs, "each done once");
}

fn topic_alias(peer: &mut Peer) {
    let alias = PublishProperties { topic_alias: Some(1), ..PublishProperties::default() };
    peer.subscribe("alias/#", 1);
    for (topic, payload) in [("alias/long", "named"), ("", "by alias")] {
        assert_eq!(peer.publish_with(topic, payload, alias.clone()), PubAckReason::Success);
        assert_eq!(peer.next(), Message::new("alias/long", payload, 1));
    }
}

fn reason_codes(peer: &mut Peer) {
    let code = peer.publish_with("nobody/listens", "?", PublishProperties::default());
    assert!(matches!(code, PubAckReason::Success | PubAckReason::NoMatchingSubscribers), "{code:?}");
    assert_eq!(peer.unsubscribe("alias/#"), [UnsubAckReason::Success]);
    assert_eq!(peer.unsubscribe("never/there"), [UnsubAckReason::NoSubscriptionExisted]);
}

fn take_over(address: SocketAddr) {
    let mut first = Peer::open(address, Options::named("double"));
    let second = Peer::open(address, Options::named("double"));
    let end = first.turn(|_| None::<()>).unwrap_err();
    assert!(end.contains("SessionTakenOver"), "{end}");
    second.disconnect();
}
