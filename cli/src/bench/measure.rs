//! What the connections write down while the clock runs.
//!
//! All times are nanoseconds after the start of the clock, on this machine's monotonic clock: sender and
//! receiver are the same process, so no clock is compared with another.

use std::time::Instant;

use hdrhistogram::Histogram;
use hdrhistogram::errors::CreationError;

use super::ledger::{Arrival, Ledger};
use super::limits;
use super::payload::Stamp;
use super::scenario::{Flow, Scenario};
use super::schedule::Schedule;

/// The running figures of one run.
#[derive(Debug)]
pub(crate) struct Measurements {
    scenario: Scenario,
    run_tag: u32,
    /// By client; `None` for one that does not publish.
    schedules: Vec<Option<Schedule>>,
    /// Messages due before this are accounted for, but their latency is not.
    warm_up_ns: u64,
    started: Option<Instant>,
    /// What arrived.
    pub(crate) ledger: Ledger,
    /// From the intended send time to the arrival, in microseconds, rounded up.
    pub(crate) latency_us: Histogram<u64>,
    /// Messages that left for the socket, by client.
    pub(crate) written: Vec<u64>,
    /// Messages that left more than [`limits::LATE`] after their time.
    pub(crate) late_sends: u64,
    /// The longest any message waited between its time and the socket.
    pub(crate) worst_send_delay_ns: u64,
    /// When the last message arrived.
    pub(crate) last_delivery_ns: u64,
}

/// An empty histogram with three significant digits.
pub(crate) fn histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(1, limits::LATENCY_MAX_US, 3)
}

impl Measurements {
    /// Nothing measured yet; `schedules` is indexed by client.
    pub(crate) fn new(
        scenario: Scenario,
        run_tag: u32,
        schedules: Vec<Option<Schedule>>,
        warm_up_ns: u64,
    ) -> Result<Self, CreationError> {
        let due = |publisher: u32| at(&schedules, publisher).map_or(0, Schedule::count);
        let ledger = Ledger::new(&scenario.flows(), due);
        let written = vec![0; schedules.len()];
        Ok(Self {
            scenario,
            run_tag,
            schedules,
            warm_up_ns,
            started: None,
            ledger,
            latency_us: histogram()?,
            written,
            late_sends: 0,
            worst_send_delay_ns: 0,
            last_delivery_ns: 0,
        })
    }

    /// Sets the zero of the clock.
    pub(crate) fn start(&mut self, at: Instant) {
        self.started = Some(at);
    }

    /// Time on the clock; zero before it starts.
    pub(crate) fn clock_ns(&self, now: Instant) -> u64 {
        let elapsed = self.started.map_or(0, |started| now.saturating_duration_since(started).as_nanos());
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }

    /// `receiver` got a message.
    pub(crate) fn received(&mut self, receiver: u32, topic: &str, payload: &[u8], now: Instant) {
        let now_ns = self.clock_ns(now);
        let Some(publisher) = self.scenario.publisher_of(topic) else {
            self.ledger.stray();
            return;
        };
        let flow = Flow { publisher, receiver };
        let Ok(stamp) = Stamp::decode(payload) else {
            self.ledger.corrupt(flow);
            return;
        };
        let due = at(&self.schedules, publisher).map(|schedule| schedule.intended_ns(stamp.sequence));
        if stamp.run != self.run_tag || stamp.publisher != publisher || due != Some(stamp.intended_ns) {
            self.ledger.stray();
            return;
        }
        if self.ledger.arrived(flow, stamp.sequence) == Arrival::First {
            self.last_delivery_ns = now_ns;
            if stamp.intended_ns >= self.warm_up_ns {
                self.latency_us.saturating_record(now_ns.saturating_sub(stamp.intended_ns).div_ceil(1_000));
            }
        }
    }

    /// The next message of `publisher` went to its socket. They go in the order of their numbers.
    pub(crate) fn wrote(&mut self, publisher: u32, now: Instant) {
        let now_ns = self.clock_ns(now);
        let index = usize::try_from(publisher).unwrap_or(usize::MAX);
        let (Some(written), Some(schedule)) = (self.written.get_mut(index), at(&self.schedules, publisher))
        else {
            return;
        };
        let delay_ns = now_ns.saturating_sub(schedule.intended_ns(*written));
        *written += 1;
        self.worst_send_delay_ns = self.worst_send_delay_ns.max(delay_ns);
        if u128::from(delay_ns) > limits::LATE.as_nanos() {
            self.late_sends += 1;
        }
    }

    /// How many messages `publisher` has sent.
    pub(crate) fn sent_by(&self, publisher: u32) -> u64 {
        usize::try_from(publisher).ok().and_then(|index| self.written.get(index)).copied().unwrap_or(0)
    }

    /// How many messages all have sent.
    pub(crate) fn sent(&self) -> u64 {
        self.written.iter().sum()
    }

    /// How many messages all were to send.
    pub(crate) fn scheduled(&self) -> u64 {
        self.schedules.iter().flatten().map(Schedule::count).sum()
    }
}

fn at(schedules: &[Option<Schedule>], client: u32) -> Option<&Schedule> {
    usize::try_from(client).ok().and_then(|index| schedules.get(index)).and_then(Option::as_ref)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RUN: u32 = 7;

    /// Two clients, ten messages per second each for two seconds, the first second being warm-up.
    fn started() -> (Measurements, Instant) {
        let schedules =
            (0..2).map(|index| Some(Schedule::staggered(index, 2, 10, Duration::from_secs(2)))).collect();
        let mut measurements = Measurements::new(Scenario::ring(2, "r"), RUN, schedules, 1_000_000_000)
            .expect("bounds are valid");
        let start = Instant::now();
        measurements.start(start);
        (measurements, start)
    }

    fn message(sequence: u64) -> Vec<u8> {
        Stamp { run: RUN, publisher: 0, sequence, intended_ns: sequence * 100_000_000 }.encode(64)
    }

    #[test]
    fn latency_runs_from_the_intended_time_and_leaves_the_warm_up_out() {
        let (mut measurements, start) = started();
        measurements.received(1, "obkmq-bench/r/0", &message(0), start + Duration::from_millis(900));
        assert_eq!(measurements.latency_us.len(), 0);
        measurements.received(1, "obkmq-bench/r/0", &message(12), start + Duration::from_micros(1_203_000));
        assert_eq!(measurements.latency_us.len(), 1);
        assert!(measurements.latency_us.equivalent(measurements.latency_us.max(), 3_000));
        assert_eq!(measurements.ledger.delivered(), 2, "the warm-up counts for delivery");
    }

    #[test]
    fn a_duplicate_adds_no_latency() {
        let (mut measurements, start) = started();
        for ms in [1_510, 1_900] {
            measurements.received(1, "obkmq-bench/r/0", &message(15), start + Duration::from_millis(ms));
        }
        assert_eq!(measurements.latency_us.len(), 1);
        assert_eq!(measurements.ledger.tally(|_| 1).1.duplicate, 1);
    }

    #[test]
    fn damage_is_laid_at_the_publishers_door_and_foreign_messages_are_stray() {
        let (mut measurements, start) = started();
        let mut damaged = message(3);
        damaged[40] ^= 1;
        measurements.received(1, "obkmq-bench/r/0", &damaged, start);
        let other_run = Stamp { run: RUN + 1, publisher: 0, sequence: 0, intended_ns: 0 }.encode(32);
        let other_time = Stamp { run: RUN, publisher: 0, sequence: 1, intended_ns: 1 }.encode(32);
        let other_publisher = Stamp { run: RUN, publisher: 1, sequence: 0, intended_ns: 0 }.encode(32);
        measurements.received(1, "obkmq-bench/r/0", &other_publisher, start);
        measurements.received(1, "obkmq-bench/r/0", &other_run, start);
        measurements.received(1, "obkmq-bench/r/0", &other_time, start);
        measurements.received(1, "obkmq-bench/r/1", &message(0), start);
        measurements.received(1, "else/where", &message(0), start);
        let (_, tally) = measurements.ledger.tally(|_| 0);
        assert_eq!((tally.corrupt, tally.delivered, measurements.ledger.strays()), (1, 0, 5));
    }

    #[test]
    fn a_message_that_waits_for_its_socket_is_late() {
        let (mut measurements, start) = started();
        measurements.wrote(0, start + Duration::from_millis(9));
        measurements.wrote(0, start + Duration::from_millis(150));
        assert_eq!((measurements.sent_by(0), measurements.late_sends), (2, 1));
        assert_eq!(measurements.worst_send_delay_ns, 50_000_000);
        assert_eq!(measurements.scheduled(), 40);
    }
}
