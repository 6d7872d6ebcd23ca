//! `cargo xtask qemu`: the firmware of a chip in Espressif's emulator, with Ethernet instead of the radio.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use obkmq_image::Chip;

use crate::chip::{Build, Variant};
use crate::image;
use crate::process;
use crate::project::Project;

/// The only chip that is emulated with a network here.
pub(crate) const CHIP: Chip = Chip::Esp32c3;
const EMULATOR: &str = "qemu-system-riscv32";
const FLASH_BYTES: usize = 4 << 20;

/// Run the firmware in Espressif's emulator, with Ethernet instead of the radio
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The chip: esp32c3
    chip: Chip,
    /// Port of this machine's loopback that leads to the broker
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// The file that is the flash; made if there is none, and kept
    #[arg(long, value_name = "FILE")]
    flash: Option<std::path::PathBuf>,
    /// Use only what is on this machine: no rustup, no crate downloads
    #[arg(long)]
    offline: bool,
}

/// The firmware that the emulator runs.
pub(crate) fn variant(project: &Project) -> Variant {
    Variant { features: Some("openeth"), target: project.chip_target().join("openeth") }
}

/// Builds, makes a flash chip and starts the emulator; its console is a pty.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.chip == CHIP, "only esp32c3 is emulated with a network");
    ensure_emulator()?;
    let project = Project::locate()?;
    let image = image::flash_content(&project, Build::of(CHIP)?, &variant(&project), arguments.offline)?;
    let folder = project.images("qemu-esp32c3");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let path = arguments.flash.clone().unwrap_or_else(|| folder.join("flash.bin"));
    // What the board has stored stays; the firmware is always the newest.
    let mut flash = fs::read(&path).unwrap_or_default();
    flash.resize(FLASH_BYTES, 0xFF);
    flash.get_mut(..image.len()).context("the image is larger than the flash")?.copy_from_slice(&image);
    fs::write(&path, flash).with_context(|| format!("{} cannot be written", path.display()))?;

    let mut command = Command::new(EMULATOR);
    command
        .args(["-M", "esp32c3", "-display", "none", "-monitor", "none", "-serial", "pty"])
        .arg("-drive")
        .arg(format!("file={},if=mtd,format=raw", path.display()))
        .arg("-nic")
        .arg(format!("user,model=open_eth,hostfwd=tcp:127.0.0.1:{}-:1883", arguments.port))
        .args(["-global", "driver=timer.esp32c3.timg,property=wdt_disable,value=true"]);
    println!("$ {}", process::shown(&command));
    println!("the broker: 127.0.0.1:{}; Ctrl-C ends it", arguments.port);
    let mut emulator = command.stdout(Stdio::piped()).spawn().context("the emulator cannot be started")?;
    if let Some(output) = emulator.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.context("the emulator's output cannot be read")?;
            match line.split_whitespace().find(|word| word.starts_with("/dev/")) {
                Some(port) => println!("the console: obkmq monitor --port {port}"),
                None => println!("{line}"),
            }
        }
    }
    let status = emulator.wait().context("the emulator is lost")?;
    ensure!(status.success(), "the emulator ended ({status})");
    Ok(())
}

/// Debian's QEMU does not know the machine.
fn ensure_emulator() -> Result<()> {
    let machines = Command::new(EMULATOR).args(["-M", "help"]).stderr(Stdio::null()).output();
    let known = machines.is_ok_and(|machines| String::from_utf8_lossy(&machines.stdout).contains("esp32c3"));
    if !known {
        bail!(
            "there is no `{EMULATOR}` here that knows an ESP32-C3: distributions do not have it, Espressif does\n\
            Next: download qemu-riscv32-softmmu from https://github.com/espressif/qemu/releases (or, with ESP-IDF, \
            `idf_tools.py install qemu-riscv32`) and put its `bin` folder on the PATH\n\
            Or run the same node without a chip: obkmq run, obkmq sim, cargo xtask image virt-arm"
        );
    }
    Ok(())
}
