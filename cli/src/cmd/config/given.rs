//! A password that is given without a question: on standard input, or by a reference. Never as a word of the command
//! line, where every user of the machine could read it.

use std::path::Path;

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::reference::Reference;
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
    password_from: Option<String>,
}

impl GivenPassword {
    /// The password, if one of the options is there.
    pub(super) fn read(&self) -> anyhow::Result<Option<Secret>> {
        if self.password_stdin {
            return target::password_from_stdin().map(Some);
        }
        let Some(reference) = &self.password_from else { return Ok(None) };
        // Not left to clap, whose message would repeat a password.
        let Some(place) = Reference::parse(reference) else {
            return Err(Failure::new(
                Exit::Usage,
                "--password-from does not say where the password is.",
                "it is neither env:NAME nor file:PATH; if it was the password itself, take it for known: others can read the command line",
                "write env:NAME or file:PATH, or leave it away: the password is asked for then",
            )
            .into());
        };
        place.read(Path::new("")).map(Some).map_err(|why| {
            let next = "set the variable or make the file, and run the same command again";
            Failure::new(Exit::Usage, format!("There is no password in {reference}."), why, next).into()
        })
    }
}

/// A word too many behind a name is mostly the password.
pub(super) fn stray(command: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        "There is a word too many; nothing was sent.",
        "if it is the password, take it for known: others can read the command line, now and in your shell's history",
        format!("choose another one, and leave it away (it is asked for): obkmq {command}"),
    )
}
