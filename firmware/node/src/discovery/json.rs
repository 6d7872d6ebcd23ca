//! JSON leaf by leaf, without a tree: each value with the path to it.

use picojson::{Event, PullParser as _, SliceParser};

use crate::limits::{JSON_DEPTH, JSON_KEY_BYTES, JSON_TEXT_BYTES};

/// A step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into an object. A longer key than [`JSON_KEY_BYTES`] is no key that anybody looks for, and empty here.
    Key { bytes: [u8; JSON_KEY_BYTES], length: u8 },
    /// Into an array, from 0.
    Index(u16),
}

impl Step {
    fn key(text: &str) -> Self {
        let mut bytes = [0; JSON_KEY_BYTES];
        let length = match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                text.len()
            }
            None => 0,
        };
        Self::Key { bytes, length: u8::try_from(length).unwrap_or_default() }
    }

    /// The key of an object; `None` of an array.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Key { bytes, length } => core::str::from_utf8(bytes.get(..usize::from(*length))?).ok(),
            Self::Index(_) => None,
        }
    }
}

/// A value that holds no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf<'a> {
    Text(&'a str),
    /// As it was written.
    Number(&'a str),
    Bool(bool),
    Null,
}

impl<'a> Leaf<'a> {
    /// The value as a text; nothing is no text.
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            Self::Bool(true) => Some("True"),
            Self::Bool(false) => Some("False"),
            Self::Null => None,
        }
    }
}

/// The bytes are no JSON, or hold a text that is too long or nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoJson;

/// Calls `visit` for every leaf, in the order of the text. What was visited before an error was said counts for nothing.
pub(super) fn walk(payload: &[u8], visit: &mut dyn FnMut(&[Step], Leaf<'_>)) -> Result<(), NoJson> {
    let mut scratch = [0; JSON_TEXT_BYTES];
    let mut parser = SliceParser::with_buffer_from_slice(payload, &mut scratch);
    let mut path = [Step::Index(0); JSON_DEPTH];
    // How many of them are in use, and which of those are of arrays.
    let mut depth = 0_usize;
    let mut is_array = [false; JSON_DEPTH];
    loop {
        let event = parser.next_event().map_err(|_| NoJson)?;
        let leaf = match &event {
            Event::StartObject | Event::StartArray => {
                *path.get_mut(depth).ok_or(NoJson)? = Step::Index(0);
                *is_array.get_mut(depth).ok_or(NoJson)? = event == Event::StartArray;
                depth += 1;
                continue;
            }
            Event::EndObject | Event::EndArray => {
                depth = depth.saturating_sub(1);
                advance(&mut path, &is_array, depth);
                continue;
            }
            Event::Key(key) => {
                if let Some(step) = depth.checked_sub(1).and_then(|last| path.get_mut(last)) {
                    *step = Step::key(key.as_ref());
                }
                continue;
            }
            Event::EndDocument => return Ok(()),
            Event::String(text) => Leaf::Text(text.as_ref()),
            Event::Number(number) => Leaf::Number(number.as_str()),
            Event::Bool(truth) => Leaf::Bool(*truth),
            Event::Null => Leaf::Null,
        };
        visit(path.get(..depth).unwrap_or_default(), leaf);
        advance(&mut path, &is_array, depth);
    }
}

/// The next value of an array has the next number.
fn advance(path: &mut [Step; JSON_DEPTH], is_array: &[bool; JSON_DEPTH], depth: usize) {
    let Some(last) = depth.checked_sub(1) else { return };
    if let (Some(Step::Index(index)), Some(true)) = (path.get_mut(last), is_array.get(last)) {
        *index = index.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString as _};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn leaves(payload: &[u8]) -> Result<Vec<String>, NoJson> {
        let mut all = Vec::new();
        walk(payload, &mut |path, leaf| {
            let steps: Vec<String> = path
                .iter()
                .map(|step| match step {
                    Step::Index(index) => index.to_string(),
                    key => key.name().unwrap().to_string(),
                })
                .collect();
            all.push(format!("{}={leaf:?}", steps.join(".")));
        })?;
        Ok(all)
    }

    #[test]
    fn every_leaf_has_its_path() {
        let json = br#"{"a":1,"b":{"c":[true,{"d":"x"},[],null]},"e":"say \"hi\" \u00fc","f":{}}"#;
        assert_eq!(
            leaves(json).unwrap(),
            [
                "a=Number(\"1\")",
                "b.c.0=Bool(true)",
                "b.c.1.d=Text(\"x\")",
                "b.c.3=Null",
                "e=Text(\"say \\\"hi\\\" ü\")"
            ]
        );
        assert_eq!(
            leaves(b"[1,[2,3],4]").unwrap(),
            ["0=Number(\"1\")", "1.0=Number(\"2\")", "1.1=Number(\"3\")", "2=Number(\"4\")"]
        );
        assert_eq!(leaves(b"-1.5e3").unwrap(), ["=Number(\"-1.5e3\")"]);
    }

    #[test]
    fn what_is_none_or_too_deep_is_refused() {
        for bad in [&b""[..], b"{", b"{\"a\":}", b"nope", b"\xff", b"{\"a\":1}}"] {
            assert_eq!(leaves(bad), Err(NoJson), "{bad:?}");
        }
        assert_eq!(leaves("[".repeat(10_000).as_bytes()), Err(NoJson));
        let deep = format!("{}1{}", "[".repeat(JSON_DEPTH), "]".repeat(JSON_DEPTH));
        assert!(leaves(deep.as_bytes()).is_ok());
        assert_eq!(leaves(format!("[{deep}]").as_bytes()), Err(NoJson));
        let long = format!("{{\"{}\":1}}", "k".repeat(JSON_KEY_BYTES + 1));
        assert_eq!(leaves(long.as_bytes()).unwrap(), ["=Number(\"1\")"]);
        let escaped = format!("\"\\n{}\"", "x".repeat(JSON_TEXT_BYTES));
        assert_eq!(leaves(escaped.as_bytes()), Err(NoJson));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = leaves(&bytes);
        }

        #[test]
        fn nothing_like_json_panics(text in "[\\[\\]{}\",:0-9aetr\\\\uflsn.-]{0,60}") {
            let _ = leaves(text.as_bytes());
        }
    }
}
