//! Users: a checked name and a password hash.

use alloc::string::{String, ToString};
use core::fmt;

use super::error::{SettingError, shorten};
use crate::limits::USER_NAME_LIMIT_BYTES;
use crate::password::PasswordHash;

/// Someone who may connect.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    password: PasswordHash,
}

impl User {
    pub(super) fn new(name: &str, password: PasswordHash) -> Result<Self, SettingError> {
        check_name(name)?;
        Ok(Self { name: name.to_string(), password })
    }

    /// 1 to 64 bytes without control characters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the password is checked against.
    #[must_use]
    pub fn password(&self) -> &PasswordHash {
        &self.password
    }
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("name", &self.name).field("password", &self.password).finish()
    }
}

/// Whether a user may have this name: lets a client refuse it before asking for a password.
pub fn check_name(name: &str) -> Result<(), SettingError> {
    if name.is_empty() || name.len() > USER_NAME_LIMIT_BYTES || name.chars().any(char::is_control) {
        return Err(SettingError::BadUserName { given: shorten(name) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        for good in ["a", "küche", "with space", "\"#", &"x".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a\n", "\u{7f}", "\u{85}", &"x".repeat(65), &"é".repeat(33)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
