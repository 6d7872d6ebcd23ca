//! A socket's place, and in which part of its life it is.

use obkmq_node::{Instant, LinkId};
use smoltcp::iface::SocketHandle;

/// A socket and what it is to the node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) handle: SocketHandle,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It listens.
    Listening,
    /// Somebody knocked; dropped if the handshake is not over by then.
    HalfOpen { until: Instant },
    /// It carries a link.
    Open {
        link: LinkId,
        /// The node takes nothing of it until it says so.
        paused: bool,
        /// The node has something to send.
        has_output: bool,
    },
    /// The link is over; dropped at the latest then.
    Ended { until: Instant },
}

impl Place {
    /// Whether it carries `link`.
    pub(crate) fn carries(&self, link: LinkId) -> bool {
        matches!(self.phase, Phase::Open { link: own, .. } if own == link)
    }

    /// When it is dropped by itself.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self.phase {
            Phase::HalfOpen { until } | Phase::Ended { until } => Some(until),
            Phase::Listening | Phase::Open { .. } => None,
        }
    }
}
