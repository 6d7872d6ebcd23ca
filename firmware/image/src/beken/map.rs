//! Where everything lies in a BK7231's flash. All addresses are those of the flash itself, not of the processor.
//!
//! | region | BK7231T | BK7231N |
//! |---|---|---|
//! | boot loader | `0x000000` + 68 KiB | the same |
//! | application | `0x011000` + 1156 KiB | `0x011000` + 1124 KiB |
//! | download (OTA) | `0x132000` + 664 KiB | `0x12A000` + 664 KiB |
//! | RF calibration, MAC | `0x1E0000` + 4 KiB | `0x1D0000` + 4 KiB |
//! | network data of the vendor's SDK | `0x1E1000` + 4 KiB | `0x1D1000` + 4 KiB |
//! | obkmq's settings | `0x1E3000` + 20 KiB | `0x1D3000` + 20 KiB |
//! | obkmq's files | `0x1E8000` + 48 KiB | `0x1D8000` + 80 KiB |
//! | obkmq's retained messages | `0x1F4000` + 48 KiB | `0x1EC000` + 80 KiB |
//!
//! The first five are those of the partition tables in the vendor's boot loaders and of OpenBeken. obkmq's own lie in what
//! they leave free; no firmware on a chip uses them yet, the virtual boards do.

use core::ops::Range;

use super::BekenChip;

/// Bytes of flash on every known module.
pub const FLASH_BYTES: u32 = 2 << 20;

/// First byte behind the boot loader, where the application begins.
pub const BOOTLOADER_END: u32 = 0x1_1000;

/// The regions of one chip's flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashMap {
    /// The boot loader. On a BK7231T it is also the only one that takes a new firmware: without it the board is dead.
    pub bootloader: Range<u32>,
    /// The application, as it is stored.
    pub app: Range<u32>,
    /// Where an update waits for the boot loader.
    pub download: Range<u32>,
    /// Calibration of the radio, made in the factory, and the MAC address. Nothing brings it back.
    pub calibration: Range<u32>,
    /// The vendor's network data.
    pub network: Range<u32>,
    /// obkmq's settings.
    pub settings: Range<u32>,
    /// obkmq's files.
    pub files: Range<u32>,
    /// obkmq's retained messages.
    pub retained: Range<u32>,
}

impl FlashMap {
    /// The map of this chip.
    pub const fn of(chip: BekenChip) -> Self {
        let bootloader = 0..BOOTLOADER_END;
        match chip {
            BekenChip::T => Self {
                bootloader,
                app: BOOTLOADER_END..0x13_2000,
                download: 0x13_2000..0x1D_8000,
                calibration: 0x1E_0000..0x1E_1000,
                network: 0x1E_1000..0x1E_2000,
                settings: 0x1E_3000..0x1E_8000,
                files: 0x1E_8000..0x1F_4000,
                retained: 0x1F_4000..FLASH_BYTES,
            },
            BekenChip::N => Self {
                bootloader,
                app: BOOTLOADER_END..0x12_A000,
                download: 0x12_A000..0x1D_0000,
                calibration: 0x1D_0000..0x1D_1000,
                network: 0x1D_1000..0x1D_2000,
                settings: 0x1D_3000..0x1D_8000,
                files: 0x1D_8000..0x1E_C000,
                retained: 0x1E_C000..FLASH_BYTES,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_whole_sectors_in_order_and_do_not_overlap() {
        for chip in BekenChip::ALL {
            let map = FlashMap::of(chip);
            let mut end = 0;
            for region in [
                map.bootloader,
                map.app,
                map.download,
                map.calibration,
                map.network,
                map.settings,
                map.files,
                map.retained,
            ] {
                assert!(region.start >= end && region.start < region.end, "{chip}: {region:?}");
                assert!(region.start % 4096 == 0 && region.end % 4096 == 0, "{chip}: {region:?}");
                end = region.end;
            }
            assert_eq!(end, FLASH_BYTES);
        }
    }

    #[test]
    fn the_application_and_updates_fit_their_regions() {
        for chip in BekenChip::ALL {
            let map = FlashMap::of(chip);
            assert!(map.app.len() >= super::super::app::APP_STORED_BYTES);
            assert_eq!(map.app.start as usize, super::super::app::APP_OFFSET);
            assert_eq!(map.download.len(), super::super::ota::DOWNLOAD_BYTES);
        }
    }
}
