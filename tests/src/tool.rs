//! Foreign tools: independent judges that a machine may lack.

use std::path::PathBuf;

/// A program of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Its name on `PATH`.
    pub program: &'static str,
    /// How to get it.
    pub install: &'static str,
}

impl Tool {
    /// mosquitto's command line publisher.
    pub const MOSQUITTO_PUB: Self =
        Self { program: "mosquitto_pub", install: "apt-get install mosquitto-clients" };
    /// mosquitto's command line subscriber.
    pub const MOSQUITTO_SUB: Self =
        Self { program: "mosquitto_sub", install: "apt-get install mosquitto-clients" };
    /// Espressif's flasher.
    pub const ESPTOOL: Self = Self { program: "esptool", install: "pip install esptool" };

    /// Where it is.
    #[must_use]
    pub fn path(self) -> Option<PathBuf> {
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).map(|folder| folder.join(self.program)).find(|path| path.is_file())
    }
}

/// The first of `tools` that this machine lacks.
#[must_use]
pub fn missing(tools: &[Tool]) -> Option<Tool> {
    tools.iter().copied().find(|tool| tool.path().is_none())
}
