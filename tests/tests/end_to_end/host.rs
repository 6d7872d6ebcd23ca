//! `obkmq run`: the broker on a PC.

use std::net::SocketAddr;
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Client, Program, connack};

use crate::test;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        test("run_without_a_user_says_that_only_this_machine_may_connect", run_says_who_may_connect),
        test("run_with_a_settings_file_lets_its_users_in_and_nobody_else", run_with_a_settings_file),
        test("run_on_a_port_in_use_says_so", run_on_a_port_in_use),
        test("run_with_a_bad_settings_file_says_where", run_with_a_bad_file),
        test("a_malformed_packet_closes_that_link_only", malformed_closes_that_link_only),
    ];
    if cfg!(unix) {
        trials.push(test("run_ends_cleanly_on_sigterm", run_ends_cleanly));
        trials.push(test("users_of_a_running_broker_come_and_go", users_come_and_go));
    }
    trials
}

/// A broker on a free port of this machine.
pub(crate) fn start(home: &Path, arguments: &[&str]) -> (Board, SocketAddr) {
    let program = Program::obkmq(home).args(["run", "--listen", "127.0.0.1:0"]).args(arguments);
    let mut board = Board::start(program);
    let address = address_in(&board.line("listens on 127.0.0.1:"));
    (board, address)
}

pub(crate) fn address_in(line: &str) -> SocketAddr {
    let words = line.split(|character: char| character.is_whitespace() || character == ',');
    words
        .filter_map(|word| word.trim_end_matches(['.', ';']).parse().ok())
        .next()
        .unwrap_or_else(|| panic!("no address: {line}"))
}

/// A settings file with the user "house" and the password "correct horse"; nobody else may connect.
pub(crate) fn settings_file(home: &Path) -> String {
    std::fs::write(home.join("password"), "correct horse\n").unwrap();
    let path = home.join("house.toml");
    std::fs::write(&path, "[users.house]\npassword = \"file:password\"\n").unwrap();
    path.to_str().unwrap().to_owned()
}

fn run_says_who_may_connect() {
    let home = tempfile::tempdir().unwrap();
    let (mut board, address) = start(home.path(), &[]);
    board.line("No user is set, so only this");
    assert_eq!(connack(address, None), Some(0));
}

fn run_with_a_settings_file() {
    let home = tempfile::tempdir().unwrap();
    let (mut board, address) = start(home.path(), &["--config", &settings_file(home.path())]);
    assert_eq!(connack(address, Some(("house", "correct horse"))), Some(0));
    assert_eq!(connack(address, Some(("house", "wrong"))), Some(4));
    let log = board.line("refused: wrong user name or password");
    assert!(log.contains("\"end-to-end\"") && log.contains("\"house\"") && log.contains("next: "), "{log}");
    assert_eq!(connack(address, None), Some(5));
    board.line("refused: anonymous access is not allowed");
}

fn users_come_and_go() {
    let home = tempfile::tempdir().unwrap();
    let (_board, address) = start(home.path(), &["--data", "data"]);
    let config = |words: &[&str], input: &str| {
        Program::obkmq(home.path())
            .args(["config"])
            .args(words)
            .args(["--data", "data"])
            .input(input)
            .run()
            .expect(0)
    };
    assert_eq!(connack(address, None), Some(0));
    config(&["set-user", "ann", "--password-stdin", "--no-save"], "correct horse\n");
    assert_eq!(connack(address, Some(("ann", "correct horse"))), Some(0), "at once");
    assert_eq!(connack(address, None), Some(5), "who has users has said who may come in");
    config(&["del-user", "ann"], "");
    assert_eq!(connack(address, Some(("ann", "correct horse"))), Some(4));
}

fn run_ends_cleanly() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let data = data.to_str().unwrap();
    for _ in 0..2 {
        let (board, address) = start(home.path(), &["--data", data]);
        assert_eq!(connack(address, None), Some(0));
        Program::new("kill").args(["-TERM", &board.id().to_string()]).run().expect(0);
        assert_eq!(board.wait().unwrap().code(), Some(0));
    }
}

fn run_on_a_port_in_use() {
    let home = tempfile::tempdir().unwrap();
    let (_board, address) = start(home.path(), &[]);
    let ended = Program::obkmq(home.path()).args(["run", "--listen", &address.to_string()]).run().expect(9);
    assert!(
        ended.errors.contains(&address.to_string()) && ended.errors.contains("next:"),
        "{}",
        ended.errors
    );
}

fn run_with_a_bad_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("bad.toml");
    std::fs::write(&path, "[mqtt]\nport = 99999\n").unwrap();
    let ended = Program::obkmq(home.path()).args(["run", "--config", path.to_str().unwrap()]).run().expect(8);
    assert!(ended.errors.contains("line 2") && ended.errors.contains("1..=65535"), "{}", ended.errors);
}

fn malformed_closes_that_link_only() {
    let home = tempfile::tempdir().unwrap();
    let (_board, address) = start(home.path(), &[]);
    let connect = |id: u8| [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, id];
    let mut good = Client::open(address);
    good.send(&connect(b'g'));
    assert_eq!(good.read(4), [0x20, 2, 0, 0]);
    for bad in [
        &[0xF0, 0][..],
        &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        &[0x30, 2, 0, 9],
        &[0x82, 3, 0, 0, 0],
        &connect(b'b'),
    ] {
        let mut client = Client::open(address);
        client.send(&connect(b'b'));
        assert_eq!(client.read(4), [0x20, 2, 0, 0]);
        client.send(bad);
        assert!(client.read(1).is_empty(), "{bad:x?} was not the end of its connection");
    }
    good.send(&[0xC0, 0]);
    assert_eq!(good.read(2), [0xD0, 0]);
}
