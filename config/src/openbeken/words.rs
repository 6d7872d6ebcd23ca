//! The words of a command line as OpenBeken splits them.
//!
//! Words are separated by blanks; `"…"` is one word, and `\"` inside of it a quotation mark. What stands behind a
//! number of words is a text of its own (`addEventHandler OnClick 1 backlog …`), and so is what a `backlog` holds
//! between semicolons outside of quotation marks.

use alloc::borrow::Cow;
use alloc::string::String;

/// A blank: OpenBeken takes the no-break space for one too, because web pages put it into what is copied from them.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | '\u{a0}')
}

/// A line, word by word.
#[derive(Clone, Debug)]
pub struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The words of a line.
    #[must_use]
    pub fn new(line: &'a str) -> Self {
        Self(line.trim_matches(is_blank))
    }

    /// All that is left.
    #[must_use]
    pub fn rest(&self) -> &'a str {
        self.0
    }

    /// What is left as a text: one word without its quotation marks, several as they stand.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        let mut words = self.clone();
        match (words.next(), words.next()) {
            (Some(word), None) => word,
            _ => Cow::Borrowed(self.0),
        }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        if self.0.is_empty() {
            return None;
        }
        let (word, rest) = match self.0.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = self.0.find(is_blank).unwrap_or(self.0.len());
                let (word, rest) = self.0.split_at(end);
                (Cow::Borrowed(word), rest)
            }
        };
        self.0 = rest.trim_start_matches(is_blank);
        Some(word)
    }
}

/// What stands before the closing quotation mark, or the end, and what behind it.
fn unquote(text: &str) -> (Cow<'_, str>, &str) {
    let end = closing_quote(text);
    let inside = text.get(..end).unwrap_or(text);
    let rest = text.get(end + 1..).unwrap_or_default();
    if !inside.contains("\\\"") {
        return (Cow::Borrowed(inside), rest);
    }
    let mut word = String::with_capacity(inside.len());
    for part in inside.split_inclusive("\\\"") {
        match part.strip_suffix("\\\"") {
            Some(before) => {
                word.push_str(before);
                word.push('"');
            }
            None => word.push_str(part),
        }
    }
    (Cow::Owned(word), rest)
}

/// Where the quotation mark stands that is not one of the text; the text's length without one.
fn closing_quote(text: &str) -> usize {
    let mut before = 0;
    text.bytes()
        .position(|byte| {
            let closes = byte == b'"' && before != b'\\';
            before = byte;
            closes
        })
        .unwrap_or(text.len())
}

/// The commands of a `backlog`: what stands between semicolons outside of quotation marks, without the empty ones.
pub fn commands(backlog: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(backlog);
    core::iter::from_fn(move || {
        let text = rest?;
        let end = semicolon(text);
        rest = text.get(end + 1..);
        Some(text.get(..end).unwrap_or(text).trim_matches(is_blank))
    })
    .filter(|command| !command.is_empty())
}

fn semicolon(text: &str) -> usize {
    let (mut is_quoted, mut before) = (false, 0);
    text.bytes()
        .position(|byte| {
            if byte == b'"' && before != b'\\' {
                is_quoted = !is_quoted;
            }
            before = byte;
            byte == b';' && !is_quoted
        })
        .unwrap_or(text.len())
}

/// The condition of an `if`, its command, and the one behind `else`.
///
/// A command may stand in quotation marks as a whole. The first `else` belongs to this `if`, so that `else if` works.
#[must_use]
pub fn branches(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let (condition, rest) = split_at_word(text, "then")?;
    Some(match split_at_word(rest, "else") {
        Some((then, otherwise)) => (condition, bare(then), Some(bare(otherwise))),
        None => (condition, bare(rest), None),
    })
}

/// What stands before and behind a word outside of quotation marks.
fn split_at_word<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut is_quoted = false;
    let mut start = 0;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match character {
            '"' => is_quoted = !is_quoted,
            _ if is_blank(character) && !is_quoted => {
                if text.get(start..at).is_some_and(|found| found.eq_ignore_ascii_case(word)) {
                    let (before, behind) = (text.get(..start)?, text.get(at..)?);
                    return Some((before.trim_matches(is_blank), behind.trim_matches(is_blank)));
                }
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    None
}

/// A command without the quotation marks around the whole of it.
fn bare(command: &str) -> &str {
    let inside = command.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.filter(|inside| !inside.contains('"')).unwrap_or(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<Cow<'_, str>> {
        Words::new(line).collect()
    }

    #[test]
    fn a_line_is_cut_at_blanks_outside_of_quotation_marks() {
        assert_eq!(words(" setChannel\t5\u{a0} 1\r\n"), ["setChannel", "5", "1"]);
        assert_eq!(words(r#"ms_publish a/b "two words" x"#), ["ms_publish", "a/b", "two words", "x"]);
        assert_eq!(words(r#"echo "say \"hi\"" """#), ["echo", "say \"hi\"", ""]);
        assert_eq!(words(r#"echo "open"#), ["echo", "open"]);
        assert_eq!(words(r#"publish t {"a":1}"#), ["publish", "t", r#"{"a":1}"#]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn what_is_left_keeps_its_quotation_marks() {
        let mut line = Words::new(r#"addEventHandler OnClick 1 backlog echo "a; b"; setChannel 1 1"#);
        assert_eq!(line.nth(2).unwrap(), "1");
        assert_eq!(line.rest(), r#"backlog echo "a; b"; setChannel 1 1"#);
    }

    #[test]
    fn a_text_is_a_word_or_all_that_is_left() {
        for (line, text) in [
            ("hello", "hello"),
            (r#""hello world" "#, "hello world"),
            ("hello  world", "hello  world"),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
            (r#""a" "b""#, r#""a" "b""#),
            ("", ""),
        ] {
            assert_eq!(Words::new(line).text(), text);
        }
    }

    /// OpenBeken cuts at every semicolon.
    #[test]
    fn a_backlog_is_cut_at_semicolons_outside_of_quotation_marks() {
        let cut: Vec<_> = commands(r#"echo "a; b" ; ;setChannel 1 1;"#).collect();
        assert_eq!(cut, [r#"echo "a; b""#, "setChannel 1 1"]);
        assert_eq!(commands("").count(), 0);
        assert_eq!(commands(r#"echo "open; end"#).count(), 1);
    }

    #[test]
    fn an_if_has_its_branches() {
        assert_eq!(branches("$CH1==1 then a b"), Some(("$CH1==1", "a b", None)));
        assert_eq!(
            branches("MQTTOn THEN \"backlog a; b\" else c"),
            Some(("MQTTOn", "backlog a; b", Some("c")))
        );
        let nested = "x then a else if y then b else c";
        assert_eq!(branches(nested), Some(("x", "a", Some("if y then b else c"))));
        assert_eq!(
            branches("x then echo \"what else is\" else c"),
            Some(("x", "echo \"what else is\"", Some("c")))
        );
        assert_eq!(branches("x then \"a\" \"b\""), Some(("x", "\"a\" \"b\"", None)));
        assert_eq!(branches("x else y"), None);
        assert_eq!(branches("strengthen then"), Some(("strengthen", "", None)));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[ab;\"\\\\ \u{a0}ü]{0,40}") {
            let letters = |text: &str| text.chars().filter(|character| character.is_alphabetic()).count();
            let held: usize = words(&text).iter().map(|word| letters(word)).sum();
            prop_assert_eq!(held, letters(&text));
            let held: usize = commands(&text).map(letters).sum();
            prop_assert_eq!(held, letters(&text));
            let _ = branches(&text);
        }
    }
}
