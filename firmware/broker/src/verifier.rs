//! The question the broker asks about credentials. Whoever owns it knows the users and their hashes.

use crate::link::LinkId;
use crate::policy::Peer;

/// Judges credentials in slices, so that a slow hash does not stop the traffic.
pub trait Verifier {
    /// Starts or continues to check an attempt with a bounded amount of work.
    ///
    /// The broker asks once per [`crate::Broker::poll`], always about the oldest waiting attempt, until the verdict is
    /// not [`Verdict::Pending`]. When that attempt's link closes, the next question is about another
    /// [`Attempt::link`] without a verdict on the former.
    fn verify(&mut self, attempt: &Attempt<'_>) -> Verdict;
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

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not known yet; ask again.
    Pending,
    /// Let in as this user.
    Accepted(UserId),
    /// User name or password are wrong.
    Refused,
}

/// A user, as the verifier numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserId(pub u16);
