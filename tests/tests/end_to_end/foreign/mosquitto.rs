//! mosquitto's own clients.

use std::net::SocketAddr;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Ended, Program, Tool};

use super::{PASSWORD, USER, broker};
use crate::test_with;

const TOOLS: [Tool; 3] = [Tool::MOSQUITTO_PUB, Tool::MOSQUITTO_SUB, Tool::MOSQUITTO_RR];

pub(super) fn trials() -> Vec<Trial> {
    ["mqttv31", "mqttv311", "mqttv5"]
        .map(|version| {
            let digits = version.trim_start_matches("mqttv").chars().map(String::from).collect::<Vec<_>>();
            let name = format!("mosquittos_clients_speak_mqtt_{}", digits.join("_"));
            test_with(&name, &TOOLS, move || steps(version))
        })
        .into()
}

fn steps(version: &'static str) {
    let (_board, address, _home) = broker();
    let clients = Clients { address, version };
    retained(clients);
    live(clients);
    will(clients);
    session(clients);
    let refused = clients.program("mosquitto_pub").args(["-P", "wrong", "-t", "t", "-m", "m"]).run();
    assert_ne!(refused.code, Some(0), "a wrong password was let in");
    assert!(refused.errors.contains("Connection error"), "{}", refused.errors);
    if version == "mqttv5" {
        properties(clients);
        topic_alias(clients);
        flow_control(clients);
        shared_subscription(clients);
        request_and_response(clients);
    }
}

/// How to start clients of one protocol version.
#[derive(Clone, Copy)]
struct Clients {
    address: SocketAddr,
    version: &'static str,
}

impl Clients {
    fn program(self, name: &str) -> Program {
        let port = self.address.port().to_string();
        let logged_in = ["-V", self.version, "-h", "127.0.0.1", "-p", &port, "-u", USER, "-P", PASSWORD];
        Program::new(name).args(logged_in)
    }

    fn publish(self, arguments: &[&str]) -> Ended {
        self.program("mosquitto_pub").args(arguments).run().expect(0)
    }

    /// Starts to publish 0, 1, 2 and so on. Its end is not waited for: at times mosquitto_pub misses that of its
    /// input and stays.
    fn publish_numbers(self, count: u32, topic: &str, qos: &str) -> Board {
        let numbers: String = (0..count).map(|number| format!("{number}\n")).collect();
        let publisher = self.program("mosquitto_pub").args(["-t", topic, "-q", qos, "-l"]);
        Board::start(publisher.input(&numbers))
    }

    /// Subscribes until so many messages have come, or fails after 20 s; its output.
    fn collect(self, count: &str, arguments: &[&str]) -> String {
        self.program("mosquitto_sub").args(["-C", count, "-W", "20"]).args(arguments).run().expect(0).output
    }

    /// A subscriber that runs, and is subscribed: it has seen the retained message of "ready".
    fn listener(self, arguments: &[&str]) -> Board {
        let mut listener =
            Board::start(self.program("mosquitto_sub").args(["-t", "ready", "-v"]).args(arguments));
        self.publish(&["-t", "ready", "-m", "now", "-r"]);
        listener.line("ready now");
        listener
    }
}

/// At every quality of service, and what a late subscriber sees of it.
fn retained(clients: Clients) {
    for qos in ["0", "1", "2"] {
        clients.publish(&["-t", &format!("house/{qos}"), "-m", &format!("level {qos}"), "-q", qos, "-r"]);
    }
    let format = ["-t", "house/+", "-F", "%t %p qos=%q retain=%r", "-q", "2"];
    let seen = clients.collect("3", &format);
    let mut lines: Vec<_> = seen.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "house/0 level 0 qos=0 retain=1",
            "house/1 level 1 qos=1 retain=1",
            "house/2 level 2 qos=2 retain=1"
        ]
    );
    for qos in ["0", "2"] {
        clients.publish(&["-t", &format!("house/{qos}"), "-n", "-q", "1", "-r"]);
    }
    // What was deleted would come first, or the count would end before.
    let mark = ["-t", "house/2", "-t", "house/0", "-t", "house/1"];
    assert_eq!(clients.collect("1", &[&mark[..], &["-v"]].concat()), "house/1 level 1\n");
}

/// Through a wildcard, in the order they were sent.
fn live(clients: Clients) {
    let mut listener = clients.listener(&["-t", "live/#", "-q", "2"]);
    for qos in ["0", "1", "2"] {
        let topic = format!("live/a/{qos}");
        let _publisher = clients.publish_numbers(100, &topic, qos);
        for number in 0..100 {
            assert_eq!(listener.line("live/"), format!("{topic} {number}"));
        }
    }
}

/// When its client is killed.
fn will(clients: Clients) {
    let mut listener = clients.listener(&["-t", "will/#", "-q", "1"]);
    let will = ["--will-topic", "will/mortal", "--will-payload", "gone", "--will-qos", "1", "-i", "mortal"];
    drop(clients.listener(&will));
    assert_eq!(listener.line("will/"), "will/mortal gone");
}

/// Queued while away, at both levels that are.
fn session(clients: Clients) {
    let sleeper = ["-c", "-i", "sleeper", "-q", "2", "-t", "sleep/#"];
    clients.program("mosquitto_sub").args(sleeper).args(["-E"]).run().expect(0);
    for qos in ["1", "2"] {
        clients.publish(&["-t", &format!("sleep/{qos}"), "-m", "queued", "-q", qos]);
    }
    let seen = clients.collect("2", &[&sleeper[..], &["-F", "%t %p qos=%q"]].concat());
    let mut lines: Vec<_> = seen.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["sleep/1 queued qos=1", "sleep/2 queued qos=2"]);
}

fn properties(clients: Clients) {
    let format = "%t %p type=%C answer=%R data=%D format=%F user=%P id=%S expiry=%E";
    let subscription = ["-t", "data/#", "-q", "1", "-D", "subscribe", "subscription-identifier", "7"];
    let mut publication = vec!["-t", "data/set", "-m", "{}", "-q", "1", "-r"];
    for property in [
        &["content-type", "application/json"][..],
        &["response-topic", "data/answer"],
        &["correlation-data", "c0ffee"],
        &["payload-format-indicator", "1"],
        &["user-property", "room", "attic"],
        &["user-property", "room", "cellar"],
        &["message-expiry-interval", "300"],
    ] {
        publication.extend(["-D", "publish"]);
        publication.extend(property);
    }
    clients.publish(&publication);
    let seen = clients.collect("1", &[&subscription[..], &["-F", format]].concat());
    let (seen, expiry) = seen.trim_end().split_once(" expiry=").unwrap();
    assert_eq!(
        seen,
        "data/set {} type=application/json answer=data/answer data=c0ffee format=1 \
         user=room:attic room:cellar id=7"
    );
    assert!((290..=300).contains(&expiry.parse::<u32>().unwrap()), "{expiry}");
}

/// It names its topic once and then only the alias.
fn topic_alias(clients: Clients) {
    let mut listener = clients.listener(&["-t", "alias/#", "-q", "1"]);
    let repeated = ["-t", "alias/long", "-m", "again", "-q", "1", "--repeat", "3"];
    clients.publish(&[&repeated[..], &["-D", "publish", "topic-alias", "1"]].concat());
    for _ in 0..3 {
        assert_eq!(listener.line("alias/"), "alias/long again");
    }
}

/// One message at a time.
fn flow_control(clients: Clients) {
    let mut slow = clients.listener(&["-t", "flow/#", "-q", "2", "-D", "connect", "receive-maximum", "1"]);
    let _publisher = clients.publish_numbers(20, "flow/2", "2");
    for number in 0..20 {
        assert_eq!(slow.line("flow/"), format!("flow/2 {number}"));
    }
}

fn shared_subscription(clients: Clients) {
    let crew = [(); 2].map(|()| clients.listener(&["-t", "$share/crew/job/+", "-t", "mark/end", "-q", "1"]));
    for number in 0..10 {
        clients.publish(&["-t", &format!("job/{number}"), "-m", "do", "-q", "1"]);
    }
    clients.publish(&["-t", "mark/end", "-m", "do", "-q", "1"]);
    let mut done = Vec::new();
    for mut member in crew {
        let share: Vec<_> =
            std::iter::from_fn(|| Some(member.line(" do")).filter(|line| line != "mark/end do")).collect();
        assert!(!share.is_empty(), "a member had nothing to do");
        done.extend(share);
    }
    done.sort_unstable();
    assert_eq!(done, (0..10).map(|number| format!("job/{number} do")).collect::<Vec<_>>(), "each done once");
}

/// One asks and waits for the answer, on a topic that it names in its request.
fn request_and_response(clients: Clients) {
    let mut server = clients.listener(&["-t", "ask/time", "-F", "%t %p %R", "-q", "1"]);
    let request = ["-t", "ask/time", "-e", "answer/42", "-m", "what?", "-q", "1"];
    let mut asking = Board::start(clients.program("mosquitto_rr").args(request));
    assert_eq!(server.line("ask/"), "ask/time what? answer/42");
    clients.publish(&["-t", "answer/42", "-m", "noon", "-q", "1"]);
    asking.line("noon");
}
