//! The chips that images are made for, and how their firmware is compiled.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use obkmq_image::Chip;

use crate::project::{self, Project};
use crate::toolchain;

/// How the firmware of one chip is built.
pub(crate) struct Build {
    /// The chip; its name is also the Cargo feature.
    pub(crate) chip: Chip,
    /// The compiler's name of its instruction set.
    pub(crate) target: &'static str,
    /// The chip in `espflash`'s words.
    pub(crate) espflash: espflash::target::Chip,
}

/// Every chip that has an image, in the order of the README's board table.
pub(crate) const BUILDS: [Build; 1] = [Build {
    chip: Chip::Esp32c3,
    target: "riscv32imc-unknown-none-elf",
    espflash: espflash::target::Chip::Esp32c3,
}];

impl Build {
    /// The build of `chip`.
    pub(crate) fn of(chip: Chip) -> Result<&'static Self> {
        BUILDS.iter().find(|build| build.chip == chip).with_context(|| format!("nothing is built for {chip}"))
    }
}

/// Cargo with `verb` (`build`, `clippy`) on the firmware of a chip, in the release profile.
///
/// Paths of this machine are kept out of the firmware, so that the same source makes the same image in any target
/// folder and for any user. (A checkout in another folder still differs: Cargo mixes that path into symbol names of
/// crates outside the chip's workspace.) All verbs share the flags: other flags would be another build.
pub(crate) fn cargo(project: &Project, build: &Build, verb: &str, offline: bool) -> Result<Command> {
    if !offline {
        toolchain::ensure_target(project, build.target)?;
    }
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(Into::into)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .context("neither CARGO_HOME nor a home directory is known")?;
    let rust_source = toolchain::sysroot(project)?.join("lib/rustlib/src/rust");
    let remap = [
        (project.chip_target(), "/target"),
        (project.root().to_owned(), "/obkmq"),
        (cargo_home, "/cargo"),
        (rust_source, "/rust"),
    ]
    .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    // A JSON array of strings is a TOML array of strings. These flags add to those of the crate's own configuration.
    let flags = format!("target.{}.rustflags = {}\n", build.target, serde_json::to_string(&remap)?);
    let configuration = project.chip_target().join("reproducible.toml");
    fs::create_dir_all(project.chip_target())
        .and_then(|()| fs::write(&configuration, flags))
        .with_context(|| format!("{} cannot be written", configuration.display()))?;

    let mut command = project::cargo_in(&project.esp32_folder());
    command
        .args([verb, "--locked", "--release", "--features", build.chip.name(), "--target", build.target])
        .arg("--target-dir")
        .arg(project.chip_target())
        .arg("--config")
        .arg(configuration)
        // Flags meant for the host's programs would replace those that the chip's linker script needs.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if offline {
        command.arg("--offline");
    }
    Ok(command)
}
