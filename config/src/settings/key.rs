//! What a key of the table is, and what is made from it: allowed values in words, tables for pages.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use super::capability::{Capabilities, Capability};
use super::form::Form;
use super::rights;
use super::table::KEYS;
use super::value::Value;
use crate::limits::{FILTERS_LIMIT, FILTERS_LIMIT_BYTES, RIGHTS_LIMIT, RIGHTS_LIMIT_BYTES};

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Permanent id of its flash record.
    pub id: u16,
    /// Dotted name, `section.name`: the words of the console and the tables of the file.
    pub name: &'static str,
    /// What values it takes, and which one it has when nothing is set.
    pub kind: Kind,
    /// Unit of its numbers; empty if it has none.
    pub unit: &'static str,
    /// What a board must have for it to have an effect.
    pub needs: Option<Capability>,
    /// One line for the person who sets it.
    pub help: &'static str,
}

/// The kinds of values, each with its range and default.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// What 0 stands for where it is allowed besides the range; empty where it is not.
        zero: &'static str,
        /// Smallest allowed value.
        min: u32,
        /// Largest allowed value; decides the width of the flash record.
        max: u32,
        /// Value when nothing is set.
        default: u32,
    },
    /// True or false.
    Switch {
        /// Value when nothing is set.
        default: bool,
    },
    /// One of several names.
    Choice {
        /// The names; flash holds the index.
        names: &'static [&'static str],
        /// Index when nothing is set.
        default: u8,
    },
    /// Text of a form.
    Text {
        /// What it must look like.
        form: Form,
        /// Text when nothing is set.
        default: &'static str,
    },
    /// Text that goes in and never comes out. Nothing is set by default.
    Secret {
        /// What it must look like.
        form: Form,
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

impl Kind {
    pub(super) const fn number(min: u32, max: u32, default: u32) -> Self {
        Self::Integer { zero: "", min, max, default }
    }

    pub(super) const fn number_or_zero(zero: &'static str, min: u32, max: u32, default: u32) -> Self {
        Self::Integer { zero, min, max, default }
    }

    /// Whether it is a number that is allowed here.
    pub(super) fn allows_number(&self, number: u32) -> bool {
        match self {
            Self::Integer { zero, min, max, .. } => {
                (min..=max).contains(&&number) || (number == 0 && !zero.is_empty())
            }
            _ => false,
        }
    }
}

/// What stands for a secret in every listing.
pub(super) const SECRET_SET: &str = "(set)";
/// What stands for a secret that is not there.
pub(super) const SECRET_NOT_SET: &str = "(not set)";

impl Key {
    pub(super) const fn new(id: u16, name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { id, name, kind, unit: "", needs: None, help }
    }

    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    pub(super) const fn needs(self, capability: Capability) -> Self {
        Self { needs: Some(capability), ..self }
    }

    /// The key of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().copied().find(|key| key.name == name)
    }

    pub(super) fn find_id(id: u16) -> Option<&'static Key> {
        KEYS.iter().copied().find(|key| key.id == id)
    }

    /// Whether its value goes in and never comes out.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret { .. })
    }

    /// What a board lacks on which this key has no effect.
    #[must_use]
    pub fn lacks(&self, board: Capabilities) -> Option<Capability> {
        self.needs.filter(|capability| !board.has(*capability))
    }

    /// Value when nothing is set, as text.
    #[must_use]
    pub fn default_text(&self) -> String {
        match &self.kind {
            Kind::Integer { default, .. } => default.to_string(),
            Kind::Switch { default } => switch_text(*default).to_string(),
            Kind::Choice { names, default } => {
                names.get(usize::from(*default)).copied().unwrap_or_default().to_string()
            }
            Kind::Secret { .. } => SECRET_NOT_SET.to_string(),
            Kind::Text { default, .. } | Kind::Filters { default } | Kind::Rights { default } => {
                (*default).to_string()
            }
        }
    }

    pub(super) fn is_default(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (Kind::Integer { default, .. }, Value::Integer(number)) => number == default,
            (Kind::Switch { default }, Value::Switch(on)) => on == default,
            (Kind::Choice { default, .. }, Value::Choice(index)) => index == default,
            (Kind::Text { default, .. }, Value::Text(text))
            | (Kind::Filters { default }, Value::Filters(text))
            | (Kind::Rights { default }, Value::Rights(text)) => text == default,
            _ => false,
        }
    }

    /// The allowed values in words: `1..=120 s`, `never | loopback | always`.
    #[must_use]
    pub fn allowed(&self) -> Allowed<'_> {
        Allowed { kind: &self.kind, unit: self.unit }
    }
}

pub(super) const fn switch_text(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

/// The table in Markdown, for a page.
#[must_use]
pub fn markdown_table() -> String {
    let mut text =
        String::from("| key | id | allowed | default | needs | what |\n|---|---|---|---|---|---|\n");
    for key in KEYS {
        let cell = |text: &str| text.replace('|', "\\|");
        let default = match key.default_text() {
            text if text.is_empty() => String::from("(empty)"),
            text if key.is_secret() => text,
            text => format!("`{text}`"),
        };
        text.push_str(&format!(
            "| `{}` | {} | {} | {default} | {} | {} |\n",
            key.name,
            key.id,
            cell(&key.allowed().to_string()),
            key.needs.map_or("", Capability::name),
            cell(key.help),
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
            Kind::Integer { zero, min, max, .. } => {
                if !zero.is_empty() {
                    write!(formatter, "0 ({zero}) or ")?;
                }
                write!(formatter, "{min}..={max}")?;
                if !self.unit.is_empty() {
                    write!(formatter, " {}", self.unit)?;
                }
                Ok(())
            }
            Kind::Switch { .. } => formatter.write_str("true | false"),
            Kind::Choice { names, .. } => {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        formatter.write_str(" | ")?;
                    }
                    formatter.write_str(name)?;
                }
                Ok(())
            }
            Kind::Text { form, .. } | Kind::Secret { form } => formatter.write_str(form.allowed()),
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
