//! The ROM's loader on the pty.

use crate::faults::{Faults, LineFaults};
use crate::flash::FlashChip;
use crate::limits::{STOP_CHECK_MS, TRANSFER_BYTES};
use crate::pty::Pty;
use crate::rom::{Event, Loader, sync_frame};
use crate::sim::{SimError, Stop};

/// How the loader was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The board was told to stop.
    Stopped,
    /// The flasher was done, or gave up.
    Event(Event),
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
}

impl<'a, F: FlashChip> Download<'a, F> {
    pub(super) fn new(flash: F, pty: &'a Pty, faults: &Faults) -> Self {
        Self {
            loader: Loader::new(flash),
            pty,
            from_line: faults.line(),
            to_line: faults.line(),
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// The SYNC that brought the board here has been read by somebody else.
    pub(super) fn feed_sync(&mut self) -> Result<(), SimError> {
        self.input = sync_frame();
        self.turn()
    }

    pub(super) fn into_flash(self) -> F {
        self.loader.into_flash()
    }

    /// Serves flashers until one of them makes the chip leave its loader.
    pub(super) fn run(&mut self, stop: &Stop) -> Result<Left, SimError> {
        let mut buffer = [0; TRANSFER_BYTES];
        while !stop.is_requested() {
            self.turn()?;
            if self.output.is_empty()
                && let Some(event) = self.loader.next_event()
            {
                return Ok(Left::Event(event));
            }
            self.pty.wait(!self.output.is_empty(), STOP_CHECK_MS).map_err(SimError::Pty)?;
            // What the loader cannot take yet is left in the pty, which makes the flasher wait.
            if self.input.is_empty() {
                let count = self.pty.read(&mut buffer).map_err(SimError::Pty)?;
                self.input = self.from_line.apply(buffer.get(..count).unwrap_or_default());
            }
        }
        Ok(Left::Stopped)
    }

    /// Moves on whatever can be moved without waiting.
    fn turn(&mut self) -> Result<(), SimError> {
        loop {
            let taken = self.loader.receive(&self.input).map_err(SimError::Flash)?;
            self.input.drain(..taken);
            if self.output.is_empty() {
                let output = self.loader.output().map_err(SimError::Flash)?;
                let length = output.len();
                self.output = self.to_line.apply(output);
                self.loader.sent(length);
            }
            let written = self.pty.write(&self.output).map_err(SimError::Pty)?;
            self.output.drain(..written);
            if written == 0 {
                return Ok(());
            }
        }
    }
}
