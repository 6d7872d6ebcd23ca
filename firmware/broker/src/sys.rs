//! The broker's own figures under `$SYS/broker/…`, with the names that mosquitto has given them where it has the same.
//!
//! They are not stored: a figure is put into words when somebody subscribes to it, and every
//! [`crate::Policy::sys_interval_seconds`] for those who have.

use core::fmt::{self, Write};

use obkmq_mqtt::{Properties, QoS, TopicFilter, TopicName};

use crate::message::Content;
use crate::route::Patience;
use crate::state::Core;
use crate::statistics::Statistics;
use crate::text::Line;
use crate::time::Moment;

/// A figure and how it is written.
pub(crate) struct Figure {
    pub(crate) topic: &'static str,
    write: fn(&Statistics, &mut Line) -> fmt::Result,
}

macro_rules! figure {
    ($topic:literal, $statistics:ident => $($words:tt)+) => {
        Figure {
            topic: concat!("$SYS/broker/", $topic),
            write: |$statistics, line| write!(line, $($words)+),
        }
    };
}

/// All figures. What is not there (a radio) writes nothing and is not told.
pub(crate) const FIGURES: &[Figure] = &[
    figure!("version", _statistics => "obkmq version {}", env!("CARGO_PKG_VERSION")),
    figure!("uptime", s => "{} seconds", s.uptime_seconds),
    figure!("clients/connected", s => "{}", s.clients),
    figure!("clients/disconnected", s => "{}", s.sessions.saturating_sub(s.clients)),
    figure!("clients/expired", s => "{}", s.sessions_expired),
    figure!("clients/maximum", s => "{}", s.clients_maximum),
    figure!("clients/total", s => "{}", s.sessions),
    figure!("connections/refused", s => "{}", s.refused),
    figure!("subscriptions/count", s => "{}", s.subscriptions),
    figure!("retained messages/count", s => "{}", s.retained),
    figure!("store/messages/count", s => "{}", s.messages_stored),
    figure!("messages/received", s => "{}", s.messages_received),
    figure!("messages/sent", s => "{}", s.messages_sent),
    figure!("publish/messages/received", s => "{}", s.messages_received),
    figure!("publish/messages/sent", s => "{}", s.messages_sent),
    figure!("publish/messages/dropped", s => "{}", s.drops.messages()),
    figure!("publish/messages/dropped/slow reader", s => "{}", s.drops.slow_reader),
    figure!("publish/messages/dropped/queue full", s => "{}", s.drops.queue_full),
    figure!("publish/messages/dropped/out of memory", s => "{}", s.drops.out_of_memory),
    figure!("publish/messages/dropped/link closed", s => "{}", s.drops.link_closed),
    figure!("publish/messages/dropped/too large", s => "{}", s.drops.too_large),
    figure!("publish/messages/dropped/expired", s => "{}", s.drops.expired),
    figure!("publish/messages/dropped/not authorized", s => "{}", s.drops.not_authorized),
    figure!("retained messages/not kept", s => "{}", s.drops.retained_not_kept),
    figure!("bytes/received", s => "{}", s.bytes_received),
    figure!("bytes/sent", s => "{}", s.bytes_sent),
    figure!("heap/current", s => "{}", s.memory_used_bytes),
    figure!("heap/maximum", s => "{}", s.memory_peak_bytes),
    figure!("heap/budget", s => "{}", s.memory_limit_bytes),
    figure!("loop time/maximum", s => "{} microseconds", s.turn_maximum_micros),
    Figure {
        topic: "$SYS/broker/start/cause",
        write: |s, line| match s.start {
            Some((cause, _)) => line.write_str(cause),
            None => Ok(()),
        },
    },
    Figure {
        topic: "$SYS/broker/start/failed",
        write: |s, line| match s.start {
            Some((_, failed)) => write!(line, "{failed}"),
            None => Ok(()),
        },
    },
    Figure {
        topic: "$SYS/broker/wifi/rssi",
        write: |s, line| match s.radio.and_then(|radio| radio.rssi_dbm) {
            Some(rssi) => write!(line, "{rssi} dBm"),
            None => Ok(()),
        },
    },
    Figure {
        topic: "$SYS/broker/wifi/reconnects",
        write: |s, line| match s.radio {
            Some(radio) => write!(line, "{}", radio.reconnects),
            None => Ok(()),
        },
    },
];

/// Whether a filter matches a figure's topic.
pub(crate) fn matches(filter: TopicFilter<'_>, figure: usize) -> bool {
    FIGURES
        .get(figure)
        .and_then(|figure| TopicName::new(figure.topic).ok())
        .is_some_and(|topic| obkmq_mqtt::matches(filter, topic))
}

/// A figure in words.
pub(crate) struct Value {
    topic: &'static str,
    words: Line,
}

impl Value {
    pub(crate) fn content(&self, retain: bool, qos: QoS) -> Content<'_> {
        Content {
            topic: self.topic.as_bytes(),
            payload: self.words.as_bytes(),
            properties: Properties::EMPTY,
            qos,
            retain,
            expires_at: Moment::NEVER,
        }
    }
}

impl Core {
    /// A figure as it is now; `None` where there is nothing to be told.
    pub(crate) fn figure(&self, index: usize) -> Option<Value> {
        let figure = FIGURES.get(index)?;
        let mut words = Line::default();
        // A line takes what there is room for.
        let _ = (figure.write)(&self.statistics(), &mut words);
        (!words.as_bytes().is_empty()).then_some(Value { topic: figure.topic, words })
    }

    /// Tells the figures to those who have subscribed to them, when it is time.
    pub(crate) fn run_figures(&mut self) {
        let interval_seconds = self.policy.sys_interval_seconds;
        if interval_seconds == 0 || self.links.live() == 0 {
            return;
        }
        if self.figures_at <= self.now {
            self.figures_at = self.now.after_seconds(interval_seconds);
            for index in 0..FIGURES.len() {
                let Some(value) = self.figure(index) else { continue };
                // What finds no memory is counted, and comes again.
                let _ = self.route(&value.content(false, QoS::AtMostOnce), None, Patience::None);
            }
            self.counters.turn_maximum_micros = 0;
        }
        self.wake_by(self.figures_at);
    }
}
