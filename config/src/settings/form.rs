//! Forms of text: what a name, an address or a place must look like.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::Ipv4Addr;

use super::zone::Zone;
use crate::limits::{
    HOST_LABEL_LIMIT_BYTES, SERVER_LIMIT_BYTES, SSID_LIMIT_BYTES, USER_NAME_LIMIT_BYTES, ZONE_LIMIT_BYTES,
};

/// A form of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Name of a Wi-Fi network (IEEE 802.11: at most 32 bytes).
    Ssid,
    /// Pass phrase of a network, or its key of 256 bits in hexadecimal (IEEE 802.11 annex J).
    StationPassword,
    /// Pass phrase of a network.
    AccessPointPassword,
    /// Two letters of ISO 3166-1.
    Country,
    /// One label of a host name (RFC 1123 section 2.1), no longer than DHCP clients of chips send.
    HostLabel,
    /// Host name or address of a server.
    Server,
    /// An IPv4 address that one host can have.
    Address,
    /// The same with the length of the network's prefix.
    AddressPrefix,
    /// The form of POSIX's `TZ` (IEEE 1003.1 section 8.3) without a leading colon.
    TimeZone,
    /// Latitude and longitude in degrees.
    Position,
    /// Name of a user of the broker.
    UserName,
}

impl Form {
    /// What is allowed, in words.
    #[must_use]
    pub const fn allowed(self) -> &'static str {
        match self {
            Self::Ssid => "at most 32 bytes without control characters",
            Self::StationPassword => "8 to 63 bytes, or 64 hexadecimal digits",
            Self::AccessPointPassword => "8 to 63 bytes",
            Self::Country => "two capital letters such as DE",
            Self::HostLabel => "1 to 32 letters, digits and inner hyphens",
            Self::Server => "a host name or an address, at most 64 bytes",
            Self::Address => "an IPv4 address such as 192.168.1.1",
            Self::AddressPrefix => "an IPv4 address and its prefix such as 192.168.1.5/24",
            Self::TimeZone => "a POSIX time zone such as CET-1CEST,M3.5.0,M10.5.0/3",
            Self::Position => "degrees such as 52.52,13.405 (north and east are positive)",
            Self::UserName => "at most 64 bytes without control characters",
        }
    }

    /// Brings a text into its one form. The error says what is wrong with it and never repeats it.
    pub(super) fn canonical(self, text: &str) -> Result<String, &'static str> {
        if text.chars().any(char::is_control) {
            return Err("it holds a control character");
        }
        let secret = matches!(self, Self::StationPassword | Self::AccessPointPassword);
        if text.is_empty() && !secret && self != Self::HostLabel {
            return Ok(String::new());
        }
        match self {
            Self::Ssid => within(text, 1, SSID_LIMIT_BYTES)?,
            Self::StationPassword if is_key(text) => {}
            Self::StationPassword | Self::AccessPointPassword => within(text, 8, 63)?,
            Self::Country if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) => {}
            Self::HostLabel if is_label(text) => within(text, 1, HOST_LABEL_LIMIT_BYTES)?,
            // What is allowed says all.
            Self::Country | Self::HostLabel => return Err(""),
            Self::Server => check_server(text)?,
            Self::Address => return host_address(text).map(|address| address.to_string()),
            Self::AddressPrefix => {
                let (address, bits) = address_prefix(text)?;
                return Ok(format!("{address}/{bits}"));
            }
            Self::TimeZone => {
                within(text, 1, ZONE_LIMIT_BYTES)?;
                Zone::parse(text)?;
            }
            Self::Position => return position(text),
            Self::UserName => within(text, 1, USER_NAME_LIMIT_BYTES)?,
        }
        Ok(text.to_string())
    }
}

fn within(text: &str, min: usize, max: usize) -> Result<(), &'static str> {
    match text.len() {
        length if length < min => Err("it is too short"),
        length if length > max => Err("it is too long"),
        _ => Ok(()),
    }
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn check_server(text: &str) -> Result<(), &'static str> {
    within(text, 1, SERVER_LIMIT_BYTES)?;
    // What consists of numbers is an address, or meant to be one.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let good = match text.parse::<core::net::IpAddr>() {
        Ok(address) => !address.is_unspecified() && !address.is_multicast(),
        Err(_) => !numeric && text.split('.').all(is_label),
    };
    if good { Ok(()) } else { Err("") }
}

/// An address that one host of a network can have.
fn host_address(text: &str) -> Result<Ipv4Addr, &'static str> {
    let address: Ipv4Addr = text.parse().map_err(|_| "")?;
    let first = address.octets()[0];
    if first == 0 || address.is_loopback() || first >= 224 {
        return Err("no host of a network can have it");
    }
    Ok(address)
}

/// The parts of [`Form::AddressPrefix`].
pub(super) fn address_prefix(text: &str) -> Result<(Ipv4Addr, u8), &'static str> {
    let (address, bits) = text.split_once('/').ok_or("the prefix is missing")?;
    let address = host_address(address)?;
    let plain = bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = bits.parse::<u8>().ok().filter(|bits| plain && (8..=30).contains(bits));
    let bits = bits.ok_or("the prefix is not 8 to 30")?;
    let host = address.to_bits() & host_mask(bits);
    if host == 0 || host == host_mask(bits) {
        return Err("it is the address of the whole network");
    }
    Ok((address, bits))
}

/// Ones where an address names the host. `bits` are at most 30.
pub(super) fn host_mask(bits: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0)
}

fn position(text: &str) -> Result<String, &'static str> {
    let (latitude, longitude) =
        text.split_once(',').ok_or("it is not two numbers with a comma between them")?;
    let latitude = degrees(latitude.trim_matches(' '), 90, "the latitude is not -90 to 90")?;
    let longitude = degrees(longitude.trim_matches(' '), 180, "the longitude is not -180 to 180")?;
    Ok(format!("{latitude},{longitude}"))
}

/// A fixed-point number in its one form: as many as six digits behind the point, no needless ones.
fn degrees(text: &str, limit: u32, reason: &'static str) -> Result<String, &'static str> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", text),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits =
        |part: &str, most| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 3) || !digits(fraction, 20) {
        return Err("a number has the form 52.520008");
    }
    let whole: u32 = whole.parse().map_err(|_| reason)?;
    // What a map shows beyond six digits is less than a hand's breadth.
    let fraction = fraction.get(..6).unwrap_or(fraction).trim_end_matches('0');
    if whole > limit || (whole == limit && !fraction.is_empty()) {
        return Err(reason);
    }
    Ok(match (whole, fraction) {
        (0, "") => String::from("0"),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

/// Millionths of a degree of what [`degrees`] has made.
pub(super) fn micro_degrees(text: &str) -> Option<i32> {
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |number| (-1, number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut micro: i32 = whole.parse::<i32>().ok()?.checked_mul(1_000_000)?;
    let mut unit = 100_000;
    for digit in fraction.bytes() {
        micro = micro.checked_add(unit * i32::from(digit.checked_sub(b'0')?))?;
        unit /= 10;
    }
    Some(sign * micro)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMS: [Form; 11] = [
        Form::Ssid,
        Form::StationPassword,
        Form::AccessPointPassword,
        Form::Country,
        Form::HostLabel,
        Form::Server,
        Form::Address,
        Form::AddressPrefix,
        Form::TimeZone,
        Form::Position,
        Form::UserName,
    ];

    #[test]
    fn good_texts_take_their_one_form() {
        let key = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCD";
        let longest = "x".repeat(63);
        for (form, given, expected) in [
            (Form::Ssid, "", ""),
            (Form::Ssid, "Müller's WLAN #1", "Müller's WLAN #1"),
            (Form::Ssid, &"x".repeat(32), &"x".repeat(32)),
            (Form::StationPassword, "12345678", "12345678"),
            (Form::StationPassword, &longest, &longest),
            (Form::StationPassword, key, key),
            (Form::AccessPointPassword, "pass word", "pass word"),
            (Form::Country, "DE", "DE"),
            (Form::Country, "", ""),
            (Form::HostLabel, "obkmq-2", "obkmq-2"),
            (Form::Server, "pool.ntp.org", "pool.ntp.org"),
            (Form::Server, "router", "router"),
            (Form::Server, "192.168.1.1", "192.168.1.1"),
            (Form::Server, "fd00::1", "fd00::1"),
            (Form::Address, "10.0.0.1", "10.0.0.1"),
            (Form::AddressPrefix, "192.168.1.5/24", "192.168.1.5/24"),
            (Form::AddressPrefix, "10.0.0.2/30", "10.0.0.2/30"),
            (Form::Position, "52.520008, 13.404954", "52.520008,13.404954"),
            (Form::Position, "-33.8,151", "-33.8,151"),
            (Form::Position, "052.500,-0.0", "52.5,0"),
            (Form::Position, "90,-180", "90,-180"),
            (Form::Position, "1.23456789,-0.5", "1.234567,-0.5"),
        ] {
            assert_eq!(form.canonical(given), Ok(expected.to_string()), "{form:?} {given}");
        }
    }

    #[test]
    fn bad_texts_say_what_is_wrong() {
        let (long, key) = ("x".repeat(64), "g".repeat(64));
        for (form, given, reason) in [
            (Form::Ssid, "a\n", "it holds a control character"),
            (Form::Ssid, &"é".repeat(17), "it is too long"),
            (Form::StationPassword, "", "it is too short"),
            (Form::StationPassword, "1234567", "it is too short"),
            (Form::StationPassword, &key, "it is too long"),
            (Form::AccessPointPassword, &"0".repeat(64), "it is too long"),
            (Form::Country, "de", ""),
            (Form::Country, "DEU", ""),
            (Form::HostLabel, "", ""),
            (Form::HostLabel, "a.b", ""),
            (Form::HostLabel, "-a", ""),
            (Form::HostLabel, "a_b", ""),
            (Form::HostLabel, &"a".repeat(33), "it is too long"),
            (Form::HostLabel, &long, ""),
            (Form::Server, "a..b", ""),
            (Form::Server, "1.2.3", ""),
            (Form::Server, "0.0.0.0", ""),
            (Form::Server, "http://a", ""),
            (Form::Address, "10.0.0.256", ""),
            (Form::Address, "010.0.0.1", ""),
            (Form::Address, "127.0.0.1", "no host of a network can have it"),
            (Form::Address, "0.1.2.3", "no host of a network can have it"),
            (Form::Address, "255.255.255.255", "no host of a network can have it"),
            (Form::AddressPrefix, "10.0.0.1", "the prefix is missing"),
            (Form::AddressPrefix, "10.0.0.1/31", "the prefix is not 8 to 30"),
            (Form::AddressPrefix, "10.0.0.1/+8", "the prefix is not 8 to 30"),
            (Form::AddressPrefix, "10.0.0.0/24", "it is the address of the whole network"),
            (Form::AddressPrefix, "10.0.0.255/24", "it is the address of the whole network"),
            (Form::Position, "52.5", "it is not two numbers with a comma between them"),
            (Form::Position, "90.000001,0", "the latitude is not -90 to 90"),
            (Form::Position, "0,181", "the longitude is not -180 to 180"),
            (Form::Position, "1e2,0", "a number has the form 52.520008"),
            (Form::Position, "+1,0", "a number has the form 52.520008"),
            (Form::Position, "1.,0", "a number has the form 52.520008"),
            (Form::Position, "52,5,13,4", "a number has the form 52.520008"),
        ] {
            assert_eq!(form.canonical(given), Err(reason), "{form:?} {given}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_one_form_or_none(
            form in 0..FORMS.len(),
            text in "\\PC{0,70}|[-+0-9.,/ ]{0,20}|[A-Za-z0-9<>:,./MJ+-]{0,40}",
        ) {
            if let Ok(once) = FORMS[form].canonical(&text) {
                prop_assert!(once.len() <= text.len().max(3));
                prop_assert_eq!(FORMS[form].canonical(&once), Ok(once));
            }
        }
    }

    proptest! {
        #[test]
        fn a_position_is_read_as_the_number_it_is(micro in -180_000_000_i32..=180_000_000) {
            let text = format!("{}.{:06}", micro / 1_000_000, (micro % 1_000_000).abs());
            let text = if micro < 0 && !text.starts_with('-') { format!("-{text}") } else { text };
            prop_assert_eq!(micro_degrees(&degrees(&text, 180, "").unwrap()), Some(micro), "{}", text);
        }
    }
}
