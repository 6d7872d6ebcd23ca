//! `obkmq devices`: what has announced itself to a board, and what it may be told.

use std::collections::BTreeMap;

use clap::Args;
use obkmq_config::line::{Command, Fields};
use serde::Serialize;

use crate::context::Context;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Show the devices that have announced themselves, or set a
/// value of one
#[derive(Args)]
#[command(after_help = "\
Shows what Home Assistant's discovery and Tasmota's tell the
board, and devices that only show their topics. A value that
is marked with * can be set.

Examples:
  obkmq devices --port /dev/ttyUSB0
  obkmq devices \"Hall Lamp\" state on --data DIR")]
pub(crate) struct Devices {
    /// Set this value of this device, as they are listed
    #[arg(num_args = 3, value_names = ["NAME", "KEY", "VALUE"])]
    set: Vec<String>,
    #[command(flatten)]
    device: DeviceOption,
}

impl Devices {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match &*self.set {
            [name, key, value] => set(&self.device, [name, key, value], context),
            _ => list(&self.device, context),
        }
    }
}

fn set(device: &DeviceOption, [name, key, value]: [&str; 3], context: &Context) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        name: &'a str,
        key: &'a str,
        value: &'a str,
    }
    let mut session = session::open(device, context)?;
    let command = Command::DeviceSet { name: name.into(), key: key.into(), value: value.into() };
    session.work(|session| Ok(session.request(&command)?))?;
    if context.json {
        return context.out_json("device_set", Line { name, key, value });
    }
    context.out(format_args!("{name}: {key} is asked to become {value}"))
}

/// What a row says of the device itself; all others are its values.
const ABOUT: [&str; 6] = ["name", "component", "online", "unit", "set", "note"];

fn list(device: &DeviceOption, context: &Context) -> anyhow::Result<()> {
    let mut session = session::open(device, context)?;
    let answer = session.work(|session| Ok(session.request(&Command::Devices)?))?;
    let not_shown = answer.fields.parse::<u32>("not_shown").unwrap_or(0);
    if context.json {
        #[derive(Serialize)]
        struct Line<'a> {
            devices: Vec<BTreeMap<&'a str, &'a str>>,
            not_shown: u32,
        }
        let devices = answer.rows.iter().map(|row| row.iter().collect()).collect();
        return context.out_json("devices", Line { devices, not_shown });
    }
    if answer.rows.is_empty() {
        context.out("no device has announced itself yet")?;
    }
    for row in &answer.rows {
        for line in lines(row) {
            context.out(line)?;
        }
    }
    if not_shown > 0 {
        context.out(format_args!(
            "{not_shown} devices are not shown: there is no memory for them; next: raise discovery.memory_bytes"
        ))?;
    }
    Ok(())
}

/// A device and, below it, its values.
fn lines(row: &Fields) -> Vec<String> {
    let get = |key| row.get(key).unwrap_or_default();
    let online = match get("online") {
        "no" => ", not there",
        _ => "",
    };
    let mut lines = vec![format!("{} ({}{online})", get("name"), get("component"))];
    let can_be_set: Vec<&str> = get("set").split(',').filter(|key| !key.is_empty()).collect();
    let known = row.iter().filter(|(key, _)| !ABOUT.contains(key));
    let unknown = can_be_set.iter().filter(|key| row.get(key).is_none()).map(|key| (*key, "?"));
    for (key, value) in known.chain(unknown) {
        let mark = if can_be_set.contains(&key) { "*" } else { "" };
        let unit = if key == "state" || key.ends_with("temperature") { get("unit") } else { "" };
        lines.push(format!("  {key}{mark}  {value} {unit}").trim_end().to_owned());
    }
    if let Some(note) = row.get("note") {
        lines.push(format!("  {note}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_shown_with_what_it_can_be_told() {
        let row = Fields::new()
            .with("name", "Hall Lamp")
            .with("component", "light")
            .with("online", "no")
            .with("state", "on")
            .with("set", "state,brightness");
        assert_eq!(lines(&row), ["Hall Lamp (light, not there)", "  state*  on", "  brightness*  ?"]);
        let row = Fields::new()
            .with("name", "T")
            .with("component", "sensor")
            .with("state", "21")
            .with("unit", "°C");
        assert_eq!(lines(&row.with("note", "raw")), ["T (sensor)", "  state  21 °C", "  raw"]);
    }
}
