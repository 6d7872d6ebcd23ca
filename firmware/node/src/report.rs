//! What the log says of the broker's events, and the refused connections that are kept.

use alloc::collections::VecDeque;
use core::fmt;

use obkmq_broker::{Direction, Event, Instant, LogText, Peer, RefusedReason, Version};
use obkmq_config::line::Fields;
use obkmq_config::settings::LogLevel;

use crate::board::Board;
use crate::limits::REFUSED_KEPT;
use crate::node::Node;
use crate::run_record::{Start, StartCause};

/// A connection that was not let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    at: Instant,
    peer: Peer,
    client_id: LogText,
    user: Option<LogText>,
    reason: RefusedReason,
}

/// The last refused connections, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Refused(VecDeque<Refusal>);

impl Refused {
    fn keep(&mut self, refusal: Refusal) {
        if self.0.len() >= REFUSED_KEPT {
            self.0.pop_front();
        }
        if self.0.try_reserve(1).is_ok() {
            self.0.push_back(refusal);
        }
    }

    /// One row each.
    pub(crate) fn rows(&self, now: Instant) -> impl Iterator<Item = Fields> {
        self.0.iter().map(move |refusal| {
            let age_s = now.as_micros().saturating_sub(refusal.at.as_micros()) / 1_000_000;
            let mut fields = Fields::new()
                .with("age_s", age_s)
                .with("address", refusal.peer)
                .with("client_id", refusal.client_id);
            if let Some(user) = refusal.user {
                fields = fields.with("user", user);
            }
            fields.with("reason", refusal.reason).with("next", next_step(refusal.reason))
        })
    }
}

/// A line for the log.
pub(crate) struct Line<'a> {
    event: &'a Event,
    user: Option<&'a str>,
    details: bool,
}

impl<'a> Line<'a> {
    /// `user` is the name of the user a connected client came as; `details` is for those who look closely.
    pub(crate) fn new(event: &'a Event, user: Option<&'a str>, details: bool) -> Self {
        Self { event, user, details }
    }

    /// How important it is.
    pub(crate) fn level(&self) -> LogLevel {
        match self.event {
            Event::Subscribed { .. } | Event::Unsubscribed { .. } => LogLevel::Debug,
            Event::Connected { .. } | Event::Disconnected { .. } => LogLevel::Info,
            Event::Refused { .. } | Event::Denied { .. } | Event::RetainedNotKept { .. } => LogLevel::Warn,
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Event::Connected {
                peer,
                client_id,
                version,
                session_present,
                keep_alive_seconds,
                expiry_seconds,
                has_will,
                ..
            } => {
                let version = match version {
                    Version::V3_1 => "3.1",
                    Version::V3_1_1 => "3.1.1",
                    Version::V5 => "5",
                };
                write!(formatter, "info: {peer} connected as \"{client_id}\", MQTT {version}")?;
                match self.user {
                    Some(user) => write!(formatter, ", user \"{user}\"")?,
                    None => formatter.write_str(", anonymous")?,
                }
                if *session_present {
                    formatter.write_str(", session resumed")?;
                }
                if !self.details {
                    return Ok(());
                }
                match keep_alive_seconds {
                    0 => formatter.write_str(", no keep-alive")?,
                    seconds => write!(formatter, ", keep-alive {seconds} s")?,
                }
                match expiry_seconds {
                    0 => formatter.write_str(", session ends with it")?,
                    &u32::MAX => formatter.write_str(", session kept for ever")?,
                    seconds => write!(formatter, ", session kept for {seconds} s")?,
                }
                formatter.write_str(if *has_will { ", with a will" } else { ", no will" })
            }
            Event::Subscribed { client_id, filter, code, others } => {
                write!(formatter, "debug: \"{client_id}\" subscribed to \"{filter}\"")?;
                match code {
                    0..=2 => write!(formatter, ", QoS {code}")?,
                    code => write!(formatter, ", refused with {code:#04x}")?,
                }
                and_others(formatter, *others)
            }
            Event::Unsubscribed { client_id, filter, others } => {
                write!(formatter, "debug: \"{client_id}\" unsubscribed from \"{filter}\"")?;
                and_others(formatter, *others)
            }
            Event::Disconnected { peer, client_id, reason } => {
                write!(formatter, "info: {peer} \"{client_id}\" gone: {reason}")
            }
            Event::Refused { peer, client_id, user, reason } => {
                write!(formatter, "warn: {peer} refused: {reason}; client \"{client_id}\"")?;
                match user {
                    Some(user) => write!(formatter, ", user \"{user}\"")?,
                    None => formatter.write_str(", no user")?,
                }
                write!(formatter, "; next: {}", next_step(*reason))
            }
            Event::Denied { client_id, direction, topic } => {
                let (done, right) = match direction {
                    Direction::Publish => ("publish to", "write"),
                    Direction::Subscribe => ("subscribe to", "read"),
                };
                write!(
                    formatter,
                    "warn: \"{client_id}\" may not {done} \"{topic}\"; further topics are not told for this \
                    connection; next: "
                )?;
                if *direction == Direction::Publish && topic.as_str().starts_with("$SYS") {
                    return formatter.write_str("correct the client's topic: only the broker writes to $SYS");
                }
                write!(
                    formatter,
                    "give its user (`rights`) or clients without one (`mqtt.anonymous_rights`) the right to {right} \
                    that topic, or correct the client's topic"
                )
            }
            Event::RetainedNotKept { topic } => {
                write!(
                    formatter,
                    "warn: no memory to keep the retained message of \"{topic}\"; it was delivered"
                )
            }
        }
    }
}

fn and_others(formatter: &mut fmt::Formatter<'_>, others: usize) -> fmt::Result {
    if others == 0 { Ok(()) } else { write!(formatter, ", and {others} more in the same packet") }
}

/// Notes a refused connection; other events are not kept.
pub(crate) fn keep_refusal(refused: &mut Refused, event: &Event, at: Instant) {
    if let Event::Refused { peer, client_id, user, reason } = *event {
        refused.keep(Refusal { at, peer, client_id, user, reason });
    }
}

impl<B: Board> Node<B> {
    /// Says how the board has come to run, if that is nobody's wish.
    pub(crate) fn tell_start(&mut self) {
        let Some(start) = self.board.start().cloned() else { return };
        self.broker.note_start(start.cause.name(), start.failed_starts);
        match start.cause {
            StartCause::Panic => {
                let Start { words, .. } = &start;
                self.log(
                    LogLevel::Error,
                    format_args!(
                        "the last run ended in a panic: {words}; next: report that together with the trace that `info` shows"
                    ),
                );
            }
            StartCause::Watchdog => self.log(
                LogLevel::Error,
                format_args!("the last run did not turn any more and was ended; next: report what the board was doing"),
            ),
            StartCause::BrownOut => self.log(
                LogLevel::Warn,
                format_args!(
                    "the supply voltage was too low for a moment; next: take another cable or supply: Wi-Fi draws 0.5 A at times"
                ),
            ),
            StartCause::PowerOn | StartCause::Reboot | StartCause::Other => {}
        }
        if self.board.is_safe_mode() {
            self.log(
                LogLevel::Error,
                format_args!(
                    "safe mode, since {} starts in a row have failed: no start-up files, no network to join; next: correct what \
                     was changed last, then `reboot`",
                    start.failed_starts
                ),
            );
        }
    }

    /// How the board has come to run, for `info`.
    pub(crate) fn start_fields(&self) -> Option<Fields> {
        let start = self.board.start()?;
        let mut fields =
            Fields::new().with("start", start.cause.name()).with("failed_starts", start.failed_starts);
        if !start.words.is_empty() {
            fields = fields.with("panic", &start.words).with("trace", Trace(&start.trace));
        }
        Some(fields.with("safe_mode", if self.board.is_safe_mode() { "yes" } else { "no" }))
    }
}

/// Addresses in the program.
struct Trace<'a>(&'a [u32]);

impl fmt::Display for Trace<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, address) in self.0.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            write!(formatter, "{space}{address:#x}")?;
        }
        Ok(())
    }
}

/// What the owner can do about it.
fn next_step(reason: RefusedReason) -> &'static str {
    match reason {
        RefusedReason::TooManyLinks => {
            "raise mqtt.max_clients, or look for a device that reconnects in a loop"
        }
        RefusedReason::OutOfMemory => "use fewer clients or smaller queues (mqtt.max_queued_bytes)",
        RefusedReason::ConnectTimeout => "check that it speaks MQTT, not HTTP or TLS, to this port",
        RefusedReason::Violation(_) => "check that it speaks MQTT without TLS or WebSocket",
        RefusedReason::UnsupportedVersion(_) => "set the client to MQTT 3.1.1 or 5",
        RefusedReason::EnhancedAuthentication => {
            "set the client to user name and password instead of an authentication method"
        }
        RefusedReason::ClientIdEmpty => "give the client an id, or let it use clean sessions",
        RefusedReason::ClientIdTooLong => "give the client a shorter id",
        RefusedReason::AnonymousNotAllowed => "give the client the name and password of a user",
        RefusedReason::PasswordMissing => "give the client the password of that user",
        RefusedReason::BadCredentials => {
            "correct name or password on the client, or give the user a new password"
        }
        RefusedReason::BackOff => {
            "correct the password on the client; it is looked at again after 60 s at the latest"
        }
        RefusedReason::WillNotAuthorized => {
            "give it the right to write the topic of its will, or correct that topic"
        }
        RefusedReason::VerifierBusy => "it will be let in when it tries again",
        RefusedReason::AnswerTooLarge => "let the client take packets of at least 100 bytes",
    }
}
