//! `obkmq info`: what a device says of itself.

use std::collections::BTreeMap;

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use super::connect_notes;
use crate::context::Context;
use crate::serial::connect::DeviceOption;
use crate::serial::session;
use crate::target::{HostPort, NetworkOptions};

/// Print what a device says of itself
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq info --port /dev/ttyUSB0
  obkmq info --connect -H 192.168.1.30 --user house")]
pub(crate) struct Info {
    #[command(flatten)]
    device: DeviceOption,
    /// Print what to type into Tasmota, OpenBeken, ESPHome and Home Assistant
    #[arg(long)]
    connect: bool,
    /// With --connect: the broker (default: the profile's, or the board's own address)
    #[arg(short = 'H', long, value_name = "HOST[:PORT]", requires = "connect")]
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
            let words: Vec<String> = row.iter().map(|(key, value)| format!("{key}={value}")).collect();
            context.out(format_args!("  {}", words.join(" ")))?;
        }
        Ok(())
    }
}
