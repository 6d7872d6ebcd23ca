use super::*;
use crate::beken::factory;
use crate::flash::MemoryFlash;

/// A chip on a line that carries everything.
struct Chip(Loader<MemoryFlash>);

impl Chip {
    fn new(chip: BekenChip) -> Self {
        let mut flash = MemoryFlash::new(factory::FLASH_BYTES);
        factory::fill(chip, &mut flash).unwrap();
        Self(Loader::new(chip, flash))
    }

    fn send(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut replies = Vec::new();
        while !bytes.is_empty() {
            let taken = self.0.receive(bytes).unwrap();
            bytes = &bytes[taken..];
            replies.extend_from_slice(self.0.output());
            self.0.sent(usize::MAX);
        }
        replies
    }

    fn short(&mut self, code: u8, payload: &[u8]) -> Vec<u8> {
        let head = [1, 0xE0, 0xFC, u8::try_from(payload.len() + 1).unwrap(), code];
        self.send(&[&head, payload].concat())
    }

    fn long(&mut self, code: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len() + 1).unwrap().to_le_bytes();
        let head = [1, 0xE0, 0xFC, 0xFF, 0xF4, length[0], length[1], code];
        self.send(&[&head, payload].concat())
    }

    fn link(&mut self) {
        assert_eq!(self.short(0, &[]), [4, 0x0E, 5, 1, 0xE0, 0xFC, 1, 0]);
    }

    fn erase(&mut self, size: u8, at: u32) -> u8 {
        self.long(0x0F, &[&[size][..], &at.to_le_bytes()].concat())[10]
    }

    fn write(&mut self, at: u32, byte: u8) -> u8 {
        self.long(0x07, &[&at.to_le_bytes()[..], &[byte; 4096]].concat())[10]
    }

    fn crc(&mut self, start: u32, end: u32) -> u32 {
        let reply = self.short(0x10, &[start.to_le_bytes(), end.to_le_bytes()].concat());
        u32::from_le_bytes(reply[7..11].try_into().unwrap())
    }

    fn cells(&mut self, at: usize, length: usize) -> &[u8] {
        &self.0.flash_mut().cells()[at..at + length]
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn the_ends_of_crc_ranges_differ() {
    let mut t = Chip::new(BekenChip::T);
    let expected = crc32(t.cells(0, 256));
    assert_eq!(t.crc(0, 256), !expected);
    let mut n = Chip::new(BekenChip::N);
    let expected = crc32(n.cells(0, 257));
    assert_eq!(n.crc(0, 256), !expected);
}

#[test]
fn a_t_protects_its_flash_after_each_crc_until_linked_and_erased() {
    let mut chip = Chip::new(BekenChip::T);
    // Not linked yet: nothing has an effect, and nobody says so.
    assert_eq!((chip.write(0x2_0000, 0x5A), chip.cells(0x2_0000, 1)[0]), (GOOD, 0xFF));
    chip.link();
    assert_eq!((chip.write(0x2_0000, 0x5A), chip.cells(0x2_0000, 1)[0]), (GOOD, 0xFF));
    assert_eq!(chip.erase(0x20, 0x2_0000), GOOD);
    assert_eq!((chip.write(0x2_0000, 0x5A), chip.cells(0x2_0000, 1)[0]), (GOOD, 0x5A));
    chip.crc(0x2_0000, 0x2_1000);
    assert_eq!((chip.erase(0x20, 0x2_0000), chip.cells(0x2_0000, 1)[0]), (GOOD, 0x5A));
    chip.link();
    assert_eq!((chip.erase(0x20, 0x2_0000), chip.cells(0x2_0000, 1)[0]), (GOOD, 0xFF));
}

#[test]
fn a_t_keeps_its_boot_loader_from_honest_addresses_only() {
    let mut chip = Chip::new(BekenChip::T);
    chip.link();
    assert_eq!(chip.erase(0x20, 0x2_0000), GOOD);
    let before = chip.cells(0, 0x1_1000).to_vec();
    for at in [0, 0x1000, 0x1_0FFF] {
        assert_eq!((chip.erase(0x20, at), chip.write(at, 0)), (REFUSED, REFUSED));
        assert_eq!(chip.long(0x09, &at.to_le_bytes())[10], REFUSED);
    }
    assert_eq!(chip.cells(0, 0x1_1000), before);
    // Behind the end of the flash is its beginning: readable, and not safe.
    let reply = chip.long(0x09, &0x20_0000_u32.to_le_bytes());
    assert_eq!(reply[15..], before[..4096]);
    assert_eq!((chip.erase(0x20, 0x20_0000), chip.cells(0, 4)), (GOOD, &[0xFF; 4][..]));
}

#[test]
fn an_n_is_unprotected_by_its_status_register() {
    let mut chip = Chip::new(BekenChip::N);
    chip.link();
    assert_eq!(chip.long(0x0E, &[0x9F, 0, 0, 0])[10..], [0, 0, 0xEB, 0x60, 0x15]);
    assert_eq!(chip.long(0x0C, &[0x05])[10..], [0, 0x05, 0x1C]);
    assert_eq!((chip.write(0x2_0000, 0x5A), chip.cells(0x2_0000, 1)[0]), (GOOD, 0xFF));
    assert_eq!(chip.long(0x0D, &[0x01, 0, 0])[10..], [0, 0x01, 0, 0]);
    assert_eq!((chip.write(0x2_0000, 0x5A), chip.cells(0x2_0000, 1)[0]), (GOOD, 0x5A));
    let mut t = Chip::new(BekenChip::T);
    for (code, payload) in [(0x0C, &[0x05][..]), (0x0D, &[1, 0, 0]), (0x0E, &[0x9F, 0, 0, 0])] {
        assert_eq!(t.long(code, payload), b"", "a T knows no {code:#x}");
    }
    assert_eq!(t.short(0x03, &CHIP_ID_REGISTER.to_le_bytes()), b"");
}

#[test]
fn a_large_erase_takes_the_whole_block_that_its_address_lies_in() {
    let mut chip = Chip::new(BekenChip::N);
    chip.link();
    chip.long(0x0D, &[0x01, 0, 0]);
    chip.write(0x2_0000, 0);
    chip.write(0x2_F000, 0);
    chip.write(0x3_0000, 0);
    assert_eq!(chip.erase(0xD8, 0x2_8000), GOOD);
    assert_eq!(
        [0x2_0000, 0x2_F000, 0x3_0000].map(|at| chip.cells(at, 1)[0]),
        [0xFF, 0xFF, 0],
        "not from the address on"
    );
}

#[test]
fn the_power_goes_at_the_frame_that_was_asked_for() {
    let mut chip = Chip::new(BekenChip::N);
    chip.0.lose_power_at_frame(Some(3));
    chip.link();
    chip.link();
    assert_eq!(chip.0.frames(), 2);
    assert!(matches!(chip.0.receive(&[1, 0xE0, 0xFC, 1, 0]), Err(FlashError::PowerLost)));
}

#[test]
fn a_new_speed_holds_for_its_own_answer_and_erasing_takes_time() {
    let mut chip = Chip::new(BekenChip::T);
    let reply = chip.short(0x0F, &[0x00, 0x10, 0x0E, 0x00, 20]);
    assert_eq!(reply, [4, 0x0E, 9, 1, 0xE0, 0xFC, 0x0F, 0x00, 0x10, 0x0E, 0x00, 20]);
    assert_eq!((chip.0.baud(), chip.0.take_busy_us()), (921_600, 20_000));
    chip.erase(0xD8, 0x2_0000);
    assert_eq!((chip.0.take_busy_us(), chip.0.take_busy_us()), (busy::ERASE_BLOCK, 0));
}

#[test]
fn a_reboot_is_an_event_without_an_answer() {
    let mut chip = Chip::new(BekenChip::T);
    assert_eq!(chip.short(0x0E, &[0xA5]), b"");
    assert_eq!(chip.0.next_event(), Some(Event::Reboot));
}

proptest::proptest! {
    /// Framed, so that the commands are reached; the payload is anything.
    #[test]
    fn no_command_reaches_beyond_the_flash_or_sticks(
        n: bool,
        commands in proptest::collection::vec((
            proptest::bool::ANY, 0_u8..0x12, proptest::collection::vec(proptest::num::u8::ANY, 0..12),
        ), 1..20),
    ) {
        let mut chip = Chip::new(if n { BekenChip::N } else { BekenChip::T });
        chip.link();
        for (long, code, payload) in commands {
            let reply = if long { chip.long(code, &payload) } else { chip.short(code, &payload) };
            proptest::prop_assert!(reply.len() <= 4096 + 16);
            chip.0.next_event();
        }
    }
}
