//! What must never be erased or written, and the only way to an address that may be.
//!
//! - The calibration of the radio: made in the factory, different on every board, nothing brings it back. No option
//!   gets past this.
//! - On a BK7231T the boot loader: it is also the only thing that takes a new firmware over the cable. The chip itself
//!   refuses it, but only for the honest address: the same one plus the flash's size gets through. (A BK7231N has that
//!   in mask ROM.)
//!
//! [`Sector`] and [`Block`] can be made here only, and the commands that change flash take nothing else.

use std::ops::Range;

use obkmq_image::beken::{BekenChip, FlashMap};

use super::frame::SECTOR_BYTES;

/// Bytes of a sector as an address.
pub(super) const SECTOR: u32 = 4096;
const _: () = assert!(SECTOR as usize == SECTOR_BYTES);
/// Bytes that one block erase takes.
pub(super) const BLOCK: u32 = 64 * 1024;

/// A sector that may be erased and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sector {
    address: u32,
    on_wire: u32,
}

impl Sector {
    /// Where it lies.
    pub(super) const fn address(self) -> u32 {
        self.address
    }

    /// What commands call it.
    pub(super) const fn on_wire(self) -> u32 {
        self.on_wire
    }
}

/// A block of 16 sectors that may be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block(u32);

impl Block {
    /// What commands call it.
    pub(super) const fn on_wire(self) -> u32 {
        self.0
    }
}

/// Why an address may not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// The boot loader of a BK7231T, and nobody accepted the risk.
    Bootloader,
    /// The calibration of the radio.
    Calibration,
    /// Not inside the flash, where addresses wrap around, or not a whole sector or block.
    Outside,
}

/// The rules for one board.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    chip: BekenChip,
    flash_bytes: u32,
    map: FlashMap,
    risk_bootloader: bool,
}

impl Guard {
    pub(super) const fn new(chip: BekenChip, flash_bytes: u32, risk_bootloader: bool) -> Self {
        Self { chip, flash_bytes, map: FlashMap::of(chip), risk_bootloader }
    }

    /// The sector at this address, a multiple of [`SECTOR`].
    pub(super) fn sector(&self, address: u32) -> Result<Sector, Danger> {
        self.check(address, SECTOR)?;
        // Only with the risk accepted: the chip refuses the honest address.
        let hidden = self.chip == BekenChip::T && address < self.map.bootloader.end;
        let on_wire = if hidden { address.saturating_add(self.flash_bytes) } else { address };
        Ok(Sector { address, on_wire })
    }

    /// The block at this address, a multiple of [`BLOCK`].
    pub(super) fn block(&self, address: u32) -> Result<Block, Danger> {
        self.check(address, BLOCK)?;
        if address < self.map.bootloader.end {
            // Sector by sector: as little as possible is missing at any moment.
            return Err(Danger::Bootloader);
        }
        Ok(Block(address))
    }

    /// What is left alone whatever is asked for, in the order of the addresses.
    pub(super) fn kept(&self) -> Vec<(&'static str, Range<u32>)> {
        let mut kept = Vec::new();
        if self.keeps_bootloader() {
            kept.push(("bootloader", self.map.bootloader.clone()));
        }
        kept.push(("RF calibration", self.map.calibration.clone()));
        kept
    }

    fn keeps_bootloader(&self) -> bool {
        self.chip == BekenChip::T && !self.risk_bootloader
    }

    fn check(&self, address: u32, length: u32) -> Result<(), Danger> {
        let end = address.checked_add(length).filter(|end| *end <= self.flash_bytes);
        let Some(end) = end.filter(|_| address.is_multiple_of(length)) else { return Err(Danger::Outside) };
        let meets = |range: &Range<u32>| address < range.end && range.start < end;
        if self.keeps_bootloader() && meets(&self.map.bootloader) {
            return Err(Danger::Bootloader);
        }
        if meets(&self.map.calibration) {
            return Err(Danger::Calibration);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLASH: u32 = 2 << 20;

    #[test]
    fn the_edges_of_what_is_kept() {
        let t = Guard::new(BekenChip::T, FLASH, false);
        let n = Guard::new(BekenChip::N, FLASH, false);
        assert_eq!(t.sector(0), Err(Danger::Bootloader));
        assert_eq!(t.sector(0x1_0000), Err(Danger::Bootloader));
        assert_eq!(t.sector(0x1_1000).map(Sector::on_wire), Ok(0x1_1000));
        assert_eq!(n.sector(0).map(Sector::on_wire), Ok(0));
        assert_eq!(t.sector(0x1D_F000).map(Sector::address), Ok(0x1D_F000));
        assert_eq!(t.sector(0x1E_0000), Err(Danger::Calibration));
        assert_eq!(t.sector(0x1E_1000).map(Sector::address), Ok(0x1E_1000));
        assert_eq!(n.sector(0x1D_0000), Err(Danger::Calibration));
        // Blocks are larger than what they are asked for.
        assert_eq!(t.block(0x1_0000), Err(Danger::Bootloader));
        assert_eq!(t.block(0x1E_0000), Err(Danger::Calibration));
        assert_eq!(n.block(0x1D_0000), Err(Danger::Calibration));
        assert_eq!(t.block(0x1D_0000).map(Block::on_wire), Ok(0x1D_0000));
        // Behind the end is the beginning.
        assert_eq!(t.sector(FLASH), Err(Danger::Outside));
        assert_eq!(t.sector(u32::MAX - 4095), Err(Danger::Outside));
        assert_eq!(t.sector(0x1_1800), Err(Danger::Outside));
    }

    #[test]
    fn an_accepted_risk_opens_the_boot_loader_and_nothing_else() {
        let t = Guard::new(BekenChip::T, FLASH, true);
        assert_eq!(
            t.sector(0x1_0000).map(|sector| (sector.address(), sector.on_wire())),
            Ok((0x1_0000, 0x21_0000))
        );
        assert_eq!(t.sector(0x1E_0000), Err(Danger::Calibration));
        assert_eq!(t.block(0), Err(Danger::Bootloader));
    }

    proptest! {
        /// Whatever is asked for, where it ends up in the flash is never what is kept.
        #[test]
        fn no_address_leads_to_what_is_kept(address: u32, megabytes in 2_u32..=16, n: bool) {
            let chip = if n { BekenChip::N } else { BekenChip::T };
            let flash = megabytes.next_power_of_two() << 20;
            let guard = Guard::new(chip, flash, false);
            for address in [address, address % (flash + BLOCK), address & !0xFFF, address & !0xFFFF, (address % flash) & !0xFFF] {
                let sector = guard.sector(address).map(|sector| (sector.on_wire(), SECTOR));
                let block = guard.block(address).map(|block| (block.on_wire(), BLOCK));
                for (start, length) in [sector, block].into_iter().flatten() {
                    for at in (start..start + length).step_by(4096).map(|at| at % flash) {
                        prop_assert!(chip == BekenChip::N || at >= 0x1_1000);
                        let calibration = if n { 0x1D_0000 } else { 0x1E_0000 };
                        prop_assert!(at != calibration);
                    }
                }
            }
        }
    }
}
