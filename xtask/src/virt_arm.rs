//! The node on QEMU's ARMv5TE machine: how it is compiled, and what it takes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use object::read::elf::ElfFile32;
use object::{Object as _, ObjectSegment as _};

use crate::process;
use crate::project::{self, Project};
use crate::sizes::Sizes;
use crate::toolchain;

/// The name of the board, and of its image's folder.
pub(crate) const NAME: &str = "virt-arm";
const PROGRAM: &str = "obkmq-virt-arm";
const TARGET: &str = "thumbv5te-none-eabi";
/// Committed limits, beside the crate they are about.
const SIZE_BUDGET: &str = "size-budget.toml";

/// Cargo with `verb` (`build`, `clippy`) on the board's crate, in the release profile. The standard library is compiled
/// with it, which a stable compiler does only when told so.
pub(crate) fn cargo(project: &Project, verb: &str, offline: bool) -> Result<Command> {
    toolchain::ensure_library_source(project)?;
    let mut command = project::cargo_in(&project.virt_arm_folder());
    command
        .args([verb, "--locked", "--release", "--target", TARGET, "-Zbuild-std=core,alloc", "--target-dir"])
        .arg(project.build_std_target())
        .env("RUSTC_BOOTSTRAP", "1")
        // Flags meant for the host's programs would replace those that the linker script needs.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if offline {
        command.arg("--offline");
    }
    Ok(command)
}

/// Where [`make`] leaves the program that the emulator starts.
pub(crate) fn image(project: &Project) -> PathBuf {
    project.images(NAME).join(PROGRAM).with_extension("elf")
}

/// Builds the program and measures it. Breaking the size budget is an error.
pub(crate) fn make(project: &Project, offline: bool) -> Result<()> {
    process::run(&mut cargo(project, "build", offline)?)?;
    let built = project.build_std_target().join(TARGET).join("release").join(PROGRAM);
    let program = fs::read(&built).with_context(|| format!("{} cannot be read", built.display()))?;
    let image = image(project);
    let folder = project.images(NAME);
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    fs::write(&image, &program).with_context(|| format!("{} cannot be written", image.display()))?;

    let sizes = Sizes::of(&program, flash_bytes(&program)?)?;
    println!("\n{NAME}: {}", image.display());
    print!("{sizes}");
    let excesses = sizes.excesses(&project.virt_arm_folder().join(SIZE_BUDGET), NAME)?;
    ensure!(excesses.is_empty(), "the size budget is broken\n  {}", excesses.join("\n  "));
    Ok(())
}

/// What would be written to flash: all that the segments bring with them.
fn flash_bytes(program: &[u8]) -> Result<u64> {
    let file: ElfFile32<'_> = ElfFile32::parse(program).context("the linked program is no ELF file")?;
    Ok(file.segments().map(|segment| segment.file_range().1).sum())
}
