//! Checks names and passwords: slowly once, fast from then on.
//!
//! A password is stored as a salted, slow hash (see [`obkmq_config::password`]). Computing it for each of thirty devices
//! that come back after a power cut would take longer than they wait, so a name and password that once proved right are
//! remembered in RAM as a MAC under a key that is new at each boot, and so are the last wrong ones. Work is sliced: one
//! call computes [`HASH_ITERATIONS_PER_TURN`] iterations at most. Identical attempts share one derivation, and its
//! result, right or wrong, stays when the link that asked for it is gone.
//!
//! What an attacker must not gain from any of that:
//!
//! * *Names.* An unknown name costs as much as a wrong password: as many iterations as for some user, always the same
//!   one for the same name.
//! * *Guesses for nothing.* Comparing a guess with the remembered right one is cheap, and whoever hangs up before his
//!   turn comes would have tried it for free. So each new guess counts as a failure until it proves right, for known
//!   and unknown names alike. And where an account has had [`GUESSES_IN_ADVANCE`] of them without a derivation, the
//!   remembered password opens only for pairs of address and user that it has opened for before: all others wait for a
//!   derivation of their own, which pays for one guess. That holds however many addresses the guesses come from, and
//!   whatever they push out of the tables; nobody is locked out by it.
//! * *Lock-outs.* [`BackOff`] counts failures for an address and a user together.

mod back_off;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use hmac::{Hmac, KeyInit, Mac};
use obkmq_broker::{Attempt, Instant, LinkId, Progress, UserId, Verdict, Verifier};
use obkmq_config::password::{Check, PasswordHash};
use obkmq_config::settings::Settings;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use self::back_off::{BackOff, Pair, origin};
use crate::limits::{
    GUESS_REMEMBERED_MS, GUESSES_IN_ADVANCE, GUESSES_REMEMBERED, HASH_ITERATIONS_PER_TURN,
    PASSWORD_LOOKED_AT_BYTES, TRUSTED_PAIRS,
};

/// Half a MAC of a name and a password: nobody who has not the key can aim at one.
type Tag = [u8; 16];

struct Account {
    id: UserId,
    name: String,
    hash: PasswordHash,
    /// MAC of the name and password that proved right. There is no second password that does.
    proven: Option<Tag>,
    /// Guesses that were compared with it and for which no derivation has been done yet.
    guesses: u8,
}

/// A name and password that have not proved right.
struct Seen {
    tag: Tag,
    since: Instant,
    /// The attempt that was counted as a failure because of it.
    counted: LinkId,
    /// The derivation has been done.
    is_wrong: bool,
}

struct Running {
    tag: Tag,
    check: Check,
    /// Whose hash it is compared with; `None` for a name nobody has.
    account: Option<UserId>,
    /// Who asked first.
    pair: Pair,
    link: LinkId,
}

/// What an attempt comes down to.
struct Guess {
    tag: Tag,
    pair: Pair,
    link: LinkId,
}

/// The broker's [`Verifier`] over the users of the settings.
pub(crate) struct Accounts {
    accounts: Vec<Account>,
    next_id: u16,
    keyed: Hmac<Sha256>,
    /// What an unknown name is compared with.
    decoy: PasswordHash,
    running: Option<Running>,
    /// Work was dropped: those who wait for it have to be asked again.
    is_dropped: bool,
    /// The least recently used first.
    seen: Vec<Seen>,
    /// Those that have got in, the longest ago first.
    trusted: Vec<Pair>,
    back_off: BackOff,
}

impl Accounts {
    /// `key` and the decoy come from the board's entropy.
    pub(crate) fn new(key: [u8; 32], decoy: PasswordHash) -> Self {
        // A whole block as key is the only constructor that cannot fail; the padding is HMAC's own.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(key) {
            *to = from;
        }
        Self {
            accounts: Vec::new(),
            next_id: 0,
            keyed: <Hmac<Sha256> as KeyInit>::new(&block.into()),
            decoy,
            running: None,
            is_dropped: false,
            seen: Vec::new(),
            trusted: Vec::new(),
            back_off: BackOff::default(),
        }
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
        let mut is_changed = !revoked.is_empty();
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
                    guesses: 0,
                });
                is_changed = true;
            }
        }
        self.accounts = kept;
        if is_changed {
            // What was wrong may be right now, and whom one password was opened for, not another.
            self.seen.clear();
            self.trusted.clear();
            self.is_dropped |= self.running.take().is_some();
        }
        revoked
    }

    /// The name of a user that was accepted.
    pub(crate) fn name(&self, id: UserId) -> Option<&str> {
        self.accounts.iter().find(|account| account.id == id).map(|account| account.name.as_str())
    }

    /// The number of a user.
    pub(crate) fn id(&self, name: &str) -> Option<UserId> {
        self.users().find(|(_, known)| *known == name).map(|(id, _)| id)
    }

    /// Ids and names of all users.
    pub(crate) fn users(&self) -> impl Iterator<Item = (UserId, &str)> {
        self.accounts.iter().map(|account| (account.id, account.name.as_str()))
    }

    fn mac(&self, purpose: u8, parts: [&[u8]; 2]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(&[purpose]);
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.get(..PASSWORD_LOOKED_AT_BYTES).unwrap_or(part));
        }
        mac.finalize().into_bytes().into()
    }

    fn number(&self, purpose: u8, parts: [&[u8]; 2]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.mac(purpose, parts);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    fn guess(&self, attempt: &Attempt<'_>) -> Guess {
        let user = attempt.user.as_bytes();
        let mac = self.mac(b'p', [user, attempt.password]);
        let mut tag = Tag::default();
        for (to, from) in tag.iter_mut().zip(mac) {
            *to = from;
        }
        let pair = Pair(self.number(b'o', [&origin(attempt.peer), user]));
        Guess { tag, pair, link: attempt.link }
    }

    /// Compares a guess with the one that proved right before, if there is one and the guess may be compared.
    fn recognise(&mut self, index: usize, guess: &Guess, is_new: bool) -> Option<UserId> {
        let is_trusted = self.trusted.contains(&guess.pair);
        let account = self.accounts.get_mut(index)?;
        let is_right: bool = account.proven?.ct_eq(&guess.tag).into();
        if is_right && (is_trusted || account.guesses < GUESSES_IN_ADVANCE) {
            return Some(account.id);
        }
        if !is_right && is_new {
            account.guesses = account.guesses.saturating_add(1).min(GUESSES_IN_ADVANCE);
        }
        None
    }

    fn find_seen(&self, tag: &Tag) -> Option<usize> {
        self.seen.iter().position(|seen| seen.tag.ct_eq(tag).into())
    }

    /// Makes room for a guess by forgetting the oldest wrong one; whether there is room.
    fn make_room(&mut self) -> bool {
        if self.seen.len() >= GUESSES_REMEMBERED
            && let Some(oldest) = self.seen.iter().position(|seen| seen.is_wrong)
        {
            self.seen.remove(oldest);
        }
        self.seen.len() < GUESSES_REMEMBERED
    }

    /// Remembers that a guess is wrong.
    fn remember_wrong(&mut self, now: Instant, tag: Tag, counted: LinkId) {
        if !self.make_room() {
            self.seen.remove(0);
        }
        self.seen.push(Seen { tag, since: now, counted, is_wrong: true });
    }

    fn trust(&mut self, pair: Pair) {
        self.trusted.retain(|trusted| *trusted != pair);
        if self.trusted.len() >= TRUSTED_PAIRS {
            self.trusted.remove(0);
        }
        self.trusted.push(pair);
    }

    fn start(&mut self, index: Option<usize>, attempt: &Attempt<'_>, guess: &Guess) {
        let account = index.and_then(|index| self.accounts.get(index));
        let password = attempt.password;
        let password = password.get(..PASSWORD_LOOKED_AT_BYTES).unwrap_or(password);
        let check = match account {
            Some(account) => account.hash.check(password),
            None => {
                // As slow as for one of the users, and always for the same one.
                let choice = self.number(b'd', [attempt.user.as_bytes(), b""]);
                let choice = choice.checked_rem(self.accounts.len() as u64).unwrap_or(0);
                let like = usize::try_from(choice).ok().and_then(|at| self.accounts.get(at));
                like.map_or(&self.decoy, |account| &account.hash).check(password)
            }
        };
        self.running = Some(Running {
            tag: guess.tag,
            check,
            account: account.map(|account| account.id),
            pair: guess.pair,
            link: guess.link,
        });
    }
}

impl Verifier for Accounts {
    fn judge(&mut self, now: Instant, attempt: &Attempt<'_>) -> Verdict {
        self.seen.retain(|seen| now < seen.since.saturating_add_millis(GUESS_REMEMBERED_MS));
        let guess = self.guess(attempt);
        let seen = self.find_seen(&guess.tag);
        let entry = seen.and_then(|at| self.seen.get(at));
        let is_wrong = entry.is_some_and(|seen| seen.is_wrong);
        // An attempt that was counted and let through before waits for its end, whatever has failed meanwhile.
        let is_counted = entry.is_some_and(|seen| seen.counted == guess.link);
        if is_counted && is_wrong {
            return Verdict::Refused;
        }
        // Before anything is compared: while it lasts, not even the right password is told from a wrong one.
        if !is_counted && self.back_off.holds(now, guess.pair) {
            return Verdict::Busy;
        }
        if let Some(at) = seen.filter(|_| is_wrong) {
            self.seen.remove(at);
            self.remember_wrong(now, guess.tag, guess.link);
            self.back_off.failed(now, guess.pair);
            return Verdict::Refused;
        }
        let is_user = |account: &Account| account.name == attempt.user;
        let index = self.accounts.iter().position(is_user);
        let index = index.filter(|_| attempt.password.len() <= PASSWORD_LOOKED_AT_BYTES);
        if let Some(id) = index.and_then(|index| self.recognise(index, &guess, seen.is_none())) {
            self.back_off.succeeded(guess.pair);
            self.trust(guess.pair);
            return Verdict::Accepted(id);
        }
        if seen.is_none() && self.make_room() {
            let Guess { tag, link, .. } = guess;
            self.seen.push(Seen { tag, since: now, counted: link, is_wrong: false });
            self.back_off.failed(now, guess.pair);
        }
        if self.running.is_none() {
            self.start(index, attempt, &guess);
        }
        Verdict::Pending
    }

    #[inline]
    fn work(&mut self, now: Instant) -> Progress {
        if self.running.is_none() && !self.is_dropped { Progress::Idle } else { self.work_on(now) }
    }
}

impl Accounts {
    /// A slice of the verification that runs.
    fn work_on(&mut self, now: Instant) -> Progress {
        if core::mem::take(&mut self.is_dropped) {
            return Progress::Finished;
        }
        let Some(running) = &mut self.running else { return Progress::Idle };
        let Some(derived) = running.check.step(HASH_ITERATIONS_PER_TURN) else {
            return Progress::Working;
        };
        let Some(Running { tag, account, pair, link, .. }) = self.running.take() else {
            return Progress::Idle;
        };
        let account = account.and_then(|id| self.accounts.iter_mut().find(|account| account.id == id));
        let is_right = match account {
            Some(account) => {
                account.guesses = account.guesses.saturating_sub(1);
                let is_right = account.hash.matches(&derived);
                if is_right {
                    account.proven = Some(tag);
                }
                is_right
            }
            None => {
                // The comparison is made for an unknown name too, and nothing follows from it.
                let _ = self.decoy.matches(&derived);
                false
            }
        };
        let seen = self.find_seen(&tag).map(|at| self.seen.remove(at));
        if is_right {
            // Counted as a failure when it came: it must not be what holds itself back when it is judged again.
            self.back_off.succeeded(pair);
            self.trust(pair);
        } else {
            if seen.is_none() {
                self.back_off.failed(now, pair);
            }
            self.remember_wrong(now, tag, seen.map_or(link, |seen| seen.counted));
        }
        Progress::Finished
    }
}
