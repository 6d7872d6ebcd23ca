//! What can go wrong with a BK7231, in words a user can act on.

use std::io;

use obkmq_image::beken::BekenChip;

use super::guard::Danger;
use super::link::LinkError;
use crate::failure::{Exit, Failure};

/// Printed before the chip is looked for.
pub(super) const WIRING: [&str; 3] = [
    "BK7231: adapter TX to RX1 (P10), RX to TX1 (P11), GND to GND,",
    "        3.3 V to 3.3 V (5 V destroys the chip).",
    "A running obkmq or OpenBeken is asked to restart by itself.",
];

/// Printed when the chip does not answer at once.
pub(super) const NO_ANSWER_YET: &str =
    "No answer yet: connect CEN to GND for a moment, or switch the\nboard's power off and on. Still looking.";

/// Where in the course of things an error happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Reading,
    Writing,
}

pub(super) fn link(error: LinkError, path: &str, phase: Phase) -> Failure {
    let why = match error {
        LinkError::Gone(error) if error.kind() == io::ErrorKind::TimedOut => {
            "it answered before, and then no more: a weak supply, a loose wire, or it was reset".to_owned()
        }
        LinkError::Gone(error) => {
            return Failure::new(
                if phase == Phase::Writing { Exit::Write } else { Exit::NoReply },
                format!("{path} went away{}.", state(phase)),
                format!("the adapter was unplugged, or lost its power ({error})"),
                "plug it in and run the same command again; what is written already is skipped",
            );
        }
        LinkError::Silent => "bytes are lost on the line, or the chip has stopped".to_owned(),
        LinkError::Refused(status) => format!("the chip refuses the command (status {status})"),
    };
    match phase {
        Phase::Connecting => Failure::new(
            Exit::NoReply,
            format!("No BK7231 answers on {path}."),
            "its loader listens on UART1 (P10, P11), for a moment after a reset only",
            "check TX, RX and 3.3 V, run it again, and connect CEN to GND for a moment while it looks",
        ),
        Phase::Reading => Failure::new(
            Exit::NoReply,
            format!("Reading stopped on {path}; nothing on the board was changed by it."),
            why,
            "check wires and supply, try --baud 115200, and run the same command again",
        ),
        Phase::Writing => Failure::new(
            Exit::Write,
            format!("Writing stopped on {path}{}.", state(phase)),
            why,
            "check wires and supply, try --baud 115200, and run the same command again; what is written is skipped",
        ),
    }
}

const fn state(phase: Phase) -> &'static str {
    if matches!(phase, Phase::Writing) { ": the board is half-written" } else { "" }
}

/// Writing or erasing there is refused; nothing was done.
pub(super) fn danger(danger: Danger, address: u32) -> Failure {
    match danger {
        Danger::Bootloader => Failure::new(
            Exit::Usage,
            format!("0x{address:06X} is in the boot loader; nothing was written."),
            "on a BK7231T it is the only thing that takes a new firmware: should writing it fail, the board is dead \
             until somebody opens it and uses an SPI programmer",
            "leave the first 0x11000 bytes alone; if you accept that, add --risk-dead-board",
        ),
        Danger::Calibration => Failure::new(
            Exit::Usage,
            format!("0x{address:06X} is the calibration of the radio; nothing was written."),
            "it was measured in the factory, for this board, and nothing brings it back",
            "leave that sector alone; no option gets past this",
        ),
        Danger::Outside => Failure::new(
            Exit::WrongImage,
            format!("0x{address:06X} is not a place in this flash; nothing was written."),
            "the flash ends before, where addresses start again at its beginning",
            "use an image for this board",
        ),
    }
}

pub(super) fn other_chip(path: &str, found: &str, said: BekenChip) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("The chip on {path} is a {found}, not a {}.", said.family()),
        "code for one of them does not run on the other; nothing was erased",
        "use an image for the chip at hand",
    )
}

pub(super) fn unsupported(path: &str, name: &str) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("The chip on {path} is a {name}."),
        "only BK7231T and BK7231N are known well enough to write to",
        "use another board",
    )
}

pub(super) fn unknown_chip(path: &str, crc: u32) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("The chip on {path} is not known."),
        format!("its boot loader (CRC 0x{crc:08X}) is of no BK7231T, and it has no chip id to read"),
        "if the module says BK7231T, run it again with --board bk7231t",
    )
}

pub(super) fn unknown_flash(path: &str, [maker, kind, size]: [u8; 3]) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("The flash of the chip on {path} is not known."),
        format!(
            "its id is {maker:02X} {kind:02X} {size:02X}, and how such a memory is unprotected is not known here"
        ),
        "report the id together with the name of the module",
    )
}

pub(super) fn odd_flash(path: &str, bytes: u32) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("The flash of the chip on {path} cannot be used."),
        if bytes == 0 {
            "its size cannot be told: it repeats itself nowhere".to_owned()
        } else {
            format!("it has {} kB; every known module has 2,048 or more", bytes / 1024)
        },
        "try again; if it stays, report it together with the name of the module",
    )
}

pub(super) fn protected(path: &str) -> Failure {
    Failure::new(
        Exit::Write,
        format!("The flash of the chip on {path} stays write-protected."),
        "its status register does not take the change: a weak supply, or protection by a pin",
        "try another supply, then run the same command again; nothing was erased",
    )
}

pub(super) fn unreadable(path: &str) -> Failure {
    Failure::new(
        Exit::NoReply,
        format!("Reading stopped on {path}; nothing on the board was changed by it."),
        "what arrives differs from the chip's own sum again and again: the line changes bytes",
        "use shorter wires, try --baud 115200, and run the same command again",
    )
}

pub(super) fn unwritable(path: &str, address: u32) -> Failure {
    Failure::new(
        Exit::Write,
        format!("The flash on {path} does not hold what was written at 0x{address:06X}."),
        "its sum differs after several tries: a weak 3.3 V supply, or worn flash",
        "use a supply of its own for the board, then run the same command again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_silence_is_another_failure_once_writing_began() {
        assert_eq!(link(LinkError::Silent, "p", Phase::Connecting).exit, Exit::NoReply);
        let failure = link(LinkError::Silent, "p", Phase::Writing);
        assert_eq!(failure.exit, Exit::Write);
        assert!(failure.what.contains("half-written") && failure.next.contains("skipped"), "{failure}");
        let gone = || LinkError::Gone(io::ErrorKind::BrokenPipe.into());
        assert!(link(gone(), "p", Phase::Writing).what.contains("went away"));
        assert_eq!(link(gone(), "p", Phase::Reading).exit, Exit::NoReply);
    }

    #[test]
    fn dangers_name_what_would_be_lost() {
        assert!(danger(Danger::Bootloader, 0).why.contains("SPI programmer"));
        assert!(danger(Danger::Calibration, 0x1E_0000).next.contains("no option"));
    }

    #[test]
    fn what_is_printed_fits_sixty_two_columns() {
        for line in WIRING.into_iter().chain(NO_ANSWER_YET.lines()) {
            assert!(line.chars().count() <= 62, "{line}");
        }
    }
}
