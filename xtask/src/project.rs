//! Where things lie: the checkout, the target folder, the images.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

/// Folder of the crate for the ESP32 family, a workspace of its own.
const ESP32_FOLDER: &str = "firmware/boards/esp32";
/// Folder of the crate for QEMU's ARMv5TE machine, likewise.
const VIRT_ARM_FOLDER: &str = "firmware/boards/virt-arm";

/// The checkout and the target folder of its host programs.
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// Asks Cargo, so that `CARGO_TARGET_DIR` and a user's Cargo configuration count.
    pub(crate) fn locate() -> Result<Self> {
        /// What is read of `cargo metadata`.
        #[derive(serde::Deserialize)]
        struct Metadata {
            workspace_root: PathBuf,
            target_directory: PathBuf,
        }
        // Set by `cargo run`; the working directory may be any folder of the checkout, or none of them.
        let own_folder = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let json = process::output(cargo_in(Path::new(&own_folder)).args([
            "metadata",
            "--no-deps",
            "--format-version=1",
        ]))?;
        let Metadata { workspace_root: root, target_directory: target } =
            serde_json::from_str(&json).context("`cargo metadata` answered something unexpected")?;
        Ok(Self { root, target })
    }

    /// The checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The workspace of the ESP32 family.
    pub(crate) fn esp32_folder(&self) -> PathBuf {
        self.root.join(ESP32_FOLDER)
    }

    /// The workspace of the ARMv5TE machine.
    pub(crate) fn virt_arm_folder(&self) -> PathBuf {
        self.root.join(VIRT_ARM_FOLDER)
    }

    /// Target folder of chip firmware, apart from the host's: it is built with other flags and another lock file.
    pub(crate) fn chip_target(&self) -> PathBuf {
        self.target.join("chips")
    }

    /// Target folder of what is built together with the standard library. `RUSTC_BOOTSTRAP`, which that needs, would
    /// make Cargo build the host's crates again in a shared folder.
    pub(crate) fn build_std_target(&self) -> PathBuf {
        self.target.join("build-std")
    }

    /// Target folder of the fuzz targets, their growing corpora and what they find.
    pub(crate) fn fuzz_target(&self) -> PathBuf {
        self.target.join("fuzz")
    }

    /// Images of one chip. The command line tool finds them from its own place in the target folder.
    pub(crate) fn images(&self, chip: &str) -> PathBuf {
        self.target.join("images").join(chip)
    }

    /// A program of the host workspace, built in the development profile.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name).with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// The same, built in the release profile.
    #[cfg(target_os = "linux")]
    pub(crate) fn release_program(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name).with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// Cargo, working on the host workspace.
    pub(crate) fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }
}

/// The Cargo that runs this program, started in `folder`.
pub(crate) fn cargo_in(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}
