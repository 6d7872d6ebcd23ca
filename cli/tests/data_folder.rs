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

#[test]
fn files_come_and_go_on_a_running_and_on_a_stopped_broker() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::create_dir(at("data")).unwrap();
    let run = |words: &str| obkmq(home.path(), words, "");
    let text = "# a script\n".repeat(300);
    std::fs::write(at("autoexec.be"), &text).unwrap();

    let stopped = run("script put autoexec.be --data data");
    assert_eq!((stopped.code, stopped.stdout.as_str()), (0, "autoexec.be: stored, 3300 bytes\n"));
    let broker = Broker::start(home.path());
    assert_eq!(run("script put autoexec.be --data data").stdout, "autoexec.be: there already, 3300 bytes\n");
    assert_eq!(run("script get autoexec.be --data data").stdout, text);
    assert_eq!(run("script get autoexec.be -o copy.be --data data").code, 0);
    assert_eq!(std::fs::read_to_string(at("copy.be")).unwrap(), text);

    std::fs::write(at("other"), "print(1)").unwrap();
    assert_eq!(run("script put other --as autoexec.be --data data").code, 0);
    assert_eq!(run("script put other --data data").code, 0);
    let listing = run("script ls --data data");
    assert_eq!(listing.stdout, "autoexec.be        8 bytes\nother              8 bytes\n");
    assert!(listing.stderr.starts_with("2 files; room for "), "{}", listing.stderr);
    let json = run("script ls --data data --json").stdout;
    for line in json.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    broker.stop();

    let wrong = run("script rm other gone --data data");
    assert_eq!(wrong.code, 8);
    assert!(wrong.stderr.contains("has no file gone") && wrong.stderr.contains("it has: autoexec.be, other"));
    assert_eq!(run("script rm other --data data").stdout, "other is deleted\n");
    assert_eq!(run("script get other --data data").code, 8);
    assert_eq!(run("script put ../nothing --data data").code, 2);
    std::fs::write(at("bad name"), "").unwrap();
    let mut named = command(home.path(), "script put");
    let named = named.args(["bad name", "--data", "data"]).output().unwrap();
    assert_eq!(named.status.code(), Some(2));
    assert!(String::from_utf8(named.stderr).unwrap().contains("--as NAME"));
}

#[test]
fn a_trial_ends_with_a_confirm_a_roll_back_or_a_restart() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    let run = |words: &str| obkmq(home.path(), words, "");
    let done = |words: &str| {
        let done = run(words);
        assert_eq!(done.code, 0, "{words}: {}", done.stderr);
        done
    };
    let level = || done("config get log.level --data data").stdout;
    std::fs::write(home.path().join("loud.toml"), "[log]\nlevel = \"debug\"\n").unwrap();
    let broker = Broker::start(home.path());

    let nothing = run("config confirm --data data");
    assert_eq!(nothing.code, 8);
    assert!(nothing.stderr.contains("no settings are on trial"), "{}", nothing.stderr);
    assert_eq!(run("config apply loud.toml --trial 5 --yes --data data").code, 2);

    let applied = done("config apply loud.toml --trial 600 --yes --data data");
    assert!(applied.stdout.contains("applied on trial"), "{}", applied.stdout);
    assert!(applied.stderr.contains("obkmq config confirm"), "{}", applied.stderr);
    assert_eq!(level(), "debug\n");
    let refused = run("config set log.level warn --data data");
    assert_eq!(refused.code, 8);
    assert!(refused.stderr.contains("obkmq config rollback"), "{}", refused.stderr);
    done("config rollback --data data");
    assert_eq!(level(), "info\n");

    done("config apply loud.toml --trial 600 --yes --data data");
    broker.stop();
    assert_eq!(level(), "info\n");

    let broker = Broker::start(home.path());
    done("config apply loud.toml --trial 600 --yes --data data");
    assert!(done("config confirm --data data --json").stdout.contains("\"type\":\"confirmed\""));
    broker.stop();
    assert_eq!(level(), "debug\n");
    done("config set log.level warn --data data");
    done("config rollback --data data");
    assert_eq!(level(), "debug\n");
}
