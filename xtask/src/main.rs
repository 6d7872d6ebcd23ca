//! What a developer of obkmq types: images, tests, checks, a demonstration. Nothing here is needed at run time.
//!
//! `cargo xtask` is an alias for this program. One verb, one file.
#![forbid(unsafe_code)]

mod bench_berry;
#[cfg(target_os = "linux")]
mod bench_broker;
#[cfg(target_os = "linux")]
mod capacity;
mod chip;
mod ci;
mod crates;
mod demo;
mod fuzz;
mod image;
mod process;
mod project;
mod qemu;
mod sizes;
mod tally;
mod test;
mod toolchain;
mod virt_arm;

use std::process::ExitCode;

use clap::Parser;

/// Builds, tests and checks obkmq.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
enum Verb {
    Image(image::Arguments),
    /// Run every test; ends with one line that counts them
    Test,
    Ci(ci::Arguments),
    /// Flash, provision and load-test a simulated board
    Demo,
    Fuzz(fuzz::Arguments),
    Qemu(qemu::Arguments),
    BenchBerry(bench_berry::Arguments),
    #[cfg(target_os = "linux")]
    BenchBroker(bench_broker::Arguments),
    #[cfg(target_os = "linux")]
    Capacity(capacity::Arguments),
}

fn main() -> ExitCode {
    let result = match Verb::parse() {
        Verb::Image(arguments) => image::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::Test => test::run(),
        Verb::Ci(arguments) => ci::run(&arguments),
        Verb::Demo => demo::run(),
        Verb::Fuzz(arguments) => fuzz::run(&arguments),
        Verb::Qemu(arguments) => qemu::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::BenchBerry(arguments) => bench_berry::run(&arguments),
        #[cfg(target_os = "linux")]
        Verb::BenchBroker(arguments) => bench_broker::run(&arguments),
        #[cfg(target_os = "linux")]
        Verb::Capacity(arguments) => capacity::run(&arguments).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
