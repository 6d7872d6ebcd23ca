//! Which message arrived where, how often and in which order: exact, one bit per message.
//!
//! Terms, per flow (one publisher as one receiver hears it):
//! - *delivered*: different messages that arrived; a second copy does not count again.
//! - *duplicate*: arrivals of a message that had arrived before.
//! - *reordered*: first arrivals with a number below one that had arrived already (RFC 4737, section 3.3).
//! - *corrupt*: arrivals that fail their checksum. The message they once were also counts as lost.
//! - *lost*: sent, never delivered.
//!
//! *Stray* counts, over all flows, what is intact but was not meant for its receiver: another run, another
//! publisher's message, a number that was never due.

use std::collections::HashMap;

use super::scenario::Flow;

/// How one arrival was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A message seen for the first time.
    First,
    /// Seen before.
    Duplicate,
    /// Not meant for this receiver, or never due.
    Stray,
}

/// What became of the messages of one flow, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// Messages that were sent and should have arrived.
    pub(crate) expected: u64,
    /// Different messages that arrived.
    pub(crate) delivered: u64,
    /// Expected and not delivered.
    pub(crate) lost: u64,
    /// Repeated arrivals.
    pub(crate) duplicate: u64,
    /// First arrivals out of order.
    pub(crate) reordered: u64,
    /// Arrivals with a wrong checksum.
    pub(crate) corrupt: u64,
}

impl Tally {
    /// Adds another flow's figures.
    fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.duplicate += other.duplicate;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
    }
}

/// One flow's account.
#[derive(Debug)]
struct Account {
    /// Bit `n` is set once message `n` has arrived. Grows with the highest number seen, up to `due`.
    seen: Vec<u64>,
    /// Numbers from 0 up to here are on the publisher's schedule.
    due: u64,
    /// One above the highest number seen.
    next: u64,
    delivered: u64,
    duplicate: u64,
    reordered: u64,
    corrupt: u64,
}

impl Account {
    fn new(due: u64) -> Self {
        Self { seen: Vec::new(), due, next: 0, delivered: 0, duplicate: 0, reordered: 0, corrupt: 0 }
    }

    fn arrived(&mut self, sequence: u64) -> Arrival {
        let (Ok(word), bit) = (usize::try_from(sequence / 64), 1_u64 << (sequence % 64)) else {
            return Arrival::Stray;
        };
        if sequence >= self.due {
            return Arrival::Stray;
        }
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        match self.seen.get_mut(word) {
            Some(bits) if *bits & bit == 0 => *bits |= bit,
            _ => {
                self.duplicate += 1;
                return Arrival::Duplicate;
            }
        }
        self.delivered += 1;
        if sequence < self.next {
            self.reordered += 1;
        } else {
            self.next = sequence + 1;
        }
        Arrival::First
    }

    fn tally(&self, sent: u64) -> Tally {
        // A message can arrive although its sender's connection broke before it was reported as written.
        let expected = sent.max(self.delivered);
        Tally {
            expected,
            delivered: self.delivered,
            lost: expected - self.delivered,
            duplicate: self.duplicate,
            reordered: self.reordered,
            corrupt: self.corrupt,
        }
    }
}

/// All flows of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: HashMap<Flow, Account>,
    delivered: u64,
    stray: u64,
}

impl Ledger {
    /// `due` says how many messages a publisher's schedule has.
    pub(crate) fn new(flows: &[Flow], due: impl Fn(u32) -> u64) -> Self {
        let accounts = flows.iter().map(|flow| (*flow, Account::new(due(flow.publisher)))).collect();
        Self { accounts, delivered: 0, stray: 0 }
    }

    /// An intact message of this run arrived.
    pub(crate) fn arrived(&mut self, flow: Flow, sequence: u64) -> Arrival {
        let arrival =
            self.accounts.get_mut(&flow).map_or(Arrival::Stray, |account| account.arrived(sequence));
        match arrival {
            Arrival::First => self.delivered += 1,
            Arrival::Duplicate => {}
            Arrival::Stray => self.stray += 1,
        }
        arrival
    }

    /// A damaged message arrived on this flow's topic.
    pub(crate) fn corrupt(&mut self, flow: Flow) {
        match self.accounts.get_mut(&flow) {
            Some(account) => account.corrupt += 1,
            None => self.stray += 1,
        }
    }

    /// An intact message arrived that belongs to no flow of this run.
    pub(crate) fn stray(&mut self) {
        self.stray += 1;
    }

    /// Messages delivered so far, over all flows.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages that belong to no flow of this run.
    pub(crate) fn strays(&self) -> u64 {
        self.stray
    }

    /// Sent and not delivered yet, counting only flows for which `open` holds.
    pub(crate) fn outstanding(&self, sent: impl Fn(u32) -> u64, open: impl Fn(Flow) -> bool) -> u64 {
        self.accounts
            .iter()
            .filter(|(flow, _)| open(**flow))
            .map(|(flow, account)| sent(flow.publisher).saturating_sub(account.delivered))
            .sum()
    }

    /// Each flow's figures in the order of the publishers, and their sum.
    pub(crate) fn tally(&self, sent: impl Fn(u32) -> u64) -> (Vec<(Flow, Tally)>, Tally) {
        let mut flows: Vec<(Flow, Tally)> = self
            .accounts
            .iter()
            .map(|(flow, account)| (*flow, account.tally(sent(flow.publisher))))
            .collect();
        flows.sort_unstable_by_key(|(flow, _)| *flow);
        let mut sum = Tally::default();
        for (_, tally) in &flows {
            sum.add(tally);
        }
        (flows, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOW: Flow = Flow { publisher: 0, receiver: 1 };

    fn after(arrivals: &[u64], sent: u64) -> Tally {
        let mut ledger = Ledger::new(&[FLOW], |_| 1_000);
        for &sequence in arrivals {
            ledger.arrived(FLOW, sequence);
        }
        ledger.tally(|_| sent).1
    }

    #[test]
    fn all_in_order_is_clean() {
        assert_eq!(after(&[0, 1, 2], 3), Tally { expected: 3, delivered: 3, ..Tally::default() });
    }

    #[test]
    fn gaps_are_lost_wherever_they_are() {
        assert_eq!(after(&[1, 3], 5), Tally { expected: 5, delivered: 2, lost: 3, ..Tally::default() });
        assert_eq!(after(&[], 5).lost, 5);
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_fills_no_gap() {
        let tally = after(&[0, 0, 2, 2, 2], 3);
        assert_eq!(tally, Tally { expected: 3, delivered: 2, lost: 1, duplicate: 3, ..Tally::default() });
    }

    #[test]
    fn only_late_comers_are_reordered() {
        let tally = after(&[0, 3, 1, 2, 4], 5);
        assert_eq!(tally, Tally { expected: 5, delivered: 5, reordered: 2, ..Tally::default() });
        assert_eq!(after(&[5, 5, 4], 6).reordered, 1, "a duplicate is not reordered as well");
    }

    #[test]
    fn a_corrupt_arrival_leaves_its_message_lost() {
        let mut ledger = Ledger::new(&[FLOW], |_| 10);
        ledger.arrived(FLOW, 0);
        ledger.corrupt(FLOW);
        let (_, tally) = ledger.tally(|_| 2);
        assert_eq!(tally, Tally { expected: 2, delivered: 1, lost: 1, corrupt: 1, ..Tally::default() });
    }

    #[test]
    fn what_was_not_meant_for_the_receiver_is_stray() {
        let mut ledger = Ledger::new(&[FLOW], |_| 10);
        assert_eq!(ledger.arrived(Flow { publisher: 2, receiver: 1 }, 0), Arrival::Stray);
        assert_eq!(ledger.arrived(FLOW, 10), Arrival::Stray, "never due");
        assert_eq!(ledger.arrived(FLOW, u64::MAX), Arrival::Stray);
        ledger.corrupt(Flow { publisher: 0, receiver: 0 });
        ledger.stray();
        assert_eq!((ledger.strays(), ledger.delivered()), (5, 0));
    }

    #[test]
    fn flows_are_kept_apart() {
        let other = Flow { publisher: 1, receiver: 0 };
        let mut ledger = Ledger::new(&[FLOW, other], |_| 10);
        ledger.arrived(FLOW, 0);
        ledger.arrived(other, 0);
        ledger.arrived(other, 1);
        let (flows, sum) = ledger.tally(|publisher| if publisher == 0 { 3 } else { 2 });
        assert_eq!(
            flows.iter().map(|(flow, tally)| (flow.publisher, tally.lost)).collect::<Vec<_>>(),
            [(0, 2), (1, 0)]
        );
        assert_eq!((sum.expected, sum.delivered, sum.lost), (5, 3, 2));
        assert_eq!(ledger.outstanding(|_| 3, |_| true), 3);
        assert_eq!(ledger.outstanding(|_| 3, |flow| flow == other), 1, "a closed receiver is not waited for");
    }

    proptest! {
        /// Against a model that keeps every arrival.
        #[test]
        fn figures_agree_with_a_naive_count(arrivals in prop::collection::vec(0_u64..200, 0..400)) {
            let mut seen: Vec<u64> = Vec::new();
            let (mut duplicate, mut reordered) = (0, 0);
            for &sequence in &arrivals {
                if seen.contains(&sequence) {
                    duplicate += 1;
                } else {
                    reordered += u64::from(seen.iter().any(|earlier| *earlier > sequence));
                    seen.push(sequence);
                }
            }
            let delivered = seen.len() as u64;
            let model = Tally { expected: 200, delivered, lost: 200 - delivered, duplicate, reordered, corrupt: 0 };
            prop_assert_eq!(after(&arrivals, 200), model);
        }
    }
}
