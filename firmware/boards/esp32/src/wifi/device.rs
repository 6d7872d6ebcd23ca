//! The driver's frames as smoltcp's device.

use esp_radio::wifi::{Interface, WifiRxToken, WifiTxToken};
use obkmq_net::smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use obkmq_net::smoltcp::time::Instant;

use super::limits::{FRAME_BYTES, RECEIVE_QUEUE_FRAMES};

/// One side of the radio: the station, or the board's own network.
pub(crate) struct WifiDevice(Interface);

impl WifiDevice {
    pub(crate) fn new(interface: Interface) -> Self {
        Self(interface)
    }

    /// Its Ethernet address.
    pub(crate) fn mac(&self) -> [u8; 6] {
        self.0.mac_address()
    }
}

/// A received frame.
pub(crate) struct Received(WifiRxToken);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        self.0.consume_token(|frame| read(frame))
    }
}

/// Leave to send a frame.
pub(crate) struct Leave(WifiTxToken);

impl TxToken for Leave {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        // The driver panics on a longer one; the stack keeps to what `capabilities` names.
        self.0.consume_token(length.min(FRAME_BYTES), write)
    }
}

impl Device for WifiDevice {
    type RxToken<'a> = Received;
    type TxToken<'a> = Leave;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Leave)> {
        self.0.receive().map(|(frame, leave)| (Received(frame), Leave(leave)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leave> {
        self.0.transmit().map(Leave)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities.max_burst_size = Some(RECEIVE_QUEUE_FRAMES);
        capabilities
    }
}
