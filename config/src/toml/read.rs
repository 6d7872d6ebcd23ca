//! Reading a settings file.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::{FileError, Mistake, PasswordReference, PasswordSource, Position, SecretReference, SettingsFile};
use crate::password::PasswordHash;
use crate::settings::{DidYouMean, KEYS, Key, Kind, Settings, check_name, closest, shorten};

const HOW_TO_GIVE_A_PASSWORD: &str = "a password in clear does not belong in this file; write password = \"env:NAME\" for an environment variable, \
     password = \"file:PATH\" for a file, password = \"keep\" for the one that the device has, or hash = \"$pbkdf2-sha256$…\"";

/// Reads a settings file; all its mistakes or what it says.
pub fn parse(text: &str) -> Result<SettingsFile, FileError> {
    let mut reader = Reader {
        text,
        settings: Settings::default(),
        passwords: Vec::new(),
        secrets: Vec::new(),
        mistakes: Vec::new(),
        places: Vec::new(),
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        // The library's own message repeats the line, and that line may hold a secret.
        reader.mistake(&error.span().unwrap_or(0..0), error.message().to_string());
    }
    if errors.is_empty() {
        reader.document(document.get_ref());
        reader.check(text.len());
    }
    let Reader { settings, passwords, secrets, mut mistakes, .. } = reader;
    if mistakes.is_empty() {
        return Ok(SettingsFile { settings, passwords, secrets });
    }
    mistakes.sort_by_key(|mistake| mistake.position);
    Err(FileError { mistakes })
}

struct Reader<'a> {
    text: &'a str,
    settings: Settings,
    passwords: Vec<PasswordReference>,
    secrets: Vec<SecretReference>,
    mistakes: Vec<Mistake>,
    /// Where values stand that were taken over.
    places: Vec<(&'static Key, Range<usize>)>,
}

impl Reader<'_> {
    fn mistake(&mut self, span: &Range<usize>, message: String) {
        self.mistakes.push(Mistake { position: Position::of(self.text, span.start), message });
    }

    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document.iter() {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("users", DeValue::Table(users)) => {
                    for (name, user) in users.iter() {
                        self.user(name, user);
                    }
                }
                ("users", other) => {
                    let message = format!("users is a table, [users.NAME], not {}", kind_name(other));
                    self.mistake(&value.span(), message);
                }
                (section, DeValue::Table(table)) => {
                    for (name, value) in table.iter() {
                        self.setting(&format!("{section}.{}", name.get_ref()), name.span(), value);
                    }
                }
                (name_text, _) => self.unknown(name_text, &name.span()),
            }
        }
    }

    fn setting(&mut self, path: &str, name_span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let Some(key) = Key::find(path) else {
            return self.unknown(path, &name_span);
        };
        let text = match (value.get_ref(), &key.kind) {
            (DeValue::Integer(number), Kind::Integer { .. }) => {
                // Any radix; a number that is out of range is refused with the text it was given as.
                match u32::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => number.to_string(),
                    Err(_) => number.to_string(),
                }
            }
            (DeValue::Boolean(on), Kind::Switch { .. }) => on.to_string(),
            (DeValue::String(text), Kind::Secret { .. }) => return self.secret(key, text, value.span()),
            (
                DeValue::String(text),
                Kind::Choice { .. } | Kind::Text { .. } | Kind::Filters { .. } | Kind::Rights { .. },
            ) => text.to_string(),
            (DeValue::Array(list), Kind::Filters { .. } | Kind::Rights { .. }) => match joined(list) {
                Some(text) => text,
                None => {
                    let message = format!("{path} takes strings without commas in its list");
                    return self.mistake(&value.span(), message);
                }
            },
            (other, kind) => {
                let wanted = match kind {
                    Kind::Integer { .. } => "a number",
                    Kind::Switch { .. } => "true or false",
                    Kind::Choice { .. } | Kind::Text { .. } => "a string",
                    Kind::Secret { .. } => "\"env:NAME\" or \"file:PATH\"",
                    Kind::Filters { .. } | Kind::Rights { .. } => "a list of strings",
                };
                let message = format!(
                    "{path} takes {wanted}, not {}; allowed: {} ({})",
                    kind_name(other),
                    key.allowed(),
                    key.help
                );
                return self.mistake(&value.span(), message);
            }
        };
        match self.settings.set(path, &text) {
            Ok(()) => self.places.push((key, value.span())),
            Err(error) => self.mistake(&value.span(), error.to_string()),
        }
    }

    fn secret(&mut self, key: &'static Key, text: &str, span: Range<usize>) {
        let Some(source) = PasswordSource::parse(text) else {
            let message = format!(
                "{}: a secret in clear does not belong in this file; write \"env:NAME\" for an environment variable, \
                 \"file:PATH\" for a file or \"keep\" for the one that the device has ({})",
                key.name, key.help
            );
            return self.mistake(&span, message);
        };
        let position = Position::of(self.text, span.start);
        self.secrets.push(SecretReference { key, source, position });
    }

    fn user(&mut self, name: &Spanned<::toml::de::DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let user = name.get_ref().as_ref();
        if let Err(error) = check_name(user) {
            return self.mistake(&name.span(), error.to_string());
        }
        let path = format!("users.{}", shorten(user));
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("{path} is a table, [{path}], not {}", kind_name(value.get_ref()));
            return self.mistake(&value.span(), message);
        };
        let mut given = false;
        for (field, value) in table.iter() {
            let field_name = field.get_ref().as_ref();
            if field_name == "rights" {
                self.rights(user, &path, value);
                continue;
            }
            if !matches!(field_name, "hash" | "password") {
                let suggestion = closest(field_name, ["hash", "password", "rights"].into_iter());
                let message = format!("{path} has no {:?}{}", shorten(field_name), DidYouMean(suggestion));
                self.mistake(&field.span(), message);
                continue;
            }
            if given {
                let message = format!("{path} has both hash and password; one of them decides");
                self.mistake(&field.span(), message);
                continue;
            }
            given = true;
            let Some(text) = value.get_ref().as_str() else {
                let message =
                    format!("{path}.{field_name} takes a string, not {}", kind_name(value.get_ref()));
                self.mistake(&value.span(), message);
                continue;
            };
            if field_name == "hash" {
                self.hash(user, &path, text, value.span());
            } else {
                self.password(user, &path, text, value.span());
            }
        }
        if !given {
            let message = format!("{path} has neither hash nor password = \"env:NAME\" or \"file:PATH\"");
            self.mistake(&name.span(), message);
        }
    }

    /// They are noted by name, because a user whose password is still to come is not there yet.
    fn rights(&mut self, user: &str, path: &str, value: &Spanned<DeValue<'_>>) {
        let text = match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Array(list) => joined(list),
            _ => None,
        };
        let Some(text) = text else {
            let message = format!("{path}.rights takes a list of strings without commas");
            return self.mistake(&value.span(), message);
        };
        if let Err(error) = self.settings.set_rights_of_name(user, &text) {
            self.mistake(&value.span(), format!("{path}: {error}"));
        }
    }

    fn hash(&mut self, user: &str, path: &str, text: &str, span: Range<usize>) {
        let result = PasswordHash::parse(text)
            .map_err(|error| format!("{path}.hash: {error}"))
            .and_then(|hash| self.settings.set_user(user, hash).map_err(|error| error.to_string()));
        if let Err(message) = result {
            self.mistake(&span, message);
        }
    }

    fn password(&mut self, user: &str, path: &str, text: &str, span: Range<usize>) {
        let Some(source) = PasswordSource::parse(text) else {
            // Not repeated: it is a password.
            return self.mistake(&span, format!("{path}.password: {HOW_TO_GIVE_A_PASSWORD}"));
        };
        let position = Position::of(self.text, span.start);
        self.passwords.push(PasswordReference { user: user.to_string(), source, position });
    }

    fn unknown(&mut self, path: &str, span: &Range<usize>) {
        let candidates = KEYS.iter().map(|key| key.name).chain(["users"]);
        let message =
            format!("there is no setting {:?}{}", shorten(path), DidYouMean(closest(path, candidates)));
        self.mistake(span, message);
    }

    /// What only shows once everything is read. It stands where the last of the values is that do not go together.
    fn check(&mut self, end: usize) {
        if let Err(error) = self.settings.check() {
            let keys = error.keys();
            let involved = self.places.iter().filter(|(key, _)| keys.contains(&Some(*key)));
            let span = involved.map(|(_, span)| span.clone()).max_by_key(|span| span.start);
            self.mistake(&span.unwrap_or(end..end), error.to_string());
        }
    }
}

/// The strings of a list with commas between them; `None` if one is no string or holds a comma.
fn joined(list: &::toml::de::DeArray<'_>) -> Option<String> {
    let items = list.iter().map(|item| item.get_ref().as_str().filter(|item| !item.contains(',')));
    items.collect::<Option<Vec<&str>>>().map(|items| items.join(","))
}

fn kind_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
