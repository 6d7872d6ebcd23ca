//! Time is a parameter: the broker has no clock.
//!
//! [`Instant`] is what crosses the border; [`Moment`] is the compact form inside, one of which stands in every link
//! several times over.

/// Microseconds since the board started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the board.
    pub const ZERO: Instant = Instant(0);

    /// A point in time.
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// A point in time.
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis.saturating_mul(1000))
    }

    /// Microseconds since the board started.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The point `millis` milliseconds later.
    #[must_use]
    pub const fn saturating_add_millis(self, millis: u64) -> Self {
        Instant(self.0.saturating_add(millis.saturating_mul(1000)))
    }
}

/// One tick is 2¹⁶ microseconds: fine enough for keep-alives, and 32 bits of them last for nine years.
const TICK_SHIFT: u32 = 16;

/// A point in time in ticks of 65.536 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(u32);

impl Moment {
    /// Later than all others.
    pub(crate) const NEVER: Moment = Moment(u32::MAX);

    /// A length of time in the place of a point in time: of something that has not begun to run.
    pub(crate) const fn interval_seconds(seconds: u32) -> Self {
        // One below the largest, which means never.
        Moment(if seconds == u32::MAX { u32::MAX - 1 } else { seconds })
    }

    /// The length of time that [`Moment::interval_seconds`] has stored.
    pub(crate) const fn as_interval_seconds(self) -> u32 {
        self.0
    }

    pub(crate) const fn ticks(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_ticks(ticks: u32) -> Self {
        Moment(ticks)
    }

    #[inline]
    pub(crate) fn from_instant(instant: Instant) -> Self {
        Moment(u32::try_from(instant.0 >> TICK_SHIFT).unwrap_or(u32::MAX))
    }

    /// The first instant at which this moment has been reached.
    pub(crate) const fn to_instant(self) -> Instant {
        Instant((self.0 as u64) << TICK_SHIFT)
    }

    /// The first moment that is certainly `millis` later than any instant within this one.
    #[must_use]
    pub(crate) fn after_millis(self, millis: u64) -> Self {
        let ticks = (millis.saturating_mul(1000) >> TICK_SHIFT).saturating_add(2);
        Moment(self.0.saturating_add(u32::try_from(ticks).unwrap_or(u32::MAX)))
    }

    /// The first moment that is certainly `seconds` later; never, if that is beyond what can be told.
    #[must_use]
    pub(crate) fn after_seconds(self, seconds: u32) -> Self {
        self.after_millis(u64::from(seconds) * 1000)
    }

    /// When a message expires whose interval begins now. One that is longer than can be told ends with the last moment
    /// that can, some nine years after the start of the board: a message with an interval stays one.
    #[must_use]
    pub(crate) fn expiry_after(self, seconds: u32) -> Self {
        Moment(self.after_seconds(seconds).0.min(u32::MAX - 1))
    }

    /// Whole seconds until then; 0 if it has passed.
    pub(crate) const fn seconds_from(self, now: Moment) -> u32 {
        let micros = (self.0.saturating_sub(now.0) as u64) << TICK_SHIFT;
        // At most 2³² ticks of less than a second each.
        #[expect(clippy::cast_possible_truncation, reason = "fits")]
        let seconds = (micros / 1_000_000) as u32;
        seconds
    }

    /// The next moment.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        Moment(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early_and_less_than_three_ticks_late() {
        for start in [0, 1, 65_535, 65_536, 1_000_000] {
            for millis in [0, 1, 65, 66, 1500, 90_000] {
                let instant = Instant::from_micros(start);
                let deadline = Moment::from_instant(instant).after_millis(millis).to_instant();
                assert!(deadline >= instant.saturating_add_millis(millis));
                assert!(deadline <= instant.saturating_add_millis(millis + 3 * 66));
            }
        }
    }
}
