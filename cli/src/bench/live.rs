//! The line on the terminal while a run is under way.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress {
    /// Connections are being opened.
    Connecting {
        /// Connected and subscribed.
        ready: u32,
        /// All there will be.
        clients: u32,
    },
    /// The clock runs.
    Running {
        /// Time on the clock.
        elapsed: Duration,
        /// When the last message is due.
        total: Duration,
        /// Messages written.
        sent: u64,
        /// Messages that arrived.
        delivered: u64,
        /// 99th percentile of the latency so far, in microseconds.
        p99_us: u64,
    },
    /// All is sent; what is still on its way is waited for.
    Settling {
        /// Sent and not delivered yet.
        outstanding: u64,
    },
}

/// Draws [`Progress`] on stderr, or nothing at all.
pub(crate) struct Live(ProgressBar);

impl Live {
    /// A line that is drawn only if `visible`; the caller knows whether stderr is a terminal that may be
    /// redrawn.
    pub(crate) fn new(visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows the state of things.
    pub(crate) fn show(&self, progress: &Progress) {
        self.0.set_message(describe(progress));
        self.0.tick();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn describe(progress: &Progress) -> String {
    match progress {
        Progress::Connecting { ready, clients } => format!("connecting: {ready} of {clients} clients ready"),
        Progress::Running { elapsed, total, sent, delivered, p99_us } => format!(
            "{:.1} of {:.0} s: {sent} sent, {delivered} delivered, p99 {}",
            elapsed.min(total).as_secs_f32(),
            total.as_secs_f32(),
            super::table::milliseconds(*p99_us),
        ),
        Progress::Settling { outstanding } => format!("waiting for {outstanding} messages on their way"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_one_short_line() {
        let running = Progress::Running {
            elapsed: Duration::from_millis(4_230),
            total: Duration::from_secs(10),
            sent: 4_200,
            delivered: 4_199,
            p99_us: 1_234,
        };
        assert_eq!(describe(&running), "4.2 of 10 s: 4200 sent, 4199 delivered, p99 1.23 ms");
        assert_eq!(
            describe(&Progress::Connecting { ready: 3, clients: 20 }),
            "connecting: 3 of 20 clients ready"
        );
        assert_eq!(describe(&Progress::Settling { outstanding: 2 }), "waiting for 2 messages on their way");
    }
}
