//! Memory that is not there: the processor's MMU leaves out everything that the board does not have or must not write.
//!
//! The stack stands lowest in RAM, so one that grows too long meets addresses without memory, and the data abort ends in
//! [`exception`](crate::reset::exception). Without the MMU the emulator has memory there, and the fault would show later
//! and elsewhere, if at all. The chip that this board stands for has neither MMU nor memory below its RAM.
//!
//! Source: ARM DDI 0198 (ARM926EJ-S), chapter 3: sections of 1 MiB, first-level descriptors.

/// Descriptors, one for each MiB of addresses.
const SECTIONS: usize = 4096;
const MIB_SHIFT: u32 = 20;

/// A section of domain 0, which is a client: permissions count. Bit 4 has to be set on this processor.
const SECTION: u32 = 1 << 4 | 0b10;
/// Privileged code may read and write, as all code here is.
const WRITABLE: u32 = SECTION | 0b01 << 10;
/// With the control register's R bit and no permission of its own: may be read only.
const READ_ONLY: u32 = SECTION;
/// What has no descriptor faults.
const NOTHING: u32 = 0;

/// Which MiB are there, and what they are.
const MAP: [(core::ops::Range<u32>, u32); 5] = [
    // Vectors and flash: the program.
    (0..2, READ_ONLY),
    // The chip's RAM.
    (4..5, WRITABLE),
    // What outlives a reset, and this table.
    (7..8, WRITABLE),
    // The chip that is made of RAM.
    (8..10, WRITABLE),
    // Devices.
    (0x100..0x102, WRITABLE),
];

unsafe extern "C" {
    /// From the linker script.
    static mut __sections: [u32; SECTIONS];
    /// In `start.s`: gives the table to the MMU and switches it on, with checks of alignment.
    fn enable_mmu(table: *const [u32; SECTIONS]);
}

/// From now on every access to what is not there is an exception.
///
/// # Safety
/// There was no call before.
pub(crate) unsafe fn enable() {
    let table = &raw mut __sections;
    // SAFETY: the linker script reserves it, aligned, in RAM that nothing else in this program names; any bits are a
    // `u32`, and the caller promises that this is the only call.
    let sections = unsafe { &mut *table };
    for (mib, section) in (0_u32..).zip(sections) {
        let found = MAP.iter().find(|(range, _)| range.contains(&mib));
        *section = found.map_or(NOTHING, |(_, kind)| mib << MIB_SHIFT | kind);
    }
    // SAFETY: the table maps every address to itself, and all that this program uses.
    unsafe { enable_mmu(table) };
}
