//! `cargo xtask bench-broker`: the broker beside its peers on this machine, in one run, with one generator.
//!
//! Broker and generator have a core each. What counts is the CPU time that the broker took for what was delivered, not
//! the time on the wall, which says as much about the generator. Every repetition starts a broker anew and the brokers
//! take turns, so that a machine that becomes slower is slower for all. Figures are told, never enforced: on a busy
//! machine they mean little.

mod client;
mod crowd;
mod flood;
mod instruments;
mod machine;
mod paced;
mod peers;
mod report;
pub(crate) mod wire;
mod works;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum as _;

use crate::process;
use crate::project::Project;
use machine::Cores;
use peers::{Contender, MAKES, Make};
use report::{Measured, Report, median};
use works::{Plan, Sample, Work};

/// Times that every work is done; the median counts.
const REPETITIONS: usize = 3;
/// `--quick` does each work once, with this part of its amount.
const QUICK_DIVISOR: u64 = 5;
/// A broker that has work for less of the time waits for the generator.
const SATURATED: f64 = 0.9;
/// More load than this is somebody else's work; building the broker a moment ago is no work of now.
const QUIET: f64 = 1.5;
/// Microbenchmarks are in the package that they are of.
const MICRO_PACKAGE: &str = "obkmq-broker";

/// Measure the broker beside mosquitto and rumqttd; Linux only
#[derive(clap::Args)]
#[command(after_help = "\
Peers that are missing are left out. To have them all:
  apt-get install mosquitto strace valgrind
  cargo install rumqttd --version 0.20.0     without --locked: its lock names a metrics that compiles no more

Examples:
  cargo xtask bench-broker
  cargo xtask bench-broker --only batched --only qos1 --quick
  cargo xtask bench-broker --rumqttd /tmp/tools/bin/rumqttd --json speed.json")]
pub(crate) struct Arguments {
    /// Our broker (default: built now, in the release profile)
    #[arg(long, value_name = "PATH")]
    obkmq: Option<PathBuf>,
    /// mosquitto (default: the one on PATH)
    #[arg(long, value_name = "PATH")]
    mosquitto: Option<PathBuf>,
    /// rumqttd (default: the one on PATH)
    #[arg(long, value_name = "PATH")]
    rumqttd: Option<PathBuf>,
    /// This work instead of all; may be given several times
    #[arg(long, value_name = "WORK")]
    only: Vec<Work>,
    /// Messages that each flood delivers
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1000..))]
    messages: u64,
    /// Each work once and a fifth of it: shows that it works rather than how fast
    #[arg(long)]
    quick: bool,
    /// Run the microbenchmarks of codec, matching and fan-out before
    #[arg(long)]
    micro: bool,
    /// Write the figures of every repetition there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Entry point of the verb.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let project = Project::locate()?;
    if arguments.micro {
        process::run(project.cargo().args(["bench", "--locked", "--package", MICRO_PACKAGE]))?;
    }
    let (contenders, missing) = contenders(arguments, &project)?;
    let cores = Cores::choose()?;
    machine::raise_descriptor_limit()?;
    machine::pin(cores.generator)?;

    let mut report = Report::new(&contenders);
    if let Some(load) = machine::load().filter(|&load| load > QUIET) {
        report.note(format!("the machine was busy before the run began (load {load}); latency means little"));
    }
    missing.into_iter().for_each(|note| report.note(note));
    let divisor = if arguments.quick { QUICK_DIVISOR } else { 1 };
    let plan = Plan { cores, messages: arguments.messages, divisor };
    let works = if arguments.only.is_empty() { Work::value_variants() } else { &arguments.only };
    for &work in works {
        match work.instrument() {
            Some(instrument) if !instrument.is_present() => {
                report.note(format!("{} was left out; install: {}", name(work), instrument.install()));
            }
            _ => measure(work, &contenders, &plan, arguments.quick, &mut report),
        }
    }
    println!("\n{}", report.table());
    if let Some(path) = &arguments.json {
        report.write_json(path)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The brokers that are there, and what to say of those that are not.
fn contenders(arguments: &Arguments, project: &Project) -> Result<(Vec<Contender>, Vec<String>)> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for make in MAKES {
        let program = match make {
            Make::Obkmq => match &arguments.obkmq {
                Some(program) => Some(program.clone()),
                None => {
                    process::run(project.cargo().args([
                        "build",
                        "--release",
                        "--locked",
                        "--package",
                        "obkmq",
                    ]))?;
                    Some(project.release_program("obkmq"))
                }
            },
            Make::Mosquitto => arguments.mosquitto.clone(),
            Make::Rumqttd => arguments.rumqttd.clone(),
        };
        match Contender::find(make, program.as_deref())? {
            Some(contender) => found.push(contender),
            None => missing.push(format!("{} is missing; install: {}", make.name(), make.install())),
        }
    }
    Ok((found, missing))
}

/// Does one work with every broker, in turns, and adds its rows.
fn measure(work: Work, contenders: &[Contender], plan: &Plan, quick: bool, report: &mut Report) {
    let repetitions = if quick || work.is_exact() { 1 } else { REPETITIONS };
    let mut samples: Vec<(&Contender, Vec<Sample>)> =
        contenders.iter().map(|contender| (contender, Vec::new())).collect();
    for repetition in 1..=repetitions {
        for (contender, samples) in &mut samples {
            let broker = contender.make.name();
            eprintln!("{}: {broker}, {repetition} of {repetitions}", name(work));
            match work.measure(contender, plan) {
                Ok(sample) => samples.push(sample),
                Err(error) => report.note(format!("{}: {broker}: {error:#}", name(work))),
            }
        }
    }
    for (place, row) in work.rows().iter().enumerate() {
        let measured = samples.iter().filter_map(|(contender, samples)| {
            let values: Vec<f64> =
                samples.iter().filter_map(|sample| sample.figures.get(place).copied()).collect();
            let broker = contender.make.name();
            (!values.is_empty()).then(|| Measured { broker, median: median(&values), values })
        });
        report.add(row, measured.collect());
    }
    for (contender, samples) in &samples {
        let busy = median(&samples.iter().filter_map(|sample| sample.busy).collect::<Vec<_>>());
        if busy < SATURATED {
            let (broker, percent) = (contender.make.name(), 100.0 * busy);
            report.note(format!(
                "{}: {broker} had work {percent:.0} % of the time; the generator gave no more",
                name(work)
            ));
        }
    }
}

/// As `--only` takes it.
fn name(work: Work) -> String {
    work.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}
