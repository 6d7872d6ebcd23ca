//! Capacities of the node. Nothing else in this crate holds a magic number.

/// PBKDF2 iterations computed in one turn of `poll`: about 8 ms at 120 MHz, so that a log-in never holds up delivery
/// for longer than that. An iteration is 11,000 instructions in Thumb state and 6,000 in ARM state (counted by QEMU's
/// `-icount` for ARMv5TE); at 1.36 cycles each in memory without wait states that is 15,000 and 8,200 cycles.
pub(crate) const HASH_ITERATIONS_PER_TURN: u32 = 64;

/// Failures in a row from one address as one user that have no consequence; the next one begins the pauses.
pub(crate) const BACK_OFF_FREE_FAILURES: u8 = 3;

/// The longest pause after a failure, in seconds. Pauses double from one second.
pub(crate) const BACK_OFF_LONGEST_S: u64 = 60;

/// Pairs of address and user whose failures are counted; 24 bytes each.
pub(crate) const BACK_OFF_PAIRS: usize = 16;

/// A pair that has not failed for so long begins anew, in milliseconds.
pub(crate) const BACK_OFF_FORGET_MS: u64 = 10 * 60 * 1000;

/// Names with passwords that have not proved right and are remembered: while they wait, so that each counts once, and
/// when they are wrong, so that trying one again costs nothing. More than the clients a chip has places for; 40 bytes each.
pub(crate) const GUESSES_REMEMBERED: usize = 64;

/// How long they are remembered, in milliseconds.
pub(crate) const GUESS_REMEMBERED_MS: u64 = 10 * 60 * 1000;

/// Pairs of address and user that are remembered because they got in; 8 bytes each. As many as a chip has places for
/// clients, and some that have changed their address.
pub(crate) const TRUSTED_PAIRS: usize = 64;

/// Wrong guesses at the password of a user who has been let in before that may be compared with the remembered one
/// before a derivation is done for any of them. Enough for a house that has several devices with a typo.
pub(crate) const GUESSES_IN_ADVANCE: u8 = 8;

/// Longest password that is looked at in full, in bytes. A longer one is wrong.
pub(crate) const PASSWORD_LOOKED_AT_BYTES: usize = 1024;

/// Bytes of log lines that may wait for a slow UART; further lines are dropped and counted.
pub(crate) const CONSOLE_LOG_BYTES: usize = 2048;

/// Bytes that may wait for a slow UART in all. The longest answer (`list` of every setting, or 32 users with the
/// longest names) fits on top of [`CONSOLE_LOG_BYTES`].
pub(crate) const CONSOLE_OUTPUT_BYTES: usize = CONSOLE_LOG_BYTES + 12 * 1024;

/// Console input that waits while a command is at work (hashing a password takes a quarter of a second), in bytes.
/// What does not fit is lost; its line is then refused, and a program sends it again.
pub(crate) const CONSOLE_INPUT_BYTES: usize = 1024;

/// How long the rest of a packet of a browser may take, in milliseconds. What comes later is a new line.
pub(crate) const PACKET_PAUSE_MS: u64 = 500;

/// How long a browser waits for its network to be joined, in milliseconds: less than the 30 s after which it gives up
/// by itself, and enough for a slow router.
pub(crate) const BROWSER_JOIN_MS: u64 = 25_000;

/// How long the board's own network stays open once another one is joined, in milliseconds: whoever has set that one
/// through it is to see that it worked.
pub(crate) const OWN_NETWORK_LINGER_MS: u64 = 60_000;

/// Starts in a row that have to fail before the owner's start-up files and network are left alone.
pub(crate) const SAFE_MODE_STARTS: u8 = 3;

/// How long a run has to last to have been a good start, in milliseconds.
pub(crate) const STEADY_MS: u64 = 60_000;

/// Networks that `wifi scan` shows.
pub(crate) const SCAN_NETWORKS_SHOWN: usize = 32;

/// How long what a scan has found is shown before another one is begun, in milliseconds: from its beginning.
pub(crate) const SCAN_FRESH_MS: u64 = 15_000;

/// Refused connections kept for `refused` and `info`.
pub(crate) const REFUSED_KEPT: usize = 8;

/// Longest item of flash storage; an item has to fit a page together with its key and headers.
pub(crate) const FLASH_ITEM_BYTES: usize = 4096 - 64;

/// Least time between two writes to flash on behalf of retained messages and sessions, in microseconds. An erase may
/// stall a chip for up to 100 ms; one in ten leaves nine tenths of the time to clients.
pub(crate) const JOURNAL_WRITE_INTERVAL_US: u64 = 200_000;

/// Time without writes after one has failed, in microseconds: finding no room costs erasures too.
pub(crate) const JOURNAL_FAILED_PAUSE_US: u64 = 60_000_000;

/// Changes looked at in one turn when most of them are not to be kept in flash.
pub(crate) const CHANGES_PER_TURN: usize = 32;

/// Stored items noted for removal, 16 bytes each. For the others the region is searched again.
pub(crate) const UNWANTED_ITEMS_KEPT: usize = 64;

/// Consoles beside the one of the board's own wire. Each may hold [`CONSOLE_OUTPUT_BYTES`] while nobody reads it, so only
/// boards that have other ways in (a PC) open any.
pub(crate) const ATTACHED_CONSOLES: usize = 8;

/// Steps of a script that run in one turn of `poll`: about 2 ms at 120 MHz.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_STEPS_PER_TURN: u32 = 2_000;

/// Steps that a publication costs a script, besides one for eight bytes: so that one turn publishes a bounded number.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_MESSAGE_STEPS: usize = 50;

/// Callbacks and timers of a script.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_CALLBACKS: usize = 128;

/// Events that may wait for a script; further ones are lost and counted.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_EVENTS_WAITING: usize = 32;

/// Turns that a script's start waits at most for commands that are to run before.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_START_TURNS: u8 = 200;

/// Failures in a row after which a callback is switched off.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_FAILURES: u8 = 5;

/// Messages and events of scripts that may lead to each other, one after the other.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_CASCADE: u8 = 8;

/// The shortest interval, in milliseconds.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_INTERVAL_MS: u32 = 10;

/// The longest sleep of a script, in milliseconds: its other callbacks wait meanwhile.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_SLEEP_MS: u32 = 60_000;

/// The largest source.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_SOURCE_BYTES: usize = 64 * 1024;

/// Bytes of a line that a script prints, and lines of what it prints at once, or of a traceback.
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_LINE_BYTES: usize = 400;
/// See [`SCRIPT_LINE_BYTES`].
#[cfg(feature = "scripts")]
pub(crate) const SCRIPT_LINES: usize = 24;

/// Files that are stored. The list of them is one item; 40 bytes and the name each, in RAM too.
pub(crate) const FILES_LIMIT: usize = 32;

/// Interrupted uploads and former files that are noted at boot for removal; further ones wait for the next boot.
pub(crate) const UNLISTED_FILES_NOTED: usize = 16;

/// Channels, numbered from 0, as OpenBeken has them.
#[cfg(feature = "automation")]
pub(crate) const CHANNELS: u8 = 64;

/// Longest label or type of a channel.
#[cfg(feature = "automation")]
pub(crate) const CHANNEL_TEXT_BYTES: usize = 32;

/// How deep brackets and signs of an expression may be nested: each takes stack.
#[cfg(feature = "automation")]
pub(crate) const EXPRESSION_DEPTH: u8 = 8;

/// Longest line of a file of commands, and longest command that is kept for later.
#[cfg(feature = "automation")]
pub(crate) const COMMAND_BYTES: usize = 512;

/// How deep commands may stand in each other (`backlog`, `if`, aliases): each takes stack.
#[cfg(feature = "automation")]
pub(crate) const COMMAND_DEPTH: u8 = 8;

/// Commands that one may hold, in backlogs and aliases: aliases that name each other many times would multiply.
#[cfg(feature = "automation")]
pub(crate) const COMMANDS_AT_ONCE: u16 = 256;

/// How many commands and messages may lead to each other before the next one is dropped.
#[cfg(feature = "automation")]
pub(crate) const CASCADE_DEPTH: u8 = 16;

/// Commands that wait for their turn.
#[cfg(feature = "automation")]
pub(crate) const COMMANDS_QUEUED: usize = 64;

/// Commands from MQTT that are executed in one turn.
#[cfg(feature = "automation")]
pub(crate) const MQTT_COMMANDS_PER_TURN: usize = 4;

/// Handlers of events and changes.
#[cfg(feature = "automation")]
pub(crate) const HANDLERS: usize = 64;

/// Aliases.
#[cfg(feature = "automation")]
pub(crate) const ALIASES: usize = 32;

/// Repeating events.
#[cfg(feature = "automation")]
pub(crate) const REPEATING_EVENTS: usize = 32;

/// Clock events.
#[cfg(feature = "automation")]
pub(crate) const CLOCK_EVENTS: usize = 32;

/// Bytes of all commands that are kept for later: of handlers, timers and aliases.
#[cfg(feature = "automation")]
pub(crate) const AUTOMATION_TEXT_BYTES: usize = 8 * 1024;

/// Files of commands that run at once. They share the text of a file.
#[cfg(feature = "automation")]
pub(crate) const THREADS: usize = 8;

/// Longest file of commands; it is in memory while it runs.
#[cfg(feature = "automation")]
pub(crate) const BATCH_FILE_BYTES: usize = 8 * 1024;

/// What one `flush` stores: fewer than an erase of a page apart, so that clients wait for two of them at most.
pub(crate) const FLUSHED_AT_A_TIME: u32 = 8;

/// How deep the JSON of devices may be nested.
#[cfg(feature = "discovery")]
pub(crate) const JSON_DEPTH: usize = 8;

/// Longest key of JSON that anybody looks for.
#[cfg(feature = "discovery")]
pub(crate) const JSON_KEY_BYTES: usize = 32;

/// Longest text of JSON that holds escapes, and is therefore copied.
#[cfg(feature = "discovery")]
pub(crate) const JSON_TEXT_BYTES: usize = 512;

/// How deep the brackets of a template may be nested: each takes stack.
#[cfg(feature = "discovery")]
pub(crate) const TEMPLATE_DEPTH: u8 = 8;

/// Longest value of a device that is shown; more of it is cut off.
#[cfg(feature = "discovery")]
pub(crate) const DEVICE_VALUE_BYTES: usize = 48;

/// Entities of one device's announcement.
#[cfg(feature = "discovery")]
pub(crate) const DEVICE_COMPONENTS: usize = 32;

/// Choices, relays and the like of one entity.
#[cfg(feature = "discovery")]
pub(crate) const DEVICE_LIST_ITEMS: usize = 32;

/// Filters by which devices are heard: as many as a reader of the broker may have.
#[cfg(feature = "discovery")]
pub(crate) const DISCOVERY_FILTERS: usize = 64;

/// Longest topic of a device that is looked at.
#[cfg(feature = "discovery")]
pub(crate) const DISCOVERY_TOPIC_BYTES: usize = 256;

/// Messages of devices that are taken in one turn.
#[cfg(feature = "discovery")]
pub(crate) const DISCOVERY_MESSAGES_PER_TURN: usize = 4;
