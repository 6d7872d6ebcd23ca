//! Devices that announce themselves: Home Assistant's discovery, Tasmota's own, and those that only show their topics.
//!
//! # Invariants
//! * Only what is shown is kept, inside of `discovery.memory_bytes`; what finds no room is counted, and a value never takes more
//!   than was counted for it.
//! * What a template shows that is not supported is shown as it came, and marked.
//! * One turn takes a bounded number of messages.

mod entity;
mod home_assistant;
mod json;
mod keys;
mod registry;
mod tasmota;
mod template;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use obkmq_broker::{Heard, Instant, QoS, ReaderId};
use obkmq_config::line::{ErrorCode, Fields};
use obkmq_config::settings::LogLevel;

use crate::board::Board;
use crate::console::Answer;
use crate::limits::DISCOVERY_MESSAGES_PER_TURN;
use crate::node::Node;
use registry::{Effect, Registry};

/// Where devices of Home Assistant learn that somebody listens: OpenBeken's resend their states then.
const STATUS_TOPIC: &str = "homeassistant/status";

/// What is known of the devices, and how it is heard.
#[derive(Default)]
pub(crate) struct Discovery {
    registry: Registry,
    reader: Option<ReaderId>,
    is_listening: bool,
    /// The filters in use with their tags.
    filters: Vec<(String, u32)>,
    last_tag: u32,
}

impl<B: Board> Node<B> {
    /// Takes what devices say, a bounded number of messages, and says when it wants to be called again.
    pub(crate) fn poll_discovery(&mut self) -> Option<Instant> {
        let wanted = self.settings.discovery_enabled() && !self.locked;
        if wanted != self.discovery.is_listening {
            self.switch_discovery(wanted);
        }
        let reader = self.discovery.reader.filter(|_| wanted)?;
        let budget_bytes = usize::try_from(self.settings.discovery_memory_bytes()).unwrap_or(usize::MAX);
        let mut effect = Effect::default();
        for _ in 0..DISCOVERY_MESSAGES_PER_TURN {
            let Self { broker, discovery, .. } = self;
            let registry = &mut discovery.registry;
            let heard = broker.next_message(reader, |message| {
                effect += registry.take(message.topic, message.payload, budget_bytes);
            });
            if heard == Heard::Nothing {
                break;
            }
        }
        if effect.hears_others || effect.asks_again {
            self.hear(reader, effect.asks_again);
            self.look_up_silent(budget_bytes);
        }
        self.broker.is_reader_waiting(reader).then_some(self.now)
    }

    fn switch_discovery(&mut self, on: bool) {
        if self.discovery.reader.is_none() {
            self.discovery.reader = self.broker.open_reader().ok();
        }
        let Some(reader) = self.discovery.reader else { return };
        self.broker.close_reader(reader);
        self.discovery.filters = Vec::new();
        self.discovery.registry = Registry::default();
        self.discovery.is_listening = on;
        if on {
            self.hear(reader, false);
            // Nobody needs it who comes later: without memory it is dropped and counted, as any message at QoS 0.
            let _ = self.broker.publish(self.now, STATUS_TOPIC, b"online", QoS::AtMostOnce, false);
        }
    }

    /// Listens to the topics that are needed now. `again`: to Tasmota's announcements once more.
    fn hear(&mut self, reader: ReaderId, again: bool) {
        let wanted = self.discovery.registry.filters();
        let Self { broker, discovery, .. } = self;
        discovery.filters.retain(|(filter, tag)| {
            let stays = wanted.contains(filter) && !(again && filter == tasmota::FILTER);
            if !stays {
                broker.stop_listening(reader, *tag);
            }
            stays
        });
        let mut refused = None;
        for filter in wanted {
            if discovery.filters.iter().any(|(other, _)| *other == filter) {
                continue;
            }
            discovery.last_tag = discovery.last_tag.wrapping_add(1);
            match broker.listen(reader, &filter, discovery.last_tag) {
                Ok(()) => discovery.filters.push((filter, discovery.last_tag)),
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            self.log(LogLevel::Warn, format_args!("devices cannot be heard: {error}"));
        }
    }

    /// Looks up what was said before anybody listened: a topic that several entities share is told once only.
    fn look_up_silent(&mut self, budget_bytes: usize) {
        let Self { broker, discovery, .. } = self;
        for topic in discovery.registry.silent_topics() {
            if let Some(retained) = broker.retained(&topic) {
                discovery.registry.take(&topic, retained.payload, budget_bytes);
            }
        }
    }

    /// Whether a device has something to say.
    pub(crate) fn has_device_messages(&self) -> bool {
        let reader = self.discovery.reader.filter(|_| self.discovery.is_listening);
        reader.is_some_and(|reader| self.broker.is_reader_waiting(reader))
    }

    /// The devices that are shown.
    pub(crate) fn list_devices(&self) -> Answer {
        let registry = &self.discovery.registry;
        let rows = registry.shown().map(|device| {
            let online = match device.is_online {
                Some(true) => "yes",
                Some(false) => "no",
                None => "unknown",
            };
            let mut fields = Fields::new()
                .with("name", &device.name)
                .with("component", device.component)
                .with("online", online);
            let mut can_be_set = String::new();
            for value in &device.values {
                if let Some(text) = value.value {
                    fields = fields.with(value.key, text);
                }
                if value.can_be_set {
                    can_be_set.push_str(if can_be_set.is_empty() { "" } else { "," });
                    can_be_set.push_str(value.key);
                }
            }
            if let Some(unit) = device.values.iter().map(|value| value.unit).find(|unit| !unit.is_empty()) {
                fields = fields.with("unit", unit);
            }
            if !can_be_set.is_empty() {
                fields = fields.with("set", can_be_set);
            }
            if device.values.iter().any(|value| value.is_raw) {
                fields = fields.with("note", "shown as it came: its template is not supported");
            }
            fields
        });
        let end = Fields::new()
            .with("not_shown", registry.not_shown())
            .with("not_understood", registry.not_understood)
            .with("bytes", registry.bytes());
        Answer { rows: rows.collect(), end: Ok(end) }
    }

    /// Sets a value of a device.
    pub(crate) fn set_device(&mut self, name: &str, key: &str, value: &str) -> Answer {
        let Self { broker, discovery, now, .. } = self;
        let (topic, payload) = match discovery.registry.set(name, key, value) {
            Ok(message) => message,
            Err(error) => {
                let code = match error {
                    entity::SetError::NoDevice | entity::SetError::NoKey => ErrorCode::NotThere,
                    _ => ErrorCode::BadValue,
                };
                return Answer::refuse(code, alloc::format!("{error}"));
            }
        };
        match broker.publish(*now, topic, payload.as_bytes(), QoS::AtMostOnce, false) {
            Ok(()) => Answer::ok(),
            Err(error) => Answer::refuse(ErrorCode::BadValue, alloc::format!("{error}")),
        }
    }
}

impl core::ops::AddAssign for Effect {
    fn add_assign(&mut self, other: Self) {
        self.is_changed |= other.is_changed;
        self.hears_others |= other.hears_others;
        self.asks_again |= other.asks_again;
    }
}
