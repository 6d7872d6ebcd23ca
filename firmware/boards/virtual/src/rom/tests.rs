use super::*;
use crate::boot::{Refusal as BootRefusal, ResetCause, boot};
use crate::faults::PowerLoss;
use crate::fixtures::merged;
use crate::flash::MemoryFlash;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use std::io::Write as _;

/// A flasher of a few lines, with its own framing.
struct Flasher<F> {
    loader: Loader<F>,
}

impl Flasher<MemoryFlash> {
    fn new() -> Self {
        Self::with(MemoryFlash::new(4 << 20))
    }
}

impl<F: FlashChip> Flasher<F> {
    fn with(flash: F) -> Self {
        Self { loader: Loader::new(flash) }
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), FlashError> {
        let mut line = vec![0xC0];
        for &byte in packet {
            match byte {
                0xC0 => line.extend_from_slice(&[0xDB, 0xDC]),
                0xDB => line.extend_from_slice(&[0xDB, 0xDD]),
                byte => line.push(byte),
            }
        }
        line.push(0xC0);
        let mut rest = &line[..];
        while !rest.is_empty() {
            let taken = self.loader.receive(rest)?;
            assert!(taken > 0, "the loader is stuck");
            rest = &rest[taken..];
        }
        Ok(())
    }

    fn packets(&mut self) -> Vec<Vec<u8>> {
        let line = self.loader.output().unwrap().to_vec();
        self.loader.sent(line.len());
        line.split(|&byte| byte == 0xC0)
            .filter(|packet| !packet.is_empty())
            .map(|packet| {
                let mut bytes = Vec::new();
                let mut packet = packet.iter();
                while let Some(&byte) = packet.next() {
                    bytes.push(match byte {
                        0xDB if packet.next() == Some(&0xDC) => 0xC0,
                        byte => byte,
                    });
                }
                bytes
            })
            .collect()
    }

    fn try_command(&mut self, opcode: u8, words: &[u32], payload: &[u8]) -> Result<Vec<Vec<u8>>, FlashError> {
        let data: Vec<u8> =
            words.iter().flat_map(|word| word.to_le_bytes()).chain(payload.iter().copied()).collect();
        let length = u16::try_from(data.len()).unwrap().to_le_bytes();
        let checksum = payload.iter().fold(0xEF, |sum, byte| sum ^ byte);
        let mut packet = vec![0, opcode, length[0], length[1], checksum, 0, 0, 0];
        packet.extend_from_slice(&data);
        self.send(&packet)?;
        Ok(self.packets())
    }

    fn command(&mut self, opcode: u8, words: &[u32], payload: &[u8]) -> Vec<u8> {
        let mut packets = self.try_command(opcode, words, payload).unwrap();
        assert!(!packets.is_empty(), "no reply to 0x{opcode:02X}");
        packets.remove(0)
    }

    /// A command that has to succeed; what lies between header and status.
    fn ok(&mut self, opcode: u8, words: &[u32], payload: &[u8]) -> Vec<u8> {
        let reply = self.command(opcode, words, payload);
        let status_bytes = if self.loader.mode() == Mode::Rom || opcode == op::MEM_END { 4 } else { 2 };
        let status = reply.len() - status_bytes;
        assert_eq!(reply[1], opcode);
        assert_eq!(reply[status..status + 2], [0, 0], "0x{opcode:02X} failed");
        reply[8..status].to_vec()
    }

    /// The reason why a command is refused.
    fn refused(&mut self, opcode: u8, words: &[u32], payload: &[u8]) -> u8 {
        let reply = self.command(opcode, words, payload);
        let status = reply.len() - if self.loader.mode() == Mode::Rom { 4 } else { 2 };
        assert_eq!(reply[status], 1, "0x{opcode:02X} succeeded");
        reply[status + 1]
    }

    fn start_stub(&mut self) {
        self.ok(op::MEM_BEGIN, &[8, 1, 0x1800, 0x4038_0000], &[]);
        self.ok(op::MEM_DATA, &[8, 0, 0, 0], &[0x13; 8]);
        let packets = self.try_command(op::MEM_END, &[0, 0x4038_0004], &[]).unwrap();
        assert_eq!(packets.last().unwrap(), b"OHAI");
        assert_eq!(self.loader.mode(), Mode::Stub);
    }

    /// Writes compressed data through the stub in packets of 16 KiB.
    fn write_compressed(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        let compressed = encoder.finish().unwrap();
        let blocks = u32::try_from(compressed.len().div_ceil(0x4000)).unwrap();
        let size = u32::try_from(bytes.len()).unwrap();
        self.try_command(op::FLASH_DEFL_BEGIN, &[size, blocks, 0x4000, offset], &[])?;
        for packet in compressed.chunks(0x4000) {
            self.try_command(op::FLASH_DEFL_DATA, &[u32::try_from(packet.len()).unwrap(), 0, 0, 0], packet)?;
        }
        Ok(())
    }
}

#[test]
fn a_sync_is_answered_eight_times() {
    let mut flasher = Flasher::new();
    flasher.loader.receive(b"noise ahead of it").unwrap();
    let replies = flasher.try_command(op::SYNC, &[], &SYNC_DATA).unwrap();
    assert_eq!(replies, vec![[1, 8, 4, 0, 7, 7, 0x12, 0x20, 0, 0, 0, 0]; 8]);
    flasher.start_stub();
    let replies = flasher.try_command(op::SYNC, &[], &SYNC_DATA).unwrap();
    assert_eq!(replies, vec![[1, 8, 2, 0, 0, 0, 0, 0, 0, 0]; 8]);
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut flasher = Flasher::new();
    for byte in sync_frame() {
        assert_eq!(flasher.loader.receive(&[byte]).unwrap(), 1);
    }
    assert_eq!(flasher.packets().len(), 8);
}

#[test]
fn the_chip_says_what_it_is() {
    let mut flasher = Flasher::new();
    let info = flasher.ok(op::GET_SECURITY_INFO, &[], &[]);
    assert_eq!(info.len(), 20);
    assert_eq!(info[12..16], 5_u32.to_le_bytes());
    let magic = flasher.command(op::READ_REG, &[0x4000_1000], &[]);
    assert_eq!(magic[4..8], 0x1B31_506F_u32.to_le_bytes());
}

#[test]
fn the_rom_writes_and_sums_up_plainly() {
    let mut flasher = Flasher::new();
    flasher.ok(op::SPI_ATTACH, &[0, 0], &[]);
    flasher.ok(op::SPI_SET_PARAMS, &[0, 4 << 20, 0x1_0000, 0x1000, 0x100, 0xFFFF], &[]);
    flasher.ok(op::FLASH_BEGIN, &[0x500, 2, 0x400, 0x2000, 0], &[]);
    flasher.ok(op::FLASH_DATA, &[0x400, 0, 0, 0], &[0xC0; 0x400]);
    flasher.ok(op::FLASH_DATA, &[0x400, 1, 0, 0], &[0xDB; 0x400]);
    let sum = flasher.ok(op::SPI_FLASH_MD5, &[0x2000, 0x800, 0, 0], &[]);
    let expected: String = Md5::digest([[0xC0; 0x400], [0xDB; 0x400]].concat())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(sum, expected.as_bytes());
    let read = flasher.ok(op::READ_FLASH_SLOW, &[0x23FF, 2], &[]);
    assert_eq!(read.len(), 64);
    assert_eq!(read[..2], [0xC0, 0xDB]);
    flasher.ok(op::FLASH_END, &[1], &[]);
    assert_eq!(flasher.loader.next_event(), Some(Event::Run));
}

#[test]
fn the_stub_writes_compressed_and_reads_back() {
    let mut flasher = Flasher::new();
    flasher.start_stub();
    let bytes: Vec<u8> = (0..0x5000_u32).flat_map(|index| index.to_le_bytes()).take(0x9123).collect();
    flasher.write_compressed(0x1000, &bytes).unwrap();
    flasher.ok(op::FLASH_DEFL_END, &[1], &[]);
    assert_eq!(flasher.loader.next_event(), None, "the stub stays");
    let sum = flasher.ok(op::SPI_FLASH_MD5, &[0x1000, 0x9123, 0, 0], &[]);
    assert_eq!(sum, Md5::digest(&bytes).as_slice());

    let mut packets = flasher.try_command(op::READ_FLASH, &[0x1000, 0x9123, 0x1000, 2], &[]).unwrap();
    packets.remove(0);
    let mut read = Vec::new();
    while read.len() < bytes.len() {
        assert!(packets.len() <= 2);
        for packet in core::mem::take(&mut packets) {
            read.extend_from_slice(&packet);
        }
        flasher.send(&u32::try_from(read.len()).unwrap().to_le_bytes()).unwrap();
        packets = flasher.packets();
    }
    assert_eq!(read, bytes);
    assert_eq!(packets, [Md5::digest(&bytes).to_vec()]);
}

#[test]
fn a_read_that_is_abandoned_does_not_lock_the_loader() {
    let mut flasher = Flasher::new();
    flasher.start_stub();
    flasher.ok(op::READ_FLASH, &[0, 0x10_0000, 0x1000, 64], &[]);
    let mut replies = Vec::new();
    for byte in sync_frame() {
        while flasher.loader.receive(&[byte]).unwrap() == 0 {
            replies.extend(flasher.packets());
        }
    }
    replies.extend(flasher.packets());
    assert_eq!(replies.iter().filter(|packet| packet[..2] == [1, op::SYNC]).count(), 8);
}

#[test]
fn refusals_are_in_the_words_of_who_answers() {
    let mut flasher = Flasher::new();
    assert_eq!(flasher.refused(op::ERASE_FLASH, &[], &[]), 0x05, "a command of the stub");
    assert_eq!(flasher.refused(op::READ_REG, &[], &[]), 0x05);
    assert_eq!(flasher.refused(op::FLASH_DATA, &[1, 0, 0, 0], &[1]), 0x06);
    assert_eq!(
        flasher.refused(op::FLASH_BEGIN, &[0x1000, 1, 0x1000, 0], &[]),
        0x06,
        "the flash is not attached"
    );
    assert_eq!(flasher.refused(op::MEM_DATA, &[2, 0, 0, 0], &[1]), 0x05);
    flasher.ok(op::SPI_ATTACH, &[0, 0], &[]);
    assert_eq!(flasher.refused(op::READ_FLASH_SLOW, &[0, 65], &[]), 0x0A);
    assert_eq!(flasher.refused(op::SPI_FLASH_MD5, &[4 << 20, 1, 0, 0], &[]), 0x06);

    flasher.start_stub();
    assert_eq!(flasher.refused(0x55, &[], &[]), 0xFF);
    assert_eq!(flasher.refused(op::FLASH_DEFL_DATA, &[1, 0, 0, 0], &[1]), 0xC6);
    assert_eq!(flasher.refused(op::ERASE_REGION, &[0x800, 0x1000], &[]), 0xC4);
    assert_eq!(flasher.refused(op::READ_FLASH, &[0, 16, 0x2000, 1], &[]), 0xC4);
    flasher.ok(op::FLASH_BEGIN, &[0x1000, 1, 0x1000, 0], &[]);
    assert_eq!(flasher.refused(op::FLASH_END, &[1], &[]), 0xC8, "the data is missing");
    assert_eq!(flasher.refused(op::FLASH_DEFL_DATA, &[1, 0, 0, 0], &[1]), 0xC6, "it was to be plain");
}

#[test]
fn a_wrong_checksum_is_refused_and_may_be_tried_again() {
    for stub in [false, true] {
        let mut flasher = Flasher::new();
        flasher.ok(op::SPI_ATTACH, &[0, 0], &[]);
        if stub {
            flasher.start_stub();
        }
        flasher.ok(op::FLASH_BEGIN, &[4, 1, 4, 0], &[]);
        let mut packet = vec![0, op::FLASH_DATA, 20, 0, 0x12, 0, 0, 0, 4, 0, 0, 0];
        packet.extend_from_slice(&[0; 12]);
        packet.extend_from_slice(&[1, 2, 3, 4]);
        flasher.send(&packet).unwrap();
        let reply = flasher.packets().remove(0);
        assert_eq!(reply[8..10], if stub { [1, 0xC1] } else { [1, 0x07] });
        assert_eq!(flasher.loader.flash_mut().cells()[0], 0xFF);
        flasher.ok(op::FLASH_DATA, &[4, 0, 0, 0], &[1, 2, 3, 4]);
        assert_eq!(flasher.loader.flash_mut().cells()[..4], [1, 2, 3, 4]);
    }
}

#[test]
fn the_ways_out_of_the_loader() {
    let after = |stub: bool, opcode: u8, words: &[u32]| {
        let mut flasher = Flasher::new();
        if stub {
            flasher.start_stub();
        }
        flasher.ok(op::FLASH_BEGIN, &[0, 0, 0, 0], &[]);
        flasher.ok(opcode, words, &[]);
        flasher.loader.next_event()
    };
    assert_eq!(after(false, op::FLASH_END, &[1]), Some(Event::Run));
    assert_eq!(after(false, op::FLASH_END, &[0]), Some(Event::SoftReset));
    assert_eq!(after(true, op::FLASH_END, &[0]), Some(Event::SoftReset));
    assert_eq!(after(true, op::FLASH_END, &[1]), None);
    assert_eq!(after(true, op::RUN_USER_CODE, &[]), Some(Event::Run));

    let mut flasher = Flasher::new();
    flasher.ok(op::WRITE_REG, &[0x6000_80A8, 0x50D8_3AA1, u32::MAX, 0], &[]);
    flasher.ok(op::WRITE_REG, &[0x6000_8090, 0xD000_0102, u32::MAX, 0], &[]);
    assert_eq!(flasher.loader.next_event(), None);
    flasher.ok(op::WRITE_REG, &[0x6000_80A8, 0, u32::MAX, 0], &[]);
    assert_eq!(flasher.loader.next_event(), Some(Event::WatchdogReset));
}

#[test]
fn the_reply_is_sent_before_the_chip_leaves() {
    let mut flasher = Flasher::new();
    flasher.start_stub();
    let line = [0xC0, 0, op::RUN_USER_CODE, 0, 0, 0, 0, 0, 0, 0xC0];
    flasher.loader.receive(&line).unwrap();
    assert_eq!(flasher.loader.next_event(), None);
    assert_eq!(flasher.loader.receive(&line).unwrap(), 0, "nobody is there to take it");
    flasher.packets();
    assert_eq!(flasher.loader.next_event(), Some(Event::Run));
}

#[test]
fn a_flasher_that_never_reads_is_made_to_wait() {
    let mut loader = Loader::new(MemoryFlash::new(0x1_0000));
    let flood = sync_frame().repeat(10_000);
    let taken = loader.receive(&flood).unwrap();
    assert!(taken < flood.len());
    assert!(loader.output().unwrap().len() < OUTPUT_BYTES + 200);
}

#[test]
fn a_sync_is_found_among_console_bytes() {
    let mut detector = SyncDetector::default();
    assert!(!detector.look(b"#1 hello 1234 *0000\n"));
    let frame = sync_frame();
    assert!(!detector.look(&frame[..20]));
    assert!(detector.look(&frame[20..]));
    let mut almost = frame.clone();
    almost[20] ^= 1;
    assert!(!SyncDetector::default().look(&almost));
}

/// What a flasher writes of a merged image, in its order: bootloader, table, otadata, application.
fn flash_board<F: FlashChip>(flash: F) -> (F, Result<(), FlashError>) {
    let file = merged("0.1.0");
    let regions = obkmq_image::identify(&file).unwrap().regions();
    let mut flasher = Flasher::with(flash);
    flasher.start_stub();
    let outcome =
        regions.iter().try_for_each(|region| flasher.write_compressed(region.offset, &region.bytes));
    (flasher.loader.into_flash(), outcome)
}

/// Bytes erased and programmed while a board is flashed.
fn bytes_of_flashing() -> u64 {
    let (flash, _) = flash_board(PowerLoss::new(MemoryFlash::new(4 << 20), Some(u64::MAX)));
    u64::MAX - flash.remaining_bytes().unwrap()
}

#[test]
fn a_flashed_board_boots() {
    let (mut flash, outcome) = flash_board(MemoryFlash::new(4 << 20));
    outcome.unwrap();
    boot(&mut flash, ResetCause::PowerOn).unwrap().outcome.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_board_that_loses_power_while_it_is_flashed_does_not_boot(after in 0..bytes_of_flashing()) {
        let (flash, outcome) = flash_board(PowerLoss::new(MemoryFlash::new(4 << 20), Some(after)));
        prop_assert!(matches!(outcome, Err(FlashError::PowerLost)));
        let mut flash = flash.into_inner();
        prop_assert!(boot(&mut flash, ResetCause::PowerOn).unwrap().outcome.is_err());
        // The second attempt succeeds, whatever the first has left behind.
        let (mut flash, outcome) = flash_board(flash);
        prop_assert!(outcome.is_ok());
        prop_assert!(boot(&mut flash, ResetCause::PowerOn).unwrap().outcome.is_ok());
    }

    #[test]
    fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut loader = Loader::new(MemoryFlash::new(0x1_0000));
        let _ = loader.receive(&bytes);
        prop_assert!(loader.output().unwrap().len() < 2 * OUTPUT_BYTES);
    }

    #[test]
    fn any_commands_are_met_without_panic(
        stub: bool,
        commands in prop::collection::vec((
            prop_oneof![0x02u8..0x15, 0xD0u8..0xD5, any::<u8>()],
            prop::collection::vec(prop_oneof![0u32..0x2000, any::<u32>()], 0..7),
            prop::collection::vec(any::<u8>(), 0..40),
        ), 1..12),
    ) {
        let mut flasher = Flasher::with(MemoryFlash::new(0x1_0000));
        if stub {
            flasher.start_stub();
        }
        for (opcode, mut words, payload) in commands {
            if words.len() == 4 && !payload.is_empty() {
                words[0] = u32::try_from(payload.len()).unwrap();
            }
            if flasher.try_command(opcode, &words, &payload).is_err() || flasher.loader.next_event().is_some() {
                break;
            }
        }
    }
}

/// The last byte is the last of the application's hash.
#[test]
fn a_board_that_lacks_one_byte_does_not_boot() {
    let (flash, outcome) =
        flash_board(PowerLoss::new(MemoryFlash::new(4 << 20), Some(bytes_of_flashing() - 1)));
    assert!(matches!(outcome, Err(FlashError::PowerLost)));
    let booted = boot(&mut flash.into_inner(), ResetCause::PowerOn).unwrap();
    assert_eq!(booted.outcome, Err(BootRefusal::NoBootableApplication));
}
