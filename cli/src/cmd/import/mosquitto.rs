//! `import mosquitto`: configuration, users and rights as a settings file; retained messages over the network.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::mosquitto::convert::{self, Imported};
use crate::mosquitto::{Finding, Kind, draft};
use crate::reference::Reference;
use crate::retained::{self, OldBroker};
use crate::secret::Secret;
use crate::secret_file;
use crate::target::{self, NetworkOptions, Target};

/// Turn mosquitto's files into settings, and carry its retained messages over
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq import mosquitto mosquitto.conf -o house.toml
  obkmq import mosquitto -H 192.168.1.30 --user house \\
      --retained mqtt://pi@192.168.1.5 --old-password env:PI

Password and ACL file are read, too; copies of them may lie beside the configuration. Users keep their passwords, except \
those that are hashed with argon2. What cannot be carried over is listed with file and line. With --strict the exit code is 8 \
when something is lost.

--retained reads what the old broker retains and writes it to the one that -H or the profile names; both have to run.")]
pub(crate) struct Mosquitto {
    /// Its configuration, mostly /etc/mosquitto/mosquitto.conf
    #[arg(value_name = "FILE", required_unless_present = "retained")]
    file: Option<PathBuf>,
    /// Write the settings there, readable by you only (default: standard output)
    #[arg(short, long, value_name = "FILE", requires = "file")]
    output: Option<PathBuf>,
    /// Exit with 8 when something is not carried over
    #[arg(long)]
    strict: bool,
    /// Carry over what this broker retains
    #[arg(long, value_name = "mqtt://[USER@]HOST")]
    retained: Option<String>,
    /// Where the password of the old broker's user is: env:NAME or file:PATH (default: asks)
    #[arg(long, value_name = "REFERENCE", requires = "retained")]
    old_password: Option<String>,
    #[command(flatten)]
    network: NetworkOptions,
}

impl Mosquitto {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let old = self.retained.as_deref().map(parse_old).transpose()?;
        let mut is_complete = true;
        if let Some(file) = &self.file {
            is_complete &= self.settings(file, context)?;
        }
        if let Some(old) = &old {
            is_complete &= self.carry(old, context)?;
        }
        if self.strict && !is_complete {
            return Err(Failure::new(
                Exit::Settings,
                "Not everything was carried over.",
                "the list above says what and why, and --strict was given",
                "correct what matters by hand, or leave --strict out",
            )
            .into());
        }
        Ok(())
    }

    /// Makes the settings file; whether nothing was lost.
    fn settings(&self, file: &Path, context: &Context) -> anyhow::Result<bool> {
        let imported = convert::import(file)?;
        let text = draft::write(file, &imported);
        if let Some(output) = &self.output {
            secret_file::create(output, text.as_bytes())?;
        }
        if context.json {
            let toml = self.output.is_none().then_some(text.as_str());
            context.out_json("import", Line::new(&imported, self.output.as_deref(), toml))?;
        } else if self.output.is_none() {
            context.out(text.trim_end())?;
        }
        report(&imported, self.output.as_deref(), context);
        Ok(imported.findings.of(Kind::Lost).next().is_none())
    }

    fn carry(&self, old: &OldBroker, context: &Context) -> anyhow::Result<bool> {
        interrupt::arm(
            "Some retained messages may be on the new broker, others not yet.",
            "run the same command again: doing it twice does no harm",
        );
        let new = Target::resolve(&self.network, context)?;
        if new.host == old.host {
            return Err(Failure::new(
                Exit::Usage,
                "Old and new broker are the same.",
                format!("--retained and -H or the profile both name {}", new.host),
                "name the new one with -H",
            )
            .into());
        }
        let password = match (&self.old_password, &old.user) {
            (Some(reference), _) => Some(resolve(reference)?),
            (None, Some(user)) if context.interactive => {
                Some(target::ask_password(&format!("Password of {user} at {}: ", old.host))?)
            }
            (None, _) => None,
        };
        let old = Target { host: old.host.clone(), user: old.user.clone(), password };
        let carried = retained::carry(&old, &new, context)?;
        let kept = carried.found.saturating_sub(carried.missing.len());
        if context.json {
            #[derive(Serialize)]
            struct Retained<'a> {
                found: usize,
                unread: usize,
                kept: usize,
                missing: &'a [String],
            }
            let missing = &carried.missing;
            let (found, unread) = (carried.found, carried.unread);
            context.out_json("retained", Retained { found, unread, kept, missing })?;
        } else {
            context.out(format_args!("{kept} of {} retained messages are at {}", carried.found, new.host))?;
        }
        for topic in &carried.missing {
            context.warn(format_args!(
                "not kept: {} (too large, no memory, no right to write it, or changed meanwhile)",
                printable(topic)
            ));
        }
        if carried.unread > 0 {
            context.warn(format_args!(
                "the old broker says that it retains {} more: give its user the right to read them, set max_queued_messages 0 in mosquitto.conf and restart it, and run this again",
                carried.unread
            ));
        }
        Ok(carried.missing.is_empty() && carried.unread == 0)
    }
}

/// What was not carried over, and how to go on.
fn report(imported: &Imported, output: Option<&Path>, context: &Context) {
    for (kind, headline) in [(Kind::Moot, "without meaning here:"), (Kind::Lost, "not carried over:")] {
        let findings: Vec<&Finding> = imported.findings.of(kind).collect();
        if findings.is_empty() {
            continue;
        }
        let lines =
            findings.iter().map(|finding| format!("\n  {}", draft::line(finding))).collect::<String>();
        match kind {
            Kind::Lost => context.warn(format_args!("{headline}{lines}")),
            Kind::Moot => context.note(format_args!("{headline}{lines}")),
        }
    }
    let users = imported.settings.users().len();
    context.note(format_args!("{users} users keep their passwords"));
    if !imported.without_password.is_empty() {
        let names: Vec<&str> = imported.without_password.iter().map(|(name, _)| name.as_str()).collect();
        context.note(format_args!("to be set anew: the passwords of {}", names.join(", ")));
    }
    if let Some(output) = output {
        context
            .note(format_args!("next: look {0} over, then try it: obkmq run --config {0}", output.display()));
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

/// Not left to clap, whose message would repeat a password.
fn parse_old(text: &str) -> Result<OldBroker, Failure> {
    text.parse().map_err(|why: String| {
        Failure::new(
            Exit::Usage,
            "--retained names no broker.",
            why,
            "write --retained mqtt://HOST, with :PORT behind it or USER@ before it if need be",
        )
    })
}

/// The password behind `env:NAME` or `file:PATH`.
fn resolve(reference: &str) -> Result<Secret, Failure> {
    let failed = |why: String| {
        Failure::new(
            Exit::Usage,
            "The old broker's password cannot be had.",
            why,
            "write --old-password env:NAME or --old-password file:PATH",
        )
    };
    // Not repeated: it may be the password itself.
    let place = Reference::parse(reference)
        .ok_or_else(|| failed("it is neither env:NAME nor file:PATH".to_owned()))?;
    place.read(Path::new("")).map_err(|why| failed(format!("{reference}: {why}")))
}

#[derive(Serialize)]
struct Line<'a> {
    output: Option<&'a Path>,
    users: usize,
    without_password: Vec<&'a str>,
    lost: Vec<&'a Finding>,
    moot: Vec<&'a Finding>,
    toml: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn new(imported: &'a Imported, output: Option<&'a Path>, toml: Option<&'a str>) -> Self {
        Self {
            output,
            users: imported.settings.users().len(),
            without_password: imported.without_password.iter().map(|(name, _)| name.as_str()).collect(),
            lost: imported.findings.of(Kind::Lost).collect(),
            moot: imported.findings.of(Kind::Moot).collect(),
            toml,
        }
    }
}
