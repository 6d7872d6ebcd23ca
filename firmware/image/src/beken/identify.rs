//! Which kind of Beken image a file is, all of it checked; and QIO images made of their parts.

use core::fmt;

use super::app::{
    APP_ADDRESS, APP_OFFSET, APP_STORED_BYTES, STORED_HEADER_BYTES, check_container, check_vectors, fits,
};
use super::cipher::CodeKey;
use super::error::BekenError;
use super::map::FlashMap;
use super::ota;
use super::rbl::{Compression, Encryption, MAGIC, RblHeader};
use super::units::{self, DATA_BYTES, UNIT_BYTES};
use crate::bytes::{array, slice, word};

/// Where the plain boot loader holds its key, as four little-endian words.
const KEY_AT: usize = 0x48;

/// Where the flash behind the application's partition begins.
const APP_END: usize = APP_OFFSET + APP_STORED_BYTES;

/// The chips that these images are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BekenChip {
    /// BK7231T.
    T,
    /// BK7231N.
    N,
}

impl BekenChip {
    /// Every chip, in the order of the README's board table.
    pub const ALL: [Self; 2] = [Self::T, Self::N];

    /// The name that tools write and take: `bk7231n`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::T => "bk7231t",
            Self::N => "bk7231n",
        }
    }

    /// The maker's spelling: `BK7231N`.
    pub const fn family(self) -> &'static str {
        match self {
            Self::T => "BK7231T",
            Self::N => "BK7231N",
        }
    }

    /// Where the download partition begins, by which a boot loader's partition table tells its chip.
    const fn download_offset(self) -> u32 {
        FlashMap::of(self).download.start
    }
}

impl fmt::Display for BekenChip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.family())
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BekenKind {
    /// The application alone.
    Ua,
    /// The application with an RBL header behind it.
    Container,
    /// The boot loader alone.
    Bootloader,
    /// The flash from its start: boot loader and application.
    Qio,
    /// An update as it is downloaded.
    Ota,
}

/// A Beken image that is whole and sound, as far as it is checked ([`Beken::app`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beken {
    /// What the file holds.
    pub kind: BekenKind,
    /// The chip, if the file holds a boot loader that tells. Applications do not say which chip they are for.
    pub chip: Option<BekenChip>,
    /// The key that deciphers the code; an OTA file is not enciphered.
    pub key: Option<CodeKey>,
    /// The RBL header of the application.
    pub header: Option<RblHeader>,
    /// The plain application, as long as the file tells. `None` for a boot loader alone, and for an OTA file that is
    /// encrypted or compressed in a way that is not unpacked here.
    pub app: Option<Vec<u8>>,
    /// Bytes at the end of a dump of the flash that belong to neither boot loader nor application, and are not checked.
    pub unchecked_bytes: usize,
}

/// Whether a file begins like a Beken image, sound or not.
pub fn is_beken(file: &[u8]) -> bool {
    file.starts_with(&MAGIC) || units::begins_with_unit(file)
}

/// Says what `file` is, having checked it.
///
/// # Errors
/// A [`BekenError`] that names the first thing that is wrong.
pub fn identify(file: &[u8]) -> Result<Beken, BekenError> {
    if file.starts_with(&MAGIC) {
        let (header, app) = ota::decode(file)?;
        return Ok(Beken {
            kind: BekenKind::Ota,
            chip: None,
            key: None,
            header: Some(header),
            app,
            unchecked_bytes: 0,
        });
    }
    if !units::begins_with_unit(file) {
        return Err(BekenError::NotBeken);
    }
    let first = units::decode(file.get(..UNIT_BYTES * 4).unwrap_or(file))?;
    if let Some(key) = bootloader_key(&first) {
        return with_bootloader(file, key);
    }
    let Some(key) = CodeKey::KNOWN.into_iter().find(|&key| check_vectors(&deciphered(&first, key)).is_ok())
    else {
        return Err(BekenError::UnknownKey);
    };
    fits("application", APP_STORED_BYTES, file.len())?;
    let (header, app) = application(file, key)?;
    let kind = if header.is_some() { BekenKind::Container } else { BekenKind::Ua };
    Ok(Beken { kind, chip: None, key: Some(key), header, app: Some(app), unchecked_bytes: 0 })
}

/// Lays a boot loader (as stored, at most 0x11000 bytes) and an application (a UA file or a container) out as in the
/// flash.
///
/// # Errors
/// One of them is not what it should be, is too large, or their keys differ.
pub fn qio(bootloader: &[u8], app: &[u8]) -> Result<Vec<u8>, BekenError> {
    fits("boot loader", APP_OFFSET, bootloader.len())?;
    fits("application", APP_STORED_BYTES, app.len())?;
    let mut file = bootloader.to_vec();
    file.resize(APP_OFFSET, 0xFF);
    file.extend_from_slice(app);
    match identify(&file)? {
        Beken { kind: BekenKind::Qio, .. } => Ok(file),
        _ => Err(BekenError::NotBeken),
    }
}

/// The known key by which these enciphered first bytes are a boot loader's: it holds the key itself.
fn bootloader_key(first: &[u8]) -> Option<CodeKey> {
    CodeKey::KNOWN.into_iter().find(|&key| {
        let mut code = first.to_vec();
        key.apply(&mut code, 0);
        let held = [0, 4, 8, 12].map(|at| word(&code, KEY_AT + at));
        let begins = word(&code, 0).is_some_and(|word| word >> 24 == 0xEA || word >> 12 == 0xE_59FF);
        begins && held == key.0.map(Some)
    })
}

fn with_bootloader(file: &[u8], key: CodeKey) -> Result<Beken, BekenError> {
    let (bootloader, rest) = file.split_at_checked(APP_OFFSET).unwrap_or((file, &[]));
    let chip = chip(&units::decode(bootloader)?);
    let (stored, unchecked) = rest.split_at_checked(APP_STORED_BYTES).unwrap_or((rest, &[]));
    let (kind, header, app) = if stored.iter().all(|&byte| byte == 0xFF) {
        (BekenKind::Bootloader, None, None)
    } else {
        let (header, app) = application(stored, key).map_err(|error| match error {
            BekenError::UnitCrc { at, expected, found } => {
                BekenError::UnitCrc { at: at.saturating_add(APP_OFFSET), expected, found }
            }
            BekenError::Truncated { part, needed, found } => BekenError::Truncated {
                part,
                needed: needed.saturating_add(APP_OFFSET),
                found: found.saturating_add(APP_OFFSET),
            },
            other => other,
        })?;
        (BekenKind::Qio, header, Some(app))
    };
    Ok(Beken { kind, chip, key: Some(key), header, app, unchecked_bytes: unchecked.len() })
}

/// The application in `stored`, and the header that may stand at its end.
fn application(stored: &[u8], key: CodeKey) -> Result<(Option<RblHeader>, Vec<u8>), BekenError> {
    let body = units::decode(stored)?;
    let header_at = stored.len().checked_sub(STORED_HEADER_BYTES).filter(|at| at % UNIT_BYTES == 0);
    let header_at = header_at.map(|at| at / UNIT_BYTES * DATA_BYTES);
    let header = match header_at.and_then(|at| body.get(at..)) {
        Some(tail) if tail.starts_with(&MAGIC) => Some(RblHeader::decode(tail)?),
        _ => None,
    };
    let length = match (&header, header_at.and_then(|at| body.get(..at))) {
        (Some(header), Some(before)) => check_container(header, before)?,
        _ => body
            .iter()
            .rposition(|&byte| byte != 0xFF)
            .map_or(0, |last| last.saturating_add(1).next_multiple_of(DATA_BYTES)),
    };
    let app = deciphered(body.get(..length).unwrap_or(&body), key);
    check_vectors(&app)?;
    Ok((header, app))
}

fn deciphered(code: &[u8], key: CodeKey) -> Vec<u8> {
    let mut code = code.to_vec();
    key.apply(&mut code, APP_ADDRESS);
    code
}

/// The chip by the partition table (`01PE`, name, device, offset) that stands in clear in a boot loader.
fn chip(bootloader: &[u8]) -> Option<BekenChip> {
    let entry = (0..bootloader.len()).step_by(4).find(|&at| {
        array(bootloader, at) == Some(*b"01PE")
            && slice(bootloader, at + 4, 9).is_some_and(|name| name == b"download\0")
    })?;
    let offset = word(bootloader, entry + 4 + 24 + 24)?;
    BekenChip::ALL.into_iter().find(|chip| chip.download_offset() == offset)
}

impl Beken {
    /// What is written where in the flash: name, offset, bytes of the file. An OTA file goes to the download partition,
    /// whose place depends on the chip; it has no region here.
    pub fn regions(&self, file_bytes: usize) -> Vec<(&'static str, usize, usize)> {
        match self.kind {
            BekenKind::Ota => Vec::new(),
            BekenKind::Ua | BekenKind::Container => vec![("app", APP_OFFSET, file_bytes)],
            BekenKind::Bootloader => vec![("bootloader", 0, file_bytes.min(APP_OFFSET))],
            BekenKind::Qio => {
                let app = file_bytes.min(APP_END).saturating_sub(APP_OFFSET);
                vec![("bootloader", 0, APP_OFFSET), ("app", APP_OFFSET, app)]
            }
        }
    }

    /// Whether the application's payload was checked beyond its CRC.
    pub fn is_opened(&self) -> bool {
        self.kind != BekenKind::Ota || self.app.is_some()
    }

    /// How the payload is packed, in words, if it is.
    pub fn packing(&self) -> Option<&'static str> {
        let header = self.header.as_ref()?;
        match (header.encryption, header.compression) {
            (Encryption::None, Compression::None) => None,
            (Encryption::None, Compression::Gzip) => Some("gzip"),
            (Encryption::None, Compression::QuickLz) => Some("QuickLZ"),
            (Encryption::None, Compression::FastLz) => Some("FastLZ"),
            (Encryption::Xor, _) => Some("encrypted with an XOR"),
            (Encryption::Aes256, _) => Some("encrypted with AES-256"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::app::tests::{code, release};
    use super::super::{Application, app::APP_CODE_BYTES};
    use super::*;

    /// A boot loader as far as it tells itself apart: its key, and its partition table in clear.
    fn bootloader(key: CodeKey, chip: BekenChip) -> Vec<u8> {
        let mut plain = code(0x400);
        plain[KEY_AT..KEY_AT + 16].copy_from_slice(&key.0.map(u32::to_le_bytes).concat());
        key.apply(&mut plain, 0);
        plain.extend_from_slice(b"01PEdownload\0");
        plain.resize(0x400 + 52, 0);
        plain.extend_from_slice(&chip.download_offset().to_le_bytes());
        plain.resize(0x440, 0);
        units::encode(&plain)
    }

    #[test]
    fn a_whole_flash_tells_chip_key_and_application() {
        let app = code(1000);
        for (key, chip) in [(CodeKey::DEFAULT, BekenChip::T), (CodeKey::UASCENT, BekenChip::N)] {
            let container =
                Application::new(&app).unwrap().container(key, &release(), APP_CODE_BYTES).unwrap();
            let mut file = qio(&bootloader(key, chip), &container).unwrap();
            assert_eq!(file.len(), APP_END);
            file.resize(2 << 20, 0x5A);
            let read = identify(&file).unwrap();
            assert_eq!((read.kind, read.chip, read.key), (BekenKind::Qio, Some(chip), Some(key)));
            assert_eq!(read.header.unwrap().release, release());
            assert_eq!(&read.app.unwrap()[..1000], app);
            assert_eq!(read.unchecked_bytes, (2 << 20) - APP_END);
        }
        let alone = identify(&bootloader(CodeKey::DEFAULT, BekenChip::N)).unwrap();
        assert_eq!((alone.kind, alone.chip), (BekenKind::Bootloader, Some(BekenChip::N)));
    }

    #[test]
    fn a_container_whose_header_is_of_another_application_is_refused() {
        let app = code(1000);
        let mut file = Application::new(&app).unwrap().container(CodeKey::PLAIN, &release(), 0x800).unwrap();
        let header_at = file.len() - STORED_HEADER_BYTES;
        let header = RblHeader::decode(&units::decode(&file[header_at..]).unwrap()).unwrap();
        let crc = RblHeader { data_crc: !header.data_crc, ..header.clone() };
        let hash = RblHeader { hash: !header.hash, ..header.clone() };
        for (other, expected) in [(crc, "CRC-32"), (hash, "FNV-1a")] {
            file.splice(header_at.., units::encode(&other.encode()));
            let error = identify(&file).unwrap_err();
            assert!(matches!(error, BekenError::Payload { sum, .. } if sum == expected), "{error}");
        }
        let sizes = RblHeader { package_bytes: u32::MAX, ..header };
        file.splice(header_at.., units::encode(&sizes.encode()));
        assert!(matches!(identify(&file), Err(BekenError::Sizes { .. })));
    }

    #[test]
    fn parts_of_different_keys_are_no_flash() {
        let app = code(1000);
        let ua = Application::new(&app).unwrap().ua(CodeKey::UASCENT);
        let bootloader = bootloader(CodeKey::DEFAULT, BekenChip::T);
        assert!(matches!(qio(&bootloader, &ua), Err(BekenError::NoVectors { .. })));
        assert!(qio(&ua, &ua).is_err(), "an application in the boot loader's place");
    }

    #[test]
    fn a_key_of_its_own_is_told_apart_from_damage() {
        let app = code(100);
        let ua = Application::new(&app).unwrap().ua(CodeKey([1, 2, 3, 0x1234_5670]));
        assert_eq!(identify(&ua), Err(BekenError::UnknownKey));
        assert_eq!(identify(b"hello"), Err(BekenError::NotBeken));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn images_are_read_as_written_and_damage_is_found(
            length in 32_usize..1500, which in 0_usize..3, contained: bool, at: usize, bit in 0_u8..8,
        ) {
            let app = code(length);
            let key = CodeKey::KNOWN[which];
            let made = Application::new(&app).unwrap();
            let mut file = if contained { made.container(key, &release(), 0x800).unwrap() } else { made.ua(key) };
            let read = identify(&file).unwrap();
            prop_assert_eq!(read.kind, if contained { BekenKind::Container } else { BekenKind::Ua });
            prop_assert_eq!(read.key, Some(key));
            prop_assert_eq!(&read.app.unwrap()[..length], &app[..]);
            let at = at % file.len();
            file[at] ^= 1 << bit;
            prop_assert!(identify(&file).is_err(), "bit {} of byte {}", bit, at);
        }

        #[test]
        fn any_bytes_are_identified_or_refused(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300), rbl: bool,
        ) {
            if rbl { bytes.splice(0..0, MAGIC); }
            let _ = identify(&bytes);
            let _ = identify(&units::encode(&bytes));
        }
    }
}
