//! What may happen in the model of `model.rs`.

use obkmq_broker::{QoS, Version};
use obkmq_mqtt::RetainHandling;
use proptest::prelude::*;

pub(crate) const VERSIONS: [Version; 5] =
    [Version::V3_1_1, Version::V5, Version::V3_1, Version::V5, Version::V3_1_1];
pub(crate) const CLIENTS: usize = VERSIONS.len();
pub(crate) const TOPICS: [&str; 8] = ["a", "a/b", "a/b/c", "b", "/", "$s/a", "$s/g", "$s/h"];
/// Nothing but the groups' own filters matches the topics of the groups.
pub(crate) const FILTERS: [&str; 12] =
    ["a", "a/b", "a/+", "a/#", "#", "+/b/#", "+", "/", "will/+", "$s/a", "$share/g/$s/g", "$share/h/$s/h"];
pub(crate) const FOREVER: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) filter: &'static str,
    pub(crate) qos: QoS,
    // The rest is for clients that speak MQTT 5.
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) handling: RetainHandling,
    pub(crate) identifier: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Over a link that may still be there.
    Connect {
        client: usize,
        clean: bool,
        expiry: u32,
        will: Option<(QoS, bool, u32)>,
    },
    Cut {
        client: usize,
    },
    /// Goes with a goodbye; with or without its will.
    Leave {
        client: usize,
        with_will: bool,
    },
    Subscribe {
        client: usize,
        wish: Wish,
    },
    Unsubscribe {
        client: usize,
        filter: &'static str,
    },
    /// Several messages; at QoS 2 each perhaps twice, and perhaps with the link cut before the last one's release.
    Publish {
        client: usize,
        topic: &'static str,
        qos: QoS,
        retain: bool,
        empty: bool,
        times: u16,
        again: bool,
        cut: bool,
    },
    /// Whether the client acknowledges, and whether its transport takes anything.
    Behave {
        client: usize,
        silent: bool,
        blocked: bool,
    },
    Wait {
        seconds: u32,
    },
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..CLIENTS;
    let filter = || proptest::sample::select(&FILTERS[..]);
    let qos = || proptest::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..]);
    let topic = proptest::sample::select(&TOPICS[..]);
    let rarely = || proptest::bool::weighted(0.2);
    let expiry = proptest::sample::select(&[0, 10, 30, FOREVER][..]);
    let will = proptest::option::of((qos(), any::<bool>(), proptest::sample::select(&[0, 5, 20][..])));
    let handling = [RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never];
    let wish =
        (filter(), qos(), rarely(), any::<bool>(), proptest::sample::select(handling.to_vec()), 0_u32..4)
            .prop_map(|(filter, qos, no_local, retain_as_published, handling, identifier)| Wish {
                filter,
                qos,
                no_local: no_local && !filter.starts_with("$share"),
                retain_as_published,
                handling,
                identifier,
            });
    let times = proptest::sample::select(&[1_u16, 1, 6][..]);
    let step = prop_oneof![
        4 => (client.clone(), rarely(), expiry, will)
            .prop_map(|(client, clean, expiry, will)| Step::Connect { client, clean, expiry, will }),
        2 => client.clone().prop_map(|client| Step::Cut { client }),
        1 => (client.clone(), any::<bool>()).prop_map(|(client, with_will)| Step::Leave { client, with_will }),
        5 => (client.clone(), wish).prop_map(|(client, wish)| Step::Subscribe { client, wish }),
        1 => (client.clone(), filter()).prop_map(|(client, filter)| Step::Unsubscribe { client, filter }),
        8 => (client.clone(), topic, qos(), (any::<bool>(), rarely(), times), any::<bool>(), rarely()).prop_map(
            |(client, topic, qos, (retain, empty, times), again, cut)|
                Step::Publish { client, topic, qos, retain, empty, times, again, cut }
        ),
        3 => (client, any::<bool>(), rarely())
            .prop_map(|(client, silent, blocked)| Step::Behave { client, silent, blocked }),
        1 => proptest::sample::select(&[1_u32, 4, 12][..]).prop_map(|seconds| Step::Wait { seconds }),
    ];
    proptest::collection::vec(step, 1..100)
}
