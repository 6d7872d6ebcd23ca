//! Retained messages from one broker to another, over MQTT 3.1.1.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, Publish, QoS, SubscribeReasonCode,
};
use tokio::time::timeout;

use super::limits;
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

/// The retained messages of a broker, by topic.
type Messages = BTreeMap<String, Publish>;

/// What became of them.
#[derive(Debug)]
pub(crate) struct Carried {
    /// Retained messages of the old broker.
    pub(crate) found: usize,
    /// Topics that the new one does not hold as the old one did.
    pub(crate) missing: Vec<String>,
}

/// Reads what the old broker retains, writes it to the new one and reads that back.
pub(crate) fn carry(old: &Target, new: &Target, context: &Context) -> anyhow::Result<Carried> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let messages = read(old).await?;
        context.note(format_args!("{}: {} retained messages", old.host, messages.len()));
        write(new, &messages).await?;
        let there = read(new).await?;
        let is_there = |(topic, message): &(&String, &Publish)| {
            there.get(*topic).is_some_and(|found| found.payload == message.payload)
        };
        let missing = messages.iter().filter(|one| !is_there(one)).map(|(topic, _)| topic.clone());
        Ok(Carried { found: messages.len(), missing: missing.collect() })
    })
}

struct Connection<'a> {
    target: &'a Target,
    client: AsyncClient,
    event_loop: EventLoop,
    opened: Instant,
}

impl<'a> Connection<'a> {
    async fn open(target: &'a Target) -> Result<Self, Failure> {
        let id = format!("obkmq-import-{}", std::process::id());
        let host = if target.host.host.contains(':') {
            format!("[{}]", target.host.host)
        } else {
            target.host.host.clone()
        };
        let mut options = MqttOptions::new(id, host, target.host.port);
        options
            .set_clean_session(true)
            .set_max_packet_size(limits::PACKET_LIMIT_BYTES, limits::PACKET_LIMIT_BYTES)
            .set_inflight(limits::WINDOW);
        if let Some(user) = &target.user {
            let password = target.password.as_ref().map_or("", |password| password.expose());
            options.set_credentials(user, password);
        }
        let (client, mut event_loop) = AsyncClient::new(options, limits::WINDOW.into());
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(limits::ANSWER_PATIENCE.as_secs());
        event_loop.set_network_options(network);
        match timeout(limits::ANSWER_PATIENCE, event_loop.poll()).await {
            Ok(Ok(_)) => Ok(Self { target, client, event_loop, opened: Instant::now() }),
            Ok(Err(error)) => Err(explain(target, &Trouble::while_connecting(&error))),
            Err(_) => Err(explain(target, &Trouble::TimedOut)),
        }
    }

    fn is_late(&self) -> bool {
        self.opened.elapsed() > limits::READING_LIMIT
    }

    /// The next event; `None` when none comes in this time. The library would connect again after an error.
    async fn next(&mut self, patience: Duration) -> Result<Option<Event>, Failure> {
        match timeout(patience, self.event_loop.poll()).await {
            Ok(Ok(event)) => Ok(Some(event)),
            Ok(Err(error)) => Err(explain(self.target, &Trouble::of(&error))),
            Err(_) => Ok(None),
        }
    }
}

async fn read(target: &Target) -> Result<Messages, Failure> {
    let mut connection = Connection::open(target).await?;
    let asked = connection.client.try_subscribe("#", QoS::AtLeastOnce);
    asked.map_err(|error| explain(target, &Trouble::Other(error.to_string())))?;
    let mut messages = Messages::new();
    let (mut bytes, mut is_subscribed) = (0_usize, false);
    loop {
        let patience = if is_subscribed { limits::RETAINED_QUIET } else { limits::ANSWER_PATIENCE };
        match connection.next(patience).await? {
            None if is_subscribed => return Ok(messages),
            None => return Err(explain(target, &Trouble::TimedOut)),
            Some(Event::Incoming(Packet::SubAck(answer))) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(explain(target, &Trouble::SubscriptionRefused));
                }
                is_subscribed = true;
            }
            Some(Event::Incoming(Packet::Publish(message))) if message.retain => {
                bytes = bytes.saturating_add(message.topic.len()).saturating_add(message.payload.len());
                messages.insert(message.topic.clone(), message);
                if messages.len() > limits::RETAINED_LIMIT || bytes > limits::RETAINED_LIMIT_BYTES {
                    return Err(too_much(target));
                }
            }
            // Live traffic must not keep us here for ever.
            Some(_) if is_subscribed && connection.is_late() => return Ok(messages),
            Some(_) => {}
        }
    }
}

async fn write(target: &Target, messages: &Messages) -> Result<(), Failure> {
    let mut connection = Connection::open(target).await?;
    let mut waiting = messages.iter();
    let mut unanswered = 0_u16;
    loop {
        while unanswered < limits::WINDOW
            && let Some((topic, message)) = waiting.next()
        {
            let sent = connection.client.try_publish(topic, QoS::AtLeastOnce, true, message.payload.clone());
            sent.map_err(|error| explain(target, &Trouble::Other(error.to_string())))?;
            unanswered = unanswered.saturating_add(1);
        }
        if unanswered == 0 {
            return Ok(());
        }
        match connection.next(limits::ANSWER_PATIENCE).await? {
            Some(Event::Incoming(Packet::PubAck(_))) => unanswered = unanswered.saturating_sub(1),
            Some(_) => {}
            None => return Err(explain(target, &Trouble::TimedOut)),
        }
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
