//! Transcripts of conversations with a device on a pseudo-terminal, word for word.
//!
//! `UPDATE_GOLDEN=1 cargo test -p obkmq` rewrites `tests/golden/`; the diff is the review.
#![cfg(unix)]
// Helper functions of integration tests are not exempt as test functions are.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;
#[path = "support/schemas.rs"]
mod schemas;
#[allow(dead_code, reason = "each test has its part of it")]
mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use golden::golden;
use support::{Device, Setup};

/// A home with these files.
fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

/// One command and what it reads from its standard input.
type Line = (&'static str, &'static str);

/// The transcript of one command.
fn run(home: &Path, device: &Device, (words, stdin): Line) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_obkmq"))
        .args(words.split_whitespace())
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("OBKMQ_PORT", &device.port)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends without reading its input closes the pipe first.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let mut transcript = format!("$ obkmq {words}\n");
    // Comments of an exported file are those of the settings table, which has its own page.
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.starts_with("# ")) {
        writeln!(transcript, "{line}").unwrap();
    }
    let errors = String::from_utf8(output.stderr).unwrap();
    if !errors.is_empty() {
        write!(transcript, "[stderr]\n{errors}").unwrap();
    }
    writeln!(transcript, "[exit {}]", output.status.code().unwrap()).unwrap();
    let transcript =
        transcript.replace(home.to_str().unwrap(), "$HOME").replace(device.port.to_str().unwrap(), "$PORT");
    // How much room there is, is the storage's affair.
    match transcript.split_once("room for ") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|character: char| character.is_ascii_digit());
            format!("{before}room for $ROOM{after}")
        }
        None => transcript,
    }
}

/// A conversation makes one golden file.
#[track_caller]
fn conversation(name: &str, files: &[(&str, &str)], setup: Setup, lines: &[Line]) {
    let home = home(files);
    let device = Device::with(setup);
    let transcripts: Vec<String> = lines.iter().map(|line| run(home.path(), &device, *line)).collect();
    golden(name, &transcripts.join("\n"));
}

const HOUSE: &str = "\
[mqtt]
port = 1884
max_clients = 40
[users.ann]
password = \"file:ann\"
rights = [\"read a/#\"]
";

#[test]
fn users_of_a_new_board() {
    conversation(
        "talk-users.txt",
        &[],
        Setup::default(),
        &[
            ("config set-user house --password-stdin", "apple\n"),
            ("config set-user guest --password-stdin --read home/# --write home/%u/%c", "pear\n"),
            ("config set-user guest --keep-password --admin", ""),
            ("config set-user house --password-stdin --save -H 192.168.1.30", "plum\n"),
            ("config path", ""),
            ("config del-user gues", ""),
            ("config del-user guest", ""),
            ("--json config del-user house", ""),
        ],
    );
}

#[test]
fn a_settings_file_and_back() {
    conversation(
        "talk-apply.txt",
        &[
            ("house.toml", HOUSE),
            ("ann", "apple\n"),
            ("wrong.toml", "[mqtt]\nport = 80\n[panel]\nport = 80\n"),
            ("keep.toml", "[users.bob]\npassword = \"keep\"\n"),
        ],
        Setup::default(),
        &[
            ("config set mqtt.max_clients 30", ""),
            ("config diff house.toml", ""),
            ("config apply house.toml", ""),
            ("config apply house.toml --yes", ""),
            ("config apply house.toml --yes", ""),
            ("config diff house.toml", ""),
            ("config export", ""),
            ("config apply wrong.toml --yes", ""),
            ("config apply keep.toml --yes", ""),
            ("config rollback", ""),
            ("config get mqtt.port", ""),
            ("config rollback", ""),
            ("config get mqtt.port", ""),
        ],
    );
}

#[test]
fn a_trial() {
    conversation(
        "talk-trial.txt",
        &[("house.toml", HOUSE), ("ann", "apple\n")],
        Setup::default(),
        &[
            ("config confirm", ""),
            ("config apply house.toml --yes --trial 5", ""),
            ("config apply house.toml --yes --trial 600", ""),
            ("config get mqtt.port", ""),
            ("config rollback", ""),
            ("config get mqtt.port", ""),
            ("config apply house.toml --yes --trial 600", ""),
            ("config confirm", ""),
            ("config get mqtt.port", ""),
        ],
    );
}

#[test]
fn files() {
    conversation(
        "talk-files.txt",
        &[("autoexec.be", "print('hello')\n"), ("a name.be", "x"), ("empty.be", "")],
        Setup::default(),
        &[
            ("script ls", ""),
            ("script put autoexec.be", ""),
            ("script put autoexec.be", ""),
            ("script put empty.be --as other.be", ""),
            ("script put missing.be", ""),
            ("script ls", ""),
            ("script get autoexec.be", ""),
            ("script get autoexec.be -o copy.be", ""),
            ("script get autoexec.be -o nowhere/copy.be", ""),
            ("script get none.be", ""),
            ("script rm none.be", ""),
            ("script rm autoexec.be other.be", ""),
            ("script ls", ""),
        ],
    );
}

#[test]
fn a_network() {
    conversation(
        "talk-wifi.txt",
        &[],
        Setup { networks: &["home:correct horse", "dead:12345678 without DHCP"], ..Setup::default() },
        &[
            ("config set-wifi", ""),
            ("config set-wifi home", ""),
            ("config set-wifi home --password-stdin", "wrong horse\n"),
            ("config set-wifi dead --password-stdin", "12345678\n"),
            ("config set-wifi nowhere --open", ""),
            ("config set-wifi home --password-stdin --save", "correct horse\n"),
            ("info --connect", ""),
        ],
    );
}

/// Somebody else has changed the settings since the greeting.
#[test]
fn settings_that_changed_meanwhile() {
    let reply = Box::new(|body: &str| vec![body.replace("gen=1 ", "gen=0 ")]);
    conversation(
        "talk-stale.txt",
        &[("house.toml", HOUSE), ("ann", "apple\n")],
        Setup { reply, ..Setup::default() },
        &[
            ("config set mqtt.port 1884", ""),
            ("config set mqtt.port 1885", ""),
            ("config apply house.toml --yes", ""),
            ("config set-user bob --password-stdin", "apple\n"),
        ],
    );
}

/// What works with firmware of another schema, and what does not.
#[test]
fn firmware_that_is_newer_and_firmware_that_is_older() {
    let files = [("house.toml", HOUSE), ("ann", "apple\n"), ("log.toml", "[log]\nlevel = \"warn\"\n")];
    let lines: &[Line] = &[
        ("--verbose config get mqtt.port", ""),
        ("config diff house.toml", ""),
        ("config apply house.toml --yes", ""),
        ("config apply log.toml --yes", ""),
        ("config set-user bob --password-stdin", "apple\n"),
        ("config export", ""),
    ];
    conversation(
        "talk-newer.txt",
        &files,
        Setup { reply: Box::new(schemas::newer()), ..Setup::default() },
        lines,
    );
    conversation(
        "talk-older.txt",
        &files,
        Setup { reply: Box::new(schemas::older()), ..Setup::default() },
        lines,
    );
}

/// A protocol that this program does not speak, and firmware of somebody else.
#[test]
fn firmware_that_speaks_otherwise() {
    let reply = Box::new(|body: &str| vec![body.replace("protocol=1", "protocol=2")]);
    let lines: &[Line] = &[("config list", "")];
    conversation("talk-protocol.txt", &[], Setup { reply, ..Setup::default() }, lines);
    let other = Setup { prints: Some("Tasmota 13.1"), ..Setup::default() };
    conversation("talk-other-firmware.txt", &[], other, lines);
}
