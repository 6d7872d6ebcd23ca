//! The network device: SMSC LAN91C111, polled.
//!
//! Three habits suit QEMU's model of it. One buffer for sending is claimed at the start and used for ever: released
//! automatically, it would be free before it is sent, and a received frame may get it meanwhile. Sending is waited for,
//! which takes no time there. And whatever has been received is fetched at once, after every frame that is sent, into a
//! backlog as a radio's driver has one: the model holds three frames, and of a longer burst it drops the rest when the
//! first is fetched. What is lost then (more clients speaking at the same instant than it holds), TCP sends again, after
//! half a second and more.

use core::cell::UnsafeCell;

use obkmq_net::smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use obkmq_net::smoltcp::time::Instant;

use crate::limits::{BACKLOG_BYTES, FRAME_BYTES, SPINS};
use crate::registers::ETHERNET;

const BANK: usize = 0xE;

/// Bank 0.
const TRANSMIT_CONTROL: usize = 0x0;
/// Send, and pad what is too short.
const TRANSMIT_ON: u16 = 0x81;
const RECEIVE_CONTROL: usize = 0x4;
const SOFT_RESET: u16 = 0x8000;
/// Receive, without the checksum.
const RECEIVE_ON: u16 = 0x0300;

/// Bank 1.
const ADDRESS: usize = 0x4;
const CONTROL: usize = 0xC;
const AUTO_RELEASE: u16 = 0x0800;

/// Bank 2.
const MEMORY_COMMAND: usize = 0x0;
const ALLOCATE: u16 = 1 << 5;
const RESET_MEMORY: u16 = 2 << 5;
const REMOVE_AND_RELEASE: u16 = 4 << 5;
const ENQUEUE: u16 = 6 << 5;
const PACKET_NUMBER: usize = 0x2;
const ALLOCATED: usize = 0x3;
const SENT: usize = 0x4;
const RECEIVED: usize = 0x5;
const NOTHING: u8 = 0x80;
const POINTER: usize = 0x6;
/// Into the buffer for sending, from its beginning.
const POINT_TO_SEND: u16 = 0x4000;
/// Into the frame received first, to read it.
const POINT_TO_RECEIVED: u16 = 0xE000;
const DATA: usize = 0x8;
const ACKNOWLEDGE: usize = 0xC;
const SENT_INTERRUPT: u8 = 2;
const INTERRUPT_MASK: usize = 0xD;
const RECEIVED_INTERRUPT: u8 = 1;

/// In the word behind a frame: it has an odd number of bytes, of which the last is here.
const ODD: u16 = 0x2000;
/// Status, count and control word of a frame.
const OVERHEAD_BYTES: usize = 6;

/// The device, what it has received, and a frame to send.
pub(crate) struct Ethernet {
    received: [u8; FRAME_BYTES],
    sender: Sender,
}

/// What sending takes.
struct Sender {
    packet: u8,
    backlog: Backlog,
    frame: [u8; FRAME_BYTES],
}

impl Ethernet {
    /// A device with this address; `None` if it does not work.
    ///
    /// # Safety
    /// There was no call before.
    pub(crate) unsafe fn new(mac: [u8; 6]) -> Option<Self> {
        bank(0);
        ETHERNET.write(RECEIVE_CONTROL, SOFT_RESET);
        ETHERNET.write(RECEIVE_CONTROL, 0_u16);
        bank(2);
        ETHERNET.write(MEMORY_COMMAND, RESET_MEMORY);
        bank(1);
        for (offset, byte) in (ADDRESS..).zip(mac) {
            ETHERNET.write(offset, byte);
        }
        ETHERNET.write(CONTROL, ETHERNET.read::<u16>(CONTROL) & !AUTO_RELEASE);
        bank(2);
        ETHERNET.write(MEMORY_COMMAND, ALLOCATE);
        let packet: u8 = ETHERNET.read(ALLOCATED);
        if packet & NOTHING != 0 {
            return None;
        }
        ETHERNET.write(INTERRUPT_MASK, RECEIVED_INTERRUPT);
        bank(0);
        ETHERNET.write(TRANSMIT_CONTROL, TRANSMIT_ON);
        ETHERNET.write(RECEIVE_CONTROL, RECEIVE_ON);
        bank(2);
        // SAFETY: the memory is static, nothing else names it, and the caller promises that this is the only call.
        let bytes = unsafe { &mut *MEMORY.0.get() };
        let backlog = Backlog { bytes, start: 0, end: 0 };
        Some(Self { received: [0; FRAME_BYTES], sender: Sender { packet, backlog, frame: [0; FRAME_BYTES] } })
    }
}

impl Ethernet {
    /// Whether there are frames that raise no interrupt any more.
    pub(crate) fn has_backlog(&self) -> bool {
        self.sender.backlog.end > 0
    }
}

/// Of the backlog; outside of the heap, as that of a radio is.
static MEMORY: Memory = Memory(UnsafeCell::new([0; BACKLOG_BYTES]));

struct Memory(UnsafeCell<[u8; BACKLOG_BYTES]>);

// SAFETY: only `Ethernet::new` touches it, once, and gives it away.
unsafe impl Sync for Memory {}

/// Received frames, each behind its length in two bytes.
struct Backlog {
    bytes: &'static mut [u8; BACKLOG_BYTES],
    start: usize,
    end: usize,
}

impl Backlog {
    /// Room for the longest frame, whose length nobody knows before it is fetched.
    const LARGEST: usize = 2 + FRAME_BYTES;

    /// Takes what the device has, as long as there is room.
    fn fetch(&mut self) {
        if self.start > 0 && self.bytes.len() - self.end < Self::LARGEST {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while let Some(([low, high], frame)) =
            self.bytes.get_mut(self.end..).and_then(<[u8]>::split_first_chunk_mut)
            && frame.len() >= FRAME_BYTES
            && let Some(length) = receive(frame)
        {
            [*low, *high] = u16::try_from(length).unwrap_or(0).to_le_bytes();
            self.end += 2 + length;
        }
    }

    /// Gives the frame that came first; how long it is.
    fn take(&mut self, frame: &mut [u8; FRAME_BYTES]) -> Option<usize> {
        let waiting = self.bytes.get(self.start..self.end)?;
        let (length, waiting) = waiting.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length));
        frame.get_mut(..length)?.copy_from_slice(waiting.get(..length)?);
        self.start += 2 + length;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Some(length)
    }
}

/// Chooses which registers are to be seen; outside of [`Ethernet::new`] it is the second.
fn bank(number: u16) {
    ETHERNET.write(BANK, number);
}

/// Copies the frame that came first; how long it is, or `None` if there is none. One that is longer than Ethernet allows
/// is cut, and then no layer above takes it. There has to be room for [`FRAME_BYTES`].
fn receive(frame: &mut [u8]) -> Option<usize> {
    if ETHERNET.read::<u8>(RECEIVED) & NOTHING != 0 {
        return None;
    }
    ETHERNET.write(POINTER, POINT_TO_RECEIVED);
    let _status: u16 = ETHERNET.read(DATA);
    let count = usize::from(ETHERNET.read::<u16>(DATA) & 0x7FF).saturating_sub(OVERHEAD_BYTES);
    let mut length = 0;
    for pair in frame.get_mut(..count.min(FRAME_BYTES) & !1).unwrap_or_default().chunks_exact_mut(2) {
        pair.copy_from_slice(&ETHERNET.read::<u16>(DATA).to_le_bytes());
        length += 2;
    }
    let control: u16 = ETHERNET.read(DATA);
    if control & ODD != 0
        && length < FRAME_BYTES
        && let Some(byte) = frame.get_mut(length)
    {
        [*byte, _] = control.to_le_bytes();
        length += 1;
    }
    ETHERNET.write(MEMORY_COMMAND, REMOVE_AND_RELEASE);
    Some(length)
}

impl Sender {
    fn send(&mut self, length: usize) {
        let Some(frame) = self.frame.get(..length) else { return };
        ETHERNET.write(PACKET_NUMBER, self.packet);
        ETHERNET.write(POINTER, POINT_TO_SEND);
        ETHERNET.write(DATA, 0_u16);
        let count = u16::try_from((length & !1) + OVERHEAD_BYTES).unwrap_or(0);
        ETHERNET.write(DATA, count);
        let (pairs, odd) = frame.as_chunks::<2>();
        for pair in pairs {
            ETHERNET.write(DATA, u16::from_le_bytes(*pair));
        }
        ETHERNET.write(DATA, odd.first().map_or(0, |byte| ODD | u16::from(*byte)));
        ETHERNET.write(MEMORY_COMMAND, ENQUEUE);
        for _ in 0..SPINS {
            if ETHERNET.read::<u8>(SENT) & NOTHING == 0 {
                break;
            }
        }
        ETHERNET.write(ACKNOWLEDGE, SENT_INTERRUPT);
        self.backlog.fetch();
    }
}

/// A received frame.
pub(crate) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Leave to send a frame.
pub(crate) struct Leave<'a>(&'a mut Sender);

impl TxToken for Leave<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        // The stack keeps to the length that `capabilities` names.
        let length = length.min(FRAME_BYTES);
        let result = write(self.0.frame.get_mut(..length).unwrap_or_default());
        self.0.send(length);
        result
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Leave<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Leave<'_>)> {
        self.sender.backlog.fetch();
        let length = self.sender.backlog.take(&mut self.received)?;
        Some((Received(self.received.get(..length)?), Leave(&mut self.sender)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leave<'_>> {
        Some(Leave(&mut self.sender))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities.max_burst_size = Some(1);
        capabilities
    }
}
