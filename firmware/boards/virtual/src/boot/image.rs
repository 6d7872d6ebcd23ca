//! An image in flash, checked as the ROM and the second-stage bootloader do.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::flash::{FlashChip, FlashError};
use crate::limits::TRANSFER_BYTES;
use crate::rom::CHIP_REVISION_MINOR;

const MAGIC: u8 = 0xE9;
const MAX_SEGMENTS: u8 = 16;
const MAX_SEGMENT_BYTES: u32 = 16 << 20;
const CHECKSUM_LINE: u32 = 16;
const CHIP_ID: u16 = 5;
/// Addresses at which flash is mapped rather than loaded: data, then instructions.
const MAPPED: [core::ops::Range<u32>; 2] = [0x3C00_0000..0x3C80_0000, 0x4200_0000..0x4280_0000];
const MAP_PAGE_BYTES: u32 = 0x1_0000;
/// How much of the first segment is kept: a descriptor.
const DESCRIPTOR_BYTES: usize = 256;
const DESCRIPTOR_MAGIC: [u8; 4] = [0x32, 0x54, 0xCD, 0xAB];
const BOOTLOADER_DESCRIPTOR_MAGIC: u8 = 0x50;

/// The chip's revision as the bootloader prints it.
pub(super) const CHIP_REVISION: Revision = Revision(CHIP_REVISION_MINOR);

/// Hundreds are the major number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Revision(pub(super) u16);

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "v{}.{}", self.0 / 100, self.0 % 100)
    }
}

/// Whose rules an image has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The ROM's: a bootloader, all of it loaded into RAM.
    Bootloader,
    /// The second stage's: an application, parts of which are mapped from flash.
    Application,
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ImageFault {
    Magic {
        word: u32,
    },
    /// The same for the second stage, which says where it looked.
    Nothing {
        offset: u32,
    },
    SegmentCount {
        offset: u32,
        found: u8,
    },
    SegmentLength {
        found: u32,
    },
    SegmentAddress {
        index: u8,
        load_address: u32,
        data: u32,
    },
    Length {
        found: u64,
        room: u32,
    },
    Checksum {
        calculated: u8,
        stored: u8,
    },
    Hash {
        calculated: [u8; 32],
        stored: [u8; 32],
    },
    Chip {
        found: u16,
    },
    RevisionTooLow {
        required: Revision,
    },
    RevisionTooHigh {
        allowed: Revision,
    },
}

impl ImageFault {
    /// As the ROM says it.
    pub(super) fn rom_words(&self) -> Vec<String> {
        match self {
            Self::Magic { word } => vec![format!("invalid header: 0x{word:08x}")],
            Self::Checksum { calculated, stored } => {
                vec![format!("Checksum failure. Calculated 0x{calculated:x} stored 0x{stored:x}")]
            }
            Self::Hash { calculated, stored } => vec![
                "SHA-256 comparison failed:".to_owned(),
                format!("Calculated: {}", hex(calculated)),
                format!("Expected: {}", hex(stored)),
            ],
            other => vec![other.second_stage_words()],
        }
    }

    /// As the second-stage bootloader says it.
    pub(super) fn second_stage_words(&self) -> String {
        match self {
            Self::Magic { word } => format!("invalid header: 0x{word:08x}"),
            Self::Nothing { offset } => {
                format!("image at 0x{offset:x} has invalid magic byte (nothing flashed here?)")
            }
            Self::SegmentCount { offset, found } => {
                format!("image at 0x{offset:x} segment count {found} exceeds max {MAX_SEGMENTS}")
            }
            Self::SegmentLength { found } => format!("invalid segment length 0x{found:x}"),
            Self::SegmentAddress { index, load_address, data } => {
                format!("Segment {index} load address 0x{load_address:08x}, doesn't match data 0x{data:08x}")
            }
            Self::Length { found, room } => {
                format!("Image length {found} doesn't fit in partition length {room}")
            }
            Self::Checksum { calculated, stored } => {
                format!("Checksum failed. Calculated 0x{calculated:x} read 0x{stored:x}")
            }
            Self::Hash { .. } => "Image hash failed - image is corrupt".to_owned(),
            Self::Chip { found } => format!("mismatch chip ID, expected {CHIP_ID}, found {found}"),
            Self::RevisionTooLow { required } => {
                format!("chip revision check failed. Required >= {required}, found {CHIP_REVISION}.")
            }
            Self::RevisionTooHigh { allowed } => {
                format!("chip revision check failed. Required <= {allowed}, found {CHIP_REVISION}.")
            }
        }
    }
}

/// Why there is no [`CheckedImage`].
#[derive(Debug)]
pub(super) enum Unusable {
    /// Something is wrong with the image.
    Fault(ImageFault),
    /// The flash cannot be read.
    Flash(FlashError),
}

impl From<ImageFault> for Unusable {
    fn from(fault: ImageFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<FlashError> for Unusable {
    fn from(error: FlashError) -> Self {
        Self::Flash(error)
    }
}

/// One segment of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) load_address: u32,
    pub(super) length: u32,
    /// Where its data lies in flash.
    data: u32,
}

impl Segment {
    fn is_mapped(&self) -> bool {
        MAPPED.iter().any(|range| range.contains(&self.load_address))
    }
}

/// An image that would be started.
#[derive(Clone, Debug)]
pub(super) struct CheckedImage {
    pub(super) entry: u32,
    pub(super) flash_mode: &'static str,
    /// Size of the flash as the header has it; zero for a code that means none.
    pub(super) flash_bytes: u32,
    pub(super) segments: Vec<Segment>,
    /// The beginning of the first segment.
    head: Vec<u8>,
}

/// Reads forward through flash and sums up what it passes.
struct Reader<'a, F> {
    flash: &'a mut F,
    cursor: u32,
    end: u32,
    hash: Sha256,
    checksum: u8,
}

impl<F: FlashChip> Reader<'_, F> {
    /// Reads `N` bytes; the image is too long if they lie behind its place.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unusable> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Unusable> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let found = u64::from(self.cursor).saturating_add(length.into());
        if found > u64::from(self.end) {
            return Err(ImageFault::Length { found, room: self.end }.into());
        }
        self.flash.read(self.cursor, bytes)?;
        self.hash.update(&*bytes);
        self.cursor = self.cursor.saturating_add(length);
        Ok(())
    }

    /// Passes over segment data; the first bytes of it are put into `head`.
    fn segment(&mut self, length: u32, head: &mut Vec<u8>) -> Result<(), Unusable> {
        let mut buffer = [0; TRANSFER_BYTES];
        let mut remaining = length;
        while remaining > 0 {
            let part = usize::try_from(remaining).unwrap_or(usize::MAX).min(TRANSFER_BYTES);
            let Some(part) = buffer.get_mut(..part) else { break };
            self.fill(part)?;
            self.checksum = part.iter().fold(self.checksum, |sum, byte| sum ^ byte);
            let wanted = DESCRIPTOR_BYTES.saturating_sub(head.len()).min(part.len());
            head.extend_from_slice(part.get(..wanted).unwrap_or_default());
            remaining = remaining.saturating_sub(u32::try_from(part.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

impl CheckedImage {
    /// Reads and checks the image at `offset`, which must end ahead of `end`.
    pub(super) fn read(
        flash: &mut impl FlashChip,
        offset: u32,
        end: u32,
        role: Role,
    ) -> Result<Self, Unusable> {
        let mut reader = Reader { flash, cursor: offset, end, hash: Sha256::new(), checksum: 0xEF };
        let [magic, count, mode, size_and_speed] = reader.array()?;
        if magic != MAGIC {
            let word = u32::from_le_bytes([magic, count, mode, size_and_speed]);
            return Err(match role {
                Role::Bootloader => ImageFault::Magic { word },
                Role::Application => ImageFault::Nothing { offset },
            }
            .into());
        }
        let entry = u32::from_le_bytes(reader.array()?);
        let [_write_protect_pin, _drive_strengths @ ..]: [u8; 4] = reader.array()?;
        let chip_id = u16::from_le_bytes(reader.array()?);
        let [_min_revision_major] = reader.array()?;
        let min_revision = Revision(u16::from_le_bytes(reader.array()?));
        let max_revision = Revision(u16::from_le_bytes(reader.array()?));
        let [_reserved @ .., hashed]: [u8; 5] = reader.array()?;
        if count > MAX_SEGMENTS {
            return Err(ImageFault::SegmentCount { offset, found: count }.into());
        }
        check_chip(chip_id, min_revision, max_revision)?;

        let mut segments = Vec::new();
        let mut head = Vec::new();
        for index in 0..count {
            let [a0, a1, a2, a3, length @ ..]: [u8; 8] = reader.array()?;
            let segment = Segment {
                load_address: u32::from_le_bytes([a0, a1, a2, a3]),
                length: u32::from_le_bytes(length),
                data: reader.cursor,
            };
            check_segment(index, segment, role)?;
            let mut discarded = Vec::new();
            reader.segment(segment.length, if index == 0 { &mut head } else { &mut discarded })?;
            segments.push(segment);
        }

        let line = (reader.cursor - offset) % CHECKSUM_LINE;
        for _ in line..CHECKSUM_LINE - 1 {
            let _padding: [u8; 1] = reader.array()?;
        }
        let calculated = reader.checksum;
        let [stored]: [u8; 1] = reader.array()?;
        if stored != calculated {
            return Err(ImageFault::Checksum { calculated, stored }.into());
        }
        if hashed != 0 {
            let calculated: [u8; 32] = reader.hash.clone().finalize().into();
            let stored: [u8; 32] = reader.array()?;
            if stored != calculated {
                return Err(ImageFault::Hash { calculated, stored }.into());
            }
        }
        Ok(Self {
            entry,
            flash_mode: flash_mode(mode),
            flash_bytes: 0x10_0000_u32.checked_shl(u32::from(size_and_speed >> 4)).unwrap_or(0),
            segments,
            head,
        })
    }

    /// The version of ESP-IDF a bootloader says it is from.
    pub(super) fn bootloader_version(&self) -> String {
        match self.head.split_first() {
            Some((&BOOTLOADER_DESCRIPTOR_MAGIC, rest)) => text(rest.get(7..39).unwrap_or_default()),
            _ => "(unknown)".to_owned(),
        }
    }

    /// What an application says it is.
    pub(super) fn project_and_version(&self) -> Option<(String, String)> {
        let head = self.head.get(..DESCRIPTOR_BYTES).filter(|head| head.starts_with(&DESCRIPTOR_MAGIC))?;
        Some((text(head.get(48..80)?), text(head.get(16..48)?)))
    }

    /// The second stage's list of what it loads and maps.
    pub(super) fn print_segments(&self, log: &mut Vec<String>) {
        for (index, segment) in self.segments.iter().enumerate() {
            let Segment { load_address, length, data } = segment;
            let how = if segment.is_mapped() { "map" } else { "load" };
            log.push(format!(
                "I (0) esp_image: segment {index}: paddr={data:08x} vaddr={load_address:08x} size={length:05x}h ({length:6}) {how}"
            ));
        }
    }
}

fn check_chip(chip_id: u16, required: Revision, allowed: Revision) -> Result<(), ImageFault> {
    if chip_id != CHIP_ID {
        Err(ImageFault::Chip { found: chip_id })
    } else if CHIP_REVISION < required {
        Err(ImageFault::RevisionTooLow { required })
    } else if allowed.0 != 0 && CHIP_REVISION > allowed {
        Err(ImageFault::RevisionTooHigh { allowed })
    } else {
        Ok(())
    }
}

fn check_segment(index: u8, segment: Segment, role: Role) -> Result<(), ImageFault> {
    let Segment { load_address, length, data } = segment;
    if !length.is_multiple_of(4) || length >= MAX_SEGMENT_BYTES {
        return Err(ImageFault::SegmentLength { found: length });
    }
    // Flash is mapped by the page: an offset inside the page cannot change on the way.
    let wrong_page = role == Role::Application
        && segment.is_mapped()
        && data % MAP_PAGE_BYTES != load_address % MAP_PAGE_BYTES;
    if wrong_page { Err(ImageFault::SegmentAddress { index, load_address, data }) } else { Ok(()) }
}

fn flash_mode(code: u8) -> &'static str {
    match code {
        0 => "QIO",
        1 => "QOUT",
        2 => "DIO",
        3 => "DOUT",
        _ => "?",
    }
}

fn text(field: &[u8]) -> String {
    let printable = |&byte: &u8| if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '?' };
    field.iter().take_while(|&&byte| byte != 0).map(printable).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
