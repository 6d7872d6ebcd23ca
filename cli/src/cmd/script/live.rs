//! A script on this machine beside a broker: what a board's own broker would do for it goes over the network.

use std::time::{Duration, Instant};

use obkmq_berry::{Answer, Argument, Call, Error, Handle, Host, HostError, Limits, Numbers, Progress, Vm};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, Publish, QoS};
use tokio::time::{sleep_until, timeout};

use super::host::{ScriptError, Terminal};
use crate::bench::trouble::Trouble;
use crate::context::{Context, Differs};
use crate::failure::{Exit, Failure};
use crate::target::Target;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Publications that wait for the network.
const QUEUE: usize = 1000;
/// The largest packet that is taken.
const PACKET_LIMIT_BYTES: usize = 1 << 20;
/// The shortest interval, as on a board.
const INTERVAL_MS: u64 = 10;

/// The script's functions that this machine has, with a broker.
const FUNCTIONS: [&str; 9] = [
    "ms_subscribe",
    "ms_unsubscribe",
    "ms_publish",
    "setTimeout",
    "setInterval",
    "cancel",
    "echo",
    "rtosDelayMs",
    "delayUs",
];

enum Waits {
    Messages { filter: String },
    Time { due: Instant, every: Option<Duration> },
}

struct Callback {
    id: i64,
    function: Handle,
    waits: Waits,
}

/// This machine, its terminal, and a broker.
struct Live<'a> {
    terminal: Terminal<'a>,
    /// The source that is imported first.
    boot: Option<Vec<u8>>,
    context: &'a Context,
    client: AsyncClient,
    callbacks: Vec<Callback>,
    last_id: i64,
    dropped: Vec<Handle>,
    sleep: Duration,
}

impl Live<'_> {
    fn add(&mut self, function: Handle, waits: Waits) -> i64 {
        self.last_id += 1;
        self.callbacks.push(Callback { id: self.last_id, function, waits });
        self.last_id
    }

    fn remove(&mut self, id: i64) -> Option<Callback> {
        let place = self.callbacks.iter().position(|callback| callback.id == id)?;
        let callback = self.callbacks.remove(place);
        self.dropped.push(callback.function);
        Some(callback)
    }

    fn subscribe<N: Numbers>(&mut self, call: &mut Call<'_, N>) -> Result<Answer, HostError> {
        let filter = call.text(0)?.to_owned();
        let function = call.function(1)?;
        if !rumqttc::valid_filter(&filter) {
            self.context.warn(format_args!("cannot subscribe to {filter}: it is no topic filter"));
            self.dropped.push(function);
            return Ok(Answer::Nil);
        }
        if let Err(error) = self.client.try_subscribe(filter.clone(), QoS::AtMostOnce) {
            self.context.warn(format_args!("cannot subscribe to {filter}: {error}"));
        }
        Ok(Answer::Int(self.add(function, Waits::Messages { filter })))
    }

    fn unsubscribe(&mut self, id: i64) -> bool {
        let is_subscription = |callback: &Callback| matches!(callback.waits, Waits::Messages { .. });
        if !self.callbacks.iter().any(|callback| callback.id == id && is_subscription(callback)) {
            return false;
        }
        if let Some(Callback { waits: Waits::Messages { filter }, .. }) = self.remove(id) {
            let uses = |other: &Callback| matches!(&other.waits, Waits::Messages { filter: other } if *other == filter);
            if !self.callbacks.iter().any(uses) {
                let _ = self.client.try_unsubscribe(filter);
            }
        }
        true
    }

    fn publish<N: Numbers>(&self, call: &mut Call<'_, N>) -> Result<Answer, HostError> {
        let payload = match call.bytes(1) {
            Ok(bytes) => bytes.to_vec(),
            Err(_) => call.shown(1)?,
        };
        let retain = !call.is_nil(2) && call.bool(2)?;
        let qos = match if call.is_nil(3) { 0 } else { call.int(3)? } {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            2 => QoS::ExactlyOnce,
            _ => return Err(HostError::new("value_error", "the quality of service is 0, 1 or 2")),
        };
        let topic = call.text(0)?;
        let published = self.client.try_publish(topic, qos, retain, payload);
        if let Err(error) = &published {
            self.context.warn(format_args!("cannot publish to {topic}: {error}"));
        }
        Ok(Answer::Bool(published.is_ok()))
    }

    fn set_timer<N: Numbers>(&mut self, call: &mut Call<'_, N>, again: bool) -> Result<Answer, HostError> {
        let millis = u64::try_from(call.int(1)?).unwrap_or(0).max(if again { INTERVAL_MS } else { 1 });
        let wait = Duration::from_millis(millis);
        let function = call.function(0)?;
        let due = Instant::now() + wait;
        Ok(Answer::Int(self.add(function, Waits::Time { due, every: again.then_some(wait) })))
    }

    /// The timer that is due first.
    fn next_timer(&self) -> Option<(Instant, i64)> {
        let timers = self.callbacks.iter().filter_map(|callback| match callback.waits {
            Waits::Time { due, .. } => Some((due, callback.id)),
            Waits::Messages { .. } => None,
        });
        timers.min()
    }

    /// A timer fires: its function.
    fn fire(&mut self, id: i64) -> Option<Handle> {
        let callback = self.callbacks.iter_mut().find(|callback| callback.id == id)?;
        let function = callback.function;
        match &mut callback.waits {
            Waits::Time { due, every: Some(every) } => *due = (*due + *every).max(Instant::now()),
            _ => {
                self.remove(id);
            }
        }
        Some(function)
    }
}

fn id_of<N: Numbers>(call: &Call<'_, N>) -> Result<i64, HostError> {
    if call.is_nil(0) { Ok(0) } else { call.int(0) }
}

impl<N: Numbers> Host<N> for Live<'_> {
    fn print(&mut self, line: &[u8]) {
        Host::<N>::print(&mut self.terminal, line);
    }

    fn function(&self, name: &str) -> Option<u16> {
        let own = FUNCTIONS.iter().position(|&known| known == name);
        let own = own.and_then(|place| u16::try_from(place).ok());
        own.or_else(|| Some(Host::<N>::function(&self.terminal, name)? | BOARDS))
    }

    fn call(&mut self, function: u16, call: &mut Call<'_, N>) -> Result<Answer, HostError> {
        if function & BOARDS != 0 {
            return self.terminal.call(function & !BOARDS, call);
        }
        match FUNCTIONS.get(usize::from(function)).copied().unwrap_or_default() {
            "ms_subscribe" => self.subscribe(call),
            "ms_unsubscribe" => {
                let id = id_of(call)?;
                Ok(Answer::Bool(self.unsubscribe(id)))
            }
            "ms_publish" => self.publish(call),
            "setTimeout" => self.set_timer(call, false),
            "setInterval" => self.set_timer(call, true),
            "cancel" => {
                let id = id_of(call)?;
                let is_timer = |callback: &Callback| matches!(callback.waits, Waits::Time { .. });
                if self.callbacks.iter().any(|callback| callback.id == id && is_timer(callback)) {
                    self.remove(id);
                }
                Ok(Answer::Nil)
            }
            "echo" => {
                let text = call.shown(0)?;
                Host::<N>::print(self, &text);
                Ok(Answer::Nil)
            }
            "rtosDelayMs" => {
                self.sleep = Duration::from_millis(u64::try_from(call.int(0)?).unwrap_or(0));
                Ok(Answer::Suspend)
            }
            _ => {
                self.sleep = Duration::from_micros(u64::try_from(call.int(0)?).unwrap_or(0));
                Ok(Answer::Suspend)
            }
        }
    }

    fn module(&mut self, name: &str) -> Option<Vec<u8>> {
        let boot = if name == BOOT_MODULE { self.boot.take() } else { None };
        boot.or_else(|| Host::<N>::module(&mut self.terminal, name))
    }
}

/// What a board imports when it starts.
const BOOT_MODULE: &str = "autoexec";

/// Marks the functions that only a board has.
const BOARDS: u16 = 0x8000;

/// What happens next.
enum Happening {
    Message(Publish),
    Timer(i64),
    /// A script that sleeps goes on.
    Wake,
    Nothing,
}

/// Runs a script beside a broker, until nothing can happen any more or the user has enough.
pub(super) fn run<N: Numbers>(
    context: &Context,
    terminal: Terminal<'_>,
    target: &Target,
    source: Vec<u8>,
    limits: Limits,
) -> anyhow::Result<()> {
    crate::interrupt::arm_as_the_end();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, events) = connect(target).await.map_err(|trouble| explain(target, &trouble))?;
        context.detail(format_args!("connected to {}", target.host));
        let live = Live {
            terminal,
            boot: Some(source),
            context,
            client,
            callbacks: Vec::new(),
            last_id: 0,
            dropped: Vec::new(),
            sleep: Duration::ZERO,
        };
        let vm = Vm::<N>::new(limits, super::run::seed());
        Session { vm, live, events, failed: false }.run(target).await
    })
}

struct Session<'a, N: Numbers> {
    vm: Vm<N>,
    live: Live<'a>,
    events: EventLoop,
    failed: bool,
}

impl<N: Numbers> Session<'_, N> {
    async fn run(mut self, target: &Target) -> anyhow::Result<()> {
        let begun = self.vm.import(&mut self.live, BOOT_MODULE);
        let mut sleeping = self.after(begun)?;
        loop {
            if self.live.callbacks.is_empty() && sleeping.is_none() {
                // What it has published goes out.
                let _ = self.live.client.try_disconnect();
                while self.events.poll().await.is_ok() {}
                return if self.failed { Err(Differs.into()) } else { Ok(()) };
            }
            let happening = self.wait(sleeping).await.map_err(|trouble| explain(target, &trouble))?;
            match happening {
                Happening::Nothing => {}
                Happening::Wake => {
                    let outcome = self.vm.resume(&mut self.live, Answer::Nil);
                    sleeping = self.after(outcome)?;
                }
                Happening::Timer(id) => {
                    if let Some(function) = self.live.fire(id) {
                        let outcome = self.vm.call(&mut self.live, function, &[]);
                        sleeping = self.after(outcome)?;
                    }
                }
                Happening::Message(message) => sleeping = self.deliver(&message)?,
            }
        }
    }

    /// Calls all that a message concerns. One that sleeps meanwhile keeps the rest from being called.
    fn deliver(&mut self, message: &Publish) -> anyhow::Result<Option<Instant>> {
        let concerned = |callback: &&Callback| match &callback.waits {
            Waits::Messages { filter } => rumqttc::matches(&message.topic, filter),
            Waits::Time { .. } => false,
        };
        let ids: Vec<_> = self.live.callbacks.iter().filter(concerned).map(|callback| callback.id).collect();
        for id in ids {
            let function = self.live.callbacks.iter().find(|callback| callback.id == id);
            let Some(function) = function.map(|callback| callback.function) else { continue };
            let arguments = [Argument::Text(message.topic.as_bytes()), Argument::Text(&message.payload)];
            let outcome = self.vm.call(&mut self.live, function, &arguments);
            let sleeping = self.after(outcome)?;
            if sleeping.is_some() {
                return Ok(sleeping);
            }
        }
        Ok(None)
    }

    /// A run has ended or sleeps; until when.
    fn after(&mut self, outcome: Result<Progress<N>, Error>) -> anyhow::Result<Option<Instant>> {
        for function in self.live.dropped.drain(..) {
            self.vm.release(function);
        }
        if let Some(error) = self.live.terminal.closed.take() {
            return Err(error);
        }
        match outcome {
            Ok(Progress::Done(_) | Progress::Paused) => Ok(None),
            Ok(Progress::Suspended) => Ok(Some(Instant::now() + self.live.sleep)),
            Err(error) => {
                self.failed = true;
                let context = self.live.context;
                if context.json {
                    context.out_json("script-error", ScriptError::new(&error))?;
                } else {
                    context.out(error)?;
                }
                Ok(None)
            }
        }
    }

    async fn wait(&mut self, sleeping: Option<Instant>) -> Result<Happening, Trouble> {
        let timer = self.live.next_timer();
        let due = match (sleeping, timer) {
            (Some(until), _) => Some((until, Happening::Wake)),
            (None, Some((due, id))) => Some((due, Happening::Timer(id))),
            (None, None) => None,
        };
        let (until, then) = match due {
            Some((until, then)) => (Some(until), then),
            None => (None, Happening::Nothing),
        };
        let elapsed = async {
            match until {
                Some(until) => sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A message that comes while the script sleeps waits in the socket.
            event = self.events.poll(), if sleeping.is_none() => match event {
                Ok(Event::Incoming(Packet::Publish(message))) => Ok(Happening::Message(message)),
                Ok(Event::Incoming(Packet::SubAck(answer))) => {
                    if answer.return_codes.contains(&rumqttc::SubscribeReasonCode::Failure) {
                        self.live.context.warn("the broker has refused a subscription");
                    }
                    Ok(Happening::Nothing)
                }
                Ok(_) => Ok(Happening::Nothing),
                Err(error) => Err(Trouble::of(&error)),
            },
            () = elapsed => Ok(then),
        }
    }
}

async fn connect(target: &Target) -> Result<(AsyncClient, EventLoop), Trouble> {
    let client_id = format!("obkmq-script-{:08x}", super::run::seed() & 0xFFFF_FFFF);
    let mut options = MqttOptions::new(client_id, target.host.host.clone(), target.host.port);
    options.set_clean_session(true).set_max_packet_size(PACKET_LIMIT_BYTES, PACKET_LIMIT_BYTES);
    if let Some(user) = &target.user {
        let password = target.password.as_ref().map(|password| password.expose().to_owned());
        options.set_credentials(user, password.unwrap_or_default());
    }
    let (client, mut events) = AsyncClient::new(options, QUEUE);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(PATIENCE.as_secs());
    events.set_network_options(network);
    match timeout(PATIENCE, events.poll()).await {
        Ok(Ok(_)) => Ok((client, events)),
        Ok(Err(error)) => Err(Trouble::while_connecting(&error)),
        Err(_) => Err(Trouble::TimedOut),
    }
}

fn explain(target: &Target, trouble: &Trouble) -> Failure {
    let next = match trouble {
        Trouble::NotAuthorised => "name the user with --user, and give the right password",
        _ => "see whether the broker runs and can be reached: obkmq doctor -H HOST",
    };
    let what = format!("The script has no broker at {}.", target.host);
    Failure::new(Exit::Network, what, trouble.to_string(), next)
}
