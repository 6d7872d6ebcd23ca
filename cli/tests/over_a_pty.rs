//! The real program talks to a device on a pseudo-terminal.
#![cfg(unix)]
// Helper functions of integration tests are not exempt as test functions are.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "each test has its part of it")]
mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{Device, Reaction, Setup};

struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `obkmq WORDS --port PORT` in a home of its own.
fn obkmq(home: &Path, port: &Path, words: &str, stdin: &str) -> Done {
    let mut child = Command::new(env!("CARGO_BIN_EXE_obkmq"))
        .args(words.split_whitespace())
        .arg("--port")
        .arg(port)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends without reading its input closes the pipe first.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(port.to_str().unwrap(), "$PORT");
    Done { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

#[test]
fn settings_are_read_changed_and_given_back() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let port = &device.port;
    let run = |words| {
        let done = obkmq(home.path(), port, words, "");
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{words}");
        done.stdout
    };
    assert_eq!(run("config get mqtt.port"), "1883\n");
    assert_eq!(run("config set mqtt.port 1884"), "mqtt.port = 1884\n");
    let list = run("config list");
    assert!(list.contains("mqtt.port") && list.contains("1884\n"), "{list}");
    assert!(list.contains("  (default)"), "{list}");
    assert_eq!(run("config unset mqtt.port"), "mqtt.port = 1883\n");
    assert_eq!(
        run("--json config get mqtt.port"),
        "{\"v\":1,\"type\":\"setting\",\"key\":\"mqtt.port\",\"value\":\"1883\",\"default\":true}\n"
    );
}

#[test]
fn a_secret_is_set_without_being_seen() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let done = obkmq(home.path(), &device.port, "config set wifi.password --password-stdin", "apple pie\n");
    assert_eq!((done.code, done.stdout.as_str()), (0, "wifi.password = (set)\n"), "{}", done.stderr);
    assert!(!done.stderr.contains("apple"), "{}", done.stderr);
}

#[test]
fn a_setting_the_device_refuses_is_exit_8_in_its_words() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let port = &device.port;
    let done = obkmq(home.path(), port, "config set mqtt.port 70000", "");
    assert_eq!(done.code, 8);
    assert!(done.stderr.contains("(bad-value)") && done.stderr.contains("65535"), "{}", done.stderr);
    let done = obkmq(home.path(), port, "config get mqtt.prot", "");
    assert_eq!(done.code, 8);
    assert!(done.stderr.contains("(unknown-key)"), "{}", done.stderr);
}

#[test]
fn a_user_is_set_saved_for_the_owner_only_and_deleted() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let port = &device.port;
    let words = "config set-user house --password-stdin --save -H 192.168.1.30";
    let done = obkmq(home.path(), port, words, "apple pie\n");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("in clear"), "{}", done.stderr);
    assert!(!(done.stdout + &done.stderr).contains("apple"), "the password is shown");
    let profile = home.path().join(".config/obkmq/obkmq.toml");
    assert_eq!(std::fs::metadata(&profile).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&profile).unwrap();
    for line in ["host = \"192.168.1.30:1883\"", "user = \"house\"", "password = \"apple pie\""] {
        assert!(text.contains(line), "{line} in {text}");
    }

    let done = obkmq(home.path(), port, "config del-user house", "");
    assert_eq!((done.code, done.stdout.as_str()), (0, "user house is deleted; 0 left\n"));
}

#[test]
fn a_user_gets_rights_together_with_the_password() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let port = &device.port;
    let words = "config set-user house --password-stdin --no-save --admin";
    let done = obkmq(home.path(), port, words, "apple pie\n");
    assert_eq!((done.code, done.stdout.as_str()), (0, "user house is set\n"), "{}", done.stderr);
    let list = obkmq(home.path(), port, "config list", "").stdout;
    assert!(list.ends_with("  house (everything,admin)\n"), "{list}");
    obkmq(home.path(), port, "config set-user guest --password-stdin --no-save", "pear\n");
    let list = obkmq(home.path(), port, "config list", "").stdout;
    assert!(list.ends_with("  guest, house (everything,admin)\n"), "{list}");
    let list = obkmq(home.path(), port, "config list --json", "").stdout;
    let users = "\"names\":[\"guest\",\"house\"],\"rights\":[\"everything\",\"everything,admin\"]}";
    assert!(list.trim_end().ends_with(users), "{list}");
}

#[test]
fn a_board_joins_a_network_or_says_why_not() {
    let cases = [
        ("home", "correct horse\n", 0, "joined home: the broker is at 192.168.1.30:1883\n"),
        ("home", "wrong horse\n", 9, "the network does not accept the password"),
        ("Home", "correct horse\n", 9, "no network of that name answers"),
        ("dead", "12345678\n", 9, "the network gave the board no address (DHCP)"),
    ];
    std::thread::scope(|scope| {
        for (ssid, password, code, words) in cases {
            scope.spawn(move || {
                let home = tempfile::tempdir().unwrap();
                let networks = &["home:correct horse", "café", "dead:12345678 without DHCP"];
                let device = Device::with(Setup { networks, ..Setup::default() });
                let words_of_command = format!("config set-wifi {ssid} --password-stdin --save");
                let done = obkmq(home.path(), &device.port, &words_of_command, password);
                assert_eq!(done.code, code, "{}", done.stderr);
                let all = done.stdout + &done.stderr;
                assert!(all.contains(words) && !all.contains(password.trim_end()), "{all}");
                let profile = std::fs::read_to_string(home.path().join(".config/obkmq/obkmq.toml"));
                assert_eq!(profile.is_ok_and(|text| text.contains("192.168.1.30")), code == 0);
                let list = obkmq(home.path(), &device.port, "config get wifi.ssid", "").stdout;
                assert_eq!(list, format!("{ssid}\n"), "stored in any case");
            });
        }
    });
}

#[test]
fn a_board_without_wifi_is_told_from_one_that_cannot_join() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let done = obkmq(home.path(), &device.port, "config set-wifi home --open", "");
    assert_eq!(done.code, 8);
    assert!(done.stderr.contains("has no Wi-Fi"), "{}", done.stderr);
    assert_eq!(
        obkmq(home.path(), &device.port, "config get wifi.ssid", "").stdout,
        "\n",
        "nothing was stored"
    );
}

#[test]
fn info_is_a_table_and_one_json_line() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let port = &device.port;
    let table = obkmq(home.path(), port, "info", "").stdout;
    for line in ["firmware", "chip", "clients"].map(|key| format!("{key} ")) {
        assert!(table.lines().any(|other| other.starts_with(&line)), "{line} in\n{table}");
    }
    let json = obkmq(home.path(), port, "info --json", "").stdout;
    let value: serde_json::Value = serde_json::from_str(json.trim_end()).unwrap();
    assert_eq!(value["device"]["chip"], "esp32c3");
    assert_eq!(value["refused"], serde_json::json!([]));
}

#[test]
fn whatever_else_is_behind_the_port_is_explained() {
    let home = tempfile::tempdir().unwrap();
    let cases = [
        (printing("waiting for download"), "ROM loader"),
        (printing("Tasmota 13.1"), "Tasmota 13.1"),
        (newer_protocol(), "version 2"),
    ];
    // At once, because each of them waits until its patience ends.
    std::thread::scope(|scope| {
        for (device, words) in cases {
            let home = home.path();
            scope.spawn(move || {
                let Device { port, .. } = &device;
                let done = obkmq(home, port, "info", "");
                assert_eq!(done.code, 5, "{}", done.stderr);
                assert!(done.stderr.contains(words), "{words} in {}", done.stderr);
                assert_eq!(done.stderr.lines().count(), 3, "{}", done.stderr);
            });
        }
    });
}

/// Another firmware, which prints this for every line.
fn printing(text: &'static str) -> Device {
    Device::with(Setup { prints: Some(text), ..Setup::default() })
}

fn newer_protocol() -> Device {
    let reply = Box::new(|body: &str| vec![body.replace("protocol=1", "protocol=2")]);
    Device::with(Setup { reply, ..Setup::default() })
}

#[test]
fn a_locked_device_is_read_with_a_warning_and_not_unlocked_by_the_way() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::damaged("set log.level warn\nset retain.persist unlikely/#\n", b"unlikely");
    let port = &device.port;
    let done = obkmq(home.path(), port, "config get log.level", "");
    assert_eq!((done.code, done.stdout.as_str()), (0, "warn\n"));
    assert!(done.stderr.starts_with("warning:"), "{}", done.stderr);
    let cells = device.cells();
    let done = obkmq(home.path(), port, "config set mqtt.port 1884", "");
    assert_eq!(done.code, 8);
    assert!(done.stderr.contains("config apply FILE"), "{}", done.stderr);
    assert!(device.cells() == cells, "nothing was written");
}

/// A device that is reset once, when it gets a request that begins so.
fn reset_at(request: &'static str, after: bool) -> Device {
    let mut resets = 1;
    let reaction = move |body: &str| match body.starts_with(request) && resets > 0 {
        true if after => {
            resets -= 1;
            Reaction::ResetAfter
        }
        true => {
            resets -= 1;
            Reaction::ResetBefore
        }
        false => Reaction::Pass,
    };
    Device::with(Setup { request: Box::new(reaction), ..Setup::default() })
}

#[test]
fn a_reset_in_the_middle_of_a_change_is_told_and_made_good() {
    let cases = [("set", false), ("set", true), ("commit", false), ("commit", true)];
    std::thread::scope(|scope| {
        for (request, after) in cases {
            scope.spawn(move || {
                let home = tempfile::tempdir().unwrap();
                let device = reset_at(request, after);
                let done = obkmq(home.path(), &device.port, "config set mqtt.port 1884", "");
                assert_eq!((done.code, done.stdout.as_str()), (0, "mqtt.port = 1884\n"), "{}", done.stderr);
                assert!(done.stderr.contains("was reset in the middle. Trying again."), "{}", done.stderr);
                let words = "config set-user ann --password-stdin --no-save --read a/#";
                assert_eq!(obkmq(home.path(), &device.port, words, "apple\n").code, 0);
            });
        }
    });
}

#[test]
fn a_device_that_is_reset_again_and_again_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    // It is up again when the request comes for the second time.
    let mut up = true;
    let request = move |body: &str| {
        if !body.starts_with("commit") {
            return Reaction::Pass;
        }
        up = !up;
        if up { Reaction::Pass } else { Reaction::ResetBefore }
    };
    let device = Device::with(Setup { request: Box::new(request), ..Setup::default() });
    let done = obkmq(home.path(), &device.port, "config set mqtt.port 1884", "");
    assert_eq!(done.code, 5);
    assert!(done.stderr.contains("a weak supply"), "{}", done.stderr);
    assert_eq!(obkmq(home.path(), &device.port, "config get mqtt.port", "").stdout, "1883\n");
}

#[test]
fn the_monitor_shows_the_device_and_sends_what_is_typed_until_it_is_told_to_end() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let port = &device.port;
    let mut child = Command::new(env!("CARGO_BIN_EXE_obkmq"))
        .args(["monitor", "--port"])
        .arg(port)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"get mqtt.port\n").unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert_eq!(
        lines.find(|line| !line.as_ref().unwrap().starts_with("info")).unwrap().unwrap(),
        "ok key=mqtt.port  value=1883  default=yes"
    );

    // While it watches, nobody else gets the port.
    let done = obkmq(home.path(), port, "info", "");
    assert_eq!(done.code, 4, "{}", done.stderr);
    assert!(done.stderr.contains("is in use"), "{}", done.stderr);

    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));

    // And afterwards it is free at once.
    assert_eq!(obkmq(home.path(), port, "info", "").code, 0);
}

#[test]
fn a_verb_that_only_reads_says_that_nothing_was_changed_when_it_is_interrupted() {
    let home = tempfile::tempdir().unwrap();
    let (asked, asking) = std::sync::mpsc::channel();
    let request = move |_: &str| {
        let _ = asked.send(());
        Reaction::Pass
    };
    // What it answers is lost.
    let wire = |byte, to_device| if to_device { vec![byte] } else { Vec::new() };
    let device = Device::with(Setup { request: Box::new(request), wire: Box::new(wire), ..Setup::default() });
    let child = Command::new(env!("CARGO_BIN_EXE_obkmq"))
        .args(["config", "list", "--port"])
        .arg(&device.port)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    asking.recv().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(errors.contains("stopped: Nothing was changed."), "{errors}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_obkmq"))
        .args(["completions", "bash"])
        .env_clear()
        .env("HOME", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn doctor_looks_at_the_board_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let before = device.cells();
    let done = obkmq(home.path(), &device.port, "doctor", "");
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("ok       board     $PORT: obkmq"), "{}", done.stdout);
    assert!(done.stdout.contains("next: obkmq config set-user NAME"), "{}", done.stdout);
    assert!(device.cells() == before);

    // A broker that is not there is a problem; nothing listens on port 1.
    let done = obkmq(home.path(), &device.port, "doctor -H 127.0.0.1:1", "");
    assert_eq!(done.code, 9, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("problem  broker"), "{}", done.stdout);

    let device = Device::with(Setup { prints: Some("waiting for download"), ..Setup::default() });
    let done = obkmq(home.path(), &device.port, "--json doctor", "");
    assert_eq!(done.code, 5, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("\"check\":\"board\",\"verdict\":\"problem\""), "{}", done.stdout);
}

#[test]
fn doctor_says_that_settings_are_damaged() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::damaged("set mqtt.port 1884\n", &1884_u16.to_le_bytes());
    let done = obkmq(home.path(), &device.port, "doctor", "");
    assert_eq!(done.code, 8, "{}{}", done.stdout, done.stderr);
    assert!(
        done.stdout.contains("problem  settings") && done.stdout.contains("config apply"),
        "{}",
        done.stdout
    );
}

#[test]
fn what_to_type_elsewhere_is_told_without_the_password() {
    let home = tempfile::tempdir().unwrap();
    let device = Device::good();
    let run = |words: &str| obkmq(home.path(), &device.port, words, "");
    let done = run("info --connect");
    assert_eq!(done.code, 2, "nobody knows the address");
    assert!(done.stderr.contains("the network of its computer"), "{}", done.stderr);
    assert_eq!(run("info --connect -H 192.168.1.30:1884").code, 8, "there is no user");
    obkmq(home.path(), &device.port, "config set-user house --password-stdin --no-save", "apple\n");
    let done = run("info --connect -H 192.168.1.30:1884");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.starts_with("host 192.168.1.30, port 1884, user house\n"), "{}", done.stdout);
    for text in [
        "MqttHost 192.168.1.30\n",
        "username: \"house\"\n",
        "Host      192.168.1.30\n",
        "Broker    192.168.1.30\n",
    ] {
        assert!(done.stdout.contains(text), "{}", done.stdout);
    }
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("apple"));
}
