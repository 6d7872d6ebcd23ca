//! Settings as a file for people, under version control (TOML 1.1).
//!
//! [`parse`] gives settings and, apart from them, the passwords and other secrets that the file only refers to: the
//! caller reads the variable or file, because nothing here does. A secret in clear is refused, as the file is made to
//! be shared.
//! Every mistake of a file is reported at once, each with its line and column.

mod read;
#[cfg(test)]
mod tests;
mod write;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::settings::{Key, Settings};

pub use read::parse;
pub use write::{export, write};

/// Stands in a file for a password or secret that the device keeps.
const KEEP: &str = "keep";

/// What a settings file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFile {
    /// Values, and the users whose hash stands in the file. Everything the file does not name has its default.
    pub settings: Settings,
    /// Users whose password is elsewhere: resolve it, hash it and give it to
    /// [`Settings::set_user`](crate::settings::Settings::set_user).
    pub passwords: Vec<PasswordReference>,
    /// Secrets, which are always elsewhere: resolve each and give it to
    /// [`Settings::set`](crate::settings::Settings::set).
    pub secrets: Vec<SecretReference>,
}

/// A secret setting that the file refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// The setting.
    pub key: &'static Key,
    /// Where the secret is.
    pub source: PasswordSource,
    /// Where the reference stands in the file.
    pub position: Position,
}

/// A user whose password the file refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordReference {
    /// Name of the user; already checked.
    pub user: String,
    /// Where the password is.
    pub source: PasswordSource,
    /// Where the reference stands in the file.
    pub position: Position,
}

/// Where a password or another secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// In the environment variable of that name.
    Environment(String),
    /// In the file at that path, relative to the settings file; a line end at its end does not count.
    File(String),
    /// On the device, which keeps the one it has. What an exported file says, as no password comes out of a device.
    Keep,
}

impl PasswordSource {
    /// Reads `env:NAME`, `file:PATH` or `keep`.
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == KEEP => Some(Self::Keep),
            Some(("env", name)) if !name.is_empty() => Some(Self::Environment(name.to_string())),
            Some(("file", path)) if !path.is_empty() => Some(Self::File(path.to_string())),
            _ => None,
        }
    }
}

/// A place in a file, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// Where a byte offset lies in a text.
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1),
            column: before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// One mistake in a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub position: Position,
    /// Key path, given value, allowed range and what to do, as far as they apply.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.position, self.message)
    }
}

/// Everything that is wrong with a settings file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            mistake.fmt(formatter)?;
        }
        Ok(())
    }
}

impl core::error::Error for FileError {}
