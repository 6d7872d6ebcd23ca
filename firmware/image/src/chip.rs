//! The chips an image can be for.

use core::fmt;
use core::str::FromStr;

/// A chip that obkmq has firmware for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chip {
    /// ESP32-C3: RISC-V, Wi-Fi 4.
    Esp32c3,
    /// ESP32-C6: RISC-V, Wi-Fi 6.
    Esp32c6,
    /// ESP32-C2: RISC-V, Wi-Fi 4, little memory.
    Esp32c2,
    /// ESP32-C5: RISC-V, Wi-Fi 6 at 2.4 and 5 GHz.
    Esp32c5,
    /// ESP32-C61: RISC-V, Wi-Fi 6.
    Esp32c61,
    /// ESP32: Xtensa, Wi-Fi 4.
    Esp32,
    /// ESP32-S2: Xtensa, Wi-Fi 4.
    Esp32s2,
    /// ESP32-S3: Xtensa, Wi-Fi 4.
    Esp32s3,
}

impl Chip {
    /// Every chip, in the order of the README's board table.
    pub const ALL: [Self; 8] = [
        Self::Esp32c3,
        Self::Esp32c6,
        Self::Esp32c2,
        Self::Esp32c5,
        Self::Esp32c61,
        Self::Esp32,
        Self::Esp32s2,
        Self::Esp32s3,
    ];

    /// The name that tools write and take: `esp32c3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Esp32c3 => "esp32c3",
            Self::Esp32c6 => "esp32c6",
            Self::Esp32c2 => "esp32c2",
            Self::Esp32c5 => "esp32c5",
            Self::Esp32c61 => "esp32c61",
            Self::Esp32 => "esp32",
            Self::Esp32s2 => "esp32s2",
            Self::Esp32s3 => "esp32s3",
        }
    }

    /// The maker's spelling, which ESP Web Tools calls the chip's family: `ESP32-C3`.
    pub const fn family(self) -> &'static str {
        match self {
            Self::Esp32c3 => "ESP32-C3",
            Self::Esp32c6 => "ESP32-C6",
            Self::Esp32c2 => "ESP32-C2",
            Self::Esp32c5 => "ESP32-C5",
            Self::Esp32c61 => "ESP32-C61",
            Self::Esp32 => "ESP32",
            Self::Esp32s2 => "ESP32-S2",
            Self::Esp32s3 => "ESP32-S3",
        }
    }

    /// The id in the headers of this chip's images, which its ROM also answers with.
    pub const fn id(self) -> ChipId {
        ChipId(match self {
            Self::Esp32c3 => 5,
            Self::Esp32c6 => 13,
            Self::Esp32c2 => 12,
            Self::Esp32c5 => 23,
            Self::Esp32c61 => 20,
            Self::Esp32 => 0,
            Self::Esp32s2 => 2,
            Self::Esp32s3 => 9,
        })
    }

    /// Where the ROM looks for the second-stage bootloader.
    pub const fn bootloader_offset(self) -> u32 {
        match self {
            Self::Esp32c3 | Self::Esp32c6 | Self::Esp32c2 | Self::Esp32c61 | Self::Esp32s3 => 0,
            Self::Esp32 | Self::Esp32s2 => 0x1000,
            Self::Esp32c5 => 0x2000,
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
#[error(
    "there is no chip `{0}`; known: esp32c3, esp32c6, esp32c2, esp32c5, esp32c61, esp32, esp32s2, esp32s3"
)]
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
        let error = "esp9000".parse::<Chip>().unwrap_err().to_string();
        assert!(Chip::ALL.iter().all(|chip| error.contains(chip.name())), "{error}");
    }

    #[test]
    fn a_foreign_chip_is_named() {
        assert_eq!(ChipId(16).to_string(), "ESP32-H2");
        assert_eq!(ChipId(16).chip(), None);
        assert_eq!(ChipId(999).to_string(), "an unknown chip (id 999)");
    }
}
