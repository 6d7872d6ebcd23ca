//! What stands on a board before it is written: a key that its code has to be enciphered with, and perhaps somebody else's
//! firmware, which is saved first.

use std::path::{Path, PathBuf};

use obkmq_image::beken::{self, BekenChip, FlashMap, RblHeader};

use super::guard::SECTOR;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::backup;
use crate::flash::image::{Image, OBKMQ_VERSION};
use crate::flash::{Loader, Model, Part};
use crate::interrupt;

/// Whole units of the first sector, in which a boot loader holds its key.
const KEY_BYTES: u32 = 120 * 34;
/// Where a MAC address stands in the sector with the calibration.
const MAC_AT: u32 = 0x24;
/// The RBL header behind an application, as it is stored.
const STORED_HEADER_BYTES: u32 = 102;

/// Refuses an application that the board's boot loader would decipher with another key: the board would hang.
pub(crate) fn check_key(loader: &mut dyn Loader, image: &Image, context: &Context) -> Result<(), Failure> {
    let (Model::Beken(_), Some(key)) = (loader.model(), image.key) else { return Ok(()) };
    if image.parts.iter().any(|part| part.offset == 0) {
        // It brings its boot loader along, whose key was compared with the application's already.
        return Ok(());
    }
    let first = loader.read(&(0..KEY_BYTES), context)?;
    let held = beken::identify(&first).ok().and_then(|image| image.key);
    match held {
        Some(held) if held != key => Err(Failure::new(
            Exit::WrongImage,
            "The image is enciphered with another key than the board's.",
            format!("the image has the key {key}, the board {held}; it would hang; nothing was erased"),
            "use an image for this kind of module",
        )),
        Some(_) => Ok(()),
        None => {
            context.warn("the board's key cannot be told from its boot loader; a wrong one makes it hang");
            Ok(())
        }
    }
}

/// Saves the whole flash to a file in the working directory, if it holds a firmware that is neither obkmq nor the
/// image. One that was saved before is not saved again, also after a run that was interrupted.
pub(crate) fn save_first(loader: &mut dyn Loader, image: &Image, context: &Context) -> Result<(), Failure> {
    let Model::Beken(chip) = loader.model() else { return Ok(()) };
    let map = FlashMap::of(chip);
    if is_blank(loader, map.app.start)?
        || is_written(loader, &image.parts)?
        || is_ours(loader, &map, context)?
    {
        return Ok(());
    }
    let mac = mac(loader, &map, "", context)?;
    for number in 1.. {
        let path = name(chip, &mac, number);
        if !path.exists() {
            return save(loader, &path, context);
        }
        if is_of_this_board(loader, &path, chip, &image.parts)? {
            context.note(format_args!("the firmware before was saved already: {}", path.display()));
            break;
        }
    }
    Ok(())
}

/// What a board holds, for its owner.
pub(super) fn facts(
    loader: &mut dyn Loader,
    context: &Context,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let Model::Beken(chip) = loader.model() else { return Ok(Vec::new()) };
    let map = FlashMap::of(chip);
    let first = loader.read(&(0..KEY_BYTES), context)?;
    let key = beken::identify(&first).ok().and_then(|image| image.key);
    let (_, header) = header(loader, &map, context)?;
    let firmware = match header {
        Some(header) => header.release.version,
        None if is_blank(loader, map.app.start)? => "none".to_owned(),
        None => "without a name".to_owned(),
    };
    Ok(vec![
        ("key", key.map_or_else(|| "not known".to_owned(), |key| key.to_string())),
        ("MAC", mac(loader, &map, ":", context)?),
        ("firmware", firmware),
    ])
}

/// The place of the RBL header, and what stands there.
fn header(
    loader: &mut dyn Loader,
    map: &FlashMap,
    context: &Context,
) -> Result<(Vec<u8>, Option<RblHeader>), Failure> {
    let stored = u32::try_from(beken::app::APP_STORED_BYTES).unwrap_or(u32::MAX);
    let end = map.app.start.saturating_add(stored);
    let stored = loader.read(&(end - STORED_HEADER_BYTES..end), context)?;
    let header = beken::units::decode(&stored).ok().and_then(|plain| RblHeader::decode(&plain).ok());
    Ok((stored, header))
}

fn mac(loader: &mut dyn Loader, map: &FlashMap, between: &str, context: &Context) -> Result<String, Failure> {
    let start = map.calibration.start + MAC_AT;
    let mac = loader.read(&(start..start + 6), context)?;
    let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(bytes.join(between))
}

fn name(chip: BekenChip, mac: &str, number: u32) -> PathBuf {
    let number = if number > 1 { format!("-{number}") } else { String::new() };
    format!("backup-{}-{mac}{number}.bin", chip.name()).into()
}

fn save(loader: &mut dyn Loader, path: &Path, context: &Context) -> Result<(), Failure> {
    context.note(format_args!("another firmware is on the board; it is saved first: {}", path.display()));
    interrupt::arm(
        "Nothing was written to the board.",
        "run the same command again: the backup goes on where it stopped; --no-backup does without",
    );
    let bar = context.byte_bar(loader.flash_bytes().into());
    let taken = backup::take(loader, path, &mut |done| bar.set_position(done), context);
    bar.finish_and_clear();
    let taken = taken.map_err(|failure| Failure {
        next: format!("{}; --no-backup goes on without a backup", failure.next),
        ..failure
    })?;
    context.note(format_args!("sha256 {}", taken.sha256));
    context.warn(format_args!(
        "{} may hold Wi-Fi passwords in clear: keep it to yourself; obkmq restore puts it back",
        path.display()
    ));
    Ok(())
}

fn is_blank(loader: &mut dyn Loader, address: u32) -> Result<bool, Failure> {
    loader.holds(&(address..address.saturating_add(SECTOR)), &[0xFF; SECTOR as usize])
}

/// Whether the image is there already.
fn is_written(loader: &mut dyn Loader, parts: &[Part]) -> Result<bool, Failure> {
    for part in parts {
        let length = u32::try_from(part.data.len()).unwrap_or(u32::MAX);
        if !loader.holds(&(part.offset..part.offset.saturating_add(length)), &part.data)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a whole application of obkmq's is there. Its header alone is not enough: it would outlive another application
/// that was written over the first part.
fn is_ours(loader: &mut dyn Loader, map: &FlashMap, context: &Context) -> Result<bool, Failure> {
    let stored = u32::try_from(beken::app::APP_STORED_BYTES).unwrap_or(u32::MAX);
    let end = map.app.start.saturating_add(stored);
    let (header, read) = header(loader, map, context)?;
    let Some(read) = read.filter(|read| read.release.version.starts_with(OBKMQ_VERSION)) else {
        return Ok(false);
    };
    // What lies between the application and its header is blank, and need not cross the line.
    let units = read.package_bytes.div_ceil(32).saturating_mul(34);
    let body_end = map.app.start.saturating_add(units).min(end - STORED_HEADER_BYTES);
    let mut bytes = loader.read(&(map.app.start..body_end), context)?;
    bytes.resize((stored - STORED_HEADER_BYTES) as usize, 0xFF);
    bytes.extend_from_slice(&header);
    Ok(beken::identify(&bytes).is_ok_and(|image| image.header.is_some()))
}

/// Whether a backup is of what this board held: each sector that is to be written still is as in the backup, or is
/// already as in the image, or is blank.
fn is_of_this_board(
    loader: &mut dyn Loader,
    path: &Path,
    chip: BekenChip,
    parts: &[Part],
) -> Result<bool, Failure> {
    let Ok(backup) = backup::load(path, Some(obkmq_image::Board::Beken(chip))) else { return Ok(false) };
    for part in parts {
        for (start, new) in (part.offset..).step_by(SECTOR as usize).zip(part.data.chunks(SECTOR as usize)) {
            let range = start..start.saturating_add(u32::try_from(new.len()).unwrap_or(SECTOR));
            let old = backup.bytes.get(range.start as usize..range.end as usize).unwrap_or_default();
            let blank = vec![0xFF; new.len()];
            if !loader.holds(&range, old)? && !loader.holds(&range, new)? && !loader.holds(&range, &blank)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
