//! The chips an image can be for.

use core::fmt;
use core::str::FromStr;

/// A chip that obkmq has firmware for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chip {
    /// ESP32-C3: RISC-V, Wi-Fi 4.
    Esp32c3,
}

impl Chip {
    /// Every chip, in the order of the README's board table.
    pub const ALL: [Self; 1] = [Self::Esp32c3];

    /// The name that tools write and take: `esp32c3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Esp32c3 => "esp32c3",
        }
    }

    /// The maker's spelling, which ESP Web Tools calls the chip's family: `ESP32-C3`.
    pub const fn family(self) -> &'static str {
        match self {
            Self::Esp32c3 => "ESP32-C3",
        }
    }

    /// The id in the headers of this chip's images, which its ROM also answers with.
    pub const fn id(self) -> ChipId {
        match self {
            Self::Esp32c3 => ChipId(5),
        }
    }

    /// Where the ROM looks for the second-stage bootloader.
    pub const fn bootloader_offset(self) -> u32 {
        match self {
            Self::Esp32c3 => 0,
        }
    }

    /// The chip with this id, if obkmq has firmware for it.
    pub fn from_id(id: ChipId) -> Option<Self> {
        Self::ALL.into_iter().find(|chip| chip.id() == id)
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that no supported chip has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no chip `{0}`; known: esp32c3")]
pub struct UnknownChip(pub String);

impl FromStr for Chip {
    type Err = UnknownChip;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|chip| chip.name() == name).ok_or_else(|| UnknownChip(name.to_owned()))
    }
}

/// Names of the ESP32 family's ids, supported here or not: an error about the wrong chip has to name it.
const FAMILY: [(u16, &str); 11] = [
    (0, "ESP32"),
    (2, "ESP32-S2"),
    (5, "ESP32-C3"),
    (9, "ESP32-S3"),
    (12, "ESP32-C2"),
    (13, "ESP32-C6"),
    (16, "ESP32-H2"),
    (18, "ESP32-P4"),
    (20, "ESP32-C61"),
    (23, "ESP32-C5"),
    (28, "ESP32-H4"),
];

/// The number by which an image's header names its chip (`esp_chip_id_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChipId(pub u16);

impl ChipId {
    /// The maker's name of the chip, if the id is one of the ESP32 family's.
    pub fn name(self) -> Option<&'static str> {
        FAMILY.iter().find(|(id, _)| *id == self.0).map(|(_, name)| *name)
    }

    /// The supported chip with this id.
    pub fn chip(self) -> Option<Chip> {
        Chip::from_id(self)
    }
}

impl fmt::Display for ChipId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "an unknown chip (id {})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_lead_back_to_the_chip() {
        for chip in Chip::ALL {
            assert_eq!(chip.name().parse(), Ok(chip));
            assert_eq!(chip.id().chip(), Some(chip));
            assert_eq!(chip.id().to_string(), chip.family());
        }
        assert!("esp9000".parse::<Chip>().is_err());
    }

    #[test]
    fn a_foreign_chip_is_named() {
        assert_eq!(ChipId(0).to_string(), "ESP32");
        assert_eq!(ChipId(0).chip(), None);
        assert_eq!(ChipId(999).to_string(), "an unknown chip (id 999)");
    }
}
