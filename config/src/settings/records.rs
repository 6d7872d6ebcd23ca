//! The flash form: a header and then records in ascending order of their ids, all integers little-endian.
//!
//! ```text
//! header  "obkS" · schema u16 · generation u32
//! record  id u16 · length u16 · value
//! ```
//!
//! * Integers are as wide as the largest value of their key needs (1, 2 or 4 bytes); a reader takes any of 1 to 4, so
//!   that a range may grow without a new id. A switch is one byte, 0 or 1, a choice one byte, its index. A text, a
//!   secret and a list of filters or rights are their UTF-8. Secrets stand there in clear: a radio needs the password
//!   itself.
//! * Each user is one record of the same id, ordered by name: name length u8 · name · iterations u32 · salt · hash.
//! * Users whose hash is mosquitto's have records of another id, ordered by name: name length u8 · name · kind u8 (6 or
//!   7) · iterations u32 · salt length u8 · salt · hash. Firmware that does not know them keeps them. Where it has set a
//!   password for such a name, there are records of both ids, and the newer password is the one that counts.
//! * The rights of each user that are not the default are one record of the same id, ordered by name: name length u8 ·
//!   name · list of rights as text. There may be one for a name without a user.
//! * A value equal to its default is not written. Records with ids that this version does not know are kept byte for
//!   byte, repeated ones included, so that an older firmware does not lose a newer one's values.
//!
//! [`decode`] is total: any bytes give settings or an error that names the record. Integrity is not checked here: the
//! flash store has a checksum over the whole item.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use super::key::{Key, Kind};
use super::user::{User, check_name};
use super::value::Value;
use super::{Settings, filters, rights};
use crate::limits::{ENCODED_LIMIT, USERS_LIMIT};
use crate::password::PasswordHash;

/// Version of the meaning of the records. It rises when a record of a known id changes its meaning, which is to be
/// avoided: new ids need no new schema.
pub const SCHEMA: u16 = 1;

const MAGIC: [u8; 4] = *b"obkS";
pub(super) const HEADER_BYTES: usize = 10;
const RECORD_HEADER_BYTES: usize = 4;
/// Id of user records: above every key's.
const USER_ID: u16 = 0x1000;
/// Id of the records of users' rights. (0x1001 stands in a fixture as a record that nobody knows.)
const USER_RIGHTS_ID: u16 = 0x1002;
/// Id of the records of users whose hash is mosquitto's.
const MOSQUITTO_USER_ID: u16 = 0x1003;

/// A record this version does not know. Its value may be a secret, so `Debug` shows only its length.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) id: u16,
    pub(super) value: Vec<u8>,
}

impl fmt::Debug for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Unknown(id {}, {} bytes)", self.id, self.value.len())
    }
}

/// Why bytes are not settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short, or not starting as settings do.
    #[error("these bytes are not settings")]
    NotSettings,
    /// More than one flash item holds.
    #[error("{bytes} bytes of settings are more than {ENCODED_LIMIT}")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
    },
    /// A record cannot be read.
    #[error("{} at byte {offset}: {problem}", RecordName(*.id))]
    Record {
        /// Id of the record; `None` where not even that is whole.
        id: Option<u16>,
        /// Where the record starts.
        offset: usize,
        /// What is wrong with it.
        problem: RecordProblem,
    },
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordProblem {
    /// The bytes end inside it.
    #[error("cut short")]
    Truncated,
    /// Its id is below the one before it, or its user's name is.
    #[error("out of order")]
    OutOfOrder,
    /// The key or the user was there already.
    #[error("there twice")]
    Duplicate,
    /// The value is not one its key allows.
    #[error("bad value")]
    BadValue,
    /// More users than there may be.
    #[error("too many users")]
    TooManyUsers,
}

struct RecordName(Option<u16>);

impl fmt::Display for RecordName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => formatter.write_str("record"),
            Some(USER_ID | MOSQUITTO_USER_ID) => formatter.write_str("user record"),
            Some(USER_RIGHTS_ID) => formatter.write_str("record of a user's rights"),
            Some(id) => match Key::find_id(id) {
                Some(key) => write!(formatter, "record of {}", key.name),
                None => write!(formatter, "record {id}"),
            },
        }
    }
}

/// Bytes that [`encode`] gives, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) values: usize,
    pub(super) users: usize,
    pub(super) rights: usize,
    pub(super) unknown: usize,
}

impl Room {
    pub(super) fn of(settings: &Settings) -> Self {
        let with_header = |length: usize| length.saturating_add(RECORD_HEADER_BYTES);
        let values = settings.values.iter().map(|(key, value)| value_len(key, value));
        let users = settings.users.iter().map(user_len);
        let rights = settings
            .rights
            .iter()
            .map(|(name, list)| name.len().saturating_add(list.len()).saturating_add(1));
        let unknown = settings.unknown.iter().map(|record| record.value.len());
        Self {
            values: values.map(with_header).sum(),
            users: users.map(with_header).sum(),
            rights: rights.map(with_header).sum(),
            unknown: unknown.map(with_header).sum(),
        }
    }

    pub(super) fn total(self) -> usize {
        [self.values, self.users, self.rights, self.unknown]
            .into_iter()
            .fold(HEADER_BYTES, usize::saturating_add)
    }
}

pub(super) fn encode(settings: &Settings) -> Vec<u8> {
    let mut records: Vec<(u16, Vec<u8>)> = Vec::new();
    records.extend(settings.values.iter().map(|(key, value)| (key.id, encode_value(key, value))));
    records.extend(settings.users.iter().map(|user| (user_id(user), encode_user(user))));
    records.extend(settings.rights.iter().map(|(name, list)| (USER_RIGHTS_ID, encode_rights(name, list))));
    records.extend(settings.unknown.iter().map(|record| (record.id, record.value.clone())));
    // Stable: users stay in the order of their names, unknown records of one id in the order they were found.
    records.sort_by_key(|(id, _)| *id);

    let mut bytes = Vec::with_capacity(Room::of(settings).total());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&settings.schema.to_le_bytes());
    bytes.extend_from_slice(&settings.generation.to_le_bytes());
    for (id, value) in records {
        bytes.extend_from_slice(&id.to_le_bytes());
        // Every value is below `ENCODED_LIMIT`, as all of them together are.
        bytes.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend_from_slice(&value);
    }
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Settings, DecodeError> {
    if bytes.len() > ENCODED_LIMIT {
        return Err(DecodeError::TooLarge { bytes: bytes.len() });
    }
    let mut reader = Reader(bytes);
    let header = (reader.array::<4>(), reader.array::<2>(), reader.array::<4>());
    let (Some(MAGIC), Some(schema), Some(generation)) = header else {
        return Err(DecodeError::NotSettings);
    };
    let schema = u16::from_le_bytes(schema);
    if schema == 0 {
        return Err(DecodeError::NotSettings);
    }
    let mut settings = Settings {
        // An older firmware writes a newer one's records back, so it writes the newer schema back too.
        schema: schema.max(SCHEMA),
        generation: u32::from_le_bytes(generation),
        ..Settings::default()
    };
    let mut last_id = 0;
    while !reader.0.is_empty() {
        let offset = bytes.len().saturating_sub(reader.0.len());
        let fail = |id: Option<u16>, problem| Err(DecodeError::Record { id, offset, problem });
        let Some(id) = reader.array::<2>().map(u16::from_le_bytes) else {
            return fail(None, RecordProblem::Truncated);
        };
        let length = reader.array::<2>().map(u16::from_le_bytes);
        let Some(value) = length.and_then(|length| reader.slice(usize::from(length))) else {
            return fail(Some(id), RecordProblem::Truncated);
        };
        if id < last_id {
            return fail(Some(id), RecordProblem::OutOfOrder);
        }
        let repeated = id == last_id;
        last_id = id;
        if let Err(problem) = decode_record(&mut settings, id, value, repeated) {
            return fail(Some(id), problem);
        }
    }
    Ok(settings)
}

fn decode_record(
    settings: &mut Settings,
    id: u16,
    value: &[u8],
    repeated: bool,
) -> Result<(), RecordProblem> {
    if id == USER_ID {
        let user = decode_user(value, PasswordHash::decode_own).ok_or(RecordProblem::BadValue)?;
        follows(settings.users.last().map(User::name), user.name())?;
        settings.add_user(user)?;
    } else if id == MOSQUITTO_USER_ID {
        let user = decode_user(value, PasswordHash::decode_mosquittos).ok_or(RecordProblem::BadValue)?;
        let last = settings.users.iter().rev().find(|user| user.password().is_mosquittos());
        follows(last.map(User::name), user.name())?;
        settings.add_user(user)?;
    } else if id == USER_RIGHTS_ID {
        let (name, list) = decode_rights(value).ok_or(RecordProblem::BadValue)?;
        follows(settings.rights.last().map(|(last, _)| last.as_str()), &name)?;
        if settings.rights.len() >= USERS_LIMIT {
            return Err(RecordProblem::TooManyUsers);
        }
        if list != rights::DEFAULT {
            settings.rights.push((name, list));
        }
    } else if let Some(key) = Key::find_id(id) {
        if repeated {
            return Err(RecordProblem::Duplicate);
        }
        let value = decode_value(key, value).ok_or(RecordProblem::BadValue)?;
        if !key.is_default(&value) {
            settings.values.push((key, value));
        }
    } else {
        settings.unknown.push(Unknown { id, value: value.to_vec() });
    }
    Ok(())
}

/// Whether records of one id may have these names one after the other.
fn follows(last: Option<&str>, name: &str) -> Result<(), RecordProblem> {
    match last.map(|last| last.cmp(name)) {
        None | Some(Ordering::Less) => Ok(()),
        Some(Ordering::Equal) => Err(RecordProblem::Duplicate),
        Some(Ordering::Greater) => Err(RecordProblem::OutOfOrder),
    }
}

impl Settings {
    /// Puts a user where its name belongs. A user of that name who is there already stays: only an older firmware sets a
    /// password beside a record that it does not know.
    fn add_user(&mut self, user: User) -> Result<(), RecordProblem> {
        let Err(at) = self.find_user(user.name()) else { return Ok(()) };
        if self.users.len() >= USERS_LIMIT {
            return Err(RecordProblem::TooManyUsers);
        }
        self.users.insert(at, user);
        Ok(())
    }
}

/// Width of an integer record: the smallest of 1, 2 and 4 bytes that holds the key's largest value.
fn integer_width(max: u32) -> usize {
    match max {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

fn value_len(key: &Key, value: &Value) -> usize {
    match (value, &key.kind) {
        (Value::Integer(_), Kind::Integer { max, .. }) => integer_width(*max),
        (Value::Integer(_), _) => 4,
        (Value::Switch(_) | Value::Choice(_), _) => 1,
        (Value::Text(text) | Value::Secret(text) | Value::Filters(text) | Value::Rights(text), _) => {
            text.len()
        }
    }
}

fn encode_value(key: &Key, value: &Value) -> Vec<u8> {
    match value {
        Value::Integer(number) => number.to_le_bytes().into_iter().take(value_len(key, value)).collect(),
        Value::Switch(on) => Vec::from([u8::from(*on)]),
        Value::Choice(index) => Vec::from([*index]),
        Value::Text(text) | Value::Secret(text) | Value::Filters(text) | Value::Rights(text) => {
            text.clone().into_bytes()
        }
    }
}

fn decode_value(key: &Key, bytes: &[u8]) -> Option<Value> {
    match &key.kind {
        Kind::Integer { .. } => {
            let mut wide = [0_u8; 4];
            if bytes.is_empty() || bytes.len() > wide.len() {
                return None;
            }
            for (to, from) in wide.iter_mut().zip(bytes) {
                *to = *from;
            }
            let number = u32::from_le_bytes(wide);
            key.kind.allows_number(number).then_some(Value::Integer(number))
        }
        Kind::Switch { .. } => match bytes {
            [0] => Some(Value::Switch(false)),
            [1] => Some(Value::Switch(true)),
            _ => None,
        },
        Kind::Choice { names, .. } => match bytes {
            [index] if usize::from(*index) < names.len() => Some(Value::Choice(*index)),
            _ => None,
        },
        Kind::Text { form, .. } => in_one_form(bytes, |text| form.canonical(text)).map(Value::Text),
        Kind::Secret { form } => in_one_form(bytes, |text| form.canonical(text)).map(Value::Secret),
        Kind::Filters { .. } => in_one_form(bytes, filters::canonical).map(Value::Filters),
        Kind::Rights { .. } => in_one_form(bytes, |text| rights::canonical(text, false)).map(Value::Rights),
    }
}

/// A text that stands in its one form.
fn in_one_form(bytes: &[u8], canonical: impl FnOnce(&str) -> Result<String, &'static str>) -> Option<String> {
    let text = core::str::from_utf8(bytes).ok()?;
    let one = canonical(text).ok()?;
    (one == text).then_some(one)
}

fn user_id(user: &User) -> u16 {
    if user.password().is_mosquittos() { MOSQUITTO_USER_ID } else { USER_ID }
}

fn user_len(user: &User) -> usize {
    user.name().len().saturating_add(1).saturating_add(user.password().encoded_len())
}

fn encode_user(user: &User) -> Vec<u8> {
    let name = user.name().as_bytes();
    let mut bytes = Vec::with_capacity(user_len(user));
    // A checked name is at most 64 bytes.
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(name);
    user.password().encode(&mut bytes);
    bytes
}

fn decode_user(bytes: &[u8], decode: fn(&[u8]) -> Option<PasswordHash>) -> Option<User> {
    let mut reader = Reader(bytes);
    let [name_len] = reader.array::<1>()?;
    let name = String::from_utf8(reader.slice(usize::from(name_len))?.to_vec()).ok()?;
    User::new(&name, decode(reader.0)?).ok()
}

fn encode_rights(name: &str, list: &str) -> Vec<u8> {
    // A checked name is at most 64 bytes.
    let mut bytes = Vec::from([u8::try_from(name.len()).unwrap_or(u8::MAX)]);
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(list.as_bytes());
    bytes
}

/// A name and its list; a list that is not in its one form is none.
fn decode_rights(bytes: &[u8]) -> Option<(String, String)> {
    let mut reader = Reader(bytes);
    let [name_len] = reader.array::<1>()?;
    let name = String::from_utf8(reader.slice(usize::from(name_len))?.to_vec()).ok()?;
    check_name(&name).ok()?;
    in_one_form(reader.0, |text| rights::canonical(text, true)).map(|list| (name, list))
}

/// What is left of the bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }
}
