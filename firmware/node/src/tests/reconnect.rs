//! After a power cut all devices come back at once: when are they in?
//!
//! Computed for the slowest chip, a 120 MHz ARM9 (BK7231) that runs from memory without wait states. The devices do as
//! Tasmota does: they give up a CONNECT after four seconds and try again later.

use obkmq_config::limits::PASSWORD_ITERATIONS_DEFAULT;
use obkmq_config::password::{Derivation, PasswordHash, SALT_BYTES};
use obkmq_config::settings::Settings;

use super::*;
use crate::limits::HASH_ITERATIONS_PER_TURN;

const CLOCK_HZ: u64 = 120_000_000;
/// Of one iteration of PBKDF2, which is two compressions of SHA-256 and HMAC around them: see
/// [`HASH_ITERATIONS_PER_TURN`].
const THUMB_CYCLES: u64 = 15_000;
const ARM_CYCLES: u64 = 8_200;
/// Everything else that a turn does, the network included. Assumed; of that, asking about 32 attempts again whenever a
/// derivation is finished (two MACs each, 12 ms in all) takes 0.2 ms a turn.
const REST_OF_TURN_US: u64 = 2_200;
const PATIENCE_MS: u64 = 4_000;
const DEVICES: usize = 32;

struct Device {
    address: String,
    user: String,
    link: Option<LinkId>,
    /// Gives up or tries again.
    next: Instant,
}

/// When each device was in, in milliseconds after the power came back.
fn come_back(users: usize, iterations: u32, cycles: u64, retry_ms: u64) -> Vec<u64> {
    let mut world = World::boot(Ram::blank());
    let mut settings = Settings::default();
    for number in (0..=u8::MAX).take(users) {
        let (name, salt) = (format!("user{number}"), [number; SALT_BYTES]);
        let hash = Derivation::new(name.as_bytes(), salt, iterations).step(u32::MAX).unwrap();
        settings.set_user(&name, PasswordHash::new(iterations, salt, hash).unwrap()).unwrap();
    }
    world.node.adopt(settings).unwrap();
    let start = world.now;
    let mut devices: Vec<_> = (0..DEVICES)
        .map(|number| Device {
            address: format!("192.168.1.{number}"),
            user: format!("user{}", number % users),
            link: None,
            next: start,
        })
        .collect();
    let hash_us = u64::from(HASH_ITERATIONS_PER_TURN) * cycles * 1_000_000 / CLOCK_HZ;
    let mut times = Vec::new();
    while times.len() < DEVICES {
        let now = world.now;
        let since_ms = (now.as_micros() - start.as_micros()) / 1000;
        assert!(since_ms < 600_000, "{} are in: {times:?}", times.len());
        devices.retain_mut(|device| match device.link {
            None if now >= device.next => {
                let link = world.open_from(&device.address);
                // A device's client identifier is its own.
                let bytes = connect_packet(&device.address, Some((&device.user, &device.user)));
                assert_eq!(world.node.receive(now, link, &bytes), bytes.len());
                device.link = Some(link);
                device.next = now.saturating_add_millis(PATIENCE_MS);
                true
            }
            None => true,
            Some(link) => {
                let answer = world.sent(link);
                if !answer.is_empty() {
                    assert_eq!(answer, [0x20, 2, 0, 0], "after {since_ms} ms");
                    times.push(since_ms);
                    return false;
                }
                if now >= device.next {
                    world.node.closed(now, link);
                    device.link = None;
                    device.next = now.saturating_add_millis(retry_ms);
                }
                true
            }
        });
        let is_hashing = world.node.poll(now).is_some_and(|deadline| deadline <= now);
        let turn_us = REST_OF_TURN_US + if is_hashing { hash_us } else { 0 };
        let next = Instant::from_micros(now.as_micros() + turn_us);
        // Nothing happens while nobody is there.
        let idle_until = devices.iter().map(|device| device.next).min().filter(|_| !is_hashing);
        world.now = idle_until.map_or(next, |then| then.max(next));
    }
    times
}

/// Seconds until the last one is in, rounded up.
fn all_in_after_s(users: usize, iterations: u32, cycles: u64, retry_s: u64) -> u64 {
    let times = come_back(users, iterations, cycles, retry_s * 1000);
    times.last().unwrap().div_ceil(1000)
}

#[test]
fn devices_that_share_a_user_are_all_in_at_the_first_try() {
    assert_eq!(all_in_after_s(1, PASSWORD_ITERATIONS_DEFAULT, THUMB_CYCLES, 10), 1);
    assert_eq!(all_in_after_s(4, PASSWORD_ITERATIONS_DEFAULT, THUMB_CYCLES, 10), 3);
}

/// Not at the first try, but every try finds the results of those before it: no work is done twice or lost.
#[test]
fn devices_that_each_have_their_own_user_are_all_in_after_some_tries() {
    assert_eq!(all_in_after_s(DEVICES, PASSWORD_ITERATIONS_DEFAULT, THUMB_CYCLES, 1), 23);
    assert_eq!(all_in_after_s(DEVICES, PASSWORD_ITERATIONS_DEFAULT, THUMB_CYCLES, 10), 59);
    assert_eq!(all_in_after_s(DEVICES, PASSWORD_ITERATIONS_DEFAULT, ARM_CYCLES, 1), 16);
    assert_eq!(all_in_after_s(DEVICES, PASSWORD_ITERATIONS_DEFAULT, ARM_CYCLES, 10), 43);
}

/// The price of having them all in at the first try is a hash that is guessed four to seven times as fast.
#[test]
fn cheaper_hashes_would_let_them_all_in_at_the_first_try() {
    assert!(all_in_after_s(DEVICES, 1024, ARM_CYCLES, 10) <= 4);
    assert!(all_in_after_s(DEVICES, 1024, THUMB_CYCLES, 10) > 4);
    assert!(all_in_after_s(DEVICES, 600, THUMB_CYCLES, 10) <= 4);
}
