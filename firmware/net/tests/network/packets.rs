//! The few MQTT 3.1.1 packets that the tests send, as bytes.

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let digit = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        packet.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// A CONNECT with a clean session. `will` is a topic.
pub(crate) fn connect(id: &str, keep_alive_s: u16, will: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([4, if will.is_some() { 0x06 } else { 0x02 }]);
    body.extend(keep_alive_s.to_be_bytes());
    text(&mut body, id);
    if let Some(topic) = will {
        text(&mut body, topic);
        text(&mut body, "gone");
    }
    packet(0x10, &body)
}

/// What the broker answers to [`connect`].
pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

/// A SUBSCRIBE at QoS 1.
pub(crate) fn subscribe(filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 1];
    for filter in filters {
        text(&mut body, filter);
        body.push(1);
    }
    packet(0x82, &body)
}

/// A PUBLISH at QoS 0.
pub(crate) fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(payload);
    packet(0x30, &body)
}

/// A PUBLISH at QoS 1, and what the broker makes of it for a receiver at QoS 1 whose first it is.
pub(crate) fn publish_qos_1(topic: &str, identifier: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(identifier.to_be_bytes());
    body.extend(payload);
    packet(0x32, &body)
}

/// A PUBACK.
pub(crate) fn puback(identifier: u16) -> Vec<u8> {
    packet(0x40, &identifier.to_be_bytes())
}

/// A DISCONNECT.
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];
