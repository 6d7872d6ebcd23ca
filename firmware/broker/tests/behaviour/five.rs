//! Clients that speak MQTT 5.0.

use obkmq_mqtt::{
    Connect, Disconnect, Packet, Properties, Property, PropertyOwner, Publish, QoS, ReasonCode, Subscribe,
    Subscription, Subscriptions, TopicName, Version, Will,
};

use crate::network::*;

pub(crate) fn props(bytes: &[u8], owner: PropertyOwner) -> Properties<'_> {
    Properties::new(bytes, owner).unwrap()
}

impl Network {
    /// Connects and returns the answer.
    pub(crate) fn connect_five(
        &mut self,
        client_id: &str,
        clean_start: bool,
        list: &[Property<'_>],
    ) -> (Id, String) {
        self.connect_five_with(client_id, clean_start, list, None)
    }

    pub(crate) fn connect_five_with(
        &mut self,
        client_id: &str,
        clean_start: bool,
        list: &[Property<'_>],
        will: Option<Will<'_>>,
    ) -> (Id, String) {
        let client = self.open(LOOPBACK);
        let bytes = properties(list);
        let properties = props(&bytes, PropertyOwner::Connect);
        let fields = connect_fields(client_id);
        let connect = Connect { version: Version::V5, clean_start, properties, will, ..fields };
        self.send(client, &Packet::Connect(connect));
        let answers = self.take(client);
        (client, answers)
    }

    /// A client with a session that ends with its link.
    pub(crate) fn five(&mut self, client_id: &str) -> Id {
        let (client, answer) = self.connect_five(client_id, true, &[]);
        assert!(answer.starts_with("CONNACK 0x00"), "{answer}");
        client
    }

    /// A client with a session that lasts for so many seconds. Says whether there was one.
    pub(crate) fn five_for(&mut self, client_id: &str, seconds: u32) -> (Id, bool) {
        let (client, answer) =
            self.connect_five(client_id, false, &[Property::SessionExpiryInterval(seconds)]);
        (client, answer.contains(" present"))
    }

    pub(crate) fn publish_five(
        &mut self,
        client: Id,
        topic: &str,
        payload: &str,
        qos: QoS,
        list: &[Property<'_>],
    ) {
        self.publish_five_as(client, topic, payload, qos, false, list);
    }

    pub(crate) fn publish_five_as(
        &mut self,
        client: Id,
        topic: &str,
        payload: &str,
        qos: QoS,
        retain: bool,
        list: &[Property<'_>],
    ) {
        let bytes = properties(list);
        let publish = Publish {
            dup: false,
            qos,
            retain,
            topic: (!topic.is_empty()).then(|| TopicName::new(topic).unwrap()),
            packet_id: (qos != QoS::AtMostOnce).then(|| id(7)),
            properties: props(&bytes, PropertyOwner::Publish),
            payload: payload.as_bytes(),
        };
        self.send(client, &Packet::Publish(publish));
    }

    /// Subscribes, and returns everything that comes of it.
    pub(crate) fn subscribe_five(
        &mut self,
        client: Id,
        subscriptions: &[Subscription<'_>],
        list: &[Property<'_>],
    ) -> Vec<String> {
        let bytes = properties(list);
        let properties = props(&bytes, PropertyOwner::Subscribe);
        let subscriptions = Subscriptions::new(subscriptions);
        self.send(client, &Packet::Subscribe(Subscribe { packet_id: id(1), properties, subscriptions }));
        self.read(client)
    }

    pub(crate) fn disconnect_five(&mut self, client: Id, reason: ReasonCode, list: &[Property<'_>]) {
        let bytes = properties(list);
        let properties = props(&bytes, PropertyOwner::Disconnect);
        self.send(client, &Packet::Disconnect(Disconnect { reason, properties }));
    }

    /// All that a client has received, in one line.
    pub(crate) fn take(&mut self, client: Id) -> String {
        self.read(client).join("; ")
    }
}
