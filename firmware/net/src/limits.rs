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
