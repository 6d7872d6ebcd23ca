//! The node on the ESP32 family.
//!
//! One loop: console and network in, the node's turn, network and console out. It never waits; a turn takes at most some
//! milliseconds, and a watchdog resets the chip when the loop stops turning. The vendor's Wi-Fi driver has tasks of its
//! own, which a small scheduler (esp-rtos) runs beside the loop.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod console;
mod flash;
mod limits;
mod network;
mod reset;
mod watchdog;
mod wifi;

use esp_hal::clock::CpuClock;
use esp_hal::efuse::{self, InterfaceMacAddress};
use esp_hal::peripherals::Peripherals;
use esp_hal::rng::{Trng, TrngSource};
use esp_hal::rtc_cntl::Rtc;
use esp_hal::time::Instant as Clock;
use esp_hal::timer::systimer::SystemTimer;
use esp_hal::uart::{self, Uart};
use esp_hal::usb::usb_serial_jtag::UsbSerialJtag;
use esp_storage::FlashStorage;
use obkmq_node::{Action, Instant, Node, Regions};

use board::EspBoard;
use console::Console;
use network::Network;
use reset::Problem;
use watchdog::{Watchdog, WatchedFlash};
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
    esp_alloc::heap_allocator!(size: limits::HEAP_MAIN_BYTES);
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: limits::HEAP_RECLAIMED_BYTES);

    let Parts { board, regions, mut console, mut network, watchdog } = match bring_up(peripherals) {
        Ok(parts) => parts,
        Err(problem) => reset::halt(&problem),
    };
    let has_radio = network.is_some();
    let mut node = Node::boot(board, board::identity(has_radio), regions, now());
    if !has_radio {
        node.log_error(format_args!(
            "Wi-Fi cannot start: no memory; next: `reboot`, and if it stays so write the image again with `obkmq flash`"
        ));
    }
    let mut input = [0; limits::CONSOLE_INPUT_BYTES];
    watchdog.start();
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
        let spent = now().as_micros().saturating_sub(start.as_micros());
        node.note_turn(u32::try_from(spent).unwrap_or(u32::MAX));
    }
}

/// The board's drivers, ready for the node.
struct Parts {
    board: EspBoard,
    regions: Regions,
    console: Console,
    /// `None` where Wi-Fi could not be started.
    network: Option<Network>,
    watchdog: Watchdog,
}

fn bring_up(peripherals: Peripherals) -> Result<Parts, Problem> {
    let uart = Uart::new(peripherals.UART0, uart::Config::default().with_baudrate(limits::CONSOLE_BAUD))
        .map_err(Problem::Uart)?;
    #[cfg(feature = "esp32c3")]
    let uart = uart.with_rx(peripherals.GPIO20).with_tx(peripherals.GPIO21);
    let console = Console::new(uart, UsbSerialJtag::new(peripherals.USB_DEVICE));

    esp_rtos::start(SystemTimer::new(peripherals.SYSTIMER).alarm0, peripherals.FROM_CPU_INTR0);
    let mac = efuse::interface_mac_address(InterfaceMacAddress::AccessPoint);
    let mac = mac.as_bytes().try_into().unwrap_or_default();
    let radio = EspRadio::start(peripherals.WIFI, mac, now());
    // The radio is a source of noise; where it does not run, the converter has to be one.
    let noise = match radio {
        Some(_) => None,
        None => Some(TrngSource::new(peripherals.RNG, peripherals.ADC1)),
    };
    let random = Trng::try_new().map_err(|_| Problem::Noise)?.downgrade();
    let network = match &radio {
        Some(radio) => Some(Network::new(&radio.air(), random, now()).map_err(Problem::Network)?),
        None => None,
    };

    let mut flash = FlashStorage::new(peripherals.FLASH);
    let regions = flash::find_regions(&mut flash).map_err(Problem::Regions)?;
    let watchdog = Watchdog::new(Rtc::new(peripherals.RTC_TIMER).rwdt);
    let flash = WatchedFlash::new(flash, watchdog.clone());
    let board = EspBoard::new(flash, radio, noise, random);
    Ok(Parts { board, regions, console, network, watchdog })
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
