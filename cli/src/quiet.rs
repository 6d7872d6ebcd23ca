//! Arguments whose mistakes are explained without repeating them: people write passwords into them.

use std::ffi::OsStr;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::error::ErrorKind;

/// Parses a value by a function. The function's errors must not repeat it either.
#[derive(Clone)]
pub(crate) struct Quietly<T>(pub(crate) fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Quietly<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, arg, value)?;
        (self.0)(&text).map_err(|why| {
            let name = arg.map(ToString::to_string).unwrap_or_default();
            let text = format!("invalid value for '{name}': {why}\n\nFor more information, try '--help'.\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}
