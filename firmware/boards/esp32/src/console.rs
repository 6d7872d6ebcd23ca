//! The console's two ports, UART0 and the chip's own USB serial, neither of which ever waits.
//!
//! Both lead to the same console of the node. Its output goes to the port that spoke last (UART0 at first), since
//! an answer belongs to whoever asked, and a USB port without a listener must not hold back the UART. Whole lines
//! are not kept apart: somebody who types on both ports at once gets a checksum or syntax error.

use esp_hal::Blocking;
use esp_hal::time::Instant;
use esp_hal::uart::Uart;

use crate::limits::FLUSH_LIMIT;
use crate::usb::Usb;

/// Where the last input came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Uart,
    Usb,
}

/// UART0 and USB serial as one console.
pub(crate) struct Console {
    uart: Uart<'static, Blocking>,
    usb: Usb,
    speaker: Port,
}

impl Console {
    pub(crate) fn new(uart: Uart<'static, Blocking>, usb: Usb) -> Self {
        Self { uart, usb, speaker: Port::Uart }
    }

    /// Copies what has arrived into `buffer` and returns how much that is.
    ///
    /// A receive error (overflow, framing, parity) drops the bytes it hit and is otherwise ignored: the line
    /// protocol notices the gap.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> usize {
        let from_uart = self.uart.read_buffered(buffer).unwrap_or(0);
        if from_uart > 0 {
            self.speaker = Port::Uart;
            return from_uart;
        }
        let from_usb = self.usb.read(buffer);
        if from_usb > 0 {
            self.speaker = Port::Usb;
        }
        from_usb
    }

    /// Sends what the port takes at once; how many bytes that was.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        match self.speaker {
            _ if bytes.is_empty() => 0,
            Port::Uart if self.uart.write_ready() => self.uart.write(bytes).unwrap_or(0),
            Port::Uart => 0,
            Port::Usb => self.usb.write(bytes),
        }
    }

    /// Sends everything and waits until the wire has carried it. Only for the last words before a reset, since it
    /// blocks.
    pub(crate) fn flush(&mut self, mut bytes: &[u8]) {
        let start = Instant::now();
        while !bytes.is_empty() && start.elapsed() < FLUSH_LIMIT {
            let taken = self.send(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        if self.speaker == Port::Uart {
            let _ = self.uart.flush();
        }
    }
}
