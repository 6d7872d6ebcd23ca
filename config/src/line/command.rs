//! Commands: one grammar, read by the device and written by the host.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use super::error::ErrorCode;
use super::file::FileCommand;
use super::frame::{TooLong, frame};
use super::reply::Reply;
use super::word::{Word, split, write_word};
use crate::limits::{PASSWORD_LIMIT_BYTES, TRIAL_RANGE_S};
use crate::settings::{Key, LogLevel, shorten};

/// What a device can be asked to do.
#[derive(Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Opens a run; the nonce tells one run from the next.
    Hello {
        /// Random for each run of a client.
        nonce: u64,
    },
    /// One setting.
    Get {
        /// Its name.
        key: Cow<'a, str>,
    },
    /// Every setting.
    List,
    /// Opens a transaction on the settings of this generation.
    Begin {
        /// The generation the caller has read.
        generation: u32,
    },
    /// Sets one setting.
    Set {
        /// Its name.
        key: Cow<'a, str>,
        /// Its value as text.
        value: Cow<'a, str>,
    },
    /// Gives a setting its default again.
    Unset {
        /// Its name.
        key: Cow<'a, str>,
    },
    /// Whether what the transaction holds fits together.
    Check,
    /// Stores and applies the transaction.
    Commit,
    /// Applies the transaction for a while, and stores it only with [`Command::Confirm`].
    CommitTrial {
        /// How long, in seconds.
        seconds: u32,
    },
    /// Stores what is on trial.
    Confirm,
    /// Puts the settings before the last commit in place again, or ends a trial at once.
    Rollback,
    /// Drops the transaction.
    Abort,
    /// Adds a user or changes a password.
    UserSet {
        /// Name of the user.
        name: Cow<'a, str>,
        /// Password in clear; hashed on the device and never given back.
        password: Cow<'a, str>,
    },
    /// Adds a user or changes a password, which is hashed already.
    UserHash {
        /// Name of the user.
        name: Cow<'a, str>,
        /// The hash as text; never given back.
        hash: Cow<'a, str>,
    },
    /// Deletes a user.
    UserDel {
        /// Name of the user.
        name: Cow<'a, str>,
    },
    /// Sets what a user may do.
    UserRights {
        /// Name of the user.
        name: Cow<'a, str>,
        /// List of rights.
        rights: Cow<'a, str>,
    },
    /// Names and rights of the users.
    UserList,
    /// Files.
    File(FileCommand<'a>),
    /// How joining the Wi-Fi network stands.
    WifiStatus,
    /// The Wi-Fi networks in reach.
    WifiScan,
    /// Facts about the device.
    Info,
    /// The last refused connections.
    Refused,
    /// The devices that have announced themselves.
    Devices,
    /// Sets a value of a device.
    DeviceSet {
        /// Its name.
        name: Cow<'a, str>,
        /// Which of its values.
        key: Cow<'a, str>,
        /// The value as it is shown.
        value: Cow<'a, str>,
    },
    /// The channels in use.
    Channels,
    /// Executes a command of OpenBeken's; see [`openbeken`](crate::openbeken).
    Run {
        /// The line.
        command: Cow<'a, str>,
    },
    /// Stores what waits to be stored.
    Flush,
    /// Restarts the device.
    Reboot,
    /// How much is logged until the next restart.
    Log {
        /// The level.
        level: LogLevel,
    },
    /// Lists the commands, or explains one setting.
    Help {
        /// The setting.
        key: Option<Cow<'a, str>>,
    },
}

/// A line of help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandHelp {
    /// The command with its arguments.
    pub usage: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Every command, in the order of the help.
pub const COMMANDS: &[CommandHelp] = &[
    CommandHelp { usage: "hello NONCE", help: "open a run and name the device" },
    CommandHelp { usage: "get KEY", help: "show one setting" },
    CommandHelp { usage: "list", help: "show every setting" },
    CommandHelp { usage: "begin GEN", help: "open a transaction on generation GEN" },
    CommandHelp { usage: "set KEY VALUE", help: "change a setting" },
    CommandHelp { usage: "unset KEY", help: "give a setting its default again" },
    CommandHelp { usage: "check", help: "check what the transaction holds" },
    CommandHelp {
        usage: "commit [trial=SECONDS]",
        help: "store and apply the transaction; on trial: only apply it, until `confirm` or the end of that time",
    },
    CommandHelp { usage: "confirm", help: "store the settings that are on trial" },
    CommandHelp {
        usage: "rollback",
        help: "end a trial, or else put the settings before the last commit in place again",
    },
    CommandHelp { usage: "abort", help: "drop the transaction" },
    CommandHelp { usage: "user set NAME PASSWORD", help: "add a user or change a password" },
    CommandHelp { usage: "user hash NAME HASH", help: "the same with a password that is hashed already" },
    CommandHelp { usage: "user del NAME", help: "delete a user" },
    CommandHelp {
        usage: "user rights NAME RIGHTS",
        help: "set what a user may do: \"read a/#,write b\", everything, admin, or \"\" for nothing",
    },
    CommandHelp { usage: "user list", help: "show the names and rights of the users" },
    CommandHelp { usage: "file ls", help: "show the files, and how many bytes are free" },
    CommandHelp { usage: "file get NAME OFFSET", help: "show a piece of a file, in base64" },
    CommandHelp {
        usage: "file put NAME BYTES SHA256",
        help: "begin to write a file; `same=yes` if it is there already",
    },
    CommandHelp {
        usage: "file data OFFSET BASE64",
        help: "the next piece of the file that is being written",
    },
    CommandHelp { usage: "file end", help: "put what was written in place of the former file" },
    CommandHelp { usage: "file abort", help: "drop what was written" },
    CommandHelp { usage: "file rm NAME", help: "delete a file" },
    CommandHelp {
        usage: "wifi status",
        help: "show whether the Wi-Fi network is joined, the address, or why not",
    },
    CommandHelp { usage: "wifi scan", help: "look for Wi-Fi networks; ask again until running=no" },
    CommandHelp { usage: "info", help: "show facts about the device" },
    CommandHelp { usage: "refused", help: "show the last refused connections" },
    CommandHelp { usage: "devices", help: "show the devices that have announced themselves" },
    CommandHelp {
        usage: "device set NAME KEY VALUE",
        help: "set a value of a device, such as `device set Lamp state on`",
    },
    CommandHelp { usage: "channels", help: "show the channels that are in use" },
    CommandHelp {
        usage: "run COMMAND",
        help: "execute a command of OpenBeken's; when typed, it needs no `run` before it",
    },
    CommandHelp {
        usage: "flush",
        help: "store retained messages and sessions that wait to be stored; ask again until waiting=no",
    },
    CommandHelp { usage: "reboot", help: "restart the device" },
    CommandHelp { usage: "log LEVEL", help: "log error, warn, info or debug until the next restart" },
    CommandHelp { usage: "help [KEY]", help: "show the commands, or explain a setting" },
];

/// A line that is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why and what to do, for people. Arguments are not repeated: one may be a password.
    pub message: String,
}

impl From<&CommandError> for Reply {
    fn from(error: &CommandError) -> Self {
        Self::err(error.code, error.message.clone())
    }
}

impl<'a> Command<'a> {
    /// Reads the body of a frame, or a typed line.
    pub fn parse(line: &'a str) -> Result<Self, CommandError> {
        let words = split(line)
            .map_err(|error| CommandError { code: ErrorCode::Syntax, message: error.to_string() })?;
        let mut words = words.into_iter();
        let Some(verb) = words.next() else {
            return Err(CommandError { code: ErrorCode::Syntax, message: "there is no command".to_string() });
        };
        let verb = verb.into_text();
        let mut arguments = [const { None }; 5];
        // One place more than any command takes, so that too many are noticed.
        for (place, word) in arguments.iter_mut().zip(words) {
            *place = Some(Word::into_text(word));
        }
        match (verb.as_ref(), arguments) {
            ("hello", [Some(nonce), None, ..]) => parse_nonce(&nonce).map(|nonce| Self::Hello { nonce }),
            ("get", [Some(key), None, ..]) => Ok(Self::Get { key }),
            ("list", [None, ..]) => Ok(Self::List),
            ("begin", [Some(generation), None, ..]) => match generation.parse() {
                Ok(generation) => Ok(Self::Begin { generation }),
                Err(_) => Err(bad_argument("begin takes the generation that hello or list shows")),
            },
            ("set", [Some(key), Some(value), None, ..]) => Ok(Self::Set { key, value }),
            ("unset", [Some(key), None, ..]) => Ok(Self::Unset { key }),
            ("check", [None, ..]) => Ok(Self::Check),
            ("commit", [None, ..]) => Ok(Self::Commit),
            ("commit", [Some(trial), None, ..]) => parse_trial(&trial),
            ("confirm", [None, ..]) => Ok(Self::Confirm),
            ("rollback", [None, ..]) => Ok(Self::Rollback),
            ("abort", [None, ..]) => Ok(Self::Abort),
            ("user", [Some(sub), name, password, extra, _]) => match (sub.as_ref(), name, password, extra) {
                ("set", Some(name), Some(password), None) => {
                    check_password(&password).map(|()| Self::UserSet { name, password })
                }
                ("hash", Some(name), Some(hash), None) => Ok(Self::UserHash { name, hash }),
                ("del", Some(name), None, None) => Ok(Self::UserDel { name }),
                ("rights", Some(name), Some(rights), None) => Ok(Self::UserRights { name, rights }),
                ("list", None, None, None) => Ok(Self::UserList),
                _ => Err(usage("user")),
            },
            ("file", [Some(sub), first, second, third, None]) => {
                let arguments = [first.as_deref(), second.as_deref(), third.as_deref()];
                FileCommand::parse(&sub, arguments).unwrap_or_else(|| Err(usage("file"))).map(Self::File)
            }
            ("wifi", [Some(sub), None, ..]) => match sub.as_ref() {
                "status" => Ok(Self::WifiStatus),
                "scan" => Ok(Self::WifiScan),
                _ => Err(usage("wifi")),
            },
            ("info", [None, ..]) => Ok(Self::Info),
            ("refused", [None, ..]) => Ok(Self::Refused),
            ("devices", [None, ..]) => Ok(Self::Devices),
            ("device", [Some(sub), Some(name), Some(key), Some(value), None]) if sub == "set" => {
                Ok(Self::DeviceSet { name, key, value })
            }
            ("channels", [None, ..]) => Ok(Self::Channels),
            ("run", [Some(command), None, ..]) => Ok(Self::Run { command }),
            ("flush", [None, ..]) => Ok(Self::Flush),
            ("reboot", [None, ..]) => Ok(Self::Reboot),
            ("log", [Some(level), None, ..]) => match LogLevel::parse(&level) {
                Some(level) => Ok(Self::Log { level }),
                None => Err(bad_argument("log takes error, warn, info or debug")),
            },
            ("help", [key, None, ..]) => Ok(Self::Help { key }),
            (verb, _) => Err(usage(verb)),
        }
    }

    /// The line [`Command::parse`] reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut line = String::new();
        match self {
            Self::Hello { nonce } => line = format!("hello {nonce:016x}"),
            Self::Get { key } => write_words(&mut line, &["get", key]),
            Self::List => line.push_str("list"),
            Self::Begin { generation } => line = format!("begin {generation}"),
            Self::Set { key, value } => write_words(&mut line, &["set", key, value]),
            Self::Unset { key } => write_words(&mut line, &["unset", key]),
            Self::Check => line.push_str("check"),
            Self::Commit => line.push_str("commit"),
            Self::CommitTrial { seconds } => line = format!("commit {TRIAL}{seconds}"),
            Self::Confirm => line.push_str("confirm"),
            Self::Rollback => line.push_str("rollback"),
            Self::Abort => line.push_str("abort"),
            Self::UserSet { name, password } => write_words(&mut line, &["user", "set", name, password]),
            Self::UserHash { name, hash } => write_words(&mut line, &["user", "hash", name, hash]),
            Self::UserDel { name } => write_words(&mut line, &["user", "del", name]),
            Self::UserRights { name, rights } => write_words(&mut line, &["user", "rights", name, rights]),
            Self::UserList => line.push_str("user list"),
            Self::File(command) => command.encode(&mut line),
            Self::WifiStatus => line.push_str("wifi status"),
            Self::WifiScan => line.push_str("wifi scan"),
            Self::Info => line.push_str("info"),
            Self::Refused => line.push_str("refused"),
            Self::Devices => line.push_str("devices"),
            Self::DeviceSet { name, key, value } => {
                write_words(&mut line, &["device", "set", name, key, value]);
            }
            Self::Channels => line.push_str("channels"),
            Self::Run { command } => write_words(&mut line, &["run", command]),
            Self::Flush => line.push_str("flush"),
            Self::Reboot => line.push_str("reboot"),
            Self::Log { level } => write_words(&mut line, &["log", level.name()]),
            Self::Help { key: None } => line.push_str("help"),
            Self::Help { key: Some(key) } => write_words(&mut line, &["help", key]),
        }
        line
    }

    /// The command as a framed request, with its line end.
    pub fn to_frame(&self, seq: u32) -> Result<String, TooLong> {
        frame(seq, &self.encode())
    }

    /// Whether executing it twice differs from executing it once. Such a command needs a run, keeps its sequence
    /// number when it is sent again, and is answered with exactly one line.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        match self {
            Self::Begin { .. }
            | Self::Set { .. }
            | Self::Unset { .. }
            | Self::Commit
            | Self::CommitTrial { .. }
            | Self::Confirm
            | Self::Rollback
            | Self::Abort
            | Self::UserSet { .. }
            | Self::UserHash { .. }
            | Self::UserDel { .. }
            | Self::UserRights { .. }
            | Self::DeviceSet { .. }
            | Self::Run { .. }
            | Self::Reboot
            | Self::Log { .. } => true,
            Self::File(command) => command.is_changing(),
            Self::Hello { .. }
            | Self::Get { .. }
            | Self::List
            | Self::Check
            | Self::UserList
            | Self::WifiStatus
            | Self::WifiScan
            | Self::Info
            | Self::Flush
            | Self::Devices
            | Self::Channels
            | Self::Refused
            | Self::Help { .. } => false,
        }
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserSet { name, .. } => {
                let mut line = String::new();
                write_words(&mut line, &["user", "set", name]);
                write!(formatter, "Command({line} redacted)")
            }
            Self::UserHash { name, .. } => {
                let mut line = String::new();
                write_words(&mut line, &["user", "hash", name]);
                write!(formatter, "Command({line} redacted)")
            }
            // It may be `ms_pass`.
            Self::Run { .. } => formatter.write_str("Command(run redacted)"),
            Self::Set { key, .. } if Key::find(key).is_none_or(Key::is_secret) => {
                // A key that is not known here may be a newer firmware's secret.
                let mut line = String::new();
                write_words(&mut line, &["set", key]);
                write!(formatter, "Command({line} redacted)")
            }
            other => write!(formatter, "Command({})", other.encode()),
        }
    }
}

/// Whether a password may be this one: lets a client refuse it before sending. The error does not repeat it.
pub fn check_password(password: &str) -> Result<(), CommandError> {
    if password.is_empty() || password.len() > PASSWORD_LIMIT_BYTES {
        return Err(CommandError {
            code: ErrorCode::BadValue,
            message: format!("a password takes 1 to {PASSWORD_LIMIT_BYTES} bytes"),
        });
    }
    Ok(())
}

pub(super) fn write_words(line: &mut String, words: &[&str]) {
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        write_word(line, word);
    }
}

/// In front of the length of a trial.
const TRIAL: &str = "trial=";

fn parse_trial<'a>(word: &str) -> Result<Command<'a>, CommandError> {
    let Some(seconds) = word.strip_prefix(TRIAL) else { return Err(usage("commit")) };
    let seconds = seconds.parse().ok().filter(|seconds| TRIAL_RANGE_S.contains(seconds));
    let (min, max) = (TRIAL_RANGE_S.start(), TRIAL_RANGE_S.end());
    seconds
        .map(|seconds| Command::CommitTrial { seconds })
        .ok_or_else(|| bad_argument(&format!("a trial takes {min} to {max} seconds")))
}

fn parse_nonce(text: &str) -> Result<u64, CommandError> {
    let digits = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16)
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| bad_argument("hello takes 1 to 16 hexadecimal digits"))
}

pub(super) fn bad_argument(message: &str) -> CommandError {
    CommandError { code: ErrorCode::BadValue, message: message.to_string() }
}

/// For a verb with the wrong arguments, or no verb at all.
fn usage(verb: &str) -> CommandError {
    let mut message = String::new();
    for command in COMMANDS.iter().filter(|command| command.usage.split(' ').next() == Some(verb)) {
        message.push_str(if message.is_empty() { "usage: " } else { ", or " });
        message.push_str(command.usage);
    }
    if message.is_empty() {
        let message = format!("there is no command {:?}; help lists them", shorten(verb));
        return CommandError { code: ErrorCode::UnknownCommand, message };
    }
    CommandError { code: ErrorCode::Syntax, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(line: &str) -> Command<'_> {
        Command::parse(line).unwrap()
    }

    #[test]
    fn every_command_of_the_help_is_read() {
        for command in COMMANDS {
            let line = command.usage.replace("NONCE", "1f").replace("GEN", "3").replace("LEVEL", "warn");
            let line = line.replace(['[', ']'], "").replace("SECONDS", "60").replace("OFFSET", "7");
            let line =
                line.replace("BYTES", "9").replace("SHA256", &"5a".repeat(32)).replace("BASE64", "aGk");
            assert_eq!(Command::parse(&parsed(&line).encode()).unwrap(), parsed(&line), "{line}");
        }
    }

    #[test]
    fn wrong_arguments_get_the_usage_and_never_repeat_a_password() {
        for (line, message) in [
            ("set mqtt.port", "usage: set KEY VALUE"),
            ("set mqtt.port 1 2", "usage: set KEY VALUE"),
            ("list all", "usage: list"),
            ("reboot now", "usage: reboot"),
            (
                "user set bob hunter2 x",
                "usage: user set NAME PASSWORD, or user hash NAME HASH, or user del NAME, or user rights NAME RIGHTS, or user list",
            ),
            (
                "user",
                "usage: user set NAME PASSWORD, or user hash NAME HASH, or user del NAME, or user rights NAME RIGHTS, or user list",
            ),
            ("help a b", "usage: help [KEY]"),
            ("hello a b c d e f", "usage: hello NONCE"),
        ] {
            let error = Command::parse(line).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (ErrorCode::Syntax, message), "{line}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        for line in [
            "set wifi.password hunter2",
            "set wifi.secret_of_a_newer_firmware hunter2",
            "user set bob hunter2",
        ] {
            let shown = format!("{:?}", parsed(line));
            assert!(shown.contains("redacted") && !shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(format!("{:?}", parsed("set mqtt.port 1884")), "Command(set mqtt.port 1884)");
    }

    #[test]
    fn bad_lines_have_their_codes() {
        for (line, code) in [
            ("", ErrorCode::Syntax),
            ("  ", ErrorCode::Syntax),
            ("get \"x", ErrorCode::Syntax),
            ("gte x", ErrorCode::UnknownCommand),
            ("GET x", ErrorCode::UnknownCommand),
            ("hello xyz", ErrorCode::BadValue),
            ("hello 12345678901234567", ErrorCode::BadValue),
            ("hello +1", ErrorCode::BadValue),
            ("begin -1", ErrorCode::BadValue),
            ("log loud", ErrorCode::BadValue),
            ("user set bob \"\"", ErrorCode::BadValue),
        ] {
            assert_eq!(Command::parse(line).unwrap_err().code, code, "{line}");
        }
        let long = format!("user set bob {}", "x".repeat(PASSWORD_LIMIT_BYTES + 1));
        let error = Command::parse(&long).unwrap_err();
        assert_eq!(error.message, "a password takes 1 to 128 bytes");
    }

    #[test]
    fn debug_hides_the_password() {
        assert_eq!(format!("{:?}", parsed("user set bob hunter2")), "Command(user set bob redacted)");
        assert_eq!(format!("{:?}", parsed("user hash bob $x$y")), "Command(user hash bob redacted)");
        assert_eq!(format!("{:?}", parsed("set mqtt.port 1")), "Command(set mqtt.port 1)");
    }

    /// The longest name and password of ordinary characters fit, as does the fullest list of filters.
    #[test]
    fn the_longest_ordinary_requests_fit_a_line() {
        let user = Command::UserSet { name: "ä".repeat(32).into(), password: "\"".repeat(128).into() };
        assert!(user.to_frame(u32::MAX).is_ok());
        let filters = "\"".repeat(crate::limits::FILTERS_LIMIT_BYTES / 2);
        let set = Command::Set { key: "retain.persist".into(), value: filters.into() };
        assert!(set.to_frame(u32::MAX).is_ok());
        let rights = "\"".repeat(crate::limits::RIGHTS_LIMIT_BYTES / 2);
        let user = Command::UserRights { name: "ä".repeat(32).into(), rights: rights.into() };
        assert!(user.to_frame(u32::MAX).is_ok());
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "(user |file |commit |set |get |hello |log |help )?[ -~é\u{0}-\u{1f}]{0,60}") {
            if let Ok(command) = Command::parse(&line) {
                let again = command.encode();
                prop_assert_eq!(Command::parse(&again).unwrap(), command);
            }
        }

        #[test]
        fn any_arguments_round_trip(key: String, value: String) {
            let command = Command::Set { key: key.into(), value: value.into() };
            let line = command.encode();
            prop_assert_eq!(Command::parse(&line).unwrap(), command);
        }
    }
}
