//! Which kind of image a file is, with every byte of it accounted for.
//!
//! A merged image is bootloader, partition table, blank otadata and one application, each in its place, and blank flash
//! between them. Nothing else may be in it, so that any damage is noticed and so that writing it never surprises.

use core::fmt;

use crate::chip::ChipId;
use crate::error::ImageError;
use crate::esp::{AppDescriptor, EspImage, IMAGE_MAGIC};
use crate::layout;
use crate::partition::{PartitionTable, PartitionType};

/// Where the chips of the family look for their second-stage bootloader.
const BOOTLOADER_OFFSETS: [u32; 3] = [0x0000, 0x1000, 0x2000];

/// What a file that is no image looks like, so that an error can say what was probably meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Likeness {
    /// No bytes at all.
    Empty,
    /// Nothing but 0xFF.
    Blank,
    /// Printable text.
    Text,
    /// An ELF program, before it was made into an image.
    Elf,
    /// A compressed archive.
    Archive,
    /// Microsoft's UF2 container.
    Uf2,
    /// None of these.
    Unknown {
        /// The first byte.
        first: u8,
    },
}

impl Likeness {
    fn of(file: &[u8]) -> Self {
        let head = file.get(..512).unwrap_or(file);
        let printable = |&byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        match file.first() {
            None => Self::Empty,
            Some(0xFF) if file.iter().all(|&byte| byte == 0xFF) => Self::Blank,
            Some(_) if file.starts_with(b"\x7FELF") => Self::Elf,
            Some(_) if file.starts_with(b"PK\x03\x04") || file.starts_with(&[0x1F, 0x8B]) => Self::Archive,
            Some(_) if file.starts_with(b"UF2\n") => Self::Uf2,
            Some(_) if head.iter().all(printable) || is_utf8_text(head) => Self::Text,
            Some(&first) => Self::Unknown { first },
        }
    }
}

/// Text in UTF-8, possibly cut inside its last character, without control characters.
fn is_utf8_text(head: &[u8]) -> bool {
    let text = match core::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            head.get(..error.valid_up_to()).and_then(|valid| core::str::from_utf8(valid).ok()).unwrap_or("")
        }
        Err(_) => "",
    };
    !text.is_empty() && text.chars().all(|character| !character.is_control() || character.is_whitespace())
}

impl fmt::Display for Likeness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("the file is empty"),
            Self::Blank => formatter.write_str("it holds nothing but blank flash (0xFF)"),
            Self::Text => formatter.write_str("it looks like a text file"),
            Self::Elf => {
                formatter.write_str("it looks like an ELF program that has not been made into an image")
            }
            Self::Archive => formatter.write_str("it looks like a compressed archive"),
            Self::Uf2 => formatter.write_str("it looks like a UF2 file"),
            Self::Unknown { first } => {
                write!(formatter, "it should begin with 0xE9, but its first byte is 0x{first:02X}")
            }
        }
    }
}

/// What an identified file holds besides its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Only the application.
    App,
    /// Everything a blank board needs.
    Merged {
        /// The second-stage bootloader.
        bootloader: EspImage<'a>,
        /// Where it begins in flash, which is also where it begins in the file.
        bootloader_offset: u32,
        /// The partition table.
        table: PartitionTable,
        /// Where the application begins.
        app_offset: u32,
    },
}

/// An image that is whole and sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified<'a> {
    /// Application only, or merged.
    pub kind: Kind<'a>,
    /// The application.
    pub app: EspImage<'a>,
    /// What the application says about itself.
    pub descriptor: AppDescriptor,
}

/// Bytes that go to one place in flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// What it is: `bootloader`, `partition table`, or the partition's name.
    pub name: String,
    /// Where in flash it goes.
    pub offset: u32,
    /// The bytes; blank ones mean that the region is to be erased.
    pub bytes: Vec<u8>,
}

impl Identified<'_> {
    /// The chip the application runs on.
    pub fn chip_id(&self) -> ChipId {
        self.app.header.chip_id
    }

    /// The partition table of a merged image.
    pub fn table(&self) -> Option<&PartitionTable> {
        match &self.kind {
            Kind::App => None,
            Kind::Merged { table, .. } => Some(table),
        }
    }

    /// What a merged image writes to a board, in the order of the flash. Regions that it does not name (settings, files,
    /// retained messages) stay as they are. Empty for an image that is only an application.
    ///
    /// Blank otadata is among them: without it, a board that runs its second application would go on running that one.
    pub fn regions(&self) -> Vec<Region> {
        let Kind::Merged { bootloader, bootloader_offset, table, app_offset } = &self.kind else {
            return Vec::new();
        };
        let mut regions = vec![
            Region {
                name: "bootloader".to_owned(),
                offset: *bootloader_offset,
                bytes: bootloader.bytes.to_vec(),
            },
            Region {
                name: "partition table".to_owned(),
                offset: layout::TABLE_OFFSET,
                bytes: table.encode(),
            },
        ];
        if let Some(otadata) = table.find(PartitionType::OTADATA)
            && let Ok(size) = usize::try_from(otadata.size)
        {
            let (name, offset) = (otadata.name.clone(), otadata.offset);
            regions.push(Region { name, offset, bytes: vec![0xFF; size] });
        }
        let app_name = table.default_app().map_or_else(|| "app".to_owned(), |app| app.name.clone());
        regions.push(Region { name: app_name, offset: *app_offset, bytes: self.app.bytes.to_vec() });
        regions.sort_by_key(|region| region.offset);
        regions
    }
}

/// Says what `file` is, having checked all of it.
///
/// Whether it is for the chip at hand is for the caller to compare ([`Identified::chip_id`]), and so is whether its
/// table is the one the board has.
///
/// # Errors
/// An [`ImageError`] that names the first thing that is wrong, and where.
pub fn identify(file: &[u8]) -> Result<Identified<'_>, ImageError> {
    let Some((bootloader_offset, start)) = first_image(file) else {
        return Err(ImageError::NotAnImage { likeness: Likeness::of(file) });
    };
    let image = EspImage::read(file, start)?;
    let end = start + image.bytes.len();
    // An image that ends ahead of the table's place, in a file that goes on there, is a bootloader.
    let table_at = to_usize(layout::TABLE_OFFSET);
    if end <= table_at && file.len() > table_at {
        return merged(file, image, bootloader_offset);
    }
    if bootloader_offset != 0 {
        let needed = table_at.saturating_add(crate::limits::TABLE_BYTES);
        return Err(ImageError::Truncated {
            part: "partition table",
            at: table_at,
            needed,
            found: file.len(),
        });
    }
    let descriptor = image.descriptor().ok_or(ImageError::NotAnApplication { at: start })?;
    blank(file, end, file.len(), "application")?;
    Ok(Identified { kind: Kind::App, app: image, descriptor })
}

/// Where the first image of the file begins: at one of the places for bootloaders, behind blank flash.
fn first_image(file: &[u8]) -> Option<(u32, usize)> {
    BOOTLOADER_OFFSETS
        .into_iter()
        .map(|offset| (offset, to_usize(offset)))
        .find(|&(_, at)| file.get(at) == Some(&IMAGE_MAGIC) && file.iter().take(at).all(|&byte| byte == 0xFF))
}

fn merged<'a>(
    file: &'a [u8],
    bootloader: EspImage<'a>,
    bootloader_offset: u32,
) -> Result<Identified<'a>, ImageError> {
    let table_at = to_usize(layout::TABLE_OFFSET);
    let table = PartitionTable::decode(file.get(table_at..).unwrap_or_default())?;
    let partition = table.default_app().ok_or(ImageError::NoAppPartition)?;
    let at = to_usize(partition.offset);
    if file.get(at).is_none_or(|&byte| byte == 0xFF) {
        return Err(ImageError::NoApplication { partition: partition.name.clone(), at });
    }
    let app = EspImage::read(file, at)?;
    let descriptor = app.descriptor().ok_or(ImageError::NotAnApplication { at })?;
    if app.bytes.len() > to_usize(partition.size) {
        let (partition, room) = (partition.name.clone(), partition.size);
        return Err(ImageError::TooLarge { partition, room, found: app.bytes.len() });
    }
    if bootloader.header.chip_id != app.header.chip_id {
        let (bootloader, application) = (bootloader.header.chip_id, app.header.chip_id);
        return Err(ImageError::MixedChips { bootloader, application });
    }
    if let Some(flash) = bootloader.header.flash_bytes
        && table.end() > flash
    {
        return Err(ImageError::FlashSize { needed: table.end(), flash });
    }

    let bootloader_end = to_usize(bootloader_offset).saturating_add(bootloader.bytes.len());
    blank(file, bootloader_end, table_at, "bootloader")?;
    blank(file, table_at.saturating_add(crate::limits::TABLE_BYTES), at, "partition table")?;
    blank(file, at.saturating_add(app.bytes.len()), file.len(), "application")?;
    let app_offset = partition.offset;
    let kind = Kind::Merged { bootloader, bootloader_offset, table, app_offset };
    Ok(Identified { kind, app, descriptor })
}

/// Checks that `begin..end` of the file is blank flash.
fn blank(file: &[u8], begin: usize, end: usize, after: &'static str) -> Result<(), ImageError> {
    let gap = file.get(begin..end).unwrap_or_default();
    match gap.iter().enumerate().find(|(_, byte)| **byte != 0xFF) {
        None => Ok(()),
        Some((index, &found)) => Err(ImageError::Stray { after, at: begin.saturating_add(index), found }),
    }
}

/// Offsets in flash are 32 bits, files are counted in `usize`; where that is smaller, nothing is at such an offset.
fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
