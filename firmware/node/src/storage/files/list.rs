//! The list of files: one item, by which a file is there or is not.

use alloc::vec::Vec;

use obkmq_config::line::{FileInfo, FileName};

use super::{LAST_ID, chunks_of};
use crate::storage::StorageError;
use crate::storage::item::Bounded;
use obkmq_broker::Sink as _;

/// The list without its names has so many bytes a file.
const SHORTEST_ENTRY_BYTES: usize = 2 + 4 + 32 + 1 + 1;

/// A file.
pub(super) struct Entry {
    pub(super) info: FileInfo,
    pub(super) id: u16,
}

pub(super) fn encode_list(generation: u32, entries: &[Entry]) -> Result<Vec<u8>, StorageError> {
    let mut list = Bounded::default();
    list.put(&generation.to_le_bytes());
    for Entry { info, id } in entries {
        let name = info.name.as_str().as_bytes();
        list.put(&id.to_le_bytes());
        list.put(&info.bytes.to_le_bytes());
        list.put(&info.sha256);
        list.put(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        list.put(name);
    }
    list.finish()
}

/// Reads a list; `None` if it is none: files are in the order of their names, and each has chunks of its own.
pub(super) fn decode_list(list: &[u8]) -> Result<Option<(u32, Vec<Entry>)>, StorageError> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(list.len() / SHORTEST_ENTRY_BYTES).map_err(|_| StorageError::Memory)?;
    Ok(decode_entries(list, &mut entries).map(|generation| (generation, entries)))
}

fn decode_entries(list: &[u8], entries: &mut Vec<Entry>) -> Option<u32> {
    let (generation, mut rest) = list.split_first_chunk()?;
    while !rest.is_empty() {
        let (id, tail) = rest.split_first_chunk()?;
        let (bytes, tail) = tail.split_first_chunk()?;
        let (sha256, tail) = tail.split_first_chunk()?;
        let (&length, tail) = tail.split_first()?;
        let (name, tail) = tail.split_at_checked(usize::from(length))?;
        let name = FileName::new(core::str::from_utf8(name).ok()?).ok()?;
        let (id, bytes) = (u16::from_le_bytes(*id), u32::from_le_bytes(*bytes));
        let is_in_order = entries.last().is_none_or(|last| last.info.name < name);
        let is_new = entries.iter().all(|entry| entry.id != id);
        let has_keys = id <= LAST_ID && chunks_of(bytes) <= u32::from(u16::MAX);
        (is_in_order && is_new && has_keys).then_some(())?;
        entries.push(Entry { info: FileInfo { name, bytes, sha256: *sha256 }, id });
        rest = tail;
    }
    Some(u32::from_le_bytes(*generation))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::FILES_LIMIT;

    fn entry(name: &str, bytes: u32, id: u16) -> Entry {
        Entry { info: FileInfo { name: FileName::new(name).unwrap(), bytes, sha256: [9; 32] }, id }
    }

    /// What devices have in their flash: these bytes are read for ever.
    #[test]
    fn the_stored_list() {
        let list = encode_list(7, &[entry("a.be", 258, 3)]).unwrap();
        let mut bytes = alloc::vec![7, 0, 0, 0, 3, 0, 2, 1, 0, 0];
        bytes.extend([9; 32]);
        bytes.extend(b"\x04a.be");
        assert_eq!(list, bytes);
        let (generation, entries) = decode_list(&list).unwrap().unwrap();
        assert_eq!((generation, entries.len(), entries[0].id, entries[0].info.bytes), (7, 1, 3, 258));
    }

    #[test]
    fn the_longest_list_fits_an_item() {
        let name = "n".repeat(obkmq_config::limits::FILE_NAME_LIMIT_BYTES);
        let entries: Vec<_> = (0..FILES_LIMIT).map(|_| entry(&name, u32::MAX, u16::MAX)).collect();
        assert!(encode_list(u32::MAX, &entries).is_ok());
    }

    #[test]
    fn files_that_share_a_name_or_chunks_are_no_list() {
        let is_list = |entries: &[Entry]| decode_list(&encode_list(1, entries).unwrap()).unwrap().is_some();
        assert!(is_list(&[entry("a", 1, 1), entry("b", 1, LAST_ID)]));
        assert!(!is_list(&[entry("a", 1, 1), entry("b", 1, 1)]));
        assert!(!is_list(&[entry("a", 1, 1), entry("a", 1, 2)]));
        assert!(!is_list(&[entry("b", 1, 1), entry("a", 1, 2)]));
        // Its chunks would have the key of the list itself.
        assert!(!is_list(&[entry("a", 1, u16::MAX)]));
        assert!(!is_list(&[entry("a", u32::MAX, 1)]));
    }

    proptest! {
        #[test]
        fn whatever_list_is_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Some((generation, entries)) = decode_list(&bytes).unwrap() {
                prop_assert_eq!(encode_list(generation, &entries).unwrap(), bytes);
            }
        }
    }
}
