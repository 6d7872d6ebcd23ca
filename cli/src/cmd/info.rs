//! `obkmq info`: what a device says of itself.

use std::collections::BTreeMap;

use clap::Args;
use obkmq_config::line::Command;
use obkmq_image::Board;
use serde::Serialize;

use super::connect_notes;
use crate::context::Context;
use crate::flash::options::LoaderOptions;
use crate::interrupt;
use crate::serial::connect::DeviceOption;
use crate::serial::session;
use crate::target::{HostPort, NetworkOptions};

/// Print what a device says of itself
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq info --port /dev/ttyUSB0
  obkmq info --loader --board bk7231n
  obkmq info --connect -H 192.168.1.30 --user house")]
pub(crate) struct Info {
    #[command(flatten)]
    device: DeviceOption,
    /// Ask the chip's loader instead of the firmware: chip, flash, what is in it. The board restarts afterwards
    #[arg(long, conflicts_with_all = ["data", "connect"])]
    loader: bool,
    /// With --loader: the board, for example bk7231n (default: an ESP32 of any kind)
    #[arg(long, value_name = "BOARD", requires = "loader")]
    board: Option<Board>,
    /// Print what to type into Tasmota, OpenBeken, ESPHome and Home Assistant
    #[arg(long)]
    connect: bool,
    /// With --connect: the broker (default: the profile's, or the board's own address)
    #[arg(short = 'H', long, value_name = "HOST[:PORT]", requires = "connect", value_parser = HostPort::ARGUMENT)]
    host: Option<HostPort>,
    /// With --connect: the user (default: the profile's, or the first)
    #[arg(short, long, value_name = "NAME", requires = "connect")]
    user: Option<String>,
}

impl Info {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            port: &'a str,
            device: BTreeMap<&'a str, &'a str>,
            refused: Vec<BTreeMap<&'a str, &'a str>>,
        }
        if self.loader {
            return from_loader(LoaderOptions::plain(self.device.port, self.board), context);
        }
        if self.connect {
            let network = NetworkOptions { host: self.host, user: self.user, password_stdin: false };
            return connect_notes::print(&network, &self.device, context);
        }
        let mut session = session::open(&self.device, context)?;
        let (info, refused) = session
            .work(|session| Ok((session.request(&Command::Info)?, session.request(&Command::Refused)?)))?;
        // `hello` and `info` overlap; what both say is said once, in the order of the greeting.
        let hello = session.hello.to_fields();
        let mut fields: Vec<(&str, &str)> = hello.iter().collect();
        for (key, value) in info.rows.iter().flat_map(|row| row.iter()).chain(info.fields.iter()) {
            match fields.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => fields.push((key, value)),
            }
        }
        if context.json {
            return context.out_json(
                "info",
                Line {
                    port: session.name(),
                    device: fields.into_iter().collect(),
                    refused: refused.rows.iter().map(|row| row.iter().collect()).collect(),
                },
            );
        }
        let width = fields.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
        for (key, value) in fields {
            context.out(format_args!("{key:width$}  {value}"))?;
        }
        if !refused.rows.is_empty() {
            context.out("\nlast refused connections")?;
        }
        for row in &refused.rows {
            for line in refusal(&row.iter().collect::<Vec<_>>()) {
                context.out(line)?;
            }
        }
        Ok(())
    }
}

/// What a chip says without any firmware.
fn from_loader(options: LoaderOptions, context: &Context) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        port: &'a str,
        loader: BTreeMap<&'a str, &'a str>,
    }
    interrupt::arm("Nothing was changed.", "tap RESET, or switch the board's power off and on");
    let (path, mut loader) = options.connect(None, false, context)?;
    let kilobytes = loader.flash_bytes() / 1024;
    let facts = loader.facts(context);
    let mut fields = vec![("chip", loader.model().to_string()), ("flash", format!("{kilobytes} kB"))];
    // Whatever was learnt: the board is wanted back.
    let restarted = loader.start_firmware(context);
    fields.extend(facts?);
    if let Err(failure) = restarted {
        context.warn(format_args!("the board was not started again ({}): tap RESET", failure.why));
    }
    if context.json {
        let loader = fields.iter().map(|(key, value)| (*key, value.as_str())).collect();
        return context.out_json("loader", Line { port: &path, loader });
    }
    fields.iter().try_for_each(|(key, value)| context.out(format_args!("{key:8}  {value}")))
}

/// What a narrow terminal shows.
const COLUMNS: usize = 60;

/// A refused connection: how long ago and why, then one field a line, whatever a later firmware adds to them.
fn refusal(fields: &[(&str, &str)]) -> Vec<String> {
    const HEADING: [&str; 2] = ["age_s", "reason"];
    let [age, reason] = HEADING.map(|wanted| {
        let found = fields.iter().find(|(key, _)| *key == wanted);
        found.map_or("?", |(_, value)| value)
    });
    let mut lines = wrapped(&format!("  {age} s ago: "), reason);
    let rest = || fields.iter().filter(|(key, _)| !HEADING.contains(key));
    let width = rest().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    for (key, value) in rest() {
        lines.extend(wrapped(&format!("    {key:width$}  "), value));
    }
    lines
}

/// A text behind its label; what does not fit goes on below its beginning. Words are not broken.
fn wrapped(label: &str, text: &str) -> Vec<String> {
    let indent = label.chars().count();
    let mut lines = Vec::new();
    let mut line = label.to_owned();
    let mut used = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > indent && used + 1 + length > COLUMNS {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            used = indent;
        }
        if used > indent {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_fits_a_narrow_terminal() {
        let fields = [
            ("age_s", "12"),
            ("address", "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:50123"),
            ("client_id", "tasmota_1A2B3C"),
            ("user", "kitchen"),
            ("reason", "wrong user name or password"),
            ("next", "correct name or password on the client, or give the user a new password"),
        ];
        assert_eq!(
            refusal(&fields).join("\n"),
            "  12 s ago: wrong user name or password\n\
            \x20   address    [2001:db8:85a3:8d3:1319:8a2e:370:7348]:50123\n\
            \x20   client_id  tasmota_1A2B3C\n\
            \x20   user       kitchen\n\
            \x20   next       correct name or password on the client, or\n\
            \x20              give the user a new password"
        );
        let lines = refusal(&fields);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
    }
}
