//! The whole product, as its owner uses it: the real program, a board made of software, real sockets, real clients.
//!
//! A test that lacks a tool of somebody else's is ignored, with a line that says how to get it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod beken;
mod flashing;
mod foreign;
mod host;
mod json;
mod keeping;
mod moving_in;
mod scripts;
mod story;
mod virt_arm;

use libtest_mimic::{Arguments, Trial};
use obkmq_tests::{Tool, missing};

fn main() {
    let mut trials = Vec::new();
    trials.extend(host::trials());
    trials.extend(foreign::trials());
    trials.extend(moving_in::trials());
    if cfg!(unix) {
        trials.extend(story::trials());
        trials.extend(json::trials());
        trials.extend(flashing::trials());
        trials.extend(beken::trials());
        trials.extend(keeping::trials());
        trials.extend(scripts::trials());
        trials.extend(virt_arm::trials());
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A test that always runs.
fn test(name: &str, body: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        body();
        Ok(())
    })
}

/// A test that needs `tools`.
fn test_with(name: &str, tools: &[Tool], body: impl FnOnce() + Send + 'static) -> Trial {
    let missing = missing(tools);
    if let Some(tool) = missing {
        println!("skipped: {name}: {} is not there; install: {}", tool.name, tool.install);
    }
    test(name, body).with_ignored_flag(missing.is_some())
}
