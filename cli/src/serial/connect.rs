//! From the command line's `--port` or `--data` to an open console: choose one, or say why none was chosen.

use std::path::PathBuf;

use clap::Args;

use super::local;
use super::open::{self, OpenPort};
use super::ports::{self, Port};
use super::transport::{SerialTransport, Transport};
use crate::context::Context;
use crate::environment;
use crate::failure::{Exit, Failure};
use crate::profile::{self, Profile, Source};

/// The option of every verb that talks over a cable.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PortOption {
    /// The serial port (default: that of OBKMQ_PORT, the profile's, or the only likely one)
    #[arg(short, long, value_name = "PATH")]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) port: Option<String>,
}

impl PortOption {
    /// The port's path: flag, environment, profile, or the single likely one of this machine.
    pub(crate) fn choose(&self, context: &Context) -> anyhow::Result<String> {
        let chosen = self.port.clone().or_else(|| environment::variable(environment::PORT));
        if let Some(path) = chosen {
            return Ok(path);
        }
        if let Some(path) = profile::load(context)?.serial {
            return Ok(path);
        }
        only_likely(context)
    }

    /// [`choose`](Self::choose), then open.
    pub(crate) fn open(&self, context: &Context) -> anyhow::Result<OpenPort> {
        let path = self.choose(context)?;
        let port = open::open(&path)?;
        context.detail(format_args!(
            "{path} is open{}",
            if port.has_modem_lines { "" } else { ", without modem lines" }
        ));
        Ok(port)
    }
}

/// The option of every verb that talks to a console, wherever it is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DeviceOption {
    #[command(flatten)]
    pub(crate) port: PortOption,
    /// Instead of a port, the data folder of an `obkmq run`, running or not (default: that of OBKMQ_DATA, or the profile's)
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    pub(crate) data: Option<PathBuf>,
}

/// Where a console is, and what said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) way: Way,
    pub(crate) source: Source,
}

/// A way to a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A serial port.
    Port(String),
    /// A data folder of this machine.
    Data(PathBuf),
}

impl DeviceOption {
    /// Flag before environment before profile; `None` if none of them says anything.
    pub(crate) fn said(
        &self,
        profile: impl FnOnce() -> anyhow::Result<Profile>,
    ) -> anyhow::Result<Option<Place>> {
        let both = |port: Option<String>, data: Option<PathBuf>| match (port, data) {
            (Some(port), None) => Ok(Some(Way::Port(port))),
            (None, Some(data)) => Ok(Some(Way::Data(data))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(()),
        };
        let contradiction = |what: String, next: &str| {
            Failure::new(Exit::Usage, what, "one command talks to one device", next)
        };
        // clap has refused both flags already.
        if let Ok(Some(way)) = both(self.port.port.clone(), self.data.clone()) {
            return Ok(Some(Place { way, source: Source::Flag }));
        }
        let data = environment::variable(environment::DATA).map(PathBuf::from);
        let way = both(environment::variable(environment::PORT), data).map_err(|()| {
            contradiction(
                format!("{} and {} are both set.", environment::PORT, environment::DATA),
                "unset one of them, or say --port or --data",
            )
        })?;
        if let Some(way) = way {
            let variable = if matches!(way, Way::Port(_)) { environment::PORT } else { environment::DATA };
            return Ok(Some(Place { way, source: Source::Environment(variable) }));
        }
        let profile = profile()?;
        let Some(path) = profile.path else { return Ok(None) };
        let way = both(profile.serial, profile.data).map_err(|()| {
            contradiction(
                format!("The profile {} names a serial port and a data folder.", path.display()),
                "remove one of them, or say --port or --data",
            )
        })?;
        Ok(way.map(|way| Place { way, source: Source::Profile(path) }))
    }

    /// What was said, or the single likely port of this machine.
    pub(crate) fn choose(&self, context: &Context) -> anyhow::Result<Way> {
        match self.said(|| profile::load(context))? {
            Some(place) => Ok(place.way),
            None => Ok(Way::Port(only_likely(context)?)),
        }
    }

    /// [`choose`](Self::choose), then open.
    pub(crate) fn open(&self, context: &Context) -> anyhow::Result<Box<dyn Transport>> {
        match self.choose(context)? {
            Way::Port(path) => {
                let port = PortOption { port: Some(path) }.open(context)?;
                Ok(Box::new(SerialTransport::new(port)))
            }
            Way::Data(folder) => {
                let transport = local::open(&folder)?;
                let state =
                    if transport.is_stopped() { "no broker runs on it" } else { "a broker runs on it" };
                context.detail(format_args!("{}: {state}", transport.name()));
                Ok(Box::new(transport))
            }
        }
    }
}

fn only_likely(context: &Context) -> anyhow::Result<String> {
    let path = choose_among(ports::list())?;
    context.note(format_args!("port: {path} (the only likely one; --port names another)"));
    Ok(path)
}

/// One usable candidate is a choice; none or several are the user's to solve.
fn choose_among(ports: Vec<Port>) -> Result<String, Failure> {
    let candidates: Vec<Port> = ports.into_iter().filter(Port::is_candidate).collect();
    let (usable, unusable): (Vec<&Port>, Vec<&Port>) =
        candidates.iter().partition(|port| port.unusable.is_none());
    match (usable.as_slice(), unusable.first()) {
        ([only], _) => Ok(only.path.clone()),
        ([], None) => Err(Failure::new(
            Exit::NoPort,
            "No board was found.",
            "this computer sees no USB serial port",
            "plug the board in with a cable that carries data, or name a port: --port PATH",
        )),
        ([], Some(port)) => Err(Failure::new(
            Exit::PortDenied,
            format!("{} ({}) may not be used.", port.path, port.what),
            port.unusable.clone().unwrap_or_default(),
            format!("see what to do about it: obkmq info --port {}", port.path),
        )),
        ([first, ..], _) => {
            // The best rank alone is a good guess, but writing to a guessed device is not.
            let list: Vec<String> =
                usable.iter().map(|port| format!("{} ({})", port.path, port.what)).collect();
            Err(Failure::new(
                Exit::NoPort,
                "Several ports could be the board.",
                list.join(", "),
                format!("choose one: --port {}", first.path),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ports::Likelihood;
    use super::*;

    fn port(path: &str, likelihood: Likelihood, unusable: Option<&str>) -> Port {
        Port {
            path: path.to_owned(),
            what: "bridge".to_owned(),
            likelihood,
            usb_id: None,
            serial_number: None,
            unusable: unusable.map(str::to_owned),
        }
    }

    #[test]
    fn the_only_candidate_is_chosen_and_built_in_ports_do_not_count() {
        let ports =
            vec![port("/dev/ttyUSB0", Likelihood::Bridge, None), port("/dev/ttyS0", Likelihood::Other, None)];
        assert_eq!(choose_among(ports), Ok("/dev/ttyUSB0".to_owned()));
    }

    #[test]
    fn several_candidates_are_listed_with_exit_3() {
        let ports = vec![
            port("/dev/ttyACM0", Likelihood::Board, None),
            port("/dev/ttyUSB0", Likelihood::Bridge, None),
        ];
        let failure = choose_among(ports).unwrap_err();
        assert_eq!(failure.exit, Exit::NoPort);
        assert!(failure.why.contains("/dev/ttyACM0") && failure.why.contains("/dev/ttyUSB0"));
    }

    #[test]
    fn a_candidate_without_permission_is_exit_4() {
        let ports = vec![port("/dev/ttyUSB0", Likelihood::Bridge, Some("group dialout"))];
        let failure = choose_among(ports).unwrap_err();
        assert_eq!((failure.exit, failure.why.as_str()), (Exit::PortDenied, "group dialout"));
    }

    #[test]
    fn no_port_at_all_is_exit_3() {
        assert_eq!(choose_among(Vec::new()).unwrap_err().exit, Exit::NoPort);
    }
}
