//! What the device and the command line agree on.
//!
//! * [`calendar`]: what the days are called.
//! * [`settings`]: one declarative table of keys; validation, the flash form and the help texts come from it.
//! * [`openbeken`]: the commands of OpenBeken, word by word.
//! * [`password`]: salted password hashes and their computation in slices.
//! * [`improv`]: Wi-Fi settings from a browser, on the same wire.
//! * [`mod@line`]: the serial line protocol, both ends of it. `PROTOCOL.md` beside this crate is its reference page.
//! * `toml` (feature `toml`): settings as a file under version control.
//!
//! Nothing here opens a port, reads a file or asks a clock: bytes and text go in, bytes and text come out. The
//! device and the host link the same code, so one cannot accept what the other would refuse.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod calendar;
pub mod improv;
pub mod limits;
pub mod line;
pub mod openbeken;
pub mod password;
pub mod settings;
#[cfg(feature = "toml")]
pub mod toml;
