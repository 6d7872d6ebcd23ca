//! The one user that `ms_user` and `ms_pass` manage, as in OpenBeken's broker, and `ms_port`.
//!
//! A start-up file says them at every boot: flash is touched only when a value changes.

use alloc::string::String;

use obkmq_broker::Instant;
use obkmq_config::limits::{PASSWORD_ITERATIONS_DEFAULT, PASSWORD_LIMIT_BYTES};
use obkmq_config::password::{Check, Derivation, PasswordHash, SALT_BYTES};
use obkmq_config::settings::{LogLevel, check_name};

use super::execute::Outcome;
use crate::board::Board;
use crate::limits::HASH_ITERATIONS_PER_TURN;
use crate::node::Node;

/// A password that is being hashed. It has no `Debug`.
pub(super) struct PasswordTask {
    name: String,
    salt: [u8; SALT_BYTES],
    derivation: Derivation,
    /// The hash the user has, and the same password hashed as that one was.
    known: Option<(PasswordHash, Check)>,
}

impl PasswordTask {
    /// Does a slice of the work; `Ok(None)` at its end if the user has this password already.
    fn step(&mut self) -> Option<Option<PasswordHash>> {
        if let Some((known, check)) = &mut self.known {
            let derived = check.step(HASH_ITERATIONS_PER_TURN)?;
            if known.matches(&derived) {
                return Some(None);
            }
            self.known = None;
            return None;
        }
        let derived = self.derivation.step(HASH_ITERATIONS_PER_TURN)?;
        // The iteration count is a constant of its own range.
        PasswordHash::new(PASSWORD_ITERATIONS_DEFAULT, self.salt, derived).ok().map(Some)
    }
}

impl<B: Board> Node<B> {
    /// The name that the next password is for.
    fn managed_name(&self) -> Option<&str> {
        let stored = Some(self.settings.automation_user()).filter(|name| !name.is_empty());
        self.automation.named.as_deref().or(stored)
    }

    /// `ms_user [NAME]`
    pub(super) fn ms_user(&mut self, name: Option<&str>) -> Outcome {
        let Some(name) = name else {
            return Outcome::answer(self.managed_name().unwrap_or_default());
        };
        if let Err(error) = check_name(name) {
            return Outcome::bad_argument(format_args!("{error}"));
        }
        let former = self.settings.automation_user();
        if former == name {
            self.automation.named = None;
            return Outcome::ok();
        }
        let Some(user) = self.settings.user(former) else {
            // A user without a password would be one without a door.
            self.automation.named = Some(name.into());
            return Outcome::ok();
        };
        let (former, password) = (String::from(former), user.password().clone());
        let rights = String::from(self.settings.user_rights(&former).as_str());
        let renamed = self.commit_apart(|draft| {
            draft.remove_user(&former)?;
            draft.set_user(name, password)?;
            draft.set_user_rights(name, &rights)?;
            draft.set("automation.user", name)
        });
        match renamed {
            Ok(()) => Outcome::ok(),
            Err(error) => Outcome::error(format_args!("{error}")),
        }
    }

    /// `ms_pass [PASSWORD]`
    pub(super) fn ms_pass(&mut self, password: Option<&str>) -> Outcome {
        let Some(name) = self.managed_name() else {
            return Outcome::error(format_args!("there is no user yet; `ms_user NAME` comes first"));
        };
        let user = self.settings.user(name);
        let Some(password) = password else {
            return Outcome::answer(if user.is_some() { "(set)" } else { "(not set)" });
        };
        if password.is_empty() || password.len() > PASSWORD_LIMIT_BYTES {
            return Outcome::bad_argument(format_args!("a password takes 1 to {PASSWORD_LIMIT_BYTES} bytes"));
        }
        let known = user.map(|user| user.password().clone()).filter(|hash| !hash.is_mosquittos());
        let known = known.map(|hash| {
            let check = hash.check(password.as_bytes());
            (hash, check)
        });
        let name = name.into();
        let mut salt = [0; SALT_BYTES];
        self.board.fill_random(&mut salt);
        let derivation = Derivation::new(password.as_bytes(), salt, PASSWORD_ITERATIONS_DEFAULT);
        self.automation.password = Some(PasswordTask { name, salt, derivation, known });
        Outcome::ok()
    }

    /// `ms_port [PORT]`
    pub(super) fn ms_port(&mut self, port: Option<&str>) -> Outcome {
        let Some(port) = port else {
            return Outcome::answer(self.settings.mqtt_port());
        };
        match self.commit_apart(|draft| draft.set("mqtt.port", port)) {
            Ok(()) => Outcome::ok(),
            Err(error) => Outcome::bad_argument(format_args!("{error}")),
        }
    }

    /// Does a slice of hashing.
    pub(super) fn poll_managed_user(&mut self) -> Option<Instant> {
        let task = self.automation.password.as_mut()?;
        let Some(hash) = task.step() else { return Some(self.now) };
        let name = core::mem::take(&mut task.name);
        self.automation.password = None;
        self.automation.named = None;
        let stored = self.commit_apart(|draft| {
            if let Some(hash) = hash {
                draft.set_user(&name, hash)?;
            }
            draft.set("automation.user", &name)
        });
        if let Err(error) = stored {
            self.log(LogLevel::Error, format_args!("the password of {name} is not set: {error}"));
        }
        None
    }
}
