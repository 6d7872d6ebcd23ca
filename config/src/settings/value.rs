//! Checked values: text is parsed here once, and code behind this line cannot meet a bad one.

use alloc::string::{String, ToString};
use core::fmt;

use super::error::SettingError;
use super::filters;
use super::key::{Key, Kind, SECRET_SET, switch_text};
use super::rights;

/// A value that its key allows.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Integer(u32),
    Switch(bool),
    /// Index into the key's names.
    Choice(u8),
    /// In the canonical form.
    Text(String),
    /// Goes in and never comes out.
    Secret(String),
    /// Comma-separated, in the canonical form: no blanks around the commas, no filter twice.
    Filters(String),
    /// Comma-separated, in the canonical form.
    Rights(String),
}

impl Value {
    /// Reads a person's text for `key`.
    pub(super) fn parse(key: &'static Key, text: &str) -> Result<Self, SettingError> {
        match &key.kind {
            Kind::Integer { .. } => {
                // `u32::from_str` takes a plus sign; a setting does not.
                let plain = text.bytes().all(|byte| byte.is_ascii_digit());
                let number = text.parse().ok().filter(|number| plain && key.kind.allows_number(*number));
                number.map(Self::Integer).ok_or_else(|| SettingError::bad_value(key, text, ""))
            }
            Kind::Switch { .. } => match text {
                "true" => Ok(Self::Switch(true)),
                "false" => Ok(Self::Switch(false)),
                _ => Err(SettingError::bad_value(key, text, "")),
            },
            Kind::Text { form, .. } => match form.canonical(text) {
                Ok(text) => Ok(Self::Text(text)),
                Err(reason) => Err(SettingError::bad_value(key, text, reason)),
            },
            Kind::Secret { form } => match form.canonical(text) {
                Ok(text) => Ok(Self::Secret(text)),
                Err(reason) => Err(SettingError::BadSecret { key, reason }),
            },
            Kind::Choice { names, .. } => names
                .iter()
                .position(|name| *name == text)
                .and_then(|index| u8::try_from(index).ok())
                .map(Self::Choice)
                .ok_or_else(|| SettingError::bad_value(key, text, "")),
            Kind::Filters { .. } => match filters::canonical(text) {
                Ok(list) => Ok(Self::Filters(list)),
                Err(reason) => Err(SettingError::bad_value(key, text, reason)),
            },
            Kind::Rights { .. } => match rights::canonical(text, false) {
                Ok(list) => Ok(Self::Rights(list)),
                Err(reason) => Err(SettingError::bad_value(key, text, reason)),
            },
        }
    }

    /// The text [`Value::parse`] reads; of a secret only that it is there.
    pub(super) fn to_text(&self, key: &Key) -> String {
        match (self, &key.kind) {
            (Self::Choice(index), Kind::Choice { names, .. }) => {
                names.get(usize::from(*index)).copied().unwrap_or_default().to_string()
            }
            (Self::Choice(index), _) => index.to_string(),
            (Self::Integer(number), _) => number.to_string(),
            (Self::Switch(on), _) => switch_text(*on).to_string(),
            (Self::Secret(_), _) => SECRET_SET.to_string(),
            (Self::Text(text) | Self::Filters(text) | Self::Rights(text), _) => text.clone(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Switch(on) => formatter.write_str(switch_text(*on)),
            Self::Choice(index) => write!(formatter, "choice {index}"),
            Self::Secret(_) => formatter.write_str(SECRET_SET),
            Self::Text(text) | Self::Filters(text) | Self::Rights(text) => write!(formatter, "{text:?}"),
        }
    }
}

/// Who may connect without a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// Nobody.
    Never,
    /// Programs on the same machine.
    Loopback,
    /// Everybody who reaches the port.
    Always,
    /// The owner has not said: programs on the same machine if that is a PC that has no user yet, else nobody.
    Auto,
}

impl Anonymous {
    /// Names in the order of the variants, which is the order of flash.
    pub const NAMES: &'static [&'static str] = &["never", "loopback", "always", "auto"];

    /// What the setting calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Loopback => "loopback",
            Self::Always => "always",
            Self::Auto => "auto",
        }
    }

    /// Closed when in doubt: an index this version does not know lets nobody in.
    pub(super) fn from_index(index: u8) -> Self {
        match index {
            1 => Self::Loopback,
            2 => Self::Always,
            3 => Self::Auto,
            _ => Self::Never,
        }
    }
}

/// When the board opens an access point of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessPoint {
    /// While it has no network to join, or that is away for too long.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl AccessPoint {
    /// Names in the order of the variants, which is the order of flash.
    pub const NAMES: &'static [&'static str] = &["auto", "on", "off"];

    pub(super) const fn from_index(index: u8) -> Self {
        match index {
            1 => Self::On,
            2 => Self::Off,
            _ => Self::Auto,
        }
    }
}

/// How much is logged; a level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What was refused or lost.
    Warn,
    /// What happened.
    Info,
    /// What a developer asks for.
    Debug,
}

impl LogLevel {
    /// Names in the order of the variants, which is the order of flash.
    pub const NAMES: &'static [&'static str] = &["error", "warn", "info", "debug"];

    /// What the setting calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug].into_iter().find(|level| level.name() == name)
    }

    pub(super) fn from_index(index: u8) -> Self {
        match index {
            0 => Self::Error,
            1 => Self::Warn,
            3 => Self::Debug,
            _ => Self::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{
        LOG_LEVEL, MQTT_ANONYMOUS, MQTT_PORT, MQTT_SYS_INTERVAL_S, PANEL_ENABLED, WIFI_PASSWORD,
    };
    use super::*;

    #[test]
    fn integers_are_plain_decimals_in_range() {
        assert_eq!(Value::parse(&MQTT_PORT, "1"), Ok(Value::Integer(1)));
        assert_eq!(Value::parse(&MQTT_PORT, "65535"), Ok(Value::Integer(65_535)));
        for text in ["0", "65536", "+1", "-1", "", " 1", "0x10", "1e3", "4294967297", "１"] {
            assert!(Value::parse(&MQTT_PORT, text).is_err(), "{text}");
        }
    }

    #[test]
    fn zero_may_stand_for_something_beside_the_range() {
        assert_eq!(Value::parse(&MQTT_SYS_INTERVAL_S, "0"), Ok(Value::Integer(0)));
        assert!(Value::parse(&MQTT_SYS_INTERVAL_S, "86401").is_err());
    }

    #[test]
    fn switches_are_true_or_false() {
        assert_eq!(Value::parse(&PANEL_ENABLED, "true"), Ok(Value::Switch(true)));
        assert_eq!(Value::parse(&PANEL_ENABLED, "false"), Ok(Value::Switch(false)));
        for text in ["", "True", "on", "1"] {
            assert!(Value::parse(&PANEL_ENABLED, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_shows_only_that_it_is_there() {
        let secret = Value::parse(&WIFI_PASSWORD, "hunter2hunter2").unwrap();
        assert_eq!(secret.to_text(&WIFI_PASSWORD), "(set)");
        assert_eq!(alloc::format!("{secret:?}"), "(set)");
    }

    #[test]
    fn names_and_indices_agree() {
        for (index, name) in Anonymous::NAMES.iter().enumerate() {
            let index = u8::try_from(index).unwrap();
            assert_eq!(Value::parse(&MQTT_ANONYMOUS, name), Ok(Value::Choice(index)));
            assert_eq!(Anonymous::from_index(index).name(), *name);
            assert_eq!(Anonymous::from_index(index) as u8, index);
        }
        for (index, name) in LogLevel::NAMES.iter().enumerate() {
            let index = u8::try_from(index).unwrap();
            assert_eq!(Value::parse(&LOG_LEVEL, name), Ok(Value::Choice(index)));
            assert_eq!(LogLevel::from_index(index).name(), *name);
            assert_eq!(LogLevel::parse(name).map(|level| level as u8), Some(index));
        }
        assert!(Value::parse(&MQTT_ANONYMOUS, "Never").is_err());
    }
}
