//! A conversation with a device over `--port`: the port is chosen and opened, the device greeted.

use std::io::Write;
use std::time::Duration;

use obkmq_config::line::{Command, Hello};

use super::client::{Client, Reply};
use super::connect::PortOption;
use super::transport::{SerialTransport, Transport};
use crate::context::Context;
use crate::failure::Failure;

/// Opening a port resets some boards; they answer again within this time.
const GREETING_PATIENCE: Duration = Duration::from_secs(6);

/// A greeted device.
pub(crate) struct Session<T: Transport> {
    client: Client<T>,
    /// What it said of itself.
    pub(crate) hello: Hello,
}

/// Opens the port and greets the device behind it.
pub(crate) fn open(port: &PortOption, context: &Context) -> anyhow::Result<Session<SerialTransport>> {
    let transport = SerialTransport::new(port.open(context)?);
    let session = Session::begin(transport, context.verbose)?;
    if session.hello.state != "ok" {
        context.warn(format_args!(
            "the device's state is `{}`: its stored settings are damaged and the network is closed",
            session.hello.state
        ));
    }
    Ok(session)
}

impl<T: Transport> Session<T> {
    /// Greets the device. With `verbose`, what it logs goes to stderr.
    pub(crate) fn begin(transport: T, verbose: bool) -> Result<Self, Failure> {
        let mut client = Client::new(transport, move |line| {
            if verbose {
                // A stderr that nobody reads is not worth an error.
                let _ = writeln!(std::io::stderr(), "  | {line}");
            }
        });
        match client.hello(GREETING_PATIENCE) {
            Ok(hello) => Ok(Self { client, hello }),
            Err(error) => Err(error.into_failure(client.name())),
        }
    }

    /// Asks for `command`; a changing one is executed once, however often it has to be sent.
    pub(crate) fn request(&mut self, command: &Command<'_>) -> Result<Reply, Failure> {
        self.client.request(command).map_err(|error| error.into_failure(self.client.name()))
    }

    /// What the user calls the device's port.
    pub(crate) fn name(&self) -> &str {
        self.client.name()
    }
}
