//! The settings region of a board that has not been started yet, made from a settings file.

use std::path::Path;

use obkmq_config::settings::Settings;
use obkmq_node::{AdoptError, store_settings};

use crate::flash::Flash;
use crate::setup::{SetupError, read_settings};

/// A settings region and what is in it.
#[derive(Debug)]
pub struct Packed {
    /// The settings as the board will find them.
    pub settings: Settings,
    /// The content of the whole region; what is not used is erased flash. It holds password hashes, and Wi-Fi passwords
    /// in clear.
    pub region: Vec<u8>,
}

/// Reads a settings file with the secrets it refers to, and writes its settings into a region of this size by the same
/// code as a board. Salts are fresh, so the same file gives another region each time.
///
/// # Errors
/// [`SetupError`]: the file cannot be read, has mistakes, or refers to secrets that are not there.
pub fn pack(file: &Path, region_bytes: u32) -> Result<Packed, SetupError> {
    let mut settings = read_settings(file, &Settings::default())?;
    settings.check().map_err(|error| SetupError::Settings { path: file.to_owned(), error })?;
    // What the first commit of a board has.
    settings.raise_generation(1);
    let mut flash = Flash::in_memory(region_bytes);
    store_settings(&mut flash, 0..region_bytes, &settings).map_err(AdoptError::from)?;
    Ok(Packed { settings, region: flash.into_cells() })
}

#[cfg(test)]
mod tests {
    use obkmq_node::{Anonymous, Instant, Node, Regions};

    use super::*;
    use crate::board::HostBoard;
    use crate::limits::{FLASH_BYTES, SETTINGS_BYTES};
    use crate::setup::identity;

    #[test]
    fn a_board_finds_the_packed_settings_at_its_first_boot() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("house.toml");
        std::fs::write(folder.path().join("secret"), "correct horse\n").unwrap();
        std::fs::write(&file, "[mqtt]\nport = 1884\n[users.ann]\npassword = \"file:secret\"\n").unwrap();
        let packed = pack(&file, SETTINGS_BYTES).unwrap();
        assert_eq!(packed.region.len(), SETTINGS_BYTES as usize);

        let mut cells = packed.region;
        cells.resize(FLASH_BYTES as usize, 0xFF);
        let chip = folder.path().join("chip");
        std::fs::write(&chip, cells).unwrap();
        let flash = Flash::open(&chip, FLASH_BYTES).unwrap();
        let regions = Regions { settings: 0..SETTINGS_BYTES, ..crate::setup::regions() };
        let identity = identity("test", "test", Anonymous::Never);
        let node = Node::boot(HostBoard::new(flash), identity, regions, Instant::ZERO);
        assert_eq!(node.settings(), &packed.settings);
        assert_eq!((node.settings().generation(), node.settings().mqtt_port()), (1, 1884));
        let hash = node.settings().user("ann").unwrap().password();
        assert!(hash.matches(&hash.check(b"correct horse").step(u32::MAX).unwrap()));
    }

    #[test]
    fn a_region_that_is_too_small_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(pack(file.path(), 4096), Err(SetupError::Adopt(_))));
    }
}
