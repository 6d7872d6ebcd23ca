//! `config set-wifi`: the network that a board is to join, and whether it has.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use obkmq_config::line::{Command, Fields};
use obkmq_config::settings::{Capability, Settings};
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
use crate::serial::session::{self, Session};
use crate::target::{self, DEFAULT_PORT, HostPort};

/// How long a board is given to join. Slow routers take a quarter of a minute for an address.
const JOIN_PATIENCE: Duration = Duration::from_secs(45);

/// How long a board may look for networks.
const SCAN_PATIENCE: Duration = Duration::from_secs(15);

/// The pause between two looks at how it stands.
const LOOK_PAUSE: Duration = Duration::from_millis(300);

/// Let a board join a Wi-Fi network, and wait until it has
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config set-wifi --port /dev/ttyUSB0
  obkmq config set-wifi home
  pass show wifi | obkmq config set-wifi home \\
      --password-stdin --save

Without a name it shows the networks that the board sees. It stores name and password, waits, and prints the board's \
address, or why it has none. The password is stored in clear on the board, because its radio needs it; it never comes out \
over the console.")]
pub(crate) struct SetWifi {
    /// The network's name
    ssid: Option<String>,
    /// A password that somebody wrote here, to be refused without repeating it
    #[arg(hide = true)]
    stray: Option<OsString>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    given: GivenPassword,
    /// The network has no password
    #[arg(long, conflicts_with_all = ["password_stdin", "password_from"])]
    open: bool,
    /// Save the board's address in the profile without asking
    #[arg(long, conflicts_with = "no_save")]
    save: bool,
    /// Do not save and do not ask
    #[arg(long)]
    no_save: bool,
}

#[derive(Serialize)]
struct Joined<'a> {
    ssid: &'a str,
    address: &'a str,
    port: u16,
    saved: Option<PathBuf>,
}

impl SetWifi {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.stray.is_some() {
            return Err(given::stray("config set-wifi SSID").into());
        }
        if let Some(ssid) = &self.ssid {
            check("wifi.ssid", ssid, "choose the name that the router shows")?;
        }
        let given = self.given.read()?;
        given.as_ref().map_or(Ok(()), check_password)?;
        let mut session = session::open(&self.device, context)?;
        if !session.hello.capabilities.has(Capability::Wifi) {
            return Err(Failure::new(
                Exit::Settings,
                format!("The device on {} has no Wi-Fi.", session.name()),
                "it uses the network of its computer, or its firmware does not know its radio yet",
                "for a file that is meant for many boards, write wifi.ssid into it",
            )
            .into());
        }
        let ssid = match &self.ssid {
            Some(ssid) => ssid.clone(),
            None => choose(&mut session, context)?,
        };
        let password = match given {
            _ if self.open => None,
            Some(password) => Some(password),
            None => ask(&ssid, context)?,
        };
        let commands = [
            Command::Set { key: "wifi.ssid".into(), value: ssid.as_str().into() },
            match &password {
                Some(password) => {
                    Command::Set { key: "wifi.password".into(), value: password.expose().into() }
                }
                None => Command::Unset { key: "wifi.password".into() },
            },
        ];
        change::commit(&mut session, &commands)?;
        interrupt::arm(
            "The network is stored; whether the board joins it is not known yet.",
            "look: obkmq monitor, then type `wifi status`",
        );
        context.note(format_args!("stored; waiting for the board to join {ssid} …"));
        let address = wait(&mut session, &ssid)?;
        let (port, users) = session.work(|session| {
            let port = session.request(&Command::Get { key: "mqtt.port".into() })?;
            Ok((port.fields.parse("value").unwrap_or(DEFAULT_PORT), names(session)?))
        })?;
        interrupt::arm(
            "The board has joined the network; nothing was saved here.",
            "log in, or run it again",
        );
        let saved = self.save(&address, port, &users, context)?;
        if context.json {
            return context.out_json("wifi", Joined { ssid: &ssid, address: &address, port, saved });
        }
        context.out(format_args!("joined {ssid}: the broker is at {address}:{port}"))?;
        if users.is_empty() {
            context.note("It has no user yet, so nobody may connect: obkmq config set-user NAME");
        }
        match saved {
            Some(path) => context.out(format_args!("saved in {}", path.display())),
            None => Ok(()),
        }
    }

    /// Saves the address, and the user's name if there is only one; returns where.
    fn save(
        &self,
        address: &str,
        port: u16,
        users: &[String],
        context: &Context,
    ) -> anyhow::Result<Option<PathBuf>> {
        if !self.save && (self.no_save || !context.interactive) {
            return Ok(None);
        }
        let question = format!("Save {address} as the host that other commands talk to?");
        if !self.save && !prompt::agrees(&question)? {
            return Ok(None);
        }
        let host = HostPort { host: address.to_owned(), port };
        let user = match users {
            [only] => Some(only.as_str()),
            _ => None,
        };
        profile::save(context, &Remembered { host: Some(&host), user, password: None }).map(Some)
    }
}

/// The same rules as the device's, so that a mistake shows before anything is sent.
fn check(key: &str, value: &str, next: &str) -> Result<(), Failure> {
    Settings::default()
        .set(key, value)
        .map_err(|error| Failure::new(Exit::Usage, "This cannot be set.", error.to_string(), next))
}

fn check_password(password: &Secret) -> Result<(), Failure> {
    check("wifi.password", password.expose(), "give the password that the router shows")
}

fn ask(ssid: &str, context: &Context) -> anyhow::Result<Option<Secret>> {
    if !context.interactive {
        return Err(Failure::new(
            Exit::Usage,
            "There is nobody to ask for the password.",
            "standard input is not a terminal, and neither --password-stdin nor --password-from is given",
            format!(
                "pipe it in: pass show wifi | obkmq config set-wifi {ssid} --password-stdin; or say --open"
            ),
        )
        .into());
    }
    let password = target::ask_password(&format!("Password of {ssid} (Enter: it has none): "))?;
    if password.expose().is_empty() {
        return Ok(None);
    }
    check_password(&password)?;
    Ok(Some(password))
}

/// Shows what the board sees, and asks for one of them.
fn choose(session: &mut Session, context: &Context) -> anyhow::Result<String> {
    if !context.interactive {
        return Err(Failure::new(
            Exit::Usage,
            "No network was named.",
            "there is nobody to ask which of those in reach is meant",
            "name it: obkmq config set-wifi SSID",
        )
        .into());
    }
    context.note("looking for networks …");
    let deadline = session.now().saturating_add(SCAN_PATIENCE);
    let networks = session.work(|session| {
        loop {
            let reply = session.request(&Command::WifiScan)?;
            if reply.fields.get("running") != Some("yes") || session.now() >= deadline {
                return Ok(reply.rows);
            }
            // A radio takes seconds; nothing but time helps.
            std::thread::sleep(LOOK_PAUSE);
        }
    })?;
    let text = |row: &Fields, key| row.get(key).unwrap_or_default().to_owned();
    for (number, row) in (1..).zip(&networks) {
        let open = if row.get("secured") == Some("no") { "  open" } else { "" };
        let name = crate::serial::text::printable(text(row, "ssid").as_bytes());
        context.note(format_args!("{number:3}  {name}  {} dBm{open}", text(row, "rssi_dbm")));
    }
    if networks.is_empty() {
        context.note("  none in reach: chips need 2.4 GHz");
    }
    loop {
        let answer = prompt::ask("Which one (its number or its name)? ")?;
        let chosen = answer.parse::<usize>().ok().and_then(|number| networks.get(number.checked_sub(1)?));
        let ssid = chosen.map_or(answer, |row| text(row, "ssid"));
        if ssid.is_empty() {
            return Err(Failure::new(
                Exit::Interrupted,
                "Nothing was changed.",
                "no network was chosen",
                "run it again",
            )
            .into());
        }
        match check("wifi.ssid", &ssid, "") {
            Ok(()) => return Ok(ssid),
            Err(failure) => context.note(failure.why),
        }
    }
}

/// The board's address once it has one.
fn wait(session: &mut Session, ssid: &str) -> anyhow::Result<String> {
    let deadline = session.now().saturating_add(JOIN_PATIENCE);
    session.work(|session| {
        loop {
            let status = session.request(&Command::WifiStatus)?.fields;
            let is_ours = status.get("ssid").is_none_or(|other| other == ssid);
            match status.get("state") {
                Some("joined") if is_ours => return Ok(status.get("address").unwrap_or_default().to_owned()),
                Some("failed") if is_ours => return Err(failed(ssid, &status).into()),
                _ if session.now() >= deadline => {
                    return Err(Failure::new(
                        Exit::Network,
                        format!("The board has not joined {ssid}."),
                        format!("it is still trying after {} s", JOIN_PATIENCE.as_secs()),
                        "the network is stored and the board goes on trying; look: obkmq monitor",
                    )
                    .into());
                }
                _ => std::thread::sleep(LOOK_PAUSE),
            }
        }
    })
}

fn failed(ssid: &str, status: &Fields) -> Failure {
    let why = match status.get("reason") {
        Some("not-found") => "no network of that name answers",
        Some("wrong-password") => "the network does not accept the password",
        Some("no-address") => "the network gave the board no address (DHCP)",
        Some("refused") => "the network did not let the board in",
        Some(other) => other,
        None => "the board does not say why",
    };
    let next = status.get("next").unwrap_or("run the same command again");
    Failure::new(
        Exit::Network,
        format!("The board cannot join {ssid}; the network is stored all the same."),
        crate::serial::text::printable(why.as_bytes()),
        crate::serial::text::printable(next.as_bytes()),
    )
}
