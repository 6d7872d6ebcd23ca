//! What the names in expressions and texts stand for.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::net::{IpAddr, Ipv4Addr};

use obkmq_config::settings::Zone;

use super::channels::ChannelId;
use super::expression::{Constants, ExpressionError, evaluate, whole};
use super::sun::SunEvent;
use super::timers::{Place, Timers};
use crate::board::Board;
use crate::clock::LocalTime;
use crate::node::Node;
use crate::radio::WifiLink;

impl<B: Board> Constants for Node<B> {
    #[expect(clippy::cast_precision_loss, reason = "OpenBeken's expressions are single reals")]
    fn constant(&mut self, name: &str) -> Option<f32> {
        // Without the sign only this one has a meaning, for start-up files of old.
        if name.eq_ignore_ascii_case("MQTTOn") {
            return Some(1.0);
        }
        let name = name.strip_prefix('$')?;
        if let Some(number) =
            name.get(..2).filter(|start| start.eq_ignore_ascii_case("CH")).and(name.get(2..))
            && let Ok(number) = number.parse()
        {
            return Some(self.automation.channels.get(ChannelId::new(number)?) as f32);
        }
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            "mqtton" => 1.0,
            "uptime" => (self.now.as_micros() / 1_000_000) as f32,
            "activerepeatingevents" => self.automation.timers.repeating() as f32,
            "failedboots" => 0.0,
            "rand" => f32::from(self.random_u16()),
            "rand01" => f32::from(self.random_u16()) / f32::from(u16::MAX),
            "ntpon" => f32::from(u8::from(self.board.unix_seconds().is_some())),
            "sunrise" => self.sun_second(SunEvent::Rise)? as f32,
            "sunset" => self.sun_second(SunEvent::Set)? as f32,
            _ => local_constant(&self.local_time()?, &name)?,
        })
    }
}

fn local_constant(time: &LocalTime, name: &str) -> Option<f32> {
    #[expect(clippy::cast_precision_loss, reason = "parts of a date")]
    let real = |number: u32| number as f32;
    Some(match name {
        "day" => f32::from(time.date.weekday()),
        "hour" => real(time.hour()),
        "minute" => real(time.minute()),
        "second" => real(time.second()),
        "mday" => f32::from(time.date.day),
        "month" => f32::from(time.date.month),
        "year" => real(time.date.year.unsigned_abs()),
        "isdst" => f32::from(u8::from(time.offset.is_summer)),
        _ => return None,
    })
}

impl<B: Board> Node<B> {
    /// The value of an expression.
    pub(crate) fn evaluate(&mut self, text: &str) -> Result<f32, ExpressionError> {
        evaluate(text, self)
    }

    /// The value of a constant, such as `$CH5`.
    #[cfg(feature = "scripts")]
    pub(crate) fn value_of(&mut self, name: &str) -> Option<f32> {
        self.constant(name)
    }

    /// A text in which `$CH5`, `${CH5}`, `$Name` and their like stand for values. What has none stays as it is.
    pub(crate) fn expand(&mut self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            expanded.push_str(before);
            let (name, behind) = name_at(from);
            match self.text_value(name) {
                Some(value) => expanded.push_str(&value),
                None => expanded.push_str(from.get(..from.len() - behind.len()).unwrap_or_default()),
            }
            rest = behind;
        }
        expanded.push_str(rest);
        expanded
    }

    fn text_value(&mut self, name: &str) -> Option<String> {
        match name.to_ascii_lowercase().as_str() {
            "name" | "shortname" => Some(self.settings.hostname().into()),
            "ip" => Some(self.address().to_string()),
            // The first letters only, as in `$CH5s`: no constant has the name of another one's beginning.
            _ => self.constant(&format!("${name}")).map(|value| whole(value).to_string()),
        }
    }

    /// The address in the Wi-Fi network; that of nowhere without one.
    fn address(&mut self) -> IpAddr {
        match self.board.radio().map(|radio| radio.link()) {
            Some(WifiLink::Joined { address }) => address,
            _ => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    pub(super) fn place(&self) -> Place {
        let zone: Zone = self.settings.time_zone();
        Place { zone, position: self.settings.position() }
    }

    fn sun_second(&mut self, event: SunEvent) -> Option<i64> {
        let unix_s = self.board.unix_seconds()?;
        Timers::sun_second(event, unix_s, &self.place())
    }

    fn random_u16(&mut self) -> u16 {
        let mut bytes = [0; 2];
        self.board.fill_random(&mut bytes);
        u16::from_le_bytes(bytes)
    }
}

/// The name behind a `$` at the beginning of a text, and what follows it.
fn name_at(text: &str) -> (&str, &str) {
    let rest = text.get(1..).unwrap_or_default();
    if let Some(braced) = rest.strip_prefix('{')
        && let Some((name, behind)) = braced.split_once('}')
    {
        return (name, behind);
    }
    // Digits end a name: `$CH5s` is channel 5 and an `s`.
    let letters = rest.bytes().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let digits = rest.bytes().skip(letters).take_while(u8::is_ascii_digit).count();
    rest.split_at_checked(letters + digits).unwrap_or((rest, ""))
}
