//! From reset to reset.

use std::time::Duration;

use obkmq_image::Board as Kind;
use obkmq_image::beken::BekenChip;

use crate::beken;
use crate::boot::{self, Boot, Refusal, ResetCause, boot, download_banner};
use crate::faults::PowerLoss;
use crate::flash::{FileFlash, FlashError};
use crate::limits::BEKEN_WINDOW_MS;
use crate::pty::{PortLink, Pty};
use crate::rom::Event;
use crate::sim::beken as beken_line;
use crate::sim::download::{Download, Left};
use crate::sim::{Ending, Notice, Options, SimError};

/// What stands in for the firmware that is flashed.
pub(super) trait Application {
    /// Its version.
    fn version(&self) -> &'static str;

    /// Runs with its console on the pty until something ends it.
    fn run(
        &mut self,
        pty: &Pty,
        firmware: &boot::Firmware,
        notice: &mut dyn FnMut(&Notice),
    ) -> Result<Outcome, SimError>;
}

/// Why the firmware ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The board was told to stop.
    Stopped,
    /// The firmware resets its chip.
    Reboot,
    /// A flasher's SYNC came in on the console.
    Interrupted,
}

/// What the chip does next.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// A reset with the boot pins set for flash.
    Boot(ResetCause),
    /// The ROM's loader after a reset, which it announces.
    Loader(ResetCause),
    /// The ROM's loader, quietly: a flasher waits for the answer to the SYNC that brought us here.
    AnswerSync,
}

/// A board under power.
pub(super) struct Board<'a, A> {
    options: &'a Options,
    application: A,
    notice: &'a mut dyn FnMut(&Notice),
    pty: Pty,
    /// Held for its name, which goes with it.
    _port_link: Option<PortLink>,
    /// Open, and so locked against other programs, except while the firmware has it.
    flash: Option<FileFlash>,
    power_loss_after: Option<u64>,
}

impl<'a, A: Application> Board<'a, A> {
    /// Opens the serial port and says so.
    pub(super) fn power_on(
        options: &'a Options,
        application: A,
        notice: &'a mut dyn FnMut(&Notice),
    ) -> Result<Self, SimError> {
        let pty = Pty::open().map_err(SimError::Pty)?;
        let link = |path: &std::path::PathBuf| {
            PortLink::create(path, &pty).map_err(|error| SimError::Link { path: path.clone(), error })
        };
        let port_link = options.port_link.as_ref().map(link).transpose()?;
        // Before anybody is told where the board is: its flash may be in use.
        let is_new = !options.flash.exists();
        let mut flash = open_flash(options)?;
        if let (true, Kind::Beken(chip)) = (is_new, options.board) {
            beken::factory::fill(chip, &mut flash).map_err(SimError::Flash)?;
        }
        let flash = Some(flash);
        notice(&Notice::Started {
            board: options.board,
            flash_bytes: options.flash_bytes,
            flash: options.flash.clone(),
            port: pty.path().to_owned(),
            port_link: options.port_link.clone(),
            listen: options.listen,
            networks: options.networks.iter().map(|network| network.ssid().to_owned()).collect(),
            firmware: application.version(),
        });
        let power_loss_after = options.faults.power_loss_after;
        Ok(Self { options, application, notice, pty, _port_link: port_link, flash, power_loss_after })
    }

    /// Runs until the board is told to stop or its power goes.
    pub(super) fn run(mut self) -> Result<Ending, SimError> {
        let mut next = Next::Boot(ResetCause::PowerOn);
        loop {
            let outcome = match (next, self.options.board) {
                (_, Kind::Beken(chip)) => self.boot_beken(chip),
                (Next::Boot(cause), _) => self.boot(cause),
                (Next::Loader(cause), _) => {
                    self.print(download_banner(cause))?;
                    self.download(false)
                }
                (Next::AnswerSync, _) => self.download(true),
            };
            match outcome {
                Ok(Some(step)) => next = step,
                Ok(None) => return Ok(Ending::Stopped),
                Err(SimError::Flash(FlashError::PowerLost)) => return Ok(Ending::PowerLost),
                Err(error) => return Err(error),
            }
        }
    }

    fn boot(&mut self, cause: ResetCause) -> Result<Option<Next>, SimError> {
        let mut flash = self.take_flash()?;
        let booted = boot(&mut flash, cause).map_err(SimError::Flash)?;
        self.print(booted.log)?;
        let firmware = match booted.outcome {
            Ok(firmware) => firmware,
            Err(refusal) => {
                self.flash = Some(flash);
                (self.notice)(&Notice::NotBooting(refusal));
                return Ok(Some(Next::Loader(cause)));
            }
        };
        // The firmware opens the file for itself.
        drop(flash);
        self.start(&firmware)
    }

    /// Runs what stands in for a firmware.
    fn start(&mut self, firmware: &boot::Firmware) -> Result<Option<Next>, SimError> {
        let runs = self.application.version();
        (self.notice)(&if firmware.version == runs {
            Notice::Booting { version: firmware.version.clone(), partition: firmware.partition.clone() }
        } else {
            Notice::OtherVersion { flashed: firmware.version.clone(), runs }
        });
        match self.application.run(&self.pty, firmware, self.notice)? {
            Outcome::Stopped => Ok(None),
            Outcome::Reboot => {
                (self.notice)(&Notice::Reset);
                Ok(Some(Next::Boot(ResetCause::Software)))
            }
            Outcome::Interrupted => {
                (self.notice)(&Notice::Interrupted);
                Ok(Some(Next::AnswerSync))
            }
        }
    }

    /// A reset of a BK7231: it listens for a flasher, for a moment if there is something to start.
    fn boot_beken(&mut self, chip: BekenChip) -> Result<Option<Next>, SimError> {
        let mut flash = self.take_flash()?;
        let Boot { log, outcome } = beken::boot::boot(chip, &mut flash).map_err(SimError::Flash)?;
        if outcome == Err(Refusal::Dead) {
            (self.notice)(&Notice::NotBooting(Refusal::Dead));
            self.stay_dead()?;
            return Ok(None);
        }
        if let Err(refusal) = &outcome {
            (self.notice)(&Notice::NotBooting(refusal.clone()));
        }
        let window = outcome.is_ok().then_some(Duration::from_millis(BEKEN_WINDOW_MS));
        let flash = PowerLoss::new(flash, self.power_loss_after);
        let mut download = beken_line::Download::new(chip, flash, &self.pty, self.options);
        let left = download.run(&self.options.stop, window)?;
        let flash = download.into_flash();
        self.power_loss_after = flash.remaining_bytes();
        self.flash = Some(flash.into_inner());
        match (left, outcome) {
            (beken_line::Left::Stopped, _) => Ok(None),
            (beken_line::Left::Unheard, Ok(firmware)) => {
                // These lines go to the second UART, which this board has not.
                for line in log {
                    (self.notice)(&Notice::Chip(line));
                }
                // The firmware opens the file for itself.
                self.flash = None;
                self.start(&firmware)
            }
            _ => {
                (self.notice)(&Notice::Reset);
                Ok(Some(Next::Boot(ResetCause::Software)))
            }
        }
    }

    /// Nothing answers on the line any more.
    fn stay_dead(&mut self) -> Result<(), SimError> {
        let mut lost = [0; 256];
        while !self.options.stop.is_requested() {
            self.pty.wait(false, crate::limits::STOP_CHECK_MS).map_err(SimError::Pty)?;
            self.pty.read(&mut lost).map_err(SimError::Pty)?;
        }
        Ok(())
    }

    fn download(&mut self, answer_sync: bool) -> Result<Option<Next>, SimError> {
        let flash = PowerLoss::new(self.take_flash()?, self.power_loss_after);
        let mut download = Download::new(flash, &self.pty, &self.options.faults);
        if answer_sync {
            download.feed_sync()?;
        }
        let left = download.run(&self.options.stop)?;
        let flash = download.into_flash();
        self.power_loss_after = flash.remaining_bytes();
        self.flash = Some(flash.into_inner());
        let Left::Event(event) = left else { return Ok(None) };
        (self.notice)(&Notice::Reset);
        Ok(Some(match event {
            Event::Run => Next::Boot(ResetCause::Software),
            Event::SoftReset => Next::Loader(ResetCause::Software),
            Event::WatchdogReset => Next::Boot(ResetCause::Watchdog),
        }))
    }

    fn take_flash(&mut self) -> Result<FileFlash, SimError> {
        match self.flash.take() {
            Some(flash) => Ok(flash),
            None => open_flash(self.options),
        }
    }

    fn print(&mut self, lines: Vec<String>) -> Result<(), SimError> {
        for line in lines {
            self.pty.print(&line).map_err(SimError::Pty)?;
            (self.notice)(&Notice::Chip(line));
        }
        Ok(())
    }
}

fn open_flash(options: &Options) -> Result<FileFlash, SimError> {
    FileFlash::open(&options.flash, options.flash_bytes)
        .map_err(|error| SimError::Open { path: options.flash.clone(), error })
}

#[cfg(test)]
mod tests;
