//! The Berry language for a chip with little memory: compiler, machine and libraries, in a hard budget.
//!
//! Scripts for OpenBeken and Tasmota run as they are: 32-bit integers that wrap, single reals ([`Narrow`]). A machine
//! with 64 bits of each stands beside it for tools on a PC ([`Wide`]). The crate has no clock, no files, and knows
//! nothing of MQTT: what scripts print, import and call from outside goes through a [`Host`].
//!
//! ```
//! use obkmq_berry::{Host, Limits, Narrow, Scope, Vm};
//!
//! struct Console;
//!
//! impl Host<Narrow> for Console {
//!     fn print(&mut self, line: &[u8]) {
//!         println!("{}", String::from_utf8_lossy(line));
//!     }
//! }
//!
//! let mut vm = Vm::<Narrow>::new(Limits::CHIP, 1);
//! vm.run_source(&mut Console, "hello.be", b"print('hello', 1 + 2)", Scope::Global)?;
//! # Ok::<(), obkmq_berry::Error>(())
//! ```
//!
//! # How a script runs
//!
//! The compiler makes instructions for registers in one pass over the source. The machine keeps calls in frames of its
//! own, so scripts that call each other need no stack of the processor; where a native needs a script (`tostring` of an
//! instance that is printed), the machine is entered again, to a limit. Objects lie in slabs by their kind and do not
//! move; the collector marks and sweeps between instructions, never within one. A native therefore changes nothing
//! before it has all its memory: when the heap is full, the collector runs and the instruction is done again, once.
//!
//! # Invariants
//!
//! * Every growth is charged to [`Limits::heap_bytes`] before it happens; see `memory.rs`, the only place that
//!   allocates. A heap that is full ends the run, and so do too many steps; a script cannot catch either.
//! * Nesting is bounded in sources, in printed values, in JSON and in comparisons; so are calls.
//! * After any error the machine works on. What globals hold stays held: a heap that they fill stays full.
//! * No atomics: the crate builds for ARMv5TE.
//!
//! # What is different from the reference
//!
//! * Maps keep the order of insertion (there: the order of hashes).
//! * `str` of a function shows a number, not an address. `introspect.members` does not list inner members (`.p`).
//! * A full heap and too many steps end the script; there the former is an exception and the latter has no limit.
//! * `super(object)` finds the class by where it is written, also within closures; methods of a superclass that are
//!   called through it see the object itself, so overridden methods are called.
//! * An exception `stop_iteration` ends the innermost loop whose iterator or body raises it, as there; the iterators of
//!   the machine's own objects do not raise it.
//! * `string.format` wants an argument for each directive (there a missing one shows as `nil`).
//! * An unknown escape in a string stands for its character (there it is an error).
//! * A new local cannot be made by `:=` inside of a larger expression; a syntax error says so.
//! * There are no files (`open`), no `os`, `time`, `solidify`; `input` has nobody to ask, `gc.collect` does nothing, and
//!   `sys.path` is empty. Bytes that are mapped to memory (`bytes` of a pointer) do not exist.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod call;
mod code;
mod collect;
mod compile;
mod decimal;
mod digits;
mod error;
mod execute;
mod format;
mod globals;
mod heap;
mod host;
mod lexer;
mod libs;
mod limits;
mod map;
mod member;
mod memory;
mod names;
mod numbers;
mod objects;
mod operator;
mod raised;
mod run;
mod single;
mod slab;
#[cfg(test)]
mod stress;
mod text;
mod token;
mod value;
mod vm;
mod walk;

pub use crate::compile::Scope;
pub use crate::error::{Error, ErrorKind};
pub use crate::host::{Answer, Call, Host, HostError, Silent};
pub use crate::limits::Limits;
pub use crate::numbers::{Integer, Narrow, Numbers, Real, Wide};
pub use crate::run::{Argument, Progress};
pub use crate::value::Value;
pub use crate::vm::{Handle, Vm};
