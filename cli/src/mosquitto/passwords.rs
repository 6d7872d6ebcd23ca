//! mosquitto's password file: `name:hash`, one user a line.

use std::path::Path;

use obkmq_config::password::{HashError, PasswordHash};
use obkmq_config::settings::check_name;

use super::{Findings, Place, lines};
use crate::failure::Failure;

/// A user of the old broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    /// `None` when the password has to be set anew.
    pub(crate) hash: Option<PasswordHash>,
}

/// Reads a password file. A name that stands there twice has the first of its passwords, as mosquitto has it.
pub(crate) fn read(path: &Path, findings: &mut Findings) -> Result<Vec<User>, Failure> {
    let mut users: Vec<User> = Vec::new();
    for (place, line) in lines(path)? {
        let Some((name, hash)) = line.split_once(':') else {
            findings.lost(&place, "a line without `:`", "it names no user");
            continue;
        };
        if let Err(error) = check_name(name) {
            findings.lost(&place, "a user", error.to_string());
            continue;
        }
        if users.iter().any(|user| user.name == name) {
            findings.lost(
                &place,
                format!("user {name}"),
                "the name stands there twice; the first one counts",
            );
            continue;
        }
        users.push(User { name: name.to_owned(), hash: hash_of(hash, name, &place, findings) });
    }
    Ok(users)
}

/// The hash, or a finding that says why there is none.
fn hash_of(text: &str, name: &str, place: &Place, findings: &mut Findings) -> Option<PasswordHash> {
    let why = match PasswordHash::parse(text) {
        Ok(hash) => return Some(hash),
        Err(HashError::Form) => {
            "its password stands there in clear, or hashed in a way that is not known; set it anew".to_owned()
        }
        Err(HashError::Argon2) => {
            "its password is hashed with argon2, which takes more memory than a chip has; set it anew"
                .to_owned()
        }
        Err(error) => format!("its password hash is damaged ({error}); set it anew"),
    };
    findings.lost(place, format!("user {name}"), why);
    None
}
