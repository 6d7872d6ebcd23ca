//! `config path`: which profile won, and where each value that commands use comes from.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::environment;
use crate::profile::{self, Source};
use crate::serial::connect::{DeviceOption, Way};
use crate::target::HostPort;

/// Show which profile is used, and where each value comes from
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config path
  obkmq --profile work.toml config path

A flag beats the environment, the environment beats the profile. Passwords are not shown.")]
pub(crate) struct Path {}

#[derive(Serialize)]
struct Line {
    /// The profile that is read; nothing if there is none.
    profile: Option<PathBuf>,
    /// Where profiles are looked for, in this order.
    searched: Vec<PathBuf>,
    values: Vec<Value>,
}

#[derive(Serialize)]
struct Value {
    name: &'static str,
    value: Option<String>,
    source: String,
}

impl Path {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let profile = profile::load(context)?;
        let from_profile = || match &profile.path {
            Some(path) => path.display().to_string(),
            None => String::new(),
        };
        let value = |name, variable: &str, saved: Option<String>| {
            let set = environment::variable(variable);
            let (value, source) = match (set, saved) {
                (Some(value), _) => (Some(value), variable.to_owned()),
                (None, Some(value)) => (Some(value), from_profile()),
                (None, None) => (None, String::new()),
            };
            Value { name, value, source }
        };
        // What was saved for one host is not told to another.
        let other = environment::variable(environment::HOST)
            .and_then(|host| host.parse::<HostPort>().ok())
            .filter(|host| profile.host.as_ref().is_some_and(|saved| saved != host));
        let fits = other.is_none();
        let mut values = vec![
            value("host", environment::HOST, profile.host.as_ref().map(ToString::to_string)),
            value("user", environment::USER, profile.user.clone().filter(|_| fits)),
        ];
        let mut password = value(
            "password",
            environment::PASSWORD,
            profile.password.as_ref().filter(|_| fits).map(|_| String::new()),
        );
        password.value = password.value.map(|_| "(set)".to_owned());
        values.push(password);
        let place = DeviceOption::default().said(|| Ok(profile.clone()))?;
        let (name, way, source) = match place {
            None => ("port", None, "the only likely port, if there is one".to_owned()),
            Some(place) => {
                let (name, way) = match place.way {
                    Way::Port(path) => ("port", path),
                    Way::Data(folder) => ("data", folder.display().to_string()),
                };
                let source = match place.source {
                    Source::Flag => "a flag".to_owned(),
                    Source::Environment(variable) => variable.to_owned(),
                    Source::Profile(path) => path.display().to_string(),
                };
                (name, Some(way), source)
            }
        };
        values.push(Value { name, value: way, source });
        let line = Line { profile: profile.path.clone(), searched: profile::searched(context), values };
        if context.json { context.out_json("profile", line) } else { print(&line, context) }
    }
}

fn print(line: &Line, context: &Context) -> anyhow::Result<()> {
    match &line.profile {
        Some(path) => context.out(format_args!("profile   {}", path.display()))?,
        None => context.out("profile   none")?,
    }
    for path in &line.searched {
        let mark = if Some(path) == line.profile.as_ref() { "used" } else { "not there, or behind another" };
        context.detail(format_args!("{}: {mark}", path.display()));
    }
    for Value { name, value, source } in &line.values {
        let value = value.as_deref().unwrap_or("-");
        let source = if source.is_empty() { String::new() } else { format!("  ({source})") };
        context.out(format_args!("{name:8}  {value}{source}"))?;
    }
    Ok(())
}
