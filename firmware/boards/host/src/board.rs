//! What the node asks of a PC.

use core::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use obkmq_node::{Board, HeapUse, Radio};

use crate::flash::Flash;

/// A PC as the node sees it.
pub struct HostBoard {
    flash: Flash,
    radio: Option<Box<dyn Radio + Send>>,
}

impl fmt::Debug for HostBoard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HostBoard").field("flash", &self.flash).finish_non_exhaustive()
    }
}

impl HostBoard {
    /// A board with this flash.
    pub fn new(flash: Flash) -> Self {
        Self { flash, radio: None }
    }

    /// The same board with a radio; that of a PC belongs to its operating system.
    #[must_use]
    pub fn with_radio(self, radio: impl Radio + Send + 'static) -> Self {
        Self { radio: Some(Box::new(radio)), ..self }
    }
}

impl Board for HostBoard {
    type Flash = Flash;

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    #[expect(
        clippy::panic,
        reason = "without entropy no salt and no key can be made; there is nothing to go on with"
    )]
    fn fill_random(&mut self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system has no random numbers: {error}");
        }
    }

    fn heap(&self) -> Option<HeapUse> {
        None
    }

    fn unix_seconds(&mut self) -> Option<i64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    }

    fn radio(&mut self) -> Option<&mut dyn Radio> {
        self.radio.as_mut().map(|radio| &mut **radio as &mut dyn Radio)
    }
}
