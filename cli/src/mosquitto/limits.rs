//! Sizes of mosquitto's files.

/// A configuration, password or ACL file larger than this is none.
pub(super) const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// Files that one configuration may include.
pub(super) const INCLUDED_LIMIT: usize = 100;
