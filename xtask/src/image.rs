//! `cargo xtask image CHIP`: firmware that can be flashed, made without a device.
//!
//! Three files per chip in the target folder's `images/CHIP/`: the whole flash content up to the end of the app
//! (bootloader, partition table, app), the app alone, and a manifest that `obkmq flash` reads.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use espflash::flasher::{FlashData, FlashSettings, FlashSize};
use espflash::image_format::Segment;
use espflash::image_format::idf::IdfBootloaderFormat;
use obkmq_image::manifest::{FileKind, ManifestFile};
use obkmq_image::{Chip, Manifest, PartitionTable, identify, layout};

use crate::chip::{self, Build, Variant};
use crate::crates::Crates;
use crate::process;
use crate::project::Project;
use crate::sizes::{Sizes, grouped};
use crate::virt_arm;

/// Name of the program that the ESP32 crate builds.
const PROGRAM: &str = "obkmq-esp32";
/// Committed limits, beside the crate they are about.
const SIZE_BUDGET: &str = "size-budget.toml";
/// The flash that images are made for, in both spellings.
const FLASH: (FlashSize, u32) = (FlashSize::_4Mb, 4 << 20);

/// Build the image of a board and report its sizes
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Chip to build for, or virt-arm: the program that QEMU's ARMv5TE machine runs
    board: Board,
    /// Use only what is on this machine: no rustup, no crate downloads
    #[arg(long)]
    offline: bool,
    /// Build once more from nothing, in another folder, and compare
    #[arg(long)]
    twice: bool,
}

/// Entry point of the verb.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let project = Project::locate()?;
    match arguments.board {
        Board::Chip(chip) => {
            let build = Build::of(chip)?;
            make(&project, build, arguments.offline)?;
            if arguments.twice { compare(&project, build, arguments.offline) } else { Ok(()) }
        }
        Board::VirtArm => virt_arm::make(&project, arguments.offline),
    }
}

/// What an image is built for.
#[derive(Clone, Copy)]
enum Board {
    Chip(Chip),
    VirtArm,
}

impl FromStr for Board {
    type Err = <Chip as FromStr>::Err;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == virt_arm::NAME { Ok(Self::VirtArm) } else { name.parse().map(Self::Chip) }
    }
}

/// Builds, writes and measures one chip's image. Breaking the size budget is an error.
pub(crate) fn make(project: &Project, build: &Build, offline: bool) -> Result<()> {
    let program = compile(project, build, &Variant::usual(project), offline)?;
    let table = PartitionTable::obkmq(FLASH.1)?;
    let slot = table.default_app().context("the partition table has no app")?;
    let parts = parts(&program, build, &table, &slot.name)?;
    let [_, _, app] = parts.as_slice() else { bail!("espflash made {} parts instead of three", parts.len()) };
    let image = merged(&parts)?;
    let version = check(&image, build.chip, &table)?;

    let folder = project.images(build.chip.name());
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let name = format!("obkmq-{}.bin", build.chip);
    let app_name = format!("obkmq-{}-app.bin", build.chip);
    let files = vec![
        ManifestFile::new(&name, FileKind::Merged, 0, &image),
        ManifestFile::new(&app_name, FileKind::App, app.addr, &app.data),
    ];
    let manifest = Manifest::new(build.chip, &version, &revision(project), FLASH.1, files);
    // The manifest last: whoever finds it finds complete files.
    write(&folder.join(&name), &image)?;
    write(&folder.join(&app_name), &app.data)?;
    write(&folder.join("manifest.json"), manifest.to_json().as_bytes())?;
    let judged = esptool_accepts(&folder.join(&app_name), build.chip)?;

    let sizes = Sizes::of(&program, u64::from(app.size()))?;
    println!("\n{} {version}: {}", build.chip, folder.join(&name).display());
    println!(
        "  {} bytes in all; the app's slot has {}",
        grouped(image.len() as u64),
        grouped(slot.size.into())
    );
    print!("{sizes}{}", Crates::of(&program)?);
    println!("  {judged}");
    let excesses = sizes.excesses(&project.esp32_folder().join(SIZE_BUDGET), build.chip.name())?;
    ensure!(excesses.is_empty(), "the size budget is broken\n  {}", excesses.join("\n  "));
    Ok(())
}

/// The linked program.
fn compile(project: &Project, build: &Build, variant: &Variant, offline: bool) -> Result<Vec<u8>> {
    process::run(&mut chip::cargo(project, build, variant, "build", offline)?)?;
    read(&variant.target.join(build.target).join("release").join(PROGRAM))
}

/// The whole flash content of a variant, up to the end of its app.
pub(crate) fn flash_content(
    project: &Project,
    build: &Build,
    variant: &Variant,
    offline: bool,
) -> Result<Vec<u8>> {
    let program = compile(project, build, variant, offline)?;
    let table = PartitionTable::obkmq(FLASH.1)?;
    let slot = table.default_app().context("the partition table has no app")?;
    merged(&parts(&program, build, &table, &slot.name)?)
}

/// Builds from nothing in a folder of its own: the same source has to make the same image.
fn compare(project: &Project, build: &Build, offline: bool) -> Result<()> {
    let target = project.chip_target().join("once-more");
    if target.exists() {
        fs::remove_dir_all(&target).with_context(|| format!("{} cannot be emptied", target.display()))?;
    }
    let again = flash_content(project, build, &Variant { features: None, target: target.clone() }, offline)?;
    let first = read(&project.images(build.chip.name()).join(format!("obkmq-{}.bin", build.chip)))?;
    let differs = first.iter().zip(&again).position(|(one, other)| one != other);
    ensure!(
        first == again,
        "two builds of the same source differ: {} and {} bytes, the first difference at {:#x}; the second is in {}",
        first.len(),
        again.len(),
        differs.unwrap_or(first.len().min(again.len())),
        target.display()
    );
    fs::remove_dir_all(&target).with_context(|| format!("{} cannot be removed", target.display()))?;
    println!("\nbuilt twice, the second time from nothing: {} bytes, identical", grouped(first.len() as u64));
    Ok(())
}

/// Lets an independent reader of images look at the app: what it says, or that it is not here.
fn esptool_accepts(app: &Path, chip: Chip) -> Result<String> {
    let output = Command::new("esptool").args(["--chip", chip.name(), "image-info"]).arg(app).output();
    let Ok(output) = output else {
        return Ok("esptool has not looked at it: it is not installed (pip install esptool)".to_owned());
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let is_valid = output.status.success() && text.matches("(valid)").count() == 2;
    ensure!(
        is_valid,
        "esptool does not accept {}:\n{text}{}",
        app.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok("esptool accepts it: checksum and hash are valid".to_owned())
}

/// Bootloader, partition table and app, each with its place in flash.
fn parts<'a>(
    program: &'a [u8],
    build: &Build,
    table: &PartitionTable,
    slot: &str,
) -> Result<Vec<Segment<'a>>> {
    // The headers have to name the real flash size: a bootloader that reads 2 MB there refuses a larger table.
    let settings = FlashSettings::new(None, Some(FLASH.0), None);
    let flash = FlashData::new(settings, 0, None, build.espflash, build.espflash.default_xtal_frequency());
    // espflash takes tables as files only.
    let mut table_file = tempfile::NamedTempFile::new().context("no temporary file")?;
    table_file.write_all(&table.encode()).context("the partition table cannot be written")?;
    let format = IdfBootloaderFormat::new(
        program,
        &flash,
        Some(table_file.path()),
        None,
        Some(layout::TABLE_OFFSET),
        Some(slot),
    )
    .context("the linked program cannot be made into an image")?;
    Ok(format.flash_segments().collect())
}

/// Reads the image as `obkmq flash` will, and returns the version that its descriptor names.
fn check(image: &[u8], chip: Chip, table: &PartitionTable) -> Result<String> {
    let identified = identify(image).context("the image that was just made does not read back")?;
    ensure!(identified.chip_id() == chip.id(), "the image says that it is for {}", identified.chip_id());
    ensure!(identified.table() == Some(table), "the image has another partition table than obkmq's");
    ensure!(identified.descriptor.is_obkmq(), "the image's descriptor names another project");
    Ok(identified.descriptor.version)
}

/// The commit that is checked out; `-dirty` at its end if files were changed.
fn revision(project: &Project) -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .current_dir(project.root())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        // A source archive, or no git.
        _ => "unknown".to_owned(),
    }
}

/// One file from the first address on, with erased flash between the parts.
fn merged(parts: &[Segment<'_>]) -> Result<Vec<u8>> {
    let mut image = Vec::new();
    for part in parts {
        let start = usize::try_from(part.addr)?;
        ensure!(start >= image.len(), "the part at {start:#x} overlaps the one before");
        image.resize(start, 0xFF);
        image.extend_from_slice(&part.data);
    }
    Ok(image)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}
