//! `cargo xtask fuzz`: the fuzz targets, each for a while, from the committed seeds.
//!
//! A developer's verb, no part of continuous integration: it needs a nightly compiler and `cargo-fuzz`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::project::{self, Project};

/// The workspace of the fuzz targets.
pub(crate) const FUZZ_FOLDER: &str = "tests/fuzz";

/// Run the fuzz targets; needs a nightly toolchain and cargo-fuzz
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One target instead of all
    target: Option<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// What one run told of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    executions: u64,
    finds: u64,
}

impl Tally {
    /// Takes note of a line of libFuzzer's closing statistics.
    fn line(&mut self, line: &str) {
        let figure = |name: &str| line.strip_prefix(name).and_then(|value| value.trim().parse().ok());
        if let Some(executions) = figure("stat::number_of_executed_units:") {
            self.executions = executions;
        }
        if let Some(finds) = figure("stat::new_units_added:") {
            self.finds = finds;
        }
    }
}

/// Runs one target or all of them, also after one has failed, and ends with a table.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let project = Project::locate()?;
    let folder = project.root().join(FUZZ_FOLDER);
    let all = targets(&folder)?;
    let chosen = match &arguments.target {
        None => all,
        Some(name) if all.contains(name) => vec![name.clone()],
        Some(name) => bail!("there is no fuzz target {name}; there are {}", all.join(", ")),
    };
    check_tools(&folder)?;

    let mut outcomes = Vec::new();
    for target in &chosen {
        println!("\n== {target}");
        outcomes.push(fuzz(&project, &folder, target, arguments.seconds)?);
    }
    println!("\n{:<14} {:>12} {:>10}  result", "target", "executions", "new finds");
    for (target, (tally, passed)) in chosen.iter().zip(&outcomes) {
        let verdict = if *passed { "ok" } else { "FAILED" };
        println!("{target:<14} {:>12} {:>10}  {verdict}", tally.executions, tally.finds);
    }
    let all_passed = outcomes.iter().all(|(_, passed)| *passed);
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every target is one file.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let sources = folder.join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&sources).with_context(|| format!("{} cannot be read", sources.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Says how to get what is missing.
fn check_tools(folder: &Path) -> Result<()> {
    let answers = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let mut missing = Vec::new();
    if !answers(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        missing.push("rustup toolchain install nightly");
    }
    if !answers(project::cargo_in(folder).args(["fuzz", "--version"])) {
        missing.push("cargo install cargo-fuzz --locked");
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("fuzzing needs a nightly toolchain and cargo-fuzz\nNext: {}", missing.join(" && "))
}

/// One target. `false`: libFuzzer has found an input that fails; it has said where it lies.
fn fuzz(project: &Project, folder: &Path, target: &str, seconds: u32) -> Result<(Tally, bool)> {
    let corpus = prepare_corpus(project, folder, target)?;
    let artifacts = project.fuzz_target().join("artifacts").join(target);
    fs::create_dir_all(&artifacts).with_context(|| format!("{} cannot be made", artifacts.display()))?;
    let mut artifact_prefix = artifacts.into_os_string();
    artifact_prefix.push("/");

    // The pinned toolchain's Cargo, which runs this program, cannot be told to be another: rustup's can.
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir"]).arg(folder);
    command.arg("--target-dir").arg(project.fuzz_target()).arg(target).arg(corpus);
    command.args(["--", &format!("-max_total_time={seconds}"), "-print_final_stats=1", "-timeout=10"]);
    command.arg(format!("-artifact_prefix={}", artifact_prefix.to_string_lossy()));
    // Set by the Cargo that runs this program, for its own toolchain.
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    println!("$ {}", process::shown(&command));
    let mut child = command.stderr(Stdio::piped()).spawn().context("rustup cannot be started")?;
    let mut tally = Tally::default();
    if let Some(output) = child.stderr.take() {
        // libFuzzer shows inputs, which may be no text.
        for line in BufReader::new(output).split(b'\n') {
            let line =
                String::from_utf8_lossy(&line.context("the fuzzer's output cannot be read")?).into_owned();
            println!("{line}");
            tally.line(&line);
        }
    }
    let status = child.wait().context("the fuzzer cannot be waited for")?;
    Ok((tally, status.success()))
}

/// A corpus that may grow: what earlier runs found, and the committed seeds, which stay as they are.
fn prepare_corpus(project: &Project, folder: &Path, target: &str) -> Result<PathBuf> {
    let corpus = project.fuzz_target().join("corpus").join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("{} cannot be made", corpus.display()))?;
    let seeds = folder.join("seeds").join(target);
    for entry in fs::read_dir(&seeds).with_context(|| format!("{} cannot be read", seeds.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), corpus.join(entry.file_name()))
            .with_context(|| format!("{} cannot be copied", entry.path().display()))?;
    }
    Ok(corpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_run_are_read() {
        let mut tally = Tally::default();
        for line in [
            "#524288\tpulse  cov: 310 ft: 911 corp: 120/4kb lim: 4096 exec/s: 174762 rss: 400Mb",
            "stat::number_of_executed_units: 1048576",
            "stat::average_exec_per_sec:     174762",
            "stat::new_units_added:          37",
        ] {
            tally.line(line);
        }
        assert_eq!(tally, Tally { executions: 1_048_576, finds: 37 });
    }

    #[test]
    fn every_target_has_seeds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FUZZ_FOLDER);
        let targets = targets(&folder).unwrap();
        assert!(targets.len() > 1);
        for target in targets {
            let seeds = fs::read_dir(folder.join("seeds").join(&target)).map(Iterator::count);
            assert!(seeds.is_ok_and(|count| count > 0), "{target} has no seeds");
        }
    }
}
