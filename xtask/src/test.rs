//! `cargo xtask test`: every test there is, and one line that sums them up.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::chip::{Build, LINKED};
use crate::image;
use crate::process;
use crate::project::Project;
use crate::tally::Tally;
use crate::toolchain;
use crate::virt_arm;

/// The nearest to the chips that runs on a PC.
const TARGET_32_BITS: &str = "i686-unknown-linux-gnu";

/// Builds what the tests drive, runs them all and ends with `N passed, N failed, N skipped`.
pub(crate) fn run() -> Result<ExitCode> {
    let project = Project::locate()?;
    let mut tally = Tally::default();
    if let Err(error) = prepare(&project).and_then(|()| run_all(&project, &mut tally)) {
        eprintln!("error: {error:#}");
        tally.unaccounted_failure();
    }

    for skip in &tally.skips {
        println!("skipped: {}; install: {}", skip.what, skip.install);
    }
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        for skip in tally.skips.iter().filter(|skip| skip.is_avoidable()) {
            println!("failed because CI=true and the tool can be installed: {}", skip.what);
        }
        tally.deny_avoidable_skips();
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The end-to-end tests run the command line tool and flash real images.
fn prepare(project: &Project) -> Result<()> {
    process::run(project.cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    for chip in LINKED {
        image::make(project, Build::of(chip)?, false)?;
    }
    virt_arm::make(project, false)
}

/// All tests of this machine, then those of the broker once more where a pointer has 32 bits, as on the chips.
fn run_all(project: &Project, tally: &mut Tally) -> Result<()> {
    let mut command = project.cargo();
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    add_up(command, tally)?;
    if !links_32_bits() {
        tally.skipped += 1;
        tally.line(
            "skipped: broker with 32-bit pointers: this machine cannot link for it; install: apt install gcc-multilib",
        );
        return Ok(());
    }
    toolchain::ensure_target(project, TARGET_32_BITS)?;
    let mut command = project.cargo();
    command.args([
        "test",
        "--package",
        "obkmq-broker",
        "--package",
        "obkmq-berry",
        "--locked",
        "--no-fail-fast",
        "--target",
        TARGET_32_BITS,
    ]);
    add_up(command, tally)
}

/// Whether the C compiler, which links, has a 32-bit library.
fn links_32_bits() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
        && Command::new("cc")
            .args(["-m32", "-shared", "-x", "c", "/dev/null", "-o", "/dev/null"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

/// Streams the output of `cargo test` and adds it up. An error is a run that ended badly, failed tests included.
fn add_up(mut command: Command, tally: &mut Tally) -> Result<()> {
    println!("$ {}", process::shown(&command));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    if let Some(output) = child.stdout.take() {
        // Tests may print bytes that are no text; those must not end the run.
        for line in BufReader::new(output).split(b'\n') {
            let line =
                String::from_utf8_lossy(&line.context("the tests' output cannot be read")?).into_owned();
            println!("{line}");
            tally.line(line.trim_end());
        }
    }
    if !child.wait().context("cargo cannot be waited for")?.success() {
        tally.unaccounted_failure();
    }
    Ok(())
}
