//! The time of day where the board is: its clock and the owner's zone.

use core::fmt;

use obkmq_config::calendar::{DAY_S, Date};
use obkmq_config::settings::{Offset, Zone};

use crate::board::Board;
use crate::node::Node;

/// A time as the clocks of a place show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime {
    pub(crate) date: Date,
    /// Since midnight.
    pub(crate) second_of_day: u32,
    pub(crate) offset: Offset,
}

impl LocalTime {
    /// The time of a zone, from seconds since 1970 UTC.
    pub(crate) fn at(unix_s: i64, zone: Zone) -> Self {
        let offset = zone.offset_at(unix_s);
        let shown_s = unix_s.saturating_add(offset.east_s.into());
        let second_of_day = u32::try_from(shown_s.rem_euclid(DAY_S)).unwrap_or_default();
        Self { date: Date::at(shown_s), second_of_day, offset }
    }

    pub(crate) fn hour(&self) -> u32 {
        self.second_of_day / 3_600
    }

    pub(crate) fn minute(&self) -> u32 {
        self.second_of_day / 60 % 60
    }

    pub(crate) fn second(&self) -> u32 {
        self.second_of_day % 60
    }
}

/// As RFC 3339 writes it.
impl fmt::Display for LocalTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = self.date;
        let (hour, minute, second) = (self.hour(), self.minute(), self.second());
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let east_minutes = self.offset.east_s / 60;
        if east_minutes == 0 {
            return formatter.write_str("Z");
        }
        let sign = if east_minutes < 0 { '-' } else { '+' };
        let east_minutes = east_minutes.unsigned_abs();
        write!(formatter, "{sign}{:02}:{:02}", east_minutes / 60, east_minutes % 60)
    }
}

impl<B: Board> Node<B> {
    /// The time where the board is; `None` while it does not know.
    pub(crate) fn local_time(&mut self) -> Option<LocalTime> {
        let unix_s = self.board.unix_seconds()?;
        Some(LocalTime::at(unix_s, self.settings.time_zone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn a_time_reads_as_on_the_wall() {
        for (zone, text) in [
            ("UTC0", "2026-03-29T00:59:59Z"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:59:59+01:00"),
            ("<+0545>-5:45", "2026-03-29T06:44:59+05:45"),
            ("NST3:30NDT,M3.2.0,M11.1.0", "2026-03-28T22:29:59-02:30"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            assert_eq!(LocalTime::at(1_774_745_999, zone).to_string(), text);
        }
    }
}
