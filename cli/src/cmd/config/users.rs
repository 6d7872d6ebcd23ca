//! `config del-user`, and what the user verbs share.

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use super::change;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::serial::connect::DeviceOption;
use crate::serial::session::{self, Session};

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
        change::arm();
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

/// All users with what they may do. A device that knows no rights lets everybody do everything.
pub(super) fn described(session: &mut Session) -> Result<Vec<User>, Failure> {
    let reply = session.request(&Command::UserList)?;
    let described = reply.rows.iter().filter_map(|row| {
        let rights = row.get("rights").unwrap_or("everything").to_owned();
        Some(User { name: row.get("name")?.to_owned(), rights })
    });
    Ok(described.collect())
}

/// A user as the device lists them.
pub(super) struct User {
    pub(super) name: String,
    pub(super) rights: String,
}

impl std::fmt::Display for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rights.as_str() {
            "everything" => self.name.fmt(formatter),
            "" => write!(formatter, "{} (no rights)", self.name),
            rights => write!(formatter, "{} ({rights})", self.name),
        }
    }
}

/// The names of all users, as the device lists them.
pub(super) fn names(session: &mut Session) -> Result<Vec<String>, Failure> {
    Ok(described(session)?.into_iter().map(|user| user.name).collect())
}
