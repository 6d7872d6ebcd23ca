//! What a user may do: a list of rights, as people write them.
//!
//! ```text
//! everything            all topics, those of the server ($SYS) for reading
//! read PATTERN          receive messages of the topics
//! write PATTERN         publish to them
//! readwrite PATTERN     both
//! admin                 command the device over MQTT; says nothing about topics
//! ```
//!
//! A pattern is a topic filter in which `%u` stands for the user's name and `%c` for the client identifier. An empty list
//! allows nothing. A comma separates rights, so no pattern holds one.

use alloc::string::String;

use super::filters::check_filter;
use crate::limits::{RIGHTS_LIMIT, RIGHTS_LIMIT_BYTES};

/// What a user has whose rights nobody has set.
pub(super) const DEFAULT: &str = "everything";

/// The form of a list in words, for errors and help.
pub(super) const ALLOWED: &str = "everything, read PATTERN, write PATTERN, readwrite PATTERN";

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right<'a> {
    /// All topics.
    Everything,
    /// To command the device over MQTT.
    Admin,
    /// The topics of a pattern.
    Topics {
        /// To receive their messages.
        read: bool,
        /// To publish to them.
        write: bool,
        /// A topic filter with `%u` and `%c`.
        pattern: &'a str,
    },
}

/// A checked list of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights<'a>(&'a str);

impl<'a> Rights<'a> {
    /// `list` has come from [`canonical`].
    pub(crate) const fn new(list: &'a str) -> Self {
        Self(list)
    }

    /// The list as text, in its one form.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Each right.
    pub fn iter(self) -> impl Iterator<Item = Right<'a>> + Clone {
        items(self.0).filter_map(|item| parse(item).ok())
    }

    /// Whether these are the rights of a user whose rights nobody has set.
    #[must_use]
    pub fn is_default(self) -> bool {
        self.0 == DEFAULT
    }
}

/// Whether a user may have these rights: lets a client refuse them before anything is sent. The error says what is wrong.
pub fn check_rights(text: &str) -> Result<(), super::SettingError> {
    canonical(text, true).map(|_| ()).map_err(|reason| super::SettingError::bad_rights(text, reason))
}

/// Brings a list into its one form: single blanks, none around commas, no right twice. The error says what is wrong.
/// Only who has a password can be an admin.
pub(super) fn canonical(text: &str, may_be_admin: bool) -> Result<String, &'static str> {
    let mut list = String::new();
    if text.trim_matches(' ').is_empty() {
        return Ok(list);
    }
    for (count, item) in text.split(',').map(|item| item.trim_matches(' ')).enumerate() {
        let right = parse(item)?;
        if right == Right::Admin && !may_be_admin {
            return Err("clients without a user name cannot be admin");
        }
        if count >= RIGHTS_LIMIT {
            return Err("too many rights");
        }
        let start = list.len();
        if count > 0 && !list.is_empty() {
            list.push(',');
        }
        let item_start = list.len();
        match right {
            Right::Everything => list.push_str("everything"),
            Right::Admin => list.push_str("admin"),
            Right::Topics { read, write, pattern } => {
                list.push_str(if read { "read" } else { "" });
                list.push_str(if write { "write" } else { "" });
                list.push(' ');
                list.push_str(pattern);
            }
        }
        let (before, added) = (list.get(..start), list.get(item_start..));
        if let (Some(before), Some(added)) = (before, added)
            && items(before).any(|earlier| earlier == added)
        {
            list.truncate(start);
        }
        // Counted as the line protocol will write it, which puts a backslash before these two.
        let escapes = list.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        if list.len().saturating_add(escapes) > RIGHTS_LIMIT_BYTES {
            return Err("the list is too long");
        }
    }
    Ok(list)
}

/// The rights of a list in its canonical form, as texts.
pub(crate) fn items(list: &str) -> impl Iterator<Item = &str> + Clone {
    list.split(',').filter(|item| !item.is_empty())
}

fn parse(item: &str) -> Result<Right<'_>, &'static str> {
    let (verb, pattern) = item.split_once(' ').unwrap_or((item, ""));
    let pattern = pattern.trim_matches(' ');
    let topics = |read, write| {
        if pattern.is_empty() {
            return Err("a right lacks its pattern");
        }
        check_filter(pattern).map(|()| Right::Topics { read, write, pattern })
    };
    match verb {
        "read" => topics(true, false),
        "write" => topics(false, true),
        "readwrite" => topics(true, true),
        "everything" if pattern.is_empty() => Ok(Right::Everything),
        "admin" if pattern.is_empty() => Ok(Right::Admin),
        "everything" | "admin" => Err("everything and admin stand alone"),
        _ => Err("a right begins with read, write, readwrite, everything or admin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn good_lists_take_their_one_form() {
        for (given, expected) in [
            ("", ""),
            ("  ", ""),
            ("everything", "everything"),
            (" admin ,everything,admin", "admin,everything"),
            (
                "read tele/#,write  cmnd/%c/# , readwrite home/%u/#",
                "read tele/#,write cmnd/%c/#,readwrite home/%u/#",
            ),
            ("read a,write a,read a", "read a,write a"),
            ("read living room/+/x", "read living room/+/x"),
            ("read küche/<%u-%c>", "read küche/<%u-%c>"),
            ("read $SYS/#", "read $SYS/#"),
        ] {
            assert_eq!(canonical(given, true), Ok(expected.to_string()), "{given}");
        }
    }

    #[test]
    fn bad_lists_say_what_is_wrong() {
        for (given, reason) in [
            ("read", "a right lacks its pattern"),
            ("write ", "a right lacks its pattern"),
            ("tele/#", "a right begins with read, write, readwrite, everything or admin"),
            ("Read a", "a right begins with read, write, readwrite, everything or admin"),
            ("read a,,write b", "a right begins with read, write, readwrite, everything or admin"),
            ("admin a", "everything and admin stand alone"),
            ("everything #", "everything and admin stand alone"),
            ("read a/#/b", "# is not the last level of its filter"),
            ("read %u+", "# and + must be a whole level"),
            ("read a\n", "a filter holds a control character"),
        ] {
            assert_eq!(canonical(given, true), Err(reason), "{given:?}");
        }
        assert_eq!(canonical("read a,admin", false), Err("clients without a user name cannot be admin"));
    }

    #[test]
    fn rights_are_read_as_they_are_written() {
        let topics = |read, write, pattern| Right::Topics { read, write, pattern };
        let rights: Vec<_> = Rights::new("everything,admin,read a,write b/+,readwrite %u/#").iter().collect();
        assert_eq!(
            rights,
            [
                Right::Everything,
                Right::Admin,
                topics(true, false, "a"),
                topics(false, true, "b/+"),
                topics(true, true, "%u/#")
            ]
        );
        assert_eq!(Rights::new("").iter().count(), 0);
        assert!(Rights::new(&canonical(DEFAULT, false).unwrap()).is_default());
    }

    #[test]
    fn limits_are_exact() {
        let rights: Vec<_> = (0..RIGHTS_LIMIT).map(|index| format!("read {index}")).collect();
        assert!(canonical(&rights.join(","), true).is_ok());
        assert_eq!(canonical(&(rights.join(",") + ",admin"), true), Err("too many rights"));
        let longest = format!("read {}", "x".repeat(RIGHTS_LIMIT_BYTES - 5));
        assert!(canonical(&longest, true).is_ok());
        assert_eq!(canonical(&(longest + "x"), true), Err("the list is too long"));
        let quotes = format!("read  {}", "\"".repeat((RIGHTS_LIMIT_BYTES - 4) / 2));
        assert!(canonical(&quotes, true).is_err());
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point(text in "((read|write|readwrite|admin|everything|x)?[a/#+, %u]{0,6},?){0,4}") {
            if let Ok(list) = canonical(&text, true) {
                prop_assert_eq!(canonical(&list, true), Ok(list.clone()));
                prop_assert_eq!(Rights::new(&list).iter().count(), items(&list).count());
            }
        }
    }
}
