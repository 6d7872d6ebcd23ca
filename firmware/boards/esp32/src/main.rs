//! The node on the ESP32 family.
//!
//! One loop and nothing else: console in, the node's turn, console out. There is no scheduler and no interrupt
//! handler; a turn takes at most some milliseconds, and a watchdog resets the chip when the loop stops turning.
//!
//! This firmware has no network driver yet. The broker is linked and its settings can be changed over the console,
//! but no client can reach it.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod console;
mod flash;
mod limits;
mod reset;
mod watchdog;

use esp_hal::clock::CpuClock;
use esp_hal::peripherals::Peripherals;
use esp_hal::rng::{Trng, TrngSource};
use esp_hal::rtc_cntl::Rtc;
use esp_hal::time::Instant as Clock;
use esp_hal::uart::{self, Uart};
use esp_hal::usb::usb_serial_jtag::UsbSerialJtag;
use esp_storage::FlashStorage;
use obkmq_node::{Action, Instant, Node, Regions};

use board::EspBoard;
use console::Console;
use reset::Problem;
use watchdog::{Watchdog, WatchedFlash};

// Time and date are constants so that the same source always makes the same image.
esp_bootloader_esp_idf::esp_app_desc!(
    env!("CARGO_PKG_VERSION"),
    "obkmq",
    "00:00:00",
    "1970-01-01",
    esp_bootloader_esp_idf::ESP_IDF_COMPATIBLE_VERSION,
    esp_bootloader_esp_idf::MMU_PAGE_SIZE,
    0,
    u16::MAX,
    esp_bootloader_esp_idf::SECURE_VERSION
);

#[esp_hal::main]
fn main() -> ! {
    let peripherals = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    esp_alloc::heap_allocator!(size: limits::HEAP_MAIN_BYTES);
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: limits::HEAP_RECLAIMED_BYTES);

    let Parts { board, regions, mut console, watchdog } = match bring_up(peripherals) {
        Ok(parts) => parts,
        Err(problem) => reset::halt(&problem),
    };
    let mut node = Node::boot(board, board::identity(), regions, now());
    let mut input = [0; limits::CONSOLE_INPUT_BYTES];
    watchdog.start();
    loop {
        watchdog.feed();
        let received = console.receive(&mut input);
        node.console_input(input.get(..received).unwrap_or_default());
        // The deadline it answers with is not waited for: input on the console has no other way to be noticed.
        node.poll(now());
        let written = console.send(node.console_output());
        node.console_written(written);
        while let Some(action) = node.next_action() {
            match action {
                Action::Reboot => {
                    node.flush();
                    console.flush(node.console_output());
                    reset::reset()
                }
                // Nothing to open or close without a network.
                Action::Listen { .. } | Action::StopListening => {}
            }
        }
    }
}

/// The board's drivers, ready for the node.
struct Parts {
    board: EspBoard,
    regions: Regions,
    console: Console,
    watchdog: Watchdog,
}

fn bring_up(peripherals: Peripherals) -> Result<Parts, Problem> {
    let uart = Uart::new(peripherals.UART0, uart::Config::default().with_baudrate(limits::CONSOLE_BAUD))
        .map_err(Problem::Uart)?;
    #[cfg(feature = "esp32c3")]
    let uart = uart.with_rx(peripherals.GPIO20).with_tx(peripherals.GPIO21);
    let console = Console::new(uart, UsbSerialJtag::new(peripherals.USB_DEVICE));

    let noise = TrngSource::new(peripherals.RNG, peripherals.ADC1);
    let random = Trng::try_new().map_err(|_| Problem::Noise)?;

    let mut flash = FlashStorage::new(peripherals.FLASH);
    let regions = flash::find_regions(&mut flash).map_err(Problem::Regions)?;
    let watchdog = Watchdog::new(Rtc::new(peripherals.RTC_TIMER).rwdt);
    let flash = WatchedFlash::new(flash, watchdog.clone());
    Ok(Parts { board: EspBoard::new(flash, noise, random), regions, console, watchdog })
}

/// Microseconds since boot.
fn now() -> Instant {
    Instant::from_micros(Clock::now().duration_since_epoch().as_micros())
}
