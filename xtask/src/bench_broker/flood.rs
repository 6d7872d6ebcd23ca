//! As many messages as the broker takes: publishers that are never further ahead of the slowest reader than a window,
//! so that a broker which drops what its readers do not take has nothing to drop.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::crowd::Crowd;
use super::machine::{self, CpuTime};
use super::wire::{self, Packet, kind};

/// What every message carries.
const PAYLOAD: &[u8; 16] = b"0123456789abcdef";
/// The part of the messages, as a divisor, that is sent before measuring begins: buffers have their size then.
const WARM_UP_DIVISOR: u64 = 10;
/// Writes between two looks at what has come back.
const WRITES_PER_TURN: usize = 16;

/// Who floods whom, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flood {
    pub(super) publishers: usize,
    /// Every one of them gets every message.
    pub(super) subscribers: usize,
    pub(super) qos: u8,
    /// Messages in one write.
    pub(super) batch: u16,
    /// Messages under way at most.
    pub(super) window: u64,
}

/// What a flood has cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) delivered: u64,
    pub(super) broker: CpuTime,
    pub(super) wall: Duration,
}

impl Cost {
    /// CPU seconds of the broker per million messages delivered.
    pub(super) fn seconds_per_million(&self) -> f64 {
        self.broker.used.as_secs_f64() * 1e6 / self.delivered as f64
    }
}

impl Flood {
    /// Publishes until `deliveries` have been counted, and measures all but a warm-up.
    pub(super) fn run(&self, crowd: &mut Crowd, pid: u32, deliveries: u64) -> Result<Cost> {
        let mut run = Run::prepare(self, crowd)?;
        let messages = (deliveries / self.subscribers as u64).max(1);
        run.publish(crowd, messages / WARM_UP_DIVISOR)?;
        let (broker, begin) = (machine::cpu_time(pid)?, Instant::now());
        let before = run.delivered();
        run.publish(crowd, messages)?;
        Ok(Cost {
            delivered: run.delivered() - before,
            wall: begin.elapsed(),
            broker: machine::cpu_time(pid)?.since(broker),
        })
    }
}

/// The clients of a flood and how far they are.
struct Run {
    flood: Flood,
    publishers: Vec<Publisher>,
    tally: Tally,
    published: u64,
}

struct Publisher {
    client: usize,
    /// The messages of one write, one behind the other.
    batch: Vec<u8>,
    message_bytes: usize,
    last_id: u16,
}

/// What has arrived, by number of client.
struct Tally {
    received: Vec<u64>,
    subscribers: Vec<usize>,
    acknowledged: u64,
    strange: u64,
}

impl Tally {
    fn note(&mut self, client: usize, packet: Packet<'_>) {
        match packet.kind() {
            kind::PUBLISH if packet.body.ends_with(PAYLOAD) => {
                if let Some(count) = self.received.get_mut(client) {
                    *count += 1;
                }
            }
            kind::PUBACK => self.acknowledged += 1,
            _ => self.strange += 1,
        }
    }

    /// What the slowest reader has.
    fn slowest(&self) -> u64 {
        let counts = self.subscribers.iter().filter_map(|&client| self.received.get(client));
        counts.copied().min().unwrap_or(0)
    }
}

impl Run {
    fn prepare(flood: &Flood, crowd: &mut Crowd) -> Result<Self> {
        // One topic for each publisher: what a broker remembers of the last topic is of no use to the next.
        let topic = |publisher: usize| format!("bench/{publisher:02}/state");
        let filter = if flood.publishers > 1 { "bench/+/state".to_owned() } else { topic(0) };
        let mut subscribers = Vec::new();
        for number in 0..flood.subscribers {
            let client = crowd.join(&format!("reader-{number:02}"))?;
            crowd.subscribe(client, &[&filter], flood.qos)?;
            subscribers.push(client);
        }
        let mut publishers = Vec::new();
        for number in 0..flood.publishers {
            let client = crowd.join(&format!("writer-{number:02}"))?;
            let message = wire::publish(&topic(number), PAYLOAD, (flood.qos > 0).then_some(0));
            let batch = message.repeat(flood.batch.into());
            publishers.push(Publisher { client, batch, message_bytes: message.len(), last_id: 0 });
        }
        let received = vec![0; flood.publishers + flood.subscribers];
        let tally = Tally { received, subscribers, acknowledged: 0, strange: 0 };
        Ok(Self { flood: *flood, publishers, tally, published: 0 })
    }

    fn delivered(&self) -> u64 {
        self.tally.received.iter().sum()
    }

    /// What is through in every respect.
    fn done(&self) -> u64 {
        let slowest = self.tally.slowest();
        if self.flood.qos > 0 { slowest.min(self.tally.acknowledged) } else { slowest }
    }

    /// Publishes `messages` more and waits until all are through.
    fn publish(&mut self, crowd: &mut Crowd, messages: u64) -> Result<()> {
        let batch = u64::from(self.flood.batch);
        let end = self.published + messages.next_multiple_of(batch);
        let mut turn = 0;
        while self.done() < end {
            let mut may_go_on = false;
            for _ in 0..WRITES_PER_TURN {
                may_go_on = self.published < end && self.published + batch <= self.done() + self.flood.window;
                if !may_go_on {
                    break;
                }
                let count = self.publishers.len();
                let publisher = self.publishers.get_mut(turn % count).context("nobody publishes")?;
                turn += 1;
                if crowd.is_idle(publisher.client) {
                    publisher.number(self.flood.qos);
                    crowd.send(publisher.client, &publisher.batch)?;
                    self.published += batch;
                }
            }
            let tally = &mut self.tally;
            if may_go_on {
                crowd.turn(Some(Duration::ZERO), |client, packet| tally.note(client, packet))?;
            } else {
                let waited = crowd.turn_patiently(|client, packet| tally.note(client, packet));
                waited.with_context(|| format!("{} of {end} messages arrived everywhere", self.done()))?;
            }
        }
        if self.tally.strange > 0 || self.delivered() != self.published * self.flood.subscribers as u64 {
            bail!("the broker delivered something else than was published");
        }
        Ok(())
    }
}

impl Publisher {
    /// Gives the messages of the batch the next packet identifiers.
    fn number(&mut self, qos: u8) {
        if qos == 0 {
            return;
        }
        for message in self.batch.chunks_exact_mut(self.message_bytes) {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let place = message.len() - PAYLOAD.len() - 2;
            if let Some(id) = message.get_mut(place..place + 2) {
                id.copy_from_slice(&self.last_id.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_of_a_batch_gets_an_identifier_of_its_own_and_never_0() {
        let message = wire::publish("a", PAYLOAD, Some(0));
        let mut publisher =
            Publisher { client: 0, batch: message.repeat(2), message_bytes: message.len(), last_id: 65_534 };
        publisher.number(1);
        let expected = [wire::publish("a", PAYLOAD, Some(65_535)), wire::publish("a", PAYLOAD, Some(1))];
        assert_eq!(publisher.batch, expected.concat());
    }
}
