//! `cargo xtask ci`: exactly what continuous integration checks before it runs the tests.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::chip::{self, BUILDS, Build, CHECKED, LINKED, Variant};
use crate::fuzz;
use crate::image;
use crate::process;
use crate::project::{self, Project};
use crate::qemu;
use crate::toolchain;
use crate::virt_arm;

/// Crates that have to compile for a chip without an operating system and without atomics.
const NO_STD_CRATES: [&str; 5] = ["obkmq-mqtt", "obkmq-config", "obkmq-broker", "obkmq-berry", "obkmq-node"];
/// The poorest instruction set that they meet: BK7231's.
const NO_STD_TARGET: &str = "thumbv5te-none-eabi";
/// What users with Windows run.
const WINDOWS_CRATES: [&str; 2] = ["obkmq", "obkmq-host"];
const WINDOWS_TARGET: &str = "x86_64-pc-windows-gnu";

/// A check and its name in the summary.
type Step = (&'static str, fn(&Project) -> Result<()>);

const STEPS: [Step; 9] = [
    ("format", format),
    ("clippy", clippy),
    ("fuzz targets", fuzz_targets),
    ("documentation", documentation),
    ("dependency policy", dependency_policy),
    ("no_std crates for ARMv5TE", no_std_crates),
    ("chip images and sizes", chip_images),
    ("ARMv5TE board and sizes", virt_arm_image),
    ("command line for Windows", windows),
];

/// Check everything that continuous integration checks before the tests
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Link the image of every chip that Rust's own compiler builds for, and nothing else
    #[arg(long)]
    all_chips: bool,
}

/// Runs every check, also after one has failed, and ends with a table.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let project = Project::locate()?;
    if arguments.all_chips {
        for build in BUILDS.iter().filter(|build| build.is_riscv()) {
            process::run(
                chip::cargo(&project, build, &Variant::usual(&project), "clippy", false)?
                    .args(["--", "-D", "warnings"]),
            )?;
            image::make(&project, build, false)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut outcomes: Vec<(&str, Duration, bool)> = Vec::new();
    for (name, check) in STEPS {
        println!("\n== {name}");
        let start = Instant::now();
        let passed = match check(&project) {
            Ok(()) => true,
            Err(error) => {
                println!("error: {error:#}");
                false
            }
        };
        println!("== {name}: {} in {:.1} s", verdict(passed), start.elapsed().as_secs_f64());
        outcomes.push((name, start.elapsed(), passed));
    }

    println!("\n{:<28} {:>8}  result", "check", "seconds");
    for (name, duration, passed) in &outcomes {
        println!("{name:<28} {:>8.1}  {}", duration.as_secs_f64(), verdict(*passed));
    }
    let all_passed = outcomes.iter().all(|(_, _, passed)| *passed);
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdict(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}

fn format(project: &Project) -> Result<()> {
    process::run(project.cargo().args(["fmt", "--all", "--check"]))?;
    for folder in [project.esp32_folder(), project.virt_arm_folder()] {
        process::run(project::cargo_in(&folder).args(["fmt", "--check"]))?;
    }
    Ok(())
}

fn clippy(project: &Project) -> Result<()> {
    process::run(project.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    for chip in CHECKED {
        let build = Build::of(chip)?;
        process::run(
            chip::cargo(project, build, &Variant::usual(project), "clippy", false)?
                .args(["--", "-D", "warnings"]),
        )?;
    }
    let emulated = Build::of(qemu::CHIP)?;
    let mut command = chip::cargo(
        project,
        emulated,
        &Variant { target: project.chip_target(), ..qemu::variant(project) },
        "clippy",
        false,
    )?;
    process::run(command.args(["--", "-D", "warnings"]))?;
    process::run(virt_arm::cargo(project, "clippy", false)?.args(["--", "-D", "warnings"]))
}

/// Only that they compile: they run with a nightly compiler, which this does without.
fn fuzz_targets(project: &Project) -> Result<()> {
    let folder = project.root().join(fuzz::FUZZ_FOLDER);
    process::run(project::cargo_in(&folder).args(["fmt", "--check"]))?;
    let mut command = project::cargo_in(&folder);
    command.args(["clippy", "--locked", "--all-targets", "--target-dir"]).arg(project.fuzz_target());
    process::run(command.args(["--", "-D", "warnings"]))
}

fn documentation(project: &Project) -> Result<()> {
    process::run(
        project
            .cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// Licences, banned crates, sources. The advisory database is left out: it is not a registry, and a check must not
/// turn red overnight without a change.
fn dependency_policy(project: &Project) -> Result<()> {
    let deny = find_cargo_deny().context(
        "cargo-deny is not installed\nNext: cargo install cargo-deny --locked (some three minutes on two cores)",
    )?;
    let config = project.root().join("deny.toml");
    let workspaces = [project.root().to_owned(), project.esp32_folder(), project.virt_arm_folder()];
    for workspace in workspaces {
        let mut command = Command::new(&deny);
        command.arg("--locked").arg("--all-features").arg("--config").arg(&config);
        command.arg("--manifest-path").arg(workspace.join("Cargo.toml"));
        process::run(command.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    }
    Ok(())
}

/// On the path, or where `.ci/run` keeps it.
fn find_cargo_deny() -> Option<PathBuf> {
    let file_name = format!("cargo-deny{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os("OBKMQ_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/obkmq")));
    std::env::split_paths(&path)
        .chain(cache.map(|cache| cache.join("tools/bin")))
        .map(|folder| folder.join(&file_name))
        .find(|program| program.is_file())
}

fn no_std_crates(project: &Project) -> Result<()> {
    toolchain::ensure_library_source(project)?;
    let mut command = project.cargo();
    command.args(["check", "--locked", "--target", NO_STD_TARGET, "-Zbuild-std=core,alloc", "--target-dir"]);
    command.arg(project.build_std_target());
    for name in NO_STD_CRATES {
        command.args(["--package", name]);
    }
    // The standard library has to be compiled for this target, which a stable compiler does only when told so.
    process::run(command.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTFLAGS"))
}

fn chip_images(project: &Project) -> Result<()> {
    LINKED.into_iter().try_for_each(|chip| image::make(project, Build::of(chip)?, false))
}

fn virt_arm_image(project: &Project) -> Result<()> {
    virt_arm::make(project, false)
}

fn windows(project: &Project) -> Result<()> {
    toolchain::ensure_target(project, WINDOWS_TARGET)?;
    let mut command = project.cargo();
    command.args(["check", "--locked", "--target", WINDOWS_TARGET]);
    for name in WINDOWS_CRATES {
        command.args(["--package", name]);
    }
    process::run(&mut command)
}
