//! Capacities and times of the radio.

use core::net::Ipv4Addr;

/// Frames that the driver keeps until the stack takes them.
pub(crate) const RECEIVE_QUEUE_FRAMES: usize = 8;

/// Frames that the driver takes before it has sent the first.
pub(crate) const TRANSMIT_QUEUE_FRAMES: usize = 4;

/// Longest frame that the driver sends: `ESP_RADIO_CONFIG_WIFI_MTU`.
pub(crate) const FRAME_BYTES: usize = 1492;

/// Power to send with, in quarters of a decibel above 1 mW: 15 dBm. From 16 dBm on some boards fail to join, says the
/// driver's documentation.
pub(crate) const TRANSMIT_POWER: i8 = 60;

/// How long joining a network may take, without its address, in milliseconds. The scan of all channels is part of it.
pub(crate) const ASSOCIATE_MS: u64 = 20_000;

/// How long leaving a network may take, in milliseconds.
pub(crate) const LEAVE_MS: u64 = 2_000;

/// How long a scan may take, in milliseconds.
pub(crate) const SCAN_MS: u64 = 8_000;

/// The shortest and the longest stay of a scan on a channel, in milliseconds: beacons come every 102.
pub(crate) const SCAN_CHANNEL_MS: (u64, u64) = (40, 120);

/// Access points that a scan tells.
pub(crate) const SCAN_NETWORKS: usize = 40;

/// Between two measurements of the network's strength, in milliseconds.
pub(crate) const MEASURE_MS: u64 = 5_000;

/// Between a failure of the driver and its next start, in milliseconds.
pub(crate) const RADIO_RESTART_MS: u64 = 5_000;

/// How often the radio wants a turn at least, in milliseconds.
pub(crate) const RADIO_TURN_MS: u64 = 10;

/// Stations of the board's own network at a time.
pub(crate) const OWN_NETWORK_STATIONS: u16 = 8;

/// The board's address in its own network, and the bits of it that name the network.
pub(crate) const OWN_ADDRESS: (Ipv4Addr, u8) = (Ipv4Addr::new(192, 168, 4, 1), 24);
