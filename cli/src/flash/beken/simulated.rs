//! A chip in this very process, at the end of a wire with simulated time: the virtual board's loader, whose code shares
//! nothing with the flasher's.

use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use obkmq_image::beken::BekenChip;
use obkmq_virtual::beken::{Event, Loader, factory};
use obkmq_virtual::faults::{Faults, LineFaults, PowerLoss};
use obkmq_virtual::flash::{FlashError, MemoryFlash};

use super::wire::Wire;
use crate::serial::open::CONSOLE_BAUD;

/// How long the boot loader listens before it starts the application.
const WINDOW: Duration = Duration::from_millis(150);

#[derive(Debug)]
pub(super) struct Simulated {
    chip: BekenChip,
    /// Nothing once the power is gone.
    loader: Option<Loader<PowerLoss<MemoryFlash>>>,
    /// What is left when the power is gone.
    pub(super) cells: Vec<u8>,
    /// A firmware runs, and has heard this.
    firmware: Option<Vec<u8>>,
    /// Until when the boot loader waits.
    window_ends: Duration,
    now: Duration,
    chip_free: Duration,
    baud: u32,
    /// The fastest that the cable carries.
    pub(super) fastest_baud: u32,
    /// Above that, the chip still hears.
    pub(super) only_answers_suffer: bool,
    pub(super) to_chip: LineFaults,
    pub(super) from_chip: LineFaults,
    incoming: VecDeque<(Duration, u8)>,
    pub(super) unplugged: bool,
}

pub(super) fn factory_cells(chip: BekenChip) -> Vec<u8> {
    static CELLS: [OnceLock<Vec<u8>>; 2] = [OnceLock::new(), OnceLock::new()];
    let made = || {
        let mut flash = MemoryFlash::new(factory::FLASH_BYTES);
        factory::fill(chip, &mut flash).unwrap();
        flash.cells().to_vec()
    };
    CELLS[usize::from(chip == BekenChip::N)].get_or_init(made).clone()
}

impl Simulated {
    pub(super) fn new(chip: BekenChip, cells: &[u8]) -> Self {
        Self::with_power(chip, cells, None)
    }

    /// The power goes after so many bytes were erased or programmed.
    pub(super) fn with_power(chip: BekenChip, cells: &[u8], bytes: Option<u64>) -> Self {
        let flash = MemoryFlash::holding(cells.to_vec());
        let none = Faults::default().line();
        Self {
            chip,
            loader: Some(Loader::new(chip, PowerLoss::new(flash, bytes))),
            cells: Vec::new(),
            firmware: None,
            window_ends: Duration::MAX,
            now: Duration::ZERO,
            chip_free: Duration::ZERO,
            baud: CONSOLE_BAUD,
            fastest_baud: u32::MAX,
            only_answers_suffer: false,
            to_chip: none.clone(),
            from_chip: none,
            incoming: VecDeque::new(),
            unplugged: false,
        }
    }

    /// A firmware runs that takes `reboot`.
    pub(super) fn running(mut self) -> Self {
        self.firmware = Some(Vec::new());
        self
    }

    pub(super) fn lose_power_at_frame(&mut self, frame: u64) {
        self.loader.as_mut().unwrap().lose_power_at_frame(Some(frame));
    }

    pub(super) fn frames(&self) -> u64 {
        self.loader.as_ref().map_or(0, Loader::frames)
    }

    /// All of the flash.
    pub(super) fn into_cells(self) -> Vec<u8> {
        self.loader.map_or(self.cells, |loader| loader.into_flash().into_inner().cells().to_vec())
    }

    /// Resets the loader, with the flash as it is.
    fn reset(&mut self) {
        let flash = self.loader.take().unwrap().into_flash();
        self.loader = Some(Loader::new(self.chip, flash));
    }

    fn hear(&mut self, bytes: &[u8]) {
        if let Some(heard) = &mut self.firmware {
            heard.extend_from_slice(bytes);
            if heard.windows(8).any(|text| text == b"reboot\r\n") {
                self.firmware = None;
                self.window_ends = self.now.saturating_add(WINDOW);
                self.reset();
            }
            return;
        }
        let Some(loader) = &mut self.loader else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match loader.receive(rest) {
                Ok(taken) => taken,
                Err(FlashError::PowerLost) => {
                    let flash = self.loader.take().unwrap().into_flash().into_inner();
                    self.cells = flash.cells().to_vec();
                    return;
                }
                Err(error) => panic!("{error}"),
            };
            rest = &rest[taken..];
            self.chip_free =
                self.chip_free.max(self.now).saturating_add(Duration::from_micros(loader.take_busy_us()));
            let mut output = loader.output().to_vec();
            loader.sent(output.len());
            if loader.baud() != self.baud {
                // Unless the host follows in time.
                if output.get(6) != Some(&0x0F) {
                    garble(&mut output);
                }
            }
            if loader.baud() > self.fastest_baud {
                garble(&mut output);
            }
            for byte in self.from_chip.apply(&output) {
                self.chip_free = self.chip_free.saturating_add(time_of(1, loader.baud()));
                self.incoming.push_back((self.chip_free, byte));
            }
            if loader.next_event() == Some(Event::Reboot) {
                self.firmware = Some(Vec::new());
                return;
            }
        }
    }
}

fn time_of(bytes: usize, baud: u32) -> Duration {
    Duration::from_secs_f64(10.0 / f64::from(baud)) * u32::try_from(bytes).unwrap()
}

/// What arrives at another speed.
fn garble(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = byte.rotate_left(3) ^ 0x7E);
}

impl Wire for Simulated {
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        if self.unplugged {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let deadline = self.now.saturating_add(timeout);
        let Some(first) = self.incoming.front().map(|(at, _)| *at).filter(|at| *at <= deadline) else {
            self.now = deadline;
            return Ok(0);
        };
        self.now = self.now.max(first);
        let mut count = 0;
        while count < buffer.len() && self.incoming.front().is_some_and(|(at, _)| *at <= self.now) {
            buffer[count] = self.incoming.pop_front().unwrap().1;
            count += 1;
        }
        Ok(count)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unplugged {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.now = self.now.saturating_add(time_of(bytes.len(), self.baud));
        let is_linked = self.loader.as_ref().is_some_and(Loader::is_linked);
        if self.firmware.is_none() && !is_linked && self.now > self.window_ends {
            self.firmware = Some(Vec::new());
        }
        let mut bytes = bytes.to_vec();
        let chip_baud = self.loader.as_ref().map_or(CONSOLE_BAUD, Loader::baud);
        let too_fast = self.baud > self.fastest_baud && !self.only_answers_suffer;
        if chip_baud != self.baud || too_fast {
            garble(&mut bytes);
        }
        let heard = self.to_chip.apply(&bytes);
        self.hear(&heard);
        Ok(())
    }

    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        self.baud = baud;
        Ok(())
    }

    fn pulse_reset(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn sleep(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    fn now(&self) -> Duration {
        self.now
    }
}
