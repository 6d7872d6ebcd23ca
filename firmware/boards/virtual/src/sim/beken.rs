//! A BK7231's loader on the pty.
//!
//! Erasing and summing take the time they take on a chip. The pty has a speed, which flashers set, and what is sent at
//! another one than the chip's for longer than a moment arrives as rubbish. (On a wire, bytes pass before a change of speed
//! that was asked for after them; on a pty the change may overtake them.)

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use obkmq_image::beken::BekenChip;

use crate::beken::{Event, Loader};
use crate::faults::LineFaults;
use crate::flash::FlashChip;
use crate::limits::{SPEED_SETTLING_MS, STOP_CHECK_MS, TRANSFER_BYTES};
use crate::pty::Pty;
use crate::sim::{Options, SimError, Stop};

/// How the loader was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The board was told to stop.
    Stopped,
    /// The flasher was done, or gave up.
    Rebooted,
    /// No flasher was heard in time.
    Unheard,
}

/// A loader and its line.
pub(super) struct Download<'a, F> {
    loader: Loader<F>,
    pty: &'a Pty,
    from_line: LineFaults,
    to_line: LineFaults,
    /// Arrived, but not yet taken by the loader.
    input: Vec<u8>,
    /// Faults have been applied; waits for room on the line.
    output: Vec<u8>,
    /// Since when the two sides differ in their speed.
    differing_since: Option<Instant>,
    speed_up: NonZeroU32,
    /// The chip is busy until then.
    busy_until: Instant,
}

impl<'a, F: FlashChip> Download<'a, F> {
    pub(super) fn new(chip: BekenChip, flash: F, pty: &'a Pty, options: &Options) -> Self {
        let faults = &options.faults;
        let mut loader = Loader::new(chip, flash);
        loader.lose_power_at_frame(faults.power_loss_at_frame);
        Self {
            loader,
            pty,
            from_line: faults.line(),
            to_line: faults.line(),
            input: Vec::new(),
            output: Vec::new(),
            differing_since: None,
            speed_up: options.speed_up,
            busy_until: Instant::now(),
        }
    }

    pub(super) fn into_flash(self) -> F {
        self.loader.into_flash()
    }

    /// Serves flashers until one of them is done; waits for the first one for as long as `window`, or for ever.
    pub(super) fn run(&mut self, stop: &Stop, window: Option<Duration>) -> Result<Left, SimError> {
        let begun = Instant::now();
        let mut buffer = [0; TRANSFER_BYTES];
        while !stop.is_requested() {
            self.compare_speeds();
            self.turn()?;
            if self.output.is_empty() && self.loader.next_event() == Some(Event::Reboot) {
                return Ok(Left::Rebooted);
            }
            let left = window.map(|window| window.saturating_sub(begun.elapsed()));
            if left.is_some_and(|left| left.is_zero()) && !self.loader.is_linked() {
                return Ok(Left::Unheard);
            }
            let busy = self.busy_until.saturating_duration_since(Instant::now());
            if !busy.is_zero() {
                // What comes meanwhile waits in the pty.
                std::thread::sleep(busy);
                continue;
            }
            let patience = left.filter(|_| !self.loader.is_linked()).map_or(STOP_CHECK_MS, |left| {
                i64::try_from(left.as_millis()).unwrap_or(STOP_CHECK_MS).clamp(1, STOP_CHECK_MS)
            });
            self.pty.wait(!self.output.is_empty(), patience).map_err(SimError::Pty)?;
            if self.input.is_empty() {
                let count = self.pty.read(&mut buffer).map_err(SimError::Pty)?;
                let arrived = self.at_speed(buffer.get(..count).unwrap_or_default());
                self.input = self.from_line.apply(&arrived);
            }
        }
        Ok(Left::Stopped)
    }

    /// Moves on whatever can be moved without waiting.
    fn turn(&mut self) -> Result<(), SimError> {
        while Instant::now() >= self.busy_until {
            if self.output.is_empty() {
                let output = self.at_speed(self.loader.output());
                self.loader.sent(usize::MAX);
                self.output = self.to_line.apply(&output);
            }
            let written = self.pty.write(&self.output).map_err(SimError::Pty)?;
            self.output.drain(..written);
            if !self.output.is_empty() {
                return Ok(());
            }
            let taken = self.loader.receive(&self.input).map_err(SimError::Flash)?;
            if taken == 0 {
                return Ok(());
            }
            self.input.drain(..taken);
            self.busy_until =
                Instant::now() + Duration::from_micros(self.loader.take_busy_us()) / self.speed_up.get();
        }
        Ok(())
    }

    fn compare_speeds(&mut self) {
        if self.pty.speed().is_none_or(|speed| speed == self.loader.baud()) {
            self.differing_since = None;
        } else {
            self.differing_since.get_or_insert_with(Instant::now);
        }
    }

    /// What bytes become between two sides that may differ in their speed.
    fn at_speed(&self, bytes: &[u8]) -> Vec<u8> {
        let settled = Duration::from_millis(SPEED_SETTLING_MS);
        if self.differing_since.is_none_or(|since| since.elapsed() < settled) {
            return bytes.to_vec();
        }
        bytes.iter().map(|byte| byte.rotate_left(3) ^ 0x7E).collect()
    }
}
