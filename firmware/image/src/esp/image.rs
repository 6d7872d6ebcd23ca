//! One image: header, segments, checksum and hash, all checked.

use sha2::{Digest as _, Sha256};

use crate::bytes::{array, byte, slice, word};
use crate::error::ImageError;
use crate::esp::descriptor::AppDescriptor;
use crate::esp::header::ImageHeader;
use crate::limits::MAX_SEGMENT_BYTES;

/// What the checksum begins with.
const CHECKSUM_SEED: u8 = 0xEF;
/// The checksum is the last byte of a line of this many.
const CHECKSUM_LINE: usize = 16;
/// Load address and length ahead of each segment's data.
const SEGMENT_HEADER_BYTES: usize = 8;
/// Bytes of the hash.
const HASH_BYTES: usize = 32;

/// A piece of an image and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Address in the chip's memory: RAM to be filled, or flash to be mapped.
    pub load_address: u32,
    /// Where the data begins in the file.
    pub at: usize,
    /// The data.
    pub data: &'a [u8],
}

/// An image whose structure, checksum and hash have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspImage<'a> {
    /// What the header says.
    pub header: ImageHeader,
    /// The segments, in the order of the file.
    pub segments: Vec<Segment<'a>>,
    /// The SHA-256 at the end, if the image has one.
    pub hash: Option<[u8; HASH_BYTES]>,
    /// The whole image, from its header to its checksum or hash.
    pub bytes: &'a [u8],
}

impl<'a> EspImage<'a> {
    /// Reads and checks the image that begins at `at`; other data may follow it.
    ///
    /// # Errors
    /// Every [`ImageError`] about a header, a segment, the checksum or the hash, with offsets into `file`.
    pub fn read(file: &'a [u8], at: usize) -> Result<Self, ImageError> {
        let header = ImageHeader::read(file, at)?;
        let truncated = |part, begin: usize, length: usize| ImageError::Truncated {
            part,
            at: begin,
            needed: begin.saturating_add(length),
            found: file.len(),
        };

        let mut segments = Vec::with_capacity(usize::from(header.segment_count));
        let mut checksum = CHECKSUM_SEED;
        // Offsets below stay inside `file`, so adding a few bytes to them cannot overflow.
        let mut cursor = at + ImageHeader::BYTES;
        for index in 0..header.segment_count {
            let segment_header = || truncated("segment header", cursor, SEGMENT_HEADER_BYTES);
            let load_address = word(file, cursor).ok_or_else(segment_header)?;
            let length = word(file, cursor + 4).ok_or_else(segment_header)?;
            let length_in_range = length.is_multiple_of(4) && length < MAX_SEGMENT_BYTES;
            let Some(length_bytes) = usize::try_from(length).ok().filter(|_| length_in_range) else {
                return Err(ImageError::SegmentLength { index, at: cursor, found: length });
            };
            let begin = cursor + SEGMENT_HEADER_BYTES;
            let data =
                slice(file, begin, length_bytes).ok_or_else(|| truncated("segment", begin, length_bytes))?;
            checksum = data.iter().fold(checksum, |sum, &byte| sum ^ byte);
            segments.push(Segment { load_address, at: begin, data });
            cursor = begin + length_bytes;
        }

        // The image, not the file, is what the lines of the checksum are counted from.
        let padding = CHECKSUM_LINE - 1 - (cursor - at) % CHECKSUM_LINE;
        let checksum_at = cursor + padding;
        let stored = byte(file, checksum_at).ok_or_else(|| truncated("checksum", checksum_at, 1))?;
        let hash_at = checksum_at + 1;
        // The hash covers what the checksum does not (headers, padding), so it is the better witness where it exists.
        let hash = if header.hash_appended {
            let expected: [u8; HASH_BYTES] =
                array(file, hash_at).ok_or_else(|| truncated("hash", hash_at, HASH_BYTES))?;
            let found: [u8; HASH_BYTES] = Sha256::digest(file.get(at..hash_at).unwrap_or_default()).into();
            if expected != found {
                return Err(ImageError::Hash { at: hash_at, expected, found });
            }
            Some(expected)
        } else {
            None
        };
        if stored != checksum {
            return Err(ImageError::Checksum { at: checksum_at, expected: stored, found: checksum });
        }
        let end = hash_at + hash.map_or(0, |hash| hash.len());
        let bytes = file.get(at..end).unwrap_or_default();
        Ok(Self { header, segments, hash, bytes })
    }

    /// The description of the application, if the image holds one.
    pub fn descriptor(&self) -> Option<AppDescriptor> {
        AppDescriptor::read(self.segments.first()?.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{AppBuilder, app};
    use crate::identify;
    use proptest::prelude::*;

    #[test]
    fn reads_what_was_built() {
        let file = app("0.1.0");
        let image = EspImage::read(&file, 0).unwrap();
        assert_eq!(image.bytes.len(), file.len());
        assert_eq!(image.segments.len(), 2);
        assert_eq!(image.segments[0].load_address, 0x3C00_0020);
        assert_eq!(image.segments[0].at, 32);
        assert_eq!(image.descriptor().unwrap().version, "0.1.0");
        assert!(image.hash.is_some());
    }

    #[test]
    fn an_image_inside_a_file_is_counted_from_its_own_start() {
        let image = app("0.1.0");
        let mut file = vec![0xFF; 0x123];
        file.extend_from_slice(&image);
        file.extend_from_slice(b"and then something else");
        assert_eq!(EspImage::read(&file, 0x123).unwrap().bytes, image);
    }

    #[test]
    fn an_image_cut_anywhere_is_truncated() {
        let file = app("0.1.0");
        for length in 0..file.len() {
            let error = EspImage::read(&file[..length], 0).unwrap_err();
            assert!(
                matches!(error, ImageError::Truncated { found, .. } if found == length),
                "{length}: {error}"
            );
        }
    }

    #[test]
    fn every_flipped_bit_of_an_image_with_a_hash_is_noticed() {
        let file = app("0.1.0");
        let mut damaged = file.clone();
        for at in 0..file.len() {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                // Without its hash flag an image is a shorter one, followed by 32 stray bytes: only a look at the
                // whole file can tell.
                assert!(identify(&damaged).is_err(), "bit {bit} of byte 0x{at:X} went unnoticed");
                let flag = at == 23 && bit == 0;
                assert!(EspImage::read(&damaged, 0).is_err() != flag, "bit {bit} of byte 0x{at:X}");
                damaged[at] = file[at];
            }
        }
    }

    #[test]
    fn without_a_hash_the_checksum_guards_the_segments() {
        let file = AppBuilder { hash_appended: false, ..AppBuilder::default() }.build();
        let image = EspImage::read(&file, 0).unwrap();
        assert_eq!(image.hash, None);
        let at = image.segments[1].at;
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        assert!(matches!(EspImage::read(&damaged, 0), Err(ImageError::Checksum { .. })));
    }

    #[test]
    fn an_uneven_segment_length_is_named() {
        let mut file = app("0.1.0");
        file[28] |= 1;
        assert!(matches!(EspImage::read(&file, 0), Err(ImageError::SegmentLength { index: 0, at: 24, .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0usize..700) {
            let _ = EspImage::read(&bytes, at);
            if let Some(first) = bytes.first_mut() {
                *first = 0xE9;
            }
            let _ = EspImage::read(&bytes, 0);
        }

        #[test]
        fn any_header_fields_are_read_without_panic(at in 0usize..64, value: u8) {
            let mut file = app("0.1.0");
            file[at] = value;
            let _ = EspImage::read(&file, 0);
        }
    }
}
