//! Time zones as POSIX writes them in `TZ` (IEEE 1003.1 section 8.3):
//!
//! ```text
//! std offset [dst [offset] [,start[/time],end[/time]]]
//! ```
//!
//! Summer time without its rule is refused: what it would mean is up to each implementation. As RFC 8536 allows, the hour
//! of a rule may be negative or as many as 167.

use crate::calendar::{DAY_S, Date, is_leap, weekday};

/// A time zone with its rule of summer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of UTC.
    standard_s: i32,
    summer: Option<Summer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Summer {
    /// Seconds east of UTC.
    offset_s: i32,
    begins: Change,
    ends: Change,
}

/// A change of the clock: on which day of a year, and how many seconds behind its midnight by the time before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    day: Day,
    time_s: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// `Mm.w.d`: the `w`th weekday `d` of the month; 5 is the last one.
    OfMonth { month: u8, week: u8, weekday: u8 },
    /// `Jn`, 1 to 365: the 29th of February does not count.
    Julian(u16),
    /// `n`, 0 to 365.
    OfYear(u16),
}

/// How far a clock is from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Seconds east of UTC.
    pub east_s: i32,
    /// Whether that is summer time.
    pub is_summer: bool,
}

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self { standard_s: 0, summer: None };

    /// Reads a zone; the error says which part is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = Rest(text);
        rest.name().ok_or("it does not begin with a name of 3 or more letters")?;
        let west_s = rest.time(24).ok_or("the name is not followed by an offset such as -1 or 5:30")?;
        let standard_s = -west_s;
        if rest.0.is_empty() {
            return Ok(Self { standard_s, summer: None });
        }
        rest.name().ok_or("behind the offset comes no name of summer time")?;
        let mut offset_s = standard_s + 3_600;
        if !rest.0.starts_with(',') {
            offset_s = -rest.time(24).ok_or("the offset of summer time cannot be read")?;
        }
        let begins = rest.change("the day when summer time begins is missing")?;
        let ends = rest.change("the day when summer time ends is missing")?;
        if !rest.0.is_empty() {
            return Err("something follows the rules of summer time");
        }
        Ok(Self { standard_s, summer: Some(Summer { offset_s, begins, ends }) })
    }

    /// How far the clock is from UTC at a time in seconds since 1970.
    #[must_use]
    pub fn offset_at(&self, unix_s: i64) -> Offset {
        let standard = Offset { east_s: self.standard_s, is_summer: false };
        let Some(summer) = self.summer else { return standard };
        let year = Date::at(unix_s.saturating_add(self.standard_s.into())).year;
        let begins = summer.begins.unix_s(year, self.standard_s);
        let ends = summer.ends.unix_s(year, summer.offset_s);
        let is_summer = if begins <= ends {
            (begins..ends).contains(&unix_s)
        } else {
            // South of the equator the year begins in summer.
            !(ends..begins).contains(&unix_s)
        };
        if is_summer { Offset { east_s: summer.offset_s, is_summer } } else { standard }
    }
}

impl Change {
    /// When it happens in a year, in seconds since 1970.
    fn unix_s(self, year: i32, east_s: i32) -> i64 {
        let first = Date { year, month: 1, day: 1 }.days();
        let days = match self.day {
            Day::OfYear(day) => first + i64::from(day),
            // The 60th is the 1st of March in every year.
            Day::Julian(day) => first + i64::from(day) - i64::from(day < 60 || !is_leap(year)),
            Day::OfMonth { month, week, weekday: wanted } => {
                let first = Date { year, month, day: 1 }.days();
                let next = if month == 12 {
                    Date { year: year + 1, month: 1, day: 1 }
                } else {
                    Date { year, month: month + 1, day: 1 }
                };
                let ahead = (i64::from(wanted) - i64::from(weekday(first))).rem_euclid(7);
                let mut day = first + ahead + 7 * (i64::from(week) - 1);
                if day >= next.days() {
                    day -= 7;
                }
                day
            }
        };
        days * DAY_S + i64::from(self.time_s) - i64::from(east_s)
    }
}

/// What is left of the text.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn take(&mut self, character: char) -> Option<()> {
        self.0 = self.0.strip_prefix(character)?;
        Some(())
    }

    /// Three or more letters, or letters, digits and signs in angle brackets.
    fn name(&mut self) -> Option<()> {
        let quoted = self.take('<').is_some();
        let belongs = |character: char| {
            character.is_ascii_alphabetic()
                || (quoted && (character.is_ascii_digit() || matches!(character, '+' | '-')))
        };
        let length = self.0.find(|character| !belongs(character)).unwrap_or(self.0.len());
        self.0 = self.0.get(length..)?;
        if quoted {
            self.take('>')?;
        }
        (length >= 3).then_some(())
    }

    /// `[+|-]h[h[h]][:mm[:ss]]`, in seconds.
    fn time(&mut self, most_hours: u16) -> Option<i32> {
        let negative = self.take('-').is_some();
        if !negative {
            let _ = self.take('+');
        }
        let mut seconds = i32::from(self.number(0, most_hours)?) * 3_600;
        for unit in [60, 1] {
            if self.take(':').is_some() {
                seconds += i32::from(self.number(0, 59)?) * unit;
            }
        }
        Some(if negative { -seconds } else { seconds })
    }

    /// `,day[/time]`
    fn change(&mut self, missing: &'static str) -> Result<Change, &'static str> {
        self.take(',').ok_or(missing)?;
        let day = self.day().ok_or("a day is not Mmonth.week.weekday, Jday or day")?;
        let mut time_s = 2 * 3_600;
        if self.take('/').is_some() {
            time_s = self.time(167).ok_or("the time of a change cannot be read")?;
        }
        Ok(Change { day, time_s })
    }

    fn day(&mut self) -> Option<Day> {
        if self.take('M').is_some() {
            let month = self.number(1, 12)?;
            self.take('.')?;
            let week = self.number(1, 5)?;
            self.take('.')?;
            let weekday = self.number(0, 6)?;
            let small = |number: u16| u8::try_from(number).ok();
            return Some(Day::OfMonth { month: small(month)?, week: small(week)?, weekday: small(weekday)? });
        }
        if self.take('J').is_some() {
            self.number(1, 365).map(Day::Julian)
        } else {
            self.number(0, 365).map(Day::OfYear)
        }
    }

    fn number(&mut self, min: u16, max: u16) -> Option<u16> {
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        let number: u16 = (1..=3).contains(&length).then(|| digits.parse().ok())??;
        self.0 = rest;
        (min..=max).contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_of_the_world() {
        for zone in [
            "UTC0",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "EST5EDT,M3.2.0,M11.1.0",
            "IST-5:30",
            "<+0330>-3:30",
            "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
            "NZST-12NZDT,M9.5.0,M4.1.0/3",
            "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
            "EET-2EEST,M3.4.4/50,M10.4.4/50",
            "XXX3YYY2:30:15,J60/0,300/24:00:01",
            "IST-1GMT0,M10.5.0,M3.5.0/1",
        ] {
            assert!(Zone::parse(zone).is_ok(), "{zone}");
        }
    }

    #[test]
    fn what_is_none_says_which_part() {
        for (zone, reason) in [
            ("Europe/Berlin", "the name is not followed by an offset such as -1 or 5:30"),
            ("UT0", "it does not begin with a name of 3 or more letters"),
            ("<+03-3", "it does not begin with a name of 3 or more letters"),
            (":UTC0", "it does not begin with a name of 3 or more letters"),
            ("UTC", "the name is not followed by an offset such as -1 or 5:30"),
            ("UTC25", "the name is not followed by an offset such as -1 or 5:30"),
            ("UTC0:60", "the name is not followed by an offset such as -1 or 5:30"),
            ("UTC0 ", "behind the offset comes no name of summer time"),
            ("CET-1CEST", "the offset of summer time cannot be read"),
            ("CET-1CEST-2", "the day when summer time begins is missing"),
            ("CET-1CEST,M3.5.0", "the day when summer time ends is missing"),
            ("CET-1CEST,M13.5.0,M10.5.0", "a day is not Mmonth.week.weekday, Jday or day"),
            ("CET-1CEST,M3.6.0,M10.5.0", "a day is not Mmonth.week.weekday, Jday or day"),
            ("CET-1CEST,J0,J300", "a day is not Mmonth.week.weekday, Jday or day"),
            ("CET-1CEST,M3.5.0/168,M10.5.0", "the time of a change cannot be read"),
            ("CET-1CEST,M3.5.0,M10.5.0/3,", "something follows the rules of summer time"),
        ] {
            assert_eq!(Zone::parse(zone), Err(reason), "{zone}");
        }
    }

    /// The changes of years as `zdump -v` shows them: the last second before each, and the first one behind it.
    #[test]
    fn clocks_change_when_those_of_the_tz_database_do() {
        for (zone, changes) in [
            (
                "CET-1CEST,M3.5.0,M10.5.0/3",
                &[(1_774_746_000, 3_600, 7_200), (1_792_890_000, 7_200, 3_600)][..],
            ),
            (
                "EST5EDT,M3.2.0,M11.1.0",
                &[(1_772_953_200, -18_000, -14_400), (1_793_512_800, -14_400, -18_000)],
            ),
            (
                "NZST-12NZDT,M9.5.0,M4.1.0/3",
                &[(1_775_311_200, 46_800, 43_200), (1_790_431_200, 43_200, 46_800)],
            ),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", &[(1_774_746_000, 0, 3_600), (1_792_890_000, 3_600, 0)]),
        ] {
            let zone = Zone::parse(zone).unwrap();
            for &(at, before, after) in changes {
                assert_eq!(zone.offset_at(at - 1).east_s, before, "{zone:?} {at}");
                assert_eq!(zone.offset_at(at).east_s, after, "{zone:?} {at}");
            }
        }
    }

    #[test]
    fn the_three_ways_to_name_a_day() {
        let change = |text: &str, year| Rest(text).change("").unwrap().unix_s(year, 0);
        let day = |year, month, day| Date { year, month, day }.days() * DAY_S;
        for year in [2023, 2024] {
            assert_eq!(change(",J59/0", year), day(year, 2, 28));
            assert_eq!(change(",J60/0", year), day(year, 3, 1));
            assert_eq!(change(",J365/0", year), day(year, 12, 31));
            assert_eq!(change(",0/0", year), day(year, 1, 1));
            assert_eq!(
                change(",M12.1.5/-1:00:30", year),
                day(year, 12, if year == 2023 { 1 } else { 6 }) - 3_630
            );
        }
        assert_eq!(change(",59/0", 2024), day(2024, 2, 29));
        assert_eq!(change(",59", 2023), day(2023, 3, 1) + 7_200);
        assert_eq!(change(",M2.5.4/0", 2024), day(2024, 2, 29));
    }
}
