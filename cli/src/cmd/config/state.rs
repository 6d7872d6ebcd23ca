//! What a device says of its settings and users.

use std::fmt;

use obkmq_config::line::{Command, Fields};
use obkmq_config::settings::{Entry, Key};
use serde::Serialize;

use crate::failure::Failure;
use crate::serial::session::Session;

/// All of it. Inside a transaction, what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) settings: Vec<Setting>,
    pub(super) users: Vec<User>,
}

impl State {
    pub(super) fn read(session: &mut Session) -> Result<Self, Failure> {
        let rows = session.request(&Command::List)?.rows;
        Ok(Self { settings: rows.iter().map(Setting::from_fields).collect(), users: users(session)? })
    }

    pub(super) fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }
}

/// A setting as the device lists it. One of newer firmware may be unknown here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) default: bool,
    /// Why it has no effect there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl Setting {
    pub(super) fn from_fields(fields: &Fields) -> Self {
        let text = |key| fields.get(key).unwrap_or_default().to_owned();
        Self {
            key: text("key"),
            value: text("value"),
            default: fields.get("default") == Some("yes"),
            note: fields.get("note").map(str::to_owned),
        }
    }

    /// As an entry of the table, if this program knows the key.
    pub(super) fn entry(&self) -> Option<Entry> {
        let key = Key::find(&self.key)?;
        Some(Entry { key, value: self.value.clone(), is_default: self.default })
    }
}

/// A user as the device lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) rights: String,
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rights.as_str() {
            "everything" => self.name.fmt(formatter),
            "" => write!(formatter, "{} (no rights)", self.name),
            rights => write!(formatter, "{} ({rights})", self.name),
        }
    }
}

/// All users with what they may do. A device that knows no rights lets everybody do everything.
pub(super) fn users(session: &mut Session) -> Result<Vec<User>, Failure> {
    let reply = session.request(&Command::UserList)?;
    let described = reply.rows.iter().filter_map(|row| {
        let rights = row.get("rights").unwrap_or("everything").to_owned();
        Some(User { name: row.get("name")?.to_owned(), rights })
    });
    Ok(described.collect())
}

/// The names of all users.
pub(super) fn names(session: &mut Session) -> Result<Vec<String>, Failure> {
    Ok(users(session)?.into_iter().map(|user| user.name).collect())
}
