//! Commands and their answers over a line that may lose and change bytes.
//!
//! A frame has no checksum and the chip no time-out: a command of which a byte was lost takes the next byte that comes. If
//! that byte were the start of the next command, an address could turn into another one. So after every silence zeros go
//! first ([`Link::recover`]): they end whatever the chip still waits for, and turn a shortened address into a small one,
//! which a BK7231T refuses.

use std::io;
use std::time::Duration;

use super::frame::{Answer, Command, Parser, SECTOR_BYTES};
use super::wire::Wire;
use crate::serial::open::CONSOLE_BAUD;

/// How long an answer may take beside the time that its bytes need.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same for LinkCheck while nobody is known to listen: the boot loader of a BK7231T does so only for a moment.
const LINK_PATIENCE: Duration = Duration::from_millis(5);
/// CheckCRC reads this many bytes in a second, at least.
const CRC_BYTES_PER_SECOND: u32 = 200_000;
/// Answers that are still on the way when the link is found.
const SETTLING: Duration = Duration::from_millis(60);
/// How long the chip waits before it answers at a new speed.
const BAUD_DELAY_MS: u8 = 20;
/// So many questions have to be answered in a row before a speed is trusted.
const LINE_TEST: usize = 32;
/// Zeros that end a command which lost a few bytes, and one of which little more than the head came; and how often is asked
/// then. A computer with much else to do answers for a simulated chip late.
const ZEROS: [(usize, u32); 2] = [(16, 5), (SECTOR_BYTES + 64, 40)];
/// How often a quiet firmware is asked to restart, in tries to link.
const ASK_EVERY: u32 = 400;

/// What makes a firmware restart: the console of ours, of OpenBeken and of the vendor take it.
const REBOOT_TEXT: &[u8] = b"\r\nreboot\r\n";

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The port failed.
    Gone(io::Error),
    /// Nothing came, or nothing that is an answer.
    Silent,
    /// The chip says no.
    Refused(u8),
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// How the chip gets into its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Whatever may help: reset wires, asking the firmware.
    Any,
    /// The owner does it: nothing but questions are sent.
    ByHand,
}

/// A line with a loader at its end, or so it is hoped.
#[derive(Debug)]
pub(super) struct Link<W> {
    wire: W,
    parser: Parser,
    baud: u32,
}

impl<W: Wire> Link<W> {
    /// At the speed of a chip after its reset.
    pub(super) fn new(wire: W) -> Self {
        Self { wire, parser: Parser::default(), baud: CONSOLE_BAUD }
    }

    pub(super) fn into_wire(self) -> W {
        self.wire
    }

    #[cfg(test)]
    pub(super) fn wire_mut(&mut self) -> &mut W {
        &mut self.wire
    }

    /// The present speed.
    pub(super) const fn baud(&self) -> u32 {
        self.baud
    }

    /// Finds the chip in its loader or brings it there, at the console's speed or at that of an interrupted run. `waiting` is
    /// called once when it is time for the owner to help.
    pub(super) fn connect(
        &mut self,
        entry: Entry,
        interrupted_baud: u32,
        patience: Duration,
        waiting: &mut dyn FnMut(),
    ) -> Result<(), LinkError> {
        // It may be there already.
        for baud in [CONSOLE_BAUD, interrupted_baud] {
            self.change_speed(baud)?;
            if self.look_for(20)? {
                return Ok(());
            }
        }
        self.change_speed(CONSOLE_BAUD)?;
        if entry == Entry::Any {
            self.wire.pulse_reset()?;
        }
        let deadline = self.wire.now().saturating_add(patience);
        let mut asked = 0_u32;
        while self.wire.now() < deadline {
            if entry == Entry::Any {
                self.wire.write_all(REBOOT_TEXT)?;
            }
            if self.look_for(ASK_EVERY)? {
                return Ok(());
            }
            asked = asked.saturating_add(1);
            if asked == 1 {
                waiting();
            }
        }
        Err(LinkError::Silent)
    }

    /// Asks so many times in quick succession.
    fn look_for(&mut self, tries: u32) -> Result<bool, LinkError> {
        for _ in 0..tries {
            match self.exchange_within(Command::LinkCheck, LINK_PATIENCE) {
                Ok(_) => {
                    self.settle()?;
                    return Ok(true);
                }
                Err(LinkError::Gone(error)) => return Err(LinkError::Gone(error)),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    /// Waits for late answers and throws them away.
    fn settle(&mut self) -> Result<(), LinkError> {
        let mut buffer = [0; 256];
        self.wire.sleep(SETTLING);
        while self.wire.read(&mut buffer, Duration::from_millis(2))? > 0 {}
        self.parser.clear();
        Ok(())
    }

    /// Sends a command and waits for its answer.
    pub(super) fn exchange(&mut self, command: Command<'_>) -> Result<Answer, LinkError> {
        let patience = match command {
            Command::CheckCrc { start, end } => {
                let bytes = end.saturating_sub(start);
                PATIENCE.saturating_add(Duration::from_secs((bytes / CRC_BYTES_PER_SECOND).into()))
            }
            Command::ReadSector(_) => PATIENCE.saturating_add(self.time_of(SECTOR_BYTES)),
            _ => PATIENCE,
        };
        self.exchange_within(command, patience)
    }

    fn exchange_within(&mut self, command: Command<'_>, patience: Duration) -> Result<Answer, LinkError> {
        // What came until now is no answer to this.
        self.parser.clear();
        self.wire.write_all(&command.encode())?;
        let deadline = self.wire.now().saturating_add(patience);
        let mut buffer = [0; 4096];
        loop {
            while let Some(reply) = self.parser.next_reply() {
                match command.answer(&reply) {
                    Some(Answer::Refused(status)) => return Err(LinkError::Refused(status)),
                    Some(answer) => return Ok(answer),
                    None => {}
                }
            }
            let left = deadline.saturating_sub(self.wire.now());
            if left.is_zero() {
                return Err(LinkError::Silent);
            }
            let count = self.wire.read(&mut buffer, left)?;
            self.parser.push(buffer.get(..count).unwrap_or_default());
        }
    }

    /// Gets the line out of whatever a lost or changed byte has left it in.
    pub(super) fn recover(&mut self) -> Result<(), LinkError> {
        for (zeros, tries) in ZEROS {
            self.settle()?;
            self.wire.write_all(&vec![0; zeros])?;
            // Programming a sector that was cut short takes a while.
            self.wire.sleep(Duration::from_millis(30).saturating_add(self.time_of(zeros)));
            for _ in 0..tries {
                match self.exchange_within(Command::LinkCheck, Duration::from_millis(100)) {
                    Ok(_) => return self.settle(),
                    Err(LinkError::Gone(error)) => return Err(LinkError::Gone(error)),
                    Err(_) => {}
                }
            }
        }
        Err(LinkError::Silent)
    }

    /// Switches both sides to another speed and makes sure that the line carries it. When it does not, both are back at
    /// the console's speed.
    pub(super) fn use_baud(&mut self, baud: u32) -> Result<(), LinkError> {
        if baud == self.baud {
            return Ok(());
        }
        match self.switch(baud).and_then(|()| self.test_line()) {
            Ok(()) => Ok(()),
            Err(LinkError::Gone(error)) => Err(LinkError::Gone(error)),
            Err(failed) => {
                self.fall_back()?;
                Err(failed)
            }
        }
    }

    fn switch(&mut self, baud: u32) -> Result<(), LinkError> {
        let command = Command::SetBaud { baud, delay_ms: BAUD_DELAY_MS };
        self.parser.clear();
        self.wire.write_all(&command.encode())?;
        self.wire.sleep(Duration::from_millis(u64::from(BAUD_DELAY_MS) / 2));
        self.change_speed(baud)?;
        // Its answer comes at the new speed; whether it did is for the test to tell.
        self.wire.sleep(Duration::from_millis(BAUD_DELAY_MS.into()));
        self.settle()
    }

    fn test_line(&mut self) -> Result<(), LinkError> {
        for _ in 0..LINE_TEST {
            self.exchange_within(Command::LinkCheck, Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// The chip is at the old speed, if it did not understand, or at one that does not work well.
    fn fall_back(&mut self) -> Result<(), LinkError> {
        let failed_baud = self.baud;
        for _ in 0..5 {
            // What it hears at the bad speed may be enough.
            self.change_speed(failed_baud)?;
            self.switch(CONSOLE_BAUD)?;
            match self.recover() {
                Err(LinkError::Silent) => {}
                result => return result,
            }
        }
        Err(LinkError::Silent)
    }

    fn change_speed(&mut self, baud: u32) -> Result<(), LinkError> {
        self.wire.set_baud(baud)?;
        self.baud = baud;
        Ok(())
    }

    /// Starts what is in flash.
    pub(super) fn reboot(&mut self) -> Result<(), LinkError> {
        Ok(self.wire.write_all(&Command::Reboot.encode())?)
    }

    /// Gives the chip time.
    pub(super) fn rest(&mut self, time: Duration) {
        self.wire.sleep(time);
    }

    /// Ten bits a byte.
    fn time_of(&self, bytes: usize) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(10);
        Duration::from_micros(bits.saturating_mul(1_000_000) / u64::from(self.baud.max(1)))
    }
}
