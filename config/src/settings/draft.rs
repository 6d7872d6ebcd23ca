//! Changes that are prepared on a copy and take effect together or not at all.

use super::error::{SettingError, Stale};
use super::{PasswordHash, Settings};

/// A transaction on settings. The settings it was begun on stay as they are until its owner puts what
/// [`Draft::finish`] gives in their place; dropping the draft is its abort.
#[derive(Debug, Clone)]
pub struct Draft {
    base: Settings,
    staged: Settings,
}

impl Draft {
    /// Begins on `current`, which must be of the generation the caller has seen.
    pub fn begin(current: &Settings, generation: u32) -> Result<Self, Stale> {
        if current.generation() != generation {
            return Err(Stale { given: generation, current: current.generation() });
        }
        Ok(Self { base: current.clone(), staged: current.clone() })
    }

    /// See [`Settings::set`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        self.staged.set(key, value)
    }

    /// See [`Settings::unset`].
    pub fn unset(&mut self, key: &str) -> Result<(), SettingError> {
        self.staged.unset(key)
    }

    /// See [`Settings::set_user`].
    pub fn set_user(&mut self, name: &str, password: PasswordHash) -> Result<(), SettingError> {
        self.staged.set_user(name, password)
    }

    /// See [`Settings::remove_user`].
    pub fn remove_user(&mut self, name: &str) -> Result<(), SettingError> {
        self.staged.remove_user(name)
    }

    /// See [`Settings::set_user_rights`].
    pub fn set_user_rights(&mut self, name: &str, rights: &str) -> Result<(), SettingError> {
        self.staged.set_user_rights(name, rights)
    }

    /// What the settings would be now.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.staged
    }

    /// What they were when the draft was begun.
    #[must_use]
    pub fn base(&self) -> &Settings {
        &self.base
    }

    /// Whether anything differs: a draft without a difference needs no write to flash.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.base != self.staged
    }

    /// Whether the settings as they would be now fit together.
    pub fn check(&self) -> Result<(), SettingError> {
        self.staged.check()
    }

    /// Ends the draft: its settings with the next generation, to be stored and then used.
    pub fn finish(self) -> Result<Settings, SettingError> {
        self.staged.check()?;
        let mut settings = self.staged;
        // Flash wears out after some hundred thousand generations; going round is still better than standing still.
        settings.generation = settings.generation.wrapping_add(1);
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::PasswordHash;

    #[test]
    fn a_stale_base_is_refused() {
        let current = Settings::default();
        assert_eq!(Draft::begin(&current, 7).unwrap_err(), Stale { given: 7, current: 0 });
    }

    #[test]
    fn staged_changes_leave_the_base_alone_and_end_in_the_next_generation() {
        let current = Settings::default();
        let mut draft = Draft::begin(&current, 0).unwrap();
        draft.set("mqtt.port", "1884").unwrap();
        draft.set_user("bob", PasswordHash::derive(b"pw", [0; 16])).unwrap();
        assert!(draft.is_changed());
        assert_eq!((draft.base().mqtt_port(), draft.settings().mqtt_port()), (1883, 1884));
        let next = draft.finish().unwrap();
        assert_eq!((next.generation(), next.mqtt_port(), next.users().len()), (1, 1884, 1));
        assert_eq!((current.generation(), current.mqtt_port()), (0, 1883));
        assert!(Draft::begin(&next, 0).is_err());
    }

    #[test]
    fn a_change_taken_back_is_no_change() {
        let mut draft = Draft::begin(&Settings::default(), 0).unwrap();
        draft.set("mqtt.port", "1884").unwrap();
        draft.unset("mqtt.port").unwrap();
        draft.set("log.level", "info").unwrap();
        assert!(!draft.is_changed());
    }

    #[test]
    fn settings_that_contradict_each_other_are_not_finished() {
        let mut draft = Draft::begin(&Settings::default(), 0).unwrap();
        draft.set("mqtt.max_packet_bytes", "65537").unwrap();
        assert!(draft.check().is_err());
        assert!(draft.clone().finish().is_err());
        draft.set("mqtt.max_queued_bytes", "65537").unwrap();
        assert!(draft.finish().is_ok());
    }
}
