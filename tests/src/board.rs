//! A board that runs until it is dropped: `obkmq sim` or `obkmq run`.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::PATIENCE;
use crate::program::Program;

/// A running program whose lines can be waited for.
#[derive(Debug)]
pub struct Board {
    child: Child,
    lines: Receiver<String>,
    /// Lines that nobody waited for yet.
    unclaimed: Vec<String>,
}

impl Board {
    /// Starts a program that goes on until it is ended.
    #[must_use]
    pub fn start(program: Program) -> Self {
        let mut child = program.start();
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        Self { child, lines, unclaimed: Vec::new() }
    }

    /// Gives the first line with `text` that was not given before, and waits for it if need be. Output and errors are
    /// two streams, so lines are found in whatever order they come.
    ///
    /// # Panics
    /// With the other lines, when none comes within [`PATIENCE`] or the program ends before.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test whose line never comes has failed")]
    pub fn line(&mut self, text: &str) -> String {
        if let Some(index) = self.unclaimed.iter().position(|line| line.contains(text)) {
            return self.unclaimed.remove(index);
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => self.unclaimed.push(line),
                Err(error) => panic!("no line with {text:?} ({error}):\n{}", self.unclaimed.join("\n")),
            }
        }
    }

    /// Its process, for signals.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Option<ExitStatus> {
        self.child.wait().ok()
    }
}

/// Pulls the plug.
impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stream: Option<impl Read + Send + 'static>, lines: mpsc::Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if lines.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                break;
            }
        }
    });
}
