//! OpenBeken's commands: their words, names and arguments. What they do is the firmware's.
//!
//! They are lines for people: of the console, of start-up files (`autoexec.bat`), of handlers and timers, and of MQTT.
//! `COMMANDS.md` beside this crate is their reference page, made from [`COMMANDS`].

mod check;
mod table;
mod words;

pub use check::{BatchProblem, BatchProblemKind, check_batch};
pub use table::{COMMANDS, OpenBekenCommand, Rank, Verb, markdown_table};
pub use words::{Words, branches, commands};
