//! A broker, some clients, and the transport between them, on simulated time.
//!
//! The transport delivers in pieces of any size and takes in pieces of any size; it can stop to take altogether. It
//! does what the broker wants and nothing more, so a wish that is missing shows as a message that does not arrive.

use core::net::SocketAddr;

use obkmq_broker::{
    Anonymous, Attempt, Broker, Event, Full, Instant, Limits, LinkId, Peer, Policy, Progress, Rights, Scope,
    UserId, Verdict, Verifier, Want,
};
use obkmq_mqtt::{
    Ack, AckKind, Binary, Connect, FixedHeader, HeaderProgress, Packet, PacketId, PingReq, Properties,
    Property, Publish, QoS, ReasonCode, RetainHandling, Subscribe, Subscription, Subscriptions, Text,
    TopicFilter, TopicName, Unsubscribe, Version, Will, Window,
};

pub(crate) const LOOPBACK: &str = "127.0.0.1:5000";
pub(crate) const REMOTE: &str = "192.168.1.20:5000";

/// A verifier that knows some users and takes its time.
#[derive(Debug, Default)]
pub(crate) struct Users {
    pub(crate) known: Vec<(&'static str, &'static [u8], u16)>,
    /// Slices of work that a verdict takes.
    pub(crate) slices: u32,
    left: u32,
    /// What is being worked on, and what was.
    working: Option<(String, Vec<u8>)>,
    done: Vec<(String, Vec<u8>)>,
    /// Attempts that have taken work.
    pub(crate) verified: u32,
    pub(crate) busy: bool,
}

impl Verifier for Users {
    fn judge(&mut self, _now: Instant, attempt: &Attempt<'_>) -> Verdict {
        let credentials = (attempt.user.to_owned(), attempt.password.to_vec());
        if self.busy {
            return Verdict::Busy;
        }
        if self.slices > 0 && !self.done.contains(&credentials) {
            if self.working.is_none() {
                self.working = Some(credentials);
                self.left = self.slices;
            }
            return Verdict::Pending;
        }
        self.known
            .iter()
            .find(|(user, password, _)| (*user, *password) == (attempt.user, attempt.password))
            .map_or(Verdict::Refused, |(.., id)| Verdict::Accepted(UserId(*id)))
    }

    fn work(&mut self, _now: Instant) -> Progress {
        if self.working.is_none() {
            return Progress::Idle;
        }
        self.left -= 1;
        if self.left > 0 {
            return Progress::Working;
        }
        self.verified += 1;
        self.done.extend(self.working.take());
        Progress::Finished
    }
}

/// The client's end of a connection.
#[derive(Debug)]
pub(crate) struct Client {
    link: Option<LinkId>,
    /// Sent by the client, not taken by the broker.
    outgoing: Vec<u8>,
    /// Received by the client, not read by the test.
    pub(crate) incoming: Vec<u8>,
    paused: bool,
    writing: bool,
    pub(crate) version: Version,
    pub(crate) closed: bool,
    /// The transport takes nothing more from the broker.
    pub(crate) blocked: bool,
    /// Bytes that have come from the broker in all.
    pub(crate) received_bytes: usize,
}

/// Names a client of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(usize);

pub(crate) struct Network {
    pub(crate) broker: Broker<Users>,
    pub(crate) now: Instant,
    pub(crate) clients: Vec<Client>,
    /// Most bytes that a call brings to the broker, that one call asks of it, and that the transport then takes.
    pub(crate) pieces: (usize, usize, usize),
    pub(crate) events: Vec<Event>,
}

pub(crate) fn policy() -> Policy {
    Policy { anonymous: Anonymous::Always, sys_interval_seconds: 0, ..Policy::default() }
}

/// Rights for everything, of the anonymous clients and of the users 0 to 9.
pub(crate) fn everybody() -> Rights {
    let mut rights = Rights::new();
    rights.add_user(None, "", Scope::Everything, false).unwrap();
    for user in 0..10 {
        rights.add_user(Some(UserId(user)), "user", Scope::Everything, false).unwrap();
    }
    rights
}

impl Network {
    pub(crate) fn new() -> Self {
        Network::with(policy())
    }

    pub(crate) fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut policy = policy();
        change(&mut policy.limits);
        Network::with(policy)
    }

    pub(crate) fn with(policy: Policy) -> Self {
        let mut broker = Broker::new(policy, 0x0123_4567_89AB_CDEF, Users::default());
        broker.set_rights(everybody());
        Network {
            broker,
            now: Instant::from_millis(1000),
            clients: Vec::new(),
            pieces: (usize::MAX, 1460, usize::MAX),
            events: Vec::new(),
        }
    }

    /// Opens a connection.
    pub(crate) fn open(&mut self, from: &str) -> Id {
        self.try_open(from).unwrap()
    }

    pub(crate) fn try_open(&mut self, from: &str) -> Result<Id, Full> {
        let peer = Peer(from.parse::<SocketAddr>().unwrap());
        let link = self.broker.opened(self.now, peer)?;
        self.clients.push(Client {
            link: Some(link),
            outgoing: Vec::new(),
            incoming: Vec::new(),
            paused: false,
            writing: false,
            version: Version::V3_1_1,
            closed: false,
            blocked: false,
            received_bytes: 0,
        });
        Ok(Id(self.clients.len() - 1))
    }

    /// Opens a connection and connects on it with a clean session.
    pub(crate) fn connect(&mut self, client_id: &str) -> Id {
        let client = self.open(LOOPBACK);
        self.send(client, &connect(client_id));
        assert_eq!(self.read(client), ["CONNACK 0"]);
        client
    }

    /// Connects with a session that outlives the link. Says whether there was one already.
    pub(crate) fn connect_persistent(&mut self, client_id: &str) -> (Id, bool) {
        let client = self.open(LOOPBACK);
        self.send(client, &Packet::Connect(Connect { clean_start: false, ..connect_fields(client_id) }));
        let incoming = core::mem::take(&mut self.client(client).incoming);
        assert_eq!(&incoming[..2], [0x20, 2]);
        assert_eq!(incoming[3], 0);
        self.client(client).incoming = incoming[4..].to_vec();
        (client, incoming[2] == 1)
    }

    pub(crate) fn client(&mut self, client: Id) -> &mut Client {
        &mut self.clients[client.0]
    }

    pub(crate) fn link(&self, client: Id) -> LinkId {
        self.clients[client.0].link.unwrap()
    }

    pub(crate) fn send(&mut self, client: Id, packet: &Packet<'_>) {
        if let Packet::Connect(connect) = packet {
            self.client(client).version = connect.version;
        }
        let bytes = encode_as(self.clients[client.0].version, packet);
        self.send_bytes(client, &bytes);
    }

    pub(crate) fn send_bytes(&mut self, client: Id, bytes: &[u8]) {
        self.client(client).outgoing.extend_from_slice(bytes);
        self.run();
    }

    pub(crate) fn subscribe(&mut self, client: Id, filters: &[(&str, QoS)]) {
        let list: Vec<_> = filters.iter().map(|&(filter, qos)| subscription(filter, qos)).collect();
        let subscriptions = Subscriptions::new(&list);
        let subscribe = Subscribe { packet_id: id(100), properties: Properties::EMPTY, subscriptions };
        self.send(client, &Packet::Subscribe(subscribe));
    }

    /// Subscribes and expects to be granted what was asked for, and nothing else.
    pub(crate) fn subscribed(&mut self, client: Id, filter: &str, qos: QoS) {
        self.subscribe(client, &[(filter, qos)]);
        assert_eq!(self.read(client), [format!("SUBACK 100 [{}]", qos.bits())]);
    }

    pub(crate) fn unsubscribe(&mut self, client: Id, filter: &str) {
        let list = [TopicFilter::new(filter).unwrap()];
        let filters = obkmq_mqtt::Filters::new(&list);
        self.send(
            client,
            &Packet::Unsubscribe(Unsubscribe { packet_id: id(101), properties: Properties::EMPTY, filters }),
        );
    }

    pub(crate) fn publish(&mut self, client: Id, topic: &str, payload: &str) {
        self.send(client, &publish(topic, payload.as_bytes()));
    }

    pub(crate) fn ack(&mut self, client: Id, kind: AckKind, number: u16) {
        self.send(
            client,
            &Packet::Ack(Ack {
                kind,
                packet_id: id(number),
                reason: ReasonCode::Success,
                properties: Properties::EMPTY,
            }),
        );
    }

    pub(crate) fn ping(&mut self, client: Id) {
        self.send(client, &Packet::PingReq(PingReq));
    }

    /// Whether the connection still stands and answers.
    pub(crate) fn is_alive(&mut self, client: Id) -> bool {
        if self.client(client).closed {
            return false;
        }
        self.ping(client);
        self.read(client).last().is_some_and(|packet| packet == "PINGRESP")
    }

    /// The transport ends, without a DISCONNECT.
    pub(crate) fn cut(&mut self, client: Id) {
        if let Some(link) = self.client(client).link.take() {
            self.client(client).closed = true;
            self.broker.closed(self.now, link);
            self.run();
        }
    }

    pub(crate) fn advance_millis(&mut self, millis: u64) {
        let end = self.now.saturating_add_millis(millis);
        // As a board does: sleep until the broker's next deadline, or the end of the test's.
        for _ in 0..100_000 {
            match self.broker.poll(self.now) {
                Some(next) if next < end => self.now = self.now.max(next),
                _ => break,
            }
            self.run();
        }
        self.now = end;
        self.run();
    }

    /// The packets that a client has received since the last time.
    pub(crate) fn read(&mut self, client: Id) -> Vec<String> {
        let incoming = core::mem::take(&mut self.client(client).incoming);
        let (packets, used) = describe(self.clients[client.0].version, &incoming);
        self.client(client).incoming = incoming[used..].to_vec();
        packets
    }

    /// Whether a client has received whole packets only.
    pub(crate) fn is_between_packets(&mut self, client: Id) -> bool {
        self.client(client).incoming.is_empty()
    }

    /// Lets everything happen that can happen without time passing.
    pub(crate) fn run(&mut self) {
        for _ in 0..1_000_000 {
            let mut moved = false;
            // `poll` may be called at any time; here, as on a board, it runs in every turn.
            let again = self.broker.poll(self.now).is_some_and(|next| next <= self.now);
            moved |= again;
            moved |= self.serve_wants();
            for index in 0..self.clients.len() {
                moved |= self.bring(index);
                moved |= self.serve_wants();
                moved |= self.fetch(index);
                moved |= self.serve_wants();
            }
            while let Some(event) = self.broker.next_event() {
                self.events.push(event);
            }
            if !moved {
                return;
            }
        }
        panic!("the network does not come to rest");
    }

    fn serve_wants(&mut self) -> bool {
        let mut moved = false;
        while let Some((link, want)) = self.broker.next_want() {
            moved = true;
            let client =
                self.clients.iter_mut().find(|client| client.link == Some(link)).expect("a live link");
            match want {
                Want::Write => client.writing = true,
                Want::Read => client.paused = false,
                Want::Close => {
                    client.closed = true;
                    client.link = None;
                    self.broker.closed(self.now, link);
                }
            }
        }
        moved
    }

    fn bring(&mut self, index: usize) -> bool {
        let client = &mut self.clients[index];
        let Some(link) = client.link.filter(|_| !client.paused && !client.outgoing.is_empty()) else {
            return false;
        };
        let given = client.outgoing.len().min(self.pieces.0);
        let taken = self.broker.receive(self.now, link, &client.outgoing[..given]);
        assert!(taken <= given);
        client.paused = taken < given;
        client.outgoing.drain(..taken);
        true
    }

    fn fetch(&mut self, index: usize) -> bool {
        let client = &mut self.clients[index];
        let Some(link) = client.link.filter(|_| client.writing && !client.blocked) else { return false };
        let mut buffer = vec![0; self.pieces.1];
        let filled = self.broker.fill(link, &mut buffer);
        if filled == 0 {
            client.writing = false;
            return false;
        }
        let taken = filled.min(self.pieces.2);
        client.incoming.extend_from_slice(&buffer[..taken]);
        client.received_bytes += taken;
        self.broker.sent(self.now, link, taken);
        true
    }
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub(crate) fn text(text: &str) -> Text<'_> {
    Text::new(text).unwrap()
}

pub(crate) fn connect_fields(client_id: &str) -> Connect<'_> {
    Connect {
        version: Version::V3_1_1,
        clean_start: true,
        keep_alive_seconds: 0,
        client_id: text(client_id),
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

pub(crate) fn connect(client_id: &str) -> Packet<'_> {
    Packet::Connect(connect_fields(client_id))
}

pub(crate) fn login<'a>(client_id: &'a str, user: &'a str, password: &'a str) -> Packet<'a> {
    let password = Some(Binary::new(password.as_bytes()).unwrap());
    Packet::Connect(Connect { user_name: Some(text(user)), password, ..connect_fields(client_id) })
}

pub(crate) fn will<'a>(topic: &'a str, payload: &'a str, qos: QoS, retain: bool) -> Option<Will<'a>> {
    let payload = Binary::new(payload.as_bytes()).unwrap();
    Some(Will { topic: TopicName::new(topic).unwrap(), payload, qos, retain, properties: Properties::EMPTY })
}

pub(crate) fn publish<'a>(topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(publish_fields(topic, payload))
}

pub(crate) fn publish_fields<'a>(topic: &'a str, payload: &'a [u8]) -> Publish<'a> {
    let topic = Some(TopicName::new(topic).unwrap());
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        properties: Properties::EMPTY,
        payload,
    }
}

pub(crate) fn publish_qos<'a>(topic: &'a str, payload: &'a str, qos: QoS, number: u16) -> Packet<'a> {
    Packet::Publish(Publish { qos, packet_id: Some(id(number)), ..publish_fields(topic, payload.as_bytes()) })
}

pub(crate) fn publish_retained<'a>(topic: &'a str, payload: &'a str) -> Packet<'a> {
    Packet::Publish(Publish { retain: true, ..publish_fields(topic, payload.as_bytes()) })
}

pub(crate) fn publish_qos_retained<'a>(
    topic: &'a str,
    payload: &'a str,
    qos: QoS,
    number: u16,
) -> Packet<'a> {
    let fields = publish_fields(topic, payload.as_bytes());
    Packet::Publish(Publish { qos, retain: true, packet_id: Some(id(number)), ..fields })
}

pub(crate) fn subscription(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).unwrap(),
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Always,
    }
}

pub(crate) fn encode(packet: &Packet<'_>) -> Vec<u8> {
    encode_as(Version::V3_1_1, packet)
}

pub(crate) fn encode_as(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut count = obkmq_mqtt::Count::default();
    packet.encode(version, &mut count).unwrap();
    let mut bytes = vec![0; count.bytes];
    packet.encode(version, &mut Window::new(0, &mut bytes)).unwrap();
    bytes
}

/// Encoded properties.
pub(crate) fn properties(list: &[Property<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; 1000];
    let mut window = Window::new(0, &mut bytes);
    list.iter().for_each(|property| property.encode(&mut window));
    let written = window.written();
    bytes.truncate(written);
    bytes
}

/// Whole packets from the front of a stream in words, and how many bytes they took.
pub(crate) fn describe(version: Version, stream: &[u8]) -> (Vec<String>, usize) {
    let mut packets = Vec::new();
    let mut used = 0;
    while let HeaderProgress::Complete { header, .. } =
        FixedHeader::decode(&stream[used..], version).expect("well-formed")
    {
        let Some(packet) = stream[used..].get(..header.packet_bytes()) else { break };
        let body = &packet[packet.len() - header.remaining_length as usize..];
        let packet = Packet::decode(header, body, version).expect("well-formed");
        packets.push(words(version, &packet));
        used += header.packet_bytes();
    }
    (packets, used)
}

fn words(version: Version, packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(connack) => {
            let present = if connack.session_present { " present" } else { "" };
            let code = match version {
                Version::V5 => format!("{:#04x}", connack.reason.byte()),
                _ => connack.reason.connect_return_code().to_string(),
            };
            format!("CONNACK {code}{present}{}", list(&connack.properties))
        }
        Packet::Publish(publish) => {
            let payload = String::from_utf8_lossy(publish.payload);
            let id = publish.packet_id.map(|id| format!(" id{}", id.get())).unwrap_or_default();
            let dup = if publish.dup { " dup" } else { "" };
            let retain = if publish.retain { " retain" } else { "" };
            let topic = publish.topic.map_or("", |topic| topic.as_str());
            let qos = publish.qos.bits();
            format!("{topic}={payload} q{qos}{id}{dup}{retain}{}", list(&publish.properties))
        }
        Packet::Ack(Ack { kind, packet_id, reason, .. }) => {
            let name = format!("{kind:?}").to_uppercase();
            match reason {
                ReasonCode::Success => format!("{name} {}", packet_id.get()),
                reason => format!("{name} {} {:#04x}", packet_id.get(), reason.byte()),
            }
        }
        Packet::SubAck(suback) => {
            let codes: Vec<_> = suback.codes.iter().map(u8::to_string).collect();
            format!("SUBACK {} [{}]", suback.packet_id.get(), codes.join(","))
        }
        Packet::UnsubAck(unsuback) => match version {
            Version::V5 => {
                let codes: Vec<_> = unsuback.codes.iter().map(u8::to_string).collect();
                format!("UNSUBACK {} [{}]", unsuback.packet_id.get(), codes.join(","))
            }
            _ => format!("UNSUBACK {}", unsuback.packet_id.get()),
        },
        Packet::PingResp(_) => "PINGRESP".into(),
        Packet::Disconnect(disconnect) => {
            format!("DISCONNECT {:#04x}{}", disconnect.reason.byte(), list(&disconnect.properties))
        }
        other => format!("{other:?}"),
    }
}

/// Properties in words, the reason string left out.
fn list(properties: &Properties<'_>) -> String {
    let words = |property| match property {
        Property::ReasonString(_) => String::new(),
        Property::SubscriptionIdentifier(identifier) => format!(" sub{identifier}"),
        Property::UserProperty(name, value) => format!(" {}:{}", name.as_str(), value.as_str()),
        Property::MessageExpiryInterval(seconds) => format!(" expiry{seconds}"),
        other => format!(" {other:?}"),
    };
    properties.iter().map(words).collect()
}
