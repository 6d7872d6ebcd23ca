//! When the sun rises and sets: the Astronomical Almanac's low precision formulas for the sun's coordinates (section C),
//! good for a minute where it rises steeply.

use libm::{acosf, asinf, atan2f, cosf, sinf, tanf};
use obkmq_config::calendar::Date;

/// How far below the horizon the middle of the sun is, as it is seen: its radius and what the air bends.
const ZENITH_DEGREES: f32 = 90.833;

/// Minutes from 1970 to noon of the 1st of January 2000, from which the formulas count.
const EPOCH_MINUTES: i64 = 15_778_800;

/// How often a time is reckoned again with the sun where it is then: each takes off what the former left of an error
/// by a factor of several hundred.
const ROUNDS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SunEvent {
    Rise,
    Set,
}

/// Seconds from midnight UTC of a date until the sun rises or sets there, which may be before or behind that day of UTC;
/// `None` on days on which it does not. Degrees are millionths, north and east.
pub(crate) fn seconds_of_day(event: SunEvent, date: Date, (latitude, longitude): (i32, i32)) -> Option<i32> {
    let degrees = |millionths: i32| {
        #[expect(clippy::cast_precision_loss, reason = "a single real places it within ten metres")]
        let millionths = millionths as f32;
        millionths / 1e6
    };
    let (latitude, longitude) = (degrees(latitude).to_radians(), degrees(longitude));
    let midnight = date.days() * 1_440;
    let mut minutes = 720.0;
    for _ in 0..ROUNDS {
        let sun = Sun::at(midnight + i64::from(whole(minutes)));
        let cosine = cosf(ZENITH_DEGREES.to_radians()) / (cosf(latitude) * cosf(sun.declination))
            - tanf(latitude) * tanf(sun.declination);
        if !(-1.0..=1.0).contains(&cosine) {
            return None;
        }
        let hour_angle = match event {
            SunEvent::Rise => acosf(cosine).to_degrees(),
            SunEvent::Set => -acosf(cosine).to_degrees(),
        };
        minutes = 720.0 - 4.0 * (longitude + hour_angle) - sun.equation_of_time_minutes;
    }
    Some(whole(minutes * 60.0))
}

struct Sun {
    /// In radians.
    declination: f32,
    equation_of_time_minutes: f32,
}

impl Sun {
    /// Where it is, in minutes since 1970.
    fn at(minutes: i64) -> Self {
        let minutes = minutes - EPOCH_MINUTES;
        // Ten millionths of a degree, and as many a day: in whole numbers, because single reals have too few digits.
        let turned = |start: i64, daily: i64| {
            let angle = (start + minutes * daily / 1_440).rem_euclid(3_600_000_000);
            #[expect(clippy::cast_precision_loss, reason = "degrees of one turn")]
            let angle = angle as f32;
            (angle / 1e7).to_radians()
        };
        let longitude = turned(2_804_600_000, 9_856_474);
        let anomaly = turned(3_575_280_000, 9_856_003);
        let ecliptic = longitude + (1.915 * sinf(anomaly) + 0.020 * sinf(2.0 * anomaly)).to_radians();
        let obliquity = 23.439_f32.to_radians();
        let ascension = atan2f(cosf(obliquity) * sinf(ecliptic), cosf(ecliptic));
        // Both go round once a year, and are never far from each other.
        let ahead =
            (longitude - ascension + core::f32::consts::PI) % core::f32::consts::TAU - core::f32::consts::PI;
        Self {
            declination: asinf(sinf(obliquity) * sinf(ecliptic)),
            equation_of_time_minutes: 4.0 * ahead.to_degrees(),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "times of a day or two")]
fn whole(value: f32) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes of the same formulas in double reals.
    #[test]
    fn the_sun_is_where_the_almanac_says() {
        const BERLIN: (i32, i32) = (52_520_000, 13_405_000);
        const SYDNEY: (i32, i32) = (-33_870_000, 151_210_000);
        for (place, (month, day), rise, set) in [
            (BERLIN, (11, 27), 408, 899),
            (BERLIN, (6, 21), 163, 1_173),
            (BERLIN, (12, 21), 434, 894),
            (BERLIN, (3, 20), 309, 1_039),
            (BERLIN, (9, 22), 292, 1_025),
            (SYDNEY, (11, 27), -321, 527),
            (SYDNEY, (6, 21), -180, 413),
            (SYDNEY, (3, 20), -242, 487),
        ] {
            let date = Date { year: 2026, month, day };
            for (event, expected) in [(SunEvent::Rise, rise), (SunEvent::Set, set)] {
                let minutes = seconds_of_day(event, date, place).unwrap() / 60;
                assert!(
                    (minutes - expected).abs() <= 1,
                    "{place:?} {date:?} {event:?}: {minutes} {expected}"
                );
            }
        }
    }

    #[test]
    fn in_the_far_north_there_are_days_without() {
        let tromso = (69_649_200, 18_955_300);
        for (month, day) in [(6, 21), (12, 21)] {
            let date = Date { year: 2026, month, day };
            assert_eq!(seconds_of_day(SunEvent::Rise, date, tromso), None);
            assert_eq!(seconds_of_day(SunEvent::Set, date, tromso), None);
        }
        let equinox = Date { year: 2026, month: 3, day: 20 };
        assert!(seconds_of_day(SunEvent::Rise, equinox, tromso).is_some());
        for place in [(90_000_000, 0), (-90_000_000, 180_000_000)] {
            let _ = seconds_of_day(SunEvent::Rise, equinox, place);
        }
    }
}
