//! What is measured: the works of the project's speed table, each with its goal.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::crowd::{self, Crowd};
use super::flood::Flood;
use super::instruments::Instrument;
use super::machine::{self, Cores};
use super::paced;
use super::peers::{Contender, Running};

/// One work; `--only` takes these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Work {
    /// One publisher, one reader, QoS 0, many messages in one write
    Batched,
    /// The same with one message in one write
    Single,
    /// One publisher, 50 readers
    FanOut,
    /// 50 publishers, one reader
    FanIn,
    /// One publisher, one reader, QoS 1
    Qos1,
    /// User-space instructions of a lone message of QoS 0 and of QoS 1 (callgrind)
    Instructions,
    /// Memory of an idle client with two subscriptions
    Memory,
    /// Latency at 5,000 messages a second
    Latency,
    /// Connections accepted in a second
    Connects,
    /// System calls of a message, flooded and paced (strace)
    Calls,
}

/// When a figure is good enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Goal {
    /// At most so many times the best peer's.
    TimesBestPeer(f64),
    /// At least the best peer's; more is better.
    AtLeastBestPeer,
    /// At most this, whatever the peers do.
    AtMost(f64),
    /// Told only.
    None,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) unit: &'static str,
    pub(super) goal: Goal,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) cores: Cores,
    /// Messages delivered by a flood.
    pub(super) messages: u64,
    /// The part of every amount, as a divisor, that is done.
    pub(super) divisor: u64,
}

/// The figures of one run of a work, one for each of its rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) figures: Vec<f64>,
    /// The part of the time in which the broker had work, where the generator gave as much as it could.
    pub(super) busy: Option<f64>,
}

impl From<Vec<f64>> for Sample {
    fn from(figures: Vec<f64>) -> Self {
        Self { figures, busy: None }
    }
}

/// Idle clients whose memory is measured; each has a 12-byte identifier and two filters of 24 bytes.
const IDLE_CLIENTS: u64 = 1000;
const CONNECTS: u64 = 4000;
/// Connections of a storm that are under way together.
const CONNECTS_TOGETHER: usize = 32;
const LATENCY_PER_SECOND: u32 = 5000;
const LATENCY_MESSAGES: u64 = 20_000;
/// Lone messages of the shorter of two runs, whose difference counts.
const LONE_MESSAGES: u64 = 500;
/// Flooded messages of the shorter of two runs under strace, which slows a broker by a factor.
const FLOODED_MESSAGES: u64 = 50_000;
const PACED_READERS: usize = 5;
/// A broker under strace has gone back to sleep after this.
const PAUSE: Duration = Duration::from_millis(1);

const CPU: &str = "CPU s/million";

impl Work {
    /// Its lines of the table.
    pub(super) const fn rows(self) -> &'static [Row] {
        match self {
            Self::Batched => {
                &[Row { label: "1→1, QoS 0, 16 B, batches", unit: CPU, goal: Goal::TimesBestPeer(0.5) }]
            }
            Self::Single => {
                &[Row { label: "1→1, QoS 0, one a write", unit: CPU, goal: Goal::TimesBestPeer(0.5) }]
            }
            Self::FanOut => &[Row { label: "fan-out 1→50", unit: CPU, goal: Goal::TimesBestPeer(1.0) }],
            Self::FanIn => &[Row { label: "fan-in 50→1", unit: CPU, goal: Goal::TimesBestPeer(0.5) }],
            Self::Qos1 => &[Row { label: "1→1, QoS 1", unit: CPU, goal: Goal::TimesBestPeer(0.5) }],
            Self::Instructions => &[
                Row { label: "lone message, QoS 0", unit: "instructions", goal: Goal::AtMost(2500.0) },
                Row { label: "lone message, QoS 1", unit: "instructions", goal: Goal::AtMost(4000.0) },
            ],
            Self::Memory => {
                &[Row { label: "idle client, 2 subscriptions", unit: "bytes", goal: Goal::AtMost(600.0) }]
            }
            Self::Latency => &[
                Row { label: "latency at 5,000/s, p50", unit: "µs", goal: Goal::TimesBestPeer(1.0) },
                Row { label: "latency at 5,000/s, p99", unit: "µs", goal: Goal::None },
            ],
            Self::Connects => &[
                Row { label: "connects", unit: "per second", goal: Goal::AtLeastBestPeer },
                Row { label: "CPU of a connect", unit: "µs", goal: Goal::TimesBestPeer(1.0) },
            ],
            Self::Calls => &[
                Row { label: "system calls, flooded", unit: "per message", goal: Goal::AtMost(0.1) },
                Row { label: "system calls, paced, 1 reader", unit: "per message", goal: Goal::AtMost(3.0) },
                Row { label: "system calls, paced, 5 readers", unit: "per message", goal: Goal::AtMost(7.0) },
            ],
        }
    }

    /// What it cannot do without.
    pub(super) const fn instrument(self) -> Option<Instrument> {
        match self {
            Self::Instructions => Some(Instrument::Instructions),
            Self::Calls => Some(Instrument::SystemCalls),
            _ => None,
        }
    }

    /// Whether it counts rather than takes time, so that doing it once is enough.
    pub(super) const fn is_exact(self) -> bool {
        self.instrument().is_some()
    }

    /// Does it once with a newly started broker.
    pub(super) fn measure(self, contender: &Contender, plan: &Plan) -> Result<Sample> {
        match self {
            Self::Batched => flood(contender, plan, &BATCHED),
            Self::Single => flood(contender, plan, &Flood { batch: 1, window: 1000, ..BATCHED }),
            Self::FanOut => {
                flood(contender, plan, &Flood { subscribers: 50, batch: 20, window: 200, ..BATCHED })
            }
            Self::FanIn => flood(contender, plan, &Flood { publishers: 50, batch: 20, ..BATCHED }),
            // No broker has more under way to one client than its window, which is 100 for all.
            Self::Qos1 => flood(contender, plan, &Flood { qos: 1, batch: 25, window: 100, ..BATCHED }),
            Self::Instructions => instructions(contender, plan),
            Self::Memory => memory(contender, plan),
            Self::Latency => latency(contender, plan),
            Self::Connects => connects(contender, plan),
            Self::Calls => calls(contender, plan),
        }
    }
}

const BATCHED: Flood = Flood { publishers: 1, subscribers: 1, qos: 0, batch: 500, window: 5000 };

fn flood(contender: &Contender, plan: &Plan, flood: &Flood) -> Result<Sample> {
    let broker = contender.start(plan.cores, None)?;
    let mut crowd = Crowd::new(broker.address)?;
    let cost = flood.run(&mut crowd, broker.pid(), plan.messages / plan.divisor)?;
    Ok(Sample { figures: vec![cost.seconds_per_million()], busy: Some(cost.broker.busy(cost.wall)) })
}

fn latency(contender: &Contender, plan: &Plan) -> Result<Sample> {
    let broker = contender.start(plan.cores, None)?;
    let mut crowd = Crowd::new(broker.address)?;
    let latency = paced::open_loop(&mut crowd, LATENCY_MESSAGES / plan.divisor, LATENCY_PER_SECOND)?;
    Ok(vec![latency.p50_us, latency.p99_us].into())
}

fn connects(contender: &Contender, plan: &Plan) -> Result<Sample> {
    let broker = contender.start(plan.cores, None)?;
    let total = CONNECTS / plan.divisor;
    let before = machine::cpu_time(broker.pid())?;
    let time = crowd::storm(broker.address, usize::try_from(total)?, CONNECTS_TOGETHER)?;
    let cpu = machine::cpu_time(broker.pid())?.since(before);
    let figures = vec![total as f64 / time.as_secs_f64(), cpu.used.as_secs_f64() * 1e6 / total as f64];
    Ok(Sample { figures, busy: Some(cpu.busy(time)) })
}

fn memory(contender: &Contender, plan: &Plan) -> Result<Sample> {
    let broker = contender.start(plan.cores, None)?;
    let mut crowd = Crowd::new(broker.address)?;
    let settle = |crowd: &mut Crowd, number: u64| -> Result<()> {
        let client = crowd.join(&format!("device-{number:05}"))?;
        let filters = [format!("home/device-{number:05}/cmnd/+"), format!("home/device-{number:05}/state")];
        crowd.subscribe(client, &filters.each_ref().map(String::as_str), 0)
    };
    // The first client has touched whatever all of them share.
    settle(&mut crowd, 0)?;
    let before = machine::anonymous_bytes(broker.pid())?;
    for number in 1..=IDLE_CLIENTS {
        settle(&mut crowd, number)?;
    }
    let after = machine::anonymous_bytes(broker.pid())?;
    Ok(vec![after.saturating_sub(before) as f64 / IDLE_CLIENTS as f64].into())
}

fn instructions(contender: &Contender, plan: &Plan) -> Result<Sample> {
    let messages = LONE_MESSAGES / plan.divisor;
    let of = |qos| {
        each(contender, plan, Instrument::Instructions, messages, |broker, messages| {
            paced::lone(&mut Crowd::new(broker.address)?, messages, 1, qos, Duration::ZERO)
        })
    };
    Ok(vec![of(0)?, of(1)?].into())
}

fn calls(contender: &Contender, plan: &Plan) -> Result<Sample> {
    let flooded = FLOODED_MESSAGES / plan.divisor;
    let flooded = each(contender, plan, Instrument::SystemCalls, flooded, |broker, messages| {
        BATCHED.run(&mut Crowd::new(broker.address)?, broker.pid(), messages).map(drop)
    })?;
    let paced = |readers| {
        let messages = LONE_MESSAGES / plan.divisor;
        each(contender, plan, Instrument::SystemCalls, messages, |broker, messages| {
            paced::lone(&mut Crowd::new(broker.address)?, messages, readers, 0, PAUSE)
        })
    };
    // A timer now and then is nobody's message.
    let whole_tenths = |calls: f64| (calls * 10.0).round() / 10.0;
    Ok(vec![flooded, whole_tenths(paced(1)?), whole_tenths(paced(PACED_READERS)?)].into())
}

/// What one message counts: twice as many messages count that much more, whatever starting and ending counts.
fn each(
    contender: &Contender,
    plan: &Plan,
    instrument: Instrument,
    messages: u64,
    load: impl Fn(&Running, u64) -> Result<()>,
) -> Result<f64> {
    let count = |messages| {
        let broker = contender.start(plan.cores, Some(instrument))?;
        load(&broker, messages)?;
        broker.count()
    };
    let (once, twice) = (count(messages)?, count(2 * messages)?);
    Ok((twice as f64 - once as f64) / messages as f64)
}
