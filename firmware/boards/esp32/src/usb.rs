//! The chip's own USB serial port; on chips without one, a port that never has anything.

#[cfg(not(any(feature = "esp32", feature = "esp32c2", feature = "esp32s2")))]
pub(crate) use present::Usb;

#[cfg(any(feature = "esp32", feature = "esp32c2", feature = "esp32s2"))]
pub(crate) use absent::Usb;

#[cfg(not(any(feature = "esp32", feature = "esp32c2", feature = "esp32s2")))]
mod present {
    use esp_hal::Blocking;
    use esp_hal::peripherals::USB_DEVICE;
    use esp_hal::usb::usb_serial_jtag::UsbSerialJtag;

    /// USB serial.
    pub(crate) struct Usb(UsbSerialJtag<'static, Blocking>);

    impl Usb {
        pub(crate) fn new(device: USB_DEVICE<'static>) -> Self {
            Self(UsbSerialJtag::new(device))
        }

        /// Copies what has arrived into `buffer` and returns how much that is.
        pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
            let mut count = 0;
            for slot in buffer {
                let Ok(byte) = self.0.read_byte() else { break };
                *slot = byte;
                count += 1;
            }
            count
        }

        /// Puts bytes into the endpoint's FIFO until it is full and hands it to the USB host.
        pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
            let taken = bytes.iter().take_while(|byte| self.0.write_byte_nb(**byte).is_ok()).count();
            if taken > 0 {
                // "Would block" means that the host has not fetched it yet; nothing is lost by that.
                let _ = self.0.flush_tx_nb();
            }
            taken
        }
    }
}

#[cfg(any(feature = "esp32", feature = "esp32c2", feature = "esp32s2"))]
mod absent {
    /// No USB serial.
    pub(crate) struct Usb;

    impl Usb {
        pub(crate) fn read(&mut self, _buffer: &mut [u8]) -> usize {
            0
        }

        pub(crate) fn write(&mut self, _bytes: &[u8]) -> usize {
            0
        }
    }
}
