//! The result of a run as text for people: plain ASCII, at most 60 columns, whatever the figures.

use std::fmt::Write;

use super::limits;
use super::report::{Percentiles, Report};

/// Widest line of the table.
pub(crate) const WIDTH: usize = 60;

/// Connections that are listed one by one before the rest is only counted.
const LOST_CONNECTIONS_SHOWN: usize = 3;

/// The whole table, without a newline at its end.
pub(crate) fn render(report: &Report) -> String {
    let mut lines = heading(report);
    lines.push(String::new());
    let delivery = &report.delivery;
    let tally = &delivery.tally;
    let count = |label: &str, value: u64| format!("  {label:<10} {:>13}", grouped(value));
    let mut left = vec![
        "Messages".to_owned(),
        count("expected", tally.expected),
        count("delivered", tally.delivered),
        count("lost", tally.lost),
        count("duplicate", tally.duplicate),
        count("reordered", tally.reordered),
        count("corrupt", tally.corrupt),
    ];
    if delivery.stray > 0 {
        left.push(count("stray", delivery.stray));
    }
    if delivery.sent < delivery.scheduled {
        left.push(count("not sent", delivery.scheduled - delivery.sent));
    }
    left.push(count("per second", delivery.delivered_per_s));
    let mut right = vec!["Latency from intended send".to_owned()];
    right.extend(distribution(report.latency_us.as_ref(), &["p50", "p90", "p99", "p99.9", "max"]));
    right.push("Connect".to_owned());
    right.extend(distribution(report.connect_us.as_ref(), &["p50", "max"]));
    for row in 0..left.len().max(right.len()) {
        let cell = |column: &[String]| column.get(row).cloned().unwrap_or_default();
        lines.push(format!("{:<30}{}", cell(&left), cell(&right)).trim_end().to_owned());
    }
    let remarks = remarks(report);
    if !remarks.is_empty() {
        lines.push(String::new());
        lines.extend(remarks);
    }
    lines.join("\n")
}

fn heading(report: &Report) -> Vec<String> {
    let load = &report.load;
    let mut pace = format!("{} msg/s each, {}", load.rate_per_client, seconds(load.duration_ms));
    if load.warm_up_ms > 0 {
        let _ = write!(pace, " after {} warm-up", seconds(load.warm_up_ms));
    }
    let clients = if load.clients == 1 { "1 client" } else { &format!("{} clients", load.clients) };
    let mut lines = wrapped("", &format!("Bench of {}, run {}", report.target, report.run));
    lines.extend(wrapped(
        "",
        &format!("{clients} in a {}, {pace}, {} B, QoS {}", load.scenario, load.payload_bytes, load.qos),
    ));
    lines
}

fn distribution(values: Option<&Percentiles>, wanted: &[&str]) -> Vec<String> {
    wanted
        .iter()
        .map(|name| {
            let value = values.map(|values| match *name {
                "p50" => values.p50,
                "p90" => values.p90,
                "p99" => values.p99,
                "p99.9" => values.p99_9,
                _ => values.max,
            });
            format!("  {name:<10} {:>13}", value.map_or_else(|| "-".to_owned(), milliseconds))
        })
        .collect()
}

/// What a reader must know beside the figures.
fn remarks(report: &Report) -> Vec<String> {
    let mut remarks = Vec::new();
    let generator = &report.generator;
    if report.interrupted {
        remarks.extend(wrapped(
            "! ",
            &format!("Interrupted after {}: the figures cover that time only.", seconds(report.elapsed_ms)),
        ));
    }
    if generator.bottleneck {
        let (busy, remedy) = match generator.busy_share {
            // Late although it had time: something else took the processor.
            Some(share) if share <= limits::BUSY_SHARE_MAX => {
                (percent(share), "Stop what else runs here, or measure from another computer.")
            }
            Some(share) => (percent(share), "Lower --rate or --clients."),
            None => (String::new(), "Lower --rate or --clients."),
        };
        remarks.extend(wrapped(
            "! ",
            &format!(
                "The generator was the bottleneck ({} messages issued late, by up to {}{busy}): these figures \
                 say more about this computer than about the broker. {remedy}",
                grouped(generator.late_wakeups),
                milliseconds(generator.worst_wakeup_delay_us),
            ),
        ));
    } else if generator.late_sends > 0 {
        remarks.extend(wrapped(
            "! ",
            &format!(
                "{} messages left late, by up to {}: broker, network or this computer held them up. Their \
                 latency includes that wait.",
                grouped(generator.late_sends),
                milliseconds(generator.worst_send_delay_us),
            ),
        ));
    }
    let downgraded = report.delivery.downgraded_subscriptions;
    if downgraded > 0 {
        remarks.extend(wrapped(
            "! ",
            &format!("The broker granted {downgraded} subscriptions a lower QoS than asked."),
        ));
    }
    for lost in report.lost_connections.iter().take(LOST_CONNECTIONS_SHOWN) {
        remarks.extend(wrapped(
            "! ",
            &format!(
                "Client {} lost its connection after {}: {}.",
                lost.client,
                seconds(lost.at_ms),
                lost.why
            ),
        ));
    }
    let more = report.lost_connections.len().saturating_sub(LOST_CONNECTIONS_SHOWN);
    if more > 0 {
        remarks.extend(wrapped("! ", &format!("{more} more clients lost their connections.")));
    }
    remarks
}

/// The event loop's load, as an insertion.
fn percent(share: f64) -> String {
    format!(", event loop {:.0} % busy", (share * 100.0).clamp(0.0, 100.0))
}

/// `text` in lines of at most [`WIDTH`] columns; the first starts with `mark`, the others with as many
/// blanks.
fn wrapped(mark: &str, text: &str) -> Vec<String> {
    let room = WIDTH.saturating_sub(mark.len());
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let printable: Vec<char> = word.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        for piece in printable.chunks(room.max(1)) {
            if width > 0 && width + 1 + piece.len() > room {
                lines.push(std::mem::take(&mut line));
                width = 0;
            }
            if width > 0 {
                line.push(' ');
                width += 1;
            }
            line.extend(piece);
            width += piece.len();
        }
    }
    if width > 0 {
        lines.push(line);
    }
    let blanks = " ".repeat(mark.len());
    let starts = std::iter::once(mark).chain(std::iter::repeat(blanks.as_str()));
    lines.iter().zip(starts).map(|(line, start)| format!("{start}{line}")).collect()
}

/// A number in groups of three digits.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if position > 0 && position % 3 == 0 {
            text.push(',');
        }
    }
    text
}

/// Microseconds as milliseconds, with as many decimals as mean something.
pub(crate) fn milliseconds(us: u64) -> String {
    let (whole, rest) = (us / 1_000, us % 1_000);
    match whole {
        0..10 => format!("{whole}.{:02} ms", rest / 10),
        10..100 => format!("{whole}.{} ms", rest / 100),
        _ => format!("{} ms", grouped(whole)),
    }
}

/// Milliseconds as seconds: whole if they are.
fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / 1_000, ms % 1_000);
    if rest == 0 { format!("{whole} s") } else { format!("{whole}.{} s", rest / 100) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bench::ledger::Tally;
    use crate::bench::report::{Delivery, Generator, Load, LostConnection};

    fn clean() -> Report {
        Report {
            target: "192.168.1.30:1883".to_owned(),
            run: "3f9a1c".to_owned(),
            load: Load {
                scenario: "ring",
                clients: 20,
                rate_per_client: 50,
                duration_ms: 10_000,
                warm_up_ms: 0,
                payload_bytes: 64,
                qos: 0,
            },
            interrupted: false,
            elapsed_ms: 10_003,
            delivery: Delivery {
                scheduled: 10_000,
                sent: 10_000,
                tally: Tally { expected: 10_000, delivered: 10_000, ..Tally::default() },
                stray: 0,
                delivered_per_s: 1_000,
                downgraded_subscriptions: 0,
            },
            latency_us: Some(Percentiles {
                count: 10_000,
                p50: 2_310,
                p90: 4_120,
                p99: 9_999,
                p99_9: 21_480,
                max: 130_900,
            }),
            connect_us: Some(Percentiles {
                count: 20,
                p50: 41_200,
                p90: 55_000,
                p99: 61_000,
                p99_9: 61_000,
                max: 61_700,
            }),
            generator: Generator::default(),
            lost_connections: Vec::new(),
            flows: Vec::new(),
        }
    }

    #[test]
    fn a_clean_run() {
        let expected = "\
Bench of 192.168.1.30:1883, run 3f9a1c
20 clients in a ring, 50 msg/s each, 10 s, 64 B, QoS 0

Messages                      Latency from intended send
  expected          10,000      p50              2.31 ms
  delivered         10,000      p90              4.12 ms
  lost                   0      p99              9.99 ms
  duplicate              0      p99.9            21.4 ms
  reordered              0      max               130 ms
  corrupt                0    Connect
  per second         1,000      p50              41.2 ms
                                max              61.7 ms";
        assert_eq!(render(&clean()), expected);
    }

    #[test]
    fn a_bad_run_says_what_happened() {
        let mut report = clean();
        report.interrupted = true;
        report.elapsed_ms = 4_200;
        report.delivery.sent = 9_000;
        report.delivery.stray = 2;
        report.delivery.tally =
            Tally { expected: 9_000, delivered: 8_990, lost: 10, duplicate: 3, reordered: 4, corrupt: 1 };
        report.latency_us = None;
        report.generator = Generator {
            bottleneck: true,
            late_wakeups: 1_234,
            worst_wakeup_delay_us: 56_700,
            busy_share: Some(0.97),
            ..Generator::default()
        };
        report.lost_connections = vec![LostConnection {
            client: 7,
            at_ms: 3_100,
            why: "the broker closed the connection".to_owned(),
        }];
        let expected = "\
Messages                      Latency from intended send
  expected           9,000      p50                    -
  delivered          8,990      p90                    -
  lost                  10      p99                    -
  duplicate              3      p99.9                  -
  reordered              4      max                    -
  corrupt                1    Connect
  stray                  2      p50              41.2 ms
  not sent           1,000      max              61.7 ms
  per second         1,000

! Interrupted after 4.2 s: the figures cover that time only.
! The generator was the bottleneck (1,234 messages issued
  late, by up to 56.7 ms, event loop 97 % busy): these
  figures say more about this computer than about the
  broker. Lower --rate or --clients.
! Client 7 lost its connection after 3.1 s: the broker
  closed the connection.";
        assert_eq!(render(&report).split_once("\n\n").expect("a heading").1, expected);
    }

    #[test]
    fn a_generator_that_is_late_without_being_busy_is_not_told_to_slow_down() {
        let mut report = clean();
        report.generator =
            Generator { bottleneck: true, late_wakeups: 28, busy_share: Some(0.11), ..Generator::default() };
        let text = render(&report).replace("\n ", "");
        assert!(text.contains("11 % busy") && text.contains("Stop what else runs here"), "{text}");
        assert!(!text.contains("--rate"), "{text}");
    }

    #[test]
    fn numbers_are_grouped() {
        let cases =
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (100_000, "100,000")];
        for (value, text) in cases {
            assert_eq!(grouped(value), text);
        }
        assert_eq!(milliseconds(999), "0.99 ms");
        assert_eq!(milliseconds(1_234_567), "1,234 ms");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_limit(
            target in "\\PC{0,300}", count in 0..1_000_000_000_u64, us in 0..600_000_000_u64, why in "\\PC{0,200}",
        ) {
            let mut report = clean();
            report.target = target;
            report.interrupted = true;
            report.load.warm_up_ms = us;
            report.delivery.scheduled = u64::MAX;
            report.delivery.stray = count;
            report.delivery.tally.expected = count;
            report.latency_us = Some(Percentiles { count, p50: us, p90: us, p99: us, p99_9: us, max: us });
            report.generator.late_sends = count;
            report.lost_connections = (0..9).map(|client| LostConnection { client, at_ms: us, why: why.clone() }).collect();
            report.delivery.sent = u64::MAX - count;
            for line in render(&report).lines() {
                prop_assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
    }
}
