//! Topic filters and what they match (section 4.7).

use crate::{Sink, TopicError, TopicName, text::put_counted};

/// The first level of the filter of a shared subscription.
const SHARE: &str = "$share";

/// What a subscription asks for: levels, `+` for any one level, and at the end `#` for any number of them. In front of
/// them may stand `$share/` and the name of a group, among whose members the messages are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks a filter.
    pub fn new(filter: &'a str) -> Result<Self, TopicError> {
        if filter.is_empty() {
            return Err(TopicError::Empty);
        }
        if filter.len() > usize::from(u16::MAX) {
            return Err(TopicError::TooLong);
        }
        if is_shared(filter) {
            let (group, inner) = split_share(filter).ok_or(TopicError::Share)?;
            // A group within a group would have no meaning.
            if group.is_empty() || group.contains(['+', '#']) || inner.is_empty() || is_shared(inner) {
                return Err(TopicError::Share);
            }
        }
        let mut levels = filter.split('/');
        while let Some(level) = levels.next() {
            for byte in level.bytes() {
                match byte {
                    0 => return Err(TopicError::Nul),
                    b'+' | b'#' if level.len() > 1 => return Err(TopicError::WildcardPlace),
                    b'#' if levels.clone().next().is_some() => return Err(TopicError::WildcardPlace),
                    _ => {}
                }
            }
        }
        Ok(TopicFilter(filter))
    }

    /// Checks bytes.
    pub fn from_utf8(bytes: &'a [u8]) -> Result<Self, TopicError> {
        TopicFilter::new(core::str::from_utf8(bytes).map_err(|_| TopicError::Utf8)?)
    }

    /// The filter.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Of a shared subscription, the group and the filter that its topics match (section 4.8.2).
    #[inline]
    pub fn share(self) -> Option<(&'a str, TopicFilter<'a>)> {
        split_share(self.0).map(|(group, inner)| (group, TopicFilter(inner)))
    }

    /// The levels between the separators, wildcards included.
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.split('/')
    }

    /// Whether the filter can match more than one topic.
    pub fn has_wildcard(self) -> bool {
        self.0.bytes().any(|byte| matches!(byte, b'+' | b'#'))
    }

    pub(crate) const fn encoded_length(self) -> usize {
        2 + self.0.len()
    }

    pub(crate) fn encode(self, sink: &mut impl Sink) {
        put_counted(self.0.as_bytes(), sink);
    }
}

fn is_shared(filter: &str) -> bool {
    filter.strip_prefix(SHARE).is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
}

/// Takes `$share/group/filter` apart.
#[inline]
fn split_share(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix(SHARE)?.strip_prefix('/')?.split_once('/')
}

/// Whether a message on `topic` belongs to a subscription with `filter`.
///
/// The definition, level by level; a broker that has many subscriptions uses an index and is tested against this. Of a
/// shared subscription the filter behind the group counts.
pub fn matches(filter: TopicFilter<'_>, topic: TopicName<'_>) -> bool {
    let filter = filter.share().map_or(filter, |(_, inner)| inner);
    // [MQTT-4.7.2-1]: topics of the server are not found by filters that begin with a wildcard.
    if topic.as_str().starts_with('$') && filter.as_str().starts_with(['+', '#']) {
        return false;
    }
    let mut names = topic.levels();
    for level in filter.levels() {
        // `#` includes the parent level: it may match no level at all.
        if level == "#" {
            return true;
        }
        match names.next() {
            Some(name) if level == "+" || level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, topic: &str) -> bool {
        matches(TopicFilter::new(filter).unwrap(), TopicName::new(topic).unwrap())
    }

    /// The examples of section 4.7, with a few at the edges.
    #[test]
    fn section_4_7_examples() {
        let table = [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/tennis/player1/#", "sport/tennis/player10", false),
            ("sport/#", "sport", true),
            ("sport/#", "sports", false),
            ("#", "sport", true),
            ("#", "/", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player2", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("+", "finance", true),
            ("+/tennis/#", "sport/tennis/player1", true),
            ("sport/+/player1", "sport/tennis/player1", true),
            ("sport/+/player1", "sport//player1", true),
            ("#", "$SYS/monitor/Clients", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/monitor/Clients", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("$SYS/+/Clients", "$SYS/monitor/Clients", true),
            ("ACCOUNTS", "Accounts", false),
            ("a//b", "a//b", true),
            ("a//b", "a/b", false),
            ("+/+/+", "//", true),
            ("a/", "a", false),
            ("a", "a/", false),
            ("a/+/#", "a/b", true),
            ("a/+/#", "a", false),
        ];
        for (filter, topic, expected) in table {
            assert_eq!(check(filter, topic), expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn mqtt_4_7_1_2_the_multi_level_wildcard_stands_alone_and_last() {
        for filter in ["sport/tennis#", "sport/tennis/#/ranking", "#/", "##", "a/#b"] {
            assert_eq!(TopicFilter::new(filter), Err(TopicError::WildcardPlace), "{filter}");
        }
    }

    #[test]
    fn mqtt_4_7_1_3_the_single_level_wildcard_fills_its_level() {
        for filter in ["sport+", "+a", "++", "a/b+/c"] {
            assert_eq!(TopicFilter::new(filter), Err(TopicError::WildcardPlace), "{filter}");
        }
        for filter in ["+", "+/tennis/#", "sport/+/player1", "+/+", "/+"] {
            assert!(TopicFilter::new(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn mqtt_4_7_3_filters_are_neither_empty_nor_contain_null() {
        assert_eq!(TopicFilter::new(""), Err(TopicError::Empty));
        assert_eq!(TopicFilter::new("a/\0"), Err(TopicError::Nul));
    }
    #[test]
    fn a_shared_subscription_has_a_group_and_a_filter() {
        let filter = TopicFilter::new("$share/consumer1//finance/#").unwrap();
        let (group, inner) = filter.share().unwrap();
        assert_eq!((group, inner.as_str()), ("consumer1", "/finance/#"));
        assert_eq!(inner.share(), None);
        for plain in ["a", "$shared/g/a", "$sharea", "x/$share/g/a", "$Share/g", "/$share/g/a"] {
            assert_eq!(TopicFilter::new(plain).unwrap().share(), None, "{plain}");
        }
    }

    #[test]
    fn mqtt_4_8_2_1_and_2_a_group_has_a_name_and_a_filter_behind_it() {
        for filter in [
            "$share",
            "$share/",
            "$share//",
            "$share//a",
            "$share/g",
            "$share/g/",
            "$share/+/a",
            "$share/g#/a",
        ] {
            assert_eq!(TopicFilter::new(filter), Err(TopicError::Share), "{filter}");
        }
        for filter in ["$share/g/$share", "$share/g/$share/h", "$share/g/$share/h/a"] {
            assert_eq!(TopicFilter::new(filter), Err(TopicError::Share), "{filter}");
        }
        for filter in ["$share/g/#/a", "$share/g/a+", "$share/g/a#"] {
            assert_eq!(TopicFilter::new(filter), Err(TopicError::WildcardPlace), "{filter}");
        }
        assert_eq!(TopicFilter::new("$share/g\0/a"), Err(TopicError::Nul));
    }

    #[test]
    fn a_shared_subscription_matches_as_its_filter_does() {
        assert!(check("$share/g/sport/#", "sport/tennis"));
        assert!(!check("$share/g/sport/#", "$share/g/sport/tennis"));
        // [MQTT-4.7.2-1] holds for the filter behind the group.
        assert!(!check("$share/g/#", "$SYS/uptime"));
        assert!(check("$share/g/$SYS/#", "$SYS/uptime"));
    }
}
