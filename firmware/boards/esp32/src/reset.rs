//! The ends of a run: a reset that was asked for, one after a panic, and a board that cannot start.

use core::fmt;

// Its panic handler prints the message and a back-trace and then calls `custom_halt`.
use esp_backtrace as _;
use esp_hal::delay::Delay;
use esp_hal::system::software_reset;
use esp_hal::uart;
use esp_println::println;
use obkmq_net::NoMemory;

use crate::flash::RegionError;
use crate::limits::{HALT_REPEAT, PANIC_PAUSE};

/// Why the board cannot start.
pub(crate) enum Problem {
    /// The UART refused its settings.
    Uart(uart::ConfigError),
    /// The random number generator has no source of noise.
    Noise,
    /// The flash does not say where settings lie.
    Regions(RegionError),
    /// There is no memory for the network.
    Network(NoMemory),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uart(error) => write!(formatter, "UART0 cannot be set up ({error})"),
            Self::Noise => formatter.write_str("the random number generator has no source of noise"),
            Self::Regions(error) => error.fmt(formatter),
            Self::Network(error) => error.fmt(formatter),
        }
    }
}

/// Starts the chip again from its ROM.
pub(crate) fn reset() -> ! {
    software_reset()
}

/// Says again and again why the firmware cannot start and what to do. It does not reset: the next boot would meet
/// the same flash, and a loop of resets hides the message.
pub(crate) fn halt(problem: &Problem) -> ! {
    loop {
        println!("obkmq cannot start: {problem}.\nNext: write the whole image again with `obkmq flash`.");
        Delay::new().delay(HALT_REPEAT);
    }
}

// SAFETY: `esp-backtrace`'s feature `custom-halt` declares exactly this function under this name, and nothing else
// in the program defines it.
#[unsafe(no_mangle)]
extern "Rust" fn custom_halt() -> ! {
    Delay::new().delay(PANIC_PAUSE);
    software_reset()
}
