//! Writing the profile: keys are replaced in place, comments stay, the file appears whole and with mode 0600.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::reference::Reference;
use crate::secret::Secret;
use crate::secret_file;
use crate::target::HostPort;

/// What is to be remembered; what is nothing stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remembered<'a> {
    pub(crate) host: Option<&'a HostPort>,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a Secret>,
}

/// Writes it into the profile that the next command will read.
///
/// Returns the path of the file.
pub(crate) fn save(context: &Context, what: &Remembered<'_>) -> anyhow::Result<PathBuf> {
    let Remembered { host, user, password } = what;
    if password.is_some_and(|password| Reference::parse(password.expose()).is_some()) {
        return Err(Failure::new(
            Exit::Usage,
            "This password cannot be saved as text in a profile.",
            "in a profile, `env:` and `file:` at the beginning mean a reference",
            "put it into a file and write password = \"file:PATH\" into the profile yourself",
        )
        .into());
    }
    let path = super::find(context.profile.as_deref()).or_else(super::user_file).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "There is no place for a profile.",
            "this user has no configuration folder (HOME is not set)",
            "name a file with --profile FILE",
        )
    })?;
    // The owner's link to a file elsewhere is followed, not replaced.
    let path = path.canonicalize().unwrap_or(path);
    let before = match obkmq_host::read_text(&path, super::LIMIT_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "# What `obkmq` remembers about your board. It may hold a password: keep it to yourself.\n"
                .to_owned()
        }
        Err(error) => return Err(not_written(&path, &error).into()),
    };
    let mut text = before.clone();
    if let Some(host) = host {
        text = with_key(&text, "host", Some(&host.to_string()));
        // The host's text carries the port; a key of its own would only contradict it.
        text = with_key(&text, "port", None);
    }
    if let Some(user) = user {
        // A password that was saved is another user's.
        if !names(&before, user) {
            text = with_key(&text, "password", None);
        }
        text = with_key(&text, "user", Some(user));
    }
    if let Some(password) = password {
        text = with_key(&text, "password", Some(password.expose()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| secret_file::replace(&path, text.as_bytes()))
        .map_err(|error| not_written(&path, &error))?;
    Ok(path)
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("The profile {} was not written.", path.display()),
        error.to_string(),
        "choose another place with --profile FILE, or go without it: --no-save",
    )
}

/// Whether the profile names this user already.
fn names(text: &str, user: &str) -> bool {
    super::parse(text).is_ok_and(|parsed| parsed.user.as_deref() == Some(user))
}

/// `text` with the line of `key` replaced, appended or (with `None`) removed.
fn with_key(text: &str, key: &str, value: Option<&str>) -> String {
    let is_key = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let new_line = value.map(|value| format!("{key} = {}\n", quoted(value)));
    let mut result = String::with_capacity(text.len());
    let mut placed = false;
    for line in text.lines() {
        if is_key(line) {
            if let (Some(new_line), false) = (&new_line, placed) {
                result.push_str(new_line);
                placed = true;
            }
        } else {
            result.push_str(line);
            result.push('\n');
        }
    }
    if let (Some(new_line), false) = (&new_line, placed) {
        result.push_str(new_line);
    }
    result
}

/// A TOML basic string.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if c.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_and_comments_stay() {
        let text = "# mine\nserial = \"/dev/x\"\nuser = \"old\" # was\n";
        let text = with_key(text, "user", Some("new"));
        let text = with_key(&text, "host", Some("a:1"));
        assert_eq!(text, "# mine\nserial = \"/dev/x\"\nuser = \"new\"\nhost = \"a:1\"\n");
        assert_eq!(with_key(&text, "user", None), "# mine\nserial = \"/dev/x\"\nhost = \"a:1\"\n");
    }

    #[test]
    fn a_key_that_only_begins_alike_is_another_key() {
        assert_eq!(with_key("hostname = 1\n", "host", Some("a")), "hostname = 1\nhost = \"a\"\n");
    }

    #[test]
    fn odd_passwords_come_back_as_they_were() {
        for password in ["a\"b", "back\\slash", "tab\there", "ünïcode", "# no comment", "nul\u{1}"] {
            let text = with_key("", "password", Some(password));
            assert_eq!(super::super::parse(&text).unwrap().password.as_deref(), Some(password));
        }
    }
}
