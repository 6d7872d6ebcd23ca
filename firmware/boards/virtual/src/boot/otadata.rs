//! Which application boots: the two select entries that updates write in turn (`esp_ota_select_entry_t`).

use crate::boot::table::Entry;
use crate::flash::{FlashChip, FlashError};
use crate::limits::SECTOR_BYTES;

const STATE_INVALID: u32 = 3;
const STATE_ABORTED: u32 = 4;

/// The slot that the newer valid entry names; `None` while nothing has been chosen.
pub(super) fn choose(
    flash: &mut impl FlashChip,
    otadata: &Entry,
    slots: usize,
    log: &mut Vec<String>,
) -> Result<Option<usize>, FlashError> {
    let mut newest = None;
    let mut blank = true;
    for sector in 0..2 {
        let mut entry = [0; 32];
        let offset = otadata.offset.saturating_add(sector * SECTOR_BYTES);
        if offset >= otadata.end() {
            break;
        }
        flash.read(offset, &mut entry)?;
        blank &= entry.starts_with(&[0xFF; 4]);
        newest = newest.max(sequence(&entry));
    }
    let Some(sequence) = newest else {
        if !blank {
            log.push(
                "E (0) boot: ota data partition invalid and no factory, will try all partitions".to_owned(),
            );
        }
        return Ok(None);
    };
    let slots = u32::try_from(slots).unwrap_or(u32::MAX);
    Ok((sequence - 1).checked_rem(slots).and_then(|slot| usize::try_from(slot).ok()))
}

/// The sequence number of an entry that counts.
fn sequence(entry: &[u8; 32]) -> Option<u32> {
    let word = |at: usize| Some(u32::from_le_bytes(*entry.get(at..)?.first_chunk()?));
    let (sequence, state, crc) = (word(0)?, word(24)?, word(28)?);
    let valid = sequence != 0
        && sequence != u32::MAX
        && state != STATE_INVALID
        && state != STATE_ABORTED
        && crc == crc32(&sequence.to_le_bytes());
    valid.then_some(sequence)
}

/// The ROM's CRC-32 with the register starting at zero: the polynomial of Ethernet, reflected, inverted at the end.
fn crc32(bytes: &[u8]) -> u32 {
    let remainder = bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    });
    !remainder
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An entry as ESP-IDF writes it.
    pub(in crate::boot) fn entry(sequence: u32, state: u32) -> [u8; 32] {
        let mut entry = [0xFF; 32];
        entry[..4].copy_from_slice(&sequence.to_le_bytes());
        entry[24..28].copy_from_slice(&state.to_le_bytes());
        entry[28..].copy_from_slice(&crc32(&sequence.to_le_bytes()).to_le_bytes());
        entry
    }

    #[test]
    fn the_crc_is_the_one_esp_idf_writes() {
        // From the otadata of boards after their first and their second update.
        assert_eq!(crc32(&1_u32.to_le_bytes()), 0x4743_989A);
        assert_eq!(crc32(&2_u32.to_le_bytes()), 0x55F6_3774);
    }

    #[test]
    fn entries_that_do_not_count() {
        assert_eq!(sequence(&entry(7, u32::MAX)), Some(7));
        assert_eq!(sequence(&[0xFF; 32]), None);
        assert_eq!(sequence(&entry(0, u32::MAX)), None);
        assert_eq!(sequence(&entry(7, STATE_INVALID)), None);
        assert_eq!(sequence(&entry(7, STATE_ABORTED)), None);
        let mut damaged = entry(7, u32::MAX);
        damaged[0] = 8;
        assert_eq!(sequence(&damaged), None);
    }
}
