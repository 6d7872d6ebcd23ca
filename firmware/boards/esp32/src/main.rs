//! The node on the ESP32 family.
//!
//! One loop: console and network in, the node's turn, network and console out. It never waits; a turn takes at most some
//! milliseconds, and a watchdog resets the chip when the loop stops turning. The vendor's Wi-Fi driver has tasks of its
//! own, which a small scheduler (esp-rtos) runs beside the loop.
//!
//! With the feature `openeth` instead of `wifi` it is the same firmware with the Ethernet of Espressif's emulator, in which
//! everything but the radio can be tried: `cargo xtask qemu esp32c3`.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod chip;
mod console;
mod flash;
mod limits;
mod memory;
#[cfg_attr(not(feature = "wifi"), path = "wired.rs")]
mod network;
mod noise;
#[cfg(not(feature = "wifi"))]
mod openeth;
mod reset;
mod usb;
mod watchdog;
#[cfg(feature = "wifi")]
mod wifi;

use alloc::boxed::Box;

use esp_hal::clock::CpuClock;
use esp_hal::peripherals::Peripherals;
use esp_hal::rtc_cntl::Rtc;
use esp_hal::time::Instant as Clock;
#[cfg(feature = "wifi")]
use esp_hal::timer::systimer::SystemTimer;
use esp_hal::uart::{self, Uart};
use esp_storage::FlashStorage;
use obkmq_node::{Action, Instant, Node, Radio, Regions, RunRecord};

use board::EspBoard;
use chip::CHIP;
use console::Console;
use network::Network;
#[cfg(not(feature = "wifi"))]
use network::NoRadio;
use noise::Noise;
use reset::Problem;
use usb::Usb;
use watchdog::{Watchdog, WatchedFlash};
#[cfg(feature = "wifi")]
use wifi::EspRadio;

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
    esp_alloc::heap_allocator!(size: CHIP.heap_main_bytes);
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: CHIP.heap_reclaimed_bytes);

    let Parts { board, has_radio, regions, mut console, mut network, watchdog } = match bring_up(peripherals)
    {
        Ok(parts) => parts,
        Err(problem) => reset::halt(&problem),
    };
    watchdog.start();
    let mut node = Node::boot(board, board::identity(has_radio), regions, now());
    if network.is_none() {
        node.log_error(format_args!(
            "Wi-Fi cannot start: no memory; next: `reboot`, and if it stays so write the image again with `obkmq flash`"
        ));
    }
    let mut input = [0; limits::CONSOLE_INPUT_BYTES];
    let mut is_steady = false;
    loop {
        watchdog.feed();
        let start = now();
        let received = console.receive(&mut input);
        node.console_input(input.get(..received).unwrap_or_default());
        if let Some(network) = &mut network {
            network.receive(start, &mut node);
        }
        // The deadline it answers with is not waited for: input on the console has no other way to be noticed.
        node.poll(start);
        if let Some(network) = &mut network {
            network.send(start, &mut node);
        }
        let written = console.send(node.console_output());
        node.console_written(written);
        while let Some(action) = node.next_action() {
            match action {
                Action::Reboot => {
                    node.flush();
                    console.flush(node.console_output());
                    reset::reset()
                }
                Action::Listen { port } => listen(&mut network, Some(port)),
                Action::StopListening => listen(&mut network, None),
            }
        }
        if !is_steady && start >= Instant::from_millis(RunRecord::STEADY_MS) {
            is_steady = true;
            memory::with_record(|record| record.steady());
        }
        let spent = now().as_micros().saturating_sub(start.as_micros());
        node.note_turn(u32::try_from(spent).unwrap_or(u32::MAX));
    }
}

/// The board's drivers, ready for the node.
struct Parts {
    board: EspBoard,
    has_radio: bool,
    regions: Regions,
    console: Console,
    /// `None` where Wi-Fi could not be started.
    network: Option<Network>,
    watchdog: Watchdog,
}

fn bring_up(peripherals: Peripherals) -> Result<Parts, Problem> {
    let start = memory::with_record(|record| record.begin(memory::reset()));
    let uart = Uart::new(peripherals.UART0, uart::Config::default().with_baudrate(limits::CONSOLE_BAUD))
        .map_err(Problem::Uart)?;
    let uart = chip::with_console_pins!(uart, peripherals);
    #[cfg(not(any(feature = "esp32", feature = "esp32c2", feature = "esp32s2")))]
    let usb = Usb::new(peripherals.USB_DEVICE);
    #[cfg(any(feature = "esp32", feature = "esp32c2", feature = "esp32s2"))]
    let usb = Usb;
    let console = Console::new(uart, usb);

    #[cfg(feature = "wifi")]
    let radio = {
        esp_rtos::start(SystemTimer::new(peripherals.SYSTIMER).alarm0, peripherals.FROM_CPU_INTR0);
        EspRadio::start(peripherals.WIFI, now())
    };
    #[cfg(not(feature = "wifi"))]
    let radio = None::<NoRadio>;
    let has_radio = radio.is_some();
    let source = Noise::new(has_radio, peripherals.RNG, peripherals.ADC1).ok_or(Problem::Noise)?;
    let random = source.0;
    #[cfg(not(feature = "wifi"))]
    let network = Some(Network::new(random, now()).map_err(Problem::Network)?);
    #[cfg(feature = "wifi")]
    let network = match &radio {
        Some(radio) => Some(Network::new(&radio.air(), random, now()).map_err(Problem::Network)?),
        None => None,
    };

    let mut flash = FlashStorage::new(peripherals.FLASH);
    let regions = flash::find_regions(&mut flash).map_err(Problem::Regions)?;
    let watchdog = Watchdog::new(Rtc::new(peripherals.RTC_TIMER).rwdt);
    let flash = WatchedFlash::new(flash, watchdog.clone());
    let radio = radio.map(|radio| Box::new(radio) as Box<dyn Radio>);
    let clock = network.as_ref().map_or_else(board::Clock::default, Network::clock);
    let board = EspBoard::new(flash, radio, clock, source, start);
    Ok(Parts { board, has_radio, regions, console, network, watchdog })
}

fn listen(network: &mut Option<Network>, port: Option<u16>) {
    if let Some(network) = network {
        network.listen(port);
    }
}

/// Microseconds since boot.
fn now() -> Instant {
    Instant::from_micros(Clock::now().duration_since_epoch().as_micros())
}
