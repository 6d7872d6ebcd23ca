//! From the settings' rights to the broker's.

use obkmq_broker::{Rights, RightsError, Scope, UserId};
use obkmq_config::settings::{self, Right, Settings};

use crate::verifier::Accounts;

/// What each user of the settings, and whoever has no user name, may do.
///
/// What there is no memory for is left out: that user may less then, and nobody may more.
pub(crate) fn rights_of(settings: &Settings, accounts: &Accounts) -> Rights {
    let mut rights = Rights::new();
    // What is not added is not allowed.
    let _ = add(&mut rights, None, "", settings.anonymous_rights());
    for (id, name) in accounts.users() {
        let _ = add(&mut rights, Some(id), name, settings.user_rights(name));
    }
    rights
}

fn add(
    rights: &mut Rights,
    user: Option<UserId>,
    name: &str,
    list: settings::Rights<'_>,
) -> Result<(), RightsError> {
    let everything = list.iter().any(|right| right == Right::Everything);
    let admin = list.iter().any(|right| right == Right::Admin);
    let scope = if everything { Scope::Everything } else { Scope::Listed };
    rights.add_user(user, name, scope, admin)?;
    for right in list.iter() {
        if let Right::Topics { read, write, pattern } = right {
            rights.add_rule(user, read, write, pattern)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use obkmq_config::password::{HASH_BYTES, PasswordHash, SALT_BYTES};

    use super::*;

    fn hash(byte: u8) -> PasswordHash {
        PasswordHash::decoy([byte; SALT_BYTES], [byte; HASH_BYTES])
    }

    /// What is allowed itself is tested where it is decided, in the broker.
    #[test]
    fn every_user_and_the_anonymous_have_what_the_settings_say() {
        let mut settings = Settings::default();
        let users =
            [("ann", "everything,admin"), ("bob", "read a/#,write %u/%c"), ("cy", ""), ("dan", "admin")];
        for (number, (user, list)) in (0..).zip(users) {
            settings.set_user(user, hash(number)).unwrap();
            settings.set_user_rights(user, list).unwrap();
        }
        settings.set_user("eve", hash(9)).unwrap();
        settings.set("mqtt.anonymous_rights", "read public/#").unwrap();
        let mut accounts = Accounts::new([1; 32], hash(0));
        accounts.update(&settings);
        let rights = rights_of(&settings, &accounts);
        let mut expected = obkmq_broker::Rights::new();
        let id = |user: &str| accounts.users().find(|(_, name)| *name == user).map(|(id, _)| id);
        expected.add_user(None, "", Scope::Listed, false).unwrap();
        expected.add_rule(None, true, false, "public/#").unwrap();
        expected.add_user(id("ann"), "ann", Scope::Everything, true).unwrap();
        expected.add_user(id("bob"), "bob", Scope::Listed, false).unwrap();
        expected.add_rule(id("bob"), true, false, "a/#").unwrap();
        expected.add_rule(id("bob"), false, true, "%u/%c").unwrap();
        expected.add_user(id("cy"), "cy", Scope::Listed, false).unwrap();
        expected.add_user(id("dan"), "dan", Scope::Listed, true).unwrap();
        expected.add_user(id("eve"), "eve", Scope::Everything, false).unwrap();
        assert_eq!(rights, expected);
        assert!(rights.is_admin(id("ann")) && rights.is_admin(id("dan")));
        assert!(!rights.is_admin(id("bob")) && !rights.is_admin(id("eve")) && !rights.is_admin(None));
    }

    #[test]
    fn rights_that_are_not_set_allow_topics_and_no_commands() {
        let accounts = Accounts::new([1; 32], hash(0));
        let rights = rights_of(&Settings::default(), &accounts);
        let mut expected = obkmq_broker::Rights::new();
        expected.add_user(None, "", Scope::Everything, false).unwrap();
        assert_eq!(rights, expected);
    }
}
