//! What is shown of a device: entities with their controls.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::size_of;

use super::template::{TemplateError, render};
use crate::limits::DEVICE_VALUE_BYTES;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) topic: Box<str>,
    /// Empty: the payload is the value.
    pub(super) template: Box<str>,
}

/// Where a value goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) topic: Box<str>,
    /// Empty: the value is the payload. Else it stands for `{{ value }}`.
    pub(super) template: Box<str>,
}

/// What kind of value it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `on` or `off`, and the payloads that say so, in that order.
    Switch { write: [Box<str>; 2], read: [Box<str>; 2] },
    /// A number in its range, as the device writes it.
    Number { min: Box<str>, max: Box<str> },
    /// One of these.
    Choice(Vec<Box<str>>),
    /// `RRGGBB`; the device takes three numbers with commas where that is said.
    Color { with_commas: bool },
    /// Any text.
    Text,
    /// Actions, and the payloads that begin them.
    Actions(Vec<(&'static str, Box<str>)>),
}

/// A value of an entity, that can be seen or set or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) reads: Vec<Read>,
    pub(super) write: Option<Write>,
    pub(super) unit: Box<str>,
    pub(super) value: Option<Box<str>>,
    /// Its template is not supported: what is shown is the message as it came.
    pub(super) is_raw: bool,
}

/// Whether a device is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Availability {
    pub(super) read: Read,
    pub(super) online: Box<str>,
    pub(super) offline: Box<str>,
    pub(super) is_online: Option<bool>,
}

/// Something that is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entity {
    /// What announced it: one of these replaces the other.
    pub(super) source: Box<str>,
    pub(super) component: &'static str,
    pub(super) name: Box<str>,
    pub(super) device: Box<str>,
    pub(super) controls: Vec<Control>,
    pub(super) availability: Vec<Availability>,
}

/// Why a value cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetError {
    #[error("there is no device of this name; `devices` lists them")]
    NoDevice,
    #[error("the device has no such value; `devices` shows which it has")]
    NoKey,
    #[error("this value can only be read")]
    ReadOnly,
    #[error("the device does not take this value")]
    BadValue,
    #[error("what the device wants to be sent is written in a way that this firmware does not know")]
    Unsupported,
}

impl Read {
    fn value(&self, payload: &str) -> Result<String, TemplateError> {
        if self.template.is_empty() { Ok(payload.to_owned()) } else { render(&self.template, payload) }
    }
}

impl Kind {
    /// A value in the form in which it is shown.
    fn shown(&self, value: String) -> String {
        match self {
            Self::Switch { read: [on, off], .. } => {
                if value.eq_ignore_ascii_case(on) {
                    "on".to_owned()
                } else if value.eq_ignore_ascii_case(off) {
                    "off".to_owned()
                } else {
                    value
                }
            }
            Self::Color { .. } => color_of(&value).unwrap_or(value),
            _ => value,
        }
    }

    /// The payload that sets a value.
    fn payload(&self, value: &str) -> Result<String, SetError> {
        match self {
            Self::Switch { write: [on, off], .. } => match value {
                "on" => Ok(String::from(&**on)),
                "off" => Ok(String::from(&**off)),
                _ => Err(SetError::BadValue),
            },
            Self::Number { min, max } => {
                let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
                let given = number(value).ok_or(SetError::BadValue)?;
                let fits =
                    number(min).is_none_or(|min| given >= min) && number(max).is_none_or(|max| given <= max);
                if fits { Ok(value.to_owned()) } else { Err(SetError::BadValue) }
            }
            Self::Choice(choices) => {
                let choice = choices.iter().find(|choice| ***choice == *value);
                choice.map(|choice| String::from(&**choice)).ok_or(SetError::BadValue)
            }
            Self::Color { with_commas } => {
                let color = color_of(value).ok_or(SetError::BadValue)?;
                Ok(if *with_commas { commas(&color) } else { color })
            }
            Self::Text => Ok(value.to_owned()),
            Self::Actions(actions) => {
                let action = actions.iter().find(|(name, _)| *name == value);
                action.map(|(_, payload)| String::from(&**payload)).ok_or(SetError::BadValue)
            }
        }
    }
}

/// `RRGGBB` of what devices say: that, with `#` or further digits, or three numbers with commas.
fn color_of(text: &str) -> Option<String> {
    let mut parts = text.split(',').map(|part| part.trim().parse::<u8>().ok());
    if let (Some(Some(red)), Some(Some(green)), Some(Some(blue)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    {
        return Some(format!("{red:02X}{green:02X}{blue:02X}"));
    }
    let digits = text.strip_prefix('#').unwrap_or(text).get(..6)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| digits.to_ascii_uppercase())
}

fn commas(color: &str) -> String {
    let part =
        |at: usize| color.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0);
    format!("{},{},{}", part(0), part(2), part(4))
}

impl Control {
    /// A control that shows nothing yet.
    pub(super) fn new(key: &'static str, kind: Kind) -> Self {
        Self { key, kind, reads: Vec::new(), write: None, unit: Box::default(), value: None, is_raw: false }
    }

    /// Takes a message; whether what is shown has changed.
    fn take(&mut self, topic: &str, payload: &str) -> bool {
        for read in &self.reads {
            if *read.topic != *topic {
                continue;
            }
            let (value, is_raw) = match read.value(payload) {
                Ok(value) => (self.kind.shown(value), false),
                // A message about something else.
                Err(TemplateError::Undefined) => continue,
                Err(TemplateError::Unsupported) => (payload.to_owned(), true),
            };
            let value = bounded(&value);
            let changed = self.value.as_deref() != Some(value);
            self.value = Some(value.into());
            self.is_raw = is_raw;
            return changed;
        }
        false
    }

    /// The message that sets a value: topic and payload.
    pub(super) fn set(&self, value: &str) -> Result<(&str, String), SetError> {
        let write = self.write.as_ref().ok_or(SetError::ReadOnly)?;
        let payload = self.kind.payload(value)?;
        if write.template.is_empty() {
            return Ok((&write.topic, payload));
        }
        // Of what a command template may hold only the value is known here.
        let uses_value = write.template.contains("{{");
        match render(&write.template, &payload) {
            Ok(payload) if uses_value => Ok((&write.topic, payload)),
            _ => Err(SetError::Unsupported),
        }
    }

    fn bytes(&self) -> usize {
        let kind = match &self.kind {
            Kind::Switch { write, read } => write.iter().chain(read).map(|text| text.len()).sum(),
            Kind::Number { min, max } => min.len() + max.len(),
            Kind::Choice(choices) => choices.iter().map(|choice| size_of::<Box<str>>() + choice.len()).sum(),
            Kind::Color { .. } | Kind::Text => 0,
            Kind::Actions(actions) => {
                actions.iter().map(|(_, payload)| size_of::<(&str, Box<str>)>() + payload.len()).sum()
            }
        };
        let reads: usize = self.reads.iter().map(read_bytes).sum();
        let write = self.write.as_ref().map_or(0, |write| write.topic.len() + write.template.len());
        // What a value may become counts from the beginning, so that no message can break the budget.
        size_of::<Self>() + kind + reads + write + self.unit.len() + DEVICE_VALUE_BYTES
    }
}

fn read_bytes(read: &Read) -> usize {
    size_of::<Read>() + read.topic.len() + read.template.len()
}

/// As much of a value as is kept.
fn bounded(value: &str) -> &str {
    let end = (0..=DEVICE_VALUE_BYTES.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
    value.get(..end.unwrap_or(0)).unwrap_or_default()
}

impl Entity {
    /// Takes a message; whether what is shown has changed.
    pub(super) fn take(&mut self, topic: &str, payload: &str) -> bool {
        let mut changed = false;
        for control in &mut self.controls {
            changed |= control.take(topic, payload);
        }
        for availability in &mut self.availability {
            if *availability.read.topic == *topic
                && let Ok(value) = availability.read.value(payload)
            {
                let is_online = match value {
                    value if value == *availability.online => Some(true),
                    value if value == *availability.offline => Some(false),
                    _ => continue,
                };
                changed |= availability.is_online != is_online;
                availability.is_online = is_online;
            }
        }
        changed
    }

    /// Whether another announcement says the same.
    pub(super) fn is_same_but_for_values(&self, other: &Self) -> bool {
        let mut mine = self.clone();
        for control in &mut mine.controls {
            (control.value, control.is_raw) = (None, false);
        }
        for availability in &mut mine.availability {
            availability.is_online = None;
        }
        mine == *other
    }

    /// The topics of which nothing has been heard yet.
    pub(super) fn silent_topics(&self) -> impl Iterator<Item = &str> {
        let controls = self.controls.iter().filter(|control| control.value.is_none());
        let reads = controls.flat_map(|control| &control.reads);
        let availability = self.availability.iter().filter(|one| one.is_online.is_none());
        reads.chain(availability.map(|one| &one.read)).map(|read| &*read.topic)
    }

    /// Whether it is there; `None` while it has not said so, or never does.
    pub(super) fn is_online(&self) -> Option<bool> {
        // The last one that has said anything counts, as Home Assistant has it by default.
        self.availability.iter().rev().find_map(|availability| availability.is_online)
    }

    /// Every topic that it hears.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        let reads = self.controls.iter().flat_map(|control| &control.reads);
        let reads = reads.chain(self.availability.iter().map(|availability| &availability.read));
        reads.map(|read| &*read.topic)
    }

    /// Memory that it takes at most.
    pub(super) fn bytes(&self) -> usize {
        let controls: usize = self.controls.iter().map(Control::bytes).sum();
        let availability: usize = self
            .availability
            .iter()
            .map(|one| {
                size_of::<Availability>() + read_bytes(&one.read) + one.online.len() + one.offline.len()
            })
            .sum();
        size_of::<Self>() + self.source.len() + self.name.len() + self.device.len() + controls + availability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: Kind, template: &str) -> Control {
        let read = Read { topic: "state".into(), template: template.into() };
        let write = Write { topic: "set".into(), template: Box::default() };
        Control { reads: Vec::from([read]), write: Some(write), ..Control::new("state", kind) }
    }

    fn switch() -> Kind {
        Kind::Switch { write: ["1".into(), "0".into()], read: ["ON".into(), "OFF".into()] }
    }

    #[test]
    fn values_are_shown_in_one_form() {
        let mut light = control(switch(), "");
        assert!(light.take("state", "ON") && !light.take("state", "on"));
        assert_eq!(light.value.as_deref(), Some("on"));
        assert!(!light.take("other", "OFF"));
        assert!(light.take("state", "what?"));
        assert_eq!(light.value.as_deref(), Some("what?"));
        let mut color = control(Kind::Color { with_commas: true }, "");
        for (said, shown) in
            [("255,128,0", "FF8000"), ("#a0b0c0", "A0B0C0"), ("FF800000FF", "FF8000"), ("red", "red")]
        {
            color.take("state", said);
            assert_eq!(color.value.as_deref(), Some(shown));
        }
        let mut sensor = control(Kind::Text, "{{ value_json.t }}");
        sensor.take("state", "{\"t\":21}");
        assert!(!sensor.take("state", "{\"u\":1}"), "about something else");
        assert_eq!(sensor.value.as_deref(), Some("21"));
        let mut odd = control(Kind::Text, "{% for %}");
        odd.take("state", "raw");
        assert_eq!((odd.value.as_deref(), odd.is_raw), (Some("raw"), true));
        sensor.take("state", &format!("{{\"t\":\"{}\"}}", "ü".repeat(DEVICE_VALUE_BYTES)));
        assert!(sensor.value.unwrap().len() <= DEVICE_VALUE_BYTES);
    }

    #[test]
    fn values_are_set_as_the_device_wants_them() {
        let set = |control: &Control, value: &str| {
            control.set(value).map(|(topic, payload)| format!("{topic} {payload}"))
        };
        let light = control(switch(), "");
        assert_eq!(set(&light, "on").unwrap(), "set 1");
        assert_eq!(set(&light, "ON"), Err(SetError::BadValue));
        let number = control(Kind::Number { min: "0".into(), max: "100".into() }, "");
        assert_eq!(set(&number, "12.5").unwrap(), "set 12.5");
        for bad in ["-1", "101", "x", "NaN", "inf"] {
            assert_eq!(set(&number, bad), Err(SetError::BadValue), "{bad}");
        }
        assert_eq!(set(&control(Kind::Color { with_commas: true }, ""), "FF8000").unwrap(), "set 255,128,0");
        assert_eq!(set(&control(Kind::Color { with_commas: false }, ""), "#ff8000").unwrap(), "set FF8000");
        let choice = control(Kind::Choice(Vec::from(["a".into()])), "");
        assert_eq!(
            (set(&choice, "a").unwrap(), set(&choice, "b")),
            ("set a".into(), Err(SetError::BadValue))
        );
        let cover = control(Kind::Actions(Vec::from([("open", "OPEN".into())])), "");
        assert_eq!(set(&cover, "open").unwrap(), "set OPEN");
        let mut templated = control(Kind::Text, "");
        let with = |template: &str| Some(Write { topic: "set".into(), template: template.into() });
        templated.write = with("{\"v\":{{ value }}}");
        assert_eq!(set(&templated, "7").unwrap(), "set {\"v\":7}");
        templated.write = with("{{ states.x }}");
        assert_eq!(set(&templated, "7"), Err(SetError::Unsupported));
        templated.write = None;
        assert_eq!(set(&templated, "7"), Err(SetError::ReadOnly));
    }
}
