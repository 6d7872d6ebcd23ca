//! What a settings file wants of a device, and which commands make it so.

use std::path::{Path, PathBuf};

use obkmq_config::line::Command;
use obkmq_config::settings::{KEYS, Key, Settings};
use obkmq_config::toml::{self, PasswordSource, Position};
use obkmq_host::SETTINGS_FILE_BYTES;
use serde::Serialize;

use super::state::State;
use crate::failure::{Exit, Failure};
use crate::secret::Secret;

/// A settings file, with everything that it refers to.
pub(super) struct Wanted {
    path: PathBuf,
    settings: Settings,
    secrets: Vec<(&'static Key, Position, Source)>,
    users: Vec<(String, Source)>,
}

/// Where a password or secret comes from.
enum Source {
    Clear(Secret),
    Hash(String),
    /// The device has it.
    Keep(Position),
}

/// A command and what it changes; nothing if another step's line says it already.
pub(super) struct Step<'a> {
    pub(super) command: Command<'a>,
    pub(super) change: Option<Change>,
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// The setting, or `users.NAME`.
    pub(super) key: String,
    /// What is there; nothing for a new user.
    pub(super) from: Option<String>,
    /// What is to be there; nothing for a user who goes.
    pub(super) to: Option<String>,
}

impl Change {
    /// For people: `+`, `-` or `~`, the name, and the two values.
    pub(super) fn to_text(&self, width: usize) -> String {
        let key = &self.key;
        match (&self.from, &self.to) {
            (None, Some(to)) => format!("+ {key:width$}  {to}"),
            (Some(from), Some(to)) => format!("~ {key:width$}  {from} -> {to}"),
            (Some(_), None) => format!("- {key}"),
            (None, None) => format!("  {key}"),
        }
    }
}

impl Wanted {
    /// Reads the file and what it refers to, so that nothing is missing later.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = obkmq_host::read_text(path, SETTINGS_FILE_BYTES).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{} cannot be read.", path.display()),
                error.to_string(),
                "correct its name; `obkmq config export` writes one from a device",
            )
        })?;
        // What a redirection leaves behind when its command fails. Applied, it would take away every user.
        if text.trim_ascii().is_empty() {
            return Err(Failure::new(
                Exit::Settings,
                format!("{} is empty; nothing was sent.", path.display()),
                "applied, it would delete all users and give every setting its default",
                "write it again: obkmq config export; a file with nothing but a comment (#) means just that",
            )
            .into());
        }
        let file = toml::parse(&text).map_err(|error| {
            Failure::new(
                Exit::Settings,
                format!("{} has mistakes; nothing was sent.", path.display()),
                error.to_string(),
                "correct the file and run the same command again",
            )
        })?;
        let source = |source: &PasswordSource, position: Position, what: String| -> Result<Source, Failure> {
            if *source == PasswordSource::Keep {
                return Ok(Source::Keep(position));
            }
            let secret = obkmq_host::resolve(path, source, || what.clone()).map_err(|error| {
                let next = "set the variable or make the file, and run the same command again";
                Failure::new(
                    Exit::Usage,
                    format!("{what} is not where {} says.", path.display()),
                    error.to_string(),
                    next,
                )
            })?;
            Ok(Source::Clear(Secret::new(secret)))
        };
        let mut secrets = Vec::new();
        for reference in &file.secrets {
            let secret = source(&reference.source, reference.position, reference.key.name.to_owned())?;
            secrets.push((reference.key, reference.position, secret));
        }
        let mut users = Vec::new();
        for reference in &file.passwords {
            let what = format!("The password of {}", reference.user);
            users.push((reference.user.clone(), source(&reference.source, reference.position, what)?));
        }
        let hashed = file.settings.users().iter();
        users.extend(hashed.map(|user| (user.name().to_owned(), Source::Hash(user.password().to_text()))));
        users.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { path: path.to_owned(), settings: file.settings, secrets, users })
    }

    /// How many passwords a device would have to hash.
    pub(super) fn passwords(&self) -> usize {
        self.users.iter().filter(|(_, source)| matches!(source, Source::Clear(_))).count()
    }

    /// What has to be said to a device in this state. What a step changes only the device knows, where it concerns a
    /// password or a secret: all of those are said.
    ///
    /// # Errors
    /// Everything in the file that this device cannot have.
    pub(super) fn steps<'a>(&'a self, state: &'a State) -> Result<Vec<Step<'a>>, Failure> {
        let mut impossible = Vec::new();
        let mut steps = Vec::new();
        self.leaving(state, &mut steps);
        self.settings(state, &mut steps, &mut impossible);
        self.secrets(state, &mut steps, &mut impossible);
        self.users(state, &mut steps, &mut impossible);
        if impossible.is_empty() {
            return Ok(steps);
        }
        Err(Failure::new(
            Exit::Settings,
            format!("This device cannot have what {} says; nothing was changed.", self.path.display()),
            impossible.join("\n"),
            "correct the file, or write newer firmware: obkmq flash",
        ))
    }

    /// Users who go, before anything that needs their room.
    fn leaving<'a>(&'a self, state: &'a State, steps: &mut Vec<Step<'a>>) {
        for user in &state.users {
            if !self.users.iter().any(|(name, _)| *name == user.name) {
                steps.push(Step {
                    command: Command::UserDel { name: user.name.as_str().into() },
                    change: Some(Change {
                        key: format!("users.{}", user.name),
                        from: Some(user.rights.clone()),
                        to: None,
                    }),
                });
            }
        }
    }

    /// Keys that this program does not know are left alone: the file cannot name them.
    fn settings<'a>(&'a self, state: &'a State, steps: &mut Vec<Step<'a>>, impossible: &mut Vec<String>) {
        for entry in self.settings.entries().filter(|entry| !entry.key.is_secret()) {
            let name = entry.key.name;
            let Some(there) = state.setting(name) else {
                if !entry.is_default {
                    impossible.push(format!("{name}: its firmware is older and has no such setting"));
                }
                continue;
            };
            if (entry.is_default && there.default)
                || (!entry.is_default && !there.default && entry.value == there.value)
            {
                continue;
            }
            let (command, to) = if entry.is_default {
                (Command::Unset { key: name.into() }, format!("{} (default)", shown(&entry.value)))
            } else {
                let value = entry.value.clone().into();
                (Command::Set { key: name.into(), value }, shown(&entry.value))
            };
            let from = if there.default {
                format!("{} (default)", shown(&there.value))
            } else {
                shown(&there.value)
            };
            let change = Some(Change { key: name.to_owned(), from: Some(from), to: Some(to) });
            steps.push(Step { command, change });
        }
    }

    fn secrets<'a>(&'a self, state: &'a State, steps: &mut Vec<Step<'a>>, impossible: &mut Vec<String>) {
        for key in KEYS.iter().filter(|key| key.is_secret()) {
            let wanted = self.secrets.iter().find(|(other, ..)| other.id == key.id);
            let there = state.setting(key.name);
            let is_set = there.is_some_and(|there| !there.default);
            let change = |to: &str| {
                let from = if is_set { "(set)" } else { "(not set)" };
                Some(Change {
                    key: key.name.to_owned(),
                    from: Some(from.to_owned()),
                    to: Some(to.to_owned()),
                })
            };
            match wanted {
                Some((.., Source::Keep(_))) if is_set => {}
                Some((_, position, Source::Keep(_))) => impossible.push(format!(
                    "{position}: {} is \"keep\", and the device has none; write \"env:NAME\" or \"file:PATH\"",
                    key.name
                )),
                Some(_) if there.is_none() => {
                    impossible.push(format!("{}: its firmware is older and has no such setting", key.name));
                }
                Some((.., Source::Clear(secret) )) => steps.push(Step {
                    command: Command::Set { key: key.name.into(), value: secret.expose().into() },
                    change: change(if is_set { "another" } else { "(set)" }),
                }),
                Some((.., Source::Hash(_))) => {}
                None if is_set => {
                    steps.push(Step { command: Command::Unset { key: key.name.into() }, change: change("(not set)") });
                }
                None => {}
            }
        }
    }

    fn users<'a>(&'a self, state: &'a State, steps: &mut Vec<Step<'a>>, impossible: &mut Vec<String>) {
        for (name, source) in &self.users {
            let there = state.user(name);
            let key = format!("users.{name}");
            let rights = self.settings.user_rights(name).as_str();
            let command = match source {
                Source::Clear(password) => {
                    Some(Command::UserSet { name: name.as_str().into(), password: password.expose().into() })
                }
                Source::Hash(hash) => {
                    Some(Command::UserHash { name: name.as_str().into(), hash: hash.as_str().into() })
                }
                Source::Keep(_) if there.is_some() => None,
                Source::Keep(position) => {
                    impossible.push(format!(
                        "{position}: {key}.password is \"keep\", and the device has no such user; write \"env:NAME\" or \
                         \"file:PATH\""
                    ));
                    continue;
                }
            };
            if let Some(command) = command {
                let (from, to) = match there {
                    None => (None, shown(rights)),
                    Some(_) => (Some("password".to_owned()), "another password".to_owned()),
                };
                steps.push(Step { command, change: Some(Change { key: key.clone(), from, to: Some(to) }) });
            }
            let rights_there = there.map_or("everything", |user| user.rights.as_str());
            if rights_there != rights {
                let command = Command::UserRights { name: name.as_str().into(), rights: rights.into() };
                // Of a new user the rights stand in the line that adds them.
                let change = there.map(|user| Change {
                    key,
                    from: Some(shown(&user.rights)),
                    to: Some(shown(rights)),
                });
                steps.push(Step { command, change });
            }
        }
    }
}

/// A value where none at all would look like a mistake.
fn shown(value: &str) -> String {
    if value.is_empty() { "(empty)".to_owned() } else { value.to_owned() }
}
