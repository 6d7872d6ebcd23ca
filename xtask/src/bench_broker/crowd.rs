//! The load generator: many clients of one broker on one thread. What they do is up to the works.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use mio::{Events, Poll, Token};

use super::client::Client;
use super::wire::{self, Packet, kind};

/// A broker that says nothing for so long has lost something.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes taken in by one read.
const READ_BYTES: usize = 256 * 1024;

/// Clients of one broker, by number.
#[derive(Debug)]
pub(super) struct Crowd {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new(address: SocketAddr) -> Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
        Ok(Self { address, poll, events, clients: Vec::new(), buffer: vec![0; READ_BYTES] })
    }

    /// Connects one more client and waits until the broker has accepted it.
    pub(super) fn join(&mut self, client_id: &str) -> Result<usize> {
        let number = self.clients.len();
        let client = Client::connect(self.address, self.poll.registry(), Token(number))?;
        self.clients.push(client);
        self.send(number, &wire::connect(client_id))?;
        self.await_answer(number, kind::CONNACK, [0, 0])?;
        Ok(number)
    }

    /// Subscribes a client and waits for the answer.
    pub(super) fn subscribe(&mut self, client: usize, filters: &[&str], qos: u8) -> Result<()> {
        self.send(client, &wire::subscribe(filters, qos))?;
        self.await_answer(client, kind::SUBACK, [0, 1])
    }

    /// Waits for an answer that begins like this; whatever else arrives is not looked at.
    fn await_answer(&mut self, client: usize, kind: u8, begin: [u8; 2]) -> Result<()> {
        let mut answer = None;
        while answer.is_none() {
            self.turn_patiently(|from, packet| {
                if from == client && packet.kind() == kind {
                    answer = Some(packet.body.to_vec());
                }
            })?;
        }
        match answer {
            Some(body) if body.starts_with(&begin) && !body.contains(&0x80) => Ok(()),
            body => bail!("the broker refused: packet {kind} with {body:02x?}"),
        }
    }

    /// Sends bytes of one client, at once if its socket takes them.
    pub(super) fn send(&mut self, client: usize, bytes: &[u8]) -> Result<()> {
        let client = self.clients.get_mut(client).context("no such client")?;
        client.send(bytes).context("a client could not write")
    }

    /// Whether everything that this client sent was taken.
    pub(super) fn is_idle(&self, client: usize) -> bool {
        self.clients.get(client).is_some_and(Client::is_idle)
    }

    /// Waits for the broker, at most so long, and hands on every packet with the number of its client. Whether
    /// anything happened.
    pub(super) fn turn(
        &mut self,
        timeout: Option<Duration>,
        mut sink: impl FnMut(usize, Packet<'_>),
    ) -> Result<bool> {
        self.poll.poll(&mut self.events, timeout)?;
        for event in &self.events {
            let number = event.token().0;
            let Some(client) = self.clients.get_mut(number) else { continue };
            if event.is_writable() && !client.is_idle() {
                client.flush().context("a client could not write")?;
            }
            if event.is_readable() {
                client
                    .read(&mut self.buffer, |packet| sink(number, packet))
                    .context("the broker closed a connection")?;
            }
        }
        Ok(!self.events.is_empty())
    }

    /// [`Crowd::turn`] while something has to come.
    pub(super) fn turn_patiently(&mut self, sink: impl FnMut(usize, Packet<'_>)) -> Result<()> {
        if self.turn(Some(PATIENCE), sink)? {
            return Ok(());
        }
        bail!("the broker said nothing for {} seconds", PATIENCE.as_secs())
    }
}

/// Connects, waits to be accepted, says good-bye and makes room for the next, `together` at a time. Returns the time
/// that all `total` took.
pub(super) fn storm(address: SocketAddr, total: usize, together: usize) -> Result<Duration> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(together);
    let mut buffer = vec![0; 256];
    let mut places: Vec<Option<Client>> = Vec::new();
    let begin = Instant::now();
    let arrive = |poll: &Poll, place: usize, number: usize| -> Result<Client> {
        let mut client = Client::connect(address, poll.registry(), Token(place))?;
        client.send(&wire::connect(&format!("storm-{number:06}"))).context("a client could not write")?;
        Ok(client)
    };
    let mut arrived = 0;
    while arrived < together.min(total) {
        places.push(Some(arrive(&poll, arrived, arrived)?));
        arrived += 1;
    }
    let mut accepted = 0;
    while accepted < total {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            bail!("{accepted} of {total} clients were accepted");
        }
        for event in &events {
            let place = event.token().0;
            let Some(Some(client)) = places.get_mut(place) else { continue };
            client.flush().context("a client could not write")?;
            let mut welcome = false;
            client
                .read(&mut buffer, |packet| welcome = packet.kind() == kind::CONNACK)
                .context("the broker closed a connection")?;
            if welcome {
                accepted += 1;
                client.send(&wire::DISCONNECT).context("a client could not write")?;
                let next = (arrived < total).then(|| arrive(&poll, place, arrived)).transpose()?;
                arrived += usize::from(next.is_some());
                if let Some(place) = places.get_mut(place) {
                    *place = next;
                }
            }
        }
    }
    Ok(begin.elapsed())
}
