//! What went wrong between a device and its [`Client`](super::client::Client), in words a user can act on.

use obkmq_config::line::{ErrorCode, PROTOCOL, Refusal};

use super::client::ClientError;
use crate::failure::{Exit, Failure};

impl ClientError {
    /// The error in the user's words; `port` is what they call the device, and a cable leads there or not.
    pub(crate) fn into_failure(self, port: &str, is_cable: bool) -> Failure {
        match self {
            Self::Gone(_) if !is_cable => Failure::new(
                Exit::NoReply,
                format!("The broker on {port} ended."),
                "it was told to end, or to start anew, while this command talked to it",
                "run the same command again",
            ),
            Self::Silent { .. } if !is_cable => Failure::new(
                Exit::NoReply,
                format!("The broker on {port} does not answer."),
                "it is stopped (Ctrl-Z), its disk is slow, or eight other programs use its console",
                "end them, or start the broker anew",
            ),
            Self::Gone(error) => Failure::new(
                Exit::NoReply,
                format!("{port} went away."),
                format!("the board was unplugged, or its USB side restarted ({error})"),
                "plug it in and run the same command again",
            ),
            Self::Silent { heard } => silent(port, &heard),
            Self::Reset => Failure::new(
                Exit::NoReply,
                format!("The device on {port} was reset in the middle."),
                "a weak supply, or somebody tapped RESET; the change did not happen",
                "run the same command again",
            ),
            Self::Version { device } => Failure::new(
                Exit::NoReply,
                format!("The device on {port} speaks version {device} of the line protocol."),
                format!("this obkmq speaks version {PROTOCOL}, and can only flash and monitor such a device"),
                "use the obkmq of the firmware's release, or flash the firmware of this one",
            ),
            Self::TooLong(error) => Failure::new(
                Exit::Usage,
                "The command cannot be sent.",
                error.to_string(),
                "use a shorter text",
            ),
            Self::Refused(refusal) => refused(&refusal),
        }
    }
}

fn silent(port: &str, heard: &[String]) -> Failure {
    let what = format!("The device on {port} does not answer.");
    let heard_any = |text: &str| heard.iter().any(|line| line.contains(text));
    if heard_any("waiting for download") {
        return Failure::new(
            Exit::NoReply,
            what,
            "it printed `waiting for download`: it is in its ROM loader, not in the firmware",
            format!("tap RESET, or write the firmware: obkmq flash --port {port}"),
        );
    }
    if heard_any("invalid header") || heard_any("No bootable app") {
        return Failure::new(
            Exit::NoReply,
            what,
            "its boot loader finds no firmware to start",
            format!("write it: obkmq flash --port {port}"),
        );
    }
    match heard.last() {
        Some(last) => Failure::new(
            Exit::NoReply,
            what,
            format!("it prints other things (last: `{last}`): perhaps another firmware"),
            format!(
                "look at it with `obkmq monitor --port {port}`, or write obkmq: obkmq flash --port {port}"
            ),
        ),
        None => Failure::new(
            Exit::NoReply,
            what,
            "it printed nothing at all: not powered, no firmware, or not this port",
            format!("tap RESET and try again, or write the firmware: obkmq flash --port {port}"),
        ),
    }
}

fn refused(refusal: &Refusal) -> Failure {
    let next = match refusal.code {
        ErrorCode::UnknownKey => "see the names: obkmq config list",
        ErrorCode::BadValue => "correct the value",
        ErrorCode::Stale => "somebody else changed the settings meanwhile: run the same command again",
        ErrorCode::InTransaction if refusal.message.contains("on trial") => {
            "keep them with `obkmq config confirm`, or drop them with `obkmq config rollback`, first"
        }
        ErrorCode::Busy | ErrorCode::InTransaction | ErrorCode::NoTransaction => {
            "wait a moment and run the same command again"
        }
        ErrorCode::NotThere => {
            "nothing is to be done, or see what there is: obkmq config list, obkmq script ls, obkmq devices"
        }
        ErrorCode::Locked => "look at `obkmq info`, then write the board anew: obkmq flash --erase",
        ErrorCode::Storage => "the old settings stay in force; look at `obkmq info`",
        ErrorCode::UnknownCommand => {
            "its firmware is older than this obkmq and cannot do that: run obkmq flash"
        }
        _ => "run it again with --verbose and report the output",
    };
    let what = format!("The device refused the command ({}).", refusal.code.name());
    Failure::new(Exit::Settings, what, printable_message(&refusal.message), next)
}

fn printable_message(message: &str) -> String {
    super::text::printable(message.as_bytes()).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_explained_by_what_was_printed_before() {
        let explain = |lines: &[&str]| {
            ClientError::Silent { heard: lines.iter().map(|line| (*line).to_owned()).collect() }
                .into_failure("p", true)
        };
        assert!(explain(&["ets", "waiting for download"]).why.contains("ROM loader"));
        assert!(explain(&["invalid header: 0xffffffff"]).next.contains("obkmq flash"));
        assert!(explain(&["Tasmota 13.1"]).why.contains("Tasmota 13.1"));
        assert!(explain(&[]).why.contains("nothing at all"));
        assert_eq!(explain(&[]).exit, Exit::NoReply);
    }

    #[test]
    fn a_refusal_is_exit_8_with_the_devices_words() {
        let refusal = Refusal { code: ErrorCode::BadValue, message: "mqtt.port takes 1..=65535".into() };
        let failure = ClientError::Refused(refusal).into_failure("p", true);
        assert_eq!((failure.exit, failure.why.as_str()), (Exit::Settings, "mqtt.port takes 1..=65535"));
        assert!(failure.what.contains("bad-value"));
    }
}
