//! `obkmq run`: the firmware's node as a broker on this computer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[cfg(unix)]
use anyhow::Context as _;
use clap::Args;
use obkmq_config::settings::Anonymous;
use obkmq_host::{Console, OpenError, Outcome, ServerError, Setup, SetupError, Stop, start};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::target::DEFAULT_PORT;

/// A command that works on the folder of a stopped broker has it for a moment; a start waits for so long.
const IN_USE_PATIENCE: Duration = Duration::from_secs(4);

const IN_USE_PAUSE: Duration = Duration::from_millis(50);

/// Run a broker on this computer
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq run
  obkmq run --data ~/.local/share/obkmq --config house.toml

Without any user it listens on 127.0.0.1:1883 and lets this computer in only; if mqtt.anonymous is set to `never`, nobody. With \
users, or mqtt.anonymous `always`, it listens on every IPv4 address; --listen [::]:1883 adds IPv6. Nothing is written to disk without \
--data. Ctrl-C or SIGTERM ends it.")]
pub(crate) struct Run {
    /// Where to listen (default: the settings' port)
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Folder for settings, sessions and the retained messages that retain.persist names
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Settings and users, as TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Run {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let setup = Setup { listen: self.listen, data: self.data, config: self.config };
        let stop = Stop::new();
        #[cfg(unix)]
        stop.on_signals(Exit::Interrupted.code().into()).context("signals cannot be caught")?;
        #[cfg(not(unix))]
        {
            let asked = stop.clone();
            crate::interrupt::arm_with(move || asked.request());
        }
        // `reboot` on its console ends the node and starts it anew, as on a chip.
        while serve(&setup, &stop, context)? == Outcome::Reboot {
            context.note("The console asked for a restart.");
        }
        Ok(())
    }
}

/// One life of the broker, from its start to what ended it.
fn serve(setup: &Setup, stop: &Stop, context: &Context) -> anyhow::Result<Outcome> {
    #[derive(Serialize)]
    struct Listening {
        address: Option<SocketAddr>,
    }
    let began = Instant::now();
    let mut told = false;
    let mut server = loop {
        let log: Box<dyn std::io::Write + Send> =
            if context.quiet { Box::new(std::io::sink()) } else { Box::new(std::io::stderr()) };
        match start(setup, Console::Log(log), stop) {
            Err(SetupError::Flash { error: OpenError::InUse, .. })
                if began.elapsed() < IN_USE_PATIENCE && !stop.is_requested() =>
            {
                if !std::mem::replace(&mut told, true) {
                    context.note("The data folder is in use; waiting a moment for it.");
                }
                std::thread::sleep(IN_USE_PAUSE);
            }
            result => break result.map_err(explain)?,
        }
    };
    let address = server.address();
    if context.json {
        context.out_json("listening", Listening { address })?;
    } else if let Some(address) = address {
        context.out(format_args!("obkmq {} listens on {address}", env!("CARGO_PKG_VERSION")))?;
    }
    let settings = server.node().settings();
    if settings.anonymous() == Anonymous::Always {
        context.note("mqtt.anonymous is `always`: whoever reaches this port may connect.");
    } else if settings.users().is_empty() {
        let who = match settings.anonymous() {
            Anonymous::Never => " and mqtt.anonymous is `never`: nobody may connect",
            _ => ", so only this machine may connect",
        };
        let how = match &setup.data {
            None => "--config FILE brings users".to_owned(),
            Some(data) => format!("add one: obkmq config set-user NAME --data {}", data.display()),
        };
        context.note(format_args!("No user is set{who}; {how}."));
    }
    Ok(server.run(stop).map_err(|error| explain(error.into()))?)
}

/// Why a settings file or a data folder cannot be used.
pub(crate) fn explain(error: SetupError) -> Failure {
    let why = error.to_string();
    match error {
        SetupError::Server(ServerError::Listen { address, error }) => cannot_listen(address, &error),
        SetupError::Folder { .. } | SetupError::Flash { .. } => {
            let next = match &error {
                SetupError::Flash { error: OpenError::InUse, .. } => {
                    "end the other obkmq that uses it, or choose another folder with --data"
                }
                SetupError::Flash { error: OpenError::Size { .. }, .. } => {
                    "put a whole copy of that file back, or move it away to start with none"
                }
                _ => "make room and see to its permissions, or choose another folder with --data",
            };
            Failure::new(Exit::Usage, "The data folder cannot be used.", why, next)
        }
        SetupError::Read { .. } | SetupError::Password { .. } => Failure::new(
            Exit::Usage,
            "The settings cannot be read.",
            why,
            "correct the name of the file, or what it refers to",
        ),
        SetupError::File { .. } | SetupError::Settings { .. } => Failure::new(
            Exit::Settings,
            "The settings file has mistakes; nothing was changed.",
            why,
            "correct the file and run the same command again",
        ),
        SetupError::Adopt(_) => Failure::new(
            Exit::Settings,
            "The settings were not stored; the old ones stay.",
            why,
            "free some space, or choose another folder with --data",
        ),
        SetupError::Server(_) => Failure::new(
            Exit::Internal,
            "The broker ended.",
            why,
            "run the same command again, and report it when it happens twice",
        ),
    }
}

/// A listener that could not be opened.
pub(super) fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let (why, next) = match error.kind() {
        std::io::ErrorKind::AddrInUse => (
            "another program listens there, perhaps mosquitto or another obkmq".to_owned(),
            format!("end it, or choose another port: --listen {}", beside(address)),
        ),
        std::io::ErrorKind::PermissionDenied => (
            "ports below 1024 are the administrator's".to_owned(),
            format!("choose another port: --listen {}", SocketAddr::new(address.ip(), DEFAULT_PORT)),
        ),
        std::io::ErrorKind::AddrNotAvailable => (
            "this computer does not have that address".to_owned(),
            format!("0.0.0.0 stands for all of its addresses: --listen 0.0.0.0:{}", address.port()),
        ),
        _ => (error.to_string(), "choose another address with --listen".to_owned()),
    };
    Failure::new(Exit::Network, format!("Nothing can listen on {address}."), why, next)
}

/// The same address, the next port.
fn beside(mut address: SocketAddr) -> SocketAddr {
    address.set_port(address.port().checked_add(1).unwrap_or(DEFAULT_PORT));
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_exit_9_with_another_port_to_try() {
        let address = "127.0.0.1:1883".parse().unwrap();
        let failure = cannot_listen(address, &std::io::ErrorKind::AddrInUse.into());
        assert_eq!(failure.exit, Exit::Network);
        assert!(failure.next.contains("--listen 127.0.0.1:1884"), "{}", failure.next);
    }
}
