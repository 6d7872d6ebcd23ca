//! What a flash run writes, blanks, erases and keeps; made from the image alone, before a port is opened.
//!
//! Regions of the owner (settings, files, retained messages) are never part of what is written. The boot loader's own
//! state (`otadata`) is blanked: a board that had been updated over the network would otherwise go on starting its
//! other slot.

use std::ops::Range;

use serde::Serialize;

use super::Part;
use super::image::Image;
use super::limits::{LINE_SPEED_SHARE, SECTOR_BYTES};
use crate::failure::{Exit, Failure};

/// What a region that the image does not write is to a flash run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The owner's: kept unless everything is to be erased.
    Owner,
    /// Another application slot, or what must not be touched: left alone.
    Spare,
}

/// A named range of flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) range: Range<u32>,
    pub(crate) role: Role,
}

/// What happens to one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Write,
    Blank,
    Erase,
    Keep,
}

/// One line of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) name: String,
    pub(crate) offset: u32,
    pub(crate) bytes: u32,
}

/// Everything a flash run will do. The bytes themselves are the image's [`parts`](Image::parts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of their addresses.
    pub(crate) steps: Vec<Step>,
    /// What [`Action::Erase`] erases.
    pub(crate) erased: Vec<Range<u32>>,
    /// Bytes that may have to be written.
    pub(crate) bytes: u64,
    /// The flash size that the image's regions need, in bytes.
    pub(crate) flash_bytes: u32,
}

impl Plan {
    /// `erase` also erases the owner's regions; `settings` is written in the place of one of them.
    pub(crate) fn make(image: &Image, erase: bool, settings: Option<&Part>) -> Self {
        let is_settings = |region: &Region| settings.is_some_and(|part| part.offset == region.range.start);
        let written = image.parts.iter().map(|part| Step {
            action: if part.data.iter().all(|byte| *byte == 0xFF) { Action::Blank } else { Action::Write },
            name: part.name.clone(),
            offset: part.offset,
            bytes: u32::try_from(part.data.len()).unwrap_or(u32::MAX),
        });
        let others = image.others.iter().map(|region| Step {
            action: match region.role {
                Role::Owner if is_settings(region) => Action::Write,
                Role::Owner if erase => Action::Erase,
                _ => Action::Keep,
            },
            name: region.name.clone(),
            offset: region.range.start,
            bytes: region.range.end.saturating_sub(region.range.start),
        });
        let mut steps: Vec<Step> = written.chain(others).collect();
        steps.sort_by_key(|step| step.offset);
        let erased =
            image.others.iter().filter(|region| erase && region.role == Role::Owner && !is_settings(region));
        let written = image.parts.iter().chain(settings);
        Self {
            erased: erased.map(|region| sectors(&region.range)).collect(),
            bytes: written.map(|part| part.data.len() as u64).sum(),
            flash_bytes: image.flash_bytes,
            steps,
        }
    }

    /// A rough guess of the time at a line speed.
    pub(crate) fn seconds(&self, baud: u32) -> f64 {
        // Byte counts are far below the 52 bits that stay exact.
        #[allow(clippy::cast_precision_loss)]
        let bytes = self.bytes as f64;
        bytes / (f64::from(baud) * LINE_SPEED_SHARE)
    }

    /// Refuses a chip whose flash ends before the last region does.
    pub(crate) fn check_flash(&self, flash_bytes: u32) -> Result<(), Failure> {
        if flash_bytes >= self.flash_bytes {
            return Ok(());
        }
        Err(Failure::new(
            Exit::WrongImage,
            "The image does not fit this chip's flash.",
            format!("it needs {} kB, the chip has {} kB", self.flash_bytes / 1024, flash_bytes / 1024),
            "use an image made for the smaller flash, or another board",
        ))
    }

    /// The plan as lines for a terminal of 60 columns.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        self.steps
            .iter()
            .map(|step| {
                let action = match step.action {
                    Action::Write => "write",
                    Action::Blank => "blank",
                    Action::Erase => "erase",
                    Action::Keep => "keep",
                };
                let (offset, name, size) = (step.offset, &step.name, kilobytes(step.bytes));
                format!("  {action:5}  0x{offset:06x}  {name:width$}  {size:>10}")
            })
            .collect()
    }
}

/// The whole sectors that a range covers; partition tables are made of them, so nothing is left out.
fn sectors(range: &Range<u32>) -> Range<u32> {
    range.start.next_multiple_of(SECTOR_BYTES)..range.end / SECTOR_BYTES * SECTOR_BYTES
}

/// `12.3 kB`
fn kilobytes(bytes: u32) -> String {
    format!("{:.1} kB", f64::from(bytes) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::Model;
    use obkmq_image::ChipId;

    fn image() -> Image {
        let part = |name: &str, offset, data| Part { name: name.to_owned(), offset, data };
        let region = |name: &str, range, role| Region { name: name.to_owned(), range, role };
        Image {
            path: "image.bin".into(),
            model: Model::Esp(ChipId(5)),
            key: None,
            application: "obkmq 0.1.0".into(),
            is_obkmq: true,
            parts: vec![
                part("bootloader", 0, vec![1; 0x5000]),
                part("partition table", 0x8000, vec![2; 0xC00]),
                part("otadata", 0x9000, vec![0xFF; 0x2000]),
                part("app_a", 0x1_0000, vec![3; 0x2_0000]),
            ],
            others: vec![
                region("settings", 0xB000..0x1_0000, Role::Owner),
                region("app_b", 0x19_0000..0x31_0000, Role::Spare),
                region("retained", 0x39_0000..0x40_0000, Role::Owner),
            ],
            flash_bytes: 0x40_0000,
        }
    }

    fn actions(plan: &Plan) -> Vec<(&str, Action)> {
        plan.steps.iter().map(|step| (step.name.as_str(), step.action)).collect()
    }

    #[test]
    fn the_owners_regions_are_kept_and_boot_state_is_blanked() {
        let plan = Plan::make(&image(), false, None);
        assert_eq!(
            actions(&plan),
            [
                ("bootloader", Action::Write),
                ("partition table", Action::Write),
                ("otadata", Action::Blank),
                ("settings", Action::Keep),
                ("app_a", Action::Write),
                ("app_b", Action::Keep),
                ("retained", Action::Keep),
            ]
        );
        assert!(plan.erased.is_empty());
        assert_eq!(plan.bytes, 0x5000 + 0xC00 + 0x2000 + 0x2_0000);
    }

    #[test]
    fn erase_takes_the_owners_regions_and_leaves_the_spare_slot() {
        let plan = Plan::make(&image(), true, None);
        assert_eq!(plan.erased, [0xB000..0x1_0000, 0x39_0000..0x40_0000]);
        assert!(actions(&plan).contains(&("settings", Action::Erase)));
        assert!(actions(&plan).contains(&("app_b", Action::Keep)));
    }

    #[test]
    fn settings_are_written_and_not_erased_while_the_rest_of_the_owner_is() {
        let settings = Part { name: "settings".to_owned(), offset: 0xB000, data: vec![1; 0x5000] };
        for erase in [false, true] {
            let plan = Plan::make(&image(), erase, Some(&settings));
            assert!(actions(&plan).contains(&("settings", Action::Write)), "{erase}");
            assert_eq!(plan.erased.contains(&(0x39_0000..0x40_0000)), erase);
            assert!(!plan.erased.contains(&(0xB000..0x1_0000)));
            assert_eq!(plan.bytes, 0x5000 + 0xC00 + 0x2000 + 0x2_0000 + 0x5000);
        }
    }

    #[test]
    fn a_flash_that_is_too_small_is_refused() {
        let plan = Plan::make(&image(), false, None);
        assert_eq!(plan.check_flash(0x20_0000).unwrap_err().exit, Exit::WrongImage);
        assert_eq!(plan.check_flash(0x40_0000), Ok(()));
    }

    #[test]
    fn every_line_fits_sixty_columns() {
        for line in Plan::make(&image(), true, None).lines() {
            assert!(line.chars().count() <= 60, "{line}");
        }
    }
}
