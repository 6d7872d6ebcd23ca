//! What is known of the devices, inside its budget.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::entity::{Entity, SetError};
use super::{home_assistant, tasmota};
use crate::limits::{DISCOVERY_FILTERS, DISCOVERY_TOPIC_BYTES};

/// Devices that a Tasmota discovery is about: what it said of itself is needed again for its sensors.
#[derive(Debug)]
struct TasmotaDevice {
    address: Box<str>,
    /// The topic by which it goes.
    topic: Box<str>,
    config: Box<[u8]>,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// In the order in which they were announced.
    entities: Vec<Entity>,
    tasmota: Vec<TasmotaDevice>,
    /// Of all of these.
    bytes: usize,
    /// Announcements for which there was no room, by what they are known by. Only so many are told apart.
    not_shown: BTreeSet<Box<str>>,
    /// Announcements that could not be read.
    pub(crate) not_understood: u32,
}

/// An entity as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown<'a> {
    pub(crate) name: String,
    pub(crate) component: &'static str,
    pub(crate) is_online: Option<bool>,
    pub(crate) values: Vec<ShownValue<'a>>,
}

/// A value of an entity as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownValue<'a> {
    pub(crate) key: &'static str,
    /// `None` while nothing is known of it.
    pub(crate) value: Option<&'a str>,
    pub(crate) unit: &'a str,
    pub(crate) can_be_set: bool,
    pub(crate) is_raw: bool,
}

/// What a message has led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Something else is shown than before.
    pub(crate) is_changed: bool,
    /// Other topics are to be heard than before.
    pub(crate) hears_others: bool,
    /// A Tasmota device is known now, and what it said of its sensors may have come before.
    pub(crate) asks_again: bool,
}

impl Registry {
    /// Takes a message into account.
    pub(crate) fn take(&mut self, topic: &str, payload: &[u8], budget_bytes: usize) -> Effect {
        if topic.len() > DISCOVERY_TOPIC_BYTES {
            return Effect::default();
        }
        if let Some((component, source)) = home_assistant::announced(topic) {
            return self.announce(source, payload, budget_bytes, |payload| {
                home_assistant::entities(component, source, payload)
            });
        }
        if let Some((address, is_sensors)) = tasmota::announced(topic) {
            return self.take_tasmota(address, is_sensors, payload, budget_bytes);
        }
        let Ok(payload) = core::str::from_utf8(payload) else { return Effect::default() };
        let mut effect = Effect::default();
        for entity in &mut self.entities {
            effect.is_changed |= entity.take(topic, payload);
        }
        let plain = topic.strip_prefix("tele/").and_then(|rest| rest.strip_suffix("/LWT"));
        if let Some(device) = plain
            && !device.contains('/')
            && !payload.is_empty()
            && !self.is_known(device, topic)
        {
            let mut entity = tasmota::plain(device, topic);
            entity.take(topic, payload);
            effect = self.replace(&tasmota::plain_source(device), Vec::from([entity]), budget_bytes);
        }
        effect
    }

    /// Whether somebody has announced the device behind a topic.
    fn is_known(&self, device: &str, lwt: &str) -> bool {
        self.entities.iter().any(|entity| {
            entity.source == tasmota::plain_source(device)
                || entity.availability.iter().any(|one| &*one.read.topic == lwt)
                || entity.topics().any(|topic| topic.split('/').any(|level| level == device))
        })
    }

    fn announce(
        &mut self,
        source: &str,
        payload: &[u8],
        budget_bytes: usize,
        read: impl FnOnce(&[u8]) -> Result<Vec<Entity>, super::json::NoJson>,
    ) -> Effect {
        let entities = if payload.is_empty() { Ok(Vec::new()) } else { read(payload) };
        match entities {
            Ok(entities) => self.replace(source, entities, budget_bytes),
            Err(super::json::NoJson) => {
                self.not_understood = self.not_understood.saturating_add(1);
                Effect::default()
            }
        }
    }

    fn take_tasmota(
        &mut self,
        address: &str,
        is_sensors: bool,
        payload: &[u8],
        budget_bytes: usize,
    ) -> Effect {
        let source = format!("tasmota/{address}/{}", if is_sensors { "sensors" } else { "relays" });
        let known = self.tasmota.iter().position(|device| *device.address == *address);
        if is_sensors {
            // Retained messages come in any order; this one is asked for again then.
            let Some(known) = known.and_then(|at| self.tasmota.get(at)) else { return Effect::default() };
            let config = known.config.clone();
            return self.announce(&source, payload, budget_bytes, |payload| {
                tasmota::sensors(&source, &config, payload)
            });
        }
        if let Some(known) = known {
            let device = self.tasmota.remove(known);
            self.bytes -= device.bytes();
        }
        let mut topic = String::new();
        let effect = self.announce(&source, payload, budget_bytes, |payload| {
            let (entities, its_topic) = tasmota::entities(&source, payload)?;
            topic = its_topic;
            Ok(entities)
        });
        if topic.is_empty() {
            return effect;
        }
        let device = TasmotaDevice { address: address.into(), topic: topic.into(), config: payload.into() };
        // It is no plain device any more.
        let plain = tasmota::plain_source(&device.topic);
        if self.bytes.saturating_add(device.bytes()) <= budget_bytes {
            self.bytes += device.bytes();
            self.tasmota.push(device);
        }
        let gone = self.replace(&plain, Vec::new(), budget_bytes);
        Effect {
            is_changed: true,
            hears_others: effect.hears_others || gone.hears_others,
            asks_again: known.is_none(),
        }
    }

    /// Puts entities in the place of what the same source has announced before. What finds no room is counted.
    fn replace(&mut self, source: &str, entities: Vec<Entity>, budget_bytes: usize) -> Effect {
        let is_of = |entity: &Entity| {
            entity.source.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut former: Vec<Entity> = Vec::new();
        self.entities.retain_mut(|entity| {
            let is_former = is_of(entity);
            if is_former {
                former.push(core::mem::take(entity));
            }
            !is_former
        });
        self.bytes -= former.iter().map(Entity::bytes).sum::<usize>();
        self.not_shown.remove(source);
        let mut is_whole = true;
        let mut added = Vec::new();
        for mut entity in entities {
            // The same announcement again says nothing new, and what is known of its values stays.
            if let Some(same) = former.iter().find(|former| former.is_same_but_for_values(&entity)) {
                entity = same.clone();
            }
            let bytes = entity.bytes();
            if self.bytes.saturating_add(bytes) > budget_bytes {
                is_whole = false;
                continue;
            }
            self.bytes += bytes;
            added.push(entity);
        }
        if !is_whole && self.not_shown.len() < DISCOVERY_FILTERS {
            self.not_shown.insert(source.to_owned().into());
        }
        let is_changed = former != added;
        let topics = |entities: &[Entity]| -> BTreeSet<String> {
            entities.iter().flat_map(Entity::topics).map(ToOwned::to_owned).collect()
        };
        let hears_others = topics(&former) != topics(&added);
        self.entities.extend(added);
        if self.entities.is_empty() {
            self.entities = Vec::new();
        }
        Effect { is_changed, hears_others, asks_again: false }
    }

    /// Topics of which nothing has been heard yet, each once.
    pub(crate) fn silent_topics(&self) -> BTreeSet<String> {
        self.entities.iter().flat_map(Entity::silent_topics).map(ToOwned::to_owned).collect()
    }

    /// Memory in use, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many announcements found no room.
    pub(crate) fn not_shown(&self) -> usize {
        self.not_shown.len()
    }

    /// Filters for all topics that are to be heard, few enough for one reader: where there are too many, wider ones.
    pub(crate) fn filters(&self) -> Vec<String> {
        // None begins with a wildcard: every message of a client would have to be looked at.
        let fixed = [home_assistant::FILTER, tasmota::FILTER, tasmota::LWT_FILTER];
        // Exact topics, then all of a device, then all of its first level.
        for levels in [usize::MAX, 2, 1] {
            let mut filters: BTreeSet<String> = fixed.map(ToOwned::to_owned).into_iter().collect();
            for topic in self.entities.iter().flat_map(Entity::topics) {
                filters.insert(widened(topic, levels));
            }
            if filters.len() <= DISCOVERY_FILTERS {
                return filters.into_iter().collect();
            }
        }
        Vec::from(["#".to_owned()])
    }

    /// All entities, each with a name of its own.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        self.entities.iter().enumerate().map(|(at, entity)| Shown {
            name: self.name(at),
            component: entity.component,
            is_online: entity.is_online(),
            values: entity
                .controls
                .iter()
                .map(|control| ShownValue {
                    key: control.key,
                    value: control.value.as_deref(),
                    unit: &control.unit,
                    can_be_set: control.write.is_some(),
                    is_raw: control.is_raw,
                })
                .collect(),
        })
    }

    /// The name of an entity: its device's and its own, and a number if others have the same.
    fn name(&self, at: usize) -> String {
        let plain = |entity: &Entity| match (&*entity.device, &*entity.name) {
            (device, "") => device.to_owned(),
            (device, name) if device.is_empty() || name.starts_with(device) => name.to_owned(),
            (device, name) => format!("{device} {name}"),
        };
        let name = self.entities.get(at).map(plain).unwrap_or_default();
        let before = self.entities.iter().take(at).filter(|entity| plain(entity) == name).count();
        if before == 0 { name } else { format!("{name} ({})", before + 1) }
    }

    /// The message that sets a value of an entity: topic and payload.
    pub(crate) fn set(&self, name: &str, key: &str, value: &str) -> Result<(&str, String), SetError> {
        let at = (0..self.entities.len()).find(|at| self.name(*at) == name).ok_or(SetError::NoDevice)?;
        let entity = self.entities.get(at).ok_or(SetError::NoDevice)?;
        let control = entity.controls.iter().find(|control| control.key == key).ok_or(SetError::NoKey)?;
        control.set(value)
    }
}

impl TasmotaDevice {
    fn bytes(&self) -> usize {
        core::mem::size_of::<Self>() + self.address.len() + self.topic.len() + self.config.len()
    }
}

/// A topic's first levels and all below.
fn widened(topic: &str, levels: usize) -> String {
    match topic.match_indices('/').nth(levels.saturating_sub(1)) {
        Some((at, _)) if levels != usize::MAX => format!("{}/#", topic.get(..at).unwrap_or(topic)),
        _ => topic.to_owned(),
    }
}
