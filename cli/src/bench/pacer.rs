//! The thread that issues messages when they are due.
//!
//! It stands apart from the event loop because the loop's timers have a grain of a millisecond, which is more
//! than a broker on the same network needs for a message. A connection that cannot take a message (its queue
//! is full, because its broker does not read) is tried again later; it delays nobody else, and its messages
//! keep their intended times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, QoS};
use tokio::sync::oneshot;

use super::limits;
use super::payload::Stamp;
use super::schedule::Schedule;

/// One publisher's end of its connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Client number.
    pub(crate) client: u32,
    /// Queue into its connection.
    pub(crate) requests: AsyncClient,
    /// Where it publishes.
    pub(crate) topic: String,
    /// When.
    pub(crate) schedule: Schedule,
}

/// What all messages have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    /// Tag of the run, in every payload.
    pub(crate) run_tag: u32,
    /// Size of every payload.
    pub(crate) payload_bytes: usize,
    /// Quality of service of every message.
    pub(crate) qos: QoS,
}

/// What the pacer and the event loop tell each other while the clock runs.
#[derive(Clone, Debug)]
pub(crate) struct Reins {
    stop: Arc<AtomicBool>,
    clients: Arc<[PerClient]>,
}

#[derive(Debug, Default)]
struct PerClient {
    gone: AtomicBool,
    issued: AtomicUsize,
}

impl Reins {
    /// For this many clients.
    pub(crate) fn new(clients: usize) -> Self {
        Self { stop: Arc::default(), clients: (0..clients).map(|_| PerClient::default()).collect() }
    }

    /// Ends the pacer within [`limits::SLEEP_MAX`].
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// This client's connection is gone: nothing more is issued for it.
    pub(crate) fn forget(&self, client: u32) {
        if let Some(client) = self.client(client) {
            client.gone.store(true, Ordering::Relaxed);
        }
    }

    /// Messages that were put into this client's queue.
    pub(crate) fn issued(&self, client: u32) -> u64 {
        self.client(client).map_or(0, |client| client.issued.load(Ordering::Relaxed) as u64)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_gone(&self, client: u32) -> bool {
        self.client(client).is_none_or(|client| client.gone.load(Ordering::Relaxed))
    }

    fn count(&self, client: u32) {
        if let Some(client) = self.client(client) {
            client.issued.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn client(&self, client: u32) -> Option<&PerClient> {
        usize::try_from(client).ok().and_then(|index| self.clients.get(index))
    }
}

/// A running pacer thread.
pub(crate) struct Pacer {
    done: oneshot::Receiver<Punctuality>,
    result: Option<Punctuality>,
}

impl Pacer {
    /// Starts the thread; see [`pace`].
    pub(crate) fn start(
        publishers: Vec<Publisher>,
        message: Message,
        start: Instant,
        reins: Reins,
    ) -> std::io::Result<Self> {
        let (sender, done) = oneshot::channel();
        // Nobody waits for the thread itself: it ends right after its message.
        thread::Builder::new().name("pacer".to_owned()).spawn(move || {
            let _ = sender.send(pace(&publishers, message, start, &reins));
        })?;
        Ok(Self { done, result: None })
    }

    /// Waits until everything is issued (or the reins ended it). Safe to drop and to call again.
    pub(crate) async fn finished(&mut self) {
        if self.result.is_none() {
            self.result = Some((&mut self.done).await.unwrap_or_default());
        }
    }

    /// Waits for the end and tells how well it went.
    pub(crate) async fn punctuality(mut self) -> Punctuality {
        self.finished().await;
        self.result.unwrap_or_default()
    }
}

/// How well the pacer kept time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Punctuality {
    /// Messages issued.
    pub(crate) issued: u64,
    /// Messages that found their connection ready and were still issued later than [`limits::LATE`].
    pub(crate) late: u64,
    /// The worst of those delays, whether or not above the limit.
    pub(crate) worst_ns: u64,
}

/// The next thing to do for one publisher. Ordered by time first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ns: u64,
    publisher: usize,
    sequence: u64,
    /// Its queue was full before: the delay is not the pacer's.
    held_up: bool,
}

/// Issues every message of `publishers` at its time after `start`. Returns when all are issued or the reins
/// say so.
fn pace(publishers: &[Publisher], message: Message, start: Instant, reins: &Reins) -> Punctuality {
    let mut agenda: BinaryHeap<Reverse<Due>> = (0..)
        .zip(publishers)
        .map(|(index, publisher)| {
            let at_ns = publisher.schedule.intended_ns(0);
            Reverse(Due { at_ns, publisher: index, sequence: 0, held_up: false })
        })
        .collect();
    let mut punctuality = Punctuality::default();
    while let Some(Reverse(due)) = agenda.pop() {
        if !sleep_until(start, due.at_ns, reins) {
            break;
        }
        let Some(publisher) = publishers.get(due.publisher) else { continue };
        let intended_ns = publisher.schedule.intended_ns(due.sequence);
        let stamp =
            Stamp { run: message.run_tag, publisher: publisher.client, sequence: due.sequence, intended_ns };
        let payload = stamp.encode(message.payload_bytes);
        let late_ns = since(start).saturating_sub(intended_ns);
        // Never retained: nothing may stay behind in the broker.
        let retain = false;
        if publisher.requests.try_publish(publisher.topic.as_str(), message.qos, retain, payload).is_err() {
            if !reins.is_gone(publisher.client) {
                let retry_ns = u64::try_from(limits::RETRY.as_nanos()).unwrap_or(u64::MAX);
                let at_ns = since(start).saturating_add(retry_ns);
                agenda.push(Reverse(Due { at_ns, held_up: true, ..due }));
            }
            continue;
        }
        reins.count(publisher.client);
        punctuality.issued += 1;
        if !due.held_up {
            punctuality.worst_ns = punctuality.worst_ns.max(late_ns);
            punctuality.late += u64::from(u128::from(late_ns) > limits::LATE.as_nanos());
        }
        let sequence = due.sequence + 1;
        if sequence < publisher.schedule.count() {
            let at_ns = publisher.schedule.intended_ns(sequence);
            // Behind a message that was held up, the next ones are late for the same reason.
            let held_up = due.held_up && at_ns <= since(start);
            agenda.push(Reverse(Due { at_ns, sequence, held_up, ..due }));
        }
    }
    punctuality
}

/// Nanoseconds after `start`, zero before it.
fn since(start: Instant) -> u64 {
    u64::try_from(Instant::now().saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

/// Sleeps until the clock shows `at_ns`, in steps short enough to notice a stop. False: stopped.
fn sleep_until(start: Instant, at_ns: u64, reins: &Reins) -> bool {
    let Some(at) = start.checked_add(Duration::from_nanos(at_ns)) else { return false };
    loop {
        if reins.stopped() {
            return false;
        }
        let wait = at.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return true;
        }
        thread::sleep(wait.min(limits::SLEEP_MAX));
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::MqttOptions;

    use super::*;

    const MESSAGE: Message = Message { run_tag: 1, payload_bytes: 32, qos: QoS::AtMostOnce };

    /// A publisher whose queue takes `room` messages and is never emptied. The event loop keeps the queue
    /// open.
    fn publisher(client: u32, room: usize, count: u32) -> (Publisher, rumqttc::EventLoop) {
        let (requests, event_loop) = AsyncClient::new(MqttOptions::new("test", "127.0.0.1", 1), room);
        let schedule = Schedule::staggered(0, 1, count, Duration::from_secs(1));
        (Publisher { client, requests, topic: format!("t/{client}"), schedule }, event_loop)
    }

    /// A clock so far in the past that everything is due at once.
    fn all_due() -> Instant {
        Instant::now().checked_sub(Duration::from_secs(2)).expect("the machine is up for longer than that")
    }

    #[test]
    fn every_message_is_issued_once() {
        let (first, _keep_first) = publisher(0, 100, 60);
        let (second, _keep_second) = publisher(1, 100, 40);
        let punctuality = pace(&[first, second], MESSAGE, all_due(), &Reins::new(2));
        assert_eq!(punctuality.issued, 100);
        assert_eq!(punctuality.late, 100, "all were due at least a second ago");
    }

    #[test]
    fn a_lost_connection_is_dropped_and_delays_nobody() {
        let (stuck, _keep_stuck) = publisher(0, 3, 50);
        let (healthy, _keep_healthy) = publisher(1, 100, 50);
        let reins = Reins::new(2);
        reins.forget(0);
        assert_eq!(pace(&[stuck, healthy], MESSAGE, all_due(), &reins).issued, 53);
        assert_eq!((reins.issued(0), reins.issued(1)), (3, 50));
    }

    #[test]
    fn a_full_queue_is_tried_again_until_stopped() {
        let (stuck, _keep) = publisher(0, 3, 50);
        let reins = Reins::new(2);
        let pacer = {
            let reins = reins.clone();
            thread::spawn(move || pace(&[stuck], MESSAGE, all_due(), &reins))
        };
        reins.stop();
        assert!(pacer.join().expect("no panic").issued <= 3);
    }

    #[test]
    fn a_stop_is_noticed_long_before_the_next_message() {
        let (idle, _keep) = publisher(0, 1, 1);
        let reins = Reins::new(2);
        reins.stop();
        let far = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(pace(&[idle], MESSAGE, far, &reins), Punctuality::default());
    }
}
