//! The whole board: power on, boot or wait for a flasher, run, reset, and so on until it is told to stop.
//!
//! A pty has no wires for BOOT and RESET. So a board that cannot boot waits in its ROM loader, as if BOOT were held down;
//! and while the firmware runs, a flasher's SYNC on its console stands for holding BOOT and tapping RESET. A BK7231 is
//! entered as the real one is without its reset wire: by the command `reboot` to the firmware.

#[cfg(unix)]
mod beken;
#[cfg(unix)]
mod board;
#[cfg(unix)]
mod download;
#[cfg(unix)]
mod node;

use core::fmt;
use core::num::NonZeroU32;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub use obkmq_host::Stop;
use obkmq_image::beken::map::FLASH_BYTES;
use obkmq_image::{Board, Chip};

use crate::boot::Refusal;
use crate::faults::Faults;
use crate::flash::{FlashError, OpenError};
use crate::limits::DEFAULT_FLASH_BYTES;
use crate::radio::SimulatedNetwork;

/// What a board is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file that is its flash; made, blank, if there is none.
    pub flash: PathBuf,
    /// Size of the flash chip.
    pub flash_bytes: u32,
    /// The board.
    pub board: Board,
    /// Where its broker listens once the firmware runs.
    pub listen: SocketAddr,
    /// A symbolic link to be made to the pty, for a name that stays.
    pub port_link: Option<PathBuf>,
    /// Networks in reach of its simulated radio; without any it has no radio.
    pub networks: Vec<SimulatedNetwork>,
    /// What is to go wrong.
    pub faults: Faults,
    /// How many times as fast as a chip a BK7231's flash is.
    pub speed_up: NonZeroU32,
    /// Ends the board from outside.
    pub stop: Stop,
}

impl Options {
    /// An ESP32-C3 with 4 MB of flash in this file; its broker on port 1883 of this machine only.
    pub fn new(flash: impl Into<PathBuf>) -> Self {
        Self::of(Board::Esp(Chip::Esp32c3), flash)
    }

    /// A board with as much flash as such boards have.
    pub fn of(board: Board, flash: impl Into<PathBuf>) -> Self {
        Self {
            flash: flash.into(),
            flash_bytes: match board {
                Board::Esp(_) => DEFAULT_FLASH_BYTES,
                Board::Beken(_) => FLASH_BYTES,
            },
            board,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            port_link: None,
            networks: Vec::new(),
            faults: Faults::default(),
            speed_up: NonZeroU32::MIN,
            stop: Stop::new(),
        }
    }
}

/// Something the owner of a board would see, or would like to.
///
/// Its `Display` is for people; programs take it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Power on: what this is and where it can be reached.
    Started {
        /// The board.
        board: Board,
        /// Size of its flash.
        flash_bytes: u32,
        /// The file that is its flash.
        flash: PathBuf,
        /// The serial port.
        port: PathBuf,
        /// Another name for the serial port.
        port_link: Option<PathBuf>,
        /// Where the broker will listen.
        listen: SocketAddr,
        /// Names of the networks in reach of its simulated radio.
        networks: Vec<String>,
        /// Version of the firmware that stands in for what is flashed.
        firmware: &'static str,
    },
    /// The chip printed a line on its serial port.
    Chip(String),
    /// What is flashed does not boot; the board waits in its ROM loader.
    NotBooting(Refusal),
    /// What is flashed would boot and is of the version that stands in for it.
    Booting {
        /// The version.
        version: String,
        /// The partition it lies in.
        partition: String,
    },
    /// What is flashed would boot, but is of another version than the one that stands in for it.
    OtherVersion {
        /// The version in flash.
        flashed: String,
        /// The version that runs.
        runs: &'static str,
    },
    /// The firmware runs and its broker listens.
    Running {
        /// Where.
        listen: SocketAddr,
    },
    /// The firmware runs without a listener: its console says why.
    NotListening,
    /// A flasher asked for the ROM loader while the firmware ran.
    Interrupted,
    /// The chip was reset.
    Reset,
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { board, flash_bytes, flash, port, port_link, listen, networks, firmware } => {
                writeln!(
                    formatter,
                    "Virtual {} with {} MB of flash in {}.",
                    board.family(),
                    flash_bytes >> 20,
                    flash.display()
                )?;
                writeln!(formatter, "It checks what is flashed as the chip would, but does not execute it:")?;
                writeln!(
                    formatter,
                    "what runs is this program's own build of the same firmware, {firmware}."
                )?;
                if !networks.is_empty() {
                    writeln!(
                        formatter,
                        "Its radio is simulated and sends nothing; in reach of it: {}.",
                        networks.join(", ")
                    )?;
                }
                write!(formatter, "  serial port  {}", port.display())?;
                if let Some(link) = port_link {
                    write!(formatter, " (also {})", link.display())?;
                }
                write!(formatter, "\n  MQTT         {listen}, once the firmware runs")
            }
            Self::Chip(line) => formatter.write_str(line),
            Self::NotBooting(refusal) => {
                write!(
                    formatter,
                    "The board does not boot: {refusal}. It waits for a flasher on its serial port."
                )
            }
            Self::Booting { version, partition } => {
                write!(
                    formatter,
                    "obkmq {version} in partition {partition} boots; the same version runs here."
                )
            }
            Self::OtherVersion { flashed, runs } => write!(
                formatter,
                "warning: obkmq {flashed} is flashed, but {runs} runs: this board cannot execute what is flashed."
            ),
            Self::Running { listen } => write!(formatter, "The broker listens on {listen}."),
            Self::NotListening => formatter.write_str("The firmware does not listen; its console says why."),
            Self::Interrupted => {
                formatter.write_str("A flasher asks for the ROM loader: reset with BOOT held down.")
            }
            Self::Reset => formatter.write_str("Reset."),
        }
    }
}

/// How a board ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop.
    Stopped,
    /// Its power went, as its [`Faults`] asked for.
    PowerLost,
}

/// Why a board cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// This system has no ptys.
    #[error("virtual boards need a pty: they run on Linux and macOS")]
    Platform,
    /// The flash file cannot be used.
    #[error("{path}: {error}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: OpenError,
    },
    /// The flash file failed later.
    #[error(transparent)]
    Flash(FlashError),
    /// No pty, or it failed.
    #[error("the pty: {0}")]
    Pty(io::Error),
    /// The link to the port cannot be made.
    #[error("the link {path} to the serial port cannot be made: {error}")]
    Link {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The node's own view of the flash file cannot be opened.
    #[error("{path}: {error}")]
    NodeFlash {
        /// The file.
        path: PathBuf,
        /// Why.
        error: obkmq_host::OpenError,
    },
    /// The firmware that stands in could not start or go on: its port is in use, mostly.
    #[error(transparent)]
    Server(#[from] obkmq_host::ServerError),
}

/// Runs a board until it is told to stop; `notice` sees what happens.
///
/// # Errors
/// [`SimError`]; on systems without ptys always [`SimError::Platform`].
#[cfg(unix)]
pub fn run(options: &Options, notice: &mut dyn FnMut(&Notice)) -> Result<Ending, SimError> {
    let node = node::HostNode::new(options);
    board::Board::power_on(options, node, notice)?.run()
}

/// Runs a board until it is told to stop; `notice` sees what happens.
///
/// # Errors
/// Always [`SimError::Platform`]: there are no ptys here.
#[cfg(not(unix))]
pub fn run(_options: &Options, _notice: &mut dyn FnMut(&Notice)) -> Result<Ending, SimError> {
    Err(SimError::Platform)
}
