//! Moving in from mosquitto: its own programs make the files and hold the messages.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Client, Program, Tool, connack};

use crate::host;
use crate::test_with;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test_with("users_of_mosquitto_log_in_with_the_passwords_they_had", &[Tool::MOSQUITTO_PASSWD], users),
        test_with(
            "after_moving_in_everybody_may_do_what_mosquitto_allowed_and_no_more",
            &[Tool::MOSQUITTO, Tool::MOSQUITTO_PASSWD, Tool::PAHO],
            rights,
        ),
        test_with(
            "retained_messages_move_from_mosquitto_to_obkmq",
            &[Tool::MOSQUITTO, Tool::MOSQUITTO_PUB, Tool::MOSQUITTO_SUB],
            retained,
        ),
    ]
}

fn users() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let passwords = home.join("passwd");
    fs::write(&passwords, "").unwrap();
    for (user, password, kind) in [("ann", "correct horse", "sha512-pbkdf2"), ("bob", "Übung 1", "sha512")] {
        let arguments = ["-b", "-H", kind, passwords.to_str().unwrap(), user, password];
        Program::new("mosquitto_passwd").args(arguments).run().expect(0);
    }
    let conf = "listener 1883\npassword_file /etc/mosquitto/passwd\nacl_file /etc/mosquitto/acl\n";
    fs::write(home.join("mosquitto.conf"), conf).unwrap();
    fs::write(home.join("acl"), "user ann\ntopic readwrite home/#\n").unwrap();
    let import = ["import", "mosquitto", "mosquitto.conf", "-o", "house.toml", "--strict"];
    Program::obkmq(home).args(import).run().expect(0);
    // What somebody may have changed is not written over.
    Program::obkmq(home).args(import).run().expect(2);

    let (_board, address) = host::start(home, &["--config", home.join("house.toml").to_str().unwrap()]);
    for (user, password) in [("ann", "correct horse"), ("bob", "Übung 1")] {
        assert_eq!(connack(address, Some((user, "wrong"))), Some(4), "{user}");
        assert_eq!(connack(address, Some((user, password))), Some(0), "{user}");
    }
    assert_eq!(connack(address, None), Some(5));
}

const RULES: &str = "topic read tele/#\ntopic write a/+\nuser adm\ntopic readwrite #\nuser ann\ntopic a/#\n\
    topic read home/+/x\ntopic write living room/lamp\nuser bob\ntopic read #\ntopic write secret/x\n\
    pattern readwrite home/%u/#\npattern write dev/%c/#\npattern read marker\n";

/// What each user may do at mosquitto with these rules, and at obkmq after the import.
fn probe(rules: &str) -> [serde_json::Value; 2] {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let passwords = home.join("passwd");
    fs::write(&passwords, "").unwrap();
    for user in ["adm", "ann", "bob", "zoe"] {
        let arguments = ["-b", passwords.to_str().unwrap(), user, &user.to_uppercase()];
        Program::new("mosquitto_passwd").args(arguments).run().expect(0);
    }
    fs::write(home.join("acl"), rules).unwrap();
    let folder = home.to_str().unwrap();
    let (_old, old) = mosquitto(home, &format!("password_file {folder}/passwd\nacl_file {folder}/acl\n"));
    Program::obkmq(home).args(["import", "mosquitto", "old.conf", "-o", "new.toml"]).run().expect(0);
    let (_new, new) = host::start(home, &["--config", home.join("new.toml").to_str().unwrap()]);
    [old, new].map(|broker| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/rights_probe.py");
        let output =
            Program::new("python3").args([script, &broker.port().to_string()]).run().expect(0).output;
        serde_json::from_str(&output).unwrap()
    })
}

fn rights() {
    let [old, new] = probe(RULES);
    assert_eq!(old, new);
    assert!(old["bob"]["write"].as_array().unwrap().len() == 3, "it tells rights apart: {old}");

    // What mosquitto denies in part is not allowed at all.
    let [old, new] = probe(&RULES.replace("topic a/#", "topic a/#\ntopic deny a/b/c"));
    assert_ne!(old, new);
    for user in ["ann", "bob", "zoe", "nobody"] {
        for way in ["read", "write"] {
            let (old, new) = (old[user][way].as_array().unwrap(), new[user][way].as_array().unwrap());
            assert!(new.iter().all(|topic| old.contains(topic)), "{user} {way}: {old:?} {new:?}");
        }
    }
}

/// mosquitto on a free port, with these lines in its configuration.
fn mosquitto(home: &Path, lines: &str) -> (Board, SocketAddr) {
    // Free when it is asked for; whoever takes it in between makes the test fail, not lie.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let conf = home.join("old.conf");
    fs::write(
        &conf,
        format!("listener {} 127.0.0.1\nallow_anonymous true\nuser root\n{lines}", address.port()),
    )
    .unwrap();
    let mut board = Board::start(Program::new(Tool::MOSQUITTO.path().unwrap()).args([
        "-v",
        "-c",
        conf.to_str().unwrap(),
    ]));
    board.line("running");
    (board, address)
}

fn retained() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (_old, old) = mosquitto(home, "");
    let port = old.port().to_string();
    let names = ["homeassistant/sensor/a/config", "homeassistant/sensor/b/config"];
    for name in names {
        let publish = ["-p", &port, "-t", name, "-m", "{\"name\":\"x\"}", "-r", "-q", "1"];
        Program::new("mosquitto_pub").args(publish).run().expect(0);
    }
    let (_new, new) = host::start(home, &["--config", &host::settings_file(home)]);
    let carry = |arguments: &[&str]| {
        let (old, new) = (format!("mqtt://{old}"), new.to_string());
        let import =
            ["import", "mosquitto", "--retained", &old, "-H", &new, "--user", "house", "--password-stdin"];
        Program::obkmq(home).args(import).args(arguments).input("correct horse\n").run()
    };
    let ended = carry(&["--strict"]).expect(0);
    assert!(ended.output.contains("2 of 2 retained messages"), "{}", ended.output);
    let port = new.port().to_string();
    let login =
        ["-p", &port, "-u", "house", "-P", "correct horse", "-t", "homeassistant/#", "-C", "2", "-W", "20"];
    let found = Program::new("mosquitto_sub").args(login).args(["-v"]).run().expect(0).output;
    assert!(names.iter().all(|name| found.contains(&format!("{name} {{\"name\":\"x\"}}"))), "{found}");
    // More than mosquitto queues for a client that does not say that it can take them.
    let mut client = Client::open(old);
    client.send(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3C\x00\x01m");
    assert_eq!(client.read(4), [0x20, 2, 0, 0]);
    for number in 1..=1500_u16 {
        // Retained, QoS 1.
        let mut packet = vec![0x33, 14, 0, 9];
        packet.extend(format!("tele/{number:04}").as_bytes());
        packet.extend(number.to_be_bytes());
        packet.push(b'x');
        client.send(&packet);
        assert_eq!(client.read(2), [0x40, 2]);
        assert_eq!(client.read(2), number.to_be_bytes());
    }
    let ended = carry(&["--strict"]).expect(0);
    assert!(ended.output.contains("1502 of 1502 retained messages"), "{}{}", ended.output, ended.errors);

    // An old one that is not there.
    let import = ["import", "mosquitto", "--retained", "mqtt://127.0.0.1:1", "-H", &new.to_string()];
    let ended = Program::obkmq(home).args(import).run().expect(9);
    assert!(ended.errors.contains("127.0.0.1:1") && ended.errors.contains("next:"), "{}", ended.errors);
}
