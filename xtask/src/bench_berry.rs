//! `cargo xtask bench-berry`: what the Berry language costs, beside the reference engine's figures.
//!
//! Bytes of a 32-bit machine, instructions by callgrind, code by linking a program for riscv32imc as boards are: with
//! link-time optimisation over all crates, for size. What the code consists of is told by module.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind};

use crate::process;
use crate::project::Project;
use crate::sizes::grouped;
use crate::toolchain;

const TARGET_32_BITS: &str = "i686-unknown-linux-gnu";
const TARGET_CHIP: &str = "riscv32imc-unknown-none-elf";
const OPT_LEVEL: &str = "z";
const SHOWN_MODULES: usize = 20;

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
    let program_of_chip = footprint(&project)?;
    let code = Code::of(&program_of_chip)?;

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
            measured: Some(code.bytes),
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
    print!("{code}");
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
    command.arg("--target-dir").arg(&folder);
    for (name, value) in [("OPT_LEVEL", OPT_LEVEL), ("LTO", "fat"), ("PANIC", "abort")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    process::run(&mut command)?;
    let release = folder.join(TARGET_CHIP).join("release");
    let program = release.join("footprint");
    let mut command = Command::new("rustc");
    command.args([
        "--edition=2024",
        "--target",
        TARGET_CHIP,
        "-Clto=fat",
        "-Ccodegen-units=1",
        "-Cpanic=abort",
    ]);
    command.arg(format!("-Copt-level={OPT_LEVEL}"));
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
struct Code {
    bytes: u64,
    sections: Vec<(String, u64)>,
    /// By the first two names of each symbol's path.
    modules: Vec<(String, u64)>,
}

impl Code {
    fn of(program: &Path) -> Result<Self> {
        let content =
            std::fs::read(program).with_context(|| format!("{} cannot be read", program.display()))?;
        let file = object::File::parse(&*content).context("the linked program is no ELF file")?;
        let kinds =
            [SectionKind::Text, SectionKind::ReadOnlyData, SectionKind::ReadOnlyString, SectionKind::Data];
        let sections: Vec<_> = file
            .sections()
            .filter(|section| kinds.contains(&section.kind()) && section.address() != 0)
            .filter_map(|section| Some((section.name().ok()?.to_owned(), section.size())))
            // Boards leave it out: nothing unwinds there.
            .filter(|(name, _)| name != ".eh_frame")
            .collect();
        let mut modules: BTreeMap<String, u64> = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
            *modules.entry(module_of(symbol.name().unwrap_or_default())).or_default() += symbol.size();
        }
        let mut modules: Vec<_> = modules.into_iter().collect();
        modules.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ok(Code { bytes: sections.iter().map(|(_, bytes)| bytes).sum(), sections, modules })
    }
}

/// `crate::module` of a symbol, the type's in `<Type as Trait>::function`.
fn module_of(symbol: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let path = name.trim_start_matches(['<', '&', '*', '[', '(', '_']);
    let mut parts = path.split("::").map(|part| {
        let end = part.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        part.get(..end.unwrap_or(part.len())).unwrap_or_default()
    });
    match (parts.next(), parts.next()) {
        (Some(first), Some(second)) if !first.is_empty() => format!("{first}::{second}"),
        _ => "(constants and compiler support)".to_owned(),
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\nthe code on riscv32imc, built with opt-level {OPT_LEVEL}")?;
        for (name, bytes) in &self.sections {
            writeln!(formatter, "  {name:<34} {:>12}", grouped(*bytes))?;
        }
        writeln!(formatter, "its largest modules")?;
        for (name, bytes) in self.modules.iter().take(SHOWN_MODULES) {
            writeln!(formatter, "  {name:<34} {:>12}", grouped(*bytes))?;
        }
        Ok(())
    }
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
