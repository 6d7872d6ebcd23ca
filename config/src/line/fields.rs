//! The `key=value` words of a reply.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;
use core::str::FromStr;

use super::word::{Word, needs_escape, push_escaped, write_word};

/// Named values, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Cow<'static, str>, String)>);

impl Fields {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// These and one more. `key` is one word without `=`, quotes or spaces.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Display) -> Self {
        self.0.push((Cow::Borrowed(key), value.to_string()));
        self
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    /// The value of a key, read as something else than text.
    #[must_use]
    pub fn parse<T: FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.parse().ok()
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn write(&self, line: &mut String) {
        for (key, value) in self.iter() {
            line.push(' ');
            line.push_str(key);
            line.push('=');
            if value.is_empty() {
                continue;
            }
            write_word(line, value);
        }
    }

    /// For people: values bare, only control characters escaped.
    pub(super) fn write_plain(&self, text: &mut String) {
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                text.push_str("  ");
            }
            text.push_str(key);
            text.push('=');
            for character in value.chars() {
                if character.is_control() {
                    push_escaped(text, character);
                } else {
                    text.push(character);
                }
            }
        }
    }

    /// Reads words; `None` if one of them is no field.
    pub(super) fn from_words<'a>(words: impl Iterator<Item = &'a Word<'a>>) -> Option<Self> {
        words
            .map(|word| {
                let (key, value) = word.text().split_once('=')?;
                // What could not be written as a field again is none: quotes hold any text, a key must not.
                let bare = !key.chars().any(|character| character == ' ' || needs_escape(character));
                (bare && !key.is_empty()).then(|| (Cow::Owned(key.to_string()), value.to_string()))
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// Takes the first field, which must be of this key, as a number.
    pub(super) fn take_first(&mut self, key: &str) -> Option<u32> {
        let number = self.0.first().filter(|(other, _)| other == key)?.1.parse().ok()?;
        self.0.remove(0);
        Some(number)
    }

    /// Takes the field of this key as a number; `None` if there is none or it is no number.
    pub(super) fn take(&mut self, key: &str) -> Option<u32> {
        let at = self.0.iter().position(|(other, _)| other == key)?;
        self.0.remove(at).1.parse().ok()
    }
}
