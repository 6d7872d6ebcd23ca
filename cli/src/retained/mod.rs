//! Retained messages from one broker to another, over MQTT 5, or 3.1.1 where the old one speaks nothing newer.

mod limits;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rumqttc::{
    AsyncClient, Event, MqttOptions, NetworkOptions, Packet, QoS, SubscribeFilter, SubscribeReasonCode, v5,
};
use tokio::time::timeout;

use crate::bench::trouble::Trouble;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::target::{HostPort, Target};

/// `mqtt://[USER@]HOST[:PORT]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OldBroker {
    pub(crate) host: HostPort,
    pub(crate) user: Option<String>,
}

impl FromStr for OldBroker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            None => text,
            Some(("mqtt" | "tcp", rest)) => rest,
            Some((scheme, _)) => return Err(format!("write mqtt://HOST; {scheme}:// is not spoken here")),
        };
        let (user, host) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((user, host)) => (Some(user), host),
        };
        if user.is_some_and(|user| user.contains(':')) {
            // Not repeated: it is a password.
            return Err(
                "a password does not belong on the command line, where everybody sees it; see --old-password"
                    .to_owned(),
            );
        }
        if user == Some("") {
            return Err("the user name before `@` is empty".to_owned());
        }
        Ok(Self { host: host.trim_end_matches('/').parse()?, user: user.map(str::to_owned) })
    }
}

/// What became of the retained messages of the old broker.
#[derive(Debug)]
pub(crate) struct Carried {
    /// How many were read.
    pub(crate) found: usize,
    /// How many more it says that it has.
    pub(crate) unread: usize,
    /// Topics that the new one does not hold as the old one did.
    pub(crate) missing: Vec<String>,
}

/// Reads what the old broker retains, writes it to the new one and reads that back.
pub(crate) fn carry(old: &Target, new: &Target, context: &Context) -> anyhow::Result<Carried> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let read = read(old).await?;
        let messages = read.messages;
        context.note(format_args!("{}: {} retained messages", old.host, messages.len()));
        write(new, &messages).await.map_err(|trouble| explain(new, &trouble))?;
        let there = self::read(new).await?.messages;
        let is_there = |(topic, payload): &(&String, &Bytes)| there.get(*topic) == Some(*payload);
        let missing = messages.iter().filter(|one| !is_there(one)).map(|(topic, _)| topic.clone());
        Ok(Carried {
            found: messages.len(),
            unread: read.count.unwrap_or(0).saturating_sub(read.system).saturating_sub(messages.len()),
            missing: missing.collect(),
        })
    })
}

/// The retained messages of a broker, as they come in.
#[derive(Debug, Default)]
struct Collection {
    messages: BTreeMap<String, Bytes>,
    bytes: usize,
    /// Topics of the broker's own.
    system: usize,
    /// All retained messages, as it counts them: its own among them.
    count: Option<usize>,
}

impl Collection {
    /// Whether there is room for it.
    fn take(&mut self, topic: &[u8], payload: &Bytes) -> bool {
        // A topic that is no UTF-8 cannot be published again.
        let Ok(topic) = std::str::from_utf8(topic) else { return true };
        if topic.starts_with('$') {
            self.system = self.system.saturating_add(1);
            if topic == COUNT {
                self.count = std::str::from_utf8(payload).ok().and_then(|count| count.parse().ok());
            }
            return true;
        }
        self.bytes = self.bytes.saturating_add(topic.len()).saturating_add(payload.len());
        self.messages.insert(topic.to_owned(), payload.clone());
        self.messages.len() <= limits::RETAINED_LIMIT && self.bytes <= limits::RETAINED_LIMIT_BYTES
    }
}

/// How many retained messages there are, by mosquitto's own word; ours has the same.
const COUNT: &str = "$SYS/broker/retained messages/count";
/// The broker's own first, so that its count is there whatever is dropped afterwards.
const FILTERS: [&str; 2] = ["$SYS/#", "#"];

enum Unread {
    Trouble(Trouble),
    TooMuch,
}

impl From<Trouble> for Unread {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// By MQTT 5 where the broker speaks it: mosquitto drops what is on its way to a client beyond 1,020 messages, silently,
/// unless the client says that it can take more.
async fn read(target: &Target) -> Result<Collection, Failure> {
    let mut result = read_5(target).await;
    if let Err(Unread::Trouble(
        Trouble::Rejected(_) | Trouble::Unavailable | Trouble::NotMqtt(_) | Trouble::Other(_),
    )) = result
    {
        result = read_4(target).await;
    }
    result.map_err(|unread| match unread {
        Unread::Trouble(trouble) => explain(target, &trouble),
        Unread::TooMuch => too_much(target),
    })
}

async fn read_5(target: &Target) -> Result<Collection, Unread> {
    let (client, mut events) = connect_5(target).await?;
    let filters =
        FILTERS.map(|filter| v5::mqttbytes::v5::Filter::new(filter, v5::mqttbytes::QoS::AtLeastOnce));
    client.try_subscribe_many(filters).map_err(|error| Trouble::Other(error.to_string()))?;
    let mut collection = Collection::default();
    let mut patience = Patience::new();
    loop {
        use v5::mqttbytes::v5::{Packet, SubscribeReasonCode};
        match timeout(patience.now(), events.poll()).await {
            Err(_) if patience.is_subscribed => return Ok(collection),
            Err(_) => return Err(Trouble::TimedOut.into()),
            Ok(Err(error)) => return Err(trouble_5(&error).into()),
            Ok(Ok(v5::Event::Incoming(Packet::SubAck(answer)))) => {
                // Who may not read the broker's own topics may read the rest all the same.
                if !matches!(answer.return_codes.last(), Some(SubscribeReasonCode::Success(_))) {
                    return Err(Trouble::SubscriptionRefused.into());
                }
                patience.is_subscribed = true;
            }
            Ok(Ok(v5::Event::Incoming(Packet::Publish(message)))) if message.retain => {
                if !collection.take(&message.topic, &message.payload) {
                    return Err(Unread::TooMuch);
                }
            }
            Ok(Ok(_)) if patience.is_over() => return Ok(collection),
            Ok(Ok(_)) => {}
        }
    }
}

/// At QoS 0, of which mosquitto drops less.
async fn read_4(target: &Target) -> Result<Collection, Unread> {
    let mut options = MqttOptions::new(client_id(), host(target), target.host.port);
    options
        .set_clean_session(true)
        .set_max_packet_size(limits::PACKET_LIMIT_BYTES, limits::PACKET_LIMIT_BYTES);
    if let Some(user) = &target.user {
        options.set_credentials(user, password(target));
    }
    let (client, mut events) = AsyncClient::new(options, limits::WINDOW.into());
    events.set_network_options(network());
    match timeout(limits::ANSWER_PATIENCE, events.poll()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(Trouble::while_connecting(&error).into()),
        Err(_) => return Err(Trouble::TimedOut.into()),
    }
    let filters = FILTERS.map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtMostOnce));
    client.try_subscribe_many(filters).map_err(|error| Trouble::Other(error.to_string()))?;
    let mut collection = Collection::default();
    let mut patience = Patience::new();
    loop {
        match timeout(patience.now(), events.poll()).await {
            Err(_) if patience.is_subscribed => return Ok(collection),
            Err(_) => return Err(Trouble::TimedOut.into()),
            Ok(Err(error)) => return Err(Trouble::of(&error).into()),
            Ok(Ok(Event::Incoming(Packet::SubAck(answer)))) => {
                if answer.return_codes.last() == Some(&SubscribeReasonCode::Failure) {
                    return Err(Trouble::SubscriptionRefused.into());
                }
                patience.is_subscribed = true;
            }
            Ok(Ok(Event::Incoming(Packet::Publish(message)))) if message.retain => {
                if !collection.take(message.topic.as_bytes(), &message.payload) {
                    return Err(Unread::TooMuch);
                }
            }
            Ok(Ok(_)) if patience.is_over() => return Ok(collection),
            Ok(Ok(_)) => {}
        }
    }
}

/// How long to wait for the next message.
struct Patience {
    is_subscribed: bool,
    since: Instant,
}

impl Patience {
    fn new() -> Self {
        Self { is_subscribed: false, since: Instant::now() }
    }

    fn now(&self) -> Duration {
        if self.is_subscribed { limits::RETAINED_QUIET } else { limits::ANSWER_PATIENCE }
    }

    /// Live traffic must not keep us here for ever.
    fn is_over(&self) -> bool {
        self.is_subscribed && self.since.elapsed() > limits::READING_LIMIT
    }
}

async fn write(target: &Target, messages: &BTreeMap<String, Bytes>) -> Result<(), Trouble> {
    let (client, mut events) = connect_5(target).await?;
    let mut waiting = messages.iter();
    let mut unanswered = 0_u16;
    loop {
        while unanswered < limits::WINDOW
            && let Some((topic, payload)) = waiting.next()
        {
            client
                .try_publish(topic, v5::mqttbytes::QoS::AtLeastOnce, true, payload.clone())
                .map_err(|error| Trouble::Other(error.to_string()))?;
            unanswered = unanswered.saturating_add(1);
        }
        if unanswered == 0 {
            return Ok(());
        }
        // A message that is refused shows when all is read back.
        match timeout(limits::ANSWER_PATIENCE, events.poll()).await {
            Ok(Ok(v5::Event::Incoming(v5::mqttbytes::v5::Packet::PubAck(_)))) => {
                unanswered = unanswered.saturating_sub(1);
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(trouble_5(&error)),
            Err(_) => return Err(Trouble::TimedOut),
        }
    }
}

async fn connect_5(target: &Target) -> Result<(v5::AsyncClient, v5::EventLoop), Trouble> {
    let mut options = v5::MqttOptions::new(client_id(), host(target), target.host.port);
    options
        .set_clean_start(true)
        .set_receive_maximum(Some(u16::MAX))
        .set_max_packet_size(u32::try_from(limits::PACKET_LIMIT_BYTES).ok())
        .set_outgoing_inflight_upper_limit(limits::WINDOW)
        .set_connection_timeout(limits::ANSWER_PATIENCE.as_secs())
        .set_network_options(network());
    if let Some(user) = &target.user {
        options.set_credentials(user, password(target));
    }
    let (client, mut events) = v5::AsyncClient::new(options, limits::WINDOW.into());
    match timeout(limits::ANSWER_PATIENCE, events.poll()).await {
        Ok(Ok(_)) => Ok((client, events)),
        Ok(Err(error)) => Err(trouble_5(&error)),
        Err(_) => Err(Trouble::TimedOut),
    }
}

fn client_id() -> String {
    format!("obkmq-import-{}", std::process::id())
}

/// As the library wants it, which joins host and port with a colon.
fn host(target: &Target) -> String {
    let host = &target.host.host;
    if host.contains(':') { format!("[{host}]") } else { host.clone() }
}

fn password(target: &Target) -> &str {
    target.password.as_ref().map_or("", |password| password.expose())
}

fn network() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(limits::ANSWER_PATIENCE.as_secs());
    network
}

/// MQTT 5's errors in the words of the load test.
fn trouble_5(error: &v5::ConnectionError) -> Trouble {
    use v5::mqttbytes::v5::ConnectReturnCode as Code;
    match error {
        v5::ConnectionError::Io(error) | v5::ConnectionError::MqttState(v5::StateError::Io(error)) => {
            Trouble::of_io(error)
        }
        v5::ConnectionError::Timeout(_) => Trouble::TimedOut,
        v5::ConnectionError::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => {
            Trouble::NotAuthorised
        }
        v5::ConnectionError::ConnectionRefused(_) => Trouble::Rejected("it does not take this client"),
        v5::ConnectionError::MqttState(v5::StateError::ConnectionAborted) => Trouble::Closed,
        other => Trouble::Other(other.to_string()),
    }
}

fn explain(target: &Target, trouble: &Trouble) -> Failure {
    let next = match trouble {
        Trouble::NotAuthorised => "correct user and password",
        Trouble::SubscriptionRefused => "let the user read `#`, at least for the time of moving",
        Trouble::Closed => {
            "see the broker's log: a message too large, or a topic that the user may not write, ends a connection"
        }
        _ => "see whether the broker runs and can be reached, then run the same command again",
    };
    Failure::new(
        Exit::Network,
        format!("The broker at {} does not go along.", target.host),
        trouble.to_string(),
        next,
    )
}

fn too_much(target: &Target) -> Failure {
    Failure::new(
        Exit::Network,
        format!("The broker at {} retains more than can be carried over.", target.host),
        format!("over {} messages or {} bytes", limits::RETAINED_LIMIT, limits::RETAINED_LIMIT_BYTES),
        "delete what nobody needs any more, or let the devices publish anew",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_broker_has_a_host_and_perhaps_a_user_but_no_password() {
        let old: OldBroker = "mqtt://house@192.168.1.5:1884/".parse().unwrap();
        assert_eq!((old.host.to_string().as_str(), old.user.as_deref()), ("192.168.1.5:1884", Some("house")));
        assert_eq!("broker".parse::<OldBroker>().unwrap().host.to_string(), "broker:1883");
        let refusal = "mqtt://house:apple@broker".parse::<OldBroker>().unwrap_err();
        assert!(refusal.contains("--old-password") && !refusal.contains("apple"), "{refusal}");
        for bad in ["mqtts://broker", "mqtt://", "mqtt://@broker", "ws://broker"] {
            assert!(bad.parse::<OldBroker>().is_err(), "{bad}");
        }
    }
}
