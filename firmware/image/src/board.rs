//! The boards that can be named on a command line, of both families.

use core::fmt;
use core::str::FromStr;

use crate::beken::BekenChip;
use crate::chip::Chip;

/// A chip of the ESP32 family or of Beken's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// Espressif's.
    Esp(Chip),
    /// Beken's.
    Beken(BekenChip),
}

impl Board {
    /// Every board, in the order of the README's board table.
    pub fn all() -> impl Iterator<Item = Self> {
        Chip::ALL.into_iter().map(Self::Esp).chain(BekenChip::ALL.into_iter().map(Self::Beken))
    }

    /// The name that tools write and take: `esp32c3`, `bk7231n`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Esp(chip) => chip.name(),
            Self::Beken(chip) => chip.name(),
        }
    }

    /// The maker's spelling: `ESP32-C3`, `BK7231N`.
    pub const fn family(self) -> &'static str {
        match self {
            Self::Esp(chip) => chip.family(),
            Self::Beken(chip) => chip.family(),
        }
    }
}

impl fmt::Display for Board {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that no board has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no board `{name}`; known: {known}")]
pub struct UnknownBoard {
    /// The name.
    pub name: String,
    /// All names that there are.
    pub known: String,
}

impl FromStr for Board {
    type Err = UnknownBoard;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all().find(|board| board.name() == name).ok_or_else(|| UnknownBoard {
            name: name.to_owned(),
            known: Self::all().map(Self::name).collect::<Vec<_>>().join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_the_board() {
        for board in Board::all() {
            assert_eq!(board.name().parse(), Ok(board));
        }
        let error = "bk7231x".parse::<Board>().unwrap_err().to_string();
        assert!(error.contains("esp32c3, ") && error.ends_with(", bk7231t, bk7231n"), "{error}");
    }
}
