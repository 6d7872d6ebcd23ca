//! What the node asks of a PC.

use obkmq_node::{Board, HeapUse};

use crate::flash::Flash;

/// A PC as the node sees it.
#[derive(Debug)]
pub struct HostBoard {
    flash: Flash,
}

impl HostBoard {
    /// A board with this flash.
    pub fn new(flash: Flash) -> Self {
        Self { flash }
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
}
