//! The registers a flasher reads and writes: fuses, the flash controller, the watchdog.
//!
//! Addresses and fields are those of the ESP32-C3 Technical Reference Manual. Everything else reads as zero and takes
//! writes, as a flasher that pokes at a peripheral would find it.

use std::collections::BTreeMap;

use crate::limits::REGISTERS;

/// A word of the ROM whose value differs from chip to chip; older flashers tell chips apart by it.
const CHIP_MAGIC: u32 = 0x4000_1000;
const CHIP_MAGIC_VALUE: u32 = 0x1B31_506F;

/// First word of fuse block 1: the factory MAC address, then chip and package versions.
const EFUSE_BLOCK_1: u32 = 0x6000_8844;
/// `02:4F:42:4B:4D:51`: locally administered, then "OBKMQ".
const MAC_LOW: u32 = 0x424B_4D51;
const MAC_HIGH: u32 = 0x0000_024F;

/// Revision v0.4 of the silicon, as most modules in the shops have.
pub(crate) const CHIP_REVISION_MINOR: u16 = 4;
/// The minor revision's lower bits, in word 3 of fuse block 1.
const REVISION_MINOR_SHIFT: u32 = 18;

/// The flash controller, SPI1.
mod spi {
    pub(super) const COMMAND: u32 = 0x6000_2000;
    pub(super) const USER_2: u32 = 0x6000_2020;
    pub(super) const MISO_BITS: u32 = 0x6000_2028;
    pub(super) const W0: u32 = 0x6000_2058;
    /// Starts what the USER registers describe; clears itself.
    pub(super) const COMMAND_USER: u32 = 1 << 18;
}

/// Commands of the flash chip.
mod flash_command {
    pub(super) const READ_ID: u32 = 0x9F;
    pub(super) const READ_STATUS: [u32; 3] = [0x05, 0x35, 0x15];
}

/// The watchdog of the always-on domain, with which a chip can be reset where there is no reset wire.
mod watchdog {
    pub(super) const CONFIG_0: u32 = 0x6000_8090;
    pub(super) const WRITE_PROTECT: u32 = 0x6000_80A8;
    pub(super) const WRITE_KEY: u32 = 0x50D8_3AA1;
    pub(super) const ENABLE: u32 = 1 << 31;
}

/// Words that keep what was written to them, and those that answer by themselves.
#[derive(Debug)]
pub(crate) struct Registers {
    written: BTreeMap<u32, u32>,
    flash_id: u32,
    attached: bool,
}

impl Registers {
    /// Registers of a chip with so much flash.
    pub(crate) fn new(flash_bytes: u32) -> Self {
        Self { written: BTreeMap::new(), flash_id: flash_id(flash_bytes), attached: false }
    }

    /// Connects the flash to its controller.
    pub(crate) fn attach_flash(&mut self) {
        self.attached = true;
    }

    pub(crate) fn read(&self, address: u32) -> u32 {
        match address {
            CHIP_MAGIC => CHIP_MAGIC_VALUE,
            address if address == EFUSE_BLOCK_1 => MAC_LOW,
            address if address == EFUSE_BLOCK_1 + 4 => MAC_HIGH,
            address if address == EFUSE_BLOCK_1 + 12 => {
                u32::from(CHIP_REVISION_MINOR) << REVISION_MINOR_SHIFT
            }
            address => self.written.get(&address).copied().unwrap_or(0),
        }
    }

    /// Changes the bits of `mask`. `true` when the watchdog has been set to bite.
    pub(crate) fn write(&mut self, address: u32, value: u32, mask: u32) -> bool {
        let value = self.read(address) & !mask | value & mask;
        match address {
            spi::COMMAND if value & spi::COMMAND_USER != 0 => {
                self.run_flash_command();
                false
            }
            watchdog::CONFIG_0 if self.read(watchdog::WRITE_PROTECT) != watchdog::WRITE_KEY => false,
            watchdog::WRITE_PROTECT => {
                let armed = self.read(watchdog::CONFIG_0) & watchdog::ENABLE != 0;
                self.keep(address, value);
                armed && value != watchdog::WRITE_KEY
            }
            _ => {
                self.keep(address, value);
                false
            }
        }
    }

    fn keep(&mut self, address: u32, value: u32) {
        if self.written.len() < REGISTERS || self.written.contains_key(&address) {
            self.written.insert(address, value);
        }
    }

    /// What a flasher asks the flash chip through its controller. Programming and erasing go through the loader's own
    /// commands, so only questions are answered here.
    fn run_flash_command(&mut self) {
        let command = self.read(spi::USER_2) & 0xFFFF;
        let answer = match command {
            _ if !self.attached => u32::MAX,
            flash_command::READ_ID => self.flash_id,
            command if flash_command::READ_STATUS.contains(&command) => 0,
            _ => u32::MAX,
        };
        let bits = (self.read(spi::MISO_BITS) & 0x3FF).saturating_add(1);
        let mask = 1_u32.checked_shl(bits).map_or(u32::MAX, |limit| limit.wrapping_sub(1));
        self.keep(spi::W0, answer & mask);
    }
}

/// The answer to "read identification": manufacturer, type, and the binary logarithm of the size.
fn flash_id(flash_bytes: u32) -> u32 {
    const WINBOND: u32 = 0xEF;
    const W25Q: u32 = 0x40;
    WINBOND | W25Q << 8 | flash_bytes.max(1).ilog2() << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What esptool and espflash do to ask for the flash's id.
    fn read_flash_id(registers: &mut Registers) -> u32 {
        registers.write(spi::MISO_BITS, 23, u32::MAX);
        registers.write(spi::USER_2, 7 << 28 | 0x9F, u32::MAX);
        registers.write(spi::W0, 0, u32::MAX);
        registers.write(spi::COMMAND, 1 << 18, u32::MAX);
        assert_eq!(registers.read(spi::COMMAND), 0);
        registers.read(spi::W0)
    }

    #[test]
    fn the_flash_answers_once_it_is_attached() {
        let mut registers = Registers::new(4 << 20);
        assert_eq!(read_flash_id(&mut registers), 0xFF_FFFF);
        registers.attach_flash();
        assert_eq!(read_flash_id(&mut registers), 0x16_40EF);
        assert_eq!(flash_id(2 << 20), 0x15_40EF);
    }

    #[test]
    fn masks_keep_the_other_bits() {
        let mut registers = Registers::new(4 << 20);
        registers.write(0x6000_0000, 0x1234_5678, u32::MAX);
        registers.write(0x6000_0000, 0, 0x0000_FF00);
        assert_eq!(registers.read(0x6000_0000), 0x1234_0078);
    }

    #[test]
    fn the_watchdog_bites_when_it_is_locked_again() {
        let mut registers = Registers::new(4 << 20);
        assert!(!registers.write(watchdog::CONFIG_0, u32::MAX, u32::MAX), "it is write-protected");
        assert!(!registers.write(watchdog::WRITE_PROTECT, watchdog::WRITE_KEY, u32::MAX));
        assert!(!registers.write(watchdog::CONFIG_0, 1 << 31 | 0x5000_0102, u32::MAX));
        assert!(registers.write(watchdog::WRITE_PROTECT, 0, u32::MAX));
        let mut registers = Registers::new(4 << 20);
        registers.write(watchdog::WRITE_PROTECT, watchdog::WRITE_KEY, u32::MAX);
        registers.write(watchdog::CONFIG_0, 0, u32::MAX);
        assert!(!registers.write(watchdog::WRITE_PROTECT, 0, u32::MAX), "it was switched off");
    }

    #[test]
    fn a_flood_of_addresses_stays_bounded() {
        let mut registers = Registers::new(4 << 20);
        for address in 0..10_000 {
            registers.write(address * 4, 1, u32::MAX);
        }
        assert_eq!(registers.written.len(), REGISTERS);
    }
}
