//! Time zones as POSIX writes them in `TZ` (IEEE 1003.1 section 8.3):
//!
//! ```text
//! std offset [dst [offset] [,start[/time],end[/time]]]
//! ```
//!
//! Summer time without its rule is refused: what it would mean is up to each implementation. As RFC 8536 allows, the hour
//! of a rule may be negative or as many as 167.

/// Whether a text is such a zone; the error says which part is not.
pub(super) fn check_zone(text: &str) -> Result<(), &'static str> {
    let mut rest = Rest(text);
    rest.name().ok_or("it does not begin with a name of 3 or more letters")?;
    rest.time(24).ok_or("the name is not followed by an offset such as -1 or 5:30")?;
    if rest.0.is_empty() {
        return Ok(());
    }
    rest.name().ok_or("behind the offset comes no name of summer time")?;
    if !rest.0.starts_with(',') {
        rest.time(24).ok_or("the offset of summer time cannot be read")?;
    }
    for missing in ["the day when summer time begins is missing", "the day when summer time ends is missing"]
    {
        rest.take(',').ok_or(missing)?;
        rest.day().ok_or("a day is not Mmonth.week.weekday, Jday or day")?;
        if rest.take('/').is_some() {
            rest.time(167).ok_or("the time of a change cannot be read")?;
        }
    }
    if rest.0.is_empty() { Ok(()) } else { Err("something follows the rules of summer time") }
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

    /// `[+|-]h[h[h]][:mm[:ss]]`
    fn time(&mut self, most_hours: u32) -> Option<()> {
        if self.take('+').is_none() {
            let _ = self.take('-');
        }
        self.number(0, most_hours)?;
        for _ in 0..2 {
            if self.take(':').is_some() {
                self.number(0, 59)?;
            }
        }
        Some(())
    }

    fn day(&mut self) -> Option<()> {
        if self.take('M').is_some() {
            self.number(1, 12)?;
            self.take('.')?;
            self.number(1, 5)?;
            self.take('.')?;
            return self.number(0, 6);
        }
        if self.take('J').is_some() { self.number(1, 365) } else { self.number(0, 365) }
    }

    fn number(&mut self, min: u32, max: u32) -> Option<()> {
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        let number: u32 = (1..=3).contains(&length).then(|| digits.parse().ok())??;
        self.0 = rest;
        (min..=max).contains(&number).then_some(())
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
            assert_eq!(check_zone(zone), Ok(()), "{zone}");
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
            assert_eq!(check_zone(zone), Err(reason), "{zone}");
        }
    }
}
