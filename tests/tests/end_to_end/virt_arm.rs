//! The node compiled for ARMv5TE, on an emulated machine with a heap of 100 kB and a real network driver.
//!
//! Its console is a pty, so that the real command line talks to it; its network is the emulator's own, with one port of
//! this machine's loopback that leads to the broker.

mod memory;

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Ended, Program, Tool, connack, image};
use tempfile::TempDir;

use crate::test_with;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials =
        vec![test_with("the_arm_board_keeps_its_user_over_a_reset", &[Tool::QEMU_ARM], user_survives)];
    trials.extend(memory::trials());
    trials
}

/// A running machine.
pub(crate) struct Machine {
    _emulator: Board,
    pub(crate) address: SocketAddr,
    pub(crate) port: String,
    home: TempDir,
}

impl Machine {
    /// Starts one whose flash is blank, and waits for its console.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut seed = [0; 32];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut seed).unwrap();
        std::fs::write(home.path().join("seed"), seed).unwrap();
        let address = free_address();
        let mut emulator = Board::start(emulator(home.path(), address));
        let line = emulator.line("/dev/");
        let port = line.split_whitespace().find(|word| word.starts_with("/dev/")).unwrap().to_owned();
        let machine = Self { _emulator: emulator, address, port, home };
        machine.obkmq(&["info"]);
        machine
    }

    /// The real command line on the machine's console.
    pub(crate) fn obkmq(&self, arguments: &[&str]) -> Ended {
        self.program(arguments).run().expect(0)
    }

    fn program(&self, arguments: &[&str]) -> Program {
        Program::obkmq(self.home.path()).args(arguments).args(["--port", &self.port])
    }

    /// Gives the user "house" the password "correct horse".
    pub(crate) fn set_user(&self) {
        let program = self.program(&["config", "set-user", "house", "--password-stdin", "--no-save"]);
        program.input("correct horse\n").run().expect(0);
    }
}

fn emulator(home: &Path, address: SocketAddr) -> Program {
    let network = format!("user,model=smc91c111,restrict=on,hostfwd=tcp:{address}-:1883");
    let seed = format!("loader,addr=0x700000,file={},force-raw=on", home.join("seed").display());
    Program::new("qemu-system-arm")
        .args(["-M", "versatilepb", "-m", "16M", "-display", "none", "-monitor", "none", "-serial", "pty"])
        .args(["-audiodev", "none,id=none", "-nic", &network, "-device", &seed, "-kernel"])
        .args([image::virt_arm()])
}

/// The emulator cannot choose one and tell. Another program may take it meanwhile; then the emulator says so and ends.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}

fn user_survives() {
    let machine = Machine::start();
    assert_eq!(connack(machine.address, None), Some(5));
    machine.set_user();
    for round in 0..2 {
        assert_eq!(connack(machine.address, Some(("house", "wrong"))), Some(4), "round {round}");
        assert_eq!(connack(machine.address, Some(("house", "correct horse"))), Some(0), "round {round}");
        let info = machine.obkmq(&["info"]).output;
        assert!(info.contains("virt-arm") && info.contains("wrong user name or password"), "{info}");
        if round == 0 {
            machine.obkmq(&["config", "set", "mqtt.max_clients", "20"]);
            reboot(&machine);
        }
    }
    assert_eq!(machine.obkmq(&["config", "get", "mqtt.max_clients"]).output, "20\n");
}

/// Types it on the console, and waits until the firmware has started again.
fn reboot(machine: &Machine) {
    use std::io::Write as _;
    let before = uptime_s(machine);
    // What a program ended is typed first: it would be the beginning of this line.
    let mut console = std::fs::OpenOptions::new().write(true).open(&machine.port).unwrap();
    console.write_all(b"\r\nreboot\r\n").unwrap();
    obkmq_tests::wait_until(|| uptime_s(machine) < before);
}

fn uptime_s(machine: &Machine) -> u64 {
    machine.figure("uptime_s")
}

impl Machine {
    /// A figure that `obkmq info` prints.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let report = self.obkmq(&["info", "--json"]).output;
        let report: serde_json::Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
        report["device"][name].as_str().unwrap_or_else(|| panic!("no {name}: {report}")).parse().unwrap()
    }
}
