//! `--json`: every verb prints JSON lines with `v` and `type`, its errors too. The verbs are those that the help names,
//! so that a new one is missed here until it has its lines.

use std::collections::BTreeSet;
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Ended, Program, image};

use crate::story::Sim;
use crate::test;

pub(crate) fn trials() -> Vec<Trial> {
    vec![test("every_verb_speaks_json_lines_its_errors_too", every_verb)]
}

/// One command: its words with a verb first, what it reads, its exit code, and the types of the lines it has to print.
/// `PORT`, `HOST` and `IMAGE` stand for those of the virtual board.
type Line = (&'static str, &'static str, i32, &'static [&'static str]);

const LINES: &[Line] = &[
    ("flash --image IMAGE --dry-run", "", 0, &["plan"]),
    ("flash --image IMAGE --port PORT", "", 0, &["flash"]),
    ("flash --image script.be --port PORT", "", 6, &["error"]),
    ("info --port PORT", "", 0, &["info"]),
    ("config set-user house --password-stdin --port PORT", "apple\n", 0, &["user"]),
    ("config set-user house apple --port PORT", "", 2, &["error"]),
    ("info --connect --port PORT -H HOST", "", 0, &["connect"]),
    ("doctor --port PORT", "", 0, &["finding"]),
    ("config list --port PORT", "", 0, &["setting", "users"]),
    ("config get mqtt.port --port PORT", "", 0, &["setting"]),
    ("config set mqtt.max_clients 50 --port PORT", "", 0, &["setting"]),
    ("config set mqtt.max_clients 0 --port PORT", "", 8, &["error"]),
    ("config rollback --port PORT", "", 0, &["rolled-back"]),
    ("config unset mqtt.max_clients --port PORT", "", 0, &["setting"]),
    ("config export --port PORT", "", 0, &["settings"]),
    ("config diff house.toml --port PORT", "", 1, &["change"]),
    ("config apply house.toml --yes --trial 60 --port PORT", "", 0, &["change", "applied"]),
    ("config confirm --port PORT", "", 0, &["confirmed"]),
    ("config confirm --port PORT", "", 8, &["error"]),
    ("config pack pack.toml -o settings.bin", "", 0, &["pack"]),
    ("config path", "", 0, &["profile"]),
    ("config set-wifi home --password-stdin --port PORT", "correct horse\n", 0, &["wifi"]),
    (
        "bench -H HOST --user house --password-stdin --clients 2 --rate 10 --duration 1s",
        "apple\n",
        0,
        &["bench"],
    ),
    ("config del-user house --port PORT", "", 0, &["user-deleted"]),
    ("script put script.be --port PORT", "", 0, &["file-stored"]),
    ("script ls --port PORT", "", 0, &["file", "files"]),
    ("script get script.be --port PORT", "", 0, &["file"]),
    ("script rm script.be --port PORT", "", 0, &["file-deleted"]),
    ("script run script.be", "", 0, &["print"]),
    ("script run wrong.be", "", 1, &["script-error"]),
    ("script check script.be wrong.be", "", 1, &["check"]),
    ("script import http://127.0.0.1:1", "", 9, &["error"]),
    ("script import http://house:apple@127.0.0.1", "", 2, &["error"]),
    ("backup backup.bin --port PORT", "", 0, &["backup"]),
    ("restore backup.bin --yes --port PORT", "", 0, &["restore"]),
    ("verify --image IMAGE --port PORT", "", 0, &["verify"]),
    ("info --loader --port PORT", "", 0, &["loader"]),
    ("erase --range 0x390000+0x70000 --yes --port PORT", "", 0, &["erase"]),
    ("image info IMAGE", "", 0, &["image"]),
    ("image info script.be", "", 6, &["error"]),
    ("import mosquitto mosquitto.conf", "", 0, &["import"]),
    ("devices --port PORT", "", 0, &["devices"]),
    ("devices nobody state on --port PORT", "", 8, &["error"]),
    ("ports", "", 0, &[]),
    ("completions bash", "", 0, &["completions"]),
    ("man pages", "", 0, &["page"]),
];

/// Verbs that go on until they are ended, and the first line they print.
const ENDLESS: &[(&str, &str)] = &[
    ("run --listen 127.0.0.1:0", "listening"),
    ("sim --flash spare.flash --listen 127.0.0.1:0", "board"),
    ("monitor --port PORT", "line"),
];

fn every_verb() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (name, text) in [
        ("script.be", "print('hello')\n"),
        ("wrong.be", "print(nobody)\n"),
        ("house.toml", "[mqtt]\nmax_clients = 60\n[users.house]\npassword = \"keep\"\n"),
        ("pack.toml", "[mqtt]\nmax_clients = 60\n"),
        ("mosquitto.conf", "listener 1883\n"),
    ] {
        std::fs::write(home.join(name), text).unwrap();
    }
    let mut sim = Sim::start(home, &["--network", "home:correct horse"]);
    let port = sim.port.clone();
    let image = image::esp32c3();
    let mut host = String::new();
    let mut seen = BTreeSet::new();
    for (words, input, code, types) in LINES {
        let words = words.replace("PORT", &port).replace("HOST", &host);
        let words = words.replace("IMAGE", image.to_str().unwrap());
        let ended = obkmq(home, &words).input(input).run();
        let found = lines(&words, &ended);
        assert_eq!(ended.code, Some(*code), "{words}\n{}{}", ended.output, ended.errors);
        for kind in *types {
            assert!(found.contains(*kind), "{words} prints no line of type {kind}:\n{}", ended.output);
        }
        seen.insert(verb(&words));
        if words.starts_with("flash") && words.contains("--port") && *code == 0 {
            host = sim.running().to_string();
        }
    }
    for (words, kind) in ENDLESS {
        let words = words.replace("PORT", &port);
        // What is typed is answered.
        let mut board = Board::start(obkmq(home, &words).input("get mqtt.port\n"));
        let line = board.line(&format!("\"type\":\"{kind}\""));
        check(&words, &line);
        seen.insert(verb(&words));
    }
    for verb in verbs(home, "") {
        assert!(seen.contains(&verb), "`{verb}` has no line in this test");
        let words = format!("{verb} --no-such-option");
        let ended = obkmq(home, &words).run().expect(2);
        assert!(lines(&words, &ended).contains("error"), "{words}: {}", ended.output);
    }
}

fn obkmq(home: &Path, words: &str) -> Program {
    Program::obkmq(home).args(["--json"]).args(words.split_whitespace())
}

/// The first words of a command, up to its options and values, as far as they are verbs.
fn verb(words: &str) -> String {
    const FAMILIES: [&str; 4] = ["config", "script", "image", "import"];
    let mut words = words.split_whitespace();
    let first = words.next().unwrap_or_default();
    let second = words.next().filter(|_| FAMILIES.contains(&first));
    second.map_or_else(|| first.to_owned(), |second| format!("{first} {second}"))
}

/// Every verb without verbs below it, as the help names them.
fn verbs(home: &Path, family: &str) -> Vec<String> {
    let help = Program::obkmq(home).args(family.split_whitespace()).args(["--help"]).run().expect(0).output;
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let entries = list
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|entry| !entry.starts_with(' ')))
        .filter_map(|entry| entry.split_whitespace().next());
    let below: Vec<String> =
        entries.flat_map(|entry| verbs(home, format!("{family} {entry}").trim_start())).collect();
    if below.is_empty() { vec![family.to_owned()] } else { below }
}

/// The types of all lines of a program's output.
fn lines(words: &str, ended: &Ended) -> BTreeSet<String> {
    ended.output.lines().map(|line| check(words, line)).collect()
}

/// The type of a line.
fn check(words: &str, line: &str) -> String {
    let value: serde_json::Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{words}: {error}: {line}"));
    assert_eq!(value["v"], 1, "{words}: {line}");
    value["type"].as_str().unwrap_or_else(|| panic!("{words}: {line}")).to_owned()
}
