//! When each message of one publisher is due: fixed before the clock starts, never adjusted by what happens.
//!
//! Times are computed from the sequence number, not by adding intervals, so nothing drifts. Publishers are
//! staggered evenly over one interval; without that, all of them would fire in the same instant and the bench
//! would measure bursts.

use std::time::Duration;

const NANOSECONDS: u128 = 1_000_000_000;

/// The send times of one publisher, in nanoseconds after the start of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    offset_ns: u64,
    rate_hz: u32,
    count: u64,
}

impl Schedule {
    /// Publisher `index` of `publishers`, each sending `rate_hz` messages per second for `duration`.
    ///
    /// There is always at least one message. A rate of zero counts as one.
    pub(crate) fn staggered(index: u32, publishers: u32, rate_hz: u32, duration: Duration) -> Self {
        let rate_hz = rate_hz.max(1);
        let turns = u128::from(rate_hz) * u128::from(publishers.max(1));
        let offset_ns = saturate(u128::from(index) * NANOSECONDS / turns);
        let count = saturate(duration.as_nanos().saturating_mul(u128::from(rate_hz)) / NANOSECONDS).max(1);
        Self { offset_ns, rate_hz, count }
    }

    /// When the message `sequence` (from 0) is due.
    pub(crate) fn intended_ns(&self, sequence: u64) -> u64 {
        let after_first = u128::from(sequence) * NANOSECONDS / u128::from(self.rate_hz);
        self.offset_ns.saturating_add(saturate(after_first))
    }

    /// How many messages there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

fn saturate(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_duration_give_the_exact_number_of_messages() {
        let count = |rate, ms| Schedule::staggered(0, 1, rate, Duration::from_millis(ms)).count();
        assert_eq!(count(50, 10_000), 500);
        assert_eq!(count(3, 1_000), 3);
        assert_eq!(count(1, 2_500), 2);
        assert_eq!(count(1, 10), 1, "never an empty schedule");
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let schedule = Schedule::staggered(0, 1, 3, Duration::from_secs(1_000_000));
        assert_eq!(schedule.intended_ns(0), 0);
        assert_eq!(schedule.intended_ns(1), 333_333_333);
        assert_eq!(schedule.intended_ns(2), 666_666_666);
        assert_eq!(schedule.intended_ns(3), 1_000_000_000);
        assert_eq!(schedule.intended_ns(3_000_000), 1_000_000_000_000_000);
    }

    #[test]
    fn publishers_share_one_interval_evenly() {
        let first: Vec<u64> = (0..4)
            .map(|index| Schedule::staggered(index, 4, 50, Duration::from_secs(1)).intended_ns(0))
            .collect();
        assert_eq!(first, [0, 5_000_000, 10_000_000, 15_000_000]);
        let last = Schedule::staggered(3, 4, 50, Duration::from_secs(1));
        assert_eq!(last.intended_ns(1), 35_000_000, "offset plus one interval of 20 ms");
    }

    #[test]
    fn absurd_numbers_saturate() {
        let schedule = Schedule::staggered(u32::MAX, 0, 0, Duration::MAX);
        assert!(schedule.count() > 0);
        assert_eq!(schedule.intended_ns(u64::MAX), u64::MAX);
    }
}
