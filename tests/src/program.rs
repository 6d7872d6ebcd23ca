//! A program that runs to its end.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::PATIENCE;

/// A program with its arguments and what it reads.
#[derive(Debug)]
pub struct Program {
    command: Command,
    input: Vec<u8>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

impl Program {
    /// The command line under test, with no profile but the given home's and no colours.
    #[must_use]
    pub fn obkmq(home: &Path) -> Self {
        let mut program = Self::new(crate::obkmq());
        program
            .command
            .current_dir(home)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("NO_COLOR", "1");
        for name in ["OBKMQ_HOST", "OBKMQ_USER", "OBKMQ_PASSWORD", "OBKMQ_PORT"] {
            program.command.env_remove(name);
        }
        program
    }

    /// Any program.
    #[must_use]
    pub fn new(path: impl AsRef<OsStr>) -> Self {
        Self { command: Command::new(path), input: Vec::new() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets what it reads from its standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        self.input = text.as_bytes().to_vec();
        self
    }

    /// Starts it with all three streams piped.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    #[expect(clippy::panic, reason = "a test whose program does not start has failed")]
    pub fn start(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{:?} cannot be started: {error}", self.command.get_program()),
        };
        if let Some(mut input) = child.stdin.take() {
            // A program may end without reading.
            let _ = input.write_all(&self.input);
        }
        child
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    #[must_use]
    #[expect(clippy::panic, reason = "a test whose program hangs has failed")]
    pub fn run(self) -> Ended {
        let shown = format!("{:?}", self.command);
        let mut child = self.start();
        let output = collect(child.stdout.take());
        let errors = collect(child.stderr.take());
        // Both streams end with the process.
        let (Ok(output), Ok(errors)) = (output.recv_timeout(PATIENCE), errors.recv_timeout(PATIENCE)) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{shown} did not end within {PATIENCE:?}");
        };
        let code = child.wait().ok().and_then(|status| status.code());
        Ended { code, output, errors }
    }
}

impl Ended {
    /// Checks the exit code.
    ///
    /// # Panics
    /// With all that was printed, when it is another one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- output\n{}\n--- errors\n{}", self.output, self.errors);
        self
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
