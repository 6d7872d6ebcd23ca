//! Both ends against each other over a wire that loses, doubles and flips bytes, repeats lines late and resets the
//! device. Everything is drawn from a seed, so a failure names the seed that shows it again.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::password::PasswordHash;
use crate::settings::{Capabilities, Draft, Settings};

/// Xorshift: what matters is that a seed always gives the same faults.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        bound > 0 && self.below(bound) == 0
    }
}

/// One direction of the wire. `rate`: one byte in so many is hurt; 0 is a clean wire.
struct Wire {
    rate: u64,
    /// A line that comes again later.
    late: Option<Vec<u8>>,
}

impl Wire {
    fn carry(&mut self, line: &[u8], random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in line {
            match (random.one_in(self.rate), random.below(4)) {
                (false, _) => out.push(*byte),
                (true, 0) => {}
                (true, 1) => out.extend([*byte, *byte]),
                (true, 2) => out.push(*byte ^ (1 << random.below(8))),
                (true, _) => out.extend([*byte, u8::try_from(random.below(256)).unwrap()]),
            }
        }
        if self.rate > 0 && random.one_in(4) {
            out.extend(self.late.replace(line.to_vec()).unwrap_or_default());
        }
        out
    }
}

/// A device as small as it can be: settings, a transaction, and the session that is under test.
struct Device {
    buffer: LineBuffer,
    session: Session,
    settings: Settings,
    draft: Option<Draft>,
    /// Answer of the changing request in work, and for how many more turns.
    work: Option<(u32, Reply, u64)>,
    /// How often each changing request was executed.
    executed: BTreeMap<String, u32>,
}

impl Device {
    fn new() -> Self {
        Self {
            buffer: LineBuffer::new(),
            session: Session::new(),
            settings: Settings::default(),
            draft: None,
            work: None,
            executed: BTreeMap::new(),
        }
    }

    fn reset(&mut self) {
        let (settings, executed) = (self.settings.clone(), core::mem::take(&mut self.executed));
        *self = Self { settings, executed, ..Self::new() };
    }

    fn receive(&mut self, bytes: &[u8], random: &mut Random) -> Vec<String> {
        let mut out = Vec::new();
        for byte in bytes {
            let Some(raw) = self.buffer.push(*byte) else { continue };
            match read_line(raw) {
                Incoming::Typed(line) => {
                    if let Ok(command) = Command::parse(line) {
                        assert!(!command.is_changing(), "{line:?} was taken as typed");
                    }
                    out.push("error: what?\r\n".to_string());
                }
                Incoming::Unreadable { framed: true, code, message } => {
                    out.push(Reply::err(code, message).to_frame(0));
                }
                Incoming::Unreadable { framed: false, .. } => out.push("error: what?\r\n".to_string()),
                Incoming::Request(Frame { seq, body }) => {
                    let body = body.to_string();
                    self.request(seq, &body, random, &mut out);
                }
            }
            if random.one_in(200) {
                out.push("info: a log line between two others\r\n".to_string());
            }
        }
        out
    }

    fn request(&mut self, seq: u32, body: &str, random: &mut Random, out: &mut Vec<String>) {
        let command = match Command::parse(body) {
            Ok(command) => command,
            Err(error) => return out.push(Reply::from(&error).to_frame(seq)),
        };
        match self.session.admit(seq, &command) {
            Admission::Replay(line) => out.push(line.to_string()),
            Admission::Ignore => {}
            Admission::Refuse(reply) => out.push(reply.to_frame(seq)),
            Admission::NewRun => {
                (self.draft, self.work) = (None, None);
                self.answer(seq, &command, out);
            }
            Admission::Execute if command.is_changing() => {
                *self.executed.entry(format!("{seq} {body}")).or_default() += 1;
                let reply = self.change(&command).unwrap_or_else(|reply| reply);
                self.work = Some((seq, reply, random.below(3)));
            }
            Admission::Execute => self.answer(seq, &command, out),
        }
    }

    fn change(&mut self, command: &Command<'_>) -> Result<Reply, Reply> {
        let no_transaction = || Reply::err(ErrorCode::NoTransaction, "begin first");
        match command {
            Command::Begin { generation } => {
                self.draft =
                    Some(Draft::begin(&self.settings, *generation).map_err(|error| Reply::from(&error))?);
            }
            Command::Set { key, value } => {
                let draft = self.draft.as_mut().ok_or_else(no_transaction)?;
                draft.set(key, value).map_err(|error| Reply::from(&error))?;
            }
            Command::Commit => {
                let draft = self.draft.take().ok_or_else(no_transaction)?;
                self.settings = draft.finish().map_err(|error| Reply::from(&error))?;
            }
            other => return Err(Reply::err(ErrorCode::UnknownCommand, format!("{other:?}"))),
        }
        Ok(Reply::ok(Fields::new().with("gen", self.settings.generation())))
    }

    fn answer(&mut self, seq: u32, command: &Command<'_>, out: &mut Vec<String>) {
        let mut lines = 0;
        if *command == Command::List {
            for entry in self.settings.entries() {
                lines += 1;
                let fields = Fields::new().with("key", entry.key.name).with("value", entry.value);
                out.push(Reply::More { number: lines, fields }.to_frame(seq));
            }
        }
        let fields = Hello::new("0", "none", "test", &self.settings, "ok", Capabilities::NONE).to_fields();
        out.push(Reply::Ok { lines, fields }.to_frame(seq));
    }

    /// Time passes: work gets done.
    fn turn(&mut self) -> Option<String> {
        match self.work.take() {
            Some((seq, reply, 0)) => Some(self.session.finish(seq, &reply)),
            work => {
                self.work = work.map(|(seq, reply, turns)| (seq, reply, turns - 1));
                None
            }
        }
    }
}

struct Bench {
    random: Random,
    device: Device,
    there: Wire,
    back: Wire,
    reset_one_in: u64,
}

impl Bench {
    fn new(seed: u64, rate: u64) -> Self {
        let wire = || Wire { rate, late: None };
        Self {
            random: Random::new(seed),
            device: Device::new(),
            there: wire(),
            back: wire(),
            reset_one_in: 0,
        }
    }

    /// Sends a request until it is answered; `None` if the client gave up.
    fn ask(&mut self, client: &mut Client, first: String) -> Option<Answer> {
        let mut to_send = Some(first);
        while let Some(line) = to_send {
            let mut lines = VecDeque::new();
            let bytes = self.there.carry(line.as_bytes(), &mut self.random);
            lines.extend(self.device.receive(&bytes, &mut self.random));
            // Two turns, then the client's patience ends: work of three turns sees a copy of its request.
            for _ in 0..2 {
                if self.random.one_in(self.reset_one_in) {
                    self.device.reset();
                    // A reset takes longer than anything on the way holds a line back.
                    (self.there.late, self.back.late) = (None, None);
                    lines.push_back("rst:0x1 (POWERON)\r\n".to_string());
                }
                lines.extend(self.device.turn());
                while let Some(line) = lines.pop_front() {
                    for byte in self.back.carry(line.as_bytes(), &mut self.random) {
                        if let Some(Event::Answer(answer)) = client.receive(byte) {
                            return Some(answer);
                        }
                    }
                }
            }
            to_send = client.resend();
        }
        None
    }

    /// Changes two settings in one transaction; whether the client knows that it is committed.
    fn transaction(&mut self, client: &mut Client, value: u64) -> Option<bool> {
        let hello = client.hello();
        let hello = Hello::from_fields(&self.ask(client, hello)?.outcome.ok()?).unwrap();
        let value = value.to_string();
        let set = |key: &'static str| Command::Set { key: key.into(), value: value.as_str().into() };
        for command in [
            Command::Begin { generation: hello.generation },
            set("mqtt.port"),
            set("mqtt.max_clients"),
            Command::Commit,
        ] {
            let line = client.start(&command).unwrap();
            if self.ask(client, line)?.outcome.is_err() {
                return Some(false);
            }
        }
        Some(true)
    }
}

#[derive(Default)]
struct Tally {
    committed: u32,
    refused: u32,
    given_up: u32,
}

fn sweep(seeds: core::ops::Range<u64>, rate: u64, reset_one_in: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut bench = Bench::new(seed, rate);
        bench.reset_one_in = reset_one_in;
        for value in 2_000..2_004 {
            let before = bench.device.settings.clone();
            let outcome = bench.transaction(&mut Client::new(seed * 100 + value), value);
            let after = &bench.device.settings;
            let whole = (u64::from(after.mqtt_port()), u64::from(after.max_clients())) == (value, value);
            assert!(whole || *after == before, "seed {seed}: half applied: {after:?}");
            match outcome {
                Some(true) => {
                    assert!(whole, "seed {seed}: confirmed, but not applied");
                    tally.committed += 1;
                }
                Some(false) => tally.refused += 1,
                None => tally.given_up += 1,
            }
            for (request, times) in core::mem::take(&mut bench.device.executed) {
                assert_eq!(times, 1, "seed {seed}: {request} was executed more than once");
            }
        }
        // The wire heals: whatever is left in either end's buffer, the next run works.
        (bench.there.rate, bench.back.rate, bench.reset_one_in) = (0, 0, 0);
        assert_eq!(
            bench.transaction(&mut Client::new(seed), 3_000),
            Some(true),
            "seed {seed}: not in step again"
        );
    }
    tally
}

#[test]
fn a_clean_wire_needs_no_second_try() {
    let tally = sweep(0..10, 0, 0);
    assert_eq!((tally.committed, tally.refused, tally.given_up), (40, 0, 0));
}

#[test]
fn nothing_is_executed_twice_or_by_half_on_a_bad_wire() {
    let tally = sweep(0..500, 200, 0);
    assert!(tally.committed > 1_900, "most get through: {}", tally.committed);
}

#[test]
fn nothing_is_executed_twice_or_by_half_on_a_terrible_wire() {
    let tally = sweep(0..500, 60, 0);
    assert!(tally.committed > 50 && tally.given_up > 50, "{} {}", tally.committed, tally.given_up);
}

#[test]
fn a_reset_inside_a_transaction_leaves_nothing_of_it() {
    let tally = sweep(0..500, 300, 12);
    assert!(tally.committed > 100 && tally.refused > 100, "{} {}", tally.committed, tally.refused);
}

#[test]
fn a_list_is_whole_or_asked_for_again() {
    let mut whole = 0;
    for seed in 0..300 {
        let mut bench = Bench::new(seed, 4_000);
        let mut client = Client::new(seed);
        let line = client.start(&Command::List).unwrap();
        if let Some(answer) = bench.ask(&mut client, line) {
            whole += 1;
            let listed: Vec<_> =
                answer.lines.iter().map(|line| line.get("key").unwrap().to_string()).collect();
            let expected: Vec<_> = bench.device.settings.entries().map(|entry| entry.key.name).collect();
            assert_eq!(listed, expected, "seed {seed}");
        }
    }
    assert!(whole > 200, "{whole}");
}

#[test]
fn a_doubled_line_does_not_stand_in_for_a_lost_one() {
    let row = |number| Reply::More { number, fields: Fields::new().with("row", number) }.to_frame(1001);
    let end = Reply::Ok { lines: 3, fields: Fields::new() }.to_frame(1001);
    let receive = |lines: &[String]| {
        let mut client = Client::new(1);
        client.start(&Command::List).unwrap();
        lines.concat().bytes().filter_map(|byte| client.receive(byte)).collect::<Vec<_>>()
    };
    assert_eq!(receive(&[row(1), row(3), row(3), end.clone()]), [Event::Damaged]);
    let events = receive(&[row(1), row(2), row(2), row(1), row(3), end]);
    let [Event::Answer(Answer { lines, .. })] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(lines.iter().map(|line| line.parse("row").unwrap()).collect::<Vec<u32>>(), [1, 2, 3]);
}

/// Everything between two bytes of a request that a line end can do to it.
#[test]
fn a_line_end_at_every_position_executes_nothing() {
    let user = Command::UserSet { name: "bob".into(), password: "set mqtt.port 1".into() };
    let line = user.to_frame(5).unwrap();
    for at in 1..line.len() - 1 {
        let mut device = Device::new();
        device.session.admit(1, &Command::Hello { nonce: 1 });
        let (head, tail) = line.split_at(at);
        device.receive(format!("{head}\n{tail}").as_bytes(), &mut Random::new(1));
        assert!(device.executed.is_empty(), "cut at {at}");
    }
}

#[test]
fn improv_packets_and_log_text_are_no_commands() {
    let mut device = Device::new();
    let answers = device.receive(b"\nIMPROV\x01\x03\x02\x02\x00\xe5\n\x1b[A\nhello", &mut Random::new(1));
    assert!(answers.iter().all(|line| line.starts_with("error")), "{answers:?}");
}

#[test]
fn a_client_reads_the_text_of_a_device_beside_its_answer() {
    let mut client = Client::new(1);
    let request = client.start(&Command::Commit).unwrap();
    assert!(request.starts_with("\n#1001 commit *"), "{request}");
    let mut events = Vec::new();
    let answer = Reply::ok(Fields::new().with("gen", 3)).to_frame(1001);
    for byte in [b"\r\nboot\xff\r\n#1001 ok gen=3 *0000\n#1001 nonsense\n", answer.as_bytes()].concat() {
        events.extend(client.receive(byte));
    }
    assert_eq!(events[0], Event::Text("boot\u{fffd}".to_string()));
    assert_eq!(events[1], Event::Damaged, "reported once, not for each damaged line");
    let Event::Answer(Answer { lines, outcome: Ok(fields) }) = &events[2] else { panic!("{events:?}") };
    assert!(lines.is_empty());
    assert_eq!(fields.get("gen"), Some("3"));
    assert!(!client.is_pending());
}

#[test]
fn a_client_gives_up_after_its_attempts() {
    let mut client = Client::new(1);
    client.start(&Command::List).unwrap();
    let again: Vec<_> = core::iter::from_fn(|| client.resend()).collect();
    assert_eq!(again.len(), 5);
    assert!(
        again[4].starts_with("\n#1006 list"),
        "a request that changes nothing gets a new number each time"
    );
    client.start(&Command::Commit).unwrap();
    let again: Vec<_> = core::iter::from_fn(|| client.resend()).collect();
    assert!(again.iter().all(|line| line.starts_with("\n#1007 commit")), "a changing one keeps its number");
}

#[test]
fn nothing_prints_a_password() {
    let mut client = Client::new(1);
    client.start(&Command::UserSet { name: "bob".into(), password: "hunter2".into() }).unwrap();
    assert!(!format!("{client:?}").contains("hunter2"));
    let mut settings = Settings::default();
    settings.set_user("bob", PasswordHash::derive(b"hunter2", [0xab; 16])).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("bob") && shown.contains("redacted") && !shown.contains("171"), "{shown}");
}
