//! `cargo xtask bench-berry`: what the Berry language costs, beside the reference engine's figures.
//!
//! Bytes of a 32-bit machine, instructions by callgrind, code by linking a program for riscv32imc.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, SectionKind};

use crate::process;
use crate::project::Project;
use crate::sizes::grouped;
use crate::toolchain;

const TARGET_32_BITS: &str = "i686-unknown-linux-gnu";
const TARGET_CHIP: &str = "riscv32imc-unknown-none-elf";

/// Measure the Berry language: memory, instructions, code size
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// A figure, what is wanted, and what the reference engine takes.
struct Figure {
    name: &'static str,
    measured: Option<u64>,
    goal: u64,
    reference: &'static str,
}

/// Measures everything and prints a table.
pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let project = Project::locate()?;
    let program = example(&project, "measure", None)?;
    toolchain::ensure_target(&project, TARGET_32_BITS)?;
    let narrow = example(&project, "measure", Some(TARGET_32_BITS))?;
    let memory = process::output(Command::new(&narrow).arg("memory"))?;
    let mut bytes = memory.split_whitespace().map(|word| word.parse().ok());
    let idle = bytes.next().flatten();
    let handlers = bytes.next().flatten();
    toolchain::ensure_target(&project, TARGET_CHIP)?;
    let code = code_bytes(&footprint(&project)?)?;

    let callback = per_turn(&program, "callbacks", (200, 1200), 1000)?;
    let fib = per_turn(&program, "fib", (1, 24), 1)?;
    let figures = [
        Figure { name: "idle machine, bytes", measured: idle, goal: 3_000, reference: "2,900" },
        Figure {
            name: "script with 8 handlers, bytes more",
            measured: handlers,
            goal: 3_000,
            reference: "2,900",
        },
        Figure { name: "a callback, instructions", measured: callback, goal: 3_500, reference: "7,100" },
        Figure { name: "fib(24), instructions", measured: fib, goal: 108_000_000, reference: "72,000,000" },
        Figure {
            name: "code on riscv32imc, bytes",
            measured: Some(code),
            goal: 110_000,
            reference: "115,000",
        },
    ];
    println!("{:<36} {:>12} {:>12} {:>12}", "figure", "measured", "at most", "reference");
    for figure in &figures {
        let measured = figure.measured.map_or("no valgrind".to_owned(), grouped);
        let verdict =
            if figure.measured.is_some_and(|measured| measured > figure.goal) { "  missed" } else { "" };
        println!(
            "{:<36} {measured:>12} {:>12} {:>12}{verdict}",
            figure.name,
            grouped(figure.goal),
            figure.reference
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn target_folder(project: &Project) -> PathBuf {
    project.build_std_target().with_file_name("bench-berry")
}

/// Builds an example of the crate.
fn example(project: &Project, name: &str, target: Option<&str>) -> Result<PathBuf> {
    let folder = target_folder(project);
    let mut command = project.cargo();
    command.args(["build", "--locked", "--release", "--package", "obkmq-berry", "--example", name]);
    command.arg("--target-dir").arg(&folder);
    let mut path = folder;
    if let Some(target) = target {
        command.args(["--target", target]);
        path.push(target);
    }
    process::run(&mut command)?;
    Ok(path.join("release/examples").join(name))
}

/// Links a program for a chip that runs a script. It is no example of the crate: those come with what its tests need,
/// which does not build for a chip.
fn footprint(project: &Project) -> Result<PathBuf> {
    let folder = target_folder(project);
    let mut command = project.cargo();
    command.args(["build", "--locked", "--release", "--package", "obkmq-berry", "--target", TARGET_CHIP]);
    command.arg("--target-dir").arg(&folder).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s");
    process::run(&mut command)?;
    let release = folder.join(TARGET_CHIP).join("release");
    let program = release.join("footprint");
    let mut command = Command::new("rustc");
    command.args([
        "--edition=2024",
        "--target",
        TARGET_CHIP,
        "-Copt-level=s",
        "-Ccodegen-units=1",
        "-Cpanic=abort",
    ]);
    // The second folder holds the macros that dependencies were made with.
    for dependencies in [release.join("deps"), folder.join("release/deps")] {
        command.arg("-L").arg(format!("dependency={}", dependencies.display()));
    }
    command.arg("--extern").arg(format!("obkmq_berry={}", release.join("libobkmq_berry.rlib").display()));
    command.arg("-o").arg(&program).arg(project.root().join("firmware/berry/footprint.rs"));
    process::run(&mut command)?;
    Ok(program)
}

/// What would lie in flash: code and constants.
fn code_bytes(program: &Path) -> Result<u64> {
    let content = std::fs::read(program).with_context(|| format!("{} cannot be read", program.display()))?;
    let file = object::File::parse(&*content).context("the linked program is no ELF file")?;
    let kinds =
        [SectionKind::Text, SectionKind::ReadOnlyData, SectionKind::ReadOnlyString, SectionKind::Data];
    Ok(file
        .sections()
        .filter(|section| kinds.contains(&section.kind()) && section.address() != 0)
        .map(|section| section.size())
        .sum())
}

/// Instructions of one turn: of the second count less those of the first, divided by `turns`.
fn per_turn(program: &Path, task: &str, counts: (u64, u64), turns: u64) -> Result<Option<u64>> {
    let (Some(few), Some(many)) =
        (instructions(program, task, counts.0)?, instructions(program, task, counts.1)?)
    else {
        return Ok(None);
    };
    Ok(Some(many.saturating_sub(few) / turns))
}

fn instructions(program: &Path, task: &str, count: u64) -> Result<Option<u64>> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let Ok(output) = command.args([task, &count.to_string()]).output() else {
        println!("valgrind is not installed\nNext: apt-get install valgrind");
        return Ok(None);
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let counted =
        told.lines().find_map(|line| line.split_once("Collected :")).map(|(_, figure)| figure.trim());
    let counted = counted.and_then(|figure| figure.parse().ok());
    counted.map(Some).with_context(|| format!("callgrind told no figure for {task}: {told}"))
}
