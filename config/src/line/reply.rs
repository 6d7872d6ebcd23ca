//! Replies: what a device answers to one request.
//!
//! A framed request gets any number of `+` lines, numbered from 1 by their first field `n`, and then one `ok` or
//! `err`. An `ok` after `+` lines says with `lines` how many there were. So a client knows when it has missed one.

use alloc::format;
use alloc::string::{String, ToString};

use super::error::ErrorCode;
use super::fields::Fields;
use super::frame::{TooLong, frame};
use super::word::{split, write_quoted};
use crate::limits::LINE_LIMIT;
use crate::settings::{SettingError, Stale};

/// One line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One of several lines; the end follows.
    More {
        /// Its number, from 1.
        number: u32,
        /// What it says.
        fields: Fields,
    },
    /// Done.
    Ok {
        /// How many [`Reply::More`] came before.
        lines: u32,
        /// What it says.
        fields: Fields,
    },
    /// Refused; nothing has changed.
    Err {
        /// Why, for programs.
        code: ErrorCode,
        /// Why and what to do, for people. Never holds a secret.
        message: String,
    },
}

impl Reply {
    /// Done, without other lines before.
    #[must_use]
    pub fn ok(fields: Fields) -> Self {
        Self::Ok { lines: 0, fields }
    }

    /// Refused.
    #[must_use]
    pub fn err(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Err { code, message: message.into() }
    }

    /// Whether the reply ends with this line.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::More { .. })
    }

    /// The framed line, with its line end. A message that does not fit is cut; fields that do not fit become an error.
    #[must_use]
    pub fn to_frame(&self, seq: u32) -> String {
        let mut message = match self {
            Self::Err { message, .. } => message.clone(),
            Self::More { .. } | Self::Ok { .. } => String::new(),
        };
        loop {
            match (frame(seq, &self.body(&message)), self) {
                (Ok(line), _) => return line,
                (Err(_), Self::Err { .. }) if message.pop().is_some() => {}
                (Err(TooLong { bytes }), _) => {
                    let text = format!("the answer would take {bytes} bytes and {LINE_LIMIT} is the most");
                    return Self::err(ErrorCode::TooLong, text).to_frame(seq);
                }
            }
        }
    }

    fn body(&self, message: &str) -> String {
        let mut body = String::new();
        match self {
            Self::More { number, fields } => {
                body = format!("+ n={number}");
                fields.write(&mut body);
            }
            Self::Ok { lines, fields } => {
                body.push_str("ok");
                fields.write(&mut body);
                if *lines > 0 {
                    body.push_str(&format!(" lines={lines}"));
                }
            }
            Self::Err { code, .. } => {
                body = format!("err {} ", code.name());
                write_quoted(&mut body, message);
            }
        }
        body
    }

    /// Reads the body of a frame; `None` if it is no reply.
    #[must_use]
    pub fn parse(body: &str) -> Option<Self> {
        let words = split(body).ok()?;
        let (verb, rest) = words.split_first()?;
        match verb.text() {
            "+" => {
                let mut fields = Fields::from_words(rest.iter())?;
                let number = fields.take_first("n")?;
                Some(Self::More { number, fields })
            }
            "ok" => {
                let mut fields = Fields::from_words(rest.iter())?;
                let lines = match fields.get("lines") {
                    Some(_) => fields.take("lines")?,
                    None => 0,
                };
                Some(Self::Ok { lines, fields })
            }
            "err" => match rest {
                [code, message] => Some(match ErrorCode::parse(code.text()) {
                    Some(code) => Self::Err { code, message: message.text().to_string() },
                    // A newer device: its word is kept where a person sees it.
                    None => Self::err(ErrorCode::Internal, format!("{}: {}", code.text(), message.text())),
                }),
                _ => None,
            },
            _ => None,
        }
    }

    /// The plain words for someone who typed, with the line end.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::More { fields, .. } => fields.write_plain(&mut text),
            Self::Ok { fields, .. } => {
                text.push_str("ok");
                if !fields.is_empty() {
                    text.push(' ');
                    fields.write_plain(&mut text);
                }
            }
            Self::Err { message, .. } => {
                text.push_str("error: ");
                text.extend(
                    message.chars().map(|character| if character.is_control() { ' ' } else { character }),
                );
            }
        }
        text.push_str("\r\n");
        text
    }
}

impl From<&SettingError> for Reply {
    fn from(error: &SettingError) -> Self {
        Self::err(ErrorCode::from(error), error.to_string())
    }
}

impl From<&Stale> for Reply {
    fn from(error: &Stale) -> Self {
        Self::err(ErrorCode::from(error), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::parse_frame;
    use super::*;
    use proptest::prelude::*;

    fn round_trip(reply: &Reply) -> Reply {
        let line = reply.to_frame(9);
        assert!(line.len() <= LINE_LIMIT + 1);
        Reply::parse(parse_frame(line.trim_end()).unwrap().body).unwrap()
    }

    #[test]
    fn a_key_that_only_quotes_can_hold_is_no_field() {
        for body in ["ok \" lines=1\"", "ok \"a b=1\"", "ok \"a\\\"=1\"", "ok \"\\n=1\"", "+ n=1 \"a b=1\""] {
            assert_eq!(Reply::parse(body), None, "{body}");
        }
    }

    #[test]
    fn replies_round_trip() {
        let fields =
            Fields::new().with("gen", 18).with("state", "ok").with("empty", "").with("text", "a \"b\" = c");
        for reply in [
            Reply::ok(Fields::new()),
            Reply::ok(fields.clone()),
            Reply::Ok { lines: 3, fields: fields.clone() },
            Reply::More { number: 2, fields },
            Reply::err(ErrorCode::Stale, "line\nbreak"),
        ] {
            // Compared as text: fields that were read own their keys.
            assert_eq!(round_trip(&reply), reply);
        }
    }

    #[test]
    fn error_codes_round_trip_and_unknown_ones_are_kept_for_people() {
        for code in ErrorCode::ALL {
            assert_eq!(round_trip(&Reply::err(code, "m")), Reply::err(code, "m"));
        }
        assert_eq!(Reply::parse("err tired \"zzz\""), Some(Reply::err(ErrorCode::Internal, "tired: zzz")));
    }

    #[test]
    fn what_does_not_fit_is_cut_or_refused() {
        let Reply::Err { message, .. } = round_trip(&Reply::err(ErrorCode::Internal, "é\n".repeat(400)))
        else {
            panic!("no error")
        };
        assert!(message.starts_with("é\né\n") && message.len() > 300);
        let long = Reply::ok(Fields::new().with("k", "x".repeat(600)));
        assert!(matches!(round_trip(&long), Reply::Err { code: ErrorCode::TooLong, .. }));
    }

    #[test]
    fn plain_words_for_people() {
        let fields = Fields::new().with("key", "mqtt.port").with("value", "a b\u{1b}");
        assert_eq!(Reply::More { number: 1, fields }.to_text(), "key=mqtt.port  value=a b\\x1B\r\n");
        assert_eq!(Reply::Ok { lines: 1, fields: Fields::new().with("gen", 2) }.to_text(), "ok gen=2\r\n");
        assert_eq!(Reply::err(ErrorCode::Busy, "later").to_text(), "error: later\r\n");
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in "(ok|err|\\+)( n=| lines=| [a-z]{1,9}=| \"|[ -~])*") {
            let _ = Reply::parse(&body);
        }

        #[test]
        fn any_value_round_trips(value in any::<String>().prop_filter("fits", |value| value.len() < 100)) {
            let reply = Reply::ok(Fields::new().with("k", &value));
            prop_assert_eq!(round_trip(&reply), reply);
        }
    }
}
