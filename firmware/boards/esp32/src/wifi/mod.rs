//! Wi-Fi: a station, and a network of the board's own.
//!
//! The vendor's driver runs in tasks of its own and offers its slow calls (associate, scan) as futures only. All of them
//! are one boxed future here ([`driver`]), polled once a turn of the main loop and woken by nothing else: what decides
//! when to try again is [`obkmq_net::Station`], which knows no driver, and what [`EspRadio`] was told lies in [`Air`].
//!
//! Only linked so far: there is no emulator with this radio.

mod air;
mod device;
mod driver;
pub(crate) mod limits;
mod radio;

pub(crate) use air::SharedAir;
pub(crate) use device::WifiDevice;
pub(crate) use radio::EspRadio;
