//! Writing a settings file: its comments come from the table of keys.

use alloc::format;
use alloc::string::{String, ToString};

use crate::settings::{Key, Kind, Settings};

/// The settings as a file that [`parse`](super::parse) reads back, each key with its help. Keys at their default stand
/// as comments, and so do secrets: the file can only say where one is. With password hashes: such a file is as private
/// as the passwords are weak.
#[must_use]
pub fn write(settings: &Settings) -> String {
    let mut text = String::new();
    let mut section = "";
    for entry in settings.entries() {
        let (table, name) = entry.key.name.split_once('.').unwrap_or(("", entry.key.name));
        if table != section {
            if !section.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{table}]\n"));
            section = table;
        }
        text.push_str(&format!("# {}. Allowed: {}.\n", entry.key.help, entry.key.allowed()));
        if entry.key.is_secret() {
            if !entry.is_default {
                text.push_str("# It is set on the device.\n");
            }
            text.push_str(&format!("# {name} = \"{}\"\n", example_reference(entry.key)));
            continue;
        }
        let comment = if entry.is_default { "# " } else { "" };
        text.push_str(&format!("{comment}{name} = {}\n", toml_value(entry.key, &entry.value)));
    }
    for user in settings.users() {
        text.push_str(&format!(
            "\n[users.{}]\nhash = {}\n",
            toml_string(user.name()),
            toml_string(&user.password().to_text())
        ));
        let rights = settings.user_rights(user.name());
        if !rights.is_default() {
            text.push_str(&format!("rights = {}\n", toml_list(rights.as_str())));
        }
    }
    text
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
