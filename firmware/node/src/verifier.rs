//! Checks names and passwords: slowly once, fast from then on.
//!
//! A password is stored as a salted, slow hash (see [`obkmq_config::password`]). Computing it for each of thirty devices
//! that come back after a power cut would take longer than they wait, so a name and password that once proved right
//! are remembered in RAM as a MAC under a key that is new at each boot. Work is sliced: one call computes
//! [`HASH_ITERATIONS_PER_TURN`] iterations at most.
//!
//! Identical attempts share one derivation, and its result stays when the link that asked for it is gone. An unknown
//! name costs as much as a wrong password, so that timing does not tell which names exist.

use alloc::string::String;
use alloc::vec::Vec;
use hmac::{Hmac, KeyInit, Mac};
use obkmq_broker::{Attempt, UserId, Verdict, Verifier};
use obkmq_config::password::{Derivation, PasswordHash};
use obkmq_config::settings::Settings;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::limits::HASH_ITERATIONS_PER_TURN;

type Tag = [u8; 32];

struct Account {
    id: UserId,
    name: String,
    hash: PasswordHash,
    /// MAC of the name and password that last proved right.
    proven: Option<Tag>,
}

struct Running {
    tag: Tag,
    derivation: Derivation,
    /// Whose hash it is compared with; `None` for a name nobody has.
    account: Option<UserId>,
}

/// The broker's [`Verifier`] over the users of the settings.
pub(crate) struct Accounts {
    accounts: Vec<Account>,
    next_id: u16,
    key: [u8; 32],
    /// What an unknown name is compared with.
    decoy: PasswordHash,
    running: Option<Running>,
}

impl Accounts {
    /// `key` and `decoy_salt` come from the board's entropy.
    pub(crate) fn new(key: [u8; 32], decoy: PasswordHash) -> Self {
        Self { accounts: Vec::new(), next_id: 0, key, decoy, running: None }
    }

    /// Takes over the users of `settings`. Returns those whose log-ins are no longer good: deleted, or with another
    /// password.
    pub(crate) fn update(&mut self, settings: &Settings) -> Vec<UserId> {
        let mut revoked = Vec::new();
        let mut kept = Vec::new();
        for account in core::mem::take(&mut self.accounts) {
            let still = settings
                .users()
                .iter()
                .any(|user| user.name() == account.name && *user.password() == account.hash);
            if still { kept.push(account) } else { revoked.push(account.id) }
        }
        for user in settings.users() {
            if kept.iter().all(|account| account.name != user.name()) {
                // The numbers come round again after 65,536 new passwords.
                while kept.iter().any(|account| account.id == UserId(self.next_id)) {
                    self.next_id = self.next_id.wrapping_add(1);
                }
                let id = UserId(self.next_id);
                self.next_id = self.next_id.wrapping_add(1);
                kept.push(Account {
                    id,
                    name: user.name().into(),
                    hash: user.password().clone(),
                    proven: None,
                });
            }
        }
        self.accounts = kept;
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.account.is_some_and(|id| revoked.contains(&id)))
        {
            self.running = None;
        }
        revoked
    }

    /// The name of a user that was accepted.
    pub(crate) fn name(&self, id: UserId) -> Option<&str> {
        self.accounts.iter().find(|account| account.id == id).map(|account| account.name.as_str())
    }

    fn tag(&self, user: &str, password: &[u8]) -> Option<Tag> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(&u32::try_from(user.len()).ok()?.to_le_bytes());
        mac.update(user.as_bytes());
        mac.update(password);
        Some(mac.finalize().into_bytes().into())
    }
}

impl Verifier for Accounts {
    fn verify(&mut self, attempt: &Attempt<'_>) -> Verdict {
        let Some(tag) = self.tag(attempt.user, attempt.password) else { return Verdict::Refused };
        let account = self.accounts.iter().find(|account| account.name == attempt.user);
        if let Some(account) = account
            && account.proven.is_some_and(|proven| proven.ct_eq(&tag).into())
        {
            return Verdict::Accepted(account.id);
        }
        let running = match &mut self.running {
            Some(running) if running.tag.ct_eq(&tag).into() => running,
            running => {
                let hash = account.map_or(&self.decoy, |account| &account.hash);
                running.insert(Running {
                    tag,
                    derivation: hash.check(attempt.password),
                    account: account.map(|account| account.id),
                })
            }
        };
        let Some(derived) = running.derivation.step(HASH_ITERATIONS_PER_TURN) else {
            return Verdict::Pending;
        };
        let id = running.account;
        self.running = None;
        let account = id.and_then(|id| self.accounts.iter_mut().find(|account| account.id == id));
        let known = account.is_some();
        match account {
            Some(account) if account.hash.matches(&derived) => {
                account.proven = Some(tag);
                Verdict::Accepted(account.id)
            }
            _ => {
                // The comparison is made for an unknown name too.
                let _ = !known && self.decoy.matches(&derived);
                Verdict::Refused
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use obkmq_config::password::{HASH_BYTES, SALT_BYTES};

    use super::*;

    fn hash(byte: u8) -> PasswordHash {
        PasswordHash::decoy([byte; SALT_BYTES], [byte; HASH_BYTES])
    }

    #[test]
    fn a_number_that_comes_round_again_is_not_given_to_a_second_user() {
        let mut accounts = Accounts::new([0; 32], hash(0));
        let mut settings = Settings::default();
        settings.set_user("ann", hash(1)).unwrap();
        accounts.update(&settings);
        let ann = accounts.accounts[0].id;
        accounts.next_id = ann.0;
        settings.set_user("bob", hash(2)).unwrap();
        assert_eq!(accounts.update(&settings), []);
        assert_eq!(accounts.name(ann), Some("ann"));
        assert_ne!(accounts.accounts[0].id, accounts.accounts[1].id);
    }
}
