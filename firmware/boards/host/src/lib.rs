//! The node on a PC: real sockets, a file (or memory) as flash.
//!
//! [`Server`] is the board's loop; [`start`] puts one together from what `obkmq run` was told. A PC, a NAS or a Pi is a
//! fine board: this is not a simulator but the firmware's own [`Node`](obkmq_node::Node) on another board.
#![forbid(unsafe_code)]

mod board;
mod bounded;
mod connection;
mod connections;
mod console;
#[cfg(unix)]
mod control;
mod flash;
mod limits;
mod moderation;
mod offline;
mod pack;
mod server;
mod setup;
mod stop;

pub use board::HostBoard;
pub use bounded::{read_bytes, read_first_line, read_text};
pub use console::Console;
#[cfg(unix)]
pub use console::{Intercept, Line};
pub use flash::{Flash, FlashError, OpenError};
pub use limits::SETTINGS_FILE_BYTES;
pub use offline::Offline;
pub use pack::{Packed, pack};
pub use server::{Listen, Outcome, Server, ServerError};
pub use setup::{Setup, SetupError, control_path, identity, regions, resolve, start};
pub use stop::Stop;
