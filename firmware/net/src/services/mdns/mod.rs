//! Answers for the board's name and services in its network: multicast DNS (RFC 6762) and service discovery (RFC 6763).
//!
//! A name is asked for three times before it is used; where another host has it, a number is added to it. Records are told
//! when somebody asks, not to those who say that they know them, and to everybody once a second at most. Not done: asking
//! by several hosts at the very same time is decided by nobody, and a name that is lost while it is in use is defended
//! only.

mod records;

use core::net::Ipv4Addr;

use obkmq_node::Instant;

use super::dns::{A, ANY, AUTHORITATIVE, IN, Message, Part, RESPONSE, TOP_BIT, Writer};
use super::udp::Udp;
use crate::limits::{MDNS_ANNOUNCEMENTS, MDNS_PROBES, MDNS_TTL_S};
use crate::stack::Stack;

use records::{Chosen, Entry, Label, RECORDS};

const PORT: u16 = 5353;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// Between two questions for a name (RFC 6762, section 8.1).
const PROBE_MS: u64 = 250;
/// Between two announcements, and between two answers to everybody (sections 8.3 and 6).
const PAUSE_MS: u64 = 1_000;
/// The longest time for which those who know no multicast are told something (section 6.7).
const LEGACY_TTL_S: u32 = 10;

/// What a board offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name in the registry of services, with an underscore: `_mqtt`.
    pub kind: &'static str,
    /// Its TCP port.
    pub port: u16,
}

/// Who the board is in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// Its name, a label of 1 to 63 letters, digits and hyphens, without `.local`.
    pub name: &'a str,
    /// Its address there.
    pub address: Ipv4Addr,
    /// What it offers, of which two are told.
    pub services: &'a [Service],
}

/// How far the name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is asked for: so many times still, the next time then.
    Probing(u8, Instant),
    /// It is told: likewise.
    Announcing(u8, Instant),
    Known,
}

/// The responder, without its socket.
pub struct Responder {
    phase: Phase,
    /// The owner's name of the board, and which number was added to it.
    base: Label,
    number: u8,
    label: Label,
    address: Ipv4Addr,
    /// When each record was told to everybody.
    told_at: [Option<Instant>; RECORDS],
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Everybody in the network.
    Everybody,
    /// Who has asked, from another port than that of multicast DNS.
    Asker,
}

impl Default for Responder {
    fn default() -> Self {
        let base = Label::of("", 1);
        let phase = Phase::Known;
        Self { phase, base, number: 1, label: base, address: Ipv4Addr::UNSPECIFIED, told_at: [None; RECORDS] }
    }
}

impl Responder {
    /// The name that the board has, without `.local`, once it is known to be free.
    pub fn name(&self) -> Option<&str> {
        (!matches!(self.phase, Phase::Probing(..))).then(|| self.label.as_str())
    }

    /// What is to be said to everybody without having been asked: questions for the name, announcements.
    pub fn poll(&mut self, host: &Host<'_>, now: Instant, out: &mut [u8]) -> Option<usize> {
        if self.base.as_str() != host.name || self.address != host.address {
            self.base = Label::of(host.name, 1);
            self.address = host.address;
            self.begin(1, now);
        }
        match self.phase {
            Phase::Probing(left, at) if at <= now => {
                let next = now.saturating_add_millis(PROBE_MS);
                let Some(left) = left.checked_sub(1) else {
                    self.phase = Phase::Announcing(MDNS_ANNOUNCEMENTS, now);
                    return None;
                };
                self.phase = Phase::Probing(left, next);
                let name = self.label.as_str();
                let mut writer = Writer::new(out, 0, 0);
                writer.question(&[name, "local"], ANY, IN);
                Entry::Address.write(name, host.address, Part::Authority, (IN, MDNS_TTL_S), &mut writer);
                writer.finish()
            }
            Phase::Announcing(left, at) if at <= now => {
                self.phase = match left.checked_sub(1) {
                    Some(left) if left > 0 => Phase::Announcing(left, now.saturating_add_millis(PAUSE_MS)),
                    _ => Phase::Known,
                };
                self.told_at = [Some(now); RECORDS];
                let mut writer = Writer::new(out, 0, RESPONSE | AUTHORITATIVE);
                self.write(host, Chosen([true; RECORDS]), Part::Answer, &mut writer, For::Everybody);
                writer.finish()
            }
            _ => None,
        }
    }

    /// Answers a message that came from this port.
    pub fn answer(
        &mut self,
        message: &[u8],
        from_port: u16,
        host: &Host<'_>,
        now: Instant,
        out: &mut [u8],
    ) -> Option<(usize, For)> {
        let message = Message::read(message)?;
        if message.is_response() {
            self.look_for_namesake(&message, now);
            return None;
        }
        if !message.is_query() || matches!(self.phase, Phase::Probing(..)) {
            return None;
        }
        let to = if from_port == PORT { For::Everybody } else { For::Asker };
        let (chosen, also) = self.choose(&message, host, to, now);
        if chosen.is_empty() {
            return None;
        }
        let id = if to == For::Asker { message.id } else { 0 };
        let mut writer = Writer::new(out, id, RESPONSE | AUTHORITATIVE);
        if to == For::Asker {
            let question = message.parts().0.next()?;
            writer.repeat(&question);
        } else {
            for (at, told_at) in self.told_at.iter_mut().enumerate() {
                if chosen.has(at) {
                    *told_at = Some(now);
                }
            }
        }
        self.write(host, chosen, Part::Answer, &mut writer, to);
        self.write(host, also, Part::Additional, &mut writer, to);
        Some((writer.finish()?, to))
    }

    /// What answers a message, and what whoever asks will ask next.
    fn choose(&self, message: &Message<'_>, host: &Host<'_>, to: For, now: Instant) -> (Chosen, Chosen) {
        let name = self.label.as_str();
        let mut chosen = Chosen::default();
        let (questions, known) = message.parts();
        for question in questions.take(RECORDS) {
            for (at, entry) in Entry::all(host.services).enumerate() {
                if entry.answers(name, &question) {
                    chosen.set(at, true);
                }
            }
        }
        let was_told = |at: usize| {
            let told_at = self.told_at.get(at).copied().flatten();
            told_at.is_some_and(|told_at| told_at.saturating_add_millis(PAUSE_MS) > now)
        };
        for (at, entry) in Entry::all(host.services).enumerate() {
            let knows = |record: &super::dns::Record<'_>| {
                record.kind == entry.kind()
                    && record.ttl_s >= MDNS_TTL_S / 2
                    && entry.owner(name, |owner| record.name.is(owner))
                    && match entry {
                        Entry::Address => record.data == host.address.octets(),
                        Entry::Kind(service) => record.target.is(&[service.kind, "_tcp", "local"]),
                        Entry::Instance(service) => record.target.is(&[name, service.kind, "_tcp", "local"]),
                        // Seldom sent along, and small.
                        Entry::Place(_) | Entry::Words(_) => false,
                    }
            };
            if chosen.has(at) && (to == For::Everybody && was_told(at) || known.clone().any(|it| knows(&it)))
            {
                chosen.set(at, false);
            }
        }
        let mut also = Chosen::default();
        let entries = || Entry::all(host.services).enumerate();
        for (at, entry) in entries().filter(|(at, _)| chosen.has(*at)) {
            let follows = |other: Entry| match entry {
                Entry::Instance(service) => {
                    [Entry::Place(service), Entry::Words(service), Entry::Address].contains(&other)
                }
                Entry::Place(_) => other == Entry::Address,
                Entry::Address | Entry::Kind(_) | Entry::Words(_) => false,
            };
            for (other_at, other) in entries() {
                if other_at != at && follows(other) && !chosen.has(other_at) {
                    also.set(other_at, true);
                }
            }
        }
        (chosen, also)
    }

    fn write(&self, host: &Host<'_>, chosen: Chosen, part: Part, writer: &mut Writer<'_>, to: For) {
        for (at, entry) in Entry::all(host.services).enumerate() {
            let class = if entry.is_unique() && to == For::Everybody { IN | TOP_BIT } else { IN };
            let ttl_s = if to == For::Asker { LEGACY_TTL_S } else { MDNS_TTL_S };
            if chosen.has(at) {
                entry.write(self.label.as_str(), host.address, part, (class, ttl_s), writer);
            }
        }
    }

    /// Another host answers for the name: while that is asked for, a number is added to it; later it is told again.
    fn look_for_namesake(&mut self, message: &Message<'_>, now: Instant) {
        let own = self.address.octets();
        let name = self.label.as_str();
        let is_taken = message
            .parts()
            .1
            .any(|record| record.kind == A && record.data != own && record.name.is(&[name, "local"]));
        if !is_taken {
            return;
        }
        match self.phase {
            Phase::Probing(..) => self.begin(self.number.saturating_add(1), now),
            Phase::Announcing(..) => {}
            Phase::Known => self.phase = Phase::Announcing(1, now.saturating_add_millis(PAUSE_MS)),
        }
    }

    fn begin(&mut self, number: u8, now: Instant) {
        self.number = number;
        self.label = Label::of(self.base.as_str(), number);
        // Whoever lost a name waits a little longer, so that two boards do not follow each other.
        let pause = if number > 1 { PAUSE_MS } else { 0 };
        self.phase = Phase::Probing(MDNS_PROBES, now.saturating_add_millis(pause));
        self.told_at = [None; RECORDS];
    }
}

/// The responder on a stack.
pub struct Mdns {
    udp: Udp,
    responder: Responder,
}

impl Mdns {
    /// Listens on a stack.
    pub fn new(stack: &mut Stack) -> Option<Self> {
        let udp = Udp::bind(stack, PORT)?;
        let (interface, _) = stack.parts();
        interface.join_multicast_group(GROUP).ok()?;
        Some(Self { udp, responder: Responder::default() })
    }

    /// The name that the board has, without `.local`, once it is known to be free.
    pub fn name(&self) -> Option<&str> {
        self.responder.name()
    }

    /// Answers what has come, in a bounded turn, and says what is due.
    pub fn poll(&mut self, stack: &mut Stack, host: &Host<'_>, now: Instant) {
        let Self { udp, responder } = self;
        udp.answer(stack, |message, from, out| {
            let (length, to) = responder.answer(message, from.1, host, now, out)?;
            Some((length, if to == For::Asker { from } else { (GROUP, PORT) }))
        });
        let mut out = [0; crate::limits::DATAGRAM_BYTES];
        if let Some(length) = responder.poll(host, now, &mut out) {
            udp.send(stack, out.get(..length).unwrap_or_default(), (GROUP, PORT));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dns::{Data, Owner, PTR, SRV, TXT};
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const SERVICES_OFFERED: [Service; 2] =
        [Service { kind: "_mqtt", port: 1883 }, Service { kind: "_http", port: 80 }];
    const HOST: Host<'static> =
        Host { name: "obkmq", address: Ipv4Addr::new(192, 168, 1, 7), services: &SERVICES_OFFERED };
    const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 99);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A responder whose name is known, a second after its last word, and that time.
    fn known() -> (Responder, u64) {
        let mut responder = Responder::default();
        let mut out = [0; 768];
        for millis in 0..10_000 {
            responder.poll(&HOST, at(millis), &mut out);
        }
        assert_eq!((responder.phase, responder.name()), (Phase::Known, Some("obkmq")));
        (responder, 10_000)
    }

    fn query(name: &[&str], kind: u16) -> Vec<u8> {
        let mut bytes = [0; 256];
        let mut writer = Writer::new(&mut bytes, 0x1234, 0);
        writer.question(name, kind, IN);
        let length = writer.finish().unwrap();
        bytes[..length].to_vec()
    }

    fn response(name: &[&str], address: Ipv4Addr) -> Vec<u8> {
        let mut bytes = [0; 256];
        let mut writer = Writer::new(&mut bytes, 0, RESPONSE | AUTHORITATIVE);
        writer.record(Part::Answer, Owner::Labels(name), (A, IN, 120), &Data::Address(address.octets()));
        let length = writer.finish().unwrap();
        bytes[..length].to_vec()
    }

    /// The kinds of the records that are answered with, and whom they are for.
    fn ask(responder: &mut Responder, message: &[u8], port: u16, now: u64) -> Option<(Vec<u16>, For)> {
        let mut out = [0; 768];
        let (length, to) = responder.answer(message, port, &HOST, at(now), &mut out)?;
        let message = Message::read(&out[..length]).unwrap();
        assert!(message.is_response());
        Some((message.parts().1.map(|record| record.kind).collect(), to))
    }

    #[test]
    fn a_name_is_asked_for_three_times_and_then_told_twice() {
        let mut responder = Responder::default();
        let mut said = Vec::new();
        let mut out = [0; 768];
        for millis in 0..5_000 {
            if let Some(length) = responder.poll(&HOST, at(millis), &mut out) {
                let message = Message::read(&out[..length]).unwrap();
                said.push((millis, message.is_query(), message.parts().1.count()));
            }
        }
        let all = RECORDS;
        assert_eq!(
            said,
            [(0, true, 1), (250, true, 1), (500, true, 1), (751, false, all), (1_751, false, all)]
        );
    }

    #[test]
    fn a_name_that_another_host_has_gets_a_number() {
        let mut responder = Responder::default();
        let mut out = [0; 768];
        responder.poll(&HOST, at(0), &mut out);
        assert_eq!(responder.name(), None);
        let taken = response(&["OBKMQ", "local"], OTHER);
        assert_eq!(ask(&mut responder, &taken, PORT, 1), None);
        assert_eq!(responder.poll(&HOST, at(2), &mut out), None, "it waits a while");
        for millis in 0..5_000 {
            responder.poll(&HOST, at(millis), &mut out);
        }
        assert_eq!(responder.name(), Some("obkmq-2"));
        assert!(ask(&mut responder, &query(&["obkmq-2", "local"], A), PORT, 9_000).is_some());
        assert_eq!(ask(&mut responder, &query(&["obkmq", "local"], A), PORT, 9_000), None);
        // The same host's own answers are no reason.
        let own = response(&["obkmq-2", "local"], HOST.address);
        ask(&mut responder, &own, PORT, 9_100);
        assert_eq!(responder.phase, Phase::Known);
        let other = response(&["obkmq-2", "local"], OTHER);
        ask(&mut responder, &other, PORT, 9_100);
        assert_eq!(responder.phase, Phase::Announcing(1, at(10_100)), "defended");
    }

    #[test]
    fn the_address_and_the_services_are_told_to_those_who_ask() {
        let (mut responder, now) = known();
        let everybody = |kinds: &[u16]| Some((kinds.to_vec(), For::Everybody));
        let address = query(&["obkmq", "local"], A);
        assert_eq!(ask(&mut responder, &address, PORT, now), everybody(&[A]));
        assert_eq!(ask(&mut responder, &address, PORT, now + 999), None, "told a moment ago");
        assert_eq!(ask(&mut responder, &address, PORT, now + 1_000), everybody(&[A]));
        let kinds = query(&["_services", "_dns-sd", "_udp", "local"], PTR);
        assert_eq!(ask(&mut responder, &kinds, PORT, now), everybody(&[PTR, PTR]));
        let brokers = query(&["_mqtt", "_tcp", "local"], PTR);
        let mut out = [0; 768];
        let (length, _) = responder.answer(&brokers, PORT, &HOST, at(now), &mut out).unwrap();
        assert_eq!(out[2..12], [0x84, 0, 0, 0, 0, 1, 0, 0, 0, 3], "place, words and address come along");
        let record = Message::read(&out[..length]).unwrap().parts().1.next().unwrap();
        assert!(record.target.is(&["obkmq", "_mqtt", "_tcp", "local"]));
        let place = query(&["obkmq", "_http", "_tcp", "local"], ANY);
        assert_eq!(ask(&mut responder, &place, PORT, now), everybody(&[SRV, TXT]));
        for nobody in [query(&["obkmq", "local"], 28), query(&["other", "local"], A), query(&["obkmq"], A)] {
            assert_eq!(ask(&mut responder, &nobody, PORT, now + 60_000), None);
        }
    }

    #[test]
    fn a_name_that_is_still_asked_for_is_not_answered_for() {
        let mut responder = Responder::default();
        let mut out = [0; 768];
        let asked = query(&["obkmq", "local"], A);
        responder.poll(&HOST, at(0), &mut out);
        assert_eq!(ask(&mut responder, &asked, PORT, 1), None);
        assert_eq!(ask(&mut responder, &asked, 40_000, 1), None);
        for millis in 0..5_000 {
            responder.poll(&HOST, at(millis), &mut out);
        }
        assert!(ask(&mut responder, &asked, PORT, 9_000).is_some());
    }

    #[test]
    fn who_knows_is_not_told() {
        let (mut responder, now) = known();
        let mut bytes = [0; 256];
        for (ttl_s, is_told) in [(MDNS_TTL_S / 2, false), (MDNS_TTL_S / 2 - 1, true)] {
            let mut writer = Writer::new(&mut bytes, 0, 0);
            writer.question(&["_mqtt", "_tcp", "local"], PTR, IN);
            let data = Data::Name(&["obkmq", "_mqtt", "_tcp", "local"]);
            writer.record(Part::Answer, Owner::Labels(&["_mqtt", "_tcp", "local"]), (PTR, IN, ttl_s), &data);
            let length = writer.finish().unwrap();
            assert_eq!(ask(&mut responder, &bytes[..length], PORT, now).is_some(), is_told);
        }
    }

    #[test]
    fn who_knows_no_multicast_is_answered_alone() {
        let (mut responder, now) = known();
        let mut out = [0; 768];
        let asked = query(&["obkmq", "local"], A);
        for _ in 0..2 {
            let (length, to) = responder.answer(&asked, 40_000, &HOST, at(now), &mut out).unwrap();
            assert_eq!((to, &out[..6]), (For::Asker, &[0x12, 0x34, 0x84, 0, 0, 1][..]));
            let record = Message::read(&out[..length]).unwrap().parts().1.next().unwrap();
            assert_eq!(record.ttl_s, LEGACY_TTL_S);
        }
    }

    #[test]
    fn another_name_or_address_begins_anew() {
        let (mut responder, now) = known();
        let mut out = [0; 768];
        responder.poll(&Host { address: OTHER, ..HOST }, at(now), &mut out);
        assert_eq!(responder.name(), None);
        responder.poll(&Host { name: "attic", ..HOST }, at(now), &mut out);
        assert_eq!(responder.label.as_str(), "attic");
        let long = "x".repeat(63);
        assert_eq!(Label::of(&long, 1).as_str(), long);
        assert_eq!(Label::of(&long, 255).as_str(), std::format!("{}-255", "x".repeat(59)));
    }

    #[test]
    fn the_longest_name_fits_a_message() {
        let long = "x".repeat(32);
        let host = Host { name: &long, ..HOST };
        let mut responder = Responder::default();
        let mut out = [0; crate::limits::DATAGRAM_BYTES];
        let said = (0..2_000).filter_map(|millis| responder.poll(&host, at(millis), &mut out)).count();
        assert_eq!(said, 5);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            place in 0..60_usize,
            change in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let (mut responder, now) = known();
            let mut out = [0; 768];
            responder.answer(&bytes, PORT, &HOST, at(now), &mut out);
            // Almost a question.
            let mut message = query(&["_mqtt", "_tcp", "local"], PTR);
            message.resize(64, 0);
            message.splice(place..(place + change.len()).min(64), change);
            responder.answer(&message, PORT, &HOST, at(now), &mut out);
            responder.answer(&message, 1, &HOST, at(now), &mut out);
        }
    }
}
