//! A password that is given without a question: on standard input, or by a reference. Never as a word of the command
//! line, where every user of the machine could read it.

use std::str::FromStr;

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::secret::Secret;
use crate::target;

/// The options of verbs that need a password.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct GivenPassword {
    /// Read the password from standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
    /// Take the password from there instead of asking: env:NAME or file:PATH (file:/dev/fd/3 too)
    #[arg(long, value_name = "REFERENCE", conflicts_with = "password_stdin")]
    password_from: Option<Reference>,
}

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reference {
    Environment(String),
    File(String),
}

impl FromStr for Reference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            // Not repeated: somebody may have taken it for the place of the password itself.
            _ => Err("a reference is env:NAME or file:PATH, not the password itself"),
        }
    }
}

impl GivenPassword {
    /// The password, if one of the options is there.
    pub(super) fn read(&self) -> anyhow::Result<Option<Secret>> {
        if self.password_stdin {
            return target::password_from_stdin().map(Some);
        }
        let Some(reference) = &self.password_from else { return Ok(None) };
        let (name, text) = match reference {
            Reference::Environment(name) => {
                (format!("env:{name}"), std::env::var(name).map_err(|error| error.to_string()))
            }
            Reference::File(path) => {
                (format!("file:{path}"), std::fs::read_to_string(path).map_err(|error| error.to_string()))
            }
        };
        let text = text.and_then(|text| match text.lines().next() {
            None | Some("") => Err("it is empty".to_owned()),
            Some(line) => Ok(line.to_owned()),
        });
        text.map(|text| Some(Secret::new(text))).map_err(|why| {
            let next = "set the variable or make the file, and run the same command again";
            Failure::new(Exit::Usage, format!("There is no password in {name}."), why, next).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_place_of_a_reference_is_refused_and_not_repeated() {
        assert_eq!("env:A".parse(), Ok(Reference::Environment("A".into())));
        assert_eq!("file:a:b".parse(), Ok(Reference::File("a:b".into())));
        for text in ["hunter2", "env:", "file:", "ENV:A", ""] {
            assert!(!text.parse::<Reference>().unwrap_err().contains("hunter2"), "{text}");
        }
    }
}
