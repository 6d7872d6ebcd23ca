//! The table of keys: every setting stands here once, and everything else is made from it.
//!
//! Ids are permanent: an id is never given to another key, and the order of a choice's names never changes (their
//! index is what flash holds; new names go to the end). A key enters this table together with its effect.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use super::rights;
use super::value::{Anonymous, LogLevel, Value};
use crate::limits::{FILTERS_LIMIT, FILTERS_LIMIT_BYTES, RIGHTS_LIMIT, RIGHTS_LIMIT_BYTES};

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Dotted name, `section.name`: the words of the console and the tables of the file.
    pub name: &'static str,
    /// Permanent id of its flash record.
    pub id: u16,
    /// What values it takes, and which one it has when nothing is set.
    pub kind: Kind,
    /// Unit of its numbers; empty if it has none.
    pub unit: &'static str,
    /// One line for the person who sets it.
    pub help: &'static str,
}

/// The kinds of values, each with its range and default.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// Smallest allowed value.
        min: u32,
        /// Largest allowed value; decides the width of the flash record.
        max: u32,
        /// Value when nothing is set.
        default: u32,
    },
    /// One of several names.
    Choice {
        /// The names; flash holds the index.
        names: &'static [&'static str],
        /// Index when nothing is set.
        default: u8,
    },
    /// MQTT topic filters, separated by commas; none at all is allowed.
    Filters {
        /// List when nothing is set.
        default: &'static str,
    },
    /// Rights of clients that have no user, separated by commas; none at all is allowed.
    Rights {
        /// List when nothing is set.
        default: &'static str,
    },
}

/// TCP port of the broker.
pub(super) static MQTT_PORT: Key = Key {
    name: "mqtt.port",
    id: 1,
    kind: Kind::Integer { min: 1, max: 65_535, default: 1_883 },
    unit: "",
    help: "TCP port the broker listens on",
};

pub(super) static MQTT_ANONYMOUS: Key = Key {
    name: "mqtt.anonymous",
    id: 2,
    kind: Kind::Choice { names: Anonymous::NAMES, default: Anonymous::Never as u8 },
    unit: "",
    help: "Who may connect without a user name",
};

pub(super) static MQTT_ANONYMOUS_RIGHTS: Key = Key {
    name: "mqtt.anonymous_rights",
    id: 9,
    kind: Kind::Rights { default: rights::DEFAULT },
    unit: "",
    help: "What clients without a user name may do",
};

pub(super) static MQTT_MAX_CLIENTS: Key = Key {
    name: "mqtt.max_clients",
    id: 3,
    kind: Kind::Integer { min: 1, max: 10_000, default: 1_000 },
    unit: "clients",
    help: "Most clients connected at once; memory may end earlier",
};

pub(super) static MQTT_MAX_PACKET_BYTES: Key = Key {
    name: "mqtt.max_packet_bytes",
    id: 4,
    kind: Kind::Integer { min: 256, max: 1_048_576, default: 65_536 },
    unit: "bytes",
    help: "Largest packet a client may send; a larger one ends its connection",
};

pub(super) static MQTT_MAX_QUEUED_BYTES: Key = Key {
    name: "mqtt.max_queued_bytes",
    id: 5,
    kind: Kind::Integer { min: 1_024, max: 16_777_216, default: 65_536 },
    unit: "bytes",
    help: "Most bytes that wait for one slow or absent client",
};

pub(super) static MQTT_CONNECT_TIMEOUT_S: Key = Key {
    name: "mqtt.connect_timeout_s",
    id: 6,
    kind: Kind::Integer { min: 1, max: 120, default: 10 },
    unit: "s",
    help: "Time a new connection has to send its CONNECT packet",
};

pub(super) static RETAIN_PERSIST: Key = Key {
    name: "retain.persist",
    id: 7,
    kind: Kind::Filters { default: "homeassistant/#,tasmota/discovery/#" },
    unit: "",
    help: "Retained messages that survive a power cut",
};

pub(super) static LOG_LEVEL: Key = Key {
    name: "log.level",
    id: 8,
    kind: Kind::Choice { names: LogLevel::NAMES, default: LogLevel::Info as u8 },
    unit: "",
    help: "How much the console logs",
};

/// Every key, in the order of listings.
pub static KEYS: &[&Key] = &[
    &MQTT_PORT,
    &MQTT_ANONYMOUS,
    &MQTT_ANONYMOUS_RIGHTS,
    &MQTT_MAX_CLIENTS,
    &MQTT_MAX_PACKET_BYTES,
    &MQTT_MAX_QUEUED_BYTES,
    &MQTT_CONNECT_TIMEOUT_S,
    &RETAIN_PERSIST,
    &LOG_LEVEL,
];

impl Key {
    /// The key of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().copied().find(|key| key.name == name)
    }

    pub(super) fn find_id(id: u16) -> Option<&'static Key> {
        KEYS.iter().copied().find(|key| key.id == id)
    }

    /// Value when nothing is set, as text.
    #[must_use]
    pub fn default_text(&self) -> String {
        match &self.kind {
            Kind::Integer { default, .. } => default.to_string(),
            Kind::Choice { names, default } => {
                names.get(usize::from(*default)).copied().unwrap_or_default().to_string()
            }
            Kind::Filters { default } | Kind::Rights { default } => (*default).to_string(),
        }
    }

    pub(super) fn is_default(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (Kind::Integer { default, .. }, Value::Integer(number)) => number == default,
            (Kind::Choice { default, .. }, Value::Choice(index)) => index == default,
            (Kind::Filters { default }, Value::Filters(list))
            | (Kind::Rights { default }, Value::Rights(list)) => list == default,
            _ => false,
        }
    }

    /// The allowed values in words: `1..=120 s`, `never | loopback | always`.
    #[must_use]
    pub fn allowed(&self) -> Allowed<'_> {
        Allowed { kind: &self.kind, unit: self.unit }
    }
}

/// The table in Markdown, for a page.
#[must_use]
pub fn markdown_table() -> String {
    let mut text = String::from("| key | id | allowed | default | what |\n|---|---|---|---|---|\n");
    for key in KEYS {
        let allowed = key.allowed().to_string().replace('|', "\\|");
        text.push_str(&format!(
            "| `{}` | {} | {allowed} | `{}` | {} |\n",
            key.name,
            key.id,
            key.default_text(),
            key.help
        ));
    }
    text
}

/// Prints what a key allows.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    kind: &'a Kind,
    unit: &'a str,
}

impl fmt::Display for Allowed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Integer { min, max, .. } => {
                write!(formatter, "{min}..={max}")?;
                if !self.unit.is_empty() {
                    write!(formatter, " {}", self.unit)?;
                }
                Ok(())
            }
            Kind::Choice { names, .. } => {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        formatter.write_str(" | ")?;
                    }
                    formatter.write_str(name)?;
                }
                Ok(())
            }
            Kind::Filters { .. } => write!(
                formatter,
                "topic filters separated by commas, at most {FILTERS_LIMIT} and {FILTERS_LIMIT_BYTES} bytes"
            ),
            Kind::Rights { .. } => write!(
                formatter,
                "{} separated by commas, at most {RIGHTS_LIMIT} and {RIGHTS_LIMIT_BYTES} bytes",
                rights::ALLOWED
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn ids_and_names_are_unique() {
        let mut ids: Vec<_> = KEYS.iter().map(|key| key.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), KEYS.len());
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn every_default_is_a_value_its_key_allows() {
        for key in KEYS {
            let value = Value::parse(key, &key.default_text()).unwrap();
            assert!(key.is_default(&value), "{}", key.name);
        }
    }

    #[test]
    fn names_are_dotted_and_help_fits_a_line() {
        for key in KEYS {
            assert_eq!(key.name.split('.').count(), 2, "{}: a table and a key in the file", key.name);
            assert!(key.help.len() <= 80 && !key.help.is_empty(), "{}", key.name);
        }
    }

    #[test]
    fn allowed_is_readable() {
        assert_eq!(MQTT_CONNECT_TIMEOUT_S.allowed().to_string(), "1..=120 s");
        assert_eq!(MQTT_ANONYMOUS.allowed().to_string(), "never | loopback | always");
    }
}
