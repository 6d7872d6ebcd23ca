//! Who gets in, at what cost, and what an attacker finds.

use core::net::SocketAddr;
use std::format;
use std::string::ToString;

use obkmq_broker::{Broker, Peer, Policy};
use obkmq_config::password::{Derivation, HASH_BYTES, SALT_BYTES};

use super::*;
use crate::limits::{BACK_OFF_FORGET_MS, BACK_OFF_PAIRS};

const PBKDF2_ANN: &str = "$7$101$Dcv4QCxNKtizw/8w$TGfhesJwkoV+WhFdSRIJoFAUk7xeMisehgYDZe1rv/dI0BIWC0PXRt+c4Eu5d5kUjra6MapFpVpXc2LJsQuGDA==";
const DIGEST_BOB: &str = "$6$VPAvFUhYQVVhTFJJ$YYfYlQxCpBjNqIE5gtyhHVSwJ/rcwL6XH/O3cwG7v0/gJWiZCvhrWmFZg/mo2FtWJuBlKMqwQMZBQe8gXpB67w==";
const HOME: &str = "192.168.1.9:1";
/// A little more than two turns.
const ITERATIONS: u32 = 2 * HASH_ITERATIONS_PER_TURN + 10;

fn hash_of(password: &str) -> PasswordHash {
    let salt = [7; SALT_BYTES];
    let hash = Derivation::new(password.as_bytes(), salt, ITERATIONS).step(u32::MAX).unwrap();
    PasswordHash::new(ITERATIONS, salt, hash).unwrap()
}

fn random(byte: u8) -> PasswordHash {
    PasswordHash::decoy([byte; SALT_BYTES], [byte; HASH_BYTES])
}

struct Nobody;

impl Verifier for Nobody {
    fn judge(&mut self, _: Instant, _: &Attempt<'_>) -> Verdict {
        Verdict::Refused
    }
    fn work(&mut self, _: Instant) -> Progress {
        Progress::Idle
    }
}

/// Accounts and somebody who asks them as the broker does.
struct Door {
    accounts: Accounts,
    settings: Settings,
    /// Gives out links.
    links: Broker<Nobody>,
    now: Instant,
    derivations: u32,
}

#[derive(Clone)]
struct Caller {
    link: LinkId,
    peer: Peer,
    user: String,
    password: String,
}

impl Door {
    /// With the users ann and bob, whose passwords are their names in capitals.
    fn new() -> Self {
        let mut settings = Settings::default();
        settings.set_user("ann", hash_of("ANN")).unwrap();
        settings.set_user("bob", hash_of("BOB")).unwrap();
        let mut accounts = Accounts::new([3; 32], random(9));
        accounts.update(&settings);
        let links = Broker::new(Policy::default(), 1, Nobody);
        Self { accounts, settings, links, now: Instant::from_millis(1), derivations: 0 }
    }

    fn caller(&mut self, from: &str, user: &str, password: &str) -> Caller {
        let peer = Peer(from.parse::<SocketAddr>().unwrap());
        let link = self.links.opened(self.now, peer).unwrap();
        Caller { link, peer, user: user.to_string(), password: password.to_string() }
    }

    fn judge(&mut self, caller: &Caller) -> Verdict {
        let Caller { link, peer, user, password } = caller;
        let attempt = Attempt { link: *link, peer: *peer, user, password: password.as_bytes() };
        self.accounts.judge(self.now, &attempt)
    }

    /// Works until something is finished; how many turns that took.
    fn finish(&mut self) -> u32 {
        let mut turns = 0;
        loop {
            turns += 1;
            match self.accounts.work(self.now) {
                Progress::Idle => return 0,
                Progress::Working => {}
                Progress::Finished => {
                    self.derivations += 1;
                    return turns;
                }
            }
        }
    }

    /// Stays until there is an answer.
    fn stay(&mut self, caller: &Caller) -> Verdict {
        for _ in 0..100 {
            match self.judge(caller) {
                Verdict::Pending => assert_ne!(self.finish(), 0, "waits for nothing"),
                verdict => return verdict,
            }
        }
        panic!("there is never an answer");
    }

    fn log_in(&mut self, from: &str, user: &str, password: &str) -> Verdict {
        let caller = self.caller(from, user, password);
        self.stay(&caller)
    }

    /// Asks and hangs up.
    fn glance(&mut self, from: &str, user: &str, password: &str) -> Verdict {
        let caller = self.caller(from, user, password);
        self.judge(&caller)
    }

    fn id(&self, user: &str) -> UserId {
        self.accounts.users().find(|(_, name)| *name == user).unwrap().0
    }
}

fn address(number: u32) -> String {
    format!("10.0.{}.{}:1", number >> 8, number & 0xFF)
}

#[test]
fn a_number_that_comes_round_again_is_not_given_to_a_second_user() {
    let mut accounts = Accounts::new([0; 32], random(0));
    let mut settings = Settings::default();
    settings.set_user("ann", random(1)).unwrap();
    accounts.update(&settings);
    let ann = accounts.accounts[0].id;
    accounts.next_id = ann.0;
    settings.set_user("bob", random(2)).unwrap();
    assert_eq!(accounts.update(&settings), []);
    assert_eq!(accounts.name(ann), Some("ann"));
    assert_ne!(accounts.accounts[0].id, accounts.accounts[1].id);
}

#[test]
fn the_right_password_costs_one_derivation_and_then_nothing() {
    let mut door = Door::new();
    let ann = door.id("ann");
    for number in 0..40 {
        assert_eq!(door.log_in(&address(number), "ann", "ANN"), Verdict::Accepted(ann));
    }
    assert_eq!(door.derivations, 1);
    assert_eq!(door.log_in(HOME, "bob", "ANN"), Verdict::Refused);
    assert_eq!(door.log_in(HOME, "", ""), Verdict::Refused);
}

#[test]
fn identical_attempts_share_a_derivation_right_or_wrong() {
    for (password, right) in [("ANN", true), ("typo", false)] {
        let mut door = Door::new();
        let callers: Vec<_> = (0..30).map(|number| door.caller(&address(number), "ann", password)).collect();
        for caller in &callers {
            assert_eq!(door.judge(caller), Verdict::Pending);
        }
        assert_eq!(door.finish(), 3);
        let expected = if right { Verdict::Accepted(door.id("ann")) } else { Verdict::Refused };
        for caller in &callers {
            assert_eq!(door.judge(caller), expected);
        }
        assert_eq!(door.finish(), 0);
    }
}

#[test]
fn a_result_outlives_the_link_that_asked_for_it() {
    let mut door = Door::new();
    let ann = door.id("ann");
    for (password, verdict) in [("ANN", Verdict::Accepted(ann)), ("typo", Verdict::Refused)] {
        assert_eq!(door.glance(HOME, "ann", password), Verdict::Pending);
        door.finish();
        assert_eq!(door.glance(HOME, "ann", password), verdict);
    }
}

#[test]
fn the_same_wrong_password_costs_one_derivation() {
    let mut door = Door::new();
    for number in 0..50 {
        assert_eq!(door.log_in(&address(number), "ann", "typo"), Verdict::Refused);
    }
    assert_eq!(door.derivations, 1);
}

#[test]
fn an_unknown_name_takes_as_many_turns_as_a_known_one() {
    let mut door = Door::new();
    for user in ["ann", "eve", "", "bob", &"x".repeat(70_000)] {
        assert_eq!(door.glance(HOME, user, "wrong"), Verdict::Pending);
        assert_eq!(door.finish(), 3, "{}", user.len());
    }
    let mut door = Door::new();
    door.accounts.update(&Settings::default());
    assert_eq!(door.glance(HOME, "eve", "wrong"), Verdict::Pending);
    let default = obkmq_config::limits::PASSWORD_ITERATIONS_DEFAULT;
    assert_eq!(door.finish(), (default - 1).div_ceil(HASH_ITERATIONS_PER_TURN), "no users: the usual number");
}

/// Whether somebody who always hangs up sees the same for a name that exists as for one that does not.
#[test]
fn hanging_up_does_not_tell_which_names_exist() {
    let mut door = Door::new();
    door.log_in(HOME, "ann", "ANN");
    let mut seen = |user: &str, from: &str| -> Vec<Verdict> {
        (0..6).map(|number| door.glance(from, user, &format!("guess{number}"))).collect()
    };
    let known = seen("ann", "10.0.0.1:1");
    assert_eq!(known, seen("bob", "10.0.0.2:1"));
    assert_eq!(known, seen("eve", "10.0.0.3:1"));
    assert_eq!(known[3..], [Verdict::Busy; 3]);
}

#[test]
fn after_three_failures_a_pair_is_busy_without_a_derivation_and_nobody_else_is() {
    let mut door = Door::new();
    let (ann, bob) = (door.id("ann"), door.id("bob"));
    for number in 0..3 {
        assert_eq!(door.log_in(HOME, "ann", &format!("guess{number}")), Verdict::Refused);
    }
    assert_eq!(door.derivations, 3);
    for _ in 0..5 {
        assert_eq!(door.log_in(HOME, "ann", "guess4"), Verdict::Busy);
        assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Busy, "not even the right one is looked at");
    }
    assert_eq!(door.derivations, 3);
    assert_eq!(door.log_in(HOME, "bob", "BOB"), Verdict::Accepted(bob), "another user from there");
    assert_eq!(door.log_in("192.168.1.8:1", "ann", "ANN"), Verdict::Accepted(ann), "the same from elsewhere");
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Busy, "known by now, and still not looked at");
    for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
        door.now = door.now.saturating_add_millis(pause_s * 1000 - 1);
        assert_eq!(door.log_in(HOME, "ann", "typo"), Verdict::Busy, "{pause_s}");
        door.now = door.now.saturating_add_millis(1);
        assert_eq!(door.log_in(HOME, "ann", "typo"), Verdict::Refused, "{pause_s}");
    }
    door.now = door.now.saturating_add_millis(60_000);
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(ann));
    for _ in 0..2 {
        assert_eq!(door.log_in(HOME, "ann", "typo"), Verdict::Refused, "success has cleared it");
    }
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(ann));
}

/// Its own attempt counts as a failure until it proves right, which must not hold it back.
#[test]
fn the_right_password_is_let_in_at_once_after_the_pause_even_for_the_first_time() {
    for failures in 0..12 {
        let mut door = Door::new();
        for number in 0..failures {
            assert_eq!(door.log_in(HOME, "ann", &format!("guess{number}")), Verdict::Refused);
            door.now = door.now.saturating_add_millis(60_000);
        }
        assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(door.id("ann")), "{failures}");
    }
}

#[test]
fn guesses_at_the_same_time_are_failures_in_a_row_too() {
    let mut door = Door::new();
    let callers: Vec<_> = (0..10).map(|number| door.caller(HOME, "ann", &format!("guess{number}"))).collect();
    let at_once: Vec<_> = callers.iter().map(|caller| door.judge(caller)).collect();
    assert_eq!(at_once[..3], [Verdict::Pending; 3]);
    assert_eq!(at_once[3..], [Verdict::Busy; 7]);
    for caller in &callers[..3] {
        assert_eq!(door.stay(caller), Verdict::Refused);
    }
    assert_eq!(door.derivations, 3);
}

/// Retries that give up early are no failures: the password is one and the same.
#[test]
fn an_impatient_device_is_not_held_back() {
    let mut door = Door::new();
    assert_eq!(door.glance("10.0.0.1:1", "bob", "BOB"), Verdict::Pending);
    for _ in 0..20 {
        assert_eq!(door.glance(HOME, "ann", "ANN"), Verdict::Pending);
    }
    door.finish();
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(door.id("ann")));
}

/// Who hangs up at once, from ever new addresses, must not find the right password without derivations.
#[test]
fn guesses_are_paid_for_even_by_those_who_rotate_addresses_and_hang_up() {
    let mut door = Door::new();
    let ann = door.id("ann");
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(ann));
    for number in 0..1000 {
        assert_eq!(door.glance(&address(number), "ann", &format!("guess{number}")), Verdict::Pending);
    }
    // His next guess is right, and he does not learn it.
    assert_eq!(door.glance(&address(1000), "ann", "ANN"), Verdict::Pending);
    let derivations = door.derivations;
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(ann), "the owner is not locked out");
    assert_eq!(door.derivations, derivations, "and does not wait");
    // Nor is a device that comes with a new address: it pays for its own.
    assert_eq!(door.log_in("192.168.1.77:1", "ann", "ANN"), Verdict::Accepted(ann));
    assert!(door.derivations <= derivations + 2, "the attacker's one that was running, and its own");
    // Each derivation for ann pays for one guess, no more.
    assert_eq!(door.glance(&address(2000), "ann", "new guess"), Verdict::Pending);
    for _ in 0..2 {
        door.glance(&address(2001), "ann", "other guess");
        door.glance(&address(2002), "ann", "another guess");
        assert_eq!(door.glance(&address(2003), "ann", "ANN"), Verdict::Pending);
    }
}

/// Whom the remembered password has opened for, be it at once or after a derivation, it goes on to open for.
#[test]
fn those_who_got_in_before_do_not_wait_for_an_attacker() {
    let mut door = Door::new();
    let ann = door.id("ann");
    for from in [HOME, "192.168.1.10:1"] {
        assert_eq!(door.log_in(from, "ann", "ANN"), Verdict::Accepted(ann));
    }
    let attack = |door: &mut Door, round: u32| {
        for number in 0..15 {
            door.glance(&address(round * 100 + number), "ann", &format!("{round} {number}"));
        }
    };
    // What is worked on is for another name, so it pays for no guess at ann's password.
    door.glance(&address(1), "eve", "x");
    attack(&mut door, 1);
    for from in [HOME, "192.168.1.10:1"] {
        assert_eq!(door.glance(from, "ann", "ANN"), Verdict::Accepted(ann));
    }
    door.finish();
    let third = door.caller("192.168.1.11:1", "ann", "ANN");
    assert_eq!(door.judge(&third), Verdict::Pending);
    door.finish();
    attack(&mut door, 2);
    assert_eq!(door.judge(&third), Verdict::Accepted(ann), "it has paid itself");
    door.finish();
    assert_eq!(door.glance("192.168.1.12:1", "ann", "ANN"), Verdict::Accepted(ann), "somebody has paid");
}

#[test]
fn rotating_names_and_addresses_pushes_out_nothing_but_failures() {
    let mut door = Door::new();
    let ann = door.id("ann");
    for _ in 0..3 {
        assert_eq!(door.log_in(HOME, "ann", "typo"), Verdict::Refused);
    }
    let before = door.derivations;
    for number in 0..200 {
        assert_eq!(door.log_in(&address(number), &format!("name{number}"), "x"), Verdict::Refused);
    }
    assert_eq!(door.derivations, before + 200);
    assert!(door.accounts.seen.len() <= GUESSES_REMEMBERED && door.accounts.trusted.len() <= TRUSTED_PAIRS);
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(ann), "its failures were pushed out");
}

/// An attacker's own failures may be pushed out; each of his guesses costs a derivation all the same.
#[test]
fn pushing_out_one_s_own_failures_saves_no_derivation() {
    let mut door = Door::new();
    let mut guesses = 0;
    for round in 0..5 {
        for number in (0..).take(BACK_OFF_PAIRS + 1) {
            for guess in 0..2 {
                let password = format!("{round} {number} {guess}");
                assert_eq!(door.log_in(&address(number), "ann", &password), Verdict::Refused);
                guesses += 1;
            }
        }
    }
    assert_eq!(door.derivations, guesses);
}

#[test]
fn what_is_remembered_ends_with_the_password() {
    let mut door = Door::new();
    let ann = door.id("ann");
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Accepted(ann));
    assert_eq!(door.log_in(HOME, "ann", "NEW"), Verdict::Refused);
    door.settings.set_user("ann", hash_of("NEW")).unwrap();
    assert_eq!(door.accounts.update(&door.settings), [ann]);
    assert_eq!(door.accounts.trusted, [], "whom the old one has let in");
    let ann = door.id("ann");
    assert_eq!(door.log_in(HOME, "ann", "NEW"), Verdict::Accepted(ann));
    assert_eq!(door.log_in(HOME, "ann", "ANN"), Verdict::Refused);
    door.settings.remove_user("ann").unwrap();
    assert_eq!(door.accounts.update(&door.settings), [ann]);
    assert_eq!(door.log_in("192.168.1.8:1", "ann", "NEW"), Verdict::Refused);
}

#[test]
fn dropped_work_is_told_so_that_those_who_wait_are_asked_again() {
    let mut door = Door::new();
    let caller = door.caller(HOME, "ann", "NEW");
    assert_eq!(door.judge(&caller), Verdict::Pending);
    door.settings.set_user("ann", hash_of("NEW")).unwrap();
    door.accounts.update(&door.settings);
    assert_eq!(door.accounts.work(door.now), Progress::Finished);
    assert_eq!(door.stay(&caller), Verdict::Accepted(door.id("ann")));
}

#[test]
fn wrong_passwords_are_forgotten_in_time() {
    let mut door = Door::new();
    door.log_in(HOME, "ann", "typo");
    door.now = door.now.saturating_add_millis(GUESS_REMEMBERED_MS.max(BACK_OFF_FORGET_MS));
    assert_eq!(door.log_in(HOME, "ann", "typo"), Verdict::Refused);
    assert_eq!(door.derivations, 2);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut door = Door::new();
    for number in 0..100 {
        assert_ne!(door.log_in(&address(number), "ann", "ANN"), Verdict::Refused);
    }
    assert_eq!(door.accounts.trusted.len(), TRUSTED_PAIRS);
    for number in 0..100 {
        door.glance(&address(number), "bob", &format!("guess{number}"));
    }
    // All places are taken by guesses that wait.
    door.finish();
    door.glance(&address(200), "eve", "late");
    door.finish();
    door.glance(&address(201), "eve", "later");
    door.finish();
    assert_eq!(door.accounts.seen.len(), GUESSES_REMEMBERED);
    assert_eq!(door.glance(&address(202), "eve", "later"), Verdict::Refused, "a result finds room");
}

#[test]
fn a_password_longer_than_is_looked_at_is_wrong() {
    let mut door = Door::new();
    let longest = "x".repeat(PASSWORD_LOOKED_AT_BYTES);
    door.settings.set_user("ann", hash_of(&longest)).unwrap();
    door.accounts.update(&door.settings);
    assert_eq!(door.log_in(HOME, "ann", &format!("{longest}x")), Verdict::Refused);
    assert_eq!(door.log_in(HOME, "ann", &longest), Verdict::Accepted(door.id("ann")));
    assert_eq!(door.log_in(HOME, "ann", &format!("{longest}y")), Verdict::Refused);
}

/// The hashes are what `mosquitto_passwd` 2.0.11 wrote for the passwords ANN (`$7$`) and BOB (`$6$`).
#[test]
fn hashes_of_mosquittos_let_in_as_well_and_are_checked_in_slices() {
    let mut door = Door::new();
    let hashes = [("ann", PBKDF2_ANN), ("bob", DIGEST_BOB)];
    for (user, text) in hashes {
        door.settings.set_user(user, PasswordHash::parse(text).unwrap()).unwrap();
    }
    door.accounts.update(&door.settings);
    for (user, password) in [("ann", "ANN"), ("bob", "BOB")] {
        assert_eq!(door.log_in(HOME, user, "wrong"), Verdict::Refused);
        assert_eq!(door.log_in(HOME, user, password), Verdict::Accepted(door.id(user)));
    }
    assert_eq!(door.glance("10.0.0.1:1", "ann", "another"), Verdict::Pending);
    let units = 100 * obkmq_config::limits::MOSQUITTO_UNITS_PER_ITERATION;
    assert_eq!(door.finish(), units.div_ceil(HASH_ITERATIONS_PER_TURN));
    // An unknown name takes as long as one of the two.
    for name in ["eve", "mallory", "trent", "x"] {
        assert_eq!(door.glance("10.0.0.2:1", name, "another"), Verdict::Pending);
        assert!([1, units.div_ceil(HASH_ITERATIONS_PER_TURN)].contains(&door.finish()), "{name}");
    }
}
