//! What the node asks of a Wi-Fi radio.
//!
//! A radio works by itself between two calls of [`Radio::poll`]; nothing here waits.

use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv4Addr};

use obkmq_broker::{Instant, RadioFigures};

/// A Wi-Fi radio: a station, and on boards with [`Capability::AccessPoint`](crate::Capability::AccessPoint) also a network
/// of its own.
pub trait Radio {
    /// Does what is due, and says when it wants to be called again at the latest.
    fn poll(&mut self, now: Instant) -> Option<Instant>;

    /// From now on joins this network and stays in it, and again when it was lost; what was joined before is left.
    /// `None` leaves only.
    fn join(&mut self, network: Option<Credentials<'_>>);

    /// How that stands.
    fn link(&self) -> WifiLink;

    /// How strong the network is, and how often it was lost.
    fn figures(&self) -> RadioFigures {
        RadioFigures::default()
    }

    /// Which country's rules hold for what it sends; `None` for those that hold everywhere. Told before the first
    /// [`Radio::join`], and when it changes.
    fn set_country(&mut self, _country: Option<[u8; 2]>) {}

    /// The address to have in networks that are joined; `None` to ask them for one (DHCP). Told before the first
    /// [`Radio::join`], and when it changes: boards with [`Capability::Address`](crate::Capability::Address).
    fn set_address(&mut self, _address: Option<StaticAddress>) {}

    /// Opens a network of the board's own, or another one instead; `None` closes it.
    fn open(&mut self, _network: Option<Credentials<'_>>) {}

    /// The radio's Ethernet address, whose end is part of the own network's name.
    fn mac(&self) -> [u8; 6] {
        [0; 6]
    }

    /// Begins to look for networks, unless it does so already. It ends within seconds.
    fn scan(&mut self);

    /// Whether it is looking for networks.
    fn is_scanning(&self) -> bool;

    /// What it has found the last time: each name once, the strongest first.
    fn networks(&self) -> &[Network];
}

/// A network to join. It has no `Debug`, because of the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Name of the network.
    pub ssid: &'a str,
    /// Its password; `None` for an open one.
    pub password: Option<&'a str>,
}

/// An address that is set and not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticAddress {
    /// The board's address.
    pub address: Ipv4Addr,
    /// Bits of it that name the network, 8 to 30.
    pub prefix_bits: u8,
    /// The router.
    pub gateway: Option<Ipv4Addr>,
    /// The name server; `None` for the router.
    pub name_server: Option<Ipv4Addr>,
}

/// How joining stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WifiLink {
    /// There is no network to join.
    #[default]
    Off,
    /// On its way.
    Joining,
    /// In the network.
    Joined {
        /// The board's address there.
        address: IpAddr,
    },
    /// The last attempt failed; the radio tries again by itself.
    Failed(JoinFailure),
}

/// Why a network could not be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinFailure {
    /// Nobody of that name answers.
    NotFound,
    /// The network does not accept the password.
    WrongPassword,
    /// The network gave no address (DHCP).
    NoAddress,
    /// The network let it in no further, for another reason than the password.
    Refused,
}

impl JoinFailure {
    /// The word on the console.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::WrongPassword => "wrong-password",
            Self::NoAddress => "no-address",
            Self::Refused => "refused",
        }
    }

    /// What the owner can do about it.
    pub(crate) const fn next_step(self) -> &'static str {
        match self {
            Self::NotFound => {
                "look with `wifi scan` whether it is in reach; mind capital letters, and that a chip needs 2.4 GHz"
            }
            Self::WrongPassword => "set wifi.password again; mind capital letters",
            Self::Refused => {
                "look whether the router takes WPA2 and one more device; bring the board nearer to it"
            }
            Self::NoAddress => "look at the router's DHCP server, or set network.address and network.gateway",
        }
    }
}

/// A network in reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    ssid: String,
    rssi_dbm: i8,
    secured: bool,
}

impl Network {
    /// A network that was found; `None` for one whose name is hidden or cannot be set, because it is no text.
    #[must_use]
    pub fn new(ssid: &[u8], rssi_dbm: i8, secured: bool) -> Option<Self> {
        let ssid = core::str::from_utf8(ssid).ok()?;
        let good = !ssid.is_empty()
            && ssid.len() <= obkmq_config::limits::SSID_LIMIT_BYTES
            && !ssid.chars().any(char::is_control);
        good.then(|| Self { ssid: ssid.to_string(), rssi_dbm, secured })
    }

    /// Its name: 1 to 32 bytes without control characters.
    #[must_use]
    pub fn ssid(&self) -> &str {
        &self.ssid
    }

    /// How strong it is here, in dBm.
    #[must_use]
    pub const fn rssi_dbm(&self) -> i8 {
        self.rssi_dbm
    }

    /// Whether it wants a password.
    #[must_use]
    pub const fn secured(&self) -> bool {
        self.secured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_can_be_set_are_networks() {
        assert_eq!(Network::new("küche".as_bytes(), -40, true).unwrap().ssid(), "küche");
        for bad in [b"".as_slice(), b"\xff", b"a\n", &[b'x'; 33]] {
            assert_eq!(Network::new(bad, -40, true), None);
        }
    }
}
