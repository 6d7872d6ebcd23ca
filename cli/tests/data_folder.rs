//! The real program configures an `obkmq run` by its data folder, while that runs and while it does not.
#![cfg(unix)]
// Helper functions of integration tests are not exempt as test functions are.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

fn command(home: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obkmq"));
    command.args(words.split_whitespace()).current_dir(home).env_clear().env("HOME", home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn obkmq(home: &Path, words: &str, stdin: &str) -> Done {
    let mut child = command(home, words).spawn().unwrap();
    // A program that ends without reading its input closes the pipe first.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

/// A broker on the folder `data`; killed when the test ends.
struct Broker {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Broker {
    fn start(home: &Path) -> Self {
        let mut child = command(home, "-q run --data data --listen 127.0.0.1:0").spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut broker = Self { child, lines };
        broker.listens();
        broker
    }

    fn listens(&mut self) {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.contains(" listens on 127.0.0.1:"), "{line}");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // One that was told to end has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stopped_and_a_running_broker_are_configured_alike() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    let run = |words: &str, stdin: &str| {
        let done = obkmq(home.path(), words, stdin);
        assert_eq!(done.code, 0, "{words}: {}", done.stderr);
        done.stdout
    };
    assert_eq!(run("config set log.level warn --data data", ""), "log.level = warn\n");
    let broker = Broker::start(home.path());
    assert_eq!(run("config get log.level --data data", ""), "warn\n");
    run("config set-user ann --password-stdin --no-save --data data", "apple\n");
    assert!(run("config list --data data", "").contains("ann"));
    let info = run("info --data data", "");
    assert!(info.contains("board ") && info.contains("host\n"), "{info}");
    broker.stop();
    assert_eq!(run("config del-user ann --data data", ""), "user ann is deleted; 0 left\n");
    assert!(run("config list --data data", "").contains("warn"));
}

#[test]
fn a_broker_that_starts_waits_for_a_command_on_its_folder() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    let mut monitor = command(home.path(), "monitor --data data").spawn().unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("obkmq"), "it has the folder: {line}");
    let mut broker = command(home.path(), "run --data data --listen 127.0.0.1:0").spawn().unwrap();
    let mut listening = BufReader::new(broker.stdout.take().unwrap());
    let mut told = BufReader::new(broker.stderr.take().unwrap());
    line.clear();
    told.read_line(&mut line).unwrap();
    assert!(line.contains("waiting a moment"), "{line}");
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    line.clear();
    listening.read_line(&mut line).unwrap();
    assert!(line.contains(" listens on "), "{line}");
    broker.kill().unwrap();
    broker.wait().unwrap();
}

#[test]
fn the_environment_and_the_profile_name_a_folder_too() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    std::fs::write(home.path().join("obkmq.toml"), "data = \"data\"\n").unwrap();
    assert_eq!(obkmq(home.path(), "config get mqtt.port", "").stdout, "1883\n");
    std::fs::write(home.path().join("obkmq.toml"), "data = \"data\"\nserial = \"/dev/x\"\n").unwrap();
    let done = obkmq(home.path(), "config get mqtt.port", "");
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("names a serial port and a data folder"), "{}", done.stderr);
    let child = command(home.path(), "config get mqtt.port").env("OBKMQ_DATA", "data").output().unwrap();
    assert_eq!(String::from_utf8(child.stdout).unwrap(), "1883\n", "the environment beats the profile");
}

#[test]
fn reboot_starts_the_broker_anew_and_the_next_command_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(home.path());
    let mut monitor = command(home.path(), "monitor --data data").spawn().unwrap();
    monitor.stdin.take().unwrap().write_all(b"reboot\n").unwrap();
    broker.listens();
    assert_eq!(obkmq(home.path(), "config get mqtt.port --data data", "").stdout, "1883\n");
    monitor.kill().unwrap();
    monitor.wait().unwrap();
}

#[test]
fn a_broker_that_does_not_answer_is_told_from_one_that_is_not_there() {
    let home = tempfile::tempdir().unwrap();
    let done = obkmq(home.path(), "config list --data nowhere", "");
    assert_eq!(done.code, 2);
    assert!(done.stderr.starts_with("error: nowhere is no data folder."), "{}", done.stderr);
    let broker = Broker::start(home.path());
    broker.signal(rustix::process::Signal::STOP);
    let done = obkmq(home.path(), "config list --data data", "");
    assert_eq!(done.code, 5);
    assert!(done.stderr.contains("The broker on data does not answer."), "{}", done.stderr);
    broker.signal(rustix::process::Signal::CONT);
    // Without its socket, but with the flash file in use.
    std::fs::remove_file(home.path().join("data/obkmq.sock")).unwrap();
    let done = obkmq(home.path(), "config list --data data", "");
    assert_eq!(done.code, 4);
    assert!(done.stderr.contains("another program uses them"), "{}", done.stderr);
}
