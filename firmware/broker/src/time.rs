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
