//! The ESP32 family's loader: the ROM's serial protocol and Espressif's flasher stub, with the espflash library.
//!
//! What the library leaves to its caller, or gets wrong for us, and how it is met here:
//! - its panics on garbled replies are caught and become errors ([`guarded`]);
//! - a speed that the cable cannot carry shows as silence after the switch: one more try at the console's speed;
//! - its progress counts compressed blocks of one segment; here it becomes bytes of the whole ([`ByteProgress`]);
//! - on a port without modem lines nothing can pulse RTS: the chip has to be in its loader already, and the
//!   firmware is started by the stub's own "run user code" command.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use espflash::Error;
use espflash::command::Command;
use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::{FlashSize, Flasher};
use espflash::image_format::Segment;
use espflash::target::ProgressCallbacks;
use md5::{Digest as _, Md5};
use obkmq_image::ChipId;
use serialport::UsbPortInfo;

use super::explain::{Phase, cause, chain, explain};
use super::limits::{LINE_TRIES, READ_BLOCK_BYTES, READ_BLOCKS_IN_FLIGHT, SEGMENT_BYTES};
use super::options::Before;
use super::{Loader, Model, Part, Written};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::serial::open::{CONSOLE_BAUD, OpenPort};
use crate::serial::ports;
use crate::serial::transport::SerialTransport;

/// A chip of the ESP32 family that runs the flasher stub.
pub(crate) struct EspLoader {
    /// Always there between calls; taken out while a connection is made anew.
    flasher: Option<Flasher>,
    chip: ChipId,
    flash_bytes: u32,
    path: String,
    has_modem_lines: bool,
    /// The chip can be brought back into its loader after trouble.
    may_reset: bool,
}

/// Brings the chip into its loader, detects chip and flash size and raises the speed.
pub(crate) fn connect(
    port: OpenPort,
    before: Before,
    baud: u32,
    context: &Context,
) -> Result<EspLoader, Failure> {
    let usb = ports::usb_info(&port.path).unwrap_or(UsbPortInfo {
        vid: 0,
        pid: 0,
        serial_number: None,
        manufacturer: None,
        product: None,
    });
    let before = match before {
        Before::DefaultReset if port.has_modem_lines => ResetBeforeOperation::DefaultReset,
        _ => ResetBeforeOperation::NoReset,
    };
    let connection =
        Connection::new(port.native, usb, ResetAfterOperation::NoResetNoStub, before, CONSOLE_BAUD);
    let mut flasher = attach(connection, &port.path)?;
    // A pseudo-terminal has no speed to raise.
    if port.has_modem_lines && baud > CONSOLE_BAUD {
        let switched = guarded(|| {
            flasher.change_baud(baud)?;
            // The switch itself is answered at the old speed; only the next command tells.
            flasher.connection().detect_chip(true)
        });
        if let Err(error) = switched {
            context.note(format_args!(
                "{baud} baud does not work here ({}); going on at {CONSOLE_BAUD}",
                chain(&error)
            ));
            flasher = reattach(flasher, &port.path)?;
        }
    }
    let chip = ChipId(flasher.chip().id());
    let flash_bytes = detect_flash_bytes(&mut flasher, &port.path)?;
    Ok(EspLoader {
        flasher: Some(flasher),
        chip,
        flash_bytes,
        path: port.path,
        has_modem_lines: port.has_modem_lines,
        may_reset: before != ResetBeforeOperation::NoReset,
    })
}

/// Syncs, detects the chip and loads the stub. A line that garbles gets more than one chance; silence does not, since
/// the library has tried long enough by then.
fn attach(mut connection: Connection, path: &str) -> Result<Flasher, Failure> {
    let may_reset = connection.before_operation() != ResetBeforeOperation::NoReset;
    let mut tries = 1;
    let flasher = loop {
        let attempt = guarded(|| Ok(Flasher::try_connect(connection, true, true, true, None, None)))
            .map_err(|error| explain(&error, path, Phase::Connecting { may_reset }))?;
        let error = match attempt {
            Ok(flasher) => break flasher,
            Err(failed) => {
                connection = failed.1;
                failed.0
            }
        };
        if tries >= LINE_TRIES || is_silence(&error) || !is_about_the_line(&error) {
            return Err(explain(&error, path, Phase::Connecting { may_reset }));
        }
        if !may_reset {
            // An interrupted run leaves its stub behind, which the library takes for the ROM. This ends the stub, and
            // the ROM refuses it; what comes of it shows in the next try.
            let _ = guarded(|| connection.write_command(Command::RunUserCode));
        }
        tries += 1;
    };
    if flasher.secure_download_mode() {
        return Err(Failure::new(
            Exit::WrongImage,
            "This chip is locked: it is in secure download mode.",
            "its maker burned fuses that forbid reading and verifying flash",
            "use another board; this lock cannot be undone",
        ));
    }
    Ok(flasher)
}

/// Starts over at the console's speed.
fn reattach(flasher: Flasher, path: &str) -> Result<Flasher, Failure> {
    let mut connection = flasher.into_connection();
    connection.set_baud(CONSOLE_BAUD).map_err(|error| explain(&error, path, Phase::Writing))?;
    attach(connection, path)
}

fn detect_flash_bytes(flasher: &mut Flasher, path: &str) -> Result<u32, Failure> {
    let size = guarded(|| flasher.flash_detect())
        .map_err(|error| explain(&error, path, Phase::Connecting { may_reset: false }))?;
    Ok(size.map_or(0, FlashSize::size))
}

impl Loader for EspLoader {
    fn model(&self) -> Model {
        Model::Esp(self.chip)
    }

    fn flash_bytes(&self) -> u32 {
        self.flash_bytes
    }

    fn write(
        &mut self,
        parts: &[Part],
        progress: &mut dyn FnMut(u64),
        context: &Context,
    ) -> Result<Written, Failure> {
        let segments = segments(parts);
        let mut written_bytes = 0_u64;
        let mut tries = 1;
        loop {
            let (now_bytes, result) = self.write_segments(&segments, progress);
            written_bytes = written_bytes.saturating_add(now_bytes);
            let Err(error) = result else { break };
            if now_bytes > 0 {
                // It went further than before: a bad line, not a dead one.
                tries = 1;
            }
            let failure = explain(&error, &self.path, Phase::Writing);
            if tries >= LINE_TRIES || !is_about_the_line(&error) {
                return Err(failure);
            }
            tries += 1;
            context.detail(format_args!("{}; trying again", chain(&error)));
            if self.may_reset {
                // From the reset on, at the slowest speed. The first error says more than one that follows from it.
                let flasher = self.take_flasher()?;
                self.flasher = Some(reattach(flasher, &self.path).map_err(|_| failure)?);
            }
        }
        let all_bytes: u64 = segments.iter().map(|segment| segment.data.len() as u64).sum();
        Ok(Written { written_bytes, skipped_bytes: all_bytes.saturating_sub(written_bytes) })
    }

    fn read(&mut self, range: &Range<u32>, context: &Context) -> Result<Vec<u8>, Failure> {
        let size = range.end.saturating_sub(range.start);
        let mut tries = 1;
        loop {
            // The library reads into files only. This one is the user's alone, and is gone when it is dropped.
            let file = tempfile::NamedTempFile::new().map_err(|error| no_room(&error))?;
            let mut flasher = self.take_flasher()?;
            let result = guarded(|| {
                let path = file.path().to_owned();
                flasher.read_flash(range.start, size, READ_BLOCK_BYTES, READ_BLOCKS_IN_FLIGHT, path)
            });
            self.flasher = Some(flasher);
            let Err(error) = result else {
                return std::fs::read(file.path()).map_err(|error| no_room(&error));
            };
            if is_disk_full(&error) {
                return Err(no_room(&std::io::Error::from(std::io::ErrorKind::StorageFull)));
            }
            let failure = explain(&error, &self.path, Phase::Reading);
            if tries >= LINE_TRIES || !is_about_the_line(&error) {
                return Err(failure);
            }
            tries += 1;
            context.detail(format_args!("{}; trying again", cause(&error)));
            if self.may_reset {
                let flasher = self.take_flasher()?;
                self.flasher = Some(reattach(flasher, &self.path).map_err(|_| failure)?);
            }
        }
    }

    fn holds(&mut self, range: &Range<u32>, bytes: &[u8]) -> Result<bool, Failure> {
        let expected: [u8; 16] = Md5::digest(bytes).into();
        let size = range.end.saturating_sub(range.start);
        let mut flasher = self.take_flasher()?;
        let result = guarded(|| flasher.checksum_md5(range.start, size));
        self.flasher = Some(flasher);
        let found = result.map_err(|error| explain(&error, &self.path, Phase::Reading))?;
        Ok(found.to_be_bytes() == expected)
    }

    fn erase(&mut self, range: &Range<u32>, _context: &Context) -> Result<(), Failure> {
        let size = range.end.saturating_sub(range.start);
        let mut flasher = self.take_flasher()?;
        let result = guarded(|| flasher.erase_region(range.start, size));
        self.flasher = Some(flasher);
        result.map_err(|error| explain(&error, &self.path, Phase::Writing))
    }

    fn start_firmware(mut self: Box<Self>, context: &Context) -> Result<SerialTransport, Failure> {
        let mut connection = self.take_flasher()?.into_connection();
        let started = guarded(|| {
            if self.has_modem_lines {
                connection.reset()
            } else {
                connection.write_command(Command::RunUserCode)
            }
        });
        if let Err(error) = started {
            context.warn(format_args!(
                "the chip could not be reset ({}): tap RESET; what was written is verified",
                chain(&error)
            ));
        }
        Ok(SerialTransport::from_parts(connection.into_serial(), self.path))
    }
}

impl EspLoader {
    fn take_flasher(&mut self) -> Result<Flasher, Failure> {
        self.flasher.take().ok_or_else(|| {
            Failure::new(
                Exit::NoReply,
                format!("The connection to the chip on {} is lost.", self.path),
                "an earlier step failed",
                "run the same command again",
            )
        })
    }

    /// Writes and verifies; returns how many bytes had to be transferred, also when it fails.
    fn write_segments(
        &mut self,
        segments: &[Segment<'_>],
        progress: &mut dyn FnMut(u64),
    ) -> (u64, Result<(), Error>) {
        let Some(flasher) = self.flasher.as_mut() else {
            return (0, Err(Error::Cancelled));
        };
        let mut bytes = ByteProgress::new(segments, progress);
        let result = guarded(|| flasher.write_bins_to_flash(segments, &mut bytes));
        (bytes.written_bytes, result)
    }
}

fn no_room(error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Internal,
        "What was read cannot be put down.",
        format!("{}: {error}", std::env::temp_dir().display()),
        "make room there, or name another folder with TMPDIR, and run the same command again",
    )
}

/// ENOSPC or ERROR_DISK_FULL, which the library passes off as an error of the port.
fn is_disk_full(error: &Error) -> bool {
    let text = chain(error);
    text.contains(if cfg!(windows) { "(os error 112)" } else { "(os error 28)" })
}

/// The ROM never answered at all.
fn is_silence(error: &Error) -> bool {
    chain(error).contains("Failed to connect to the device")
}

/// Whether another try, at the slowest speed, could help.
fn is_about_the_line(error: &Error) -> bool {
    matches!(
        error,
        Error::Connection(_)
            | Error::Flashing(_)
            | Error::InvalidResponse(_)
            | Error::RomError(_)
            | Error::CorruptData(..)
            | Error::DigestMismatch(..)
            | Error::IncorrectDigestLength(_)
            | Error::IncorrectResponse
            | Error::ReadMoreThanExpected
    )
}

/// Cuts the parts into pieces that are verified and skipped one by one.
fn segments(parts: &[Part]) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    for part in parts {
        let mut offset = part.offset;
        for piece in part.data.chunks(SEGMENT_BYTES) {
            let mut data = Cow::Borrowed(piece);
            if piece.len() % 4 != 0 {
                let padded = piece.len().next_multiple_of(4);
                data.to_mut().resize(padded, 0xFF);
            }
            segments.push(Segment { addr: offset, data });
            offset = offset.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
        }
    }
    segments
}

/// Runs library code that may panic on garbled replies.
fn guarded<T>(action: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    // The caller drops what the closure borrowed when it panics, so no broken state is looked at again.
    let result = catch_unwind(AssertUnwindSafe(action));
    std::panic::set_hook(hook);
    result.unwrap_or_else(|_| Err(Error::InvalidResponse("a garbled reply".to_owned())))
}

/// The library's progress (blocks of one segment) as bytes of the whole.
struct ByteProgress<'a> {
    lengths: Vec<u64>,
    report: &'a mut dyn FnMut(u64),
    /// The segment that is written, and its number of blocks.
    index: usize,
    blocks: usize,
    done_bytes: u64,
    written_bytes: u64,
}

impl<'a> ByteProgress<'a> {
    fn new(segments: &[Segment<'_>], report: &'a mut dyn FnMut(u64)) -> Self {
        let lengths = segments.iter().map(|segment| segment.data.len() as u64).collect();
        Self { lengths, report, index: 0, blocks: 1, done_bytes: 0, written_bytes: 0 }
    }

    fn length(&self) -> u64 {
        self.lengths.get(self.index).copied().unwrap_or(0)
    }
}

impl ProgressCallbacks for ByteProgress<'_> {
    fn init(&mut self, _address: u32, blocks: usize) {
        self.blocks = blocks.max(1);
    }

    fn update(&mut self, block: usize) {
        let length = self.length();
        let share = length.saturating_mul(block as u64) / self.blocks as u64;
        let done_bytes = self.done_bytes.saturating_add(share.min(length));
        (self.report)(done_bytes);
    }

    fn verifying(&mut self) {}

    fn finish(&mut self, skipped: bool) {
        let length = self.length();
        if !skipped {
            self.written_bytes = self.written_bytes.saturating_add(length);
        }
        self.done_bytes = self.done_bytes.saturating_add(length);
        self.index = self.index.saturating_add(1);
        self.blocks = 1;
        (self.report)(self.done_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u32, length: usize) -> Part {
        Part { name: "app".to_owned(), offset, data: vec![7; length] }
    }

    #[test]
    fn parts_are_cut_into_segments_at_the_right_addresses() {
        let parts = [part(0x1_0000, SEGMENT_BYTES + 5), part(0x8000, 8)];
        let segments = segments(&parts);
        let shape: Vec<(u32, usize)> = segments.iter().map(|s| (s.addr, s.data.len())).collect();
        assert_eq!(shape, [(0x1_0000, SEGMENT_BYTES), (0x2_0000, 8), (0x8000, 8)]);
        assert_eq!(segments[1].data[4..], [7, 0xFF, 0xFF, 0xFF], "padding is erased flash");
    }

    #[test]
    fn progress_counts_bytes_of_the_whole_also_over_skipped_segments() {
        let parts = [part(0, SEGMENT_BYTES), part(0x1_0000, SEGMENT_BYTES), part(0x2_0000, 1000)];
        let segments = segments(&parts);
        let mut seen = Vec::new();
        let mut report = |bytes| seen.push(bytes);
        let mut progress = ByteProgress::new(&segments, &mut report);
        progress.init(0, 2);
        progress.update(1);
        progress.update(2);
        progress.finish(false);
        progress.finish(true);
        progress.init(0x2_0000, 4);
        progress.update(1);
        progress.finish(false);
        assert_eq!(progress.written_bytes, 66_536);
        assert_eq!(seen, [32_768, 65_536, 65_536, 131_072, 131_322, 132_072]);
    }

    #[test]
    fn a_panic_of_the_library_becomes_an_error() {
        let result: Result<(), Error> = guarded(|| panic!("index out of range"));
        assert!(matches!(result, Err(Error::InvalidResponse(_))));
    }
}
