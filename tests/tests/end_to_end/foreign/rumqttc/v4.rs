//! MQTT 3.1.1.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rumqttc::{
    Client, Connection, Event, LastWill, MqttOptions, Outgoing, Packet, Publish, SubscribeReasonCode, qos,
};

use super::super::USER;
use super::{Message, Options, PATIENCE, REQUESTS};

pub(super) struct Peer {
    client: Client,
    connection: Connection,
    session_present: bool,
    messages: VecDeque<Message>,
}

impl Peer {
    /// Turns the event loop until `pick` finds what it looks for. Messages that come meanwhile are kept.
    fn turn<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> Result<T, String> {
        loop {
            let event = self.connection.recv_timeout(PATIENCE).map_err(|error| format!("{error:?}"))?;
            let event = event.map_err(|error| error.to_string())?;
            let picked = pick(&event);
            if let Event::Incoming(Packet::Publish(publish)) = event {
                self.messages.push_back(message(publish));
            }
            if let Some(picked) = picked {
                return Ok(picked);
            }
        }
    }

    #[track_caller]
    fn wait<T>(&mut self, what: &str, pick: impl FnMut(&Event) -> Option<T>) -> T {
        self.turn(pick).unwrap_or_else(|error| panic!("no {what}: {error}"))
    }
}

impl super::Peer for Peer {
    fn connect(address: SocketAddr, options: Options) -> Result<Self, String> {
        let mut mqtt = MqttOptions::new(options.id, address.ip().to_string(), address.port());
        mqtt.set_credentials(USER, options.password).set_clean_session(!options.persistent);
        if let Some((topic, level)) = options.will {
            mqtt.set_last_will(LastWill::new(topic, "gone", qos(level).unwrap(), false));
        }
        let (client, connection) = Client::new(mqtt, REQUESTS);
        let mut peer = Self { client, connection, session_present: false, messages: VecDeque::new() };
        peer.session_present = peer.turn(|event| match event {
            Event::Incoming(Packet::ConnAck(connack)) => Some(connack.session_present),
            _ => None,
        })?;
        Ok(peer)
    }

    fn session_present(&self) -> bool {
        self.session_present
    }

    fn subscribe(&mut self, filter: &str, level: u8) -> u8 {
        self.client.subscribe(filter, qos(level).unwrap()).unwrap();
        let codes = self.wait("SUBACK", |event| match event {
            Event::Incoming(Packet::SubAck(suback)) => Some(suback.return_codes.clone()),
            _ => None,
        });
        match codes[..] {
            [SubscribeReasonCode::Success(level)] => level as u8,
            _ => panic!("SUBACK with {codes:?}"),
        }
    }

    fn publish(&mut self, message: &Message) {
        let Message { topic, payload, retain, .. } = message;
        self.client.publish(topic, qos(message.qos).unwrap(), *retain, payload.as_bytes()).unwrap();
        self.wait("end of the publication", |event| match (message.qos, event) {
            (0, Event::Outgoing(Outgoing::Publish(_)))
            | (1, Event::Incoming(Packet::PubAck(_)))
            | (2, Event::Incoming(Packet::PubComp(_))) => Some(()),
            _ => None,
        });
    }

    fn next(&mut self) -> Message {
        if self.messages.is_empty() {
            self.wait("message", |event| matches!(event, Event::Incoming(Packet::Publish(_))).then_some(()));
        }
        self.messages.pop_front().unwrap()
    }

    fn disconnect(mut self) {
        self.client.disconnect().unwrap();
        self.wait("DISCONNECT", |event| matches!(event, Event::Outgoing(Outgoing::Disconnect)).then_some(()));
    }
}

fn message(publish: Publish) -> Message {
    Message {
        topic: publish.topic,
        payload: String::from_utf8_lossy(&publish.payload).into_owned(),
        qos: publish.qos as u8,
        retain: publish.retain,
    }
}
