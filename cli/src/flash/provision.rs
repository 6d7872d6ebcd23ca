//! A first set-up together with the firmware: a settings file as the content of the settings region.

use std::path::Path;

use obkmq_host::Packed;
use obkmq_image::layout::SETTINGS_BYTES;

use super::image::Image;
use super::{Loader, Part};
use crate::failure::{Exit, Failure};

/// The region's name in obkmq's partition tables.
const REGION: &str = "settings";

/// Settings in the form that a board keeps in its flash.
pub(crate) struct Provision(Packed);

impl Provision {
    /// Reads a settings file with what it refers to.
    pub(crate) fn pack(file: &Path) -> Result<Self, Failure> {
        obkmq_host::pack(file, SETTINGS_BYTES).map(Self).map_err(crate::cmd::explain_setup)
    }

    /// The region's content.
    pub(crate) fn region(&self) -> &[u8] {
        &self.0.region
    }

    /// How many users the settings have.
    pub(crate) fn users(&self) -> usize {
        self.0.settings.users().len()
    }

    /// The region with its place on a board with this image.
    pub(crate) fn part(&self, image: &Image) -> Result<Part, Failure> {
        let region = image.others.iter().find(|region| image.is_obkmq && region.name == REGION);
        let region = region.filter(|region| region.range.len() == self.0.region.len());
        let region = region.ok_or_else(|| {
            Failure::new(
                Exit::WrongImage,
                format!("{} takes no settings.", image.path.display()),
                format!("it holds {}, which has no place for obkmq's settings", image.application),
                "leave --config out, or use an image of obkmq",
            )
        })?;
        Ok(Part { name: REGION.to_owned(), offset: region.range.start, data: self.0.region.clone() })
    }
}

/// Refuses to write over settings, or whatever else stands in their place.
pub(crate) fn check_blank(loader: &mut dyn Loader, settings: &Part) -> Result<(), Failure> {
    let bytes = settings.data.len();
    let end = settings.offset.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    if loader.holds(&(settings.offset..end), &vec![0xFF; bytes])? {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Settings,
        "The board has settings already; nothing was written.",
        "those of --config would take their place: its users and all else that was set would be gone",
        "leave --config out to keep them, or add --replace-settings (--erase also erases retained messages)",
    ))
}
