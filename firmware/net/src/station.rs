//! Joining a Wi-Fi network and staying in it: what a radio's driver does next, and how that stands.
//!
//! The driver asks for the next [`Step`], and tells how it went; addresses come from whoever asks the network for one.
//! Nothing here waits or knows a chip.

use core::net::Ipv4Addr;

use obkmq_node::{Instant, JoinFailure, WifiLink};

use crate::limits::{ADDRESS_MS, ATTEMPTS_BEFORE_FAILURE, BACK_OFF_FIRST_MS, BACK_OFF_LONGEST_MS, STEADY_MS};

/// What the driver is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing for now.
    Rest,
    /// Associate with the network; then [`Station::associated`] or [`Station::failed`].
    Associate,
    /// Leave the network that gave no address; then [`Station::left`].
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is no network to join.
    Off,
    /// Associate at that time.
    Due(Instant),
    /// The driver is at it.
    Associating,
    /// In the network, without an address.
    Unaddressed { until: Instant },
    /// In the network, with an address.
    Joined { since: Instant },
    /// To leave, and to begin again.
    Leaving,
}

/// A station and its network.
#[derive(Clone, Debug)]
pub struct Station {
    phase: Phase,
    link: WifiLink,
    /// Attempts that failed in a row.
    failures: u32,
    reconnects: u32,
    /// Whether it has been in this network before.
    was_joined: bool,
}

impl Default for Station {
    fn default() -> Self {
        Self { phase: Phase::Off, link: WifiLink::Off, failures: 0, reconnects: 0, was_joined: false }
    }
}

impl Station {
    /// Another network is to be joined, or none: all that was is forgotten but the count of reconnects.
    pub fn join(&mut self, wanted: bool, now: Instant) {
        self.failures = 0;
        self.was_joined = false;
        (self.phase, self.link) =
            if wanted { (Phase::Due(now), WifiLink::Joining) } else { (Phase::Off, WifiLink::Off) };
    }

    /// The driver has begun anew and is in no network any more, which is nobody's fault.
    pub fn restarted(&mut self, now: Instant) {
        if self.phase != Phase::Off {
            self.phase = Phase::Due(now);
            self.was_joined = false;
        }
    }

    /// What to do now.
    pub fn step(&mut self, now: Instant) -> Step {
        match self.phase {
            Phase::Due(at) if at <= now => {
                self.phase = Phase::Associating;
                Step::Associate
            }
            Phase::Unaddressed { until } if until <= now => {
                self.phase = Phase::Leaving;
                Step::Leave
            }
            Phase::Joined { since } if since.saturating_add_millis(STEADY_MS) <= now => {
                self.failures = 0;
                Step::Rest
            }
            Phase::Leaving => Step::Leave,
            _ => Step::Rest,
        }
    }

    /// The network has let it in.
    pub fn associated(&mut self, now: Instant) {
        if self.phase == Phase::Associating {
            self.phase = Phase::Unaddressed { until: now.saturating_add_millis(ADDRESS_MS) };
        }
    }

    /// The network has not let it in.
    pub fn failed(&mut self, failure: JoinFailure, now: Instant) {
        if self.phase == Phase::Associating {
            self.again(Some(failure), now);
        }
    }

    /// The network that gave no address was left.
    pub fn left(&mut self, now: Instant) {
        if self.phase == Phase::Leaving {
            self.again(Some(JoinFailure::NoAddress), now);
        }
    }

    /// The network is gone.
    pub fn lost(&mut self, now: Instant) {
        match self.phase {
            Phase::Unaddressed { .. } => self.again(None, now),
            Phase::Joined { .. } => {
                self.link = WifiLink::Joining;
                self.again(None, now);
            }
            Phase::Off | Phase::Due(_) | Phase::Associating | Phase::Leaving => {}
        }
    }

    /// The address in the network, or that it is no longer valid.
    pub fn addressed(&mut self, address: Option<Ipv4Addr>, now: Instant) {
        match (self.phase, address) {
            (Phase::Unaddressed { .. }, Some(address)) => {
                if self.was_joined {
                    self.reconnects = self.reconnects.saturating_add(1);
                }
                self.was_joined = true;
                self.phase = Phase::Joined { since: now };
                self.link = WifiLink::Joined { address: address.into() };
            }
            (Phase::Joined { .. }, Some(address)) => self.link = WifiLink::Joined { address: address.into() },
            (Phase::Joined { .. }, None) => {
                self.link = WifiLink::Joining;
                self.phase = Phase::Unaddressed { until: now.saturating_add_millis(ADDRESS_MS) };
            }
            _ => {}
        }
    }

    /// Whether it is in a network, and so in need of an address.
    #[must_use]
    pub fn is_associated(&self) -> bool {
        matches!(self.phase, Phase::Unaddressed { .. } | Phase::Joined { .. })
    }

    /// How joining stands.
    #[must_use]
    pub fn link(&self) -> WifiLink {
        self.link
    }

    /// How often a network was joined again after it had been lost.
    #[must_use]
    pub fn reconnects(&self) -> u32 {
        self.reconnects
    }

    /// Tries again, later each time. The first failures are not told: radios miss a beacon or a handshake now and then.
    fn again(&mut self, failure: Option<JoinFailure>, now: Instant) {
        let doubled = BACK_OFF_FIRST_MS.checked_shl(self.failures).unwrap_or(BACK_OFF_LONGEST_MS);
        self.failures = self.failures.saturating_add(1).min(u64::BITS / 2);
        self.phase = Phase::Due(now.saturating_add_millis(doubled.min(BACK_OFF_LONGEST_MS)));
        if let Some(failure) = failure
            && self.failures >= ATTEMPTS_BEFORE_FAILURE
        {
            self.link = WifiLink::Failed(failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn joined_at(millis: u64) -> Station {
        let mut station = Station::default();
        station.join(true, at(millis));
        assert_eq!(station.step(at(millis)), Step::Associate);
        station.associated(at(millis));
        station.addressed(Some(HOME), at(millis));
        station
    }

    #[test]
    fn a_network_is_joined_once_it_has_given_an_address() {
        let mut station = Station::default();
        assert_eq!((station.step(at(0)), station.link()), (Step::Rest, WifiLink::Off));
        station.join(true, at(5));
        assert_eq!((station.step(at(5)), station.link()), (Step::Associate, WifiLink::Joining));
        assert_eq!(station.step(at(6)), Step::Rest, "the driver is at it");
        assert!(!station.is_associated());
        station.associated(at(1_000));
        assert!(station.is_associated());
        assert_eq!((station.step(at(1_001)), station.link()), (Step::Rest, WifiLink::Joining));
        station.addressed(Some(HOME), at(2_000));
        assert_eq!(station.link(), WifiLink::Joined { address: HOME.into() });
        assert_eq!(station.step(at(u64::from(u32::MAX))), Step::Rest);
        station.join(false, at(3_000));
        assert_eq!((station.step(at(3_000)), station.link()), (Step::Rest, WifiLink::Off));
        assert_eq!(station.reconnects(), 0);
    }

    #[test]
    fn attempts_come_later_each_time_and_the_second_failure_is_told() {
        let mut station = Station::default();
        station.join(true, at(0));
        let mut now = 0;
        let mut pauses = std::vec::Vec::new();
        for attempt in 1..=9 {
            let begun = now;
            while station.step(at(now)) == Step::Rest {
                now += 1;
            }
            pauses.push(now - begun);
            station.failed(JoinFailure::WrongPassword, at(now));
            let told = WifiLink::Failed(JoinFailure::WrongPassword);
            assert_eq!(station.link(), if attempt == 1 { WifiLink::Joining } else { told });
        }
        assert_eq!(pauses, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn a_network_that_gives_no_address_is_left_and_said_to_be_so() {
        let mut station = Station::default();
        station.join(true, at(0));
        let mut now = 0;
        for _ in 0..2 {
            while station.step(at(now)) != Step::Associate {
                now += 1;
            }
            station.associated(at(now));
            assert_eq!(station.step(at(now + ADDRESS_MS - 1)), Step::Rest);
            assert_eq!(station.step(at(now + ADDRESS_MS)), Step::Leave);
            assert_eq!(station.step(at(now + ADDRESS_MS)), Step::Leave, "until it is left");
            now += ADDRESS_MS;
            station.left(at(now));
        }
        assert_eq!(station.link(), WifiLink::Failed(JoinFailure::NoAddress));
    }

    #[test]
    fn a_lost_network_is_joined_again_and_counted() {
        let mut station = joined_at(0);
        station.lost(at(10_000));
        assert_eq!(station.link(), WifiLink::Joining);
        assert_eq!(station.step(at(10_999)), Step::Rest);
        assert_eq!(station.step(at(11_000)), Step::Associate);
        station.associated(at(12_000));
        station.addressed(Some(HOME), at(12_500));
        assert_eq!(station.reconnects(), 1);
        station.addressed(None, at(20_000));
        assert_eq!(station.link(), WifiLink::Joining);
        station.addressed(Some(HOME), at(20_001));
        assert_eq!(station.link(), WifiLink::Joined { address: HOME.into() });
        station.join(true, at(30_000));
        assert_eq!(station.step(at(30_000)), Step::Associate);
        station.associated(at(30_000));
        station.addressed(Some(HOME), at(30_000));
        assert_eq!(station.reconnects(), 2, "an expired address counts, another network does not");
    }

    #[test]
    fn a_network_that_comes_and_goes_is_not_hammered_and_a_steady_one_is_forgiven() {
        let mut station = joined_at(0);
        station.lost(at(1_000));
        assert_eq!(station.step(at(2_000)), Step::Associate);
        station.associated(at(2_000));
        station.addressed(Some(HOME), at(2_000));
        station.lost(at(3_000));
        assert_eq!(station.step(at(4_999)), Step::Rest, "twice as long");
        assert_eq!(station.step(at(5_000)), Step::Associate);
        station.associated(at(5_000));
        station.addressed(Some(HOME), at(5_000));
        assert_eq!(station.step(at(5_000 + STEADY_MS)), Step::Rest);
        station.lost(at(100_000));
        assert_eq!(station.step(at(101_000)), Step::Associate);
    }

    #[test]
    fn a_driver_that_was_started_again_joins_at_once() {
        let mut station = joined_at(0);
        station.restarted(at(50));
        assert_eq!(station.step(at(50)), Step::Associate);
        station.associated(at(50));
        station.addressed(Some(HOME), at(60));
        assert_eq!(station.reconnects(), 0);
        let mut idle = Station::default();
        idle.restarted(at(0));
        assert_eq!(idle.step(at(0)), Step::Rest);
    }
}
