//! Clients and tools that nobody here wrote.

use libtest_mimic::Trial;
use obkmq_tests::{Board, Program, Tool};

use crate::{host, test_with};

pub(crate) fn trials() -> Vec<Trial> {
    vec![test_with(
        "mosquittos_clients_work_through_the_broker",
        &[Tool::MOSQUITTO_PUB, Tool::MOSQUITTO_SUB],
        mosquittos_clients,
    )]
}

fn mosquittos_clients() {
    let home = tempfile::tempdir().unwrap();
    let (_board, address) = host::start(home.path(), &[]);
    let port = address.port().to_string();
    let publish = |arguments: &[&str]| {
        Program::new("mosquitto_pub").args(["-h", "127.0.0.1", "-p", &port]).args(arguments).run().expect(0)
    };
    let subscribe = |arguments: &[&str]| {
        Program::new("mosquitto_sub").args(["-h", "127.0.0.1", "-p", &port]).args(arguments)
    };

    // Retained, at every quality of service, and what a late subscriber sees of it.
    for qos in ["0", "1", "2"] {
        publish(&["-t", &format!("house/{qos}"), "-m", &format!("level {qos}"), "-q", qos, "-r"]);
    }
    let seen = subscribe(&["-t", "house/+", "-v", "-C", "3", "-q", "1"]).run().expect(0).output;
    let mut lines: Vec<_> = seen.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["house/0 level 0", "house/1 level 1", "house/2 level 2"]);

    // Live, through a wildcard, in the order they were sent.
    let mut listener = Board::start(subscribe(&["-t", "live/#", "-t", "ready", "-v", "-q", "1"]));
    publish(&["-t", "ready", "-m", "now", "-r"]);
    listener.line("ready now");
    let numbers: String = (0..100).map(|number| format!("{number}\n")).collect();
    let publisher = Program::new("mosquitto_pub");
    publisher
        .args(["-h", "127.0.0.1", "-p", &port, "-t", "live/a/b", "-q", "1", "-l"])
        .input(&numbers)
        .run()
        .expect(0);
    for number in 0..100 {
        assert_eq!(listener.line("live/"), format!("live/a/b {number}"));
    }

    // A will, when its client is killed.
    let will =
        ["-t", "x", "--will-topic", "live/will", "--will-payload", "gone", "--will-qos", "1", "-i", "mortal"];
    let mortal = Board::start(subscribe(&[&will[..], &["-t", "ready", "-v"]].concat()));
    let mut mortal = mortal;
    mortal.line("ready now");
    drop(mortal);
    assert_eq!(listener.line("live/"), "live/will gone");
}
