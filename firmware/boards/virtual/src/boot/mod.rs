//! What a chip does between reset and firmware: the ROM checks and loads the second-stage bootloader, which checks the
//! partition table, chooses an application and checks that.
//!
//! Nothing is executed here, but everything is checked that the chip would check, in its order and with its words, so
//! that a board that was never flashed, or flashed halfway, fails to boot as a real one does. Two checks are stricter
//! than the chip's, since damaged code cannot be "attempted anyway" here: a bootloader with a wrong hash is refused, and
//! so is an application that is not obkmq.
//!
//! The formats are read by code of this crate alone: what the flasher's side believes about them is not used to check
//! what it wrote.

mod image;
mod otadata;
mod table;

use core::fmt;
use core::ops::Range;

use crate::flash::{FlashChip, FlashError};
use crate::limits::HEADER_COMPLAINTS;
use image::{CheckedImage, ImageFault, Role, Unusable};
use table::{Entry, Table};

/// Where the ROM expects the second-stage bootloader.
const BOOTLOADER_OFFSET: u32 = 0;
/// First byte behind the bootloader's place: the partition table.
const BOOTLOADER_END: u32 = table::TABLE_OFFSET;
/// The firmware's project name.
const PROJECT: &str = "obkmq";

/// Why the chip was reset, and how it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetCause {
    /// Power was switched on.
    PowerOn,
    /// Software asked for it.
    Software,
    /// A watchdog bit.
    Watchdog,
}

impl ResetCause {
    const fn words(self) -> &'static str {
        match self {
            Self::PowerOn => "rst:0x1 (POWERON)",
            Self::Software => "rst:0x3 (RTC_SW_SYS_RST)",
            Self::Watchdog => "rst:0x10 (RTCWDT_RTC_RST)",
        }
    }
}

/// The firmware that a chip would now run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Version in its descriptor.
    pub version: String,
    /// Name of the partition it lies in.
    pub partition: String,
    /// Where the board keeps its settings.
    pub settings: Range<u32>,
    /// Where the board keeps files.
    pub files: Range<u32>,
    /// Where the board keeps retained messages.
    pub retained: Range<u32>,
}

/// Why there is nothing to run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing where the bootloader should be.
    NothingFlashed,
    /// The bootloader is damaged or incomplete.
    Bootloader,
    /// The partition table is missing or damaged.
    PartitionTable,
    /// No application is whole.
    NoBootableApplication,
    /// An application that this board cannot stand in for.
    ForeignApplication {
        /// The project name in its descriptor.
        project: String,
    },
    /// A BK7231T without its boot loader, which is also the only one that takes a new firmware.
    Dead,
    /// The partition table has no place for something the firmware needs.
    NoRegion {
        /// Which one.
        name: &'static str,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingFlashed => formatter.write_str("nothing has been flashed"),
            Self::Bootloader => formatter.write_str("the second-stage bootloader is damaged or incomplete"),
            Self::PartitionTable => formatter.write_str("the partition table is missing or damaged"),
            Self::NoBootableApplication => formatter.write_str("no application is whole"),
            Self::ForeignApplication { project } => {
                write!(formatter, "the application is `{project}`; this board can stand in for obkmq only")
            }
            Self::Dead => formatter.write_str(
                "the boot loader in flash is gone, and with it the only way in: it takes an SPI programmer",
            ),
            Self::NoRegion { name } => write!(formatter, "the partition table has no region for {name}"),
        }
    }
}

/// What came of a reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// What the chip printed, line by line.
    pub log: Vec<String>,
    /// The firmware, or why there is none.
    pub outcome: Result<Firmware, Refusal>,
}

/// Why booting stops.
enum Stop {
    Refused(Refusal),
    Flash(FlashError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FlashError> for Stop {
    fn from(error: FlashError) -> Self {
        Self::Flash(error)
    }
}

/// Resets the chip with its boot pins set to start from flash.
///
/// # Errors
/// [`FlashError`] if the flash itself cannot be read; everything that is wrong with its contents is in the outcome.
pub fn boot(flash: &mut impl FlashChip, cause: ResetCause) -> Result<Boot, FlashError> {
    let mut log = rom_banner(cause, "boot:0xc (SPI_FAST_FLASH_BOOT)");
    let outcome = match load(flash, &mut log) {
        Ok(firmware) => Ok(firmware),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Flash(error)) => return Err(error),
    };
    Ok(Boot { log, outcome })
}

/// What the ROM prints when it comes up in its serial loader.
pub fn download_banner(cause: ResetCause) -> Vec<String> {
    let mut log = rom_banner(cause, "boot:0x4 (DOWNLOAD(USB/UART0/1))");
    log.push("waiting for download".to_owned());
    log
}

fn rom_banner(cause: ResetCause, mode: &str) -> Vec<String> {
    vec![
        "ESP-ROM:esp32c3-api1-20210207".to_owned(),
        "Build:Feb  7 2021".to_owned(),
        format!("{},{mode}", cause.words()),
    ]
}

fn load(flash: &mut impl FlashChip, log: &mut Vec<String>) -> Result<Firmware, Stop> {
    let bootloader = rom_load(flash, log)?;
    log.push(format!("I (0) boot: ESP-IDF {} 2nd stage bootloader", bootloader.bootloader_version()));
    log.push(format!("I (0) boot: chip revision: {}", image::CHIP_REVISION));
    let flash_bytes = bootloader.flash_bytes.min(flash.capacity());
    log.push(format!("I (0) boot.esp32c3: SPI Flash Size : {}MB", bootloader.flash_bytes >> 20));

    let table = match Table::read(flash, flash_bytes)? {
        Ok(table) => table,
        Err(fault) => {
            log.push(format!("E (0) flash_parts: {fault}"));
            log.push("E (0) boot: Failed to verify partition table".to_owned());
            log.push("E (0) boot: load partition table error!".to_owned());
            return Err(Refusal::PartitionTable.into());
        }
    };
    table.print(log);
    start_application(flash, &table, log)
}

/// The ROM's part: find the second-stage bootloader, check it, load its segments.
fn rom_load(flash: &mut impl FlashChip, log: &mut Vec<String>) -> Result<CheckedImage, Stop> {
    let image = match CheckedImage::read(flash, BOOTLOADER_OFFSET, BOOTLOADER_END, Role::Bootloader) {
        Ok(image) => image,
        Err(Unusable::Flash(error)) => return Err(error.into()),
        Err(Unusable::Fault(fault)) => {
            let refusal = match &fault {
                ImageFault::Magic { word: u32::MAX } => Refusal::NothingFlashed,
                _ => Refusal::Bootloader,
            };
            let repetitions = if matches!(fault, ImageFault::Magic { .. }) { HEADER_COMPLAINTS } else { 1 };
            for _ in 0..repetitions {
                log.extend(fault.rom_words());
            }
            return Err(refusal.into());
        }
    };
    log.push("SPIWP:0xee".to_owned());
    log.push(format!("mode:{}, clock div:1", image.flash_mode));
    for segment in &image.segments {
        log.push(format!("load:0x{:08x},len:0x{:x}", segment.load_address, segment.length));
    }
    log.push(format!("entry 0x{:08x}", image.entry));
    Ok(image)
}

/// The second stage's part: try the chosen application first, then the others.
fn start_application(
    flash: &mut impl FlashChip,
    table: &Table,
    log: &mut Vec<String>,
) -> Result<Firmware, Stop> {
    let slots = table.applications();
    let chosen = match table.otadata() {
        Some(otadata) => otadata::choose(flash, otadata, table.update_slots().len(), log)?,
        None => None,
    };
    let chosen = table.position_of_choice(chosen);
    let order = slots.iter().skip(chosen).chain(slots.iter().take(chosen));
    for slot in order {
        match CheckedImage::read(flash, slot.offset, slot.end(), Role::Application) {
            Ok(image) => {
                image.print_segments(log);
                log.push(format!("I (0) boot: Loaded app from partition at offset 0x{:x}", slot.offset));
                return Ok(describe(&image, slot, table)?);
            }
            Err(Unusable::Flash(error)) => return Err(error.into()),
            Err(Unusable::Fault(fault)) => {
                log.push(format!("E (0) esp_image: {}", fault.second_stage_words()));
                log.push(format!("E (0) boot: {} is not bootable", slot.title()));
            }
        }
    }
    log.push("E (0) boot: No bootable app partitions in the partition table".to_owned());
    Err(Refusal::NoBootableApplication.into())
}

/// The board's own part: is this the firmware it can stand in for?
fn describe(image: &CheckedImage, slot: &Entry, table: &Table) -> Result<Firmware, Refusal> {
    let (project, version) = image
        .project_and_version()
        .ok_or_else(|| Refusal::ForeignApplication { project: "unnamed".to_owned() })?;
    if project != PROJECT {
        return Err(Refusal::ForeignApplication { project });
    }
    let region = |subtype, name| table.obkmq_region(subtype).ok_or(Refusal::NoRegion { name });
    Ok(Firmware {
        version,
        partition: slot.name.clone(),
        settings: region(table::SUBTYPE_SETTINGS, "settings")?,
        files: region(table::SUBTYPE_FILES, "files")?,
        retained: region(table::SUBTYPE_RETAINED, "retained messages")?,
    })
}

#[cfg(test)]
mod tests;
