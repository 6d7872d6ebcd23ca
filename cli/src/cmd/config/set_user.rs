//! `config set-user`: a user and their password, onto the device and, if wanted, into the profile.
//!
//! The password comes from the terminal or from standard input, never from the command line, where every user of
//! the machine could read it. It goes over the cable, is hashed on the device, and never comes back.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use super::users;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::profile;
use crate::secret::Secret;
use crate::serial::connect::PortOption;
use crate::serial::session;
use crate::target::{self, HostPort};

/// Add a user, or give one another password
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config set-user house --port /dev/ttyUSB0
  obkmq config set-user guest \\
      --rights \"read home/#\" --rights \"write guest/%c\"
  pass show house | obkmq config set-user house \\
      --password-stdin --save -H 192.168.1.30

A right is `everything`, or `read`, `write` or `readwrite` with a topic filter in which %u stands for the user's name and %c \
for the client identifier, or `admin`: to command the device over MQTT, which it cannot do yet. Without --rights a new user may use all topics, and \
one that is there keeps what it has; --rights \"\" takes everything away.

The password works at once and after a reset. MQTT carries it over the network in clear until obkmq speaks TLS.")]
pub(crate) struct SetUser {
    /// The user's name
    name: String,
    #[command(flatten)]
    port: PortOption,
    /// What the user may do; may be given several times
    #[arg(long, value_name = "RIGHT")]
    rights: Vec<String>,
    /// Read the password from standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
    /// Save host, user and password in the profile without asking
    #[arg(long, conflicts_with = "no_save")]
    save: bool,
    /// Do not save and do not ask
    #[arg(long)]
    no_save: bool,
    /// The board's address, to be saved with the user
    #[arg(short = 'H', long, value_name = "HOST[:PORT]", conflicts_with = "no_save")]
    host: Option<HostPort>,
}

impl SetUser {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        interrupt::arm("Nothing was sent.", "run the same command again when you are ready");
        check_name(&self.name)?;
        let rights = (!self.rights.is_empty()).then(|| self.rights.join(","));
        check_rights(rights.as_deref())?;
        let password = if self.password_stdin {
            target::password_from_stdin()?
        } else {
            ask_twice(&self.name, context)?
        };
        check_password(&password)?;

        let mut session = session::open(&self.port, context)?;
        interrupt::arm(
            "The user may or may not have the new password.",
            "run the same command again: doing it twice does no harm",
        );
        let name = || self.name.as_str().into();
        let set_user = Command::UserSet { name: name(), password: password.expose().into() };
        let reply = match &rights {
            None => session.request(&set_user)?,
            // In one transaction, so that the user never has more rights than these.
            Some(rights) => {
                session.request(&Command::Begin { generation: session.hello.generation })?;
                session.request(&set_user)?;
                session.request(&Command::UserRights { name: name(), rights: rights.into() })?;
                session.request(&Command::Commit)?
            }
        };
        if !users::names(&mut session)?.contains(&self.name) {
            return Err(Failure::new(
                Exit::Settings,
                format!("The user {} is not there.", self.name),
                "the device took the command, but does not list the user",
                "run the same command again, with --verbose",
            )
            .into());
        }
        interrupt::arm("The user is set; nothing was saved here.", "log in, or run it again to save");
        context.note("The password works now. It crosses the network in clear until obkmq speaks TLS.");

        let saved = self.save_profile(&password, context)?;
        let generation = reply.fields.parse("gen");
        Outcome { name: &self.name, generation, saved }.print(context)
    }

    /// Saves when told to or when the answer is yes; returns where.
    fn save_profile(&self, password: &Secret, context: &Context) -> anyhow::Result<Option<PathBuf>> {
        if !self.save && (self.no_save || !context.interactive) {
            return Ok(None);
        }
        let question = "Save host, user and password in a file that only you can read? [y/N] ";
        if !self.save && !matches!(ask(question)?.as_str(), "y" | "Y" | "yes" | "Yes") {
            return Ok(None);
        }
        let host = match &self.host {
            None if context.interactive => ask_host()?,
            given => given.clone(),
        };
        match profile::save(context, host.as_ref(), &self.name, password) {
            Ok(path) => Ok(Some(path)),
            // What happened on the device must not be doubted because of a file here.
            Err(error) => {
                let failure = Failure::from_error(&error);
                let what = format!("The user {} is set on the device. {}", self.name, failure.what);
                Err(Failure { what, ..failure }.into())
            }
        }
    }
}

/// The same rules as the device's, so that a mistake shows before the password is asked for.
fn check_name(name: &str) -> Result<(), Failure> {
    obkmq_config::settings::check_name(name).map_err(|error| {
        Failure::new(Exit::Usage, "This name cannot be a user's.", error.to_string(), "choose another name")
    })
}

fn check_rights(rights: Option<&str>) -> Result<(), Failure> {
    rights.map_or(Ok(()), obkmq_config::settings::check_rights).map_err(|error| {
        let next = "correct --rights; `obkmq config set-user --help` has examples";
        Failure::new(Exit::Usage, "No user can have these rights.", error.to_string(), next)
    })
}

fn check_password(password: &Secret) -> Result<(), Failure> {
    let limit = obkmq_config::limits::PASSWORD_LIMIT_BYTES;
    let why = match password.expose() {
        "" => "it is empty".to_owned(),
        text if text.len() > limit => format!("it has {} bytes; {limit} are possible", text.len()),
        text if text.chars().any(char::is_control) => "it holds a control character".to_owned(),
        _ => return Ok(()),
    };
    Err(Failure::new(Exit::Usage, "This password cannot be used.", why, "choose another password"))
}

fn ask_twice(name: &str, context: &Context) -> anyhow::Result<Secret> {
    if !context.interactive {
        return Err(Failure::new(
            Exit::Usage,
            "There is nobody to ask for the password.",
            "standard input is not a terminal, and --password-stdin is not given",
            format!("pipe it in: pass show {name} | obkmq config set-user {name} --password-stdin"),
        )
        .into());
    }
    let password = target::ask_password(&format!("Password of {name}: "))?;
    check_password(&password)?;
    if target::ask_password("Again: ")? == password {
        return Ok(password);
    }
    Err(Failure::new(
        Exit::Usage,
        "The two passwords differ.",
        "one of them was mistyped; nothing was sent",
        "run the same command again",
    )
    .into())
}

/// A question on the terminal and its answer.
fn ask(question: &str) -> anyhow::Result<String> {
    let mut stderr = std::io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// The board's address, until the answer is one; nothing keeps what the profile says.
fn ask_host() -> anyhow::Result<Option<HostPort>> {
    loop {
        let answer = ask("The board's address, HOST[:PORT] (Enter: leave as it is): ")?;
        if answer.is_empty() {
            return Ok(None);
        }
        match answer.parse() {
            Ok(host) => return Ok(Some(host)),
            Err(error) => writeln!(std::io::stderr(), "{error}")?,
        }
    }
}

#[derive(Serialize)]
struct Outcome<'a> {
    name: &'a str,
    generation: Option<u32>,
    saved: Option<PathBuf>,
}

impl Outcome<'_> {
    fn print(&self, context: &Context) -> anyhow::Result<()> {
        if context.json {
            return context.out_json("user", self);
        }
        context.out(format_args!("user {} is set", self.name))?;
        match &self.saved {
            Some(path) => context.out(format_args!("saved in {}", path.display())),
            None => Ok(()),
        }
    }
}
