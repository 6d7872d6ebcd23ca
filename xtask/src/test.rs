//! `cargo xtask test`: every test there is, and one line that sums them up.

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::chip::BUILDS;
use crate::image;
use crate::process;
use crate::project::Project;
use crate::tally::Tally;

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
    for build in &BUILDS {
        image::make(project, build, false)?;
    }
    Ok(())
}

/// Streams the output of `cargo test` and adds it up. An error is a run that ended badly, failed tests included.
fn run_all(project: &Project, tally: &mut Tally) -> Result<()> {
    let mut command = project.cargo();
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
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
