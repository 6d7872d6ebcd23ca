//! Who has failed too often and waits.
//!
//! Failures are counted for an address and a user name together: a device with a typo in its password locks out
//! neither its neighbours nor the owner at another address. The table is small. What drops out of it, the pair that has
//! not failed for longest, gets its free tries again, and gains nothing else: each try still costs a derivation (see
//! [the module above](super)).

use alloc::vec::Vec;
use core::net::IpAddr;

use obkmq_broker::{Instant, Peer};

use crate::limits::{BACK_OFF_FORGET_MS, BACK_OFF_FREE_FAILURES, BACK_OFF_LONGEST_S, BACK_OFF_PAIRS};

/// An address and a user name, as a number that nobody outside can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair(pub(super) u64);

/// What counts as one address. Whoever has an IPv6 address has all of its /64.
pub(super) fn origin(peer: Peer) -> [u8; 9] {
    let mut origin = [0; 9];
    let bytes = match peer.0.ip().to_canonical() {
        IpAddr::V4(address) => {
            origin[0] = 4;
            u64::from(address.to_bits())
        }
        IpAddr::V6(address) => {
            origin[0] = 6;
            (address.to_bits() >> 64) as u64
        }
    };
    let (_, place) = origin.split_at_mut(1);
    place.copy_from_slice(&bytes.to_be_bytes());
    origin
}

#[derive(Debug)]
struct Entry {
    pair: Pair,
    /// In a row, at least one.
    failures: u8,
    failed_at: Instant,
}

impl Entry {
    /// From when on the next attempt is looked at.
    fn ends_at(&self) -> Instant {
        let seconds = match self.failures.checked_sub(BACK_OFF_FREE_FAILURES) {
            None => 0,
            Some(further) => {
                1_u64.checked_shl(further.into()).map_or(BACK_OFF_LONGEST_S, |s| s.min(BACK_OFF_LONGEST_S))
            }
        };
        self.failed_at.saturating_add_millis(seconds * 1000)
    }
}

/// The pairs that have failed lately, the one whose failure is longest ago first.
#[derive(Debug, Default)]
pub(super) struct BackOff(Vec<Entry>);

impl BackOff {
    /// Whether attempts of this pair are not looked at now.
    pub(super) fn holds(&self, now: Instant, pair: Pair) -> bool {
        self.0.iter().any(|entry| entry.pair == pair && now < entry.ends_at())
    }

    /// Counts a failure.
    pub(super) fn failed(&mut self, now: Instant, pair: Pair) {
        self.0.retain(|entry| now < entry.failed_at.saturating_add_millis(BACK_OFF_FORGET_MS));
        let earlier = self.0.iter().position(|entry| entry.pair == pair).map(|at| self.0.remove(at).failures);
        if self.0.len() >= BACK_OFF_PAIRS {
            self.0.remove(0);
        }
        self.0.push(Entry { pair, failures: earlier.unwrap_or(0).saturating_add(1), failed_at: now });
    }

    /// Forgets the failures of a pair that has got in.
    pub(super) fn succeeded(&mut self, pair: Pair) {
        self.0.retain(|entry| entry.pair != pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Pair = Pair(1);
    const BOB: Pair = Pair(2);

    /// How long a pair is held after its next failure, in milliseconds.
    fn fail(back_off: &mut BackOff, now: &mut Instant, pair: Pair) -> u64 {
        back_off.failed(*now, pair);
        let from = *now;
        while back_off.holds(*now, pair) {
            *now = now.saturating_add_millis(1);
        }
        (now.as_micros() - from.as_micros()) / 1000
    }

    #[test]
    fn two_failures_are_free_and_then_the_pause_doubles_up_to_a_minute() {
        let (mut back_off, mut now) = (BackOff::default(), Instant::from_millis(5));
        let pauses: [u64; 12] = core::array::from_fn(|_| fail(&mut back_off, &mut now, ANN));
        let seconds = [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60];
        assert_eq!(pauses, seconds.map(|seconds| seconds * 1000));
        for _ in 0..300 {
            assert!(!back_off.holds(now, BOB), "another pair is not concerned");
            back_off.failed(now, ANN);
        }
        assert_eq!(fail(&mut back_off, &mut now, ANN), 60_000, "counters do not come round");
    }

    #[test]
    fn success_and_time_forget() {
        let (mut back_off, mut now) = (BackOff::default(), Instant::ZERO);
        for _ in 0..4 {
            fail(&mut back_off, &mut now, ANN);
        }
        back_off.succeeded(ANN);
        assert_eq!(fail(&mut back_off, &mut now, ANN), 0);
        for _ in 0..4 {
            fail(&mut back_off, &mut now, BOB);
        }
        now = now.saturating_add_millis(BACK_OFF_FORGET_MS);
        assert_eq!(fail(&mut back_off, &mut now, BOB), 0);
    }

    #[test]
    fn the_least_recently_failed_makes_room() {
        let (mut back_off, now) = (BackOff::default(), Instant::ZERO);
        for pair in [ANN, BOB] {
            for _ in 0..3 {
                back_off.failed(now, pair);
            }
        }
        back_off.failed(now, ANN);
        for other in 0..BACK_OFF_PAIRS as u64 - 1 {
            back_off.failed(now, Pair(100 + other));
        }
        assert!(back_off.holds(now, ANN) && !back_off.holds(now, BOB));
        assert_eq!(back_off.0.len(), BACK_OFF_PAIRS);
    }

    #[test]
    fn an_address_is_a_whole_ipv4_one_or_half_an_ipv6_one_whatever_the_port() {
        let of = |text: &str| origin(Peer(text.parse().unwrap()));
        assert_eq!(of("192.168.1.9:1"), of("192.168.1.9:2"));
        assert_eq!(of("192.168.1.9:1"), of("[::ffff:192.168.1.9]:1"));
        assert_ne!(of("192.168.1.9:1"), of("192.168.1.8:1"));
        assert_eq!(of("[fd00:1:2:3::1]:1"), of("[fd00:1:2:3:ffff::9]:1"));
        assert_ne!(of("[fd00:1:2:3::1]:1"), of("[fd00:1:2:4::1]:1"));
        assert_ne!(of("0.0.0.1:1"), of("[0:0:0:1::1]:1"));
    }
}
