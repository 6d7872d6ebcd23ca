//! Interrupt moderation, as network cards do it: a flood of tiny pieces costs three system calls a piece when each is
//! taken as it comes. A short rest before the next look lets the operating system gather several of them.
//!
//! A rest delays, so there is one only in a flood, and only for as long as the flood does not mind. Time is cut into
//! windows of about a millisecond. One with many turns that bring little each is followed by windows with a rest after
//! every turn; those must bring at least three quarters of what came without. A sender that waits for answers brings
//! less: it is left alone then, and for twice as long each time.

use obkmq_node::Instant;

/// How long a window is, in microseconds.
const WINDOW_US: u64 = 1000;
/// Turns of a window that make it busy: a steady 5,000 messages a second, acknowledged, come to fifteen.
const BUSY_TURNS: u64 = 25;
/// Turns that bring more than this, on average, gather enough by themselves; in bytes.
const SMALL_BYTES: u64 = 1024;
/// Windows without a rest after one in which resting did harm: the first time, and at most.
const SHORTEST_RETREAT: u64 = 2;
const LONGEST_RETREAT: u64 = 1024;
/// So many good windows in a row make up for the bad ones before.
const GOOD_WINDOWS: u32 = 16;

/// When to rest. Time is told to it.
#[derive(Debug)]
pub(crate) struct Moderation {
    phase: Phase,
    began: Instant,
    turns: u64,
    bytes: u64,
    /// The next retreat, in windows.
    retreat: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No rest, for so many windows in any case.
    Awake { windows: u64 },
    /// A rest after each turn. `rate` is what came without, in bytes a window.
    Resting { rate: u64, good: u32 },
}

impl Default for Moderation {
    fn default() -> Self {
        Self {
            phase: Phase::Awake { windows: 0 },
            began: Instant::ZERO,
            turns: 0,
            bytes: 0,
            retreat: SHORTEST_RETREAT,
        }
    }
}

impl Moderation {
    /// Notes a turn that began at `now` and brought so many bytes. `true` asks for a rest before the next one.
    #[inline]
    pub(crate) fn note_turn(&mut self, now: Instant, bytes: usize) -> bool {
        self.turns += 1;
        self.bytes += bytes as u64;
        let elapsed_us = now.as_micros().saturating_sub(self.began.as_micros());
        if elapsed_us >= WINDOW_US {
            self.end_window(elapsed_us);
            self.began = now;
            self.turns = 0;
            self.bytes = 0;
        }
        matches!(self.phase, Phase::Resting { .. })
    }

    fn end_window(&mut self, elapsed_us: u64) {
        let in_window = |amount: u64| amount.saturating_mul(WINDOW_US) / elapsed_us;
        let rate = in_window(self.bytes);
        self.phase = match self.phase {
            Phase::Awake { windows: 0 }
                if in_window(self.turns) >= BUSY_TURNS && self.bytes / self.turns < SMALL_BYTES =>
            {
                Phase::Resting { rate, good: 0 }
            }
            Phase::Awake { windows } => {
                Phase::Awake { windows: windows.saturating_sub(elapsed_us / WINDOW_US) }
            }
            Phase::Resting { rate: without, .. } if rate < without - without / 4 => {
                let windows = self.retreat;
                self.retreat = (windows * 2).min(LONGEST_RETREAT);
                Phase::Awake { windows }
            }
            Phase::Resting { rate: without, good } => {
                if good + 1 == GOOD_WINDOWS {
                    self.retreat = SHORTEST_RETREAT;
                }
                Phase::Resting { rate: without, good: (good + 1).min(GOOD_WINDOWS) }
            }
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// What a rest comes to, with the sleep's own delay.
    const REST_US: u64 = 100;
    const TURN_US: u64 = 5;

    /// A sender and a broker on simulated time.
    #[derive(Default)]
    struct Run {
        moderation: Moderation,
        now_us: u64,
        rests: u64,
        turns: u64,
        waited_us: u64,
    }

    impl Run {
        /// A turn that begins when something is there, at `at_us` at the earliest.
        fn turn(&mut self, at_us: u64, bytes: usize) {
            self.waited_us += self.now_us.saturating_sub(at_us);
            self.now_us = self.now_us.max(at_us);
            let rest = self.moderation.note_turn(Instant::from_micros(self.now_us), bytes);
            self.turns += 1;
            self.rests += u64::from(rest);
            self.now_us += TURN_US + if rest { REST_US } else { 0 };
        }

        /// Messages of 30 bytes at a steady rate for a while, whatever the broker does.
        fn flood(&mut self, every_us: u64, for_us: u64) {
            let (begin, mut taken) = (self.now_us, 0);
            while self.now_us < begin + for_us {
                let there = (self.now_us - begin) / every_us;
                if there > taken {
                    self.turn(0, 30 * usize::try_from(there - taken).unwrap());
                    taken = there;
                } else {
                    self.turn(begin + (taken + 1) * every_us, 30);
                    taken += 1;
                }
            }
        }

        /// Messages each of which waits for the answer to the one before.
        fn ping_pong(&mut self, for_us: u64) {
            let begin = self.now_us;
            while self.now_us < begin + for_us {
                self.turn(self.now_us + 20, 30);
            }
        }
    }

    #[test]
    fn a_flood_is_gathered() {
        let mut run = Run::default();
        run.flood(8, 1_000_000);
        // 125,000 messages.
        assert!(run.turns < 12_000, "{}", run.turns);
    }

    #[test]
    fn a_paced_stream_is_never_delayed() {
        let mut run = Run::default();
        for every_us in [200, 100, 66] {
            run.flood(every_us, 1_000_000);
        }
        assert_eq!((run.rests, run.waited_us), (0, 0));
    }

    #[test]
    fn a_stream_of_large_pieces_is_never_delayed() {
        let mut run = Run::default();
        for _ in 0..100_000 {
            run.turn(0, 10_000);
        }
        assert_eq!(run.rests, 0);
    }

    #[test]
    fn who_waits_for_answers_is_hardly_delayed() {
        let mut run = Run::default();
        run.ping_pong(10_000_000);
        assert!(run.rests > 0, "it was tried");
        assert!(run.rests * 1000 < run.turns, "{} of {}", run.rests, run.turns);
    }

    #[test]
    fn the_first_message_after_a_flood_is_not_delayed() {
        let mut run = Run::default();
        run.flood(8, 100_000);
        let rests = run.rests;
        assert!(rests > 0);
        run.turn(run.now_us + 1_000_000, 30);
        run.turn(run.now_us + 10, 30);
        assert_eq!(run.rests, rests);
        run.flood(8, 100_000);
        assert!(run.rests > rests + 500, "the next flood is gathered again");
    }

    #[test]
    fn bursts_with_pauses_between_them_are_never_delayed_for_long() {
        let mut run = Run::default();
        let bursts = |run: &mut Run| {
            let rests = run.rests;
            for _ in 0..100 {
                run.flood(8, 990);
                run.now_us += 10_000;
            }
            run.rests - rests
        };
        assert_eq!(bursts(&mut run), 0);
        run.flood(8, 100_000);
        let rests = bursts(&mut run);
        assert!(rests < 20, "{rests}: only until the first pause");
    }

    #[test]
    fn a_pause_counts_as_the_windows_it_takes() {
        let mut run = Run::default();
        run.ping_pong(10_000_000);
        run.turn(run.now_us + 2_000_000, 30);
        let rests = run.rests;
        run.flood(8, 100_000);
        assert!(run.rests > rests + 500, "{}", run.rests - rests);
    }

    #[test]
    fn good_windows_make_up_for_bad_ones() {
        let mut run = Run::default();
        run.ping_pong(3_000_000);
        run.flood(8, 5_000_000);
        assert_eq!(run.moderation.retreat, SHORTEST_RETREAT);
    }
}
