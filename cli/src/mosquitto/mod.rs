//! Moving in from mosquitto: its configuration, password and ACL files as settings.
//!
//! | file | concept |
//! |---|---|
//! | [`conf`] | `mosquitto.conf` and what it includes, as directives with their places |
//! | [`convert`] | directives to settings |
//! | [`passwords`], [`acl`] | the files it names: users and their hashes, rights |
//! | [`draft`] | the settings file that comes of it |
//!
//! Whatever cannot be carried over becomes a [`Finding`] with file and line. Where a rule that forbids something has no
//! counterpart, what it takes back is not given: a user may end up with less than before, never with more.

pub(crate) mod acl;
pub(crate) mod conf;
pub(crate) mod convert;
pub(crate) mod draft;
mod limits;
pub(crate) mod passwords;

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Serialize, Serializer};

use crate::failure::{Exit, Failure};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Rc<Path>,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a finding means for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Something that was there is not there any more.
    Lost,
    /// There is nothing here that it could be about.
    Moot,
}

/// A line that was not carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// The directive, without anything secret.
    pub(crate) what: String,
    pub(crate) why: String,
}

/// Collects what was not carried over.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    pub(crate) fn lost(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>) {
        self.0.push(Finding { kind: Kind::Lost, place: place.clone(), what: what.into(), why: why.into() });
    }

    pub(crate) fn moot(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>) {
        self.0.push(Finding { kind: Kind::Moot, place: place.clone(), what: what.into(), why: why.into() });
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(move |finding| finding.kind == kind)
    }
}

/// The lines of a file with their places; comments and blank lines left out. A comment has its `#` in the first column,
/// as mosquitto wants it.
fn lines(path: &Path) -> Result<Vec<(Place, String)>, Failure> {
    let text = read(path)?;
    let file: Rc<Path> = path.into();
    let lines = text.lines().enumerate().map(|(index, line)| (index.saturating_add(1), line.trim()));
    Ok(lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| (Place { file: Rc::clone(&file), line }, text.to_owned()))
        .collect())
}

/// A text file whose size is plausible.
fn read(path: &Path) -> Result<String, Failure> {
    obkmq_host::read_text(path, limits::FILE_LIMIT_BYTES).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{} cannot be read.", path.display()),
            error.to_string(),
            "correct the name, or copy it from the old machine (as root: mosquitto's files may be its own)",
        )
    })
}

/// A file or folder that a configuration names. Names are those of the old machine, so a copy beside the configuration
/// comes first: the same name may be something else here.
fn named(conf: &Path, name: &str) -> PathBuf {
    let folder = conf.parent().unwrap_or(Path::new(""));
    let beside = Path::new(name).file_name().map(|name| folder.join(name));
    beside.filter(|path| path.exists()).unwrap_or_else(|| folder.join(name))
}
