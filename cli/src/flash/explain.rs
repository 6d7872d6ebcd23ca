//! The espflash library's errors as [`Failure`]s.
//!
//! The library keeps its connection errors to itself, so some are told apart by their text. A text that no longer
//! matches makes a message less precise, never wrong.

use espflash::Error;

use crate::failure::{Exit, Failure};

/// Where in the course of things an error happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting { may_reset: bool },
    Reading,
    Writing,
}

pub(super) fn explain(error: &Error, path: &str, phase: Phase) -> Failure {
    match (error, phase) {
        (Error::VerifyFailed, _) => Failure::new(
            Exit::Write,
            "The flash does not hold what was written.",
            "its checksum differs: a weak 3.3 V supply, or worn or write-protected flash",
            "try another cable and supply, then run the same command again",
        ),
        (Error::ChipDetectError(_), _) => Failure::new(
            Exit::WrongImage,
            format!("The chip on {path} is not known."),
            chain(error),
            "check that it is an ESP32-family chip; obkmq needs a newer release for newer chips",
        ),
        (Error::FlashConnect, _) => Failure::new(
            Exit::Write,
            "The chip answers, but its flash memory does not.",
            "the flash chip is missing, broken or badly powered",
            "check the module's supply, then run the same command again",
        ),
        (_, Phase::Writing) => Failure::new(
            Exit::Write,
            format!("Writing stopped on {path}: the board is half-flashed and does not start."),
            cause(error),
            "check cable and supply, then run the same command again; what is written is skipped",
        ),
        (_, Phase::Reading) => Failure::new(
            Exit::NoReply,
            format!("Reading stopped on {path}; nothing on the board was changed."),
            cause(error),
            "check the cable, try a slower speed (--baud 115200), and run the same command again",
        ),
        (_, Phase::Connecting { may_reset }) => no_reply(error, path, may_reset),
    }
}

fn no_reply(error: &Error, path: &str, may_reset: bool) -> Failure {
    let cause = cause(error);
    let what = format!("No reply from the ROM on {path}.");
    if let Some(mode) = boot_mode(&cause) {
        return Failure::new(
            Exit::NoReply,
            what,
            format!("the chip printed boot:{mode}: it runs its firmware instead of the loader"),
            "hold BOOT, tap RESET, run again with --before no-reset",
        );
    }
    if cause.contains("no sync reply") {
        return Failure::new(
            Exit::NoReply,
            what,
            "the chip waits for download but hears nothing: the line from computer to chip is dead",
            "check the wire to the chip's RX pin, or try another cable",
        );
    }
    if !cause.contains("Failed to connect to the device") {
        return Failure::new(
            Exit::NoReply,
            format!("The ROM on {path} answered, and then no more."),
            cause,
            "try another cable or a slower speed (--baud 115200), and run the same command again",
        );
    }
    if may_reset {
        Failure::new(
            Exit::NoReply,
            what,
            "the chip did not enter its loader; many boards cannot be reset over the cable",
            "hold BOOT, tap RESET, run again with --before no-reset",
        )
    } else {
        Failure::new(
            Exit::NoReply,
            what,
            "nothing resets the chip over this port, so it has to be in its loader already",
            "hold BOOT, tap RESET, run the same command again",
        )
    }
}

fn boot_mode(cause: &str) -> Option<&str> {
    let (_, rest) = cause.split_once("boot mode detected (")?;
    rest.split_once(')').map(|(mode, _)| mode)
}

/// The innermost words that say something to a user; a port that is gone has many names.
pub(super) fn cause(error: &Error) -> String {
    // The library would print sums and lengths here, in hexadecimal.
    if matches!(error, Error::DigestMismatch(..) | Error::CorruptData(..) | Error::ReadMoreThanExpected) {
        return "bytes were lost or changed on the way from the chip: its checksum differs".to_owned();
    }
    let text = chain(error);
    if ["Broken pipe", "No such device", "Input/output error", "device not functioning"]
        .iter()
        .any(|gone| text.contains(gone))
        // All that the library keeps of an error of the port itself.
        || text.ends_with("I/O error")
    {
        return "the port went away: the board was unplugged or lost its power".to_owned();
    }
    let shells = [
        "Error while connecting to device: ",
        "Communication error while flashing device: ",
        "The bootloader returned an error: ",
    ];
    shells.iter().fold(text.as_str(), |text, shell| text.strip_prefix(shell).unwrap_or(text)).to_owned()
}

/// The error with all its causes.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Cause(&'static str);
    impl std::fmt::Display for Cause {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str(self.0)
        }
    }
    impl std::error::Error for Cause {}

    #[test]
    fn a_running_firmware_is_recognised_by_its_boot_mode() {
        let error = Error::Connection(Box::new(Cause(
            "Wrong boot mode detected (0x13)! The chip needs to be in download mode.",
        )));
        let failure = explain(&error, "/dev/ttyUSB0", Phase::Connecting { may_reset: true });
        assert_eq!(failure.exit, Exit::NoReply);
        assert!(failure.why.contains("boot:0x13"), "{}", failure.why);
        assert!(failure.next.contains("--before no-reset"), "{}", failure.next);
    }

    #[test]
    fn the_same_silence_is_a_write_failure_once_writing_began() {
        let error = Error::Flashing(Box::new(Cause("Timeout while running FlashData command")));
        let failure = explain(&error, "p", Phase::Writing);
        assert_eq!(failure.exit, Exit::Write);
        assert!(failure.why.ends_with("Timeout while running FlashData command"), "{}", failure.why);
    }

    #[test]
    fn what_was_garbled_while_reading_is_told_without_numbers() {
        for error in [Error::CorruptData(4096, 4095), Error::DigestMismatch(vec![0; 16], vec![1; 16])] {
            let failure = explain(&error, "p", Phase::Reading);
            assert_eq!(failure.exit, Exit::NoReply);
            assert!(failure.why.contains("lost or changed") && failure.what.contains("nothing"), "{failure}");
        }
    }

    #[test]
    fn a_different_checksum_is_exit_7() {
        assert_eq!(explain(&Error::VerifyFailed, "p", Phase::Writing).exit, Exit::Write);
    }
}
