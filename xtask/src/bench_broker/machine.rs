//! The machine the brokers are measured on: its cores, and what Linux tells of a process under `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who runs where. Broker and generator never share a core, so that neither's wake-ups delay the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cores {
    pub(super) broker: usize,
    pub(super) generator: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    pub(super) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("the cores of this process cannot be told")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        match (cores.next(), cores.next()) {
            (Some(broker), Some(generator)) => Ok(Self { broker, generator }),
            _ => bail!("broker and generator need a core each, and there is only one"),
        }
    }
}

/// Binds the calling thread to one core; threads and processes that it starts inherit that.
pub(super) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("core {core} cannot be claimed"))
}

/// Threads that wanted a core during the last minute, on average.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Lets this process and its children have as many sockets as the administrator allows.
pub(super) fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("the limit of open files cannot be raised")
}

/// Time of all threads of a process since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CpuTime {
    /// On a core.
    pub(super) used: Duration,
    /// Ready to go on, while something else was on the core.
    pub(super) waited: Duration,
}

/// What a process has had so far. The scheduler's own account: `stat` counts in ticks of ten milliseconds, which is a
/// tenth of what some works take.
pub(super) fn cpu_time(pid: u32) -> Result<CpuTime> {
    let read = || -> io::Result<CpuTime> {
        let mut sum = CpuTime::default();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            match fs::read_to_string(task?.path().join("schedstat")) {
                Ok(line) => {
                    let time = parse_schedstat(&line)
                        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown schedstat"))?;
                    sum = CpuTime { used: sum.used + time.used, waited: sum.waited + time.waited };
                }
                // The thread has ended meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sum)
    };
    read().with_context(|| format!("the CPU time of process {pid} cannot be read"))
}

impl CpuTime {
    /// What came to it since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            used: self.used.saturating_sub(earlier.used),
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }

    /// The part of `wall` in which the process had work, if it has one thread. What is missing to 1 it was idle.
    pub(super) fn busy(self, wall: Duration) -> f64 {
        (self.used + self.waited).as_secs_f64() / wall.as_secs_f64()
    }
}

/// Nanoseconds on a core, nanoseconds waiting for one, and a count.
fn parse_schedstat(line: &str) -> Option<CpuTime> {
    let mut figures = line.split_whitespace().map(|figure| figure.parse().ok().map(Duration::from_nanos));
    Some(CpuTime { used: figures.next()??, waited: figures.next()?? })
}

/// Memory that a process has written to and that no file backs: its heap and its stacks, in bytes.
pub(super) fn anonymous_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    anonymous_in(&text).with_context(|| format!("{path} has no line `Anonymous`"))
}

fn anonymous_in(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_on_a_core_and_time_waiting_for_one_are_told_apart() {
        let time = parse_schedstat("48292 17 1\n").unwrap();
        assert_eq!((time.used.as_nanos(), time.waited.as_nanos()), (48_292, 17));
        assert_eq!(parse_schedstat("48292"), None);
        let earlier = CpuTime { used: Duration::from_nanos(48_000), waited: Duration::from_nanos(9) };
        assert_eq!(time.since(earlier).busy(Duration::from_nanos(600)), 0.5);
    }

    #[test]
    fn anonymous_memory_is_told_apart_from_its_neighbours() {
        let text = "Referenced:   90 kB\nAnonymous:    12 kB\nAnonHugePages: 7 kB\n";
        assert_eq!(anonymous_in(text), Some(12 * 1024));
        assert_eq!(anonymous_in("Rss: 1 kB\n"), None);
    }
}
