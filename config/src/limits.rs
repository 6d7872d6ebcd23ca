//! Every capacity of this crate, with the reason for its size.

/// Longest line of the serial protocol in bytes, without its line end. One request with a long password or a full
/// `retain.persist` fits; two such buffers are still small beside a TCP socket.
pub const LINE_LIMIT: usize = 512;

/// Longest flash form of [`Settings`](crate::settings::Settings) in bytes. All settings are one flash item, because
/// one append is one atomic commit, and an item must fit a 4 KiB flash page beside the store's own headers. 32 users with
/// names of 12 bytes and rights of 27 bytes each fit together with a Wi-Fi network, a time zone and a place.
pub const ENCODED_LIMIT: usize = 3_900;

/// Most users of one device.
pub const USERS_LIMIT: usize = 32;

/// Longest user name in bytes.
pub const USER_NAME_LIMIT_BYTES: usize = 64;

/// Longest password in bytes: with the longest name and ordinary characters it still fits a line.
pub const PASSWORD_LIMIT_BYTES: usize = 128;

/// Most topic filters in one list.
pub const FILTERS_LIMIT: usize = 16;

/// Longest list of topic filters in bytes, where `"` and `\` count twice: so that `key=… value="…"` fits a line.
pub const FILTERS_LIMIT_BYTES: usize = 384;

/// Most rights of one user.
pub const RIGHTS_LIMIT: usize = 16;

/// Longest list of rights in bytes, where `"` and `\` count twice: so that it fits a line together with the longest
/// user name of ordinary characters.
pub const RIGHTS_LIMIT_BYTES: usize = 320;

/// PBKDF2 iterations of a newly set password: the least that RFC 7677 allows. On a 120 MHz ARM9 that runs from memory
/// without wait states they take 0.5 s in Thumb state and 0.3 s in ARM state (11,000 and 6,000 instructions each,
/// counted by QEMU; 1.36 cycles an instruction assumed). That is a long time for a guesser on the network, and short
/// enough for a house whose devices share a user. `firmware/node/src/tests/reconnect.rs` says what it means for one
/// whose devices do not.
pub const PASSWORD_ITERATIONS_DEFAULT: u32 = 4_096;

/// Most iterations a stored hash may ask for: beyond it one login would keep the slowest chip busy for a minute.
pub const PASSWORD_ITERATIONS_LIMIT: u32 = 1_000_000;

/// PBKDF2-HMAC-SHA256 iterations that take as long as one of PBKDF2-HMAC-SHA512 on a chip: 34,000 instructions against
/// 10,500 to 13,700 on RV32IMC, counted by QEMU.
pub const MOSQUITTO_UNITS_PER_ITERATION: u32 = 3;

/// Most iterations a hash of mosquitto's may ask for: as long a check as [`PASSWORD_ITERATIONS_LIMIT`] allows. It makes
/// them with 101 (2.0) or 1,000 (2.1) unless it is told otherwise.
pub const MOSQUITTO_ITERATIONS_LIMIT: u32 = PASSWORD_ITERATIONS_LIMIT / MOSQUITTO_UNITS_PER_ITERATION;

/// Longest salt of a hash of mosquitto's, in bytes: it makes 12 (up to 2.0) or 64 (2.1).
pub const MOSQUITTO_SALT_LIMIT_BYTES: usize = 64;

/// Characters of a refused value or name that an error repeats.
pub const QUOTED_BACK_LIMIT_CHARS: usize = 48;

/// How often a client sends one request before it gives up.
pub const CLIENT_ATTEMPTS_LIMIT: u32 = 6;

/// Most `+` lines of one reply that a client collects.
pub const CLIENT_REPLY_LINES_LIMIT: usize = 1_024;

/// How far the number of a changing request may lie above the newest one of its run. Clients start their runs far
/// apart, so a late copy from another run lies outside.
pub const SEQUENCE_WINDOW: u32 = 1_000;

/// Ended runs whose nonces a device remembers, so that a late copy of their `hello` does not open them again.
pub const ENDED_RUNS_LIMIT: usize = 4;

/// Longest name of a Wi-Fi network in bytes (IEEE 802.11).
pub const SSID_LIMIT_BYTES: usize = 32;

/// Longest name of a device in bytes: what DHCP clients of chips send.
pub const HOST_LABEL_LIMIT_BYTES: usize = 32;

/// Longest name of a server in bytes.
pub const SERVER_LIMIT_BYTES: usize = 64;

/// Longest time zone in bytes: the longest in use today has 44.
pub const ZONE_LIMIT_BYTES: usize = 64;

/// How long settings may be on trial, in seconds: long enough for a board to join a network at all, short enough for an
/// owner to wait for the old ones to come back.
pub const TRIAL_RANGE_S: core::ops::RangeInclusive<u32> = 10..=3_600;

/// Bytes of a file that one request or answer carries: in base64 they fit a line beside the longest numbers.
pub const FILE_PIECE_LIMIT_BYTES: usize = 342;

/// Longest name of a file in bytes.
pub const FILE_NAME_LIMIT_BYTES: usize = 32;

/// Bytes of a SHA-256.
pub const FILE_SHA256_BYTES: usize = 32;
