//! `obkmq info`: what a device says of itself.

use std::collections::BTreeMap;

use clap::Args;
use obkmq_config::line::Command;
use serde::Serialize;

use crate::context::Context;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Print what a device says of itself
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq info --port /dev/ttyUSB0")]
pub(crate) struct Info {
    #[command(flatten)]
    device: DeviceOption,
}

impl Info {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            port: &'a str,
            device: BTreeMap<&'a str, &'a str>,
            refused: Vec<BTreeMap<&'a str, &'a str>>,
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
