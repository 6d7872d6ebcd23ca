//! The Ethernet of the machine that Espressif's emulator has instead of a radio: OpenCores' 10/100 MAC, polled.
//!
//! A frame lies in a buffer of its own that a descriptor leads to. A descriptor belongs to the device while its highest bit
//! is set, and to the program otherwise; the device works on them in turn and wraps round at the marked one.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering, compiler_fence};

use obkmq_net::smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use obkmq_net::smoltcp::time::Instant;

/// Where the emulated ESP32-C3 has the device. The real chip has nothing there.
const BASE: usize = 0x600C_D000;
const MODE: usize = 0x00;
const MODE_RESET: u32 = 1 << 11;
/// Pad short frames, append checksums, full duplex, send and receive.
const MODE_ON: u32 = 1 << 15 | 1 << 13 | 1 << 10 | 1 << 1 | 1;
const INTERRUPT_MASK: usize = 0x08;
const SEND_DESCRIPTORS: usize = 0x20;
const ADDRESS_LOW: usize = 0x40;
const ADDRESS_HIGH: usize = 0x44;
const DESCRIPTORS: usize = 0x400;
const DESCRIPTOR_BYTES: usize = 8;

/// The device's turn: a frame is to be sent, a buffer is empty.
const DEVICES: u32 = 1 << 15;
const WRAP: u32 = 1 << 13;
/// Pad it, append a checksum.
const COMPLETE: u32 = 1 << 12 | 1 << 11;
const LENGTH_SHIFT: u32 = 16;

const TO_SEND: usize = 4;
const TO_RECEIVE: usize = 8;
const BUFFER_BYTES: usize = 1536;
/// Behind a received frame.
const CHECKSUM_BYTES: usize = 4;
/// Longest frame without its checksum.
const FRAME_BYTES: usize = 1514;

struct Buffers(UnsafeCell<[[u8; BUFFER_BYTES]; TO_SEND + TO_RECEIVE]>);

// SAFETY: only the one `OpenEthernet` touches them, each while its descriptor is the program's.
unsafe impl Sync for Buffers {}

static BUFFERS: Buffers = Buffers(UnsafeCell::new([[0; BUFFER_BYTES]; TO_SEND + TO_RECEIVE]));

/// The device.
pub(crate) struct OpenEthernet {
    receive_next: usize,
    received: [u8; FRAME_BYTES],
    sender: Sender,
}

struct Sender {
    next: usize,
    frame: [u8; FRAME_BYTES],
}

impl OpenEthernet {
    /// The device with this address; `None` if there is one already.
    pub(crate) fn new([m0, m1, m2, m3, m4, m5]: [u8; 6]) -> Option<Self> {
        static IS_TAKEN: AtomicBool = AtomicBool::new(false);
        if IS_TAKEN.load(Ordering::Relaxed) {
            return None;
        }
        IS_TAKEN.store(true, Ordering::Relaxed);
        write(MODE, MODE_RESET);
        write(MODE, 0);
        write(INTERRUPT_MASK, 0);
        write(SEND_DESCRIPTORS, u32::try_from(TO_SEND).unwrap_or(0));
        write(ADDRESS_LOW, u32::from_be_bytes([m2, m3, m4, m5]));
        write(ADDRESS_HIGH, u32::from_be_bytes([0, 0, m0, m1]));
        for at in 0..TO_SEND + TO_RECEIVE {
            let address = u32::try_from(buffer(at) as usize).unwrap_or(0);
            write(descriptor(at) + 4, address);
            write(descriptor(at), wrap(at) | if at < TO_SEND { 0 } else { DEVICES });
        }
        // Only now: with this the device looks for the first descriptor to receive with.
        write(MODE, MODE_ON);
        let sender = Sender { next: 0, frame: [0; FRAME_BYTES] };
        Some(Self { receive_next: TO_SEND, received: [0; FRAME_BYTES], sender })
    }
}

fn descriptor(at: usize) -> usize {
    DESCRIPTORS + at * DESCRIPTOR_BYTES
}

fn wrap(at: usize) -> u32 {
    if at == TO_SEND - 1 || at == TO_SEND + TO_RECEIVE - 1 { WRAP } else { 0 }
}

fn buffer(at: usize) -> *mut u8 {
    // The last one for a number beyond, which none is.
    BUFFERS.0.get().cast::<u8>().wrapping_add(at.min(TO_SEND + TO_RECEIVE - 1) * BUFFER_BYTES)
}

fn read(offset: usize) -> u32 {
    // SAFETY: all offsets are those of the device's registers and descriptors, and the address is aligned.
    unsafe { ((BASE + offset) as *const u32).read_volatile() }
}

fn write(offset: usize, value: u32) {
    // SAFETY: as above; what the device may write to are the buffers, which are static.
    unsafe { ((BASE + offset) as *mut u32).write_volatile(value) }
}

impl Sender {
    fn is_ready(&self) -> bool {
        read(descriptor(self.next)) & DEVICES == 0
    }

    fn send(&mut self, length: usize) {
        let Some(frame) = self.frame.get(..length) else { return };
        // SAFETY: the descriptor is the program's, as whoever got leave to send has seen, and a frame is shorter than a
        // buffer.
        unsafe { buffer(self.next).copy_from_nonoverlapping(frame.as_ptr(), frame.len()) };
        compiler_fence(Ordering::Release);
        let length = u32::try_from(length).unwrap_or(0) << LENGTH_SHIFT;
        write(descriptor(self.next), length | DEVICES | COMPLETE | wrap(self.next));
        self.next = (self.next + 1) % TO_SEND;
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

impl Device for OpenEthernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Leave<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Leave<'_>)> {
        let at = self.receive_next;
        let state = read(descriptor(at));
        if state & DEVICES != 0 || !self.sender.is_ready() {
            return None;
        }
        compiler_fence(Ordering::Acquire);
        let length = usize::try_from(state >> LENGTH_SHIFT).unwrap_or(0).saturating_sub(CHECKSUM_BYTES);
        let frame = self.received.get_mut(..length.min(FRAME_BYTES))?;
        // SAFETY: the descriptor is the program's, and a frame is shorter than a buffer.
        unsafe { frame.as_mut_ptr().copy_from_nonoverlapping(buffer(at), frame.len()) };
        compiler_fence(Ordering::Release);
        write(descriptor(at), DEVICES | wrap(at));
        self.receive_next = if at + 1 == TO_SEND + TO_RECEIVE { TO_SEND } else { at + 1 };
        Some((Received(frame), Leave(&mut self.sender)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leave<'_>> {
        self.sender.is_ready().then_some(Leave(&mut self.sender))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities.max_burst_size = Some(TO_RECEIVE);
        capabilities
    }
}
