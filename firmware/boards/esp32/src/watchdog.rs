//! The watchdog, shared by the main loop and the flash.
//!
//! Storing a message in a region that is almost full moves and erases page after page before it gives up, which takes
//! longer than any sensible limit for a turn of the loop. Each erased page is progress, so it counts as a sign of life.

use alloc::rc::Rc;
use core::cell::RefCell;

use embedded_storage::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};
use esp_hal::rtc_cntl::{Rwdt, RwdtStage};
use esp_storage::FlashStorage;

use crate::limits::WATCHDOG;

/// Resets the chip when nothing has fed it for [`WATCHDOG`]. Clones are the same watchdog.
#[derive(Clone)]
pub(crate) struct Watchdog(Rc<RefCell<Rwdt>>);

impl Watchdog {
    pub(crate) fn new(timer: Rwdt) -> Self {
        Self(Rc::new(RefCell::new(timer)))
    }

    pub(crate) fn start(&self) {
        let mut timer = self.0.borrow_mut();
        timer.set_timeout(RwdtStage::Stage0, WATCHDOG);
        timer.enable();
    }

    pub(crate) fn feed(&self) {
        self.0.borrow_mut().feed();
    }
}

/// Flash that feeds the watchdog with each page it erases.
pub(crate) struct WatchedFlash {
    storage: FlashStorage<'static>,
    watchdog: Watchdog,
}

impl WatchedFlash {
    pub(crate) fn new(storage: FlashStorage<'static>, watchdog: Watchdog) -> Self {
        Self { storage, watchdog }
    }
}

impl ErrorType for WatchedFlash {
    type Error = <FlashStorage<'static> as ErrorType>::Error;
}

impl ReadNorFlash for WatchedFlash {
    const READ_SIZE: usize = FlashStorage::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        ReadNorFlash::read(&mut self.storage, offset, bytes)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(&self.storage)
    }
}

impl NorFlash for WatchedFlash {
    const WRITE_SIZE: usize = FlashStorage::WRITE_SIZE;
    const ERASE_SIZE: usize = FlashStorage::ERASE_SIZE;

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        NorFlash::write(&mut self.storage, offset, bytes)
    }

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        for page in (from..to).step_by(Self::ERASE_SIZE) {
            self.watchdog.feed();
            NorFlash::erase(&mut self.storage, page, page.saturating_add(FlashStorage::SECTOR_SIZE).min(to))?;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for WatchedFlash {}
