//! The questions the broker asks about credentials. Whoever owns it knows the users and their hashes.

use crate::link::LinkId;
use crate::policy::Peer;
use crate::time::Instant;

/// Judges credentials in slices, so that a slow hash does not stop the traffic.
///
/// Judging and computing are apart: [`Verifier::judge`] says what is known and leaves work behind,
/// [`Verifier::work`] does it. So the work for an attempt goes on, and its result is there for the next one, when the
/// link that brought it has long given up.
pub trait Verifier {
    /// Judges an attempt as far as that is possible at once: by what is remembered of earlier ones, or, if nothing is
    /// being worked on, by beginning the slow work. Cheap.
    ///
    /// The broker asks when a CONNECT arrives, and again about every waiting attempt, the oldest first, whenever
    /// [`Verifier::work`] has finished something. An attempt whose link closes is not asked about again; nothing else
    /// tells of that.
    fn judge(&mut self, now: Instant, attempt: &Attempt<'_>) -> Verdict;

    /// Does one slice of the slow work, whether or not the link that asked for it still exists.
    ///
    /// The broker calls it once in each [`crate::Broker::poll`], and while the answer is not [`Progress::Idle`] asks to
    /// be polled again at once.
    fn work(&mut self, now: Instant) -> Progress;
}

/// Somebody's wish to be let in.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The link that brought it: the same in every question about one attempt, and different in the next.
    pub link: LinkId,
    /// Where it comes from.
    pub peer: Peer,
    /// User name; may be empty.
    pub user: &'a str,
    /// Password; may be empty.
    pub password: &'a [u8],
}

impl core::fmt::Debug for Attempt<'_> {
    /// Leaves the password out.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Attempt")
            .field("link", &self.link)
            .field("peer", &self.peer)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The answer about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not known yet; ask again when work is finished.
    Pending,
    /// Let in as this user.
    Accepted(UserId),
    /// User name or password are wrong.
    Refused,
    /// Too many failures from there as this user: not looked at now, right or wrong.
    Busy,
}

/// What a slice of work has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing to do.
    Idle,
    /// There is more to do.
    Working,
    /// A result is there: ask about the waiting attempts again.
    Finished,
}

/// A user, as the verifier numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u16);
