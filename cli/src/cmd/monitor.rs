//! `obkmq monitor`: what the device prints, and a line typed is a line sent.

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::interrupt;
use crate::serial::connect::DeviceOption;
use crate::serial::text::LineText;
use crate::serial::transport::Transport;

/// How long one look at the port takes; a typed line waits at most this long.
const LOOK: Duration = Duration::from_millis(50);

/// The pause between two looks for a port that went away.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

/// Watch a device's console and type to it (does not reset it)
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq monitor --port /dev/ttyUSB0
  echo info | obkmq monitor --port /dev/ttyUSB0

Type `help` and Enter for the device's commands. Ctrl-C ends the monitor; the end of a pipe into it does not.")]
pub(crate) struct Monitor {
    #[command(flatten)]
    device: DeviceOption,
}

impl Monitor {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut transport = self.device.open(context)?;
        interrupt::arm_as_the_end();
        context.note(format_args!("{}: Ctrl-C ends, `help` lists commands", transport.name()));
        let typed = typed_lines();
        let mut screen = Screen { context, line: LineText::default() };
        loop {
            match exchange(transport.as_mut(), &typed, &mut screen) {
                Ok(()) => {}
                Err(Trouble::Screen(error)) => return Err(error),
                Err(Trouble::Port(error)) => {
                    screen.end_line()?;
                    wait_for_return(transport.as_mut(), &error, context);
                }
            }
        }
    }
}

enum Trouble {
    Port(io::Error),
    Screen(anyhow::Error),
}

/// One look at the port, then one at the keyboard.
fn exchange(
    transport: &mut dyn Transport,
    typed: &Receiver<String>,
    screen: &mut Screen<'_>,
) -> Result<(), Trouble> {
    let mut buffer = [0_u8; 1024];
    let count = transport.read(&mut buffer, LOOK).map_err(Trouble::Port)?;
    screen.show(buffer.get(..count).unwrap_or_default()).map_err(Trouble::Screen)?;
    while let Ok(line) = typed.try_recv() {
        transport.write_all(line.as_bytes()).map_err(Trouble::Port)?;
    }
    Ok(())
}

/// Lines from standard input, with their newlines. The thread ends with standard input or with the program.
fn typed_lines() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(mut line) = line else { return };
            line.push('\n');
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Opens the console again once it is back.
fn wait_for_return(transport: &mut dyn Transport, error: &io::Error, context: &Context) {
    context.note(format_args!("-- {} went away ({error}); waiting for it --", transport.name()));
    loop {
        // No effect is awaited here but a person's: plugging the board in again.
        std::thread::sleep(REOPEN_PAUSE);
        if transport.reopen().is_ok() {
            context.note(format_args!("-- {} is back --", transport.name()));
            return;
        }
    }
}

/// Where the device's text goes: as it comes, or one JSON object a line.
struct Screen<'a> {
    context: &'a Context,
    line: LineText,
}

impl Screen<'_> {
    fn show(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            text: &'a str,
        }
        let text = self.line.push(bytes);
        if !self.context.json {
            // It went out as it came; only whether a line is open matters.
            while self.line.take_line().is_some() {}
            return write_out(&text);
        }
        while let Some(line) = self.line.take_line() {
            self.context.out_json("line", Line { text: &line })?;
        }
        Ok(())
    }

    /// Ends a line that the device left open, so that a note of ours starts at the left.
    fn end_line(&mut self) -> anyhow::Result<()> {
        if self.line.is_open() && !self.context.json { write_out("\n") } else { Ok(()) }
    }
}

fn write_out(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(crate::context::stdout_error)
}
