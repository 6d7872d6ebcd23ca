//! The profile: what the CLI remembers about the owner's board.
//!
//! One flat TOML file with the keys `host`, `port`, `user`, `password`, and `serial` or `data`. The first of these that
//! exists is read, whole; files are never mixed, so that a password cannot meet another file's host:
//!
//! 1. `--profile FILE` or `OBKMQ_PROFILE` (one that does not exist is as an empty one, with a warning),
//! 2. `obkmq.toml` in the current folder,
//! 3. `obkmq/obkmq.toml` in the user's configuration folder (`~/.config` on Linux).
//!
//! `password` may be a reference: `env:NAME` or `file:PATH` (relative to the profile's folder).

mod save;

pub(crate) use save::{Remembered, save};

use std::path::{Path, PathBuf};

use obkmq_config::settings::KEYS;
use toml::de::{DeTable, DeValue};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::reference::Reference;
use crate::secret::Secret;
use crate::target::{DEFAULT_PORT, HostPort};

/// The file's name in a project folder and in the user's configuration folder.
pub(crate) const FILE_NAME: &str = "obkmq.toml";

/// A profile larger than this is not one.
const LIMIT_BYTES: u64 = 64 * 1024;

/// What a profile file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The file it was read from.
    pub(crate) path: Option<PathBuf>,
    pub(crate) host: Option<HostPort>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    /// The serial port that `--port` would name.
    pub(crate) serial: Option<String>,
    /// The folder that `--data` would name, relative to the profile's.
    pub(crate) data: Option<PathBuf>,
}

/// What said a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An option of the command.
    Flag,
    /// An environment variable.
    Environment(&'static str),
    /// A profile.
    Profile(PathBuf),
}

/// Reads the profile that wins, or an empty one when there is none.
pub(crate) fn load(context: &Context) -> anyhow::Result<Profile> {
    let Some(path) = find(context.profile.as_deref()) else {
        return Ok(Profile::default());
    };
    let text = match obkmq_host::read_text(&path, LIMIT_BYTES) {
        Ok(text) => text,
        // A profile that is named and not there yet is the one that --save will make.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            context.warn(format_args!("there is no profile {} yet", path.display()));
            return Ok(Profile::default());
        }
        Err(error) => {
            return Err(Failure::new(
                Exit::Usage,
                format!("The profile {} cannot be read.", path.display()),
                error.to_string(),
                "see to the file, or name another one with --profile FILE",
            )
            .into());
        }
    };
    let parsed = parse(&text).map_err(|error| {
        let next = if is_settings(&text) {
            "this looks like settings for `obkmq run --config`: give them another name, or name a profile with --profile"
        } else {
            "correct that line; the keys are host, port, user, password, serial and data"
        };
        Failure::new(
            Exit::Usage,
            format!("The profile {} cannot be used.", path.display()),
            error,
            next,
        )
    })?;
    if parsed.password.as_deref().is_some_and(|text| Reference::parse(text).is_none()) {
        warn_if_others_can_read(&path, context);
    }
    let password = parsed.password.map(|text| resolve_password(&text, &path)).transpose()?;
    context.detail(format_args!("profile: {}", path.display()));
    let data = parsed.data.map(|data| path.parent().unwrap_or(Path::new("")).join(data));
    Ok(Profile {
        path: Some(path),
        host: parsed.host,
        user: parsed.user,
        password,
        serial: parsed.serial,
        data,
    })
}

/// Every place where a profile may be, in the order in which they are looked at.
pub(crate) fn searched(context: &Context) -> Vec<PathBuf> {
    match &context.profile {
        Some(named) => vec![named.clone()],
        None => [Some(PathBuf::from(FILE_NAME)), user_file()].into_iter().flatten().collect(),
    }
}

/// The file that is read, by the order in the module's documentation.
fn find(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named.to_owned());
    }
    let project = PathBuf::from(FILE_NAME);
    if project.is_file() {
        return Some(project);
    }
    user_file().filter(|path| path.is_file())
}

/// The profile in the user's configuration folder, existing or not.
pub(crate) fn user_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("obkmq").join(FILE_NAME))
}

/// The file's content, checked, references not yet resolved.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    host: Option<HostPort>,
    user: Option<String>,
    password: Option<String>,
    serial: Option<String>,
    data: Option<String>,
}

fn parse(text: &str) -> Result<Parsed, String> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        // The parser's message may quote what it read; a password's line must not be repeated.
        format!("line {line}: {}", error.message().lines().next().unwrap_or("not TOML"))
    })?;
    let mut parsed = Parsed::default();
    let mut host = None;
    let mut port = None;
    for (key, value) in table.get_ref() {
        let line = line_of(text, key.span().start);
        let string = || match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Ok(text.clone().into_owned()),
            _ => Err(format!("line {line}: {} must be a text in quotes, not empty", key.get_ref())),
        };
        match key.get_ref().as_ref() {
            "host" => host = Some((string()?, line)),
            "port" => match value.get_ref() {
                DeValue::Integer(number) => match number.as_str().parse::<u16>() {
                    Ok(number) if number > 0 => port = Some(number),
                    _ => return Err(format!("line {line}: port must be from 1 to 65535")),
                },
                _ => return Err(format!("line {line}: port must be a number")),
            },
            "user" => parsed.user = Some(string()?),
            "password" => parsed.password = Some(string()?),
            "serial" => parsed.serial = Some(string()?),
            "data" => parsed.data = Some(string()?),
            other => return Err(format!("line {line}: unknown key `{other}`")),
        }
    }
    if let Some((host, line)) = host {
        let host = HostPort::parse(&host, port.unwrap_or(DEFAULT_PORT));
        parsed.host = Some(host.map_err(|error| format!("line {line}: host: {error}"))?);
    }
    Ok(parsed)
}

/// Whether the file is one of the broker's, which are easily given the same name.
fn is_settings(text: &str) -> bool {
    let table = DeTable::parse(text);
    table.is_ok_and(|table| {
        table.get_ref().keys().any(|name| {
            let name = name.get_ref().as_ref();
            name == "users" || KEYS.iter().any(|key| key.name.split('.').next() == Some(name))
        })
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
}

/// Follows `env:NAME` and `file:PATH`; any other text is the password itself.
fn resolve_password(text: &str, profile: &Path) -> Result<Secret, Failure> {
    let Some(place) = Reference::parse(text) else {
        return Ok(Secret::new(text));
    };
    place.read(profile.parent().unwrap_or(Path::new(""))).map_err(|why| {
        Failure::new(
            Exit::Usage,
            format!("The profile's password is not where {} says.", profile.display()),
            format!("{text}: {why}"),
            "set the variable or make the file, or correct the profile",
        )
    })
}

#[cfg(unix)]
fn warn_if_others_can_read(path: &Path, context: &Context) {
    use std::os::unix::fs::PermissionsExt;
    let others = std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if others {
        context.warn(format_args!(
            "{} holds a password and others can read it; run: chmod 600 {}",
            path.display(),
            path.display()
        ));
    }
}

#[cfg(not(unix))]
fn warn_if_others_can_read(_path: &Path, _context: &Context) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_read() {
        let parsed = parse(
            "host = \"a\"\nport = 1884\nuser = \"u\"\npassword = \"p\"\nserial = \"/dev/x\"\ndata = \"d\"\n",
        );
        let expected = Parsed {
            host: Some(HostPort { host: "a".into(), port: 1884 }),
            user: Some("u".into()),
            password: Some("p".into()),
            serial: Some("/dev/x".into()),
            data: Some("d".into()),
        };
        assert_eq!(parsed, Ok(expected));
    }

    #[test]
    fn a_port_in_the_host_beats_the_key() {
        let parsed = parse("host = \"a:1\"\nport = 2\n").unwrap();
        assert_eq!(parsed.host.unwrap().port, 1);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        assert_eq!(parse("\nhots = \"a\"\n").unwrap_err(), "line 2: unknown key `hots`");
        assert_eq!(parse("port = 0").unwrap_err(), "line 1: port must be from 1 to 65535");
        assert!(parse("user = 1").unwrap_err().starts_with("line 1: user must be a text"));
        assert!(parse("user = \"a\"\nuser").unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn a_brokers_settings_file_is_recognised() {
        assert!(is_settings("[users.house]\npassword = \"env:X\"\n"));
        assert!(!is_settings("hots = \"a\"\n"));
        assert!(!is_settings("[users"));
    }

    #[test]
    fn a_syntax_error_never_repeats_the_password() {
        for text in ["password = \"topsecret", "password = topsecret", "password = 'topsecret' topsecret"] {
            assert!(!parse(text).unwrap_err().contains("topsecret"), "{}", parse(text).unwrap_err());
        }
    }
}
