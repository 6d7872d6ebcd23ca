//! What a board remembers of its last run in memory that a reset leaves alone: how it ended, the last words of a panic, and
//! how many starts in a row have failed.
//!
//! A power cut and a torn write leave anything there; a checksum tells, and then nothing is remembered.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use crate::limits::{SAFE_MODE_STARTS, STEADY_MS};

/// Bytes of memory that the record takes.
pub const RUN_RECORD_BYTES: usize = 256;
/// Addresses of a back-trace that are kept.
const TRACE: usize = 8;
const WORDS_AT: usize = 8 + 4 * TRACE;
const CRC_AT: usize = RUN_RECORD_BYTES - 4;
const WORDS_BYTES: usize = CRC_AT - WORDS_AT;
/// What the record begins with, and the form it has.
const MAGIC: [u8; 4] = *b"run1";
const CRC_32: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// What the chip says why it was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// The power came on.
    PowerOn,
    /// The voltage was too low for a moment.
    BrownOut,
    /// A watchdog.
    Watchdog,
    /// The program itself.
    Software,
    /// Something else: a debugger, a wake-up.
    Other,
}

/// Why a board has started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartCause {
    /// The power came on, or nothing is known of an earlier run.
    #[default]
    PowerOn,
    /// The voltage was too low for a moment.
    BrownOut,
    /// The loop did not turn any more.
    Watchdog,
    /// The program met a state that it was not made for.
    Panic,
    /// The owner wanted it.
    Reboot,
    /// Something else.
    Other,
}

impl StartCause {
    /// The word on the console and under `$SYS`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on",
            Self::BrownOut => "brown-out",
            Self::Watchdog => "watchdog",
            Self::Panic => "panic",
            Self::Reboot => "reboot",
            Self::Other => "other",
        }
    }
}

/// How a board has come to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Why it has started.
    pub cause: StartCause,
    /// The last words of a panic; empty without one.
    pub words: String,
    /// Where that was in the program, the innermost first.
    pub trace: Vec<u32>,
    /// Starts in a row that failed, the last of which was before this one.
    pub failed_starts: u8,
}

impl Start {
    /// Whether so many starts have failed that only what is needed to look for the reason should run.
    #[must_use]
    pub fn is_safe_mode(&self) -> bool {
        self.failed_starts >= SAFE_MODE_STARTS
    }
}

/// The record, in memory that the board keeps. Every call leaves a whole one.
#[derive(Debug)]
pub struct RunRecord<'a>(&'a mut [u8; RUN_RECORD_BYTES]);

impl<'a> RunRecord<'a> {
    /// How long a run has to last, in milliseconds, to have been a good start.
    pub const STEADY_MS: u64 = STEADY_MS;

    /// The record in these bytes.
    pub fn new(bytes: &'a mut [u8; RUN_RECORD_BYTES]) -> Self {
        Self(bytes)
    }

    /// Begins a run: tells how the one before ended, and keeps how many have failed.
    pub fn begin(&mut self, reset: Reset) -> Start {
        let last = self.contents();
        let words = last.as_ref().map_or("", |last| last.words).to_string();
        let trace = last.as_ref().map_or(Vec::new(), |last| last.trace().collect());
        let (failed, on_purpose) = last.map_or((0, false), |last| (last.failed, last.on_purpose));
        let cause = match reset {
            Reset::PowerOn => StartCause::PowerOn,
            Reset::BrownOut => StartCause::BrownOut,
            Reset::Watchdog => StartCause::Watchdog,
            Reset::Software if !words.is_empty() => StartCause::Panic,
            Reset::Software if on_purpose => StartCause::Reboot,
            Reset::Software | Reset::Other => StartCause::Other,
        };
        let failed_starts = match cause {
            StartCause::Panic | StartCause::Watchdog => failed.saturating_add(1),
            // Whoever meets this has a weak supply, which nothing that runs can mend.
            StartCause::BrownOut => failed,
            StartCause::PowerOn | StartCause::Reboot | StartCause::Other => 0,
        };
        self.write(failed_starts, false, &format_args!(""), core::iter::empty());
        let (words, trace) = if cause == StartCause::Panic { (words, trace) } else { Default::default() };
        Start { cause, words, trace, failed_starts }
    }

    /// The run has lasted long enough: what fails after this is no failed start.
    pub fn steady(&mut self) {
        self.write(0, false, &format_args!(""), core::iter::empty());
    }

    /// The owner wants a reset.
    pub fn reboot(&mut self) {
        self.write(0, true, &format_args!(""), core::iter::empty());
    }

    /// The program has met a state that it was not made for. What is too long is cut.
    pub fn panic(&mut self, words: &dyn fmt::Display, trace: impl Iterator<Item = u32>) {
        let failed = self.contents().map_or(0, |last| last.failed);
        self.write(failed, false, words, trace);
    }

    fn contents(&self) -> Option<Contents<'_>> {
        let (body, crc) = self.0.split_at_checked(CRC_AT)?;
        let (magic, rest) = body.split_first_chunk::<4>()?;
        let is_whole = *magic == MAGIC && CRC_32.checksum(body).to_le_bytes() == crc;
        let ([failed, on_purpose, trace_length, words_length], rest) = rest.split_first_chunk::<4>()?;
        let (trace, words) = rest.split_at_checked(4 * TRACE)?;
        let words = core::str::from_utf8(words.get(..usize::from(*words_length))?).ok()?;
        let trace = trace.get(..4 * usize::from(*trace_length))?;
        is_whole.then_some(Contents { failed: *failed, on_purpose: *on_purpose == 1, trace, words })
    }

    fn write(
        &mut self,
        failed: u8,
        on_purpose: bool,
        words: &dyn fmt::Display,
        trace: impl Iterator<Item = u32>,
    ) {
        let bytes = &mut *self.0;
        // No record, until it is whole.
        bytes.fill(0);
        let mut room = Room { bytes: bytes.get_mut(WORDS_AT..CRC_AT).unwrap_or_default(), length: 0 };
        // Cut where there is no more room.
        let _ = write!(room, "{words}");
        let words_length = u8::try_from(room.length).unwrap_or(0);
        let mut trace_length = 0;
        for (place, address) in bytes.get_mut(8..WORDS_AT).unwrap_or_default().chunks_exact_mut(4).zip(trace)
        {
            place.copy_from_slice(&address.to_le_bytes());
            trace_length += 1;
        }
        let [m0, m1, m2, m3] = MAGIC;
        let head = [m0, m1, m2, m3, failed, on_purpose.into(), trace_length, words_length];
        for (to, from) in bytes.iter_mut().zip(head) {
            *to = from;
        }
        let crc = CRC_32.checksum(bytes.get(..CRC_AT).unwrap_or_default());
        if let Some(place) = bytes.last_chunk_mut() {
            *place = crc.to_le_bytes();
        }
    }
}

struct Contents<'a> {
    failed: u8,
    on_purpose: bool,
    trace: &'a [u8],
    words: &'a str,
}

impl Contents<'_> {
    fn trace(&self) -> impl Iterator<Item = u32> {
        self.trace.as_chunks::<4>().0.iter().map(|address| u32::from_le_bytes(*address))
    }
}

/// Takes as many whole letters as there is room for; a line end is a space.
struct Room<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl fmt::Write for Room<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
            let end = self.length + letter.len_utf8();
            letter.encode_utf8(self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?);
            self.length = end;
        }
        Ok(())
    }
}

const _: () = assert!(WORDS_BYTES <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    fn begin(bytes: &mut [u8; RUN_RECORD_BYTES], reset: Reset) -> Start {
        RunRecord::new(bytes).begin(reset)
    }

    #[test]
    fn the_last_words_of_a_panic_are_told_at_the_next_start_and_once() {
        let mut bytes = [0xA5; RUN_RECORD_BYTES];
        assert_eq!(begin(&mut bytes, Reset::PowerOn), Start::default());
        RunRecord::new(&mut bytes)
            .panic(&"at main.rs:7\nout of luck", [0x4200_1234, 0x4200_5678].into_iter());
        let start = begin(&mut bytes, Reset::Software);
        assert_eq!((start.cause, start.failed_starts), (StartCause::Panic, 1));
        assert_eq!(
            (start.words.as_str(), &start.trace[..]),
            ("at main.rs:7 out of luck", &[0x4200_1234, 0x4200_5678][..])
        );
        let next = begin(&mut bytes, Reset::Watchdog);
        assert_eq!((next.cause, next.words.as_str(), next.failed_starts), (StartCause::Watchdog, "", 2));
        RunRecord::new(&mut bytes).panic(&"never to be told", [1].into_iter());
        let cut = begin(&mut bytes, Reset::PowerOn);
        assert_eq!(
            (cut.words.as_str(), &cut.trace[..]),
            ("", &[][..]),
            "the power was cut while it was printed"
        );
    }

    #[test]
    fn safe_mode_comes_after_three_failed_starts_in_a_row_and_goes_after_a_good_one() {
        let mut bytes = [0; RUN_RECORD_BYTES];
        begin(&mut bytes, Reset::PowerOn);
        for failed in 1..=4 {
            let start = begin(&mut bytes, Reset::Watchdog);
            assert_eq!((start.failed_starts, start.is_safe_mode()), (failed, failed >= 3));
        }
        assert!(begin(&mut bytes, Reset::BrownOut).is_safe_mode(), "no failure, and no good start either");
        RunRecord::new(&mut bytes).steady();
        assert_eq!(begin(&mut bytes, Reset::Watchdog).failed_starts, 1);
        RunRecord::new(&mut bytes).reboot();
        let start = begin(&mut bytes, Reset::Software);
        assert_eq!((start.cause, start.failed_starts), (StartCause::Reboot, 0));
        assert_eq!(begin(&mut bytes, Reset::Software).cause, StartCause::Other);
        assert_eq!(begin(&mut bytes, Reset::BrownOut).cause, StartCause::BrownOut);
    }

    #[test]
    fn long_words_are_cut_between_letters_and_long_traces_at_their_end() {
        let mut bytes = [0; RUN_RECORD_BYTES];
        let words = "ü".repeat(300);
        RunRecord::new(&mut bytes).panic(&words, 0..100);
        let start = begin(&mut bytes, Reset::Software);
        assert_eq!((start.words.len(), start.trace.len()), (WORDS_BYTES / 2 * 2, TRACE));
        RunRecord::new(&mut bytes).panic(&format!("x{words}"), 0..1);
        assert_eq!(begin(&mut bytes, Reset::Software).words.len(), 1 + (WORDS_BYTES - 1) / 2 * 2);
    }

    #[test]
    fn a_flipped_bit_leaves_nothing() {
        let mut good = [0; RUN_RECORD_BYTES];
        RunRecord::new(&mut good).panic(&"oh", [1].into_iter());
        for at in 0..RUN_RECORD_BYTES * 8 {
            let mut bytes = good;
            bytes[at / 8] ^= 1 << (at % 8);
            let start = begin(&mut bytes, Reset::Software);
            assert_eq!((start.cause, start.words.as_str()), (StartCause::Other, ""), "{at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), RUN_RECORD_BYTES), seal in any::<bool>()) {
            let mut bytes: [u8; RUN_RECORD_BYTES] = bytes.try_into().unwrap();
            if seal {
                bytes[..4].copy_from_slice(&MAGIC);
                let crc = CRC_32.checksum(&bytes[..CRC_AT]);
                bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
            }
            begin(&mut bytes, Reset::Software);
        }
    }
}
