//! One MQTT client: open it, subscribe, then read until the end.
//!
//! The client library reconnects by itself when it is polled after an error. A reconnect would hide a loss
//! (and the subscription would be gone), so polling stops at the first error and the error is the result.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet, QoS, SubscribeFilter,
    SubscribeReasonCode,
};

use super::limits;
use super::measure::Measurements;
use super::trouble::Trouble;
use crate::secret::Secret;

/// Who the clients are.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// User name.
    pub(crate) user: String,
    /// Password; may be empty.
    pub(crate) password: Secret,
}

/// What a client needs to know to connect.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// MQTT client id.
    pub(crate) client_id: String,
    /// Topics to subscribe to; may be empty.
    pub(crate) filters: Vec<String>,
    /// Quality of service to ask for.
    pub(crate) qos: QoS,
    /// Size of the payloads to come.
    pub(crate) payload_bytes: usize,
    /// Who it is, if the broker wants to know.
    pub(crate) credentials: Option<Credentials>,
}

/// A client that is connected and subscribed.
pub(crate) struct Connection {
    /// Queue of things to send.
    pub(crate) requests: AsyncClient,
    /// Must be polled all the time: [`Connection::pump`].
    event_loop: EventLoop,
    /// From the start of the TCP connection to CONNACK.
    pub(crate) connect_time: Duration,
    /// The broker granted less than was asked for.
    pub(crate) downgraded: bool,
}

impl Connection {
    /// Looks the host up and opens a connection to the first of its addresses that takes one. The address is
    /// the one for all other clients: a name that stands for several machines would otherwise spread the load
    /// unseen.
    pub(crate) async fn open_first(
        host: &str,
        port: u16,
        profile: Profile,
    ) -> Result<(SocketAddr, Self), Trouble> {
        let lookup = tokio::time::timeout(limits::CONNECT_TIMEOUT, tokio::net::lookup_host((host, port)));
        let addresses = match lookup.await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(Trouble::UnknownHost(error.to_string())),
            Err(_elapsed) => return Err(Trouble::UnknownHost("the name service does not answer".to_owned())),
        };
        let mut last = Trouble::UnknownHost("no address".to_owned());
        for address in addresses {
            match Self::open(address, profile.clone()).await {
                Ok(connection) => return Ok((address, connection)),
                // Another address may do where nothing answered; a broker's own refusal stands.
                Err(trouble @ (Trouble::Refused | Trouble::TimedOut | Trouble::Other(_))) => last = trouble,
                Err(trouble) => return Err(trouble),
            }
        }
        Err(last)
    }

    /// Connects (clean session, no will) and waits for CONNACK and, if there are filters, SUBACK.
    pub(crate) async fn open(address: SocketAddr, profile: Profile) -> Result<Self, Trouble> {
        let host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(_) => {
                // Brackets for the library, which joins host and port with a colon; the scope of a link-local
                // address stays.
                let text = address.to_string();
                text.rsplit_once(':').map_or(text.clone(), |(host, _port)| host.to_owned())
            }
        };
        let packet_bytes = profile.payload_bytes.saturating_add(limits::PACKET_OVERHEAD_BYTES);
        let mut options = MqttOptions::new(profile.client_id, host, address.port());
        options
            .set_clean_session(true)
            .set_keep_alive(limits::KEEP_ALIVE)
            .set_inflight(limits::INFLIGHT)
            .set_max_packet_size(packet_bytes, packet_bytes);
        if let Some(Credentials { user, password }) = profile.credentials {
            options.set_credentials(user, password.expose());
        }
        let (requests, mut event_loop) = AsyncClient::new(options, limits::REQUEST_QUEUE);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(limits::CONNECT_TIMEOUT.as_secs());
        event_loop.set_network_options(network);

        let started = Instant::now();
        // The first poll connects and returns CONNACK or an error.
        event_loop.poll().await.map_err(|error| Trouble::while_connecting(&error))?;
        let connect_time = started.elapsed();
        let mut connection = Self { requests, event_loop, connect_time, downgraded: false };
        if !profile.filters.is_empty() {
            tokio::time::timeout(
                limits::SUBSCRIBE_TIMEOUT,
                connection.subscribe(&profile.filters, profile.qos),
            )
            .await
            .map_err(|_elapsed| Trouble::TimedOut)??;
        }
        Ok(connection)
    }

    async fn subscribe(&mut self, filters: &[String], qos: QoS) -> Result<(), Trouble> {
        let filters = filters.iter().map(|filter| SubscribeFilter::new(filter.clone(), qos));
        self.requests.try_subscribe_many(filters).map_err(|error| Trouble::Other(error.to_string()))?;
        loop {
            let event = self.event_loop.poll().await.map_err(|error| Trouble::of(&error))?;
            let Event::Incoming(Packet::SubAck(acknowledgement)) = event else { continue };
            for code in acknowledgement.return_codes {
                match code {
                    SubscribeReasonCode::Success(granted) => self.downgraded |= (granted as u8) < (qos as u8),
                    SubscribeReasonCode::Failure => return Err(Trouble::SubscriptionRefused),
                }
            }
            return Ok(());
        }
    }

    /// Reads and writes until the goodbye is answered or the connection breaks. Notes every message in
    /// `measurements`.
    pub(crate) async fn pump(
        self,
        client: u32,
        measurements: Rc<RefCell<Measurements>>,
    ) -> Result<(), Trouble> {
        let Self { requests: _requests, mut event_loop, .. } = self;
        let mut leaving = false;
        loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    measurements.borrow_mut().received(
                        client,
                        &publish.topic,
                        &publish.payload,
                        Instant::now(),
                    );
                }
                Ok(Event::Outgoing(Outgoing::Publish(_))) => {
                    measurements.borrow_mut().wrote(client, Instant::now())
                }
                // DISCONNECT is out. The broker now closes the connection; closing it from here while
                // messages are still on their way would reset it, and the broker might not see the
                // DISCONNECT.
                Ok(Event::Outgoing(Outgoing::Disconnect)) => leaving = true,
                Ok(_) => {}
                Err(_) if leaving => return Ok(()),
                Err(error) => return Err(Trouble::of(&error)),
            }
        }
    }
}
