//! Messages with time between them: lone ones, each of which is through before the next, and a steady stream that does
//! not wait for the broker.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::crowd::Crowd;
use super::wire::{self, kind};

const TOPIC: &str = "bench/paced";
/// Messages before measuring begins.
const WARM_UP: u64 = 500;
/// What is under way when the stream has ended has this long to arrive.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Publishes lone messages to some readers: each is published when the one before has reached all of them, and been
/// acknowledged if its QoS asks for that, and after `pause`, in which the broker has gone to sleep.
pub(super) fn lone(crowd: &mut Crowd, messages: u64, readers: usize, qos: u8, pause: Duration) -> Result<()> {
    for number in 0..readers {
        let reader = crowd.join(&format!("reader-{number:02}"))?;
        crowd.subscribe(reader, &[TOPIC], qos)?;
    }
    let writer = crowd.join("writer")?;
    let acknowledgements = usize::from(qos > 0);
    for number in 0..messages {
        let id = u16::try_from(number % 65_535).unwrap_or(0) + 1;
        crowd.send(writer, &wire::publish(TOPIC, b"0123456789abcdef", (qos > 0).then_some(id)))?;
        let mut missing = readers + acknowledgements;
        while missing > 0 {
            crowd.turn_patiently(|_, packet| {
                missing = missing.saturating_sub(match packet.kind() {
                    kind::PUBLISH | kind::PUBACK => 1,
                    _ => 0,
                });
            })?;
        }
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    Ok(())
}

/// How long messages took, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latency {
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

/// Publishes at a steady rate from one client to another, each message with the time at which it was due: a broker that
/// falls behind is not waited for, and what it makes wait counts.
pub(super) fn open_loop(crowd: &mut Crowd, messages: u64, per_second: u32) -> Result<Latency> {
    let reader = crowd.join("reader")?;
    crowd.subscribe(reader, &[TOPIC], 0)?;
    let writer = crowd.join("writer")?;
    let interval = Duration::from_secs(1) / per_second;
    let total = messages + WARM_UP;
    let mut latencies_ns: Vec<u64> = Vec::new();
    let begin = Instant::now();
    let (mut published, mut due, mut arrived) = (0, Duration::ZERO, 0);
    while arrived < total {
        while published < total && due <= begin.elapsed() {
            let due_ns = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX);
            crowd.send(writer, &wire::publish(TOPIC, &due_ns.to_be_bytes(), None))?;
            published += 1;
            due += interval;
        }
        // The generator has a core of its own: it never sleeps, so that its own waking up is no part of the figure.
        crowd.turn(Some(Duration::ZERO), |_, packet| {
            let Some(due_ns) = packet.body.last_chunk().map(|&bytes| u64::from_be_bytes(bytes)) else {
                return;
            };
            let now_ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            arrived += 1;
            if arrived > WARM_UP {
                latencies_ns.push(now_ns.saturating_sub(due_ns));
            }
        })?;
        if published == total && begin.elapsed() > due + LAST_PATIENCE {
            bail!("{arrived} of {total} messages arrived");
        }
    }
    latencies_ns.sort_unstable();
    Ok(Latency {
        p50_us: percentile(&latencies_ns, 50) as f64 / 1000.0,
        p99_us: percentile(&latencies_ns, 99) as f64 / 1000.0,
    })
}

/// The smallest value that so many percent of the values do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!(
            (percentile(&values, 50), percentile(&values, 99), percentile(&values, 100)),
            (100, 198, 200)
        );
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (7, 7, 0));
    }
}
