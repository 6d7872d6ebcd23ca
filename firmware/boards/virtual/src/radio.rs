//! A Wi-Fi radio that is made up, so that provisioning can be tried and tested without one.
//!
//! It sends nothing through the air. Its networks are those it was told, and being in one of them means having the
//! address at which the virtual board can be reached anyway.

use core::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use obkmq_node::{Credentials, Instant, JoinFailure, Network, Radio, WifiLink};

use crate::limits::{RADIO_JOIN_MS, RADIO_SCAN_MS};

/// A network in reach of a simulated radio. It has no derived `Debug`, because of the password.
#[derive(Clone, PartialEq, Eq)]
pub struct SimulatedNetwork {
    ssid: String,
    password: Option<String>,
    dhcp: bool,
}

impl SimulatedNetwork {
    /// Its name.
    pub fn ssid(&self) -> &str {
        &self.ssid
    }

    /// The same network whose router gives no addresses.
    #[must_use]
    pub fn without_dhcp(self) -> Self {
        Self { dhcp: false, ..self }
    }
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SimulatedNetwork({:?})", self.ssid)
    }
}

/// A text that names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is SSID or SSID:PASSWORD, the SSID of 1 to 32 bytes and the password of 8 to 63")]
pub struct NotANetwork;

impl FromStr for SimulatedNetwork {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (ssid, password) = match text.split_once(':') {
            Some((ssid, password)) => (ssid, Some(password)),
            None => (text, None),
        };
        let good = Network::new(ssid.as_bytes(), 0, false).is_some()
            && password.is_none_or(|password| (8..=63).contains(&password.len()));
        good.then(|| Self { ssid: ssid.to_owned(), password: password.map(str::to_owned), dhcp: true })
            .ok_or(NotANetwork)
    }
}

/// The radio.
pub struct SimulatedRadio {
    networks: Vec<SimulatedNetwork>,
    address: IpAddr,
    link: WifiLink,
    /// What the attempt that is under way will come to, and when; the time is set by the next poll.
    outcome: Option<(WifiLink, Option<Instant>)>,
    /// The end of the scan that is under way.
    scan: Option<Option<Instant>>,
    found: Vec<Network>,
}

impl SimulatedRadio {
    /// A radio with these networks in reach, in each of which the board has this address.
    pub fn new(networks: Vec<SimulatedNetwork>, address: IpAddr) -> Self {
        Self { networks, address, link: WifiLink::Off, outcome: None, scan: None, found: Vec::new() }
    }

    fn attempt(&self, wanted: &Credentials<'_>) -> WifiLink {
        let Some(network) = self.networks.iter().find(|network| network.ssid == wanted.ssid) else {
            return WifiLink::Failed(JoinFailure::NotFound);
        };
        match &network.password {
            Some(password) if wanted.password != Some(password) => {
                WifiLink::Failed(JoinFailure::WrongPassword)
            }
            _ if !network.dhcp => WifiLink::Failed(JoinFailure::NoAddress),
            _ => WifiLink::Joined { address: self.address },
        }
    }
}

impl Radio for SimulatedRadio {
    fn poll(&mut self, now: Instant) -> Option<Instant> {
        if let Some((outcome, at)) = &mut self.outcome {
            let at = *at.get_or_insert(now.saturating_add_millis(RADIO_JOIN_MS));
            if at <= now {
                self.link = *outcome;
                self.outcome = None;
            }
        }
        if let Some(end) = &mut self.scan
            && *end.get_or_insert(now.saturating_add_millis(RADIO_SCAN_MS)) <= now
        {
            self.scan = None;
            // The first is the nearest.
            let strengths = (-90..=-40_i8).rev().step_by(7);
            let networks = self.networks.iter().zip(strengths.chain(std::iter::repeat(-90)));
            self.found = networks
                .filter_map(|(network, rssi)| {
                    Network::new(network.ssid.as_bytes(), rssi, network.password.is_some())
                })
                .collect();
        }
        let outcome = self.outcome.and_then(|(_, at)| at);
        outcome.into_iter().chain(self.scan.flatten()).min()
    }

    fn join(&mut self, network: Option<Credentials<'_>>) {
        self.link = if network.is_some() { WifiLink::Joining } else { WifiLink::Off };
        self.outcome = network.map(|network| (self.attempt(&network), None));
    }

    fn link(&self) -> WifiLink {
        self.link
    }

    fn scan(&mut self) {
        self.scan.get_or_insert(None);
    }

    fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    fn networks(&self) -> &[Network] {
        &self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> SimulatedNetwork {
        text.parse().unwrap()
    }

    fn radio() -> SimulatedRadio {
        let networks =
            vec![network("home:correct horse"), network("café"), network("dead:12345678").without_dhcp()];
        SimulatedRadio::new(networks, [127, 0, 0, 1].into())
    }

    #[test]
    fn names_and_passwords_are_checked_and_passwords_not_shown() {
        assert_eq!(network("a:b:c:d:e:f").ssid(), "a");
        for bad in ["", ":12345678", "a:", "a:1234567", &"x".repeat(33)] {
            assert_eq!(bad.parse::<SimulatedNetwork>(), Err(NotANetwork), "{bad}");
        }
        assert_eq!(format!("{:?}", network("home:hunter22")), "SimulatedNetwork(\"home\")");
    }

    #[test]
    fn each_attempt_has_its_outcome_after_a_while() {
        let joined = WifiLink::Joined { address: [127, 0, 0, 1].into() };
        for (ssid, password, outcome) in [
            ("home", Some("correct horse"), joined),
            ("home", Some("wrong horse"), WifiLink::Failed(JoinFailure::WrongPassword)),
            ("home", None, WifiLink::Failed(JoinFailure::WrongPassword)),
            ("café", None, joined),
            ("Home", Some("correct horse"), WifiLink::Failed(JoinFailure::NotFound)),
            ("dead", Some("12345678"), WifiLink::Failed(JoinFailure::NoAddress)),
        ] {
            let mut radio = radio();
            let start = Instant::from_millis(5);
            assert_eq!((radio.poll(start), radio.link()), (None, WifiLink::Off));
            radio.join(Some(Credentials { ssid, password }));
            let due = radio.poll(start).unwrap();
            assert_eq!(radio.link(), WifiLink::Joining);
            assert_eq!((radio.poll(due), radio.link()), (None, outcome), "{ssid}");
            radio.join(None);
            assert_eq!(radio.link(), WifiLink::Off);
        }
    }

    #[test]
    fn a_scan_finds_all_of_them() {
        let mut radio = radio();
        radio.scan();
        let due = radio.poll(Instant::ZERO).unwrap();
        assert!(radio.is_scanning() && radio.networks().is_empty());
        assert_eq!(radio.poll(due), None);
        assert!(!radio.is_scanning());
        let found: Vec<_> =
            radio.networks().iter().map(|found| (found.ssid(), found.rssi_dbm(), found.secured())).collect();
        assert_eq!(found, [("home", -40, true), ("café", -47, false), ("dead", -54, true)]);
    }
}
