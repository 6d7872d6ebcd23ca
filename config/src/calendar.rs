//! The Gregorian calendar: days since 1970 and what they are called. Clocks and time zones reckon with it.

/// Seconds of a day.
pub const DAY_S: i64 = 86_400;

/// A day beyond which there is no date here: about the year 9999.
const LAST_DAY: i64 = 2_932_896;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// 1970 to 9999.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// The day of a time in seconds since 1970. What lies outside the calendar is its first or last day.
    #[must_use]
    pub fn at(unix_s: i64) -> Self {
        // In years that begin in March, so that the leap day is the last one, and eras of 400 years.
        let days = unix_s.div_euclid(DAY_S).clamp(0, LAST_DAY) + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year + i64::from(month <= 2);
        Self { year: small(year), month: small(month), day: small(day) }
    }

    /// Days since 1970.
    #[must_use]
    pub fn days(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let shifted = if month > 2 { month - 3 } else { month + 9 };
        let of_year = (153 * shifted + 2) / 5 + day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// How many days the year has before this one.
    #[must_use]
    pub fn day_of_year(self) -> i64 {
        self.days() - Self { month: 1, day: 1, ..self }.days()
    }

    /// The day of the week: 0 is Sunday.
    #[must_use]
    pub fn weekday(self) -> u8 {
        weekday(self.days())
    }
}

/// The day of the week of a day since 1970: 0 is Sunday.
#[must_use]
pub fn weekday(days: i64) -> u8 {
    // The first one was a Thursday.
    small((days + 4).rem_euclid(7))
}

/// Whether a year has a 29th of February.
#[must_use]
pub fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// A number that is known to fit.
fn small<T: TryFrom<i64> + Default>(number: i64) -> T {
    T::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        // `date --utc --date=… +%s`
        for (unix_s, (year, month, day), weekday) in [
            (0, (1970, 1, 1), 4),
            (86_399, (1970, 1, 1), 4),
            (951_782_400, (2000, 2, 29), 2),
            (951_868_800, (2000, 3, 1), 3),
            (1_709_164_800, (2024, 2, 29), 4),
            (1_795_737_600, (2026, 11, 27), 5),
            (4_107_542_400, (2100, 3, 1), 1),
            (253_402_300_799, (9999, 12, 31), 5),
            (i64::MAX, (9999, 12, 31), 5),
            (i64::MIN, (1970, 1, 1), 4),
        ] {
            let date = Date::at(unix_s);
            assert_eq!(date, Date { year, month, day }, "{unix_s}");
            assert_eq!(date.weekday(), weekday, "{unix_s}");
        }
    }

    #[test]
    fn every_day_of_the_calendar_is_itself_again() {
        let mut before = Date::at(0);
        for days in 1..=LAST_DAY {
            let date = Date::at(days * DAY_S);
            assert_eq!(date.days(), days);
            let follows = match date.day {
                1 => date.day_of_year() == 0 || date.month == before.month + 1,
                day => day == before.day + 1 && date.month == before.month,
            };
            assert!(follows, "{before:?} {date:?}");
            before = date;
        }
        assert_eq!(Date { year: 2024, month: 12, day: 31 }.day_of_year(), 365);
        assert!(is_leap(2000) && is_leap(2024) && !is_leap(2100) && !is_leap(2023));
    }
}
