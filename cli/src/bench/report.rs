//! The result of a run as data. Serialised it is the content of the `bench` JSON line.
//!
//! Units are in the names. Fields are only ever added; one that changes its meaning raises the version in the
//! line's envelope.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::ledger::Tally;
use super::limits;

/// Everything a run found out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// `HOST:PORT` as the user named it.
    pub(crate) target: String,
    /// Random name of the run; part of its topics and client ids.
    pub(crate) run: String,
    /// What was asked for.
    pub(crate) load: Load,
    /// The run was stopped before its end: the figures are true, but not for the whole load.
    pub(crate) interrupted: bool,
    /// From the start of the clock to the end of settling.
    pub(crate) elapsed_ms: u64,
    /// What became of the messages.
    pub(crate) delivery: Delivery,
    /// From the intended send time to the arrival; absent when nothing arrived after the warm-up.
    pub(crate) latency_us: Option<Percentiles>,
    /// From the start of the TCP connection to CONNACK, over all clients that got that far.
    pub(crate) connect_us: Option<Percentiles>,
    /// Whether the generator kept its own schedule.
    pub(crate) generator: Generator,
    /// Connections that broke while the clock ran.
    pub(crate) lost_connections: Vec<LostConnection>,
    /// Each flow's own account.
    pub(crate) flows: Vec<FlowAccount>,
}

/// The load as it was asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    /// Who talks to whom.
    pub(crate) scenario: &'static str,
    /// Number of clients.
    pub(crate) clients: u32,
    /// Messages per second of each client.
    pub(crate) rate_per_client: u32,
    /// Measured time.
    pub(crate) duration_ms: u64,
    /// Time before it whose latencies are left out.
    pub(crate) warm_up_ms: u64,
    /// Size of each payload.
    pub(crate) payload_bytes: usize,
    /// Quality of service of publications and subscriptions.
    pub(crate) qos: u8,
}

/// What became of the messages of all flows together.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    /// Messages that were due.
    pub(crate) scheduled: u64,
    /// Messages that were written to a connection.
    pub(crate) sent: u64,
    /// Expected, delivered, lost and the rest.
    #[serde(flatten)]
    pub(crate) tally: Tally,
    /// Intact messages that were not meant for their receiver.
    pub(crate) stray: u64,
    /// Deliveries per second, from the start of the clock to the last of them.
    pub(crate) delivered_per_s: u64,
    /// Clients whose subscription was granted with a lower quality of service than asked for.
    pub(crate) downgraded_subscriptions: u32,
}

/// A distribution in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// Number of values.
    pub(crate) count: u64,
    /// Half of the values are at most this.
    pub(crate) p50: u64,
    /// 90 % are at most this.
    pub(crate) p90: u64,
    /// 99 %.
    pub(crate) p99: u64,
    /// 99.9 %.
    pub(crate) p99_9: u64,
    /// All.
    pub(crate) max: u64,
}

impl Percentiles {
    /// `None` for an empty histogram.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        // The histogram answers with the upper end of a bucket, which can lie above the largest value.
        let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max(),
        })
    }
}

/// How well the generator itself did.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Generator {
    /// It could not keep its schedule: the figures say more about this computer than about the broker.
    pub(crate) bottleneck: bool,
    /// Messages written to their connection more than 10 ms late, for whatever reason.
    pub(crate) late_sends: u64,
    /// The longest such delay.
    pub(crate) worst_send_delay_us: u64,
    /// Messages that the generator issued late although their connection was ready.
    pub(crate) late_wakeups: u64,
    /// The longest such delay.
    pub(crate) worst_wakeup_delay_us: u64,
    /// Share of the time that the event loop was busy, 0 to 1; absent where the platform cannot tell.
    pub(crate) busy_share: Option<f64>,
}

impl Generator {
    /// Decides [`Generator::bottleneck`] from the other fields.
    pub(crate) fn judged(mut self, issued: u64) -> Self {
        let too_many_late = self.late_wakeups > issued / limits::LATE_ONE_IN;
        let too_busy = self.busy_share.is_some_and(|share| share > limits::BUSY_SHARE_MAX);
        self.bottleneck = too_many_late || too_busy;
        self
    }
}

/// A connection that broke while the clock ran.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LostConnection {
    /// Client number.
    pub(crate) client: u32,
    /// When, after the start of the clock.
    pub(crate) at_ms: u64,
    /// Why.
    pub(crate) why: String,
}

/// One publisher as one receiver heard it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlowAccount {
    /// Client that sent.
    pub(crate) publisher: u32,
    /// Client that should have received.
    pub(crate) receiver: u32,
    /// Its figures.
    #[serde(flatten)]
    pub(crate) tally: Tally,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure;

    #[test]
    fn percentiles_never_exceed_the_maximum() {
        let mut histogram = measure::histogram().expect("bounds are valid");
        assert_eq!(Percentiles::of(&histogram), None);
        for value in 1..=100_003 {
            histogram.record(value).expect("in range");
        }
        let percentiles = Percentiles::of(&histogram).expect("not empty");
        assert!(
            percentiles.p50.abs_diff(50_000) <= 50 && percentiles.p99.abs_diff(99_000) <= 99,
            "{percentiles:?}"
        );
        assert!(percentiles.p99_9 <= percentiles.max);
    }

    #[test]
    fn the_generator_is_blamed_for_its_own_delays_only() {
        let blamed = |generator: Generator| generator.judged(10_000).bottleneck;
        assert!(!blamed(Generator { late_sends: 9_000, late_wakeups: 10, ..Generator::default() }));
        assert!(blamed(Generator { late_wakeups: 11, ..Generator::default() }));
        assert!(!blamed(Generator { busy_share: Some(0.85), ..Generator::default() }));
        assert!(blamed(Generator { busy_share: Some(0.95), ..Generator::default() }));
    }
}
