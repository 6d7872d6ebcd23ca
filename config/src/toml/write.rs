//! Writing a settings file: its comments come from the table of keys.

use alloc::format;
use alloc::string::{String, ToString};

use super::KEEP;
use crate::settings::{Entry, Key, Kind, Rights, Settings};

/// The settings as a file that [`parse`](super::parse) reads back, each key with its help. Keys at their default stand
/// as comments, and so do secrets: the file can only say where one is. With password hashes: such a file is as private
/// as the passwords are weak.
#[must_use]
pub fn write(settings: &Settings) -> String {
    let mut text = String::new();
    write_entries(&mut text, settings.entries(), |key, is_set| {
        let set = if is_set { "# It is set on the device.\n" } else { "" };
        format!("{set}# {} = \"{}\"\n", name(key), example_reference(key))
    });
    for user in settings.users() {
        let hash = toml_string(&user.password().to_text());
        let rights = settings.user_rights(user.name());
        write_user(&mut text, user.name(), &format!("hash = {hash}\n"), rights);
    }
    text
}

/// What a device lists of itself as a file: users are pairs of name and rights. There is no secret in it; given back to
/// the same device it changes nothing.
#[must_use]
pub fn export<'a>(
    entries: impl IntoIterator<Item = Entry>,
    users: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut text = String::new();
    write_entries(&mut text, entries, |key, is_set| {
        let (name, example) = (name(key), example_reference(key));
        if is_set {
            format!(
                "# Kept as it is on the device; for another one, or to change it: {name} = \"{example}\".\n{name} = \"{KEEP}\"\n"
            )
        } else {
            format!("# {name} = \"{example}\"\n")
        }
    });
    for (user, rights) in users {
        let letters =
            user.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        let variable: String = letters.collect();
        let password = format!(
            "# Kept as it is on the device; for another one, or to change it: password = \"env:OBKMQ_{variable}_PASSWORD\".\n\
             password = \"{KEEP}\"\n"
        );
        write_user(&mut text, user, &password, Rights::new(rights));
    }
    text
}

fn write_entries(
    text: &mut String,
    entries: impl IntoIterator<Item = Entry>,
    secret: impl Fn(&Key, bool) -> String,
) {
    let mut section = "";
    for entry in entries {
        let table = entry.key.name.split_once('.').map_or("", |(table, _)| table);
        if table != section {
            if !section.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{table}]\n"));
            section = table;
        }
        text.push_str(&format!("# {}. Allowed: {}.\n", entry.key.help, entry.key.allowed()));
        if entry.key.is_secret() {
            text.push_str(&secret(entry.key, !entry.is_default));
            continue;
        }
        let comment = if entry.is_default { "# " } else { "" };
        text.push_str(&format!("{comment}{} = {}\n", name(entry.key), toml_value(entry.key, &entry.value)));
    }
}

fn write_user(text: &mut String, name: &str, password: &str, rights: Rights<'_>) {
    text.push_str(&format!("\n[users.{}]\n{password}", toml_string(name)));
    if !rights.is_default() {
        text.push_str(&format!("rights = {}\n", toml_list(rights.as_str())));
    }
}

/// A key's name within its table.
fn name(key: &Key) -> &str {
    key.name.split_once('.').map_or(key.name, |(_, name)| name)
}

/// Where the secret of a key could be: `wifi.password` in `env:OBKMQ_WIFI_PASSWORD`.
fn example_reference(key: &Key) -> String {
    format!("env:OBKMQ_{}", key.name.replace('.', "_").to_ascii_uppercase())
}

fn toml_value(key: &Key, value: &str) -> String {
    match key.kind {
        Kind::Integer { .. } | Kind::Switch { .. } => value.to_string(),
        Kind::Choice { .. } | Kind::Text { .. } | Kind::Secret { .. } => toml_string(value),
        Kind::Filters { .. } | Kind::Rights { .. } => toml_list(value),
    }
}

fn toml_list(value: &str) -> String {
    let mut list = String::from("[");
    for (index, item) in value.split(',').filter(|item| !item.is_empty()).enumerate() {
        if index > 0 {
            list.push_str(", ");
        }
        list.push_str(&toml_string(item));
    }
    list.push(']');
    list
}

/// A basic string. None of these texts holds a control character: the settings refuse them.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
