//! Topic filters and what they match (section 4.7).

use crate::{Sink, TopicError, TopicName, text::put_counted};

/// What a subscription asks for: levels, `+` for any one level, and at the end `#` for any number of them.
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

/// Whether a message on `topic` belongs to a subscription with `filter`.
///
/// The definition, level by level; a broker that has many subscriptions uses an index and is tested against this.
pub fn matches(filter: TopicFilter<'_>, topic: TopicName<'_>) -> bool {
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
}
