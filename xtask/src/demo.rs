//! `cargo xtask demo`: from a clean clone to a load-tested broker, without hardware.
//!
//! Every command is shown as a user would type it, and is the real program. Whatever was started is ended when the
//! demonstration ends, also by Ctrl-C or SIGTERM; what it wrote lies in a temporary folder that goes away.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use obkmq_image::Chip;

use crate::chip::Build;
use crate::image;
use crate::process;
use crate::project::Project;

/// The chip whose board is simulated.
const CHIP: Chip = Chip::Esp32c3;
/// The user that the demonstration makes.
const USER: &str = "demo";
/// Between two looks at a running program.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The simulated board says where it is at once; a machine under load may take a while to let it.
const BOARD_PATIENCE: Duration = Duration::from_secs(30);

/// Set by Ctrl-C, SIGTERM or SIGHUP.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Entry point of the verb.
pub(crate) fn run() -> Result<ExitCode> {
    let project = Project::locate()?;
    process::run(project.cargo().args(["build", "--locked", "--package", "obkmq"]))?;
    image::make(&project, Build::of(CHIP)?, false)?;

    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("signals cannot be caught")?;
    let folder = tempfile::Builder::new().prefix("obkmq-demo-").tempdir().context("no temporary folder")?;
    match demonstrate(&project, folder.path()) {
        Err(_) if INTERRUPTED.load(Ordering::SeqCst) => {
            println!("\ninterrupted; the board was stopped");
            Ok(ExitCode::from(130))
        }
        result => result.map(|()| ExitCode::SUCCESS),
    }
}

fn demonstrate(project: &Project, folder: &Path) -> Result<()> {
    let obkmq = |arguments: &[&str]| {
        let mut command = Command::new(project.program("obkmq"));
        // A profile of its own: the demonstration must not touch the user's.
        command.args(arguments).env("OBKMQ_PROFILE", folder.join("obkmq.toml"));
        for name in ["OBKMQ_HOST", "OBKMQ_USER", "OBKMQ_PASSWORD"] {
            command.env_remove(name);
        }
        command
    };

    println!("\nA board made of software, new from the factory:");
    let flash = folder.join("board.flash");
    let host = free_address()?.to_string();
    let (board, port) =
        Board::start(obkmq(&["sim", "--flash", &flash.to_string_lossy(), "--listen", &host]))?;

    println!("\nFirmware onto the board:");
    supervise(obkmq(&["flash", "--port", &port]), None)?;

    println!(
        "\nA user for the broker, over the same cable; the password is random and goes in on standard input:"
    );
    let arguments = ["config", "set-user", USER, "--port", &port, "--password-stdin", "--save", "-H", &host];
    supervise(obkmq(&arguments), Some(&password()))?;

    println!("\nA load on the broker, with the host and the user that were saved:");
    supervise(obkmq(&["bench", "--clients", "20", "--rate", "50"]), None)?;

    drop(board);
    println!("{NEXT}");
    Ok(())
}

const NEXT: &str = "
The board was simulated; the firmware crate that ran is the one in the chip's image. To go on:
  cargo install --path cli           puts obkmq on your PATH
  obkmq sim                          the board again, to play with
  obkmq run                          a broker on this computer
  obkmq flash --port /dev/ttyUSB0    a real ESP32-C3";

/// A running `obkmq sim`. Dropping it ends it.
struct Board {
    process: Child,
}

impl Board {
    /// Starts a board and waits until it says its serial port.
    fn start(mut command: Command) -> Result<(Self, String)> {
        println!("$ {} &", process::shown(&command));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().context("the simulated board cannot be started")?;
        let (output, log) = (process.stdout.take(), process.stderr.take());
        // From here on the process ends with this value, also when an error follows.
        let board = Self { process };
        let (sender, lines) = mpsc::channel();
        forward(log.context("the simulated board has no log")?, None);
        forward(output.context("the simulated board has no output")?, Some(sender));
        let deadline = Instant::now() + BOARD_PATIENCE;
        while Instant::now() < deadline {
            check_interrupt()?;
            match lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => {
                    if let Some(port) = line.split_whitespace().find(|word| word.starts_with("/dev/")) {
                        return Ok((board, port.to_owned()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the simulated board ended at once"),
            }
        }
        bail!("the simulated board did not say its serial port")
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Prints what the board says, marked as the board's, and hands it on to `listener` as long as there is one.
fn forward(output: impl Read + Send + 'static, listener: Option<Sender<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("[board] {line}");
            if let Some(listener) = &listener {
                // Nobody listens any more once the serial port is known.
                let _ = listener.send(line);
            }
        }
    });
}

/// A port of this machine that nobody listens on. Somebody else could take it in between, but ports are handed out
/// in turn.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

/// Shows and runs a command to its end, with `input` on its standard input; ends it when interrupted.
fn supervise(mut command: Command, input: Option<&str>) -> Result<()> {
    println!("$ {}", process::shown(&command));
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child =
        command.spawn().with_context(|| format!("`{}` cannot be started", process::shown(&command)))?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        writeln!(pipe, "{input}").context("the password could not be handed over")?;
    }
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Err(interrupted) = check_interrupt() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted);
        }
        thread::sleep(LOOK_EVERY);
    };
    if !status.success() {
        bail!("`{}` failed ({status})", process::shown(&command));
    }
    Ok(())
}

fn check_interrupt() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    Ok(())
}

/// A password that nobody needs to remember: 128 bits from the seeds that the standard library draws from the
/// operating system for its hash tables.
fn password() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
