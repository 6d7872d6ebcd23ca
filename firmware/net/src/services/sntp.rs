//! Asks a server for the time (SNTP: RFC 4330; the message is NTP's, RFC 5905).
//!
//! An answer counts only if it repeats the random number that the question carried in the place of a time, so that nobody
//! sets the clock who has not seen the question. Whoever has seen it can: SNTP is not authenticated.

use alloc::vec;
use core::net::Ipv4Addr;

use obkmq_node::Instant;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::dns::{GetQueryResultError, QueryHandle, Socket};
use smoltcp::wire::{DnsQueryType, IpAddress};

use super::udp::Udp;
use crate::limits::{SNTP_AGAIN_MS, SNTP_ANSWER_MS, SNTP_FIRST_PAUSE_MS, SNTP_LONGEST_PAUSE_MS};
use crate::stack::Stack;

const SERVER_PORT: u16 = 123;
/// Any port but the server's own.
const OWN_PORT: u16 = 50_123;
const MESSAGE_BYTES: usize = 48;
/// Version 4, a client.
const CLIENT: u8 = 4 << 3 | 3;
const MODE: u8 = 0b111;
const SERVER: u8 = 4;
/// The two highest bits: the server has no time itself.
const UNSYNCHRONISED: u8 = 0b1100_0000;
/// Where the answer repeats what the question has in [`TRANSMITTED`].
const ORIGIN: usize = 24;
const TRANSMITTED: usize = 40;
/// Seconds between NTP's beginning (1900) and 1970.
const TO_1970_S: i64 = 2_208_988_800;
/// Seconds until NTP counts from 0 again, first in 2036.
const ERA_S: i64 = 1 << 32;

/// The question that carries `random`.
fn question(random: u64) -> [u8; MESSAGE_BYTES] {
    let mut message = [0; MESSAGE_BYTES];
    message[0] = CLIENT;
    message[TRANSMITTED..].copy_from_slice(&random.to_be_bytes());
    message
}

/// The time in an answer to the question that carried `random`, in milliseconds since 1970 UTC.
#[must_use]
pub fn read_time(message: &[u8], random: u64) -> Option<i64> {
    let (message, _) = message.split_first_chunk::<MESSAGE_BYTES>()?;
    let [first, stratum, ..] = *message;
    let origin = message.get(ORIGIN..ORIGIN + 8)?;
    let is_answer = first & MODE == SERVER && origin == random.to_be_bytes();
    // A server of stratum 0 asks to be left alone, one beyond 15 has no time.
    if !is_answer || first & UNSYNCHRONISED == UNSYNCHRONISED || !(1..=15).contains(&stratum) {
        return None;
    }
    let stamp = u64::from_be_bytes(message.get(TRANSMITTED..)?.try_into().ok()?);
    let (seconds, fraction) = (i64::try_from(stamp >> 32).ok()?, stamp & u64::from(u32::MAX));
    if stamp == 0 {
        return None;
    }
    // The highest bit is set until 2036, and not for 68 years from then on.
    let era_s = if seconds >= ERA_S / 2 { 0 } else { ERA_S };
    let millis = i64::try_from((fraction * 1000) >> 32).ok()?;
    Some((seconds + era_s - TO_1970_S) * 1000 + millis)
}

/// What the client is at.
#[derive(Clone, Copy)]
enum Phase {
    Waiting {
        until: Instant,
    },
    /// The server's name is looked up.
    Naming {
        query: QueryHandle,
    },
    Asked {
        server: Ipv4Addr,
        random: u64,
        sent: Instant,
    },
}

/// The client on a stack.
pub struct Sntp {
    udp: Udp,
    names: SocketHandle,
    phase: Phase,
    failures: u32,
    /// A time in milliseconds since 1970 UTC, and when that was.
    known: Option<(i64, Instant)>,
}

impl Sntp {
    /// Begins when it is polled.
    pub fn new(stack: &mut Stack) -> Option<Self> {
        let udp = Udp::bind(stack, OWN_PORT)?;
        let (_, sockets) = stack.parts();
        let names = sockets.add(Socket::new(&[], vec![None]));
        Some(Self { udp, names, phase: Phase::Waiting { until: Instant::ZERO }, failures: 0, known: None })
    }

    /// The time in seconds since 1970 UTC, once it is known.
    pub fn unix_seconds(&self, now: Instant) -> Option<i64> {
        let (millis, at) = self.known?;
        let since = now.as_micros().saturating_sub(at.as_micros()) / 1000;
        Some(millis.saturating_add(i64::try_from(since).ok()?).div_euclid(1000))
    }

    /// Asks again soon: the board has come into a network.
    pub fn restart(&mut self, stack: &mut Stack, now: Instant) {
        self.wait(stack, now);
        self.failures = 0;
    }

    /// Does what is due. `server` is a name or an address; `random` makes a number that nobody can guess.
    pub fn poll(
        &mut self,
        stack: &mut Stack,
        server: &str,
        name_server: Option<Ipv4Addr>,
        random: impl FnOnce() -> u64,
        now: Instant,
    ) {
        match self.phase {
            Phase::Waiting { until } if until > now => self.drain(stack),
            Phase::Waiting { .. } => match server.parse() {
                Ok(server) => self.ask(stack, server, random(), now),
                Err(_) => self.look_up(stack, server, name_server, now),
            },
            Phase::Naming { query } => {
                let (_, sockets) = stack.parts();
                match sockets.get_mut::<Socket<'_>>(self.names).get_query_result(query) {
                    Err(GetQueryResultError::Pending) => {}
                    Ok(addresses) => match addresses.first() {
                        Some(IpAddress::Ipv4(server)) => self.ask(stack, *server, random(), now),
                        None => self.failed(now),
                    },
                    Err(GetQueryResultError::Failed) => self.failed(now),
                }
            }
            Phase::Asked { server, random, sent } => {
                let mut answer = None;
                self.udp.answer(stack, |message, from, _| {
                    if from == (server, SERVER_PORT) {
                        answer = answer.or(read_time(message, random));
                    }
                    None
                });
                let took_ms = now.as_micros().saturating_sub(sent.as_micros()) / 1000;
                if let Some(millis) = answer {
                    // Half of the way there and back.
                    let way_ms = i64::try_from(took_ms / 2).unwrap_or(0);
                    self.known = Some((millis.saturating_add(way_ms), now));
                    self.failures = 0;
                    self.phase = Phase::Waiting { until: now.saturating_add_millis(SNTP_AGAIN_MS) };
                } else if took_ms >= SNTP_ANSWER_MS {
                    self.failed(now);
                }
            }
        }
    }

    fn look_up(&mut self, stack: &mut Stack, name: &str, name_server: Option<Ipv4Addr>, now: Instant) {
        let Some(name_server) = name_server else { return self.failed(now) };
        let (interface, sockets) = stack.parts();
        let socket = sockets.get_mut::<Socket<'_>>(self.names);
        socket.update_servers(&[IpAddress::Ipv4(name_server)]);
        match socket.start_query(interface.context(), name, DnsQueryType::A) {
            Ok(query) => self.phase = Phase::Naming { query },
            Err(_) => self.failed(now),
        }
    }

    fn ask(&mut self, stack: &mut Stack, server: Ipv4Addr, random: u64, now: Instant) {
        self.drain(stack);
        self.udp.send(stack, &question(random), (server, SERVER_PORT));
        self.phase = Phase::Asked { server, random, sent: now };
    }

    /// Throws away what came too late.
    fn drain(&self, stack: &mut Stack) {
        self.udp.answer(stack, |_, _, _| None);
    }

    fn wait(&mut self, stack: &mut Stack, until: Instant) {
        if let Phase::Naming { query } = self.phase {
            let (_, sockets) = stack.parts();
            sockets.get_mut::<Socket<'_>>(self.names).cancel_query(query);
        }
        self.phase = Phase::Waiting { until };
    }

    /// Asks again later each time.
    fn failed(&mut self, now: Instant) {
        let pause = SNTP_FIRST_PAUSE_MS.checked_shl(self.failures).unwrap_or(SNTP_LONGEST_PAUSE_MS);
        self.failures = self.failures.saturating_add(1).min(32);
        self.phase = Phase::Waiting { until: now.saturating_add_millis(pause.min(SNTP_LONGEST_PAUSE_MS)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RANDOM: u64 = 0x0123_4567_89AB_CDEF;

    /// An answer of a public server (stratum 2), with our random number.
    fn answer(seconds: u32, fraction: u32) -> [u8; MESSAGE_BYTES] {
        let mut message = [0; MESSAGE_BYTES];
        message[..4].copy_from_slice(&[0x24, 2, 0, 0xE7]);
        message[ORIGIN..ORIGIN + 8].copy_from_slice(&RANDOM.to_be_bytes());
        message[TRANSMITTED..TRANSMITTED + 4].copy_from_slice(&seconds.to_be_bytes());
        message[TRANSMITTED + 4..].copy_from_slice(&fraction.to_be_bytes());
        message
    }

    #[test]
    fn an_answer_tells_the_time_before_and_after_2036() {
        // 2026-11-27 20:00:00.5 UTC, and 2036-02-07 06:28:16 UTC, when NTP counts from 0 again.
        assert_eq!(read_time(&answer(4_004_798_400, 1 << 31), RANDOM), Some(1_795_809_600_500));
        assert_eq!(read_time(&answer(0, 1), RANDOM), Some(2_085_978_496_000));
        assert_eq!(read_time(&answer(u32::MAX, 0), RANDOM), Some(2_085_978_495_000));
    }

    #[test]
    fn what_is_no_answer_to_our_question_tells_nothing() {
        let good = answer(4_004_798_400, 0);
        assert_eq!(read_time(&good, RANDOM + 1), None);
        assert_eq!(read_time(&good[..47], RANDOM), None);
        for (at, byte) in [(0, 0x23), (0, 0xE4), (1, 0), (1, 16)] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(read_time(&bad, RANDOM), None, "{at} {byte:#x}");
        }
        assert_eq!(read_time(&answer(0, 0), RANDOM), None);
        assert_eq!(read_time(&question(RANDOM), RANDOM), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), random in any::<u64>()) {
            let _ = read_time(&bytes, random);
            let mut almost = answer(u32::MAX, u32::MAX);
            for (to, from) in almost[TRANSMITTED..].iter_mut().zip(&bytes) {
                *to = *from;
            }
            let _ = read_time(&almost, RANDOM);
        }
    }
}
