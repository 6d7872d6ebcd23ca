//! The loop: sockets and console on one side, the node on the other, one thread, nothing blocks.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::{Duration, Instant as Clock};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use obkmq_config::settings::{Anonymous, Settings};
use obkmq_node::{Action, Instant, LinkId, Node, Want};

use crate::board::HostBoard;
use crate::connection::{After, Connection, Transfer};
use crate::connections::Connections;
use crate::console::{Console, Input};
#[cfg(unix)]
use crate::control::Control;
use crate::limits::{
    ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN, CONSOLE_READS_PER_TURN, DRAIN_MS, EVENTS_PER_TURN,
    RECEIVED_BEFORE_WANTS_BYTES, REST_US, ROUNDS_PER_TURN, WANTS_PER_TURN,
};
use crate::moderation::Moderation;
use crate::stop::Stop;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const CONSOLE: Token = Token(2);
#[cfg(unix)]
const FIRST_CONTROL: usize = 3;
#[cfg(unix)]
const FIRST_CONNECTION: usize = FIRST_CONTROL + 1 + crate::limits::CONTROL_CLIENTS;
#[cfg(not(unix))]
const FIRST_CONNECTION: usize = 3;

/// Why a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was told to, by [`Stop`].
    Stopped,
    /// The console said `reboot`.
    Reboot,
    /// The console's line was claimed; see [`Line::intercept`](crate::Line::intercept).
    Intercepted,
}

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on: in use, or not this machine's.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// The console's line broke.
    #[error("the console's line failed: {0}")]
    Console(io::Error),
    /// The operating system refused something basic.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Always here, whatever the settings say.
    Fixed(SocketAddr),
    /// On the settings' port: of this machine only as long as they let nobody else in, of all its addresses then.
    SettingsPort,
}

/// Whether the owner has not said yet who may come in.
fn is_closed(settings: &Settings) -> bool {
    settings.users().is_empty() && settings.anonymous() != Anonymous::Always
}

/// A node with sockets.
pub struct Server {
    node: Node<HostBoard>,
    listen: Listen,
    listener: Option<TcpListener>,
    /// The address that the listener was opened with.
    asked_for: Option<SocketAddr>,
    accepting: Accepting,
    console: Console,
    /// Something may have come in.
    console_readable: bool,
    /// The line took no more.
    console_waits: bool,
    #[cfg(unix)]
    control: Option<Control>,
    /// Wakes the loop for as long as it is there.
    #[cfg(unix)]
    _signalled: Option<mio::net::UnixStream>,
    poll: Poll,
    started: Clock,
    connections: Connections,
    /// Numbers of the connections whose turn it is; empty between turns, its storage is kept.
    turns: Vec<usize>,
    /// Numbers of the connections with work left over from their last turn.
    again: Vec<usize>,
    /// Connections that are only read until their peer has seen the end, and until when at most.
    draining: VecDeque<Draining>,
    transfer: Transfer,
    moderation: Moderation,
}

/// A connection whose link has ended. Its number may be another's by the time it is looked at.
#[derive(Debug, Clone, Copy)]
struct Draining {
    number: usize,
    link: LinkId,
    until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepting {
    No,
    Pending,
    PausedUntil(Instant),
}

/// What the node's actions have come to.
#[derive(Debug, Default)]
struct Done {
    outcome: Option<Outcome>,
    /// The address that cannot be listened on.
    refused: Option<(SocketAddr, io::Error)>,
}

impl Server {
    /// A server around a booted node. The node's time starts at `started`.
    pub fn new(
        node: Node<HostBoard>,
        listen: Listen,
        console: Console,
        started: Clock,
        stop: &Stop,
    ) -> Result<Self, ServerError> {
        let poll = Poll::new()?;
        stop.wake_with(Waker::new(poll.registry(), WAKER)?);
        #[cfg(unix)]
        let mut signalled = stop.signalled()?;
        #[cfg(unix)]
        if let Some(signalled) = &mut signalled {
            poll.registry().register(signalled, WAKER, Interest::READABLE)?;
        }
        #[cfg(unix)]
        if let Some(descriptor) = console.descriptor() {
            poll.registry().register(
                &mut mio::unix::SourceFd(&descriptor),
                CONSOLE,
                Interest::READABLE | Interest::WRITABLE,
            )?;
        }
        let mut server = Self {
            node,
            listen,
            listener: None,
            asked_for: None,
            accepting: Accepting::No,
            console,
            console_readable: false,
            console_waits: false,
            #[cfg(unix)]
            control: None,
            #[cfg(unix)]
            _signalled: signalled,
            poll,
            started,
            connections: Connections::default(),
            turns: Vec::new(),
            again: Vec::new(),
            draining: VecDeque::new(),
            transfer: Transfer::new(),
            moderation: Moderation::default(),
        };
        // The first listener is opened here, so that a port in use is an error of starting.
        if let Some((address, error)) = server.actions()?.refused {
            return Err(ServerError::Listen { address, error });
        }
        Ok(server)
    }

    /// Lets programs of this machine talk to the node. A folder that can hold no socket costs that, not the broker.
    #[cfg(unix)]
    pub(crate) fn open_control(&mut self, folder: &std::path::Path) {
        match Control::open(folder, self.poll.registry(), FIRST_CONTROL) {
            Ok(control) => self.control = Some(control),
            Err(error) => self.node.log_error(format_args!(
                "no control socket in {}: {error}; next: to use `obkmq config --data` while this runs, choose a folder \
                 with a short path on a local disk",
                folder.display()
            )),
        }
    }

    /// The node it runs.
    pub fn node(&self) -> &Node<HostBoard> {
        &self.node
    }

    /// Where it listens now; a port 0 that was asked for is resolved here.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Runs until something ends it; what waits to be stored is stored before it returns.
    pub fn run(&mut self, stop: &Stop) -> Result<Outcome, ServerError> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        // Read once a turn: a turn is short, and deadlines are in milliseconds at best.
        let mut began = Clock::now();
        let mut now = self.instant(began);
        let outcome = 'run: loop {
            if stop.is_requested() {
                break Outcome::Stopped;
            }
            let mut timeout = Some(Duration::ZERO);
            for _ in 0..ROUNDS_PER_TURN {
                let deadline = self.node.poll(now);
                if self.node.has_actions() {
                    let done = self.actions()?;
                    if let Some((address, error)) = done.refused {
                        self.listening_refused(address, &error);
                    }
                    if let Some(outcome) = done.outcome {
                        break 'run outcome;
                    }
                }
                let settled = self.wants(now);
                // Room on the console may let the next command in.
                if !self.write_console()? && settled {
                    timeout = self.timeout(now, deadline);
                    break;
                }
            }
            self.note_turn(began);
            self.rest(now, timeout);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    began = Clock::now();
                    now = self.instant(began);
                    continue;
                }
                result => result?,
            }
            began = Clock::now();
            now = self.instant(began);
            std::mem::swap(&mut self.turns, &mut self.again);
            for &number in &self.turns {
                if let Some(connection) = self.connections.get_mut(number) {
                    connection.unqueue();
                }
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accepting = Accepting::Pending,
                    WAKER => {}
                    CONSOLE => {
                        self.console_readable = true;
                        self.console_waits &= !event.is_writable();
                    }
                    #[cfg(unix)]
                    Token(token) if token < FIRST_CONNECTION => {
                        if let Some(control) = &mut self.control {
                            control.note_ready(event);
                        }
                    }
                    Token(token) => {
                        let number = token.wrapping_sub(FIRST_CONNECTION);
                        if let Some(connection) = self.connections.get_mut(number) {
                            connection.note_ready(event);
                            self.turns.push(number);
                        }
                    }
                }
            }
            if self.console_readable && self.read_console()? {
                break Outcome::Intercepted;
            }
            #[cfg(unix)]
            if let Some(control) = &mut self.control {
                control.turn(&mut self.node, self.poll.registry());
            }
            self.accept(now);
            self.take_turns(now);
            self.drop_drained(now);
        };
        // A chip that is reset into its loader stores nothing any more.
        if !matches!(outcome, Outcome::Intercepted) {
            self.node.flush();
        }
        self.write_console()?;
        Ok(outcome)
    }

    /// The node's time.
    fn instant(&self, clock: Clock) -> Instant {
        let elapsed = clock.saturating_duration_since(self.started);
        // 64 bits of microseconds are half a million years.
        Instant::from_micros(
            elapsed.as_secs().saturating_mul(1_000_000).saturating_add(elapsed.subsec_micros().into()),
        )
    }

    fn note_turn(&mut self, began: Clock) {
        let ended = Clock::now();
        // Only the longest counts, and to compare costs less than to subtract.
        let longest = Duration::from_micros(self.node.turn_maximum_micros().into());
        if began.checked_add(longest).is_none_or(|longest| ended > longest) {
            let micros = ended.saturating_duration_since(began).as_micros();
            self.node.note_turn(u32::try_from(micros).unwrap_or(u32::MAX));
        }
    }

    /// Lets the operating system gather what floods in. Elsewhere than on Unix a sleep takes milliseconds.
    fn rest(&mut self, now: Instant, timeout: Option<Duration>) {
        let bytes = std::mem::take(&mut self.transfer.received_in_turn);
        if self.moderation.note_turn(now, bytes) && timeout != Some(Duration::ZERO) && cfg!(unix) {
            std::thread::sleep(Duration::from_micros(REST_US));
        }
    }

    fn timeout(&mut self, now: Instant, deadline: Option<Instant>) -> Option<Duration> {
        // What was dropped since it was listed has no turn to wait for.
        if !self.again.is_empty() {
            self.again
                .retain(|&number| self.connections.get_mut(number).is_some_and(|entry| entry.is_queued()));
        }
        if !self.again.is_empty() || self.accepting == Accepting::Pending || self.console_readable {
            return Some(Duration::ZERO);
        }
        #[cfg(unix)]
        if self.control.as_ref().is_some_and(Control::is_pending) {
            return Some(Duration::ZERO);
        }
        let paused = match self.accepting {
            Accepting::PausedUntil(until) => Some(until),
            Accepting::No | Accepting::Pending => None,
        };
        let drained = self.draining.front().map(|draining| draining.until);
        let next = earlier(earlier(deadline, paused), drained)?;
        // mio rounds it up to milliseconds: waking a little too early would only turn the loop once more for nothing.
        Some(Duration::from_micros(next.as_micros().saturating_sub(now.as_micros())))
    }

    fn actions(&mut self) -> Result<Done, ServerError> {
        let mut done = Done::default();
        // Only the last word counts: a port that is not meant any more must not be in anybody's way.
        let mut listening = None;
        while let Some(action) = self.node.next_action() {
            match action {
                Action::Reboot => {
                    done.outcome = Some(Outcome::Reboot);
                    break;
                }
                Action::StopListening | Action::Listen { .. } => listening = Some(action),
            }
        }
        match listening {
            Some(Action::StopListening) => {
                if let Some(mut listener) = self.listener.take() {
                    self.poll.registry().deregister(&mut listener)?;
                }
                self.accepting = Accepting::No;
            }
            Some(Action::Listen { port }) => {
                let address = match self.listen {
                    Listen::Fixed(address) => address,
                    Listen::SettingsPort if is_closed(self.node.settings()) => {
                        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
                    }
                    Listen::SettingsPort => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
                };
                // What was asked for counts, not what was got: port 0 is another one each time.
                if self.listener.is_none() || self.asked_for != Some(address) {
                    let is_first = self.asked_for.is_none();
                    match self.open_listener(address) {
                        Err(error) => done.refused = Some((address, error)),
                        // Whoever started the server is told by it where it listens.
                        Ok(()) if is_first => {}
                        Ok(()) => self.node.log_info(format_args!("listening on {address} now")),
                    }
                }
            }
            Some(Action::Reboot) | None => {}
        }
        Ok(done)
    }

    /// Says that a changed port cannot be listened on. The clients that are there, and the old port, stay.
    fn listening_refused(&mut self, address: SocketAddr, error: &io::Error) {
        match self.address() {
            Some(old) => {
                self.node
                    .log_error(format_args!("cannot listen on {address}: {error}; still listening on {old}"));
            }
            None => self.node.log_error(format_args!("cannot listen on {address}: {error}")),
        }
    }

    /// Opens a listener in the place of the old one, which stays if that fails.
    fn open_listener(&mut self, address: SocketAddr) -> io::Result<()> {
        let listener = match self.asked_for.filter(|old| old.port() == address.port()) {
            // All addresses and one of them cannot both be listened on.
            Some(old) if self.listener.take().is_some() => match StdListener::bind(address) {
                Ok(listener) => listener,
                Err(error) => {
                    self.open_listener(old)?;
                    return Err(error);
                }
            },
            _ => StdListener::bind(address)?,
        };
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        if let Some(mut old) = self.listener.replace(listener) {
            // Closing the descriptor removes it from the poll set anyway.
            let _ = self.poll.registry().deregister(&mut old);
        }
        self.asked_for = Some(address);
        self.accepting = Accepting::Pending;
        Ok(())
    }

    fn accept(&mut self, now: Instant) {
        match self.accepting {
            Accepting::No => return,
            Accepting::PausedUntil(until) if now < until => return,
            Accepting::PausedUntil(_) | Accepting::Pending => {}
        }
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = &self.listener else { break };
            match listener.accept() {
                Ok((stream, peer)) => self.adopt(stream, peer, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.accepting = Accepting::No;
                    return;
                }
                // The peer gave up while it waited in the backlog.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.accepting = Accepting::PausedUntil(now.saturating_add_millis(ACCEPT_PAUSE_MS));
                    return;
                }
            }
        }
        self.accepting = Accepting::Pending;
    }

    fn adopt(&mut self, mut stream: mio::net::TcpStream, peer: SocketAddr, now: Instant) {
        // Small packets must not wait for acknowledgements of earlier ones; a socket without the option still works.
        let _ = stream.set_nodelay(true);
        let token = Token(FIRST_CONNECTION.saturating_add(self.connections.next_number()));
        let Ok(link) = self.node.opened(now, peer) else { return };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, token, interest).is_err() {
            self.node.closed(now, link);
            return;
        }
        self.connections.insert(Connection::new(stream, link));
    }

    /// Gives every connection in the list its turn.
    fn take_turns(&mut self, now: Instant) {
        let mut turns = std::mem::take(&mut self.turns);
        for number in turns.drain(..) {
            self.turn(number, now);
            if self.transfer.received >= RECEIVED_BEFORE_WANTS_BYTES {
                // What this leaves unserved, or unsettled, the next round of the loop serves.
                self.wants(now);
            }
        }
        self.turns = turns;
    }

    /// Serves what the node wants. `false` if that may have moved its deadlines, or if there is more to serve.
    fn wants(&mut self, now: Instant) -> bool {
        self.transfer.received = 0;
        let mut settled = true;
        for _ in 0..WANTS_PER_TURN {
            let Some((link, want)) = self.node.next_want() else { return settled };
            settled &= want == Want::Write;
            let Some(number) = self.connections.number_of(link) else { continue };
            let Some(connection) = self.connections.get_mut(number) else { continue };
            match want {
                Want::Write => {
                    let after = connection.output(&mut self.node, now, &mut self.transfer);
                    self.follow_up(number, after);
                }
                Want::Read => {
                    connection.resume();
                    self.turn(number, now);
                }
                Want::Close => {
                    let after = connection.end(&mut self.node, now, &mut self.transfer);
                    if after != After::Drop {
                        let until = now.saturating_add_millis(DRAIN_MS);
                        self.draining.push_back(Draining { number, link, until });
                    }
                    self.follow_up(number, after);
                }
            }
        }
        false
    }

    fn turn(&mut self, number: usize, now: Instant) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        let after = connection.turn(&mut self.node, now, &mut self.transfer);
        self.follow_up(number, after);
    }

    #[inline]
    fn follow_up(&mut self, number: usize, after: After) {
        if after != After::Wait {
            self.follow_on(number, after);
        }
    }

    fn follow_on(&mut self, number: usize, after: After) {
        match after {
            After::Wait => {}
            After::Again => {
                if self.connections.get_mut(number).is_some_and(Connection::queue) {
                    self.again.push(number);
                }
            }
            // Closing the descriptor removes it from the poll set.
            After::Drop => drop(self.connections.remove(number)),
        }
    }

    /// All drain for the same time, so the first in the list is the first that is over.
    fn drop_drained(&mut self, now: Instant) {
        while let Some(&Draining { number, link, until }) = self.draining.front() {
            let is_gone = !self.connections.carries(number, link);
            if now < until && !is_gone {
                break;
            }
            self.draining.pop_front();
            if !is_gone {
                drop(self.connections.remove(number));
            }
        }
    }

    /// Whether the line was claimed.
    fn read_console(&mut self) -> Result<bool, ServerError> {
        for _ in 0..CONSOLE_READS_PER_TURN {
            match self.console.read(&mut self.transfer.buffer).map_err(ServerError::Console)? {
                Input::Nothing => {
                    self.console_readable = false;
                    break;
                }
                Input::Intercepted => return Ok(true),
                Input::Bytes(count) => {
                    self.node.console_input(self.transfer.buffer.get(..count).unwrap_or_default());
                }
            }
        }
        Ok(false)
    }

    /// Whether anything was written.
    #[inline(always)]
    fn write_console(&mut self) -> Result<bool, ServerError> {
        #[cfg(unix)]
        let is_attached = self.control.is_some();
        #[cfg(not(unix))]
        let is_attached = false;
        if !is_attached && self.node.console_output().is_empty() {
            return Ok(false);
        }
        self.write_consoles()
    }

    fn write_consoles(&mut self) -> Result<bool, ServerError> {
        #[cfg(unix)]
        let mut wrote = self.control.as_mut().is_some_and(|control| control.write(&mut self.node));
        #[cfg(not(unix))]
        let mut wrote = false;
        while !self.console_waits {
            let bytes = self.node.console_output();
            if bytes.is_empty() {
                break;
            }
            let taken = self.console.write(bytes).map_err(ServerError::Console)?;
            self.console_waits = taken == 0;
            wrote |= taken > 0;
            self.node.console_written(taken);
        }
        Ok(wrote)
    }
}

/// The earlier of two deadlines, either of which there may not be.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
