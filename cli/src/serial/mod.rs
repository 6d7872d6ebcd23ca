//! Ways to a device's console (a serial port, an `obkmq run` on this machine), and the line protocol's client.
//!
//! [`connect`] chooses one of them; [`ports`] lists and ranks without touching any port; [`open`](open::open) opens exactly the path it is given;
//! [`transport`] is what a [`client::Client`] needs of whatever carries its bytes.

pub(crate) mod client;
pub(crate) mod connect;
mod explain;
#[cfg(test)]
pub(crate) mod faulty;
pub(crate) mod local;
pub(crate) mod open;
pub(crate) mod ports;
pub(crate) mod session;
pub(crate) mod text;
pub(crate) mod transport;
