//! What happens after a reset when no flasher is heard: the boot loader looks at the application and jumps into it.
//!
//! Nothing is executed here. Two checks are stricter than the chip's, which jumps into whatever is there: the application has
//! to be whole, and it has to have the RBL header that obkmq's own images have, since nothing else tells whose it is.
//!
//! The formats are read by code of this crate alone, as in [`boot`](crate::boot).

use core::ops::Range;

use flate2::Crc;
use obkmq_image::beken::BekenChip;

use super::factory::{crc16, keystream};
use crate::boot::{Boot, Firmware, Refusal};
use crate::flash::{FlashChip, FlashError};

const UNIT_BYTES: usize = 34;
const DATA_BYTES: usize = 32;
/// Logical address of the application.
const APP_ADDRESS: u32 = 0x1_0000;
/// Where it is stored, and how long its partition is there.
const APP_OFFSET: u32 = 0x1_1000;
const APP_BYTES: usize = 0x11_8F70;
/// The header at the partition's end: 96 bytes in three units.
const HEADER_BYTES: usize = 96;
const STORED_HEADER_BYTES: usize = 102;
/// How obkmq's versions begin in that header.
const PROJECT: &str = "obkmq ";

/// Where the firmware keeps what is its owner's.
const fn regions(chip: BekenChip) -> [Range<u32>; 3] {
    match chip {
        BekenChip::T => [0x1E_3000..0x1E_8000, 0x1E_8000..0x1F_4000, 0x1F_4000..0x20_0000],
        BekenChip::N => [0x1D_3000..0x1D_8000, 0x1D_8000..0x1E_C000, 0x1E_C000..0x20_0000],
    }
}

/// Whether there is a boot loader in the flash; a BK7231T without one is dead.
///
/// # Errors
/// The flash cannot be read.
pub fn has_bootloader(flash: &mut impl FlashChip) -> Result<bool, FlashError> {
    let mut stored = vec![0; APP_OFFSET as usize];
    flash.read(0, &mut stored)?;
    let Some(plain) = decode(&stored) else { return Ok(false) };
    let first = plain.first_chunk().map_or(0, |word| u32::from_le_bytes(*word) ^ keystream(0));
    Ok(stored.chunks(UNIT_BYTES).all(|unit| !is_blank(unit)) && is_vector(first))
}

/// Starts the chip when no flasher has been heard.
///
/// # Errors
/// [`FlashError`] if the flash itself cannot be read; everything that is wrong with its contents is in the outcome.
pub fn boot(chip: BekenChip, flash: &mut impl FlashChip) -> Result<Boot, FlashError> {
    let mut log = Vec::new();
    if !has_bootloader(flash)? {
        let refusal = match chip {
            BekenChip::T => Refusal::Dead,
            BekenChip::N => Refusal::Bootloader,
        };
        return Ok(Boot { log, outcome: Err(refusal) });
    }
    log.push(match chip {
        BekenChip::T => "BK7231S_1.0.5".to_owned(),
        BekenChip::N => "BK7231N_1.0.1".to_owned(),
    });
    let mut stored = vec![0; APP_BYTES];
    flash.read(APP_OFFSET, &mut stored)?;
    let outcome = application(&stored).map(|version| {
        let [settings, files, retained] = regions(chip);
        Firmware { version, partition: "app".to_owned(), settings, files, retained }
    });
    // The chip jumps in any case.
    log.push("J 0x10000".to_owned());
    Ok(Boot { log, outcome })
}

/// The version of the application, if it is obkmq's and whole.
fn application(stored: &[u8]) -> Result<String, Refusal> {
    if stored.get(..UNIT_BYTES).is_some_and(is_blank) {
        return Err(Refusal::NothingFlashed);
    }
    let whole = decode(stored).ok_or(Refusal::NoBootableApplication)?;
    let (body, header) =
        whole.split_at_checked(whole.len() - HEADER_BYTES).ok_or(Refusal::NoBootableApplication)?;
    for (word, address) in body.chunks(4).take(8).zip((APP_ADDRESS..).step_by(4)) {
        let word = word.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        if address != APP_ADDRESS + 20 && !is_vector(word ^ keystream(address)) {
            return Err(Refusal::NoBootableApplication);
        }
    }
    let stored_header = stored.get(stored.len() - STORED_HEADER_BYTES..).unwrap_or_default();
    if is_blank(stored_header) {
        return Err(Refusal::ForeignApplication { project: "without a name".to_owned() });
    }
    let version = checked_version(body, header).ok_or(Refusal::NoBootableApplication)?;
    match version.strip_prefix(PROJECT) {
        Some(version) => Ok(version.to_owned()),
        None => Err(Refusal::ForeignApplication { project: version }),
    }
}

/// The version in an RBL header all of whose sums are right.
fn checked_version(body: &[u8], header: &[u8]) -> Option<String> {
    let word = |at: usize| header.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word));
    if !header.starts_with(b"RBL\0\0\0\0\0") || word(92)? != crc32(header.get(..92)?) {
        return None;
    }
    let (raw, package) = (usize::try_from(word(84)?).ok()?, usize::try_from(word(88)?).ok()?);
    let mut summed = body.get(..package.checked_sub(16)?)?.to_vec();
    summed.extend_from_slice(&[0x10; 16]);
    let hash = summed
        .get(..raw)?
        .iter()
        .fold(0x811C_9DC5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    if word(76)? != crc32(&summed) || word(80)? != hash {
        return None;
    }
    let text = header.get(28..52)?.split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The enciphered code in whole units; `None` if one of them is damaged. Blank ones give 0xFF.
fn decode(stored: &[u8]) -> Option<Vec<u8>> {
    let mut code = Vec::with_capacity(stored.len());
    for unit in stored.chunks(UNIT_BYTES) {
        let (data, crc) = unit.split_at_checked(DATA_BYTES)?;
        if !is_blank(unit) && crc != crc16(data).to_be_bytes() {
            return None;
        }
        code.extend_from_slice(data);
    }
    Some(code)
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0xFF)
}

/// `b`, or `ldr pc, [pc, #…]`.
fn is_vector(word: u32) -> bool {
    word >> 24 == 0xEA || word & 0xFFFF_F000 == 0xE59F_F000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beken::factory;
    use crate::fixtures::beken_app;
    use crate::flash::MemoryFlash;

    fn new(chip: BekenChip) -> MemoryFlash {
        let mut flash = MemoryFlash::new(factory::FLASH_BYTES);
        factory::fill(chip, &mut flash).unwrap();
        flash
    }

    fn outcome(chip: BekenChip, flash: &mut MemoryFlash) -> Result<String, Refusal> {
        boot(chip, flash).unwrap().outcome.map(|firmware| firmware.version)
    }

    #[test]
    fn a_new_module_has_a_boot_loader_and_nothing_to_boot() {
        for chip in [BekenChip::T, BekenChip::N] {
            assert_eq!(outcome(chip, &mut new(chip)), Err(Refusal::NothingFlashed));
        }
    }

    #[test]
    fn a_t_whose_boot_loader_is_touched_anywhere_is_dead_and_an_n_is_not() {
        for at in [0, 0x48, 0x8000, 0x1_0FFF] {
            let mut flash = new(BekenChip::T);
            flash.program(at, &[0; 2]).unwrap();
            assert_eq!(outcome(BekenChip::T, &mut flash), Err(Refusal::Dead), "{at:#x}");
            let mut flash = new(BekenChip::N);
            flash.erase(at / 4096 * 4096, 4096).unwrap();
            assert_eq!(outcome(BekenChip::N, &mut flash), Err(Refusal::Bootloader), "{at:#x}");
        }
    }

    #[test]
    fn a_whole_application_of_ours_boots() {
        let mut flash = new(BekenChip::N);
        flash.program(APP_OFFSET, &beken_app("obkmq 0.1.0")).unwrap();
        let booted = boot(BekenChip::N, &mut flash).unwrap();
        let firmware = booted.outcome.unwrap();
        assert_eq!((firmware.version.as_str(), firmware.settings), ("0.1.0", 0x1D_3000..0x1D_8000));
        assert_eq!(booted.log, ["BK7231N_1.0.1", "J 0x10000"]);
    }

    #[test]
    fn what_is_damaged_or_foreign_does_not_boot() {
        let whole = beken_app("obkmq 0.1.0");
        // In the vectors, in a CRC, in the code, in the header: one bit of each.
        for at in [0, 33, 1000, whole.len() - 40] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let mut flash = new(BekenChip::T);
            flash.program(APP_OFFSET, &damaged).unwrap();
            assert_eq!(outcome(BekenChip::T, &mut flash), Err(Refusal::NoBootableApplication), "{at:#x}");
        }
        // A unit whose own sum is right, but that belongs to another application.
        let mut mixed = whole.clone();
        mixed[34 * 20..34 * 21].copy_from_slice(&whole[34 * 21..34 * 22]);
        let mut flash = new(BekenChip::T);
        flash.program(APP_OFFSET, &mixed).unwrap();
        assert_eq!(outcome(BekenChip::T, &mut flash), Err(Refusal::NoBootableApplication));

        let mut flash = new(BekenChip::T);
        flash.program(APP_OFFSET, &beken_app("1.17.551")).unwrap();
        assert_eq!(
            outcome(BekenChip::T, &mut flash),
            Err(Refusal::ForeignApplication { project: "1.17.551".to_owned() })
        );
        let mut flash = new(BekenChip::T);
        flash.program(APP_OFFSET, &whole[..34 * 100]).unwrap();
        assert!(matches!(outcome(BekenChip::T, &mut flash), Err(Refusal::ForeignApplication { .. })));
    }
}
