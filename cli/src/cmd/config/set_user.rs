//! `config set-user`: a user and their password, onto the device and, if wanted, into the profile.
//!
//! The password comes from the terminal or from standard input, never from the command line, where every user of
//! the machine could read it. It goes over the cable, is hashed on the device, and never comes back.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use super::change;
use super::given::{self, GivenPassword};
use super::state::names;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::profile::{self, Remembered};
use crate::prompt;
use crate::secret::Secret;
use crate::serial::connect::DeviceOption;
use crate::serial::session;
use crate::target::{self, HostPort};

/// Add a user, or give one another password
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config set-user house --port /dev/ttyUSB0
  obkmq config set-user guest \\
      --read 'home/#' --write 'guest/%c'
  obkmq config set-user guest --keep-password --admin
  pass show house | obkmq config set-user house \\
      --password-stdin --save -H 192.168.1.30

Topic filters say what the user may do; %u in them stands for the user's name and %c for the client identifier. They take the \
place of those before. Without any, a new user may use all topics, and one that is there keeps what it has. Someone who is \
--admin may also command the device over MQTT, but for accounts, files and start-up.

The password works at once and after a reset. MQTT carries it over the network in clear until obkmq speaks TLS.")]
pub(crate) struct SetUser {
    /// The user's name
    name: String,
    /// A password that somebody wrote here, to be refused without repeating it
    #[arg(hide = true)]
    stray: Option<OsString>,
    #[command(flatten)]
    device: DeviceOption,
    /// Topics the user may receive; may be given several times
    #[arg(long, value_name = "FILTER")]
    read: Vec<String>,
    /// Topics the user may publish to; may be given several times
    #[arg(long, value_name = "FILTER")]
    write: Vec<String>,
    /// Topics for both; may be given several times
    #[arg(long, value_name = "FILTER")]
    readwrite: Vec<String>,
    /// All topics
    #[arg(long, conflicts_with_all = ["read", "write", "readwrite"])]
    everything: bool,
    /// Let the user command the device; without filters also all topics
    #[arg(long)]
    admin: bool,
    /// Change what a user may do, not the password
    #[arg(long, conflicts_with_all = ["password_stdin", "password_from", "save", "host"])]
    keep_password: bool,
    #[command(flatten)]
    given: GivenPassword,
    /// Save host, user and password in the profile without asking
    #[arg(long, conflicts_with = "no_save")]
    save: bool,
    /// Do not save and do not ask
    #[arg(long)]
    no_save: bool,
    /// The board's address, to be saved with the user
    #[arg(short = 'H', long, value_name = "HOST[:PORT]", conflicts_with = "no_save")]
    #[arg(value_parser = HostPort::ARGUMENT)]
    host: Option<HostPort>,
}

impl SetUser {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.stray.is_some() {
            return Err(given::stray(&format!("config set-user {}", self.name)).into());
        }
        check_name(&self.name)?;
        let rights = self.rights();
        check_rights(rights.as_deref())?;
        if self.keep_password && rights.is_none() {
            return Err(Failure::new(
                Exit::Usage,
                "There is nothing to change.",
                "--keep-password is given, and nothing that says what the user may do",
                "add --read, --write, --readwrite, --everything or --admin",
            )
            .into());
        }
        let password = match self.given.read()? {
            _ if self.keep_password => None,
            Some(password) => Some(password),
            None => Some(ask_twice(&self.name, context)?),
        };
        password.as_ref().map_or(Ok(()), check_password)?;

        let mut session = session::open(&self.device, context)?;
        let name = || self.name.as_str().into();
        // In one transaction, so that the user never has more rights than these.
        let commands: Vec<Command<'_>> = [
            password
                .as_ref()
                .map(|password| Command::UserSet { name: name(), password: password.expose().into() }),
            rights.as_deref().map(|rights| Command::UserRights { name: name(), rights: rights.into() }),
        ]
        .into_iter()
        .flatten()
        .collect();
        let generation = change::commit(&mut session, &commands)?;
        if !session.work(|session| Ok(names(session)?.contains(&self.name)))? {
            return Err(Failure::new(
                Exit::Settings,
                format!("The user {} is not there.", self.name),
                "the device took the command, but does not list the user",
                "run the same command again, with --verbose",
            )
            .into());
        }
        let mut saved = None;
        if let Some(password) = &password {
            interrupt::arm("The user is set; nothing was saved here.", "log in, or run it again to save");
            context.note("The password works now. It crosses the network in clear until obkmq speaks TLS.");
            saved = self.save_profile(password, context)?;
        }
        Outcome { name: &self.name, generation, saved }.print(context)
    }

    /// The list that the flags make; `None` if they say nothing.
    fn rights(&self) -> Option<String> {
        let filters = [("read", &self.read), ("write", &self.write), ("readwrite", &self.readwrite)];
        let mut list: Vec<String> = filters
            .into_iter()
            .flat_map(|(right, filters)| filters.iter().map(move |filter| format!("{right} {filter}")))
            .collect();
        if list.is_empty() && (self.everything || self.admin) {
            list.push("everything".to_owned());
        }
        if self.admin {
            list.push("admin".to_owned());
        }
        (!list.is_empty()).then(|| list.join(","))
    }

    /// Saves when told to or when the answer is yes; returns where.
    fn save_profile(&self, password: &Secret, context: &Context) -> anyhow::Result<Option<PathBuf>> {
        if !self.save && (self.no_save || !context.interactive) {
            return Ok(None);
        }
        let question = "Save host, user and password in a file that only you can read?";
        if !self.save && !prompt::agrees(question)? {
            return Ok(None);
        }
        let host = match &self.host {
            None if context.interactive => ask_host()?,
            given => given.clone(),
        };
        let remembered = Remembered { host: host.as_ref(), user: Some(&self.name), password: Some(password) };
        match profile::save(context, &remembered) {
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
        let next = "correct the filters; `obkmq config set-user --help` has examples";
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
            "standard input is not a terminal, and neither --password-stdin nor --password-from is given",
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

/// The board's address, until the answer is one; nothing keeps what the profile says.
fn ask_host() -> anyhow::Result<Option<HostPort>> {
    loop {
        let answer = prompt::ask("The board's address, HOST[:PORT] (Enter: leave as it is): ")?;
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
    generation: u32,
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
