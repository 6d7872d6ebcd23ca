//! Capacities and times of the network. Nothing else in this crate holds a magic number.

use smoltcp::iface::SocketStorage;
use smoltcp::time::Duration;

/// What the sockets may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacities {
    /// Sockets at most: the one that listens, the half-open ones, connections, and those that have just ended.
    pub sockets: usize,
    /// Receive buffer of each in bytes, which is the largest window. Larger packets are reassembled by the broker.
    pub receive_bytes: usize,
    /// Send buffer of each in bytes: what may be under way to one client without its acknowledgement.
    pub send_bytes: usize,
}

impl Capacities {
    /// Sockets that are not connections: one listens, the others are half-open or have just ended.
    pub const BESIDE_CONNECTIONS: usize = 3;

    /// Heap that a place in smoltcp's table takes, in bytes, whether it is used or not.
    pub const TABLE_BYTES: usize = size_of::<SocketStorage<'static>>() + size_of::<crate::place::Place>();

    /// Heap that all sockets take at most, in bytes, besides what an allocator adds to each block.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.sockets.saturating_mul(Self::TABLE_BYTES + self.receive_bytes + self.send_bytes)
    }
}

/// Sockets of the services, beside those of connections: of a station DHCP, mDNS, SNTP and DNS, of an access point two.
pub(crate) const SERVICE_SOCKETS: usize = if cfg!(feature = "services") { 4 } else { 0 };

/// Frames taken from the device in one turn; what it has more waits there.
pub(crate) const FRAMES_PER_TURN: usize = 16;

/// Frames sent for each socket in one turn at most.
pub(crate) const SENDS_PER_TURN: usize = 8;

/// Wishes of the node served in one turn: serving one may raise the next.
pub(crate) const WANTS_PER_TURN: usize = 256;

/// Times that one connection's send buffer is filled in one turn; it is a ring, so twice is all of it.
pub(crate) const FILLS_PER_TURN: usize = 2;

/// Times that one connection's receive buffer is read in one turn, likewise.
pub(crate) const READS_PER_TURN: usize = 2;

/// Half-open connections at a time, as a part of all sockets: whoever never answers must not take every place. After a
/// power cut a house comes back in two or three rounds, and each round waits twice as long as the one before.
pub(crate) const HALF_OPEN_PART: usize = 2;

/// How long a connection may be half-open, in milliseconds. A client on Wi-Fi that sleeps between two beacons answers
/// within one.
pub(crate) const HALF_OPEN_MS: u64 = 3_000;

/// How long a connection that has ended is kept, in milliseconds: until its peer has the last bytes and has seen the end,
/// what it still sends is thrown away. It is also the time that a closed connection waits for late segments (TIME_WAIT).
pub(crate) const DRAIN_MS: u64 = 5_000;

/// A quiet peer is asked this often whether it is still there: MQTT's keep-alive can be switched off, and a device that
/// lost its power must not hold a place for ever. Its answer also keeps smoltcp from forgetting its hardware address, which
/// it does after 60 s of silence; and it looks for one forgotten address a second, whoever has to wait.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// A peer that does not answer for so long is gone.
pub(crate) const PEER_TIMEOUT: Duration = Duration::from_secs(180);

/// The pause after the first failure to join a network, or after it was lost, in milliseconds; it doubles each time.
pub(crate) const BACK_OFF_FIRST_MS: u64 = 1_000;

/// The longest of these pauses, in milliseconds.
pub(crate) const BACK_OFF_LONGEST_MS: u64 = 60_000;

/// A network that stays for so long, in milliseconds, begins with short pauses again.
pub(crate) const STEADY_MS: u64 = 30_000;

/// How long a network has to give an address, in milliseconds.
pub(crate) const ADDRESS_MS: u64 = 15_000;

/// Failures in a row of which the last is told.
pub(crate) const ATTEMPTS_BEFORE_FAILURE: u32 = 2;

/// Addresses that the board's own network has to give; those right behind its own.
#[cfg(feature = "services")]
pub(crate) const LEASES: usize = 16;

/// How long an address is given for, in seconds.
#[cfg(feature = "services")]
pub(crate) const LEASE_S: u32 = 2 * 60 * 60;

/// How long an offered address is kept, in milliseconds.
#[cfg(feature = "services")]
pub(crate) const OFFER_MS: u64 = 10_000;

/// How long a phone may take every name for the board, in seconds.
#[cfg(feature = "services")]
pub(crate) const CAPTIVE_TTL_S: u32 = 60;

/// Longest message of a service, in bytes: of DHCP the longest that every client takes (548), of multicast DNS all that a
/// board has to tell.
#[cfg(feature = "services")]
pub(crate) const DATAGRAM_BYTES: usize = 768;

/// Messages that wait for a service, or for being sent.
#[cfg(feature = "services")]
pub(crate) const DATAGRAMS: usize = 2;

/// Messages that a service takes in one turn.
#[cfg(feature = "services")]
pub(crate) const DATAGRAMS_PER_TURN: usize = 4;

/// Times that a name is asked for before it is used (RFC 6762, section 8.1).
#[cfg(feature = "services")]
pub(crate) const MDNS_PROBES: u8 = 3;

/// Times that a name is told without having been asked (RFC 6762, section 8.3).
#[cfg(feature = "services")]
pub(crate) const MDNS_ANNOUNCEMENTS: u8 = 2;

/// How long others may remember a record, in seconds (RFC 6762, section 10).
#[cfg(feature = "services")]
pub(crate) const MDNS_TTL_S: u32 = 120;

/// How long a time server has to answer, in milliseconds.
#[cfg(feature = "services")]
pub(crate) const SNTP_ANSWER_MS: u64 = 5_000;

/// Between two questions for the time, in milliseconds. A board's crystal is a second off by then at most.
#[cfg(feature = "services")]
pub(crate) const SNTP_AGAIN_MS: u64 = 6 * 60 * 60 * 1000;

/// The pause after the first question without an answer, in milliseconds; it doubles each time.
#[cfg(feature = "services")]
pub(crate) const SNTP_FIRST_PAUSE_MS: u64 = 15_000;

/// The longest of these pauses, in milliseconds.
#[cfg(feature = "services")]
pub(crate) const SNTP_LONGEST_PAUSE_MS: u64 = 60 * 60 * 1000;
