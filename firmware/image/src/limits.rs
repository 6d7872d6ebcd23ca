//! The sizes that bound what is read; nothing else in this crate holds a magic number of this kind.

/// Segments in one image: the loaders refuse more (`ESP_IMAGE_MAX_SEGMENTS`).
pub const MAX_SEGMENTS: u8 = 16;

/// Bytes of one segment: the second-stage bootloader refuses 16 MiB and more.
pub const MAX_SEGMENT_BYTES: u32 = 0x100_0000;

/// Bytes of a partition table in flash: the rest of its sector may hold a signature.
pub const TABLE_BYTES: usize = 0xC00;

/// Bytes of one entry of a partition table.
pub const TABLE_ENTRY_BYTES: usize = 32;

/// Entries of a partition table besides its MD5 entry and its end mark.
pub const MAX_PARTITIONS: usize = TABLE_BYTES / TABLE_ENTRY_BYTES - 2;

/// Bytes of a partition's name; shorter names are padded with zeros.
pub const PARTITION_NAME_BYTES: usize = 16;

/// Smallest unit of flash that can be erased: every region begins and ends on one.
pub const SECTOR_BYTES: u32 = 0x1000;

/// Applications begin on such a boundary: a page of the memory management unit that maps flash.
pub const APP_ALIGNMENT_BYTES: u32 = 0x1_0000;

/// Bytes of a manifest that is worth reading; ours have about one thousand.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Files that one manifest may name.
pub const MAX_MANIFEST_FILES: usize = 16;
