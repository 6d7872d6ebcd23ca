//! What scripts find around them on this machine: a terminal, and the modules beside them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use obkmq_berry::{Answer, Call, Error, Host, HostError, Numbers};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Functions that a board has. They are known here, so that a script for a board compiles.
const BOARD_FUNCTIONS: [&str; 23] = [
    "addChangeHandler",
    "addChannel",
    "addClockEvent",
    "addEventHandler",
    "cancel",
    "delayUs",
    "echo",
    "getChannel",
    "getVar",
    "gmtime",
    "ms_publish",
    "ms_subscribe",
    "ms_unsubscribe",
    "removeClockEvent",
    "rtosDelayMs",
    "runCmd",
    "scriptDelayMs",
    "setChannel",
    "setChannelLabel",
    "setChannelType",
    "setInterval",
    "setStartValue",
    "setTimeout",
];

/// The largest script or module that is read.
const MAX_SCRIPT_BYTES: u64 = 4 << 20;

/// A PC as scripts see it.
pub(super) struct Terminal<'a> {
    context: &'a Context,
    folder: PathBuf,
    /// Why the output is over, if it is.
    pub(super) closed: Option<anyhow::Error>,
}

impl<'a> Terminal<'a> {
    /// Modules are looked for beside the script.
    pub(super) fn new(context: &'a Context, script: &Path) -> Self {
        let folder = script.parent().unwrap_or(Path::new("")).to_owned();
        Self { context, folder, closed: None }
    }
}

impl<N: Numbers> Host<N> for Terminal<'_> {
    fn print(&mut self, line: &[u8]) {
        #[derive(Serialize)]
        struct Printed<'a> {
            text: &'a str,
        }
        if self.closed.is_none() {
            let text = String::from_utf8_lossy(line);
            self.closed = if self.context.json {
                self.context.out_json("print", Printed { text: &text }).err()
            } else {
                self.context.out(text).err()
            };
        }
    }

    fn function(&self, name: &str) -> Option<u16> {
        BOARD_FUNCTIONS.iter().position(|&known| known == name).and_then(|place| u16::try_from(place).ok())
    }

    fn call(&mut self, function: u16, _: &mut Call<'_, N>) -> Result<Answer, HostError> {
        let name = BOARD_FUNCTIONS.get(usize::from(function)).copied().unwrap_or_default();
        Err(HostError::new(
            "runtime_error",
            format!("{name} needs a board: `script run` has none, and with --host a broker only"),
        ))
    }

    fn module(&mut self, name: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(format!("{name}.be"));
        match obkmq_host::read_bytes(&path, MAX_SCRIPT_BYTES) {
            Ok(source) => Some(source),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    self.context.warn(format_args!("{} cannot be imported: {error}", path.display()));
                }
                None
            }
        }
    }
}

/// Reads a script.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    obkmq_host::read_bytes(path, MAX_SCRIPT_BYTES).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{} cannot be read.", path.display()),
            error.to_string(),
            "check the name of the script and whether you may read it",
        )
        .into()
    })
}

/// An error of a script, as a JSON line has it.
#[derive(Serialize)]
pub(super) struct ScriptError {
    /// With its traceback.
    error: String,
    /// Both count from 1; nothing unless the script did not compile.
    line: Option<u32>,
    column: Option<u32>,
}

impl ScriptError {
    pub(super) fn new(error: &Error) -> Self {
        let (line, column) = error.position.unzip();
        Self { error: error.to_string(), line, column }
    }
}
