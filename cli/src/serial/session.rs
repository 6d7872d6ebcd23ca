//! A conversation with a device: its console is chosen and opened, the device greeted, and greeted again after a reset.

use std::io::Write;
use std::time::Duration;

use obkmq_config::line::{Command, Hello};
use obkmq_config::settings::SCHEMA;

use super::client::{Client, ClientError, Reply};
use super::connect::DeviceOption;
use super::transport::Transport;
use crate::context::Context;
use crate::failure::Failure;

/// Opening a port resets some boards; they answer again within this time.
const GREETING_PATIENCE: Duration = Duration::from_secs(6);

/// A device that was reset, or whose USB side went away with it, is back within this time.
const RETURN_PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two looks for it.
const RETURN_PAUSE: Duration = Duration::from_millis(200);

/// Resets in the middle of one piece of work that are forgiven. A device that is reset more often has another trouble.
const RESETS_FORGIVEN: u32 = 2;

/// A greeted device.
pub(crate) struct Session {
    client: Client<Box<dyn Transport>>,
    /// What it said of itself.
    pub(crate) hello: Hello,
    /// The last request failed because the device went away or was reset.
    lost: bool,
    quiet: bool,
}

/// Opens the console and greets the device behind it.
pub(crate) fn open(device: &DeviceOption, context: &Context) -> anyhow::Result<Session> {
    let session = Session::begin(device.open(context)?, context)?;
    match session.hello.state.as_str() {
        "ok" => {}
        "trial" => context.note("settings are on trial: obkmq config confirm keeps them, rollback ends them"),
        state => context.warn(format_args!(
            "the device's state is `{state}`: its stored settings are damaged and the network is closed"
        )),
    }
    if session.is_newer() {
        context.detail(format_args!(
            "the firmware ({}) is newer than this obkmq ({}): settings that it does not know are shown and left alone",
            session.hello.firmware,
            env!("CARGO_PKG_VERSION")
        ));
    }
    Ok(session)
}

impl Session {
    /// Greets the device. With `--verbose`, what it logs goes to stderr.
    pub(crate) fn begin(transport: Box<dyn Transport>, context: &Context) -> Result<Self, Failure> {
        let verbose = context.verbose;
        let mut client = Client::new(transport, move |line| {
            if verbose {
                // A stderr that nobody reads is not worth an error.
                let _ = writeln!(std::io::stderr(), "  | {line}");
            }
        });
        match client.hello(GREETING_PATIENCE) {
            Ok(hello) => Ok(Self { client, hello, lost: false, quiet: context.quiet }),
            Err(error) => Err(error.into_failure(client.name(), client.is_cable())),
        }
    }

    /// Asks for `command`; a changing one is executed once, however often it has to be sent.
    pub(crate) fn request(&mut self, command: &Command<'_>) -> Result<Reply, Failure> {
        self.client.request(command).map_err(|error| {
            self.lost = matches!(error, ClientError::Reset | ClientError::Gone(_));
            error.into_failure(self.client.name(), self.client.is_cable())
        })
    }

    /// Does `work`, and from its beginning again if the device was reset in the middle: all of it must be harmless to do
    /// twice, and an open transaction is gone then.
    pub(crate) fn work<R>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        for _ in 0..RESETS_FORGIVEN {
            self.lost = false;
            match work(self) {
                Err(error) if self.lost => {
                    if !self.quiet {
                        let failure = Failure::from_error(&error);
                        let _ = writeln!(std::io::stderr(), "{} Trying again.", failure.what);
                    }
                    self.find_again()?;
                }
                result => return result,
            }
        }
        work(self)
    }

    /// Waits for a device that has gone, and greets it.
    fn find_again(&mut self) -> Result<(), Failure> {
        let deadline = self.client.now().saturating_add(RETURN_PATIENCE);
        loop {
            let error = match self.client.begin_anew(GREETING_PATIENCE) {
                Ok(hello) => {
                    self.hello = hello;
                    return Ok(());
                }
                Err(error) => error,
            };
            if !matches!(error, ClientError::Gone(_)) || self.client.now() >= deadline {
                return Err(error.into_failure(self.client.name(), self.client.is_cable()));
            }
            // No effect is awaited but that of a cable, or of a broker that starts.
            std::thread::sleep(RETURN_PAUSE);
        }
    }

    /// What the user calls the device's port.
    pub(crate) fn name(&self) -> &str {
        self.client.name()
    }

    /// Time on the clock of what carries the conversation.
    pub(crate) fn now(&self) -> Duration {
        self.client.now()
    }

    /// Whether its firmware knows settings that this program may not know.
    pub(crate) fn is_newer(&self) -> bool {
        self.hello.schema > SCHEMA
    }
}
