//! The chips that images are made for, and how their firmware is compiled.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use obkmq_image::Chip;

use crate::project::{self, Project};
use crate::toolchain;

/// The toolchain that knows Xtensa, as `espup` names it.
const XTENSA_TOOLCHAIN: &str = "esp";

/// How the firmware of one chip is built.
pub(crate) struct Build {
    /// The chip; its name is also the Cargo feature.
    pub(crate) chip: Chip,
    /// The compiler's name of its instruction set.
    pub(crate) target: &'static str,
    /// The chip in `espflash`'s words.
    pub(crate) espflash: espflash::target::Chip,
}

const RISCV_IMC: &str = "riscv32imc-unknown-none-elf";
const RISCV_IMAC: &str = "riscv32imac-unknown-none-elf";

/// Every chip that has an image, in the order of the README's board table.
pub(crate) const BUILDS: [Build; 8] = {
    use espflash::target::Chip as Espflash;
    [
        Build { chip: Chip::Esp32c3, target: RISCV_IMC, espflash: Espflash::Esp32c3 },
        Build { chip: Chip::Esp32c6, target: RISCV_IMAC, espflash: Espflash::Esp32c6 },
        Build { chip: Chip::Esp32c2, target: RISCV_IMC, espflash: Espflash::Esp32c2 },
        Build { chip: Chip::Esp32c5, target: RISCV_IMAC, espflash: Espflash::Esp32c5 },
        Build { chip: Chip::Esp32c61, target: RISCV_IMAC, espflash: Espflash::Esp32c61 },
        Build { chip: Chip::Esp32, target: "xtensa-esp32-none-elf", espflash: Espflash::Esp32 },
        Build { chip: Chip::Esp32s2, target: "xtensa-esp32s2-none-elf", espflash: Espflash::Esp32s2 },
        Build { chip: Chip::Esp32s3, target: "xtensa-esp32s3-none-elf", espflash: Espflash::Esp32s3 },
    ]
};

/// What every run of the tests and of continuous integration links.
pub(crate) const LINKED: [Chip; 1] = [Chip::Esp32c3];

/// What every run of continuous integration looks at.
pub(crate) const CHECKED: [Chip; 2] = [Chip::Esp32c3, Chip::Esp32c6];

impl Build {
    /// The build of `chip`.
    pub(crate) fn of(chip: Chip) -> Result<&'static Self> {
        BUILDS.iter().find(|build| build.chip == chip).with_context(|| format!("nothing is built for {chip}"))
    }

    /// Whether Rust's own compiler builds for it.
    pub(crate) fn is_riscv(&self) -> bool {
        self.target.starts_with("riscv")
    }
}

/// Which firmware of a chip is built, and where.
pub(crate) struct Variant {
    /// Cargo's features beside the chip's; `None` for what the chip usually has.
    pub(crate) features: Option<&'static str>,
    /// Target folder.
    pub(crate) target: PathBuf,
}

impl Variant {
    /// What is flashed to chips.
    pub(crate) fn usual(project: &Project) -> Self {
        Self { features: None, target: project.chip_target() }
    }
}

/// Cargo with `verb` (`build`, `clippy`) on the firmware of a chip, in the release profile.
///
/// Paths of this machine are kept out of the firmware, so that the same source makes the same image in any target
/// folder and for any user. (A checkout in another folder still differs: Cargo mixes that path into symbol names of
/// crates outside the chip's workspace.) All verbs share the flags: other flags would be another build.
pub(crate) fn cargo(
    project: &Project,
    build: &Build,
    variant: &Variant,
    verb: &str,
    offline: bool,
) -> Result<Command> {
    if !build.is_riscv() {
        ensure_xtensa(build)?;
    } else if !offline {
        toolchain::ensure_target(project, build.target)?;
    }
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(Into::into)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .context("neither CARGO_HOME nor a home directory is known")?;
    let rust_source = toolchain::sysroot(project)?.join("lib/rustlib/src/rust");
    let remap = [
        (variant.target.clone(), "/target"),
        (project.root().to_owned(), "/obkmq"),
        (cargo_home, "/cargo"),
        (rust_source, "/rust"),
    ]
    .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    // A JSON array of strings is a TOML array of strings. These flags add to those of the crate's own configuration.
    let flags = format!("target.{}.rustflags = {}\n", build.target, serde_json::to_string(&remap)?);
    let configuration = variant.target.join("reproducible.toml");
    fs::create_dir_all(&variant.target)
        .and_then(|()| fs::write(&configuration, flags))
        .with_context(|| format!("{} cannot be written", configuration.display()))?;

    let mut command = project::cargo_in(&project.esp32_folder());
    if !build.is_riscv() {
        // Not the Cargo that runs this program: that of the other toolchain.
        command = Command::new("cargo");
        command.current_dir(project.esp32_folder()).env("RUSTUP_TOOLCHAIN", XTENSA_TOOLCHAIN);
    }
    command.args([verb, "--locked", "--release", "--features", build.chip.name(), "--target", build.target]);
    if let Some(features) = variant.features {
        command.args(["--no-default-features", "--features", features]);
    }
    if !build.is_riscv() {
        command.arg("-Zbuild-std=core,alloc");
    }
    command
        .arg("--target-dir")
        .arg(&variant.target)
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

/// Makes sure that there is a compiler for Xtensa.
fn ensure_xtensa(build: &Build) -> Result<()> {
    let compiler = Command::new("rustc")
        .arg("--version")
        .env("RUSTUP_TOOLCHAIN", XTENSA_TOOLCHAIN)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ensure!(
        compiler.is_ok_and(|status| status.success()),
        "{} has Xtensa cores, for which Rust's own compiler does not build, and the toolchain `{XTENSA_TOOLCHAIN}` \
        is not installed\n\
        Next: cargo install espup --locked && espup install --targets {}\n\
        then, in each new shell: . ~/export-esp.sh\n\
        Or take a chip with RISC-V cores: {}",
        build.chip.family(),
        build.chip,
        BUILDS
            .iter()
            .filter(|build| build.is_riscv())
            .map(|build| build.chip.name())
            .collect::<Vec<_>>()
            .join(", "),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chip_has_a_build() {
        for chip in Chip::ALL {
            let build = Build::of(chip).unwrap();
            assert_eq!(build.espflash.to_string(), chip.name());
            assert_eq!(build.is_riscv(), chip.name().starts_with("esp32c"));
        }
    }
}
