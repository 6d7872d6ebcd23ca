//! A browser gives a board its network: the Improv project's own client, in Node.js instead of a browser.

use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Program, Tool, image};
use tempfile::TempDir;

use crate::story::Sim;
use crate::test_with;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        test_with("a_browser_gives_a_board_its_network", &[Tool::IMPROV], with_a_radio),
        test_with("a_browser_finds_a_board_without_a_radio", &[Tool::IMPROV], without_a_radio),
    ]
}

fn with_a_radio() {
    let networks =
        ["--network", "home:correct horse", "--network", "café", "--network-without-dhcp", "dead:12345678"];
    let (sim, home) = flashed(&networks);
    client(&sim, "radio", "held: joined\n");
    let list = obkmq(&sim, home.path(), &["config", "list"]);
    assert!(list.contains("home") && list.contains("(set)") && list.contains("attic-2"), "{list}");
    // In no form does what went in come out.
    let verbs = [
        ["config", "list"].as_slice(),
        &["config", "get", "wifi.password"],
        &["config", "export"],
        &["info"],
    ];
    for verb in verbs {
        for form in ["--verbose", "--json"] {
            let shown = obkmq(&sim, home.path(), &[verb, &[form]].concat());
            assert!(!shown.contains("horse"), "{verb:?} {form}: {shown}");
        }
    }
}

fn without_a_radio() {
    let (sim, _home) = flashed(&[]);
    client(&sim, "no-radio", "held: no radio\n");
}

/// Runs the client to its last step: a script that stopped before without an error has not done its work.
fn client(sim: &Sim, board: &str, last: &str) {
    let path = format!("{}/clients/improv_client.mjs", env!("CARGO_MANIFEST_DIR"));
    let ended = Program::new(Tool::IMPROV.program).args([path.as_str(), &sim.port, board]).run().expect(0);
    assert!(ended.output.ends_with(last), "{}{}", ended.output, ended.errors);
}

/// What the program says in all.
fn obkmq(sim: &Sim, home: &Path, arguments: &[&str]) -> String {
    let ended = Program::obkmq(home).args(arguments).args(["--port", &sim.port]).run().expect(0);
    ended.output + &ended.errors
}

/// A virtual board whose firmware runs.
fn flashed(arguments: &[&str]) -> (Sim, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(home.path(), arguments);
    let image = image::esp32c3();
    let flash = ["flash", "--port", &sim.port, "--image", image.to_str().unwrap()];
    Program::obkmq(home.path()).args(flash).run().expect(0);
    sim.running();
    (sim, home)
}
