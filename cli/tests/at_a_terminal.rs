//! The real program at a terminal of its own, where it asks: a network out of those in reach, a password without echo, a
//! change to be agreed to.
#![cfg(target_os = "linux")]
// Helper functions of integration tests are not exempt as test functions are.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "each test has its part of it")]
mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::termios::{LocalModes, tcgetattr};
use support::{Device, Setup};

/// Generous: it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, and the terminal that it was started at.
struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What stands on it and was not waited for.
    shown: String,
    /// The program's side.
    line: File,
    program: Child,
}

impl Terminal {
    fn start(home: &Path, device: &Device, words: &str) -> Self {
        let (keyboard, line) = support::terminal();
        // It makes the terminal the program's own: /dev/tty.
        let program = Command::new("setsid")
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_obkmq")])
            .args(words.split_whitespace())
            .current_dir(home)
            .env_clear()
            .env("HOME", home)
            .env("NO_COLOR", "1")
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("OBKMQ_PORT", &device.port)
            .stdin(Stdio::from(line.try_clone().unwrap()))
            .stdout(Stdio::from(line.try_clone().unwrap()))
            .stderr(Stdio::from(line.try_clone().unwrap()))
            .spawn()
            .unwrap();
        let (sender, screen) = mpsc::channel();
        let mut shown = keyboard.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count) = shown.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, screen, shown: String::new(), line, program }
    }

    /// Waits until `text` stands on the screen; what stood before it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some((before, after)) = self.shown.split_once(text) {
                let before = before.to_owned();
                self.shown = after.to_owned();
                return before;
            }
            let Ok(bytes) = self.screen.recv_timeout(PATIENCE) else {
                panic!("{text:?} does not come:\n{}", self.shown);
            };
            self.shown.push_str(&String::from_utf8_lossy(&bytes).replace('\r', ""));
        }
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Its exit code.
    fn end(mut self) -> i32 {
        self.program.wait().unwrap().code().unwrap()
    }
}

fn device() -> Device {
    let networks = &["home:correct horse", "café", "dead:12345678 without DHCP"];
    Device::with(Setup { networks, ..Setup::default() })
}

#[test]
fn a_network_is_chosen_by_its_number_and_the_password_is_not_shown() {
    let home = tempfile::tempdir().unwrap();
    let device = device();
    let mut terminal = Terminal::start(home.path(), &device, "config set-wifi");
    let list = terminal.wait_for("Which one (its number or its name)? ");
    let lines: Vec<&str> = list.lines().filter(|line| line.contains(" dBm")).collect();
    assert_eq!(lines.len(), 3, "{list}");
    let number = |name: &str| {
        let line = lines.iter().find(|line| line.contains(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert!(lines.iter().any(|line| line.contains("café") && line.ends_with("  open")), "{list}");
    assert!(lines.iter().any(|line| line.contains("home") && !line.ends_with("open")), "{list}");
    terminal.type_in(&format!("{}\n", number("home")));
    terminal.wait_for("Password of home (Enter: it has none): ");
    assert!(!terminal.echoes());
    terminal.type_in("correct horse\n");
    let between = terminal.wait_for("Save 192.168.1.30 as the host that other commands talk to? [y/N] ");
    assert!(!between.contains("horse"), "{between}");
    assert!(terminal.echoes());
    terminal.type_in("y\n");
    terminal.wait_for("joined home: the broker is at 192.168.1.30:1883");
    terminal.wait_for("saved in ");
    assert_eq!(terminal.end(), 0);
    let profile = std::fs::read_to_string(home.path().join(".config/obkmq/obkmq.toml")).unwrap();
    assert!(profile.contains("192.168.1.30"), "{profile}");
}

#[test]
fn a_network_is_chosen_by_its_name_and_one_that_cannot_be_is_asked_for_again() {
    let home = tempfile::tempdir().unwrap();
    let device = device();
    let mut terminal = Terminal::start(home.path(), &device, "config set-wifi --open --no-save");
    terminal.wait_for("Which one (its number or its name)? ");
    terminal.type_in("a name that is longer than any network's\n");
    terminal.wait_for("32 bytes");
    terminal.wait_for("Which one (its number or its name)? ");
    terminal.type_in("café\n");
    terminal.wait_for("joined café: the broker is at 192.168.1.30:1883");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn enter_alone_chooses_nothing_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let device = device();
    let before = device.cells();
    let mut terminal = Terminal::start(home.path(), &device, "config set-wifi");
    terminal.wait_for("Which one (its number or its name)? ");
    terminal.type_in("\n");
    terminal.wait_for("stopped: Nothing was changed.");
    assert_eq!(terminal.end(), 130);
    assert!(device.cells() == before);
}

#[test]
fn an_interrupted_password_prompt_gives_the_terminal_back_its_echo() {
    let home = tempfile::tempdir().unwrap();
    let device = device();
    let mut terminal = Terminal::start(home.path(), &device, "config set-user ann --no-save");
    terminal.wait_for("Password of ann: ");
    assert!(!terminal.echoes());
    terminal.type_in("half a passw\x03");
    let between = terminal.wait_for("stopped: Nothing was sent.");
    assert!(!between.contains("half"), "{between}");
    assert!(terminal.echoes());
    assert_eq!(terminal.end(), 130);
}

#[test]
fn a_change_is_made_once_it_is_agreed_to() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("house.toml"), "mqtt.port = 1884\n").unwrap();
    let device = device();
    for (answer, end, code) in
        [("n\n", "stopped: Nothing was changed.", 130), ("y\n", "1 applied, stored", 0)]
    {
        let mut terminal = Terminal::start(home.path(), &device, "config apply house.toml");
        terminal.wait_for("? [y/N] ");
        terminal.type_in(answer);
        terminal.wait_for(end);
        assert_eq!(terminal.end(), code);
    }
}
