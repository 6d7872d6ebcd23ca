//! Puts a server together from what `obkmq run` was told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant as Clock;
use std::{env, fs, io};

use obkmq_config::password::{PasswordHash, SALT_BYTES};
use obkmq_config::settings::{SettingError, Settings};
use obkmq_config::toml::{self, FileError, PasswordSource};
use obkmq_node::{AdoptError, Anonymous, Capabilities, Capability, Identity, Instant, Limits, Node, Regions};

use crate::board::HostBoard;
use crate::bounded::{read_first_line, read_text};
use crate::console::Console;
use crate::flash::{Flash, OpenError};
use crate::limits::{BROKER_MEMORY_BYTES, FLASH_BYTES, RETAINED_BYTES, SETTINGS_BYTES, SETTINGS_FILE_BYTES};
use crate::server::{Listen, Server, ServerError};
use crate::stop::Stop;

/// Name of the flash file in the data folder.
const FLASH_FILE: &str = "obkmq.flash";

/// Name of the control socket in the data folder.
const CONTROL_SOCKET: &str = "obkmq.sock";

/// What a server on a PC is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Where to listen; without it on the settings' port, of this machine only as long as there is no user.
    pub listen: Option<SocketAddr>,
    /// Folder for what survives the process; without it nothing does.
    pub data: Option<PathBuf>,
    /// Settings file, which then is what counts.
    pub config: Option<PathBuf>,
}

/// Why a server could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The data folder cannot be made.
    #[error("the data folder {path} cannot be made: {error}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The flash file cannot be used.
    #[error("{path}: {error}")]
    Flash {
        /// The file.
        path: PathBuf,
        /// Why.
        error: OpenError,
    },
    /// The settings file cannot be read.
    #[error("the settings file {path} cannot be read: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The settings file has mistakes.
    #[error("{path}:\n{error}")]
    File {
        /// The file.
        path: PathBuf,
        /// All mistakes, with line and column.
        error: FileError,
    },
    /// A password or secret that the settings file refers to is not there.
    #[error("{path}: {what} cannot be had from {source_name}: {reason}")]
    Password {
        /// The settings file.
        path: PathBuf,
        /// The user's password, or the setting.
        what: String,
        /// `env:NAME` or `file:PATH`.
        source_name: String,
        /// Why.
        reason: String,
    },
    /// The settings do not go together.
    #[error("{path}: {error}")]
    Settings {
        /// The settings file.
        path: PathBuf,
        /// Why.
        error: SettingError,
    },
    /// The settings file cannot be taken over.
    #[error("the settings could not be stored: {0}")]
    Adopt(#[from] AdoptError),
    /// The server could not start.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// A PC, as `hello` answers it.
pub fn identity(board: &'static str, chip: &'static str, anonymous_without_users: Anonymous) -> Identity {
    Identity {
        chip,
        board,
        firmware: env!("CARGO_PKG_VERSION"),
        capabilities: Capabilities::NONE
            .with(Capability::Clock)
            .with(Capability::Automation)
            .with(Capability::Discovery),
        limits: Limits { memory_bytes: BROKER_MEMORY_BYTES, ..Limits::default() },
        anonymous_without_users,
    }
}

/// The regions of a PC's own flash file.
pub fn regions() -> Regions {
    let files = SETTINGS_BYTES + RETAINED_BYTES;
    Regions { settings: 0..SETTINGS_BYTES, retained: SETTINGS_BYTES..files, files: files..FLASH_BYTES }
}

/// Boots the node and opens its listener. Its log goes to `console`.
pub fn start(setup: &Setup, console: Console, stop: &Stop) -> Result<Server, SetupError> {
    let started = Clock::now();
    let flash = match &setup.data {
        Some(folder) => {
            fs::create_dir_all(folder)
                .map_err(|error| SetupError::Folder { path: folder.to_owned(), error })?;
            open_flash(folder)?
        }
        None => Flash::in_memory(FLASH_BYTES),
    };
    let identity = identity("host", "host", Anonymous::Loopback);
    let mut node = Node::boot(HostBoard::new(flash), identity, regions(), Instant::ZERO);
    if let Some(path) = &setup.config {
        let settings = read_settings(path, node.settings())?;
        node.adopt(settings)?;
    }
    let listen = match setup.listen {
        Some(address) => Listen::Fixed(address),
        None => Listen::SettingsPort,
    };
    #[cfg_attr(not(unix), allow(unused_mut, reason = "there is no control socket elsewhere"))]
    let mut server = Server::new(node, listen, console, started, stop)?;
    #[cfg(unix)]
    if let Some(folder) = &setup.data {
        server.open_control(folder);
    }
    Ok(server)
}

/// Where programs of this machine reach the node that runs on a data folder.
pub fn control_path(folder: &Path) -> PathBuf {
    folder.join(CONTROL_SOCKET)
}

/// The flash file of a data folder that is there.
pub(crate) fn open_flash(folder: &Path) -> Result<Flash, SetupError> {
    let path = folder.join(FLASH_FILE);
    Flash::open_from(&path, SETTINGS_BYTES + RETAINED_BYTES, FLASH_BYTES)
        .map_err(|error| SetupError::Flash { path, error })
}

/// Settings from a file. Users whose password has not changed keep the hash they have in `current`, so that starting
/// twice with one file changes nothing.
pub(crate) fn read_settings(path: &Path, current: &Settings) -> Result<Settings, SetupError> {
    let text = read_text(path, SETTINGS_FILE_BYTES)
        .map_err(|error| SetupError::Read { path: path.to_owned(), error })?;
    let file = toml::parse(&text).map_err(|error| SetupError::File { path: path.to_owned(), error })?;
    let mut settings = file.settings;
    for reference in &file.passwords {
        let what = || format!("the password of user {}", reference.user);
        if reference.source == PasswordSource::Keep {
            let kept = current.user(&reference.user).ok_or_else(|| nothing_kept(path, what()))?;
            settings
                .set_user(&reference.user, kept.password().clone())
                .map_err(|error| SetupError::Settings { path: path.to_owned(), error })?;
            continue;
        }
        let password = resolve(path, &reference.source, what)?;
        let known = current.user(&reference.user).map(|user| user.password()).filter(|hash| {
            let derived = hash.check(password.as_bytes()).step(u32::MAX);
            derived.is_some_and(|derived| hash.matches(&derived))
        });
        let hash = match known {
            Some(hash) => hash.clone(),
            None => PasswordHash::derive(password.as_bytes(), random_salt()),
        };
        settings
            .set_user(&reference.user, hash)
            .map_err(|error| SetupError::Settings { path: path.to_owned(), error })?;
    }
    for reference in &file.secrets {
        if reference.source == PasswordSource::Keep {
            if !settings.keep_secret(reference.key, current) {
                return Err(nothing_kept(path, reference.key.name.to_owned()));
            }
            continue;
        }
        let secret = resolve(path, &reference.source, || reference.key.name.to_owned())?;
        settings
            .set(reference.key.name, &secret)
            .map_err(|error| SetupError::Settings { path: path.to_owned(), error })?;
    }
    Ok(settings)
}

fn random_salt() -> [u8; SALT_BYTES] {
    use obkmq_node::Board as _;
    let mut salt = [0; SALT_BYTES];
    HostBoard::new(Flash::in_memory(0)).fill_random(&mut salt);
    salt
}

fn nothing_kept(path: &Path, what: String) -> SetupError {
    let reason = "there is none yet; write \"env:NAME\" or \"file:PATH\"".to_owned();
    SetupError::Password { path: path.to_owned(), what, source_name: "\"keep\"".to_owned(), reason }
}

/// Reads what a settings file refers to; `what` names it in an error.
pub fn resolve(
    path: &Path,
    source: &PasswordSource,
    what: impl Fn() -> String,
) -> Result<String, SetupError> {
    let refuse = |source_name: String, reason: String| SetupError::Password {
        path: path.to_owned(),
        what: what(),
        source_name,
        reason,
    };
    let (name, password) = match source {
        PasswordSource::Keep => return Err(nothing_kept(path, what())),
        PasswordSource::Environment(name) => {
            let source = format!("env:{name}");
            let value = env::var(name).map_err(|error| refuse(source.clone(), error.to_string()))?;
            (source, value)
        }
        PasswordSource::File(file) => {
            let source = format!("file:{file}");
            // Relative to the settings file, so that both can be moved together.
            let file = path.parent().unwrap_or(Path::new("")).join(file);
            let line = read_first_line(&file).map_err(|error| refuse(source.clone(), error.to_string()))?;
            (source, line)
        }
    };
    if password.is_empty() { Err(refuse(name, "it is empty".to_owned())) } else { Ok(password) }
}
