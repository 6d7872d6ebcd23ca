//! Why settings are refused, worded for the person who made them.

use alloc::string::{String, ToString};

use super::key::Key;
use super::table::KEYS;
use crate::limits::{
    ENCODED_LIMIT, QUOTED_BACK_LIMIT_CHARS, RIGHTS_LIMIT, RIGHTS_LIMIT_BYTES, USER_NAME_LIMIT_BYTES,
    USERS_LIMIT,
};

/// A change of settings that is refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no such key.
    #[error("there is no setting {given:?}{}", DidYouMean(*.suggestion))]
    UnknownKey {
        /// What was given, shortened.
        given: String,
        /// The key it looks like.
        suggestion: Option<&'static str>,
    },
    /// The key does not allow this value.
    #[error("{} cannot be {given:?}{}; allowed: {} ({})", .key.name, Because(.reason), .key.allowed(), .key.help)]
    BadValue {
        /// The key, with its range and help.
        key: &'static Key,
        /// What was given, shortened.
        given: String,
        /// What exactly is wrong with it; empty where the range says all.
        reason: &'static str,
    },
    /// The key does not allow this secret, which is not repeated.
    #[error("{} cannot be that: {reason}; allowed: {} ({})", .key.name, .key.allowed(), .key.help)]
    BadSecret {
        /// The key, with its range and help.
        key: &'static Key,
        /// What exactly is wrong with it.
        reason: &'static str,
    },
    /// Two settings contradict each other.
    #[error(
        "{} = {low_value} is below {} = {high_value}, so such a packet could never be delivered; set {} to at least {high_value}",
        .low.name, .high.name, .low.name
    )]
    Contradiction {
        /// The setting that must not be the smaller one.
        low: &'static Key,
        /// Its value.
        low_value: u32,
        /// The setting it must reach.
        high: &'static Key,
        /// Its value.
        high_value: u32,
    },
    /// Two servers of the board would listen on one port.
    #[error(
        "{} and {} are both {port}; give one of them another port, or set {} to false",
        .first.name, .second.name, .switch.name
    )]
    PortClash {
        /// One of the settings.
        first: &'static Key,
        /// The other one.
        second: &'static Key,
        /// Their port.
        port: u32,
        /// What turns the second server off.
        switch: &'static Key,
    },
    /// A static address without a router on its network.
    #[error("{} {reason}; set {} to the router of that network, or unset {} (DHCP)", .address.name, .gateway.name, .address.name)]
    Gateway {
        /// The setting with the static address.
        address: &'static Key,
        /// The setting with the router.
        gateway: &'static Key,
        /// What is wrong.
        reason: &'static str,
    },
    /// The board has less than a setting asks for.
    #[error("{} = {given} is more than the {most}{} this board can spare", .key.name, Unit(.key.unit))]
    BeyondBoard {
        /// The setting.
        key: &'static Key,
        /// Its value.
        given: u32,
        /// What the board has.
        most: usize,
    },
    /// A user name is empty, too long or holds a control character.
    #[error(
        "{given:?} cannot be a user name; allowed: 1 to {USER_NAME_LIMIT_BYTES} bytes without control characters"
    )]
    BadUserName {
        /// What was given, shortened.
        given: String,
    },
    /// There is no such user.
    #[error("there is no user {given:?}; the user list shows who there is")]
    UnknownUser {
        /// What was given, shortened.
        given: String,
    },
    /// A user cannot have these rights.
    #[error(
        "rights cannot be {given:?}: {reason}; allowed: {}, admin, separated by commas, at most {RIGHTS_LIMIT} and \
         {RIGHTS_LIMIT_BYTES} bytes",
        super::rights::ALLOWED
    )]
    BadRights {
        /// What was given, shortened.
        given: String,
        /// What exactly is wrong with it.
        reason: &'static str,
    },
    /// All places for users are taken.
    #[error("there are already {USERS_LIMIT} users; delete one first")]
    TooManyUsers,
    /// The settings would not fit their place in flash.
    #[error(
        "the settings would take {bytes} bytes of flash and {ENCODED_LIMIT} is the most: {user_bytes} are for {users} \
         users, {rights_bytes} for their rights, {value_bytes} for other settings and {unknown_bytes} for those of newer \
         firmware; delete users, or shorten names and lists"
    )]
    TooLarge {
        /// Bytes they would take.
        bytes: usize,
        /// How many users there would be.
        users: usize,
        /// What takes the room.
        user_bytes: usize,
        /// What takes the room.
        rights_bytes: usize,
        /// What takes the room.
        value_bytes: usize,
        /// What takes the room.
        unknown_bytes: usize,
    },
}

impl SettingError {
    /// The settings that do not go together, or not with the board.
    #[cfg(feature = "toml")]
    pub(crate) fn keys(&self) -> [Option<&'static Key>; 2] {
        match *self {
            Self::Contradiction { low, high, .. } => [Some(low), Some(high)],
            Self::PortClash { first, second, .. } => [Some(first), Some(second)],
            Self::Gateway { address, gateway, .. } => [Some(address), Some(gateway)],
            _ => [None, None],
        }
    }

    pub(super) fn unknown_key(given: &str) -> Self {
        let suggestion = closest(given, KEYS.iter().map(|key| key.name));
        Self::UnknownKey { given: shorten(given), suggestion }
    }

    pub(super) fn bad_value(key: &'static Key, given: &str, reason: &'static str) -> Self {
        Self::BadValue { key, given: shorten(given), reason }
    }

    pub(super) fn bad_rights(given: &str, reason: &'static str) -> Self {
        Self::BadRights { given: shorten(given), reason }
    }
}

/// A draft that was begun on settings that have changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the settings are at generation {current}, not {given}: someone changed them; read them again")]
pub struct Stale {
    /// The generation the caller knew.
    pub given: u32,
    /// The generation the settings have.
    pub current: u32,
}

/// Cuts a text that is repeated in an error.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTED_BACK_LIMIT_CHARS) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_string() + "…",
        None => text.to_string(),
    }
}

/// The candidate that differs from `given` by the fewest edits, if those are few.
pub(crate) fn closest<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given: String = given.chars().take(QUOTED_BACK_LIMIT_CHARS).collect();
    candidates
        .map(|candidate| (edits(&given, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= (candidate.len() / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, in one row.
fn edits(from: &str, to: &str) -> usize {
    let mut row: alloc::vec::Vec<usize> = (0..=to.chars().count()).collect();
    for (above, from_char) in from.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above.saturating_add(1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, to_char) in cells.zip(to.chars()) {
            let replaced = diagonal.saturating_add(usize::from(from_char != to_char));
            diagonal = *cell;
            *cell = replaced.min(left.saturating_add(1)).min(diagonal.saturating_add(1));
            left = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Prints `; did you mean X?`, or where all keys are listed.
pub(crate) struct DidYouMean(pub(crate) Option<&'static str>);

impl core::fmt::Display for DidYouMean {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(name) => write!(formatter, "; did you mean {name}?"),
            None => formatter.write_str("; a list shows all there are"),
        }
    }
}

struct Unit<'a>(&'a str);

impl core::fmt::Display for Unit<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, " {}", self.0) }
    }
}

struct Because<'a>(&'a str);

impl core::fmt::Display for Because<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, ": {}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::MQTT_CONNECT_TIMEOUT_S;
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        for (from, to, expected) in
            [("", "", 0), ("a", "", 1), ("", "abc", 3), ("port", "prot", 2), ("kitten", "sitting", 3)]
        {
            assert_eq!(edits(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn suggests_the_near_and_not_the_far() {
        let names = || KEYS.iter().map(|key| key.name);
        assert_eq!(closest("mqtt.prot", names()), Some("mqtt.port"));
        assert_eq!(closest("mqtt.max_client", names()), Some("mqtt.max_clients"));
        assert_eq!(closest("wifi.pasword", names()), Some("wifi.password"));
        assert_eq!(closest("bridge.remote_host", names()), None);
        assert_eq!(closest("", names()), None);
    }

    #[test]
    fn messages_carry_key_value_range_and_help() {
        assert_eq!(
            SettingError::bad_value(&MQTT_CONNECT_TIMEOUT_S, "300", "").to_string(),
            "mqtt.connect_timeout_s cannot be \"300\"; allowed: 1..=120 s (Time a new connection has to send its CONNECT packet)"
        );
        assert_eq!(
            SettingError::unknown_key("mqtt.prot").to_string(),
            "there is no setting \"mqtt.prot\"; did you mean mqtt.port?"
        );
        assert_eq!(shorten(&"é".repeat(60)), "é".repeat(48) + "…");
    }
}
