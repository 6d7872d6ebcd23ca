//! Faults that can be asked for: power that goes while the flash is written, and a line that loses or garbles bytes.
//!
//! They are part of the board, not of its tests: whoever writes a flasher or changes ours can see what it does on a bad
//! line. They act on the ROM loader's side, where a flasher talks and writes.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

use crate::flash::{FlashChip, FlashError};

/// Which faults a board has; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The power goes once this many bytes have been erased or programmed.
    pub power_loss_after: Option<u64>,
    /// The power goes when so many commands have come. Of a BK7231's loader only.
    pub power_loss_at_frame: Option<u64>,
    /// Every so many bytes on the line, one is changed; each direction counts for itself.
    pub garble_every: Option<NonZeroU64>,
    /// Every so many bytes on the line, one is lost; each direction counts for itself.
    pub drop_every: Option<NonZeroU64>,
}

impl Faults {
    /// Adds one fault to the others.
    pub fn add(&mut self, fault: Fault) {
        match fault {
            Fault::PowerLossAfter(bytes) => self.power_loss_after = Some(bytes),
            Fault::PowerLossAtFrame(frame) => self.power_loss_at_frame = Some(frame),
            Fault::GarbleEvery(bytes) => self.garble_every = Some(bytes),
            Fault::DropEvery(bytes) => self.drop_every = Some(bytes),
        }
    }

    /// The line faults, for one direction.
    pub fn line(&self) -> LineFaults {
        LineFaults { garble_every: self.garble_every, drop_every: self.drop_every, count: 0 }
    }
}

/// One fault, as it is written on a command line: `power-loss-after=N`, `power-loss-at-frame=N`, `garble-every=N`,
/// `drop-every=N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// See [`Faults::power_loss_after`].
    PowerLossAfter(u64),
    /// See [`Faults::power_loss_at_frame`].
    PowerLossAtFrame(u64),
    /// See [`Faults::garble_every`].
    GarbleEvery(NonZeroU64),
    /// See [`Faults::drop_every`].
    DropEvery(NonZeroU64),
}

/// Text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no fault; there are power-loss-after=BYTES, power-loss-at-frame=N, garble-every=BYTES and drop-every=BYTES"
)]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownFault(text.to_owned());
        let (name, bytes) = text.split_once('=').ok_or_else(unknown)?;
        let bytes: u64 = bytes.parse().map_err(|_| unknown())?;
        let every = NonZeroU64::new(bytes).ok_or_else(unknown);
        match name {
            "power-loss-after" => Ok(Self::PowerLossAfter(bytes)),
            "power-loss-at-frame" => Ok(Self::PowerLossAtFrame(bytes)),
            "garble-every" => every.map(Self::GarbleEvery),
            "drop-every" => every.map(Self::DropEvery),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerLossAfter(bytes) => write!(formatter, "power-loss-after={bytes}"),
            Self::PowerLossAtFrame(frame) => write!(formatter, "power-loss-at-frame={frame}"),
            Self::GarbleEvery(bytes) => write!(formatter, "garble-every={bytes}"),
            Self::DropEvery(bytes) => write!(formatter, "drop-every={bytes}"),
        }
    }
}

/// One direction of a bad line.
#[derive(Clone, Debug)]
pub struct LineFaults {
    garble_every: Option<NonZeroU64>,
    drop_every: Option<NonZeroU64>,
    count: u64,
}

impl LineFaults {
    /// What arrives of `bytes`.
    pub fn apply(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().filter_map(|&byte| self.byte(byte)).collect()
    }

    fn byte(&mut self, byte: u8) -> Option<u8> {
        self.count = self.count.wrapping_add(1);
        let due =
            |every: Option<NonZeroU64>| every.is_some_and(|every| self.count.is_multiple_of(every.get()));
        if due(self.drop_every) {
            None
        } else if due(self.garble_every) {
            Some(byte ^ 0x55)
        } else {
            Some(byte)
        }
    }
}

/// A flash chip whose power goes after a number of bytes, in the middle of an operation if need be.
#[derive(Debug)]
pub struct PowerLoss<F> {
    flash: F,
    remaining_bytes: Option<u64>,
}

impl<F: FlashChip> PowerLoss<F> {
    /// Passes everything on until `after` bytes have been erased or programmed; for ever if `None`.
    pub fn new(flash: F, after: Option<u64>) -> Self {
        Self { flash, remaining_bytes: after }
    }

    /// Bytes until the power goes; `None` if it stays.
    pub fn remaining_bytes(&self) -> Option<u64> {
        self.remaining_bytes
    }

    /// The chip behind it.
    pub fn into_inner(self) -> F {
        self.flash
    }

    /// How much of an operation of `length` bytes still happens.
    fn spend(&mut self, length: u64) -> u64 {
        match &mut self.remaining_bytes {
            None => length,
            Some(remaining) => {
                let happens = length.min(*remaining);
                *remaining -= happens;
                happens
            }
        }
    }

    fn powered(&self) -> Result<(), FlashError> {
        if self.remaining_bytes == Some(0) { Err(FlashError::PowerLost) } else { Ok(()) }
    }
}

impl<F: FlashChip> FlashChip for PowerLoss<F> {
    fn capacity(&self) -> u32 {
        self.flash.capacity()
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.powered()?;
        self.flash.read(offset, bytes)
    }

    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.powered()?;
        let happens = self.spend(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let part = usize::try_from(happens).ok().and_then(|happens| bytes.get(..happens)).unwrap_or(bytes);
        self.flash.program(offset, part)?;
        self.powered()
    }

    fn erase(&mut self, offset: u32, length: u32) -> Result<(), FlashError> {
        self.powered()?;
        let happens = self.spend(length.into());
        let whole = crate::limits::SECTOR_BYTES;
        let part = u32::try_from(happens).unwrap_or(length);
        self.flash.erase(offset, part - part % whole)?;
        self.powered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::MemoryFlash;

    #[test]
    fn faults_are_read_as_they_are_written() {
        for text in ["power-loss-after=0", "power-loss-at-frame=3", "garble-every=7", "drop-every=1000"] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in ["", "drop-every", "drop-every=0", "garble-every=x", "fire=1"] {
            assert_eq!(text.parse::<Fault>(), Err(UnknownFault(text.to_owned())));
        }
    }

    #[test]
    fn every_nth_byte_suffers() {
        let mut faults = Faults::default();
        assert_eq!(faults.line().apply(&[1; 5]), [1; 5]);
        faults.add("garble-every=2".parse().unwrap());
        faults.add("drop-every=3".parse().unwrap());
        let mut line = faults.line();
        assert_eq!(line.apply(&[0, 0, 0, 0]), [0, 0x55, 0x55]);
        assert_eq!(line.apply(&[0, 0]), [0]);
    }

    #[test]
    fn the_power_goes_in_the_middle_of_an_operation_and_stays_away() {
        let mut flash = PowerLoss::new(MemoryFlash::new(0x2000), Some(0x1003));
        flash.erase(0, 0x1000).unwrap();
        assert!(matches!(flash.program(0x10, &[0; 8]), Err(FlashError::PowerLost)));
        assert!(matches!(flash.program(0x20, &[0; 8]), Err(FlashError::PowerLost)));
        assert!(matches!(flash.read(0, &mut [0]), Err(FlashError::PowerLost)));
        let flash = flash.into_inner();
        assert_eq!(flash.cells()[0x10..0x18], [0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(flash.cells()[0x20], 0xFF);
    }
}
