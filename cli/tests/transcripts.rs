//! Transcripts of the real program: help and error texts, word for word, on a terminal of 60 columns.
//!
//! `UPDATE_GOLDEN=1 cargo test -p obkmq` rewrites `tests/golden/`; the diff is the review.

// Helper functions of integration tests are not exempt as test functions are.
#![allow(clippy::unwrap_used)]

#[path = "support/golden.rs"]
mod golden;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use golden::golden;
use obkmq_image::beken::{Application, CodeKey, Packing, Release, ota};

static COPYING: Mutex<()> = Mutex::new(());

/// A folder of its own as working directory and home: no profile, no image of this machine is found.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    /// Runs `obkmq WORDS` and returns its transcript.
    fn run(&self, words: &str, stdin: &str) -> String {
        // A child that is forked while the copy is open for writing would make it "busy" to the next exec.
        let copying = COPYING.lock().unwrap_or_else(PoisonError::into_inner);
        // A copy elsewhere: from its place in a target folder the program would find images that were built there.
        let program = self.folder.path().join("obkmq");
        if !program.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_obkmq"), &program).unwrap();
        }
        let mut child = Command::new(&program)
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("COLUMNS", "60")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(copying);
        // A program that ends without reading its input closes the pipe first.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let mut transcript = format!("$ obkmq {words}\n");
        transcript.push_str(&String::from_utf8(output.stdout).unwrap());
        let errors = String::from_utf8(output.stderr).unwrap();
        if !errors.is_empty() {
            writeln!(transcript, "[stderr]").unwrap();
            transcript.push_str(&errors);
        }
        writeln!(transcript, "[exit {}]", output.status.code().unwrap()).unwrap();
        transcript.replace(self.folder.path().to_str().unwrap(), "$HOME")
    }
}

#[test]
fn help_of_every_verb() {
    let scene = Scene::new();
    let mut verbs = vec![String::new()];
    // A verb names its verbs, so that none can be forgotten.
    while let Some(verb) = verbs.pop() {
        let words = format!("{verb} --help");
        let transcript = scene.run(words.trim_start(), "");
        let name = if verb.is_empty() { "obkmq".to_owned() } else { verb.replace(' ', "-") };
        for line in transcript.lines() {
            assert!(line.chars().count() <= 60, "too wide in `{words}`: {line}");
        }
        assert!(transcript.contains("Example") || verb.is_empty(), "`{words}` has no example");
        golden(&format!("help-{name}.txt"), &transcript);
        verbs.extend(verbs_in(&transcript).map(|below| format!("{verb} {below}").trim_start().to_owned()));
    }
}

/// The verbs that a help text lists.
fn verbs_in(help: &str) -> impl Iterator<Item = &str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty()).filter_map(|line| {
        let entry = line.strip_prefix("  ").filter(|entry| !entry.starts_with(' '))?;
        entry.split_whitespace().next()
    })
}

/// Several commands in one folder make one golden file.
#[track_caller]
fn commands(name: &str, scene: &Scene, lines: &[(&str, &str)]) {
    let transcripts: Vec<String> = lines.iter().map(|(words, stdin)| scene.run(words, stdin)).collect();
    golden(name, &transcripts.join("\n"));
}

#[test]
fn errors_about_ports() {
    commands(
        "errors-ports.txt",
        &Scene::new().file("notes.txt", b"hello"),
        &[
            ("info --port notes.txt", ""),
            ("monitor --port /dev/null", ""),
            ("config set-user house --port notes.txt --password-stdin", "apple\n"),
            ("--json info --port notes.txt", ""),
        ],
    );
}

#[test]
fn errors_about_images() {
    let scene = Scene::new()
        .file("notes.txt", b"This is not firmware.\n")
        .file("empty.bin", b"")
        .file("noise.bin", &[0x00, 0x5A, 0xC3, 0x99].repeat(1024));
    commands(
        "errors-images.txt",
        &scene,
        &[
            ("flash --port /dev/null", ""),
            ("flash --image missing.bin --port /dev/null", ""),
            ("flash --image notes.txt --port /dev/null", ""),
            ("flash --image empty.bin --port /dev/null", ""),
            ("flash --image noise.bin --port /dev/null", ""),
            ("flash --image . --port /dev/null", ""),
        ],
    );
}

/// A BK7231 application: a vector table and something behind it.
fn beken_code() -> Vec<u8> {
    let mut code = 0xEA00_000E_u32.to_le_bytes().to_vec();
    code.extend([0xE59F_F014_u32; 7].iter().flat_map(|word| word.to_le_bytes()));
    code.extend((0..=255_u8).cycle().take(3000));
    code
}

#[test]
fn what_images_are() {
    let esp = include_bytes!("../../tests/fuzz/seeds/image/app");
    let code = beken_code();
    let app = Application::new(&code).unwrap();
    let release = Release { name: "app".into(), version: "1.00".into(), unix_time: 1_700_000_000 };
    let ua = app.ua(CodeKey::DEFAULT);
    let container = app.container(CodeKey::UASCENT, &release, 0x2000).unwrap();
    let mut damaged = ua.clone();
    damaged[1000] ^= 1;
    let scene = Scene::new()
        .file("esp.bin", esp)
        .file("cut.bin", &esp[..esp.len() / 2])
        .file("ua.bin", &ua)
        .file("container.bin", &container)
        .file("ota.rbl", &ota::encode(app, &release, Packing::default()).unwrap())
        .file("damaged.bin", &damaged)
        .file("foreign.bin", &app.ua(CodeKey([1, 2, 3, 0x1234_5670])))
        .file("short.rbl", &ota::encode(app, &release, Packing::default()).unwrap()[..500])
        .file("notes.txt", b"This is not firmware.\n");
    commands(
        "image-info.txt",
        &scene,
        &[
            ("image info esp.bin", ""),
            ("image info ua.bin", ""),
            ("image info container.bin", ""),
            ("image info ota.rbl", ""),
            ("--json image info container.bin", ""),
            ("image info cut.bin", ""),
            ("image info damaged.bin", ""),
            ("image info foreign.bin", ""),
            ("image info short.rbl", ""),
            ("image info notes.txt", ""),
            ("image info missing.bin", ""),
        ],
    );
}

#[test]
fn scripts_that_run_and_that_do_not() {
    let scene = Scene::new()
        .file("helper.be", b"var helper = module('helper')\nhelper.double = / x -> x * 2\nreturn helper\n")
        .file("good.be", b"import helper\nprint('twice', helper.double(21), 7 / 2.0)\n")
        .file("wide.be", b"print(1 << 40)\n")
        .file("wrong.be", b"def f(a)\n  return a + 'x'\nend\nprint('before')\nf(1)\n")
        .file("broken.be", b"print(1)\n\tvar x = nobody + 1\n")
        .file("board.be", b"ms_subscribe('homeassistant/+', def (topic, payload) print(topic) end)\n")
        .file("bomb.be", b"def f() var l = [] while true l.push(l) end end\nf()\n")
        .file(
            "start.bat",
            b"startDriver MQTTServer\n// of another device\nstartDriver TuyaMCU\ntuyaMcu_defWiFiState 4\n\
              backlog setChannel 1; echo done\nif $CH1==1 then nonsense\ngoto nowhere\n",
        );
    commands(
        "script.txt",
        &scene,
        &[
            ("script run good.be", ""),
            ("script run --wide wide.be", ""),
            ("script run wrong.be", ""),
            ("script run --chip bomb.be", ""),
            ("script run missing.be", ""),
            ("script run /dev/zero", ""),
            ("script run board.be", ""),
            ("script check good.be broken.be board.be", ""),
            ("script check start.bat", ""),
        ],
    );
}

#[test]
fn errors_about_passwords() {
    commands(
        "errors-passwords.txt",
        &Scene::new(),
        &[
            ("config set-user house", "apple\n"),
            ("config set-user house --password-stdin", ""),
            ("config set-user house --password-stdin", "\n"),
            ("config set-user house --password-stdin", &"x".repeat(200)),
            ("config set-user house --password-stdin", "tab\there\n"),
            ("config set-user house --password-from env:HOUSE_PW", ""),
            ("config set-user house --password-from apple", ""),
            ("config set-user house --password-from file:/dev/zero", ""),
            ("config set-user house apple", ""),
            ("config set-wifi home apple", ""),
            ("config set-wifi home --password-stdin", "short\n"),
            ("config set wifi.password apple-pie", ""),
            ("config set wifi.password", ""),
            ("config set-wifi an-ssid-that-is-longer-than-32-bytes", ""),
        ],
    );
}

#[test]
fn errors_about_the_network_and_the_profile() {
    commands(
        "errors-no-host.txt",
        &Scene::new(),
        &[
            ("bench", ""),
            ("bench -H broker:0", ""),
            ("bench -H mqtt://house:apple@broker", ""),
            ("--json bench -H house:apple@broker", ""),
        ],
    );
    let scene = Scene::new().file("obkmq.toml", b"host = \"broker\"\npasword = \"apple\"\n");
    commands("errors-profile.txt", &scene, &[("bench", "")]);
    let scene = Scene::new().file("obkmq.toml", b"host = \"broker\"\npassword = \"env:MQTT_PW\"\n");
    commands("errors-profile-reference.txt", &scene, &[("bench", "")]);
}

#[test]
fn errors_of_usage() {
    commands(
        "errors-usage.txt",
        &Scene::new(),
        &[
            ("", ""),
            ("flsh", ""),
            ("flash --baud 1", ""),
            ("config set mqtt.port", ""),
            ("config set-user house --save --no-save", ""),
            ("config set-user house --password-stdin --read home/#/x", "apple\n"),
            ("config set-user house --keep-password", ""),
            ("config set-user house --everything --read home/#", ""),
        ],
    );
}

/// What Debian installs, with the two lines that most people add.
#[test]
fn moving_in_from_mosquitto_as_debian_installs_it() {
    let scene = Scene::new()
        .file("mosquitto.conf", include_bytes!("mosquitto/debian.conf"))
        .file("passwd", include_bytes!("mosquitto/passwd"));
    std::fs::create_dir(scene.folder.path().join("conf.d")).unwrap();
    let scene = scene
        .file("conf.d/README", b"not a configuration")
        .file("conf.d/local.conf", b"listener 1883\npassword_file /etc/mosquitto/passwd\n");
    commands("import-debian.txt", &scene, &[("import mosquitto mosquitto.conf -o house.toml", "")]);
}

/// The files of a house, and of one with everything that this broker has not.
#[test]
fn moving_in_from_mosquitto() {
    let scene = Scene::new()
        .file("mosquitto.conf", include_bytes!("mosquitto/mosquitto.conf"))
        .file("passwd", include_bytes!("mosquitto/passwd"))
        .file("aclfile", include_bytes!("mosquitto/aclfile"))
        .file("bad.conf", b"password_file missing\n")
        .file("there.toml", b"");
    commands(
        "import-mosquitto.txt",
        &scene,
        &[
            ("import mosquitto mosquitto.conf -o house.toml", ""),
            ("import mosquitto mosquitto.conf -o strict.toml --strict --quiet", ""),
            ("import mosquitto mosquitto.conf -o there.toml", ""),
            ("--json import mosquitto bad.conf", ""),
            ("import mosquitto missing.conf", ""),
            ("import mosquitto", ""),
            ("import mosquitto --retained mqtt://house:apple@broker", ""),
            ("import mosquitto --retained mqtt://house@broker -H new --old-password apple", ""),
            ("import mosquitto --retained mqtt://broker -H broker", ""),
        ],
    );
}

#[test]
fn completions_are_scripts() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let transcript = scene.run(&format!("completions {shell}"), "");
        assert!(transcript.ends_with("[exit 0]\n"), "{transcript}");
        assert!(transcript.contains("set-user"), "{shell} does not know `config set-user`");
        let keys = transcript.contains("mqtt.max_packet_bytes");
        assert_eq!(keys, matches!(shell, "bash" | "zsh"), "keys of settings for {shell}");
    }
}

#[test]
fn errors_about_settings_files() {
    let scene = Scene::new()
        .file("broken.toml", b"[mqtt]\nport = 0\n[users.ann]\npassword = \"apple pie\"\n")
        .file("unset.toml", b"[users.ann]\npassword = \"env:HOUSE_PW\"\n")
        .file("empty.toml", b"\n")
        .file("good.toml", b"# all defaults, no users\n");
    commands(
        "errors-settings-files.txt",
        &scene,
        &[
            ("config apply house.toml", ""),
            ("config apply broken.toml", ""),
            ("config diff unset.toml", ""),
            ("config apply empty.toml --data nowhere --yes", ""),
            ("config diff good.toml --data nowhere", ""),
            ("config apply /dev/zero --data nowhere", ""),
            ("config pack /dev/zero -o x.bin", ""),
            ("run --config /dev/zero", ""),
            ("config apply", ""),
        ],
    );
}

#[test]
fn where_values_come_from() {
    let scene = Scene::new()
        .file("obkmq.toml", b"host = \"broker\"\nuser = \"ann\"\npassword = \"apple\"\ndata = \"d\"\n");
    commands(
        "config-path.txt",
        &scene,
        &[("config path", ""), ("config path --json", ""), ("--profile no.toml config path", "")],
    );
}
