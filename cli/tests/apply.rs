//! The real program brings settings files to a device on a pseudo-terminal, compares them, and gets them back.
#![cfg(unix)]
// Helper functions of integration tests are not exempt as test functions are.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/schemas.rs"]
mod schemas;
#[allow(dead_code, reason = "each test has its part of it")]
mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};
use support::{Device, Reaction, Setup};

struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

fn spawn(home: &Path, port: &Path, words: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_obkmq"))
        .args(words.split_whitespace())
        .arg("--port")
        .arg(port)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn obkmq(home: &Path, device: &Device, words: &str) -> Done {
    let Output { status, stdout, stderr } = spawn(home, &device.port, words).wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

/// A home with these files.
fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

const HOUSE: &str = "\
[mqtt]
port = 1884
[users.ann]
password = \"file:ann\"
rights = [\"read a/#\"]
[users.bob]
hash = \"$pbkdf2-sha256$i=4096$MDEyMzQ1Njc4OWFiY2RlZg$//////////////////////////////////////////8\"
";

#[test]
fn a_device_becomes_what_the_file_says_and_a_second_time_changes_nothing() {
    let home = home(&[("house.toml", HOUSE), ("ann", "apple pie\n")]);
    let device = Device::good();
    let run = |words: &str, code: i32| {
        let done = obkmq(home.path(), &device, words);
        assert_eq!(done.code, code, "{words}: {}{}", done.stdout, done.stderr);
        assert!(!(done.stdout.clone() + &done.stderr).contains("apple"), "the password is shown");
        done
    };
    let blank = device.cells();
    let changes = "~ mqtt.port  1883 (default) -> 1884\n+ users.ann  read a/#\n+ users.bob  everything\n";
    assert_eq!(run("config diff house.toml", 1).stdout, changes);
    let refused = run("config apply house.toml", 2);
    assert!(refused.stdout.contains("mqtt.port") && refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert!(device.cells() == blank, "nothing was written");

    let done = run("config apply house.toml --yes", 0);
    assert!(done.stdout.ends_with("applied, stored and read back (generation 1)\n"), "{}", done.stdout);
    let written = device.cells();
    let again = run("config apply house.toml --yes", 0);
    assert_eq!(again.stdout, "nothing to change: the device has what house.toml says\n");
    assert_eq!(run("config diff house.toml", 0).stdout, "");
    assert!(device.cells() == written, "the second time wrote something");

    let exported = run("config export", 0).stdout;
    std::fs::write(home.path().join("export.toml"), &exported).unwrap();
    assert_eq!(run("config diff export.toml", 0).stdout, "");
    assert!(exported.contains("port = 1884") && exported.contains("rights = [\"read a/#\"]"), "{exported}");

    std::fs::write(home.path().join("ann"), "another pie\n").unwrap();
    assert_eq!(run("config diff house.toml", 1).stdout, "~ users.ann  password -> another password\n");
    std::fs::write(home.path().join("house.toml"), "[users.ann]\npassword = \"keep\"\n").unwrap();
    let text = run("config apply house.toml --yes --json", 0).stdout;
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["key"], "users.bob");
    assert_eq!(lines[0]["to"], serde_json::Value::Null);
    assert_eq!(lines.last().unwrap()["type"], "applied");
    assert_eq!(lines.last().unwrap()["changes"], 3, "{text}");
    let list = run("config list", 0).stdout;
    assert!(list.ends_with("  ann\n") && list.contains("1883  (default)"), "{list}");
}

#[test]
fn a_secret_is_set_kept_changed_and_taken_away_unseen() {
    let text = |password| format!("[wifi]\nssid = \"home\"\n{password}");
    let home = home(&[("secret", "apple pie\n")]);
    let device = Device::good();
    for (password, secret, change) in [
        ("password = \"file:secret\"", "apple pie", "~ wifi.password  (not set) -> (set)\n"),
        ("password = \"file:secret\"", "apple pie", ""),
        ("password = \"keep\"", "apple pie", ""),
        ("password = \"file:secret\"", "apple cake", "~ wifi.password  (set) -> another\n"),
        ("", "", "~ wifi.password  (set) -> (not set)\n"),
    ] {
        std::fs::write(home.path().join("house.toml"), text(password)).unwrap();
        std::fs::write(home.path().join("secret"), secret).unwrap();
        let done = obkmq(home.path(), &device, "config apply house.toml --yes");
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert_eq!(done.stdout.contains("wifi.password"), !change.is_empty(), "{}", done.stdout);
        assert!(done.stdout.contains(change) && !done.stdout.contains("apple"), "{}", done.stdout);
    }
    let done = obkmq(home.path(), &device, "config list");
    assert!(done.stdout.contains("wifi.password") && !done.stdout.contains("apple"), "{}", done.stdout);
}

#[test]
fn everything_that_the_device_refuses_is_told_at_once() {
    let contradiction =
        "[mqtt]\nport = 1884\n[users.ann]\npassword = \"keep\"\n[users.bob]\npassword = \"keep\"\n";
    let home = home(&[("house.toml", contradiction)]);
    let device = Device::good();
    let done = obkmq(home.path(), &device, "config apply house.toml --yes");
    assert_eq!(done.code, 8);
    for name in ["line 4, column 12: users.ann.password is \"keep\"", "users.bob.password"] {
        assert!(done.stderr.contains(name), "{}", done.stderr);
    }
    assert_eq!(obkmq(home.path(), &device, "config get mqtt.port").stdout, "1883\n");
}

#[test]
fn a_device_that_is_reset_while_it_commits_ends_with_the_file() {
    std::thread::scope(|scope| {
        for after in [false, true] {
            scope.spawn(move || {
                let home = home(&[("house.toml", HOUSE), ("ann", "apple pie\n")]);
                let mut resets = 1;
                let request = move |body: &str| match (body.starts_with("commit") && resets > 0, after) {
                    (false, _) => Reaction::Pass,
                    (true, after) => {
                        resets -= 1;
                        if after { Reaction::ResetAfter } else { Reaction::ResetBefore }
                    }
                };
                let device = Device::with(Setup { request: Box::new(request), ..Setup::default() });
                let done = obkmq(home.path(), &device, "config apply house.toml --yes");
                assert_eq!(done.code, 0, "{}", done.stderr);
                assert!(done.stderr.contains("was reset in the middle. Trying again."), "{}", done.stderr);
                assert_eq!(done.stdout.matches("mqtt.port").count(), 1, "shown once: {}", done.stdout);
                assert_eq!(obkmq(home.path(), &device, "config diff house.toml").code, 0);
            });
        }
    });
}

#[test]
fn ctrl_c_leaves_old_or_new_settings_and_says_which() {
    for (at, code_words, port) in [
        ("begin", "Nothing was changed.", "1883\n"),
        ("commit", "The device has what the file says.", "1884\n"),
    ] {
        let home = home(&[("house.toml", "mqtt.port = 1884\n")]);
        let (came, comes) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let mut first = true;
        let request = move |body: &str| {
            if first && body.starts_with(at) {
                first = false;
                came.send(()).unwrap();
                // Ends when the test has let go of the other end.
                let _ = goes_on.recv();
            }
            Reaction::Pass
        };
        let device = Device::with(Setup { request: Box::new(request), ..Setup::default() });
        let mut child = spawn(home.path(), &device.port, "config apply house.toml --yes");
        comes.recv().unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        if at == "commit" {
            while !text.contains("the change is on its way") {
                assert!(stderr.read_line(&mut text).unwrap() > 0, "{text}");
            }
        } else {
            assert_eq!(child.wait().unwrap().code(), Some(130));
        }
        drop(go_on);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        stderr.read_to_string(&mut text).unwrap();
        assert!(text.contains(code_words), "{text}");
        assert_eq!(obkmq(home.path(), &device, "config get mqtt.port").stdout, port);
    }
}

/// Firmware that has one setting more, or lacks one.
fn another_schema(reply: impl FnMut(&str) -> Vec<String> + Send + 'static) -> Device {
    Device::with(Setup { reply: Box::new(reply), ..Setup::default() })
}

#[test]
fn settings_of_newer_firmware_are_shown_and_left_alone() {
    let home = home(&[("house.toml", "mqtt.port = 1884\n")]);
    let device = another_schema(schemas::newer());
    let list = obkmq(home.path(), &device, "config list").stdout;
    assert!(
        list.lines().any(|line| line.starts_with("coffee.strength") && line.ends_with("strong")),
        "{list}"
    );
    let done = obkmq(home.path(), &device, "config apply house.toml --yes");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("does not know them: coffee.strength"), "{}", done.stderr);
    assert!(obkmq(home.path(), &device, "config export").stdout.ends_with("# coffee.strength = strong\n"));
}

#[test]
fn what_older_firmware_lacks_is_named() {
    let home = home(&[("house.toml", "log.level = \"warn\"\n"), ("plain.toml", "mqtt.port = 1884\n")]);
    let device = another_schema(schemas::older());
    let done = obkmq(home.path(), &device, "config apply house.toml --yes");
    assert_eq!(done.code, 8);
    assert!(done.stderr.contains("log.level: its firmware is older"), "{}", done.stderr);
    assert_eq!(obkmq(home.path(), &device, "config apply plain.toml --yes").code, 0);
}

#[test]
fn a_locked_device_is_opened_by_a_file_that_says_what_it_should_be() {
    let home = home(&[("house.toml", "[log]\nlevel = \"warn\"\n")]);
    let device = Device::damaged("set log.level warn\nset retain.persist unlikely/#\n", b"unlikely");
    let done = obkmq(home.path(), &device, "config apply house.toml --yes");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("a commit opens the network"), "{}", done.stderr);
    let done = obkmq(home.path(), &device, "config list");
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "it is locked no more");
}

#[test]
fn a_bad_cable_takes_longer_and_changes_nothing_else() {
    let home = home(&[("house.toml", HOUSE), ("ann", "apple pie\n")]);
    let mut passed = 0_u32;
    let wire = move |byte: u8, _to_device: bool| {
        passed += 1;
        match passed % 30_000 {
            0 => vec![byte ^ 1],
            15_000 => vec![byte, byte],
            _ => vec![byte],
        }
    };
    let device = Device::with(Setup { wire: Box::new(wire), ..Setup::default() });
    let done = obkmq(home.path(), &device, "config apply house.toml --yes");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.ends_with("3 applied, stored and read back (generation 1)\n"), "{}", done.stdout);
    assert_eq!(obkmq(home.path(), &device, "config diff house.toml").stdout, "");
}
