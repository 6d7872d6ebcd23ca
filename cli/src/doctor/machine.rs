//! This computer.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Finding, holder};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::image;
use crate::profile;
use crate::serial::open::is_pseudo_terminal;
use crate::serial::open::{permission_reason, permission_remedy};
use crate::serial::ports::{self, Port};

/// No clock of a computer with this program is right before: 1 January 2026.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

pub(crate) fn program() -> Finding {
    let (version, system, processor) =
        (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    Finding::ok("program", format!("obkmq {version} on {system}, {processor}"))
}

pub(crate) fn clock() -> Finding {
    clock_at(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn clock_at(now: Duration) -> Finding {
    if now >= EARLIEST {
        return Finding::ok("clock", "the clock of this computer is plausible");
    }
    Finding::warning(
        "clock",
        "The clock of this computer is wrong.",
        "it shows a time before 2026; times in logs and certificates will not fit",
        "set it, or let it be set from the network (on Linux: timedatectl set-ntp true)",
    )
}

pub(crate) fn profile(context: &Context) -> Finding {
    match profile::load(context) {
        Err(error) => Finding::problem("profile", &error),
        Ok(profile) => match profile.path {
            None => Finding::skipped(
                "profile",
                "there is none, so nothing is remembered about a board",
                "`obkmq config set-user NAME --save` makes one",
            ),
            Some(path) if profile.password.is_some() && others_can_read(&path) => Finding::warning(
                "profile",
                format!("{} can be read by others.", path.display()),
                "it holds a password, or says where one is",
                format!("chmod 600 {}", path.display()),
            ),
            Some(path) => Finding::ok("profile", path.display().to_string()),
        },
    }
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_path: &Path) -> bool {
    false
}

/// The ports that could be a board, each with whether it may be used.
pub(crate) fn ports() -> Vec<Finding> {
    let candidates: Vec<Port> = ports::list().into_iter().filter(Port::is_candidate).collect();
    if candidates.is_empty() {
        return vec![Finding::skipped(
            "ports",
            "this computer sees no USB serial port",
            "plug the board in with a cable that carries data (many only charge), or try `obkmq sim`",
        )];
    }
    candidates
        .iter()
        .map(|port| {
            port_at(&port.path)
                .unwrap_or_else(|| Finding::ok("ports", format!("{} ({})", port.path, port.what)))
        })
        .collect()
}

/// What keeps a port from being used; nothing if it may be.
pub(crate) fn port_at(path: &str) -> Option<Finding> {
    let denied = |what: String, why: String, next: String| {
        Some(Finding::problem("ports", &Failure::new(Exit::PortDenied, what, why, next).into()))
    };
    if ports::unusable(path).is_some() && Path::new(path).exists() {
        let path = Path::new(path);
        return denied(
            format!("{} may not be opened.", path.display()),
            permission_reason(path),
            permission_remedy(path),
        );
    }
    // A pseudo-terminal is always held: by the program that is the device.
    let holder = holder::of(path).filter(|_| !is_pseudo_terminal(path))?;
    denied(
        format!("{path} is in use."),
        format!("{holder} has it open"),
        "close that program; ModemManager can be told to leave boards alone by a udev rule, or removed"
            .to_owned(),
    )
}

/// What `obkmq flash` would write. Somebody whose board runs needs none.
pub(crate) fn images() -> Vec<Finding> {
    match image::found(None) {
        Ok(images) => images
            .iter()
            .map(|image| {
                Finding::ok(
                    "images",
                    format!("{} for {}: {}", image.application, image.model, image.path.display()),
                )
            })
            .collect(),
        Err(Failure { what, why, next, .. }) => vec![Finding::warning("images", what, why, next)],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_a_warning() {
        assert_eq!(clock_at(Duration::from_secs(60)).verdict, Verdict::Warning);
        assert_eq!(clock_at(EARLIEST).verdict, Verdict::Ok);
    }
}
