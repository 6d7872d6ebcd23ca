//! A board made of software: what an ESP32-C3, a BK7231T or a BK7231N looks like from its serial port.
//!
//! It begins as the chip's ROM loader on a pty, with a file as its flash. Flashers that know nothing of it (espflash,
//! esptool) identify it, write to it, read it back. On a reset it checks what was flashed as the chip's ROM and
//! second-stage bootloader would and, if that would boot, runs the host build of the same firmware, with its console on
//! the pty, its storage in the flash file and its broker on TCP.
//!
//! It does not execute the image. The demo, the end-to-end tests and `obkmq sim` stand on it.
//!
//! | module | what |
//! |---|---|
//! | [`flash`] | the flash chip: a file, or memory for tests |
//! | [`faults`] | power that goes, a line that garbles |
//! | [`rom`] | the ESP32-C3's serial loader, sans-IO |
//! | [`boot`] | what that chip checks between reset and firmware |
//! | [`beken`] | both for BK7231T and N, and their flash as it comes from the factory |
//! | [`sim`] | the whole board |
//!
//! The loader and the boot checks read every format with code of their own. They exist to check a flasher and an image
//! builder, and would not find a mistake that they shared with them.
#![forbid(unsafe_code)]

pub mod beken;
pub mod boot;
pub mod faults;
#[cfg(test)]
mod fixtures;
pub mod flash;
pub mod limits;
#[cfg(unix)]
pub mod pty;
pub mod radio;
pub mod rom;
pub mod sim;
