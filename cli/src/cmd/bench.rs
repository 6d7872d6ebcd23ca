//! `obkmq bench`: put a load on a broker and judge what comes out.

use std::time::Duration;

use clap::Args;
use rumqttc::QoS;

use crate::bench::connection::Credentials;
use crate::bench::limits;
use crate::bench::live::Live;
use crate::bench::payload::HEADER_BYTES;
use crate::bench::report::Report;
use crate::bench::run::{self, Error, Options};
use crate::bench::table;
use crate::bench::trouble::Trouble;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::secret::Secret;
use crate::target::{NetworkOptions, Target};

/// Measure a broker: latency from the intended send time, loss, order
///
/// Every client publishes to its own topic under obkmq-bench/RUN/ and is subscribed to its neighbour's. Send
/// times are fixed in advance; latency is counted from them, so a broker that stalls cannot hide it. The
/// bench publishes nothing retained, opens clean sessions and has no will: nothing stays behind in the
/// broker, even after Ctrl-C.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    network: NetworkOptions,
    /// Number of clients
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::CLIENTS_MAX)))]
    clients: u32,
    /// Messages per second of each client
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::RATE_MAX)))]
    rate: u32,
    /// How long to measure: 10, 10s, 500ms, 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = some_time)]
    duration: Duration,
    /// Send for this long first, and leave those latencies out
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    warmup: Duration,
    /// How long to wait at the end for messages on their way
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    settle: Duration,
    /// Size of each payload, at least 32
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = payload_bytes)]
    payload: usize,
    /// Quality of service of publications and subscriptions: 0 or 1
    #[arg(long, value_name = "QOS", default_value = "0", value_parser = quality_of_service)]
    qos: QoS,
    /// Exit with 10 if the 99th percentile of the latency is above this
    #[arg(long, value_name = "MS", value_parser = positive)]
    max_p99: Option<f64>,
    /// Exit with 10 if more messages than this are lost
    #[arg(long, value_name = "N")]
    max_loss: Option<u64>,
}

impl Bench {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        self.check_size()?;
        let target = Target::resolve(&self.network, context)?;
        let login = match (&target.user, &target.password) {
            (None, _) => Login::Nobody,
            (Some(user), None) => Login::WithoutPassword(user.clone()),
            (Some(user), Some(_)) => Login::User(user.clone()),
        };
        let options = Options {
            host: target.host.host.clone(),
            port: target.host.port,
            target: target.host.to_string(),
            credentials: target.user.map(|user| Credentials {
                user,
                password: target.password.unwrap_or_else(|| Secret::new("")),
            }),
            clients: self.clients,
            rate: self.rate,
            duration: self.duration,
            warm_up: self.warmup,
            settle: self.settle,
            payload_bytes: self.payload,
            qos: self.qos,
        };
        let hold = interrupt::hold();
        let live = Live::new(context.bars);
        let outcome = run::run(&options, &live, &|| hold.interrupted());
        drop(live);
        let report = outcome.map_err(|error| explain(error, &options.target, &login))?;
        if context.json {
            context.out_json("bench", &report)?;
        } else {
            context.out(table::render(&report))?;
        }
        self.judge(&report)?;
        Ok(())
    }

    fn check_size(&self) -> Result<(), Failure> {
        let whole_ms = self.duration.saturating_add(self.warmup).as_millis();
        let messages = u128::from(self.clients) * u128::from(self.rate) * whole_ms / 1_000;
        if messages <= u128::from(limits::DELIVERIES_MAX) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Usage,
            format!("This run would have {messages} messages."),
            format!("every one is accounted for, and there is room for {}", limits::DELIVERIES_MAX),
            "lower --clients, --rate or --duration",
        ))
    }

    /// The verdict, once the figures are printed. Worst first.
    fn judge(&self, report: &Report) -> Result<(), Failure> {
        if report.interrupted {
            return Err(Failure::new(
                Exit::Interrupted,
                "The run was interrupted.",
                "Ctrl-C or SIGTERM; all connections were closed, and nothing stays behind in the broker",
                "run it again for figures of the whole load",
            ));
        }
        if let Some(first) = report.lost_connections.first() {
            return Err(Failure::new(
                Exit::Network,
                format!(
                    "{} of {} clients lost their connection; client {} was the first, after {:.1} s.",
                    report.lost_connections.len(),
                    self.clients,
                    first.client,
                    Duration::from_millis(first.at_ms).as_secs_f64(),
                ),
                first.why.clone(),
                "look at the broker's log (a board: obkmq monitor), or try fewer --clients or a lower --rate",
            ));
        }
        let blame = if report.generator.bottleneck {
            "the generator was the bottleneck, so this may be this computer's fault: stop what else runs here, or lower --rate"
        } else {
            "try a lower --rate or fewer --clients to find what the broker can carry"
        };
        if let Some(limit) = self.max_loss.filter(|limit| report.delivery.tally.lost > *limit) {
            let tally = &report.delivery.tally;
            return Err(Failure::new(
                Exit::Threshold,
                format!(
                    "{} of {} messages were lost; --max-loss allows {limit}.",
                    tally.lost, tally.expected
                ),
                format!(
                    "they did not arrive within {:.1} s after the last was sent",
                    self.settle.as_secs_f64()
                ),
                blame,
            ));
        }
        if let Some(limit) = self.max_p99 {
            let p99 = report.latency_us.as_ref().map(|latency| Duration::from_micros(latency.p99));
            let Some(p99) = p99 else {
                return Err(Failure::new(
                    Exit::Threshold,
                    "No latency was measured, so --max-p99 is missed.",
                    "no message arrived after the warm-up",
                    "look at the broker's log (a board: obkmq monitor)",
                ));
            };
            let p99_ms = p99.as_secs_f64() * 1_000.0;
            if p99_ms > limit {
                return Err(Failure::new(
                    Exit::Threshold,
                    format!("The 99th percentile is {p99_ms:.2} ms; --max-p99 allows {limit} ms."),
                    "the broker or the network between needs longer under this load",
                    blame,
                ));
            }
        }
        Ok(())
    }
}

/// Who the clients said they are, for the words about a login that was refused.
pub(crate) enum Login {
    Nobody,
    WithoutPassword(String),
    User(String),
}

/// Words for a run that never started.
fn explain(error: Error, target: &str, login: &Login) -> anyhow::Error {
    let (client, trouble) = match error {
        Error::Open { client, trouble } => (client, trouble),
        Error::Interrupted => {
            return Failure::new(
                Exit::Interrupted,
                "The run was interrupted before it started.",
                "Ctrl-C or SIGTERM while the clients were connecting; nothing was published",
                "run it again",
            )
            .into();
        }
        Error::Machine(detail) => {
            return anyhow::anyhow!(detail).context("The load generator could not run.");
        }
    };
    explain_trouble(&trouble, client, target, login).into()
}

/// Words for one connection that did not come about; the first client's is number 0.
pub(crate) fn explain_trouble(trouble: &Trouble, client: u32, target: &str, login: &Login) -> Failure {
    let what = match client {
        0 => format!("No connection to {target}."),
        _ => format!("Client {client} got no connection to {target}; others did."),
    };
    let (why, next) = match trouble {
        Trouble::UnknownHost(_) => (
            trouble.to_string(),
            "check the spelling, or give the address itself (`obkmq info --port PORT` prints a board's)"
                .to_owned(),
        ),
        Trouble::Refused => (
            format!("{trouble}: the machine is there, but no broker listens on that port"),
            "check the port (-H HOST:PORT), or start a broker on this computer: obkmq run".to_owned(),
        ),
        Trouble::TimedOut => (
            format!(
                "{trouble}: the machine is off, elsewhere or behind a firewall, or no MQTT broker is on that port"
            ),
            "check that this computer and the board are on the same network (`obkmq info --port PORT`)"
                .to_owned(),
        ),
        Trouble::NotAuthorised => match login {
            Login::User(user) => (
                format!("the broker refused user {user:?} with this password"),
                format!("set that user's password on the board: obkmq config set-user {user}"),
            ),
            Login::WithoutPassword(user) => (
                format!("the broker refused user {user:?}: no password was given"),
                "pipe it in with --password-stdin, or set OBKMQ_PASSWORD".to_owned(),
            ),
            Login::Nobody => (
                "the broker wants a user, and none was given".to_owned(),
                "make one with `obkmq config set-user NAME`, then add --user NAME".to_owned(),
            ),
        },
        Trouble::Unavailable => (
            format!("{trouble}: it has no room, or it is no MQTT broker"),
            "try fewer --clients, and look at the broker's log (a board: obkmq monitor)".to_owned(),
        ),
        Trouble::SubscriptionRefused => (
            "the broker refused the subscription: no right to obkmq-bench/#, or no room for it".to_owned(),
            "give the user the right to read and write obkmq-bench/#, or try fewer --clients".to_owned(),
        ),
        Trouble::TooManyOpenFiles => (
            trouble.to_string(),
            format!("raise the limit first: ulimit -n {}", u64::from(limits::CLIENTS_MAX) + 100),
        ),
        Trouble::NotMqtt(_) | Trouble::Rejected(_) => {
            (trouble.to_string(), "check that HOST:PORT is an MQTT broker without TLS".to_owned())
        }
        Trouble::Closed | Trouble::Silent | Trouble::Other(_) => (
            trouble.to_string(),
            "look at the broker's log (a board: obkmq monitor), then try again".to_owned(),
        ),
    };
    Failure::new(Exit::Network, what, why, next)
}

/// `10`, `10s`, `500ms`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "write it as 10s, 500ms or 2m".to_owned())?;
    let unit_ms = match text.strip_prefix(digits) {
        Some("" | "s") => 1_000,
        Some("ms") => 1,
        Some("m") => 60_000,
        _ => return Err("the units are ms, s and m".to_owned()),
    };
    let longest = Duration::from_secs(7 * 24 * 3_600);
    let value = Duration::from_millis(number.saturating_mul(unit_ms));
    if value > longest { Err("a week is the most".to_owned()) } else { Ok(value) }
}

/// A [`duration`] above zero.
fn some_time(text: &str) -> Result<Duration, String> {
    duration(text)
        .and_then(|value| if value.is_zero() { Err("it must be above 0".to_owned()) } else { Ok(value) })
}

fn payload_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (HEADER_BYTES..=limits::PAYLOAD_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(format!(
            "it must be from {HEADER_BYTES} (what the checks need) to {} bytes",
            limits::PAYLOAD_BYTES_MAX
        )),
    }
}

fn quality_of_service(text: &str) -> Result<QoS, String> {
    match text {
        "0" => Ok(QoS::AtMostOnce),
        "1" => Ok(QoS::AtLeastOnce),
        "2" => Err("QoS 2 is not measured yet; use 0 or 1".to_owned()),
        _ => Err("it is 0 or 1".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("it must be a number of milliseconds above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        for (text, ms) in [("10", 10_000), ("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "10h", "10 s", "99999999999999999999", "9999999m", "ms10"] {
            assert!(duration(text).is_err(), "{text:?} was accepted");
        }
        assert!(some_time("0ms").is_err());
    }

    #[test]
    fn quality_of_service_2_is_refused_in_words() {
        assert!(quality_of_service("2").unwrap_err().contains("not measured yet"));
        assert_eq!(quality_of_service("1"), Ok(QoS::AtLeastOnce));
    }

    #[test]
    fn a_payload_must_hold_the_header() {
        assert!(payload_bytes("31").is_err());
        assert_eq!(payload_bytes("32"), Ok(32));
        assert!(payload_bytes("1048577").is_err());
    }

    #[test]
    fn a_refused_login_names_the_user_and_the_command_that_helps() {
        let house = Login::User("house".to_owned());
        let failure = explain_trouble(&Trouble::NotAuthorised, 0, "192.168.1.30:1883", &house);
        assert_eq!(
            failure.to_string(),
            "error: No connection to 192.168.1.30:1883.\n  why: the broker refused user \"house\" with this \
             password\n next: set that user's password on the board: obkmq config set-user house"
        );
        let silent = Login::WithoutPassword("house".to_owned());
        let silent = explain_trouble(&Trouble::NotAuthorised, 0, "a:1", &silent);
        assert!(silent.next.contains("--password-stdin"), "{silent}");
        let nobody = explain_trouble(&Trouble::NotAuthorised, 0, "a:1", &Login::Nobody);
        assert!(nobody.next.contains("--user NAME"), "{nobody}");
        assert_eq!(nobody.exit, Exit::Network);
    }
}
