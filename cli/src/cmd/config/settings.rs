//! `config get | set | unset | list`: settings by their keys.

use std::ffi::OsStr;

use clap::Args;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use obkmq_config::line::Command;
use obkmq_config::settings::{KEYS, Key};
use serde::Serialize;

use super::change;
use super::given::GivenPassword;
use super::state::{Setting, State};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::secret::Secret;
use crate::serial::connect::DeviceOption;
use crate::serial::session;
use crate::target;

/// Any text is taken for a key, because firmware may know more of them; those of the table are for completion.
#[derive(Clone, Debug)]
struct KeyName;

impl TypedValueParser for KeyName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(KEYS.iter().map(|key| PossibleValue::new(key.name).help(key.help))))
    }
}

/// Print one setting's value
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq config get mqtt.port --port /dev/ttyUSB0")]
pub(crate) struct Get {
    /// The setting, as `config list` names it
    #[arg(value_parser = KeyName, hide_possible_values = true)]
    key: String,
    #[command(flatten)]
    device: DeviceOption,
}

impl Get {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut session = session::open(&self.device, context)?;
        let command = Command::Get { key: self.key.as_str().into() };
        let reply = session.work(|session| Ok(session.request(&command)?))?;
        let setting = Setting::from_fields(&reply.fields);
        if context.json { context.out_json("setting", setting) } else { context.out(setting.value) }
    }
}

/// Change one setting
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config set mqtt.port 1884 --port /dev/ttyUSB0
  obkmq config set wifi.ap_password

A secret is asked for, or given with --password-stdin or --password-from: a command line can be read by others.")]
pub(crate) struct Set {
    /// The setting, as `config list` names it
    #[arg(value_parser = KeyName, hide_possible_values = true)]
    key: String,
    /// Its new value
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    given: GivenPassword,
}

impl Set {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let secret;
        let value = match (Key::find(&self.key).is_some_and(Key::is_secret), &self.value) {
            (true, value) => {
                secret = self.secret(value.is_some(), context)?;
                secret.expose()
            }
            (false, Some(value)) => value,
            (false, None) => {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("{} needs a value.", self.key),
                    "only the value of a secret may be left away, and is asked for then",
                    format!("say it: obkmq config set {} VALUE", self.key),
                )
                .into());
            }
        };
        let command = Command::Set { key: self.key.as_str().into(), value: value.into() };
        change(&self.device, &command, &self.key, context)
    }

    fn secret(&self, on_the_command_line: bool, context: &Context) -> anyhow::Result<Secret> {
        if on_the_command_line {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} does not belong on the command line; nothing was sent.", self.key),
                "others can read it there, now and in your shell's history: take it for known",
                format!(
                    "choose another one, and leave it away (it is asked for): obkmq config set {}",
                    self.key
                ),
            )
            .into());
        }
        if let Some(secret) = self.given.read()? {
            return Ok(secret);
        }
        if !context.interactive {
            return Err(Failure::new(
                Exit::Usage,
                format!("There is nobody to ask for {}.", self.key),
                "standard input is not a terminal, and neither --password-stdin nor --password-from is given",
                format!("pipe it in: pass show wifi | obkmq config set {} --password-stdin", self.key),
            )
            .into());
        }
        target::ask_password(&format!("{}: ", self.key))
    }
}

/// Give one setting its default again
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq config unset mqtt.port --port /dev/ttyUSB0")]
pub(crate) struct Unset {
    /// The setting, as `config list` names it
    #[arg(value_parser = KeyName, hide_possible_values = true)]
    key: String,
    #[command(flatten)]
    device: DeviceOption,
}

impl Unset {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        change(&self.device, &Command::Unset { key: self.key.as_str().into() }, &self.key, context)
    }
}

/// Sends a change and prints what the device then holds, not what was asked for.
fn change(device: &DeviceOption, command: &Command<'_>, key: &str, context: &Context) -> anyhow::Result<()> {
    let mut session = session::open(device, context)?;
    change::commit(&mut session, std::slice::from_ref(command))?;
    let get = Command::Get { key: key.into() };
    let reply = session.work(|session| Ok(session.request(&get)?))?;
    let setting = Setting::from_fields(&reply.fields);
    if context.json {
        return context.out_json("setting", setting);
    }
    if let (Some(note), false) = (&setting.note, setting.default) {
        context.warn(format_args!("{key} has {note}"));
    }
    context.out(format_args!("{key} = {}", setting.value))
}

/// List all settings, and the users with what they may do
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq config list --port /dev/ttyUSB0 --json")]
pub(crate) struct List {
    #[command(flatten)]
    device: DeviceOption,
}

impl List {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Users {
            names: Vec<String>,
            rights: Vec<String>,
        }
        let mut session = session::open(&self.device, context)?;
        let State { settings, users } = session.work(|session| Ok(State::read(session)?))?;
        let width = settings.iter().map(|setting| setting.key.chars().count()).max().unwrap_or(0);
        for setting in settings {
            if context.json {
                context.out_json("setting", setting)?;
                continue;
            }
            let default = if setting.default { "  (default)" } else { "" };
            // A default that has no effect interests nobody.
            let note = setting.note.filter(|_| !setting.default);
            let note = note.map(|note| format!("  ({note})")).unwrap_or_default();
            let value = if setting.value.is_empty() { "(empty)" } else { &setting.value };
            context.out(format_args!("{:width$}  {value}{default}{note}", setting.key))?;
        }
        if context.json {
            let (names, rights) = users.into_iter().map(|user| (user.name, user.rights)).unzip();
            return context.out_json("users", Users { names, rights });
        }
        let names: Vec<_> = users.iter().map(ToString::to_string).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        context.out(format_args!("{:width$}  {names}", "users"))
    }
}
