//! The records that a board answers for, and the label that is its name.

use core::fmt::{self, Write as _};
use core::net::Ipv4Addr;

use super::super::dns::{A, ANY, Data, IN, Owner, PTR, Part, Question, SRV, TXT, Writer};
use super::Service;

/// Longest host name: a label.
const NAME_BYTES: usize = 63;
/// Services that are told of.
const SERVICES: usize = 2;
/// Records: the address, and three and the list of each service.
pub(super) const RECORDS: usize = 1 + 4 * SERVICES;

/// A record that the board answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Address,
    /// That there are services of this kind.
    Kind(Service),
    /// The board's one of this kind.
    Instance(Service),
    Place(Service),
    Words(Service),
}

impl Entry {
    pub(super) fn all(services: &[Service]) -> impl Iterator<Item = Self> {
        let of_services = services.iter().take(SERVICES).flat_map(|service| {
            [Self::Kind(*service), Self::Instance(*service), Self::Place(*service), Self::Words(*service)]
        });
        core::iter::once(Self::Address).chain(of_services)
    }

    pub(super) fn kind(self) -> u16 {
        match self {
            Self::Address => A,
            Self::Kind(_) | Self::Instance(_) => PTR,
            Self::Place(_) => SRV,
            Self::Words(_) => TXT,
        }
    }

    /// Whether nobody else has a record of this name and kind.
    pub(super) fn is_unique(self) -> bool {
        matches!(self, Self::Address | Self::Place(_) | Self::Words(_))
    }

    /// Calls with the labels of its name.
    pub(super) fn owner<R>(self, name: &str, with: impl FnOnce(&[&str]) -> R) -> R {
        match self {
            Self::Address => with(&[name, "local"]),
            Self::Kind(_) => with(&["_services", "_dns-sd", "_udp", "local"]),
            Self::Instance(service) => with(&[service.kind, "_tcp", "local"]),
            Self::Place(service) | Self::Words(service) => with(&[name, service.kind, "_tcp", "local"]),
        }
    }

    pub(super) fn answers(self, name: &str, question: &Question<'_>) -> bool {
        let kind = question.kind == self.kind() || question.kind == ANY;
        kind && matches!(question.class, IN | ANY) && self.owner(name, |owner| question.name.is(owner))
    }

    pub(super) fn write(
        self,
        name: &str,
        address: Ipv4Addr,
        part: Part,
        (class, ttl_s): (u16, u32),
        writer: &mut Writer<'_>,
    ) {
        let words = (self.kind(), class, ttl_s);
        self.owner(name, |owner| {
            let mut record = |data: &Data<'_>| writer.record(part, Owner::Labels(owner), words, data);
            match self {
                Self::Address => record(&Data::Address(address.octets())),
                Self::Kind(service) => record(&Data::Name(&[service.kind, "_tcp", "local"])),
                Self::Instance(service) => record(&Data::Name(&[name, service.kind, "_tcp", "local"])),
                Self::Place(service) => {
                    record(&Data::Service { port: service.port, host: &[name, "local"] });
                }
                Self::Words(_) => record(&Data::Empty),
            }
        });
    }
}

/// A set of records, by their order in [`Entry::all`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen(pub(super) [bool; RECORDS]);

impl Chosen {
    pub(super) fn set(&mut self, at: usize, is_chosen: bool) {
        if let Some(place) = self.0.get_mut(at) {
            *place = is_chosen;
        }
    }

    pub(super) fn has(self, at: usize) -> bool {
        self.0.get(at).copied().unwrap_or(false)
    }

    pub(super) fn is_empty(self) -> bool {
        !self.0.contains(&true)
    }
}

/// A label in memory.
#[derive(Clone, Copy)]
pub(super) struct Label {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl Label {
    /// The name, with a number at its end from the second one on; what is too long gives way to the number.
    pub(super) fn of(name: &str, number: u8) -> Self {
        let mut label = Self { bytes: [0; NAME_BYTES], length: 0 };
        let room = if number > 1 { NAME_BYTES - 4 } else { NAME_BYTES };
        let _ = label.write_str(name.get(..name.len().min(room)).unwrap_or("obkmq"));
        if number > 1 {
            let _ = write!(label, "-{number}");
        }
        label
    }

    pub(super) fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("obkmq")
    }
}

impl fmt::Write for Label {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.saturating_add(text.len());
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
