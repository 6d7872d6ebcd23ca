//! The console: ARM PL011 (DDI 0183).

use core::fmt;

use crate::registers::UART;

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const LINE_CONTROL: usize = 0x2C;
const CONTROL: usize = 0x30;
const INTERRUPT_MASK: usize = 0x38;

const RECEIVE_EMPTY: u32 = 1 << 4;
const SEND_FULL: u32 = 1 << 5;
/// 8 data bits, no parity, FIFOs on.
const EIGHT_BITS_FIFO: u32 = 0x70;
/// The UART, its sender and its receiver on.
const ALL_ON: u32 = 0x301;
/// Something came in; the same, and the line has been quiet since.
const RECEIVED: u32 = 1 << 4 | 1 << 6;

/// The console's wire.
#[derive(Clone, Copy)]
pub(crate) struct Console;

impl Console {
    pub(crate) fn new() -> Self {
        UART.write(LINE_CONTROL, EIGHT_BITS_FIFO);
        UART.write(CONTROL, ALL_ON);
        UART.write(INTERRUPT_MASK, RECEIVED);
        Self
    }

    /// Takes what has come in; how many bytes that is.
    pub(crate) fn receive(self, buffer: &mut [u8]) -> usize {
        let mut count = 0;
        for slot in buffer {
            if UART.read::<u32>(FLAGS) & RECEIVE_EMPTY != 0 {
                break;
            }
            // The upper bits are errors of the line, which this machine has none of.
            let [byte, ..] = UART.read::<u32>(DATA).to_le_bytes();
            *slot = byte;
            count += 1;
        }
        count
    }

    /// Sends what the FIFO takes at once; how many bytes that was.
    pub(crate) fn send(self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        for &byte in bytes {
            if UART.read::<u32>(FLAGS) & SEND_FULL != 0 {
                break;
            }
            UART.write(DATA, u32::from(byte));
            sent += 1;
        }
        sent
    }
}

/// Waits for the wire: only for last words before a reset.
impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            bytes = bytes.get(self.send(bytes)..).unwrap_or_default();
        }
        Ok(())
    }
}
