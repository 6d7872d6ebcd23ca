//! Files and trials over a wire that loses, doubles and flips bytes, brings lines again late and resets the device.
//! Everything is drawn from a seed, so a failure names the seed that shows it again.

use obkmq_config::limits::FILE_PIECE_LIMIT_BYTES;
use obkmq_config::line::{Answer, Client, Command, Event, FileCommand, Hello};

use super::files::{contents, free, info};
use super::*;
use crate::FileInfo;

/// Xorshift: what matters is that a seed always gives the same faults.
struct Random(u64);

impl Random {
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

/// A node behind the wire. One byte in `rate` is hurt, and a request in `reset_one_in` meets a reset; 0 is never.
struct Bench {
    world: World,
    random: Random,
    rate: u64,
    reset_one_in: u64,
    /// A request that comes again later.
    late: Vec<u8>,
    resets: u32,
}

impl Bench {
    fn new(world: World, seed: u64, rate: u64, reset_one_in: u64) -> Self {
        let random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { world, random, rate, reset_one_in, late: Vec::new(), resets: 0 }
    }

    fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            match (self.random.one_in(self.rate), self.random.below(3)) {
                (false, _) => out.push(*byte),
                (true, 0) => {}
                (true, 1) => out.extend([*byte, *byte]),
                (true, _) => out.push(*byte ^ (1 << self.random.below(8))),
            }
        }
        out
    }

    fn output(&mut self) -> Vec<u8> {
        let bytes = self.world.node.console_output().to_vec();
        self.world.node.console_written(bytes.len());
        bytes
    }

    /// Sends a request until it is answered; `None` if the client gave up.
    fn ask(&mut self, client: &mut Client, first: String) -> Option<Answer> {
        let mut to_send = Some(first);
        while let Some(line) = to_send {
            // Half of the resets come before the request is executed.
            let reset = self.random.one_in(self.reset_one_in);
            let before = reset && self.random.one_in(2);
            if before {
                self.reset();
            }
            let mut bytes = self.carry(line.as_bytes());
            if self.rate > 0 && self.random.one_in(4) {
                bytes.extend(core::mem::replace(&mut self.late, line.into_bytes()));
            }
            self.world.node.console_input(&bytes);
            self.world.wait_ms(10);
            if reset && !before {
                self.reset();
            }
            let answers = self.output();
            for byte in self.carry(&answers) {
                if let Some(Event::Answer(answer)) = client.receive(byte) {
                    return Some(answer);
                }
            }
            to_send = client.resend();
        }
        None
    }

    /// The power goes and comes; a reset takes longer than anything holds a line back.
    fn reset(&mut self) {
        let flash = Ram { cut: None, ..self.world.node.board.flash.clone() };
        self.world = World::boot(flash);
        self.late.clear();
        self.resets += 1;
    }

    fn command(&mut self, client: &mut Client, command: &Command<'_>) -> Option<bool> {
        let line = client.start(command).unwrap();
        self.ask(client, line).map(|answer| answer.outcome.is_ok())
    }

    /// Puts a file; whether the client knows that it is there.
    fn put(&mut self, client: &mut Client, contents: &[u8]) -> Option<bool> {
        let line = client.hello();
        self.ask(client, line)?;
        let FileInfo { name, bytes, sha256 } = info("a", contents);
        let mut commands = vec![FileCommand::Put { name, bytes, sha256 }];
        for (number, piece) in contents.chunks(FILE_PIECE_LIMIT_BYTES).enumerate() {
            let offset = u32::try_from(number * FILE_PIECE_LIMIT_BYTES).unwrap();
            commands.push(FileCommand::Data { offset, data: piece.into() });
        }
        commands.push(FileCommand::End);
        for command in commands {
            if !self.command(client, &Command::File(command))? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Puts a port on trial and, if `confirmed`, keeps it. The second: whether the client has asked to keep it.
    fn try_port(&mut self, client: &mut Client, port: u16, confirmed: bool) -> (Option<bool>, bool) {
        let begun = (|| {
            let line = client.hello();
            let hello = Hello::from_fields(&self.ask(client, line)?.outcome.ok()?)?;
            let value = format!("{port}");
            for command in [
                Command::Begin { generation: hello.generation },
                Command::Set { key: "mqtt.port".into(), value: value.as_str().into() },
                Command::CommitTrial { seconds: 60 },
            ] {
                if !self.command(client, &command)? {
                    return Some(false);
                }
            }
            Some(true)
        })();
        if begun == Some(true) && confirmed {
            return (self.command(client, &Command::Confirm), true);
        }
        (begun, false)
    }
}

#[derive(Default, Debug)]
struct Tally {
    done: u32,
    refused: u32,
    given_up: u32,
    resets: u32,
}

impl Tally {
    fn add(&mut self, outcome: Option<bool>) {
        match outcome {
            Some(true) => self.done += 1,
            Some(false) => self.refused += 1,
            None => self.given_up += 1,
        }
    }
}

fn put_files(seeds: core::ops::Range<u64>, rate: u64, reset_one_in: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut world = World::boot(Ram::blank());
        let room = free(&mut world);
        let mut before = contents(0, 1_500);
        super::files::put(&mut world, "a", &before).unwrap();
        let mut bench = Bench::new(world, seed, rate, reset_one_in);
        for round in 1..4_u8 {
            let after = contents(round, 1_200 + 100 * usize::from(round));
            let outcome = bench.put(&mut Client::new(seed * 100 + u64::from(round)), &after);
            bench.output();
            let found = read(&mut bench.world);
            assert!(found == before || found == after, "seed {seed}, round {round}: a mixture");
            assert!(
                outcome != Some(true) || found == after,
                "seed {seed}, round {round}: acknowledged and lost"
            );
            tally.add(outcome);
            before = found;
        }
        tally.resets += bench.resets;
        // The wire heals. A run that begins gives back the room of what was unfinished.
        (bench.rate, bench.reset_one_in) = (0, 0);
        let mut client = Client::new(seed);
        let line = client.hello();
        assert!(bench.ask(&mut client, line).is_some(), "seed {seed}");
        bench.world.settle();
        bench.output();
        assert_eq!(free(&mut bench.world), room - 2_000, "seed {seed}");
        let mut world = bench.world.restart();
        assert_eq!((read(&mut world), free(&mut world)), (before, room - 2_000), "seed {seed}");
    }
    println!("file put, a byte in {rate} hurt, a reset in {reset_one_in} requests: {tally:?}");
    tally
}

/// The file, without the console.
fn read(world: &mut World) -> Vec<u8> {
    let mut bytes = vec![0; 4_000];
    let length = world.node.read_file(&super::files::name("a"), 0, &mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

#[test]
fn files_over_a_clean_wire() {
    let tally = put_files(0..5, 0, 0);
    assert_eq!((tally.done, tally.refused, tally.given_up), (15, 0, 0));
}

#[test]
fn files_over_a_bad_wire_are_the_old_ones_or_the_new_ones() {
    let tally = put_files(0..60, 800, 0);
    assert!(tally.done > 100, "{tally:?}");
}

#[test]
fn files_over_a_terrible_wire_are_the_old_ones_or_the_new_ones() {
    let tally = put_files(0..60, 300, 0);
    assert!(tally.done > 0 && tally.given_up > 20, "{tally:?}");
}

#[test]
fn a_reset_inside_an_upload_leaves_the_old_file_or_the_new_one() {
    let tally = put_files(0..60, 2_000, 8);
    assert!(tally.done > 10 && tally.refused > 10 && tally.resets > 60, "{tally:?}");
}

fn try_ports(seeds: core::ops::Range<u64>, rate: u64, reset_one_in: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut bench = Bench::new(World::boot(Ram::blank()), seed, rate, reset_one_in);
        let port = |world: &World| world.node.settings().mqtt_port();
        let stored = |bench: &Bench| port(&World::boot(bench.world.node.board.flash.clone()));
        for round in 0..4_u16 {
            let former = stored(&bench);
            let new = 2_000 + round;
            let mut client = Client::new(seed * 100 + u64::from(round));
            let (outcome, asked) = bench.try_port(&mut client, new, round % 2 == 0);
            let what = format!("seed {seed}, round {round}");
            let kept = stored(&bench);
            assert!(kept == former || (kept == new && asked), "{what}: {kept} is kept");
            assert!(!asked || outcome != Some(true) || kept == new, "{what}: confirmed and lost");
            tally.add(outcome);
            bench.world.wait_ms(60_000);
            bench.output();
            assert_eq!((port(&bench.world), stored(&bench)), (kept, kept), "{what}: after the trial");
        }
        tally.resets += bench.resets;
    }
    println!("trial, a byte in {rate} hurt, a reset in {reset_one_in} requests: {tally:?}");
    tally
}

#[test]
fn trials_over_a_clean_wire() {
    let tally = try_ports(0..10, 0, 0);
    assert_eq!((tally.done, tally.refused, tally.given_up), (40, 0, 0));
}

#[test]
fn trials_over_a_bad_wire_are_kept_only_by_confirm() {
    let tally = try_ports(0..200, 100, 0);
    assert!(tally.done > 400, "{tally:?}");
    let tally = try_ports(0..200, 40, 0);
    assert!(tally.given_up > 100, "{tally:?}");
}

#[test]
fn a_reset_during_a_trial_ends_it() {
    let tally = try_ports(0..200, 500, 6);
    assert!(tally.done > 100 && tally.refused > 100 && tally.resets > 200, "{tally:?}");
}
