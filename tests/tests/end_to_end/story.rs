//! The way of a board from the factory to a loaded broker, over a pty.

use std::net::SocketAddr;
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Program, connack, image};

use crate::test;

pub(crate) fn trials() -> Vec<Trial> {
    vec![test("flash_boot_set_user_log_in_and_bench_without_a_loss", whole_story)]
}

/// A virtual board and its serial port.
pub(crate) struct Sim {
    pub(crate) board: Board,
    pub(crate) port: String,
}

impl Sim {
    pub(crate) fn start(home: &Path, arguments: &[&str]) -> Self {
        let flash = home.join("board.flash");
        let flash = flash.to_str().unwrap();
        let program =
            Program::obkmq(home).args(["sim", "--flash", flash, "--listen", "127.0.0.1:0"]).args(arguments);
        let mut board = Board::start(program);
        board.line("does not execute");
        let line = board.line("/dev/");
        let port = line.split_whitespace().find(|word| word.starts_with("/dev/")).unwrap().to_owned();
        Self { board, port }
    }

    /// Waits until the firmware runs; where its broker is.
    pub(crate) fn running(&mut self) -> SocketAddr {
        crate::host::address_in(&self.board.line("listens on 127.0.0.1:"))
    }
}

fn whole_story() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut sim = Sim::start(home, &[]);
    let obkmq = |arguments: &[&str]| Program::obkmq(home).args(arguments);

    // Never flashed: it does not boot, and nothing answers.
    let ended = obkmq(&["info", "--port", &sim.port]).run().expect(5);
    assert!(ended.errors.contains("next:"), "{}", ended.errors);

    let image = image::esp32c3();
    obkmq(&["flash", "--port", &sim.port, "--image", image.to_str().unwrap()]).run().expect(0);
    let broker = sim.running();

    // A board on the network lets nobody in before its owner has said who.
    assert_eq!(connack(broker, None), Some(5));

    let port = sim.port.clone();
    let set_user = obkmq(&["config", "set-user", "house", "--port", &port, "--password-stdin", "--no-save"]);
    let ended = set_user.input("correct horse\n").run().expect(0);
    assert!(!format!("{}{}", ended.output, ended.errors).contains("horse"), "the password was printed");

    // A script comes over the wire and stays.
    let script = "print('hello')\n".repeat(100);
    std::fs::write(home.join("autoexec.be"), &script).unwrap();
    let source = home.join("autoexec.be");
    let put = ["script", "put", source.to_str().unwrap(), "--port", &port];
    assert_eq!(obkmq(&put).run().expect(0).output, "autoexec.be: stored, 1500 bytes\n");
    assert_eq!(obkmq(&put).run().expect(0).output, "autoexec.be: there already, 1500 bytes\n");

    // At once, and after a reset.
    let mut broker = broker;
    for round in 0..2 {
        assert_eq!(connack(broker, Some(("house", "wrong"))), Some(4), "round {round}");
        assert_eq!(connack(broker, Some(("house", "correct horse"))), Some(0), "round {round}");
        if round == 0 {
            let refused = obkmq(&["info", "--port", &sim.port]).run().expect(0).output;
            assert!(refused.contains("ago: wrong user name or password"), "{refused}");
            drop(sim);
            sim = Sim::start(home, &[]);
            broker = sim.running();
        }
    }
    let port = sim.port.clone();
    assert_eq!(obkmq(&["script", "get", "autoexec.be", "--port", &port]).run().expect(0).output, script);

    obkmq(&["config", "set", "mqtt.max_clients", "50", "--port", &port]).run().expect(0);
    assert_eq!(obkmq(&["config", "get", "mqtt.max_clients", "--port", &port]).run().expect(0).output, "50\n");
    let ended = obkmq(&["config", "set", "mqtt.max_clients", "0", "--port", &port]).run().expect(8);
    assert!(ended.errors.contains("1..=10000"), "{}", ended.errors);

    let host = broker.to_string();
    let bench = obkmq(&[
        "bench",
        "-H",
        &host,
        "--user",
        "house",
        "--password-stdin",
        "--clients",
        "20",
        "--rate",
        "50",
    ]);
    let bench = bench
        .args(["--duration", "3s", "--max-loss", "0", "--json"])
        .input("correct horse\n")
        .run()
        .expect(0);
    let report: serde_json::Value = serde_json::from_str(bench.output.lines().last().unwrap()).unwrap();
    let text = report.to_string();
    assert!(text.contains("\"lost\":0") && text.contains("\"delivered\":3000"), "{text}");

    // Flashing again keeps what the owner set.
    obkmq(&["flash", "--port", &port, "--image", image.to_str().unwrap()]).run().expect(0);
    let broker = sim.running();
    assert_eq!(connack(broker, Some(("house", "correct horse"))), Some(0));
}
