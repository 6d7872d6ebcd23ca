//! Commands that run by themselves: every so many seconds, or at a time of day.

use alloc::vec::Vec;

use obkmq_broker::Instant;
use obkmq_config::calendar::{DAY_S, Date, weekday};
use obkmq_config::settings::Zone;

use super::events::Task;
use super::sun::{SunEvent, seconds_of_day};
use crate::limits::{CLOCK_EVENTS, REPEATING_EVENTS};

/// A clock that jumps by more is set, not running: what lies between does not happen.
const LARGEST_STEP_S: i64 = 2 * 3_600;

/// The end of the year 9998: any clock that works shows less.
const LAST_S: i64 = 253_370_764_799;

/// The longest time between two looks at the clock, so that one that is set is noticed.
const LONGEST_WAIT_S: i64 = 60;

#[derive(Debug)]
struct Repeating {
    id: i32,
    interval_ms: u64,
    /// How many times it runs still; `None` is for ever.
    left: Option<u32>,
    due: Instant,
    task: Task,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Seconds after midnight.
    Second(u32),
    Sun(SunEvent),
}

impl Moment {
    /// Reads `HH:mm[:ss]`, seconds after midnight, `sunrise` or `sunset`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("sunrise") {
            return Some(Self::Sun(SunEvent::Rise));
        }
        if text.eq_ignore_ascii_case("sunset") {
            return Some(Self::Sun(SunEvent::Set));
        }
        let mut parts = text.split(':');
        let number = |part: &str, below: u32| {
            let digits = (1..=5).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|number| digits && *number < below)
        };
        let (first, minutes, seconds) = (parts.next()?, parts.next(), parts.next());
        let second = match minutes {
            None => number(first, 86_400)?,
            Some(minutes) => {
                number(first, 24)? * 3_600 + number(minutes, 60)? * 60 + number(seconds.unwrap_or("0"), 60)?
            }
        };
        parts.next().is_none().then_some(Self::Second(second))
    }

    /// When it is on a day since 1970, in seconds of the local time since then.
    fn local_s(self, day: i64, place: &Place) -> Option<i64> {
        let midnight_s = day * DAY_S;
        match self {
            Self::Second(second) => Some(midnight_s + i64::from(second)),
            Self::Sun(event) => {
                let unix_s =
                    midnight_s + i64::from(seconds_of_day(event, Date::at(midnight_s), place.position?)?);
                Some(unix_s + i64::from(place.zone.offset_at(unix_s).east_s))
            }
        }
    }
}

/// Where the board is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) zone: Zone,
    /// Millionths of a degree, north and east.
    pub(crate) position: Option<(i32, i32)>,
}

impl Place {
    /// The time there in seconds since 1970. A clock beyond the calendar shows its first or last day.
    fn local_s(&self, unix_s: i64) -> i64 {
        let unix_s = unix_s.clamp(0, LAST_S);
        unix_s + i64::from(self.zone.offset_at(unix_s).east_s)
    }
}

/// The time between two looks at the clock, in seconds of the local time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    since_s: i64,
    now_s: i64,
    place: Place,
}

impl Look {
    /// How often a time of day on these weekdays lies in it.
    fn times(&self, moment: Moment, weekdays: u8) -> usize {
        let days = self.since_s.div_euclid(DAY_S)..=self.now_s.div_euclid(DAY_S);
        let is_met = |&day: &i64| {
            weekdays >> weekday(day) & 1 == 1
                && moment.local_s(day, &self.place).is_some_and(|at| self.since_s < at && at <= self.now_s)
        };
        days.filter(is_met).count()
    }

    /// Whether it lies in it.
    #[cfg(feature = "scripts")]
    pub(crate) fn meets(&self, moment: Moment, weekdays: u8) -> bool {
        self.times(moment, weekdays) > 0
    }

    /// Seconds until a time of day comes next, on whatever day.
    pub(crate) fn wait_s(&self, moment: Moment) -> Option<i64> {
        let today = self.now_s.div_euclid(DAY_S);
        let next = [today, today + 1].map(|day| moment.local_s(day, &self.place));
        next.into_iter().flatten().filter(|at| *at > self.now_s).map(|at| at - self.now_s).min()
    }
}

/// How many seconds the next look at the clock may wait.
pub(crate) fn longest_wait<const N: usize>(waits_s: [Option<i64>; N]) -> u32 {
    let wait_s = waits_s.into_iter().flatten().min().unwrap_or(LONGEST_WAIT_S);
    u32::try_from(wait_s.clamp(1, LONGEST_WAIT_S)).unwrap_or(1)
}

#[derive(Debug)]
struct ClockEvent {
    id: i32,
    moment: Moment,
    /// Bit 0 is Sunday.
    weekdays: u8,
    task: Task,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    repeating: Vec<Repeating>,
    clock: Vec<ClockEvent>,
    /// Up to when clock events have been looked at, in seconds of the local time.
    looked_at_s: Option<i64>,
}

impl Timers {
    /// Adds a repeating event, if there is room for one more. `times` is `None` for ever.
    pub(crate) fn add_repeating(
        &mut self,
        now: Instant,
        id: i32,
        seconds: u32,
        times: Option<u32>,
        task: Task,
    ) -> bool {
        let has_room = self.repeating.len() < REPEATING_EVENTS && self.repeating.try_reserve(1).is_ok();
        if has_room && times != Some(0) {
            let interval_ms = u64::from(seconds.max(1)) * 1_000;
            let due = now.saturating_add_millis(interval_ms);
            self.repeating.push(Repeating { id, interval_ms, left: times, due, task });
        }
        has_room
    }

    /// Ends repeating events; how many.
    pub(crate) fn cancel_repeating(&mut self, id: i32) -> usize {
        let before = self.repeating.len();
        self.repeating.retain(|event| event.id != id);
        before - self.repeating.len()
    }

    pub(crate) fn clear_repeating(&mut self) {
        self.repeating = Vec::new();
    }

    pub(crate) fn repeating(&self) -> usize {
        self.repeating.len()
    }

    /// Adds a clock event, if there is room for one more.
    pub(crate) fn add_clock(&mut self, id: i32, moment: Moment, weekdays: u8, task: Task) -> bool {
        let has_room = self.clock.len() < CLOCK_EVENTS && self.clock.try_reserve(1).is_ok();
        if has_room {
            self.clock.push(ClockEvent { id, moment, weekdays, task });
        }
        has_room
    }

    /// Ends clock events; how many.
    pub(crate) fn remove_clock(&mut self, id: i32) -> usize {
        let before = self.clock.len();
        self.clock.retain(|event| event.id != id);
        before - self.clock.len()
    }

    pub(crate) fn clear_clock(&mut self) {
        self.clock = Vec::new();
    }

    /// Bytes of text that the events hold.
    pub(crate) fn text_bytes(&self) -> usize {
        let repeating = self.repeating.iter().map(|event| event.task.command.len());
        repeating.chain(self.clock.iter().map(|event| event.task.command.len())).sum()
    }

    /// The next repeating event that is due. One that is late by several intervals runs once.
    pub(crate) fn next_repeating(&mut self, now: Instant) -> Option<Task> {
        let at = self.repeating.iter().position(|event| event.due <= now)?;
        let event = self.repeating.get_mut(at)?;
        event.due = event.due.saturating_add_millis(event.interval_ms);
        if event.due <= now {
            event.due = now.saturating_add_millis(event.interval_ms);
        }
        let task = event.task.clone();
        if let Some(left) = &mut event.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.repeating.remove(at);
            }
        }
        Some(task)
    }

    pub(crate) fn repeating_due(&self) -> Option<Instant> {
        self.repeating.iter().map(|event| event.due).min()
    }

    /// Whether the clock has to be looked at.
    pub(crate) fn has_clock_events(&self) -> bool {
        !self.clock.is_empty()
    }

    /// Looks at the clock.
    ///
    /// One that is set back by less than two hours waits for itself, so that nothing happens twice when summer time ends;
    /// what lies in the hour that is left out when it begins happens at its end.
    pub(crate) fn look(&mut self, unix_s: i64, place: Place) -> Look {
        let now_s = place.local_s(unix_s);
        let since_s = match self.looked_at_s {
            Some(last) if (last - now_s).abs() <= LARGEST_STEP_S => last,
            _ => now_s,
        };
        self.looked_at_s = Some(since_s.max(now_s));
        Look { since_s, now_s, place }
    }

    /// Calls `run` for what has become due since the look before, and says how many seconds the next one may wait.
    pub(crate) fn run_clock(&self, look: &Look, mut run: impl FnMut(&Task)) -> Option<i64> {
        for event in &self.clock {
            for _ in 0..look.times(event.moment, event.weekdays) {
                run(&event.task);
            }
        }
        self.clock.iter().filter_map(|event| look.wait_s(event.moment)).min()
    }

    /// Both.
    #[cfg(test)]
    pub(crate) fn look_at_clock(&mut self, unix_s: i64, place: &Place, run: impl FnMut(&Task)) -> u32 {
        let look = self.look(unix_s, *place);
        longest_wait([self.run_clock(&look, run)])
    }

    /// Seconds after local midnight at which the sun rises or sets on the day of a time.
    pub(crate) fn sun_second(event: SunEvent, unix_s: i64, place: &Place) -> Option<i64> {
        let now_s = place.local_s(unix_s);
        let day = now_s.div_euclid(DAY_S);
        Moment::Sun(event).local_s(day, place).map(|at| at - day * DAY_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString as _};
    use obkmq_config::openbeken::Rank;
    use proptest::prelude::*;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn task(command: &str) -> Task {
        Task { command: command.into(), rank: Rank::Owner }
    }

    fn place(zone: &str) -> Place {
        Place { zone: Zone::parse(zone).unwrap(), position: Some((52_520_008, 13_404_954)) }
    }

    fn look(timers: &mut Timers, unix_s: i64, place: &Place) -> Vec<String> {
        let mut ran = Vec::new();
        timers.look_at_clock(unix_s, place, |task| ran.push(task.command.to_string()));
        ran
    }

    #[test]
    fn times_of_day_are_read() {
        for (text, moment) in [
            ("0", Some(Moment::Second(0))),
            ("86399", Some(Moment::Second(86_399))),
            ("15:30", Some(Moment::Second(55_800))),
            ("7:05:09", Some(Moment::Second(25_509))),
            ("Sunrise", Some(Moment::Sun(SunEvent::Rise))),
            ("SUNSET", Some(Moment::Sun(SunEvent::Set))),
            ("86400", None),
            ("24:00", None),
            ("12:60", None),
            ("12:00:60", None),
            ("12:00:00:00", None),
            ("12:", None),
            (":12", None),
            ("+1:00", None),
            ("", None),
        ] {
            assert_eq!(Moment::parse(text), moment, "{text}");
        }
    }

    #[test]
    fn repeating_events_run_after_their_interval_as_often_as_they_may() {
        let at = Instant::from_millis;
        let mut timers = Timers::default();
        assert!(timers.add_repeating(at(0), 255, 2, Some(2), task("twice")));
        assert!(timers.add_repeating(at(0), 7, 5, None, task("for ever")));
        assert!(timers.add_repeating(at(0), 7, 5, Some(0), task("never")));
        let ran = |timers: &mut Timers, ms| {
            core::iter::from_fn(|| timers.next_repeating(at(ms)))
                .map(|task| task.command.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(timers.repeating_due(), Some(at(2_000)));
        assert_eq!(ran(&mut timers, 1_999), [""; 0]);
        assert_eq!(ran(&mut timers, 2_000), ["twice"]);
        assert_eq!(ran(&mut timers, 5_100), ["twice", "for ever"]);
        // Late, and not all at once.
        assert_eq!(ran(&mut timers, 60_000), ["for ever"]);
        assert_eq!(timers.repeating_due(), Some(at(65_000)));
        assert_eq!((timers.cancel_repeating(7), timers.cancel_repeating(7)), (1, 0));
        assert_eq!(timers.repeating_due(), None);
        for _ in 0..REPEATING_EVENTS {
            assert!(timers.add_repeating(at(0), 1, 0, None, task("x")));
        }
        assert!(!timers.add_repeating(at(0), 1, 0, None, task("x")));
        assert_eq!(timers.text_bytes(), REPEATING_EVENTS);
        timers.clear_repeating();
        assert_eq!(timers.repeating(), 0);
    }

    #[test]
    fn clock_events_run_at_their_time_on_their_days() {
        // A Friday: 2026-11-27 00:00 UTC, one in the night in Berlin.
        let midnight = 1_795_737_600 - 3_600;
        let berlin = place(BERLIN);
        let mut timers = Timers::default();
        timers.add_clock(1, Moment::Second(6 * 3_600), 0xff, task("daily"));
        timers.add_clock(2, Moment::Second(6 * 3_600), 1 << 5, task("friday"));
        timers.add_clock(3, Moment::Second(6 * 3_600), 1, task("sunday"));
        timers.add_clock(4, Moment::Sun(SunEvent::Rise), 0xff, task("sunrise"));
        assert_eq!(
            look(&mut timers, midnight + 6 * 3_600 - 1, &berlin),
            [""; 0],
            "the first look runs nothing"
        );
        assert_eq!(look(&mut timers, midnight + 6 * 3_600, &berlin), ["daily", "friday"]);
        assert_eq!(look(&mut timers, midnight + 6 * 3_600, &berlin), [""; 0]);
        assert_eq!(look(&mut timers, midnight + 7 * 3_600 + 40 * 60, &berlin), [""; 0]);
        assert_eq!(look(&mut timers, midnight + 7 * 3_600 + 50 * 60, &berlin), ["sunrise"]);
        assert_eq!(timers.remove_clock(4), 1);
        for hour in (8..=28).step_by(2) {
            assert_eq!(look(&mut timers, midnight + hour * 3_600, &berlin), [""; 0]);
        }
        assert_eq!(look(&mut timers, midnight + 30 * 3_600, &berlin), ["daily"], "a Saturday");
        timers.clear_clock();
        assert!(!timers.has_clock_events());
        for _ in 0..CLOCK_EVENTS {
            assert!(timers.add_clock(1, Moment::Second(0), 0xff, task("x")));
        }
        assert!(!timers.add_clock(1, Moment::Second(0), 0xff, task("x")));
        assert_eq!(timers.text_bytes(), CLOCK_EVENTS);
    }

    /// In the night of a change what stands at half past two happens once, neither twice nor never.
    #[test]
    fn summer_time_neither_doubles_nor_drops() {
        for change in [1_774_746_000, 1_792_890_000] {
            let berlin = place(BERLIN);
            let mut timers = Timers::default();
            timers.add_clock(1, Moment::Second(2 * 3_600 + 1_800), 0xff, task("half past two"));
            let ran: usize = (-7_200..7_200)
                .step_by(10)
                .map(|second| look(&mut timers, change + second, &berlin).len())
                .sum();
            assert_eq!(ran, 1, "{change}");
        }
    }

    #[test]
    fn a_clock_that_is_set_does_not_run_what_lies_between() {
        let utc = place("UTC0");
        let mut timers = Timers::default();
        timers.add_clock(1, Moment::Second(12 * 3_600), 0xff, task("noon"));
        assert_eq!(look(&mut timers, 0, &utc), [""; 0]);
        assert_eq!(look(&mut timers, 1_795_737_600 + 13 * 3_600, &utc), [""; 0], "the time has come in");
        assert_eq!(look(&mut timers, 1_795_737_600 + 11 * 3_600 + 3_599, &utc), [""; 0], "a little back");
        assert_eq!(look(&mut timers, 1_795_737_600 + 12 * 3_600, &utc), [""; 0], "that was before");
        assert_eq!(look(&mut timers, 1_795_737_600 + 8 * 3_600, &utc), [""; 0], "set back");
        assert_eq!(look(&mut timers, 1_795_737_600 + 10 * 3_600, &utc), [""; 0]);
        assert_eq!(look(&mut timers, 1_795_737_600 + 12 * 3_600, &utc), ["noon"]);
    }

    #[test]
    fn the_next_look_is_in_time() {
        let utc = place("UTC0");
        let mut timers = Timers::default();
        assert_eq!(timers.look_at_clock(100, &utc, |_| ()), 60);
        timers.add_clock(1, Moment::Second(110), 0xff, task("soon"));
        assert_eq!(timers.look_at_clock(100, &utc, |_| ()), 10);
        assert_eq!(timers.look_at_clock(110, &utc, |_| ()), 60);
        assert_eq!(timers.look_at_clock(86_400 + 109, &utc, |_| ()), 1);
    }

    proptest! {
        #[test]
        fn no_clock_is_too_odd(times in prop::collection::vec(any::<i64>(), 0..8), zone in "[A-Z]{3}[0-9]{1,2}") {
            let Ok(zone) = Zone::parse(&zone) else { return Ok(()) };
            let place = Place { zone, position: Some((90_000_000, -180_000_000)) };
            let mut timers = Timers::default();
            timers.add_clock(1, Moment::Second(5), 0xff, task("x"));
            timers.add_clock(2, Moment::Sun(SunEvent::Set), 0xff, task("y"));
            for time in times {
                let wait_s = timers.look_at_clock(time, &place, |_| ());
                prop_assert!((1..=60).contains(&wait_s));
                let _ = Timers::sun_second(SunEvent::Rise, time, &place);
            }
        }
    }
}
