//! The board's own Wi-Fi network: when it is open, and what its password is.
//!
//! It is the way in to a board that knows no network, or whose network is gone. Its password is random and stored once it
//! is made up; the console tells it then and never again. It is never computed from the board's address, which every
//! frame publishes.

use alloc::format;
use alloc::string::{String, ToString};

use obkmq_broker::Instant;
use obkmq_config::settings::{AccessPoint, Capability, LogLevel, Settings};

use crate::board::Board;
use crate::limits::OWN_NETWORK_LINGER_MS;
use crate::node::Node;
use crate::radio::{Credentials, WifiLink};

/// Letters and digits of made-up passwords: 32 of them, none that is easily taken for another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Of a made-up password; 60 bits.
const PASSWORD_CHARACTERS: usize = 12;

/// What the node knows of the board's own network.
#[derive(Default)]
pub(crate) struct OwnNetwork {
    /// As the radio was told.
    open: Option<Wanted>,
    /// Made up and not stored yet.
    password: Option<String>,
    watch: Watch,
}

/// It has no `Debug`, because of the password.
#[derive(PartialEq, Eq)]
struct Wanted {
    ssid: String,
    password: String,
}

/// Since when the board has been in a network, or has not.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    joined: bool,
    since: Instant,
}

impl Watch {
    fn note(&mut self, joined: bool, now: Instant) {
        if joined != self.joined {
            *self = Self { joined, since: now };
        }
    }

    /// Whether the own network is to be open, and when that may change by itself.
    fn decide(self, wish: &Wish, is_open: bool, now: Instant) -> (bool, Option<Instant>) {
        let until = |millis| Some(self.since.saturating_add_millis(millis));
        let change = match wish.access_point {
            AccessPoint::On => return (true, None),
            AccessPoint::Off => return (false, None),
            AccessPoint::Auto if !wish.has_network => return (true, None),
            // Whoever has just given the board its network through this one is to see that it worked.
            AccessPoint::Auto if self.joined && is_open => until(OWN_NETWORK_LINGER_MS),
            AccessPoint::Auto if self.joined || is_open => return (is_open, None),
            AccessPoint::Auto => wish.fallback_s.and_then(|seconds| until(u64::from(seconds) * 1000)),
        };
        match change {
            Some(at) if at <= now => (!is_open, None),
            change => (is_open, change),
        }
    }
}

/// What the settings say.
struct Wish {
    access_point: AccessPoint,
    fallback_s: Option<u32>,
    has_network: bool,
}

impl<B: Board> Node<B> {
    /// Opens or closes the board's own network; when to look again at the latest.
    pub(crate) fn poll_own_network(&mut self, link: WifiLink, has_network: bool) -> Option<Instant> {
        if !self.identity.capabilities.has(Capability::AccessPoint) {
            return None;
        }
        let now = self.now;
        self.own_network.watch.note(matches!(link, WifiLink::Joined { .. }), now);
        let is_safe_mode = self.board.is_safe_mode();
        let wish = Wish {
            access_point: if is_safe_mode { AccessPoint::On } else { self.settings.access_point() },
            fallback_s: self.settings.wifi_fallback_s(),
            has_network,
        };
        let is_open = self.own_network.open.is_some();
        // Nothing is offered to the network while the settings are in doubt.
        let (open, due) =
            if self.locked { (false, None) } else { self.own_network.watch.decide(&wish, is_open, now) };
        let wanted = if open { self.own_network() } else { None };
        if wanted != self.own_network.open {
            let told = wanted.as_ref();
            let told = told.map(|own| Credentials { ssid: &own.ssid, password: Some(&own.password) });
            if let Some(radio) = self.board.radio() {
                radio.open(told);
            }
            match &wanted {
                Some(own) => {
                    self.log(LogLevel::Info, format_args!("Wi-Fi: own network {:?} opens", own.ssid))
                }
                None => self.log(LogLevel::Info, format_args!("Wi-Fi: own network closes")),
            }
            self.own_network.open = wanted;
        }
        due
    }

    /// Name of the board's own network, if that is open.
    pub(crate) fn own_ssid(&self) -> Option<&str> {
        self.own_network.open.as_ref().map(|own| own.ssid.as_str())
    }

    fn own_network(&mut self) -> Option<Wanted> {
        let mac = self.board.radio()?.mac();
        let ssid = own_ssid(&self.settings, mac);
        let stored = self.settings.access_point_password().map(ToString::to_string);
        let password = match stored {
            Some(password) => {
                self.own_network.password = None;
                password
            }
            None => self.made_up_password(),
        };
        Some(Wanted { ssid, password })
    }

    /// Makes up a password, stores it and tells the console, once.
    fn made_up_password(&mut self) -> String {
        if let Some(password) = &self.own_network.password {
            return password.clone();
        }
        let mut bytes = [0; PASSWORD_CHARACTERS];
        self.board.fill_random(&mut bytes);
        let password = password_of(&bytes);
        self.own_network.password = Some(password.clone());
        let stored = self.commit_apart(|draft| draft.set("wifi.ap_password", &password));
        self.tell_wire(&format!("The password of the board's own Wi-Fi network is now {password}"));
        if let Err(error) = stored {
            self.log(
                LogLevel::Warn,
                format_args!("the password of the own network holds until the next start only: {error}"),
            );
        }
        password
    }
}

/// `wifi.ap_ssid`, or `obkmq-` and the end of the board's address.
fn own_ssid(settings: &Settings, mac: [u8; 6]) -> String {
    let [.., fifth, sixth] = mac;
    match settings.access_point_ssid() {
        Some(ssid) => ssid.to_string(),
        None => format!("obkmq-{fifth:02X}{sixth:02X}"),
    }
}

/// Five bits of each byte name a character, so that each is as likely as another.
fn password_of(bytes: &[u8]) -> String {
    let character =
        |byte: &u8| ALPHABET.get(usize::from(byte & 31)).map_or('a', |letter| char::from(*letter));
    bytes.iter().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTO: Wish = Wish { access_point: AccessPoint::Auto, fallback_s: Some(300), has_network: true };

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    #[test]
    fn it_is_open_without_a_network_to_join_and_as_the_owner_says() {
        let watch = Watch::default();
        let nothing = Wish { has_network: false, ..AUTO };
        assert_eq!(watch.decide(&nothing, false, at(0)), (true, None));
        for (access_point, open) in [(AccessPoint::On, true), (AccessPoint::Off, false)] {
            for is_open in [false, true] {
                for has_network in [false, true] {
                    let wish = Wish { access_point, has_network, ..AUTO };
                    assert_eq!(watch.decide(&wish, is_open, at(1_000)), (open, None));
                }
            }
        }
    }

    #[test]
    fn it_opens_when_the_network_is_away_for_too_long_and_closes_a_while_after_it_is_back() {
        let mut watch = Watch::default();
        watch.note(false, at(7));
        assert_eq!(watch.decide(&AUTO, false, at(299)), (false, Some(at(300))), "counted from the start");
        assert_eq!(watch.decide(&AUTO, false, at(300)), (true, None));
        assert_eq!(watch.decide(&AUTO, true, at(9_999)), (true, None), "it stays");
        watch.note(true, at(10_000));
        watch.note(true, at(10_030));
        assert_eq!(watch.decide(&AUTO, true, at(10_059)), (true, Some(at(10_060))));
        assert_eq!(watch.decide(&AUTO, true, at(10_060)), (false, None));
        assert_eq!(watch.decide(&AUTO, false, at(20_000)), (false, None));
        watch.note(false, at(30_000));
        assert_eq!(watch.decide(&AUTO, false, at(30_001)), (false, Some(at(30_300))));
        let never = Wish { fallback_s: None, ..AUTO };
        assert_eq!(watch.decide(&never, false, at(99_999)), (false, None));
    }

    #[test]
    fn made_up_passwords_use_the_whole_alphabet_evenly() {
        let all: [u8; 256] = core::array::from_fn(|at| u8::try_from(at).unwrap());
        let mut letters = password_of(&all).into_bytes();
        letters.sort_unstable();
        assert!(letters.chunks(8).all(|eight| eight.iter().all(|letter| *letter == eight[0])));
        letters.dedup();
        assert_eq!(letters.len(), 32);
    }

    #[test]
    fn the_name_ends_as_the_address_does_unless_it_is_set() {
        let mut settings = Settings::default();
        assert_eq!(own_ssid(&settings, [2, 0, 0, 0, 0xA, 0xBC]), "obkmq-0ABC");
        settings.set("wifi.ap_ssid", "attic").unwrap();
        assert_eq!(own_ssid(&settings, [0; 6]), "attic");
    }
}
