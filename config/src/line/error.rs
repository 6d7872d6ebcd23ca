//! The error codes of the protocol: for programs; the message beside them is for people.

use crate::settings::{SettingError, Stale};

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The line was damaged on its way.
    Crc,
    /// The line, its words or its arguments cannot be read.
    Syntax,
    /// The line is longer than [`LINE_LIMIT`](crate::limits::LINE_LIMIT).
    TooLong,
    /// There is no such command.
    UnknownCommand,
    /// There is no such setting.
    UnknownKey,
    /// A value, name or user is not allowed or not there.
    BadValue,
    /// The settings changed since the caller read them, or a request is older than the last one executed.
    Stale,
    /// A command that needs a transaction came outside one.
    NoTransaction,
    /// A transaction is open already.
    InTransaction,
    /// The device is busy with another request.
    Busy,
    /// Flash could not be read or written.
    Storage,
    /// The device is locked, because its stored settings are damaged.
    Locked,
    /// A fault of the device itself.
    Internal,
    /// A framed request that changes something came before `hello`: the device has been reset since.
    NoHello,
    /// What the command is about does not exist.
    NotThere,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 15] = [
        Self::Crc,
        Self::Syntax,
        Self::TooLong,
        Self::UnknownCommand,
        Self::UnknownKey,
        Self::BadValue,
        Self::Stale,
        Self::NoTransaction,
        Self::InTransaction,
        Self::Busy,
        Self::Storage,
        Self::Locked,
        Self::Internal,
        Self::NoHello,
        Self::NotThere,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc => "crc",
            Self::Syntax => "syntax",
            Self::TooLong => "too-long",
            Self::UnknownCommand => "unknown-command",
            Self::UnknownKey => "unknown-key",
            Self::BadValue => "bad-value",
            Self::Stale => "stale",
            Self::NoTransaction => "no-transaction",
            Self::InTransaction => "in-transaction",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::Locked => "locked",
            Self::Internal => "internal",
            Self::NoHello => "no-hello",
            Self::NotThere => "not-there",
        }
    }

    /// What it means, for a page.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Crc => "the line was damaged on its way",
            Self::Syntax => "the line, its words or its arguments cannot be read",
            Self::TooLong => "the line, or the answer, is longer than a line may be",
            Self::UnknownCommand => "there is no such command",
            Self::UnknownKey => "there is no such setting",
            Self::BadValue => "a value or name is not allowed, or there is no such user",
            Self::Stale => {
                "the settings changed since they were read, or a newer request was executed already"
            }
            Self::NoTransaction => "the command needs an open transaction",
            Self::InTransaction => "a transaction is open already",
            Self::Busy => "another request is in work",
            Self::Storage => "flash could not be read or written",
            Self::Locked => "the stored settings are damaged and wait for their owner",
            Self::Internal => "a fault of the device itself",
            Self::NoHello => {
                "no run is open for this number: the device was reset, or the request is not of this run"
            }
            Self::NotThere => {
                "what the command is about does not exist: a file, settings on trial, settings before these"
            }
        }
    }

    /// The code of that word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }
}

impl From<&SettingError> for ErrorCode {
    fn from(error: &SettingError) -> Self {
        match error {
            SettingError::UnknownKey { .. } => Self::UnknownKey,
            SettingError::BadValue { .. }
            | SettingError::BadSecret { .. }
            | SettingError::Contradiction { .. }
            | SettingError::PortClash { .. }
            | SettingError::Gateway { .. }
            | SettingError::BeyondBoard { .. }
            | SettingError::BadRights { .. }
            | SettingError::BadUserName { .. }
            | SettingError::UnknownUser { .. }
            | SettingError::TooManyUsers
            | SettingError::TooLarge { .. } => Self::BadValue,
        }
    }
}

impl From<&Stale> for ErrorCode {
    fn from(_: &Stale) -> Self {
        Self::Stale
    }
}
