//! What a device says of itself when a client opens a run.

use alloc::string::{String, ToString};

use super::fields::Fields;
use crate::limits::LINE_LIMIT;
use crate::settings::{Capabilities, Settings};

/// Version of the line protocol.
pub const PROTOCOL: u32 = 1;

/// The answer to [`Command::Hello`](super::Command::Hello).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Protocol version; a client that knows only older ones stops here.
    pub protocol: u32,
    /// Firmware version.
    pub firmware: String,
    /// Chip, such as `esp32c3`.
    pub chip: String,
    /// Board, such as `virtual`.
    pub board: String,
    /// Version of the settings' flash records.
    pub schema: u16,
    /// Generation of the settings.
    pub generation: u32,
    /// Longest line the device reads, in bytes.
    pub line_limit_bytes: usize,
    /// `ok`, or `locked` when the stored settings are damaged. Newer firmware may have other words.
    pub state: String,
    /// What the board can do beyond being a broker.
    pub capabilities: Capabilities,
}

impl Hello {
    /// What a device of this version says.
    #[must_use]
    pub fn new(
        firmware: &str,
        chip: &str,
        board: &str,
        settings: &Settings,
        state: &str,
        capabilities: Capabilities,
    ) -> Self {
        Self {
            protocol: PROTOCOL,
            firmware: firmware.to_string(),
            chip: chip.to_string(),
            board: board.to_string(),
            schema: settings.schema(),
            generation: settings.generation(),
            line_limit_bytes: LINE_LIMIT,
            state: state.to_string(),
            capabilities,
        }
    }

    /// As fields of a reply.
    #[must_use]
    pub fn to_fields(&self) -> Fields {
        let fields = Fields::new()
            .with("protocol", self.protocol)
            .with("firmware", &self.firmware)
            .with("chip", &self.chip)
            .with("board", &self.board)
            .with("schema", self.schema)
            .with("gen", self.generation)
            .with("line", self.line_limit_bytes)
            .with("state", &self.state);
        if self.capabilities == Capabilities::NONE { fields } else { fields.with("caps", self.capabilities) }
    }

    /// From the fields of a reply; `None` if one is missing. Fields that are not known are no error.
    #[must_use]
    pub fn from_fields(fields: &Fields) -> Option<Self> {
        let text = |key| fields.get(key).map(ToString::to_string);
        Some(Self {
            protocol: fields.parse("protocol")?,
            firmware: text("firmware")?,
            chip: text("chip")?,
            board: text("board")?,
            schema: fields.parse("schema")?,
            generation: fields.parse("gen")?,
            line_limit_bytes: fields.parse("line")?,
            state: text("state")?,
            capabilities: Capabilities::parse(fields.get("caps").unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Capability;

    #[test]
    fn capabilities_are_told_and_those_of_newer_firmware_passed_over() {
        let some = Capabilities::NONE.with(Capability::Wifi).with(Capability::Clock);
        let hello = Hello::new("1", "c", "b", &Settings::default(), "ok", some);
        assert_eq!(hello.to_fields().get("caps"), Some("wifi,clock"));
        assert_eq!(Hello::from_fields(&hello.to_fields()), Some(hello.clone()));
        let none = Hello { capabilities: Capabilities::NONE, ..hello };
        assert_eq!(none.to_fields().get("caps"), None);
        assert_eq!(Hello::from_fields(&none.to_fields()), Some(none.clone()));
        let newer = none.to_fields().with("caps", "teleport,panel");
        let panel = Capabilities::NONE.with(Capability::Panel);
        assert_eq!(Hello::from_fields(&newer).map(|hello| hello.capabilities), Some(panel));
    }
}
