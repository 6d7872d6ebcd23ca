//! Who publishes what, and who hears whom.
//!
//! A scenario is data: a list of roles. The rest of the bench knows only roles and the flows that follow from
//! them, so another pattern (fan-out, fan-in, a mesh) is another function that returns a [`Scenario`].

/// One client's part. Publisher number and client number are the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// Whether it publishes to its own topic ([`Scenario::topic`]).
    pub(crate) publishes: bool,
    /// The publishers it subscribes to.
    pub(crate) hears: Vec<u32>,
}

/// A named pattern of traffic.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// Everything of this run is published under it: `obkmq-bench/<run>`.
    prefix: String,
    /// One entry per client.
    pub(crate) roles: Vec<Role>,
}

/// One publisher as one receiver hears it: the unit in which deliveries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flow {
    /// Client that sends.
    pub(crate) publisher: u32,
    /// Client that receives.
    pub(crate) receiver: u32,
}

impl Scenario {
    /// Every client publishes and hears its neighbour: each message has exactly one receiver, and the load on
    /// the broker is the same for all clients. A single client hears itself.
    pub(crate) fn ring(clients: u32, run: &str) -> Self {
        let roles = (0..clients)
            .map(|client| Role {
                publishes: true,
                hears: vec![(client + 1).checked_rem(clients).unwrap_or(0)],
            })
            .collect();
        Self { name: "ring", prefix: format!("obkmq-bench/{run}"), roles }
    }

    /// The topic a publisher sends to.
    pub(crate) fn topic(&self, publisher: u32) -> String {
        format!("{}/{publisher}", self.prefix)
    }

    /// The publisher that owns a topic. It is how a message whose content is damaged is still laid at the
    /// right door.
    pub(crate) fn publisher_of(&self, topic: &str) -> Option<u32> {
        topic.strip_prefix(self.prefix.as_str())?.strip_prefix('/')?.parse().ok()
    }

    /// Every pair of publisher and receiver, in the order of the publishers.
    pub(crate) fn flows(&self) -> Vec<Flow> {
        let mut flows = Vec::new();
        for (receiver, role) in (0_u32..).zip(&self.roles) {
            for &publisher in &role.hears {
                flows.push(Flow { publisher, receiver });
            }
        }
        flows.sort_unstable();
        flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_ring_everyone_is_heard_exactly_once() {
        let scenario = Scenario::ring(20, "abc");
        let flows = scenario.flows();
        assert_eq!(flows.len(), 20);
        assert!(flows.iter().zip(0..).all(|(flow, publisher)| flow.publisher == publisher));
        assert!(flows.iter().all(|flow| (flow.receiver + 1) % 20 == flow.publisher));
    }

    #[test]
    fn one_client_hears_itself() {
        assert_eq!(Scenario::ring(1, "abc").flows(), [Flow { publisher: 0, receiver: 0 }]);
    }

    #[test]
    fn a_topic_leads_back_to_its_publisher() {
        let scenario = Scenario::ring(3, "abc");
        assert_eq!(scenario.topic(2), "obkmq-bench/abc/2");
        assert_eq!(scenario.publisher_of("obkmq-bench/abc/2"), Some(2));
        for foreign in
            ["obkmq-bench/abd/2", "obkmq-bench/abc/", "obkmq-bench/abc/x", "obkmq-bench/abc2", "a", ""]
        {
            assert_eq!(scenario.publisher_of(foreign), None, "{foreign}");
        }
    }
}
