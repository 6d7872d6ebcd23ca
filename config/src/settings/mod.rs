//! The settings of a device: what differs from the defaults of the [table of keys](KEYS), its users, and the records
//! of newer firmware that this one does not know.
//!
//! Invariants: every stored value is one its key allows and differs from its default; users are ordered by name; the
//! flash form fits [`ENCODED_LIMIT`]. A refused change changes nothing.

mod capability;
mod check;
mod draft;
mod error;
mod filters;
mod form;
mod key;
mod records;
mod rights;
mod table;
#[cfg(test)]
mod tests;
mod user;
mod value;
mod values;
mod zone;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use capability::{Capabilities, Capability};
pub use draft::Draft;
pub(crate) use error::shorten;
#[cfg(feature = "toml")]
pub(crate) use error::{DidYouMean, closest};
pub use error::{SettingError, Stale};
pub use form::Form;
pub use key::{Allowed, Key, Kind, markdown_table};
pub use records::{DecodeError, RecordProblem, SCHEMA};
pub use rights::{Right, Rights, check_rights};
pub use table::KEYS;
pub use user::{User, check_name};
pub use value::{AccessPoint, Anonymous, LogLevel};
pub use zone::{Offset, Zone};

use crate::limits::{ENCODED_LIMIT, USERS_LIMIT};
use crate::password::PasswordHash;
use records::Unknown;
use value::Value;

/// All settings of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    schema: u16,
    generation: u32,
    /// In the order of the keys' ids.
    values: Vec<(&'static Key, Value)>,
    /// In the order of their names.
    users: Vec<User>,
    /// Names and canonical lists, in the order of the names; only what is not the default. A name without a user is kept:
    /// the file names users whose password is still to come, and an older firmware may have deleted one.
    rights: Vec<(String, String)>,
    /// In the order of their ids; records of one id as they were found.
    unknown: Vec<Unknown>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            generation: 0,
            values: Vec::new(),
            users: Vec::new(),
            rights: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, with its range, unit and help.
    pub key: &'static Key,
    /// The value as text; of a secret only whether it is there.
    pub value: String,
    /// Whether that is the default.
    pub is_default: bool,
}

impl Settings {
    /// Counts commits; 0 for settings that were never stored.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Raises the generation to at least `generation`: for a device that knows of a newer one that is lost, so that what
    /// it commits next is newer still.
    pub fn raise_generation(&mut self, generation: u32) {
        self.generation = self.generation.max(generation);
    }

    /// Version of the flash records: this firmware's, or that of a newer one that wrote them before.
    #[must_use]
    pub fn schema(&self) -> u16 {
        self.schema
    }

    /// One setting by its name.
    pub fn get(&self, key: &str) -> Result<Entry, SettingError> {
        Key::find(key).map(|key| self.entry(key)).ok_or_else(|| SettingError::unknown_key(key))
    }

    /// Every setting, in the table's order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        KEYS.iter().map(|key| self.entry(key))
    }

    fn entry(&self, key: &'static Key) -> Entry {
        match self.stored(key) {
            Some(value) => Entry { key, value: value.to_text(key), is_default: false },
            None => Entry { key, value: key.default_text(), is_default: true },
        }
    }

    /// Checks a text and makes it the value of a key.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), SettingError> {
        let key = Key::find(key).ok_or_else(|| SettingError::unknown_key(key))?;
        let value = Value::parse(key, text)?;
        self.change(|settings| {
            settings.forget(key);
            if !key.is_default(&value) {
                let at = settings.values.partition_point(|(other, _)| other.id < key.id);
                settings.values.insert(at, (key, value));
            }
            Ok(())
        })
    }

    /// Takes a secret over from other settings; whether it is set there.
    pub fn keep_secret(&mut self, key: &'static Key, from: &Self) -> bool {
        match from.stored(key) {
            Some(Value::Secret(secret)) => {
                let secret = secret.clone();
                // What fits there fits here, unless the rest has grown.
                self.set(key.name, &secret).is_ok()
            }
            _ => false,
        }
    }

    /// Gives a key its default again.
    pub fn unset(&mut self, key: &str) -> Result<(), SettingError> {
        let key = Key::find(key).ok_or_else(|| SettingError::unknown_key(key))?;
        self.forget(key);
        Ok(())
    }

    /// Users, in the order of their names.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.find_user(name).ok().and_then(|at| self.users.get(at))
    }

    /// Adds a user, or gives an existing one another password.
    pub fn set_user(&mut self, name: &str, password: PasswordHash) -> Result<(), SettingError> {
        let user = User::new(name, password)?;
        self.change(|settings| {
            match settings.find_user(name) {
                Ok(at) => {
                    if let Some(place) = settings.users.get_mut(at) {
                        *place = user;
                    }
                }
                Err(_) if settings.users.len() >= USERS_LIMIT => return Err(SettingError::TooManyUsers),
                Err(at) => settings.users.insert(at, user),
            }
            Ok(())
        })
    }

    /// Deletes a user.
    pub fn remove_user(&mut self, name: &str) -> Result<(), SettingError> {
        let at = self.find_user(name).map_err(|_| SettingError::UnknownUser { given: shorten(name) })?;
        self.users.remove(at);
        self.rights.retain(|(user, _)| user != name);
        Ok(())
    }

    /// What the user of that name may do; everything but commanding the device where nobody has said otherwise.
    #[must_use]
    pub fn user_rights(&self, name: &str) -> Rights<'_> {
        let found = self.find_rights(name).ok().and_then(|at| self.rights.get(at));
        Rights::new(found.map_or(rights::DEFAULT, |(_, list)| list))
    }

    /// Sets what a user may do; an empty list allows nothing.
    pub fn set_user_rights(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        self.find_user(name).map_err(|_| SettingError::UnknownUser { given: shorten(name) })?;
        self.set_rights_of_name(name, text)
    }

    /// The same, also for a user who is added afterwards.
    pub(crate) fn set_rights_of_name(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        check_name(name)?;
        let list = rights::canonical(text, true).map_err(|reason| SettingError::bad_rights(text, reason))?;
        self.change(|settings| {
            settings.rights.retain(|(user, _)| user != name);
            if list == rights::DEFAULT {
                return Ok(());
            }
            if settings.rights.len() >= USERS_LIMIT {
                return Err(SettingError::TooManyUsers);
            }
            let at = settings.rights.partition_point(|(user, _)| user.as_str() < name);
            settings.rights.insert(at, (name.to_string(), list));
            Ok(())
        })
    }

    /// The flash form; at most [`ENCODED_LIMIT`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        records::encode(self)
    }

    /// Reads the flash form. Any bytes are read or refused, none panic.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        records::decode(bytes)
    }

    /// How many records of newer firmware are kept.
    #[must_use]
    pub fn unknown_records(&self) -> usize {
        self.unknown.len()
    }

    fn forget(&mut self, key: &Key) {
        self.values.retain(|(other, _)| other.id != key.id);
    }

    fn find_user(&self, name: &str) -> Result<usize, usize> {
        self.users.binary_search_by(|user| user.name().cmp(name))
    }

    fn find_rights(&self, name: &str) -> Result<usize, usize> {
        self.rights.binary_search_by(|(user, _)| user.as_str().cmp(name))
    }

    /// Tries a change that may make the settings grow; on refusal nothing has changed.
    fn change(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<(), SettingError>,
    ) -> Result<(), SettingError> {
        let mut changed = self.clone();
        change(&mut changed)?;
        let room = records::Room::of(&changed);
        if room.total() > ENCODED_LIMIT {
            return Err(SettingError::TooLarge {
                bytes: room.total(),
                users: changed.users.len(),
                user_bytes: room.users,
                rights_bytes: room.rights,
                value_bytes: room.values,
                unknown_bytes: room.unknown,
            });
        }
        *self = changed;
        Ok(())
    }
}
