//! What each message carries, so that its receiver can tell what became of it.
//!
//! ```text
//! 0  magic "OBKB"      12  sequence, u64 LE            28  CRC-32 over everything else, u32 LE
//! 4  run, u32 LE       20  intended send time, u64 LE  32  filler up to the wanted size
//! 8  publisher, u32 LE     (ns after the clock's start)
//! ```
//!
//! The checksum is CRC-32/ISO-HDLC: it finds every single-bit and single-byte change, wherever it is, filler
//! included.

use crc::{CRC_32_ISO_HDLC, Crc};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const MAGIC: [u8; 4] = *b"OBKB";

/// Bytes before the filler, and the smallest payload.
pub(crate) const HEADER_BYTES: usize = 32;

/// The judged content of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The run it belongs to.
    pub(crate) run: u32,
    /// Client that sent it.
    pub(crate) publisher: u32,
    /// Its number among that client's messages, from 0.
    pub(crate) sequence: u64,
    /// When it was meant to be sent, in nanoseconds after the start of the clock.
    pub(crate) intended_ns: u64,
}

/// The bytes are not what any bench sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

impl Stamp {
    /// The payload, `size_bytes` long (at least [`HEADER_BYTES`]).
    pub(crate) fn encode(&self, size_bytes: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size_bytes.max(HEADER_BYTES));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.run.to_le_bytes());
        bytes.extend_from_slice(&self.publisher.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.intended_ns.to_le_bytes());
        // Differs from message to message, so that the tail of an old packet left in a buffer is noticed.
        let filler = self.sequence.to_le_bytes()[0];
        let mut sum = CRC.digest();
        sum.update(&bytes);
        bytes.resize(bytes.len() + 4, 0);
        bytes.resize(size_bytes.max(HEADER_BYTES), filler);
        sum.update(bytes.get(HEADER_BYTES..).unwrap_or_default());
        if let Some(field) = bytes.get_mut(28..HEADER_BYTES) {
            field.copy_from_slice(&sum.finalize().to_le_bytes());
        }
        bytes
    }

    /// Reads and checks a payload of any content.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (header, filler) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(Corrupt)?;
        let (covered, sum) = header.split_last_chunk::<4>().ok_or(Corrupt)?;
        let mut digest = CRC.digest();
        digest.update(covered);
        digest.update(filler);
        if digest.finalize() != u32::from_le_bytes(*sum) {
            return Err(Corrupt);
        }
        let rest = covered.strip_prefix(&MAGIC).ok_or(Corrupt)?;
        let (run, rest) = rest.split_first_chunk().ok_or(Corrupt)?;
        let (publisher, rest) = rest.split_first_chunk().ok_or(Corrupt)?;
        let (sequence, rest) = rest.split_first_chunk().ok_or(Corrupt)?;
        let intended_ns = rest.first_chunk().ok_or(Corrupt)?;
        Ok(Self {
            run: u32::from_le_bytes(*run),
            publisher: u32::from_le_bytes(*publisher),
            sequence: u64::from_le_bytes(*sequence),
            intended_ns: u64::from_le_bytes(*intended_ns),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_stamp() -> impl Strategy<Value = Stamp> {
        (any::<u32>(), any::<u32>(), any::<u64>(), any::<u64>()).prop_map(
            |(run, publisher, sequence, intended_ns)| Stamp { run, publisher, sequence, intended_ns },
        )
    }

    #[test]
    fn layout_is_the_documented_one() {
        let stamp = Stamp { run: 0x0403_0201, publisher: 7, sequence: 0x1122, intended_ns: 9 };
        let bytes = stamp.encode(40);
        assert_eq!(bytes.len(), 40);
        assert_eq!(&bytes[..12], b"OBKB\x01\x02\x03\x04\x07\0\0\0");
        assert_eq!(&bytes[12..28], b"\x22\x11\0\0\0\0\0\0\x09\0\0\0\0\0\0\0");
        assert_eq!(&bytes[32..], [0x22; 8]);
        assert_eq!(stamp.encode(0).len(), HEADER_BYTES);
    }

    proptest! {
        #[test]
        fn what_was_sent_is_read_back(stamp in any_stamp(), size in 0_usize..300) {
            prop_assert_eq!(Stamp::decode(&stamp.encode(size)), Ok(stamp));
        }

        #[test]
        fn one_changed_byte_is_always_noticed(
            stamp in any_stamp(), size in HEADER_BYTES..200, at in any::<prop::sample::Index>(), change in 1_u8..,
        ) {
            let mut bytes = stamp.encode(size);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert_eq!(Stamp::decode(&bytes), Err(Corrupt));
        }

        #[test]
        fn a_cut_or_grown_payload_is_noticed(stamp in any_stamp(), size in 40_usize..200, cut in 1_usize..200) {
            let whole = stamp.encode(size);
            prop_assert_eq!(Stamp::decode(&whole[..size.saturating_sub(cut)]), Err(Corrupt));
            let mut grown = whole;
            grown.push(0);
            prop_assert_eq!(Stamp::decode(&grown), Err(Corrupt));
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Stamp::decode(&bytes);
        }
    }
}
