//! Commands that come over MQTT, and channels that are told there.
//!
//! As OpenBeken does it: `cmnd/<name>/<command>` executes a command with the payload as its arguments,
//! `<name>/<channel>/set` sets a channel, an empty `<name>/<channel>/get` asks for it, and `<name>/<channel>/get` with
//! its value is published whenever it changes. `<name>` is `network.hostname`.

use alloc::format;
use alloc::string::String;

use obkmq_broker::{ListenError, Origin, QoS, ReaderId, ReaderMessage};
use obkmq_config::openbeken::Rank;
use obkmq_config::settings::LogLevel;

use super::channels::{Changed, ChannelId};
use super::execute::{Caller, Outcome};
use crate::board::Board;
use crate::limits::{COMMAND_BYTES, MQTT_COMMANDS_PER_TURN};
use crate::node::Node;

/// The reader of commands.
#[derive(Default)]
pub(super) struct MqttCommands {
    reader: Option<ReaderId>,
    /// The name it listens for.
    name: String,
}

/// What a message asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Command(String),
    Set(ChannelId, String),
    Get(ChannelId),
}

/// A message that is one, from whom it came, and how many others have led to it.
struct Received {
    request: Request,
    origin: Origin,
}

impl Request {
    fn read(name: &str, topic: &str, payload: &[u8]) -> Option<Self> {
        let payload = core::str::from_utf8(payload).ok()?;
        if topic.len().saturating_add(payload.len()) > COMMAND_BYTES {
            return None;
        }
        let command = topic.strip_prefix("cmnd/").and_then(|rest| rest.strip_prefix(name)?.strip_prefix('/'));
        if let Some(command) = command {
            let is_word = !command.is_empty()
                && command.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return is_word.then(|| Self::Command(format!("{command} {payload}")));
        }
        let (number, verb) = topic.strip_prefix(name)?.strip_prefix('/')?.split_once('/')?;
        let channel = ChannelId::new(number.parse().ok()?)?;
        match verb {
            "set" => Some(Self::Set(channel, payload.into())),
            // With a payload it is an answer.
            "get" if payload.is_empty() => Some(Self::Get(channel)),
            _ => None,
        }
    }
}

impl<B: Board> Node<B> {
    /// Listens for commands under the name that the settings give, if it does not do so already.
    fn listen_for_commands(&mut self) -> Option<ReaderId> {
        let name = self.settings.hostname();
        if self.automation.mqtt.name == name && self.automation.mqtt.reader.is_some() {
            return self.automation.mqtt.reader;
        }
        let name = String::from(name);
        let reader = match self.automation.mqtt.reader {
            Some(reader) => reader,
            None => self.broker.open_reader().ok()?,
        };
        self.broker.close_reader(reader);
        let filters = [format!("cmnd/{name}/+"), format!("{name}/+/set"), format!("{name}/+/get")];
        let listening: Result<(), ListenError> =
            filters.iter().zip(0..).try_for_each(|(filter, tag)| self.broker.listen(reader, filter, tag));
        if let Err(error) = listening {
            self.log(LogLevel::Error, format_args!("no commands are taken over MQTT: {error}"));
        }
        self.automation.mqtt = MqttCommands { reader: Some(reader), name };
        Some(reader)
    }

    /// Executes what has come over MQTT, a bounded number of messages in a turn.
    pub(super) fn poll_mqtt_commands(&mut self) {
        let Some(reader) = self.listen_for_commands() else { return };
        for _ in 0..MQTT_COMMANDS_PER_TURN {
            if !self.broker.is_reader_waiting(reader) {
                return;
            }
            let mut received = None;
            let name = core::mem::take(&mut self.automation.mqtt.name);
            let _ = self.broker.next_message(reader, |message| received = read_message(&name, &message));
            self.automation.mqtt.name = name;
            if let Some(received) = received {
                self.execute_received(received);
            }
        }
    }

    /// Whether commands wait.
    pub(crate) fn has_mqtt_commands(&self) -> bool {
        self.automation.mqtt.reader.is_some_and(|reader| self.broker.is_reader_waiting(reader))
    }

    fn execute_received(&mut self, Received { request, origin }: Received) {
        let (rank, depth) = match origin {
            Origin::Client(user) if self.broker.rights().is_admin(user) => (Rank::Admin, 0),
            Origin::Client(_) => (Rank::Client, 0),
            // A script of this board, or a rule.
            Origin::Board { depth } => (Rank::Admin, depth),
        };
        let caller = Caller { rank, thread: None, depth, nesting: 0 };
        let (outcome, about) = match request {
            Request::Command(line) => {
                let name = line.split(' ').next().unwrap_or_default();
                (self.run_command(caller, &line), format!("cmnd/{}/{name}", self.automation.mqtt.name))
            }
            Request::Set(channel, value) => {
                let outcome = match self.evaluate_whole(&value) {
                    Ok(value) => {
                        let changed = self.automation.channels.set(channel, value);
                        self.channel_changed(changed, depth);
                        Outcome::ok()
                    }
                    Err(outcome) => outcome,
                };
                (outcome, format!("{}/{}/set", self.automation.mqtt.name, channel.number()))
            }
            Request::Get(channel) => {
                self.publish_value(channel, depth);
                return;
            }
        };
        // What a client sends is not repeated: it may be long, or a secret.
        if !outcome.is_ok() {
            self.log(LogLevel::Warn, format_args!("{about}: {outcome}"));
        }
    }

    /// Tells clients that a channel has changed.
    pub(super) fn publish_channel(&mut self, changed: Changed, depth: u8) {
        if !self.automation.channels.is_private(changed.channel) {
            self.publish_value(changed.channel, depth);
        }
    }

    fn publish_value(&mut self, channel: ChannelId, depth: u8) {
        let topic = format!("{}/{}/get", self.settings.hostname(), channel.number());
        let value = format!("{}", self.automation.channels.get(channel));
        let depth = depth.saturating_add(1);
        // Without memory it is dropped and counted, as any message at QoS 0.
        let _ = self.broker.publish_after(self.now, depth, &topic, value.as_bytes(), QoS::AtMostOnce, false);
    }
}

/// What a message asks for. Retained ones are nobody's command of now.
fn read_message(name: &str, message: &ReaderMessage<'_>) -> Option<Received> {
    if message.retained_for.is_some() {
        return None;
    }
    let request = Request::read(name, message.topic, message.payload)?;
    Some(Received { request, origin: message.origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_openbekens() {
        let read = |topic, payload: &[u8]| Request::read("attic", topic, payload);
        let channel = |number| ChannelId::new(number).unwrap();
        assert_eq!(read("cmnd/attic/POWER2", b"ON"), Some(Request::Command("POWER2 ON".into())));
        assert_eq!(read("attic/5/set", b"1"), Some(Request::Set(channel(5), "1".into())));
        assert_eq!(read("attic/5/get", b""), Some(Request::Get(channel(5))));
        for (topic, payload) in [
            ("attic/5/get", &b"1"[..]),
            ("attic/64/set", b"1"),
            ("attic/x/set", b"1"),
            ("attic/5/toggle", b"1"),
            ("cmnd/cellar/POWER", b""),
            ("cmnd/attic/", b""),
            ("cmnd/attic/a;b", b""),
            ("cmnd/attic/echo", b"\xff"),
            ("cmnd/attic/echo", &[b'x'; COMMAND_BYTES]),
        ] {
            assert_eq!(read(topic, payload), None, "{topic}");
        }
    }
}
