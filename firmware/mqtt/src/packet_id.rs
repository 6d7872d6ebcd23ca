//! Packet identifiers (section 2.3.1).

use core::num::NonZeroU16;

/// A packet identifier. Zero is not one \[MQTT-2.3.1-1\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The first identifier.
    pub const FIRST: PacketId = PacketId(NonZeroU16::MIN);

    /// An identifier, unless the number is zero.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(PacketId(number)),
            None => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 1 follows 65535.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(number) => PacketId(number),
            None => PacketId::FIRST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_identifier_and_the_last_wraps_to_one() {
        assert_eq!(PacketId::new(0), None);
        assert_eq!(PacketId::FIRST.next().get(), 2);
        assert_eq!(PacketId::new(65535).unwrap().next(), PacketId::FIRST);
    }
}
