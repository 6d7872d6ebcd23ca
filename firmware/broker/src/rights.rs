//! What a user may read and write: topic patterns, as in the ACL files of mosquitto.
//!
//! A pattern is a topic filter in which `%u` stands for the user's name and `%c` for the client identifier, as a whole
//! level or as a part of one. Rights fail closed:
//!
//! * Whoever is not listed may nothing, and who has no rule for a topic may not touch it.
//! * A name or identifier that is empty or contains `+`, `#` or `/` fits no pattern that uses it: it would say more than
//!   the one level its place stands for.
//! * A pattern reaches topics that begin with `$` only if it begins with `$` itself, whatever the client is called
//!   \[MQTT-4.7.2-1\].
//! * Nobody writes to `$SYS`.
//!
//! A question costs one pass over the user's own rules, without allocation.

use alloc::vec::Vec;

use obkmq_mqtt::{TopicError, TopicFilter};

use crate::limits::{MAX_RIGHTS_RULES, MAX_RIGHTS_USERS};
use crate::memory::{extend_reserved, push_reserved};
use crate::verifier::UserId;

/// The rights of all users.
///
/// Made by the owner of the broker, whole, and given to it in the place of the former ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// In the order of their ids, anonymous clients first.
    users: Vec<User>,
    /// In the order of their users.
    rules: Vec<Rule>,
    /// Names and patterns, one behind the other.
    text: Vec<u8>,
}

/// What a client wants to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Receive its messages.
    Read,
    /// Publish to it, a will included.
    Write,
}

/// How far the rights of a user reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All topics, those of the server (`$SYS`) for reading.
    Everything,
    /// The topics that the user's rules list; none without rules.
    Listed,
}

/// Why a user or rule was not added. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// There is no memory for it.
    #[error("out of memory")]
    OutOfMemory,
    /// There are as many users or rules as there may be.
    #[error("too many users or rules")]
    TooMany,
    /// The user is there already.
    #[error("the user is there already")]
    KnownUser,
    /// The rule is for nobody who was added before.
    #[error("there is no such user")]
    UnknownUser,
    /// The user's name is longer than a CONNECT can say.
    #[error("user name of more than 65535 bytes")]
    LongName,
    /// The pattern is no topic filter.
    #[error(transparent)]
    Pattern(#[from] TopicError),
}

#[derive(Debug, PartialEq, Eq)]
struct User {
    id: Option<UserId>,
    name: Span,
    scope: Scope,
    admin: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    user: Option<UserId>,
    read: bool,
    write: bool,
    /// `%u` stands in the pattern.
    needs_user: bool,
    /// `%c` stands in the pattern.
    needs_client: bool,
    pattern: Span,
}

/// A piece of [`Rights::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    length: u16,
}

/// What `%u` and `%c` stand for.
#[derive(Clone, Copy)]
struct Names<'a> {
    user: &'a [u8],
    client: &'a [u8],
}

const USER: &[u8] = b"%u";
const CLIENT: &[u8] = b"%c";

impl Rights {
    /// Nobody, who therefore may nothing.
    pub const fn new() -> Self {
        Rights { users: Vec::new(), rules: Vec::new(), text: Vec::new() }
    }

    /// Adds a user; `None` are the anonymous clients. `name` is what `%u` stands for.
    pub fn add_user(
        &mut self,
        user: Option<UserId>,
        name: &str,
        scope: Scope,
        admin: bool,
    ) -> Result<(), RightsError> {
        let Err(at) = self.users.binary_search_by_key(&user, |entry| entry.id) else {
            return Err(RightsError::KnownUser);
        };
        if self.users.len() >= MAX_RIGHTS_USERS {
            return Err(RightsError::TooMany);
        }
        self.users.try_reserve(1).map_err(|_| RightsError::OutOfMemory)?;
        let name = self.keep(name.as_bytes(), RightsError::LongName)?;
        insert_at(&mut self.users, at, User { id: user, name, scope, admin });
        Ok(())
    }

    /// Allows a user, who was added before, to read or write the topics of a pattern, or both.
    pub fn add_rule(
        &mut self,
        user: Option<UserId>,
        read: bool,
        write: bool,
        pattern: &str,
    ) -> Result<(), RightsError> {
        TopicFilter::new(pattern)?;
        if self.user(user).is_none() {
            return Err(RightsError::UnknownUser);
        }
        if self.rules.len() >= MAX_RIGHTS_RULES {
            return Err(RightsError::TooMany);
        }
        self.rules.try_reserve(1).map_err(|_| RightsError::OutOfMemory)?;
        let needs = |placeholder: &str| pattern.contains(placeholder);
        let (needs_user, needs_client) = (needs("%u"), needs("%c"));
        let pattern = self.keep(pattern.as_bytes(), RightsError::Pattern(TopicError::TooLong))?;
        let at = self.rules.partition_point(|rule| rule.user <= user);
        insert_at(&mut self.rules, at, Rule { user, read, write, needs_user, needs_client, pattern });
        Ok(())
    }

    /// Whether the user may read every topic, and write every one but those of `$SYS`.
    pub(crate) fn is_unrestricted(&self, user: Option<UserId>) -> bool {
        self.user(user).is_some_and(|user| user.scope == Scope::Everything)
    }

    /// Whether the user, under this client identifier, may read or write a topic.
    pub(crate) fn may(&self, user: Option<UserId>, client_id: &[u8], access: Access, topic: &[u8]) -> bool {
        if access == Access::Write && is_of_server(topic) {
            return false;
        }
        self.any_rule(user, client_id, access, |pattern, names| matches(pattern, names, topic))
    }

    /// Whether a subscription can have a message that the user may read: each one is judged again when it is delivered.
    /// `filter` is without the prefix of a shared subscription.
    pub(crate) fn may_subscribe(
        &self,
        user: Option<UserId>,
        client_id: &[u8],
        filter: TopicFilter<'_>,
    ) -> bool {
        let filter = filter.as_str().as_bytes();
        self.any_rule(user, client_id, Access::Read, |pattern, names| overlaps(pattern, names, filter))
    }

    /// Users with a name.
    pub(crate) fn named_users(&self) -> usize {
        self.users.iter().filter(|user| user.id.is_some()).count()
    }

    /// Whether the user may command the device over MQTT.
    pub fn is_admin(&self, user: Option<UserId>) -> bool {
        self.user(user).is_some_and(|user| user.admin)
    }

    /// Bytes of heap that all of it takes.
    pub fn heap_bytes(&self) -> usize {
        self.users.capacity() * size_of::<User>()
            + self.rules.capacity() * size_of::<Rule>()
            + self.text.capacity()
    }

    /// Whether the user may everything, or one of the rules for this access fits.
    fn any_rule(
        &self,
        id: Option<UserId>,
        client: &[u8],
        access: Access,
        fits: impl Fn(&[u8], Names<'_>) -> bool,
    ) -> bool {
        let Some(user) = self.user(id) else { return false };
        if user.scope == Scope::Everything {
            return true;
        }
        let names = Names { user: self.piece(user.name), client };
        let (user_is_level, client_is_level) = (is_one_level(names.user), is_one_level(client));
        let first = self.rules.partition_point(|rule| rule.user < id);
        let rules = self.rules.get(first..).unwrap_or_default();
        rules.iter().take_while(|rule| rule.user == id).any(|rule| {
            let granted = match access {
                Access::Read => rule.read,
                Access::Write => rule.write,
            };
            granted
                && (user_is_level || !rule.needs_user)
                && (client_is_level || !rule.needs_client)
                && fits(self.piece(rule.pattern), names)
        })
    }

    fn user(&self, id: Option<UserId>) -> Option<&User> {
        let at = self.users.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.users.get(at)
    }

    fn keep(&mut self, piece: &[u8], too_long: RightsError) -> Result<Span, RightsError> {
        let length = u16::try_from(piece.len()).map_err(|_| too_long)?;
        let start = u32::try_from(self.text.len()).map_err(|_| RightsError::TooMany)?;
        self.text.try_reserve(piece.len()).map_err(|_| RightsError::OutOfMemory)?;
        extend_reserved(&mut self.text, piece);
        Ok(Span { start, length })
    }

    fn piece(&self, span: Span) -> &[u8] {
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        self.text.get(start..start.saturating_add(span.length.into())).unwrap_or_default()
    }
}

/// Puts an element in its place; there is room for it, and `at` is not behind the end.
fn insert_at<T>(list: &mut Vec<T>, at: usize, element: T) {
    push_reserved(list, element);
    if let Some(tail) = list.get_mut(at..) {
        tail.rotate_right(1);
    }
}

fn is_of_server(topic: &[u8]) -> bool {
    topic.strip_prefix(b"$SYS").is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// Whether a name can stand for a level, or a part of one, without saying more than that.
fn is_one_level(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(|byte| matches!(byte, b'+' | b'#' | b'/'))
}

/// The levels of a topic, filter or pattern.
fn levels(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'/')
}

/// Whether a topic is one of a pattern's.
fn matches(pattern: &[u8], names: Names<'_>, topic: &[u8]) -> bool {
    if topic.starts_with(b"$") && !pattern.starts_with(b"$") {
        return false;
    }
    let mut topic = levels(topic);
    for level in levels(pattern) {
        // `#` includes the parent level: it may match no level at all.
        if level == b"#" {
            return true;
        }
        match topic.next() {
            Some(name) if level == b"+" || says(level, names, name) => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

/// Whether some topic is both one of a pattern's and one of a filter's.
fn overlaps(pattern: &[u8], names: Names<'_>, filter: &[u8]) -> bool {
    if filter.starts_with(b"$") != pattern.starts_with(b"$") || begins_with_dollar_name(pattern, names) {
        return false;
    }
    let (mut pattern, mut filter) = (levels(pattern), levels(filter));
    loop {
        match (pattern.next(), filter.next()) {
            (Some(b"#"), _) | (_, Some(b"#")) | (None, None) => return true,
            (Some(b"+"), Some(_)) | (Some(_), Some(b"+")) => {}
            (Some(level), Some(other)) if says(level, names, other) => {}
            _ => return false,
        }
    }
}

/// Whether a pattern stands for topics that begin with `$` only because of what the client is called: it then matches
/// none.
fn begins_with_dollar_name(pattern: &[u8], names: Names<'_>) -> bool {
    (pattern.starts_with(USER) && names.user.starts_with(b"$"))
        || (pattern.starts_with(CLIENT) && names.client.starts_with(b"$"))
}

/// Whether a level of a pattern, with the names in their places, says `level`.
fn says(mut pattern: &[u8], names: Names<'_>, mut level: &[u8]) -> bool {
    loop {
        let (expected, rest) = if let Some(rest) = pattern.strip_prefix(USER) {
            (names.user, rest)
        } else if let Some(rest) = pattern.strip_prefix(CLIENT) {
            (names.client, rest)
        } else if let Some((first, rest)) = pattern.split_at_checked(1) {
            (first, rest)
        } else {
            return level.is_empty();
        };
        let Some(remaining) = level.strip_prefix(expected) else { return false };
        (pattern, level) = (rest, remaining);
    }
}

#[cfg(test)]
mod tests;
