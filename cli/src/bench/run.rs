//! The course of a run: open all connections, start the clock, publish, let things settle, close.
//!
//! One thread runs the event loop with all connections, a second one is the pacer. The clock starts only when
//! every client is connected and subscribed, so no message can be missed for want of a subscriber.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rumqttc::{AsyncClient, QoS};
use tokio::runtime::{Builder, Handle};
use tokio::task::{JoinError, JoinSet, LocalSet};

use super::connection::{Connection, Credentials, Profile};
use super::limits;
use super::live::{Live, Progress};
use super::measure::{self, Measurements};
use super::pacer::{Message, Pacer, Publisher, Punctuality, Reins};
use super::report::{Delivery, FlowAccount, Generator, Load, LostConnection, Percentiles, Report};
use super::scenario::Scenario;
use super::schedule::Schedule;
use super::trouble::Trouble;

/// A run as it is asked for. The caller has checked every number against [`limits`].
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Name or address of the broker.
    pub(crate) host: String,
    /// Its TCP port.
    pub(crate) port: u16,
    /// Host and port as the report names them.
    pub(crate) target: String,
    /// Who the clients are; all are the same user.
    pub(crate) credentials: Option<Credentials>,
    /// Number of clients.
    pub(crate) clients: u32,
    /// Messages per second of each client.
    pub(crate) rate: u32,
    /// Measured time.
    pub(crate) duration: Duration,
    /// Time before it whose latencies are left out.
    pub(crate) warm_up: Duration,
    /// How long to wait, after the last message, for those still on their way.
    pub(crate) settle: Duration,
    /// Size of each payload.
    pub(crate) payload_bytes: usize,
    /// Quality of service of publications and subscriptions.
    pub(crate) qos: QoS,
}

/// Why a run has no report.
#[derive(Debug)]
pub(crate) enum Error {
    /// A client could not be opened; nothing was published.
    Open {
        /// Its number.
        client: u32,
        /// Why.
        trouble: Trouble,
    },
    /// Interrupted before the clock started; nothing was published.
    Interrupted,
    /// This computer could not do its part.
    Machine(String),
}

/// Runs the load against the broker. `interrupted` is asked a few times a second.
pub(crate) fn run(options: &Options, live: &Live, interrupted: &dyn Fn() -> bool) -> Result<Report, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| machine(&error))?;
    let tag = run_tag();
    LocalSet::new().block_on(&runtime, Run::new(options, tag)?.course(live, interrupted))
}

/// Random, but no secret: two runs at the same time must not hear each other. 24 bits are six digits.
fn run_tag() -> u32 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    u32::try_from(hasher.finish() >> 40).unwrap_or(0)
}

fn machine(error: &dyn std::fmt::Display) -> Error {
    Error::Machine(error.to_string())
}

/// The end of one connection.
type Ended = (u32, Result<(), Trouble>);

struct Run<'a> {
    options: &'a Options,
    tag: u32,
    name: String,
    /// Zero of the clock, once it runs.
    start: Instant,
    scenario: Scenario,
    schedules: Vec<Option<Schedule>>,
    measurements: Rc<RefCell<Measurements>>,
    /// Queue into each open connection, by client.
    requests: Vec<Option<AsyncClient>>,
    pumps: JoinSet<Ended>,
    /// Whose pump a task is.
    tasks: HashMap<tokio::task::Id, u32>,
    gone: BTreeSet<u32>,
    lost: Vec<LostConnection>,
    connect_us: Histogram<u64>,
    downgraded: u32,
    reins: Reins,
}

impl<'a> Run<'a> {
    fn new(options: &'a Options, tag: u32) -> Result<Self, Error> {
        let name = format!("{tag:06x}");
        let scenario = Scenario::ring(options.clients, &name);
        let whole = options.warm_up.saturating_add(options.duration);
        let schedules: Vec<Option<Schedule>> = (0_u32..)
            .zip(&scenario.roles)
            .map(|(index, role)| {
                role.publishes.then(|| Schedule::staggered(index, options.clients, options.rate, whole))
            })
            .collect();
        let warm_up_ns = u64::try_from(options.warm_up.as_nanos()).unwrap_or(u64::MAX);
        let measurements = Measurements::new(scenario.clone(), tag, schedules.clone(), warm_up_ns);
        Ok(Self {
            options,
            tag,
            name,
            start: Instant::now(),
            measurements: Rc::new(RefCell::new(measurements.map_err(|error| machine(&error))?)),
            requests: vec![None; scenario.roles.len()],
            scenario,
            pumps: JoinSet::new(),
            tasks: HashMap::new(),
            gone: BTreeSet::new(),
            lost: Vec::new(),
            connect_us: measure::histogram().map_err(|error| machine(&error))?,
            downgraded: 0,
            reins: Reins::new(schedules.len()),
            schedules,
        })
    }

    async fn course(mut self, live: &Live, interrupted: &dyn Fn() -> bool) -> Result<Report, Error> {
        if let Err(error) = self.open_all(live, interrupted).await {
            self.close_all().await;
            return Err(error);
        }
        let start = Instant::now() + limits::LEAD;
        self.start = start;
        self.measurements.borrow_mut().start(start);
        let busy = Busy::since_now();
        let mut pacer = self.start_pacer().map_err(|error| machine(&error))?;
        let publishing = self.publish(&mut pacer, live, interrupted).await;
        let busy_share = busy.share();
        self.reins.stop();
        let stopped = match publishing {
            Publishing::Done => self.settle(self.options.settle, live, interrupted).await,
            // The grace period is used up.
            Publishing::GivenUp => false,
            Publishing::Interrupted => {
                self.settle(limits::SETTLE_INTERRUPTED.min(self.options.settle), live, &|| false).await;
                true
            }
        };
        // Taken before the goodbye: what comes in afterwards must not make the figures disagree with each
        // other.
        let report = self.report(stopped, busy_share, pacer.punctuality().await);
        self.close_all().await;
        Ok(report)
    }

    /// Opens client 0 to find an address that answers, then all others, a few at a time.
    async fn open_all(&mut self, live: &Live, interrupted: &dyn Fn() -> bool) -> Result<(), Error> {
        let clients = self.options.clients;
        live.show(&Progress::Connecting { ready: 0, clients });
        let first = self.profile(0);
        let (address, connection) = tokio::select! {
            opened = Connection::open_first(&self.options.host, self.options.port, first) => {
                opened.map_err(|trouble| Error::Open { client: 0, trouble })?
            }
            () = interruption(interrupted) => return Err(Error::Interrupted),
        };
        self.adopt(0, connection);

        let mut opening: JoinSet<(u32, Result<Connection, Trouble>)> = JoinSet::new();
        let (mut next, mut ready) = (1, 1);
        while ready < clients {
            while next < clients && opening.len() < limits::OPENING_AT_ONCE {
                let (client, profile) = (next, self.profile(next));
                opening.spawn_local(async move { (client, Connection::open(address, profile).await) });
                next += 1;
            }
            live.show(&Progress::Connecting { ready, clients });
            tokio::select! {
                Some(opened) = opening.join_next() => {
                    let (client, opened) = opened.map_err(|error| machine(&error))?;
                    self.adopt(client, opened.map_err(|trouble| Error::Open { client, trouble })?);
                    ready += 1;
                }
                Some(ended) = self.pumps.join_next() => return Err(lost_before_start(ended)),
                () = interruption(interrupted) => return Err(Error::Interrupted),
            }
        }
        match self.pumps.try_join_next() {
            Some(ended) => Err(lost_before_start(ended)),
            None => Ok(()),
        }
    }

    fn profile(&self, client: u32) -> Profile {
        let role = usize::try_from(client).ok().and_then(|index| self.scenario.roles.get(index));
        let hears = role.map_or(&[][..], |role| &role.hears);
        Profile {
            // At most 23 bytes, which every broker must take.
            client_id: format!("obkmq-bench-{}-{client}", self.name),
            filters: hears.iter().map(|publisher| self.scenario.topic(*publisher)).collect(),
            qos: self.options.qos,
            payload_bytes: self.options.payload_bytes,
            credentials: self.options.credentials.clone(),
        }
    }

    /// From now on the connection is read and written without a pause.
    fn adopt(&mut self, client: u32, connection: Connection) {
        let connect_us = u64::try_from(connection.connect_time.as_micros()).unwrap_or(u64::MAX);
        self.connect_us.saturating_record(connect_us);
        self.downgraded += u32::from(connection.downgraded);
        if let Some(slot) = usize::try_from(client).ok().and_then(|index| self.requests.get_mut(index)) {
            *slot = Some(connection.requests.clone());
        }
        let measurements = Rc::clone(&self.measurements);
        let pump = async move { (client, connection.pump(client, measurements).await) };
        let task = self.pumps.spawn_local(pump).id();
        self.tasks.insert(task, client);
    }

    fn start_pacer(&self) -> std::io::Result<Pacer> {
        let publishers: Vec<Publisher> = (0_u32..)
            .zip(self.requests.iter().zip(&self.schedules))
            .filter_map(|(client, (requests, schedule))| {
                let topic = self.scenario.topic(client);
                Some(Publisher { client, requests: requests.clone()?, topic, schedule: (*schedule)? })
            })
            .collect();
        let message =
            Message { run_tag: self.tag, payload_bytes: self.options.payload_bytes, qos: self.options.qos };
        Pacer::start(publishers, message, self.start, self.reins.clone())
    }

    /// Until the pacer has issued everything, or there is no sense in going on.
    async fn publish(
        &mut self,
        pacer: &mut Pacer,
        live: &Live,
        interrupted: &dyn Fn() -> bool,
    ) -> Publishing {
        let total = self.options.warm_up.saturating_add(self.options.duration);
        // A broker that stops reading holds the pacer up; it gets as long to catch up as stragglers get to
        // arrive.
        let deadline = self.start + total + self.options.settle;
        let mut tick = tokio::time::interval(limits::TICK);
        loop {
            tokio::select! {
                () = pacer.finished() => return Publishing::Done,
                Some(ended) = self.pumps.join_next() => {
                    self.note_lost(ended);
                    if self.pumps.is_empty() {
                        return Publishing::GivenUp;
                    }
                }
                _ = tick.tick() => {
                    if interrupted() {
                        return Publishing::Interrupted;
                    }
                    if Instant::now() >= deadline {
                        return Publishing::GivenUp;
                    }
                    let measurements = self.measurements.borrow();
                    live.show(&Progress::Running {
                        elapsed: Duration::from_nanos(measurements.clock_ns(Instant::now())),
                        total,
                        sent: measurements.sent(),
                        delivered: measurements.ledger.delivered(),
                        p99_us: measurements.latency_us.value_at_quantile(0.99),
                    });
                }
            }
        }
    }

    /// Until all has arrived that still can, or the grace period is over. True: interrupted.
    async fn settle(&mut self, grace: Duration, live: &Live, interrupted: &dyn Fn() -> bool) -> bool {
        let deadline = Instant::now() + grace;
        loop {
            // What is queued is written before the next tick, or its connection is stuck for good.
            tokio::select! {
                Some(ended) = self.pumps.join_next() => self.note_lost(ended),
                () = tokio::time::sleep(limits::TICK) => {}
            }
            let outstanding = self.outstanding();
            if outstanding == 0 || Instant::now() >= deadline {
                return false;
            }
            if interrupted() {
                return true;
            }
            live.show(&Progress::Settling { outstanding });
        }
    }

    /// Messages that were written and can still arrive, and those that wait in a connection's queue.
    fn outstanding(&self) -> u64 {
        let measurements = self.measurements.borrow();
        let stands = |client: u32| !self.gone.contains(&client);
        let queued = (0_u32..)
            .zip(&self.schedules)
            .filter(|(client, schedule)| schedule.is_some() && stands(*client))
            .map(|(client, _)| self.reins.issued(client).saturating_sub(measurements.sent_by(client)))
            .sum::<u64>();
        let on_their_way = measurements
            .ledger
            .outstanding(|publisher| measurements.sent_by(publisher), |flow| stands(flow.receiver));
        queued + on_their_way
    }

    fn note_lost(&mut self, ended: Result<Ended, JoinError>) {
        let (client, why) = match ended {
            Ok((client, Err(trouble))) => (Some(client), trouble.to_string()),
            Ok((_, Ok(()))) => return,
            Err(error) => {
                (self.tasks.get(&error.id()).copied(), format!("the MQTT client library failed ({error})"))
            }
        };
        let Some(client) = client else { return };
        let at_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.reins.forget(client);
        self.gone.insert(client);
        self.lost.push(LostConnection { client, at_ms, why });
    }

    /// Says goodbye on every connection that stands and waits, within bounds, for the broker to close it.
    async fn close_all(&mut self) {
        for requests in self.requests.iter_mut().filter_map(Option::take) {
            // A queue that is full belongs to a connection that is stuck; it is dropped below.
            let _ = requests.try_disconnect();
        }
        let all_closed = async { while self.pumps.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limits::DISCONNECT_TIMEOUT, all_closed).await;
        self.pumps.shutdown().await;
    }

    fn report(&mut self, interrupted: bool, busy_share: Option<f64>, punctuality: Punctuality) -> Report {
        let measurements = self.measurements.borrow();
        let (flows, tally) = measurements.ledger.tally(|publisher| measurements.sent_by(publisher));
        let generator = Generator {
            bottleneck: false,
            late_sends: measurements.late_sends,
            worst_send_delay_us: measurements.worst_send_delay_ns.div_ceil(1_000),
            late_wakeups: punctuality.late,
            worst_wakeup_delay_us: punctuality.worst_ns.div_ceil(1_000),
            busy_share,
        };
        let options = self.options;
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Report {
            target: options.target.clone(),
            run: self.name.clone(),
            load: Load {
                scenario: self.scenario.name,
                clients: options.clients,
                rate_per_client: options.rate,
                duration_ms: milliseconds(options.duration),
                warm_up_ms: milliseconds(options.warm_up),
                payload_bytes: options.payload_bytes,
                qos: options.qos as u8,
            },
            interrupted,
            elapsed_ms: milliseconds(self.start.elapsed()),
            delivery: Delivery {
                scheduled: measurements.scheduled(),
                sent: measurements.sent(),
                tally,
                stray: measurements.ledger.strays(),
                delivered_per_s: per_second(tally.delivered, measurements.last_delivery_ns),
                downgraded_subscriptions: self.downgraded,
            },
            latency_us: Percentiles::of(&measurements.latency_us),
            connect_us: Percentiles::of(&self.connect_us),
            generator: generator.judged(punctuality.issued),
            lost_connections: std::mem::take(&mut self.lost),
            flows: flows
                .into_iter()
                .map(|(flow, tally)| FlowAccount {
                    publisher: flow.publisher,
                    receiver: flow.receiver,
                    tally,
                })
                .collect(),
        }
    }
}

/// How publishing ended.
enum Publishing {
    /// Everything was issued.
    Done,
    /// Time is up, or no connection is left.
    GivenUp,
    /// The user wants to stop.
    Interrupted,
}

fn lost_before_start(ended: Result<Ended, JoinError>) -> Error {
    match ended {
        Ok((client, Err(trouble))) => Error::Open { client, trouble },
        Ok((client, Ok(()))) => Error::Open { client, trouble: Trouble::Closed },
        Err(error) => machine(&error),
    }
}

/// Ends when `interrupted` says so.
async fn interruption(interrupted: &dyn Fn() -> bool) {
    while !interrupted() {
        tokio::time::sleep(limits::TICK).await;
    }
}

fn per_second(count: u64, elapsed_ns: u64) -> u64 {
    let rate = u128::from(count) * 1_000_000_000 / u128::from(elapsed_ns.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The event loop's share of busy time.
struct Busy {
    since: Instant,
    busy_before: Option<Duration>,
}

impl Busy {
    fn since_now() -> Self {
        Self { since: Instant::now(), busy_before: total_busy() }
    }

    /// From 0 to 1; `None` where the runtime does not count.
    fn share(&self) -> Option<f64> {
        let busy = total_busy()?.saturating_sub(self.busy_before?);
        Some((busy.as_secs_f64() / self.since.elapsed().as_secs_f64()).clamp(0.0, 1.0))
    }
}

#[cfg(target_has_atomic = "64")]
fn total_busy() -> Option<Duration> {
    Some(Handle::current().metrics().worker_total_busy_duration(0))
}

#[cfg(not(target_has_atomic = "64"))]
fn total_busy() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests;
