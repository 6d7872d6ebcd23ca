//! BK7231T and BK7231N: the loader that answers on UART1, in the flash of the one and in the mask ROM of the other.
//!
//! | file | concept |
//! |---|---|
//! | [`frame`] | commands and replies as bytes |
//! | [`wire`] | the port, with its speed, its reset lines and its clock |
//! | [`link`] | questions and answers over a line that loses bytes; getting there; speeds |
//! | [`parts`] | chips and flash memories by what they answer |
//! | [`guard`] | what is never erased or written |
//! | [`flasher`] | read, compare, erase, write |
//! | [`explain`] | errors in words |
//!
//! References: bk7231tools 2.1, hid_download_py, BK7231GUIFlashTool. Tried against the virtual boards; never on a chip.

mod explain;
mod flasher;
pub(crate) mod foreign;
mod frame;
mod guard;
mod link;
mod parts;
#[cfg(test)]
mod simulated;
mod wire;

use std::ops::Range;
use std::time::Duration;

use obkmq_image::beken::BekenChip;

use self::flasher::{Flasher, Manner};
use self::link::Entry;
use self::wire::PortWire;
use super::options::Before;
use super::{Loader, Model, Part, Written};
use crate::context::Context;
use crate::failure::Failure;
use crate::serial::open::OpenPort;
use crate::serial::transport::SerialTransport;

/// How long the chip is looked for: long enough to find the pad that has to be touched.
const PATIENCE: Duration = Duration::from_secs(30);

/// A chip that waits in its loader.
pub(crate) struct BekenLoader(Flasher<PortWire>);

/// Brings the chip into its loader, says what it is, and raises the speed.
pub(crate) fn connect(
    port: OpenPort,
    before: Before,
    baud: u32,
    said: Option<BekenChip>,
    risk_bootloader: bool,
    context: &Context,
) -> Result<BekenLoader, Failure> {
    explain::WIRING.iter().for_each(|line| context.note(line));
    let entry = if before == Before::NoReset { Entry::ByHand } else { Entry::Any };
    let path = port.path.clone();
    let manner = Manner { entry, baud, patience: PATIENCE, said, risk_bootloader };
    Flasher::connect(PortWire::new(port), &path, manner, context).map(BekenLoader)
}

impl Loader for BekenLoader {
    fn model(&self) -> Model {
        Model::Beken(self.0.chip())
    }

    fn flash_bytes(&self) -> u32 {
        self.0.flash_bytes()
    }

    fn facts(&mut self, context: &Context) -> Result<Vec<(&'static str, String)>, Failure> {
        let mut facts = vec![("told by", self.0.told_by().to_owned())];
        facts.extend(self.0.flash_id().map(|id| ("flash id", id)));
        facts.extend(foreign::facts(self, context)?);
        Ok(facts)
    }

    fn kept(&self) -> Vec<(&'static str, Range<u32>)> {
        self.0.kept()
    }

    fn write(
        &mut self,
        parts: &[Part],
        progress: &mut dyn FnMut(u64),
        context: &Context,
    ) -> Result<Written, Failure> {
        self.0.write(parts, progress, context)
    }

    fn read(&mut self, range: &Range<u32>, _context: &Context) -> Result<Vec<u8>, Failure> {
        self.0.read(range)
    }

    fn holds(&mut self, range: &Range<u32>, bytes: &[u8]) -> Result<bool, Failure> {
        self.0.holds(range, bytes)
    }

    fn erase(&mut self, range: &Range<u32>, context: &Context) -> Result<(), Failure> {
        let blank = Part { name: "blank".to_owned(), offset: range.start, data: vec![0xFF; range.len()] };
        self.0.write(&[blank], &mut |_| {}, context).map(|_| ())
    }

    fn start_firmware(self: Box<Self>, context: &Context) -> Result<SerialTransport, Failure> {
        let (wire, rebooted) = self.0.reboot();
        if let Err(failure) = rebooted {
            context.warn(format_args!(
                "the chip was not restarted ({}): switch its power off and on",
                failure.why
            ));
        }
        Ok(wire.into_transport())
    }
}
