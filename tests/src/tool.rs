//! Foreign tools: independent judges that a machine may lack.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program or a library of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// What it is called.
    pub name: &'static str,
    /// The name on `PATH` of the program that it is or that runs it.
    pub program: &'static str,
    /// Arguments that make a program fail that runs but has not the library; none for what is a program itself.
    pub probe: &'static [&'static str],
    /// How to get it.
    pub install: &'static str,
}

impl Tool {
    /// mosquitto's broker.
    pub const MOSQUITTO: Self = Self::program("mosquitto", "apt-get install mosquitto");
    /// What makes its password files.
    pub const MOSQUITTO_PASSWD: Self = Self::program("mosquitto_passwd", "apt-get install mosquitto");
    /// mosquitto's command line publisher.
    pub const MOSQUITTO_PUB: Self = Self::program("mosquitto_pub", "apt-get install mosquitto-clients");
    /// mosquitto's command line subscriber.
    pub const MOSQUITTO_SUB: Self = Self::program("mosquitto_sub", "apt-get install mosquitto-clients");
    /// mosquitto's command line client that asks and waits for the answer.
    pub const MOSQUITTO_RR: Self = Self::program("mosquitto_rr", "apt-get install mosquitto-clients");
    /// The emulator that the ARMv5TE board runs in.
    pub const QEMU_ARM: Self = Self::program("qemu-system-arm", "apt-get install qemu-system-arm");
    /// Espressif's flasher.
    pub const ESPTOOL: Self = Self::program("esptool", "pip install esptool");
    /// The MQTT client of Python.
    pub const PAHO: Self = Self {
        name: "paho-mqtt 2",
        program: "python3",
        probe: &["-c", "import paho.mqtt.enums"],
        install: "pip install paho-mqtt",
    };
    /// The MQTT client of Python for asyncio.
    pub const AIOMQTT: Self = Self {
        name: "aiomqtt",
        program: "python3",
        probe: &["-c", "import aiomqtt"],
        install: "pip install aiomqtt",
    };
    /// The MQTT client of Node.js.
    pub const MQTT_JS: Self = Self {
        name: "mqtt.js",
        program: "node",
        probe: &["-e", "require('mqtt')"],
        install: "npm install --prefix FOLDER mqtt, and set NODE_PATH to FOLDER/node_modules",
    };

    /// The Improv project's client for browsers.
    pub const IMPROV: Self = Self {
        name: "improv-wifi-serial-sdk",
        program: "node",
        probe: &["-e", "require.resolve('improv-wifi-serial-sdk/package.json')"],
        install: "npm install --prefix FOLDER improv-wifi-serial-sdk, and add FOLDER/node_modules to NODE_PATH",
    };

    const fn program(name: &'static str, install: &'static str) -> Self {
        Self { name, program: name, probe: &[], install }
    }

    /// Where its program is.
    #[must_use]
    pub fn path(self) -> Option<PathBuf> {
        let folders = std::env::var_os("PATH")?;
        let folders = std::env::split_paths(&folders);
        // Where daemons are, which not everybody's path names.
        let folders = folders.chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        folders.map(|folder| folder.join(self.program)).find(|path| path.is_file())
    }

    fn is_there(self) -> bool {
        let Some(path) = self.path() else { return false };
        let mut command = Command::new(path);
        command.args(self.probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.probe.is_empty() || command.status().is_ok_and(|status| status.success())
    }
}

/// The first of `tools` that this machine lacks.
#[must_use]
pub fn missing(tools: &[Tool]) -> Option<Tool> {
    tools.iter().copied().find(|tool| !tool.is_there())
}
