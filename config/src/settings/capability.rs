//! What a board can do beyond being a broker: settings name what they need, and `hello` tells what there is.

use core::fmt;

/// Something that not every board has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// A Wi-Fi radio that joins a network.
    Wifi,
    /// A Wi-Fi radio that is a network of its own.
    AccessPoint,
    /// Addresses are set by this firmware and not by an operating system.
    Address,
    /// The panel in a browser.
    Panel,
    /// Scripts and rules.
    Automation,
    /// The time of day.
    Clock,
    /// Files can be stored.
    Files,
    /// Settings can be tried out, and the ones before come back.
    Trial,
    /// Devices that announce themselves are shown.
    Discovery,
}

impl Capability {
    /// Every capability, in the order of listings.
    pub const ALL: [Self; 9] = [
        Self::Wifi,
        Self::AccessPoint,
        Self::Address,
        Self::Panel,
        Self::Automation,
        Self::Clock,
        Self::Files,
        Self::Trial,
        Self::Discovery,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wifi => "wifi",
            Self::AccessPoint => "access-point",
            Self::Address => "address",
            Self::Panel => "panel",
            Self::Automation => "automation",
            Self::Clock => "clock",
            Self::Files => "files",
            Self::Trial => "trial",
            Self::Discovery => "discovery",
        }
    }

    /// What a board without it lacks, in words.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Wifi => "Wi-Fi",
            Self::AccessPoint => "an access point",
            Self::Address => "a network address of its own to set",
            Self::Panel => "a panel",
            Self::Automation => "automation",
            Self::Clock => "a clock",
            Self::Files => "files",
            Self::Trial => "trials of settings",
            Self::Discovery => "discovery of devices",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of capabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities(u16);

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | capability.bit())
    }

    /// Whether it is one of them.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.has(*capability))
    }

    /// Reads what [`Display`](fmt::Display) prints. Words of newer firmware are no error and not in the set.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = |word: &str| Capability::ALL.into_iter().find(|capability| capability.name() == word);
        text.split(',').filter_map(known).fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, capability) in self.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            formatter.write_str(capability.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_printed_is_read() {
        assert_eq!(Capabilities::NONE.to_string(), "");
        assert_eq!(Capabilities::parse(""), Capabilities::NONE);
        let some = Capabilities::NONE.with(Capability::Clock).with(Capability::Wifi);
        assert_eq!(some.to_string(), "wifi,clock");
        assert_eq!(Capabilities::parse("clock,teleport,wifi"), some);
        assert!(some.has(Capability::Wifi) && !some.has(Capability::Panel));
        let all = Capability::ALL.into_iter().fold(Capabilities::NONE, Capabilities::with);
        assert_eq!(Capabilities::parse(&all.to_string()), all);
        assert_eq!(all.iter().count(), Capability::ALL.len());
    }
}
