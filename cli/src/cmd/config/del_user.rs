//! `config del-user`.

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use super::change;
use super::state::names;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Delete a user; their connections end at once
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq config del-user guest --port /dev/ttyUSB0")]
pub(crate) struct DelUser {
    /// The user's name
    name: String,
    #[command(flatten)]
    device: DeviceOption,
}

impl DelUser {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Deleted<'a> {
            name: &'a str,
            users: Vec<String>,
        }
        let mut session = session::open(&self.device, context)?;
        let before = session.work(|session| Ok(names(session)?))?;
        if !before.contains(&self.name) {
            return Err(unknown(&self.name, &before).into());
        }
        let delete = Command::UserDel { name: self.name.as_str().into() };
        match change::commit(&mut session, &[delete]) {
            // Done before a reset, and then asked for again.
            Err(_) if session.work(|session| Ok(!names(session)?.contains(&self.name)))? => {}
            result => drop(result?),
        }
        let users = session.work(|session| Ok(names(session)?))?;
        if users.contains(&self.name) {
            return Err(Failure::new(
                Exit::Settings,
                format!("The user {} is still there.", self.name),
                "the device took the command and lists the user all the same",
                "run the same command again, with --verbose",
            )
            .into());
        }
        if context.json {
            context.out_json("user-deleted", Deleted { name: &self.name, users })
        } else {
            context.out(format_args!("user {} is deleted; {} left", self.name, users.len()))
        }
    }
}

fn unknown(name: &str, users: &[String]) -> Failure {
    let why = match users {
        [] => "the device has no user at all".to_owned(),
        users => format!("its users are: {}", users.join(", ")),
    };
    let next = "correct the name; `obkmq config list` shows the users, too";
    Failure::new(Exit::Settings, format!("The device has no user {name}."), why, next)
}
