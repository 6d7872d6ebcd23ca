//! The table: every figure beside its peers', how it compares with the goal, and the same for programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::peers::{Contender, Make};
use super::works::{Goal, Row};

/// What was measured of one broker in one row.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measured {
    pub(super) broker: &'static str,
    pub(super) median: f64,
    /// All repetitions, in the order in which they were done.
    pub(super) values: Vec<f64>,
}

/// One row with what was measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    work: &'static str,
    unit: &'static str,
    measured: Vec<Measured>,
    verdict: String,
    /// `null` without a goal, or without a broker to compare with.
    met: Option<bool>,
}

/// All rows.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    brokers: Vec<Broker>,
    lines: Vec<Line>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Broker {
    name: &'static str,
    version: String,
}

impl Report {
    /// A report on these brokers.
    pub(super) fn new(contenders: &[Contender]) -> Self {
        let broker = |contender: &Contender| Broker {
            name: contender.make.name(),
            version: contender.version.clone(),
        };
        Self { brokers: contenders.iter().map(broker).collect(), ..Self::default() }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &Row, measured: Vec<Measured>) {
        let (verdict, met) = judge(row.goal, &measured);
        self.lines.push(Line { work: row.label, unit: row.unit, measured, verdict, met });
    }

    /// Adds something that the figures do not say.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// As a table for people.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:<32}", "work");
        for broker in &self.brokers {
            let _ = write!(text, "{:>18}", format!("{} {}", broker.name, broker.version));
        }
        let _ = writeln!(text, "  {:<14} compared with the goal", "unit");
        for line in &self.lines {
            let _ = write!(text, "{:<32}", line.work);
            for broker in &self.brokers {
                let measured = line.measured.iter().find(|measured| measured.broker == broker.name);
                let _ = write!(text, "{:>18}", measured.map_or("-".to_owned(), |found| shown(found.median)));
            }
            let _ = writeln!(text, "  {:<14} {}", line.unit, line.verdict);
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// As JSON for programs.
    pub(super) fn write_json(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(path, json).with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// Three digits that count.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// How ours compares, and whether that is good enough.
fn judge(goal: Goal, measured: &[Measured]) -> (String, Option<bool>) {
    let Some(ours) = measured.iter().find(|found| found.broker == Make::Obkmq.name()) else {
        return ("obkmq was not measured".to_owned(), None);
    };
    let more_is_better = goal == Goal::AtLeastBestPeer;
    let peers = measured.iter().filter(|found| found.broker != Make::Obkmq.name());
    let best = peers.reduce(|best, peer| {
        let better = if more_is_better { peer.median > best.median } else { peer.median < best.median };
        if better { peer } else { best }
    });
    let against = best.map(|best| (ours.median / best.median, best.broker));
    let ratio = against.map_or(String::new(), |(ratio, peer)| format!("{} × {peer}", shown(ratio)));
    let (wanted, met) = match goal {
        Goal::TimesBestPeer(factor) => {
            (format!("goal at most {factor} ×"), against.map(|(ratio, _)| ratio <= factor))
        }
        Goal::AtLeastBestPeer => ("goal at least 1 ×".to_owned(), against.map(|(ratio, _)| ratio >= 1.0)),
        Goal::AtMost(limit) => (format!("goal at most {}", shown(limit)), Some(ours.median <= limit)),
        Goal::None => return (ratio, None),
    };
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "no peer to compare with",
    };
    let parts = [ratio, wanted].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    (format!("{}: {verdict}", parts.join(", ")), met)
}

/// The middle of the values.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(broker: &'static str, median: f64) -> Measured {
        Measured { broker, median, values: vec![median] }
    }

    #[test]
    fn the_better_peer_is_the_one_to_beat() {
        let less = [measured("obkmq", 1.0), measured("mosquitto", 18.0), measured("rumqttd", 4.0)];
        let (verdict, met) = judge(Goal::TimesBestPeer(0.5), &less);
        assert_eq!((verdict.as_str(), met), ("0.25 × rumqttd, goal at most 0.5 ×: met", Some(true)));
        let (verdict, met) = judge(Goal::TimesBestPeer(0.2), &less);
        assert_eq!((verdict.as_str(), met), ("0.25 × rumqttd, goal at most 0.2 ×: MISSED", Some(false)));
        let (verdict, met) = judge(Goal::AtLeastBestPeer, &less);
        assert_eq!((verdict.as_str(), met), ("0.056 × mosquitto, goal at least 1 ×: MISSED", Some(false)));
    }

    #[test]
    fn without_peers_only_absolute_goals_are_judged() {
        let alone = [measured("obkmq", 600.0)];
        assert_eq!(judge(Goal::AtMost(600.0), &alone), ("goal at most 600: met".to_owned(), Some(true)));
        let (verdict, met) = judge(Goal::TimesBestPeer(1.0), &alone);
        assert_eq!((verdict.as_str(), met), ("goal at most 1 ×: no peer to compare with", None));
        assert_eq!(judge(Goal::AtMost(1.0), &[measured("rumqttd", 1.0)]).1, None);
    }

    #[test]
    fn the_median_of_few_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
