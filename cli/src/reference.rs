//! Where a secret is: `env:NAME` or `file:PATH`, in the place of the secret itself.

use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// A place that a secret can be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `env:NAME`.
    Environment(String),
    /// `file:PATH`; the secret is its first line.
    File(PathBuf),
}

impl Reference {
    /// `None` for any other text, which may be the secret itself: do not repeat it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Some(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Some(Self::File(path.into())),
            _ => None,
        }
    }

    /// The secret. A relative path is one of `folder`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) fn read(&self, folder: &Path) -> Result<Secret, String> {
        let text = match self {
            Self::Environment(name) => std::env::var(name).map_err(|error| error.to_string())?,
            Self::File(path) => {
                obkmq_host::read_first_line(&folder.join(path)).map_err(|error| error.to_string())?
            }
        };
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Secret::new(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_no_reference_may_be_a_secret() {
        assert_eq!(Reference::parse("env:A"), Some(Reference::Environment("A".into())));
        assert_eq!(Reference::parse("file:a:b"), Some(Reference::File("a:b".into())));
        for text in ["hunter2", "env:", "file:", "ENV:A", ""] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_is_relative_and_its_first_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "from file\nuser: me\n").unwrap();
        let read = |text: &str| Reference::parse(text).unwrap().read(folder.path());
        assert_eq!(read("file:pw").unwrap().expose(), "from file");
        std::fs::write(folder.path().join("pw"), "\n").unwrap();
        assert_eq!(read("file:pw").unwrap_err(), "it is empty");
        assert!(read("file:none").is_err());
        assert!(read("env:OBKMQ_NO_SUCH_VARIABLE").is_err());
    }
}
