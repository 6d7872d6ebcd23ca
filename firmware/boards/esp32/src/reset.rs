//! The ends of a run: a reset that was asked for, one after a panic, and a board that cannot start.

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use esp_backtrace::Backtrace;
use esp_hal::delay::Delay;
use esp_hal::system::software_reset;
use esp_hal::uart;
use esp_println::println;
use obkmq_net::NoMemory;

use crate::flash::RegionError;
use crate::limits::{HALT_REPEAT, PANIC_PAUSE};
use crate::memory;

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

/// Starts the chip again from its ROM, since the owner wants it.
pub(crate) fn reset() -> ! {
    memory::with_record(|record| record.reboot());
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

/// Says what went wrong, keeps it for the next start, and starts again.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static IS_PANICKING: AtomicBool = AtomicBool::new(false);
    // A panic in here would come back to here.
    if !IS_PANICKING.load(Ordering::Relaxed) {
        IS_PANICKING.store(true, Ordering::Relaxed);
        let trace = Backtrace::capture();
        let addresses = || {
            let frames = trace.frames().iter();
            frames.map(|frame| u32::try_from(frame.program_counter()).unwrap_or(0))
        };
        // First, because the console may be what is broken.
        memory::with_record(|record| record.panic(info, addresses()));
        println!("\n{info}");
        for address in addresses() {
            println!("  {address:#x}");
        }
        Delay::new().delay(PANIC_PAUSE);
    }
    software_reset()
}
