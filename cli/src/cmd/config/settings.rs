//! `config get | set | unset | list`: settings by their keys.

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use super::change;
use super::state::{Setting, State};
use crate::context::Context;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Print one setting's value
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq config get mqtt.port --port /dev/ttyUSB0")]
pub(crate) struct Get {
    /// The setting, as `config list` names it
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
#[command(after_help = "Example:\n  obkmq config set mqtt.port 1884 --port /dev/ttyUSB0")]
pub(crate) struct Set {
    /// The setting, as `config list` names it
    key: String,
    /// Its new value
    #[arg(allow_hyphen_values = true)]
    value: String,
    #[command(flatten)]
    device: DeviceOption,
}

impl Set {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let command = Command::Set { key: self.key.as_str().into(), value: self.value.as_str().into() };
        change(&self.device, &command, &self.key, context)
    }
}

/// Give one setting its default again
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq config unset mqtt.port --port /dev/ttyUSB0")]
pub(crate) struct Unset {
    /// The setting, as `config list` names it
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
    change::arm();
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
            context.out(format_args!("{:width$}  {}{default}{note}", setting.key, setting.value))?;
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
