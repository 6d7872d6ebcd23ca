//! From the command line's `--port` to an open port: choose one, or say why none was chosen.

use clap::Args;

use super::open::{self, OpenPort};
use super::ports::{self, Port};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::profile;

/// The option of every verb that talks over a cable.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PortOption {
    /// The serial port (default: the profile's, or the only likely one)
    #[arg(short, long, value_name = "PATH", env = "OBKMQ_PORT", hide_env_values = true)]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) port: Option<String>,
}

impl PortOption {
    /// The port's path: flag, environment, profile, or the single likely one of this machine.
    pub(crate) fn choose(&self, context: &Context) -> anyhow::Result<String> {
        if let Some(path) = &self.port {
            return Ok(path.clone());
        }
        if let Some(path) = profile::load(context)?.serial {
            return Ok(path);
        }
        let path = choose_among(ports::list())?;
        context.note(format_args!("port: {path} (the only likely one; --port names another)"));
        Ok(path)
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
