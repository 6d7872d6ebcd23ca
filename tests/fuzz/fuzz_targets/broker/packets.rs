//! The packets of the script, in each version: few names, so that they meet. What stands where it must not is as
//! welcome as the rest.

use obkmq_broker::{QoS, Version};

pub(crate) fn topic(number: u8) -> &'static str {
    ["a", "a/b", "a/b/c", "b", "$s/a", "a/", "/b", "will"][usize::from(number % 8)]
}

fn filter(number: u8) -> &'static str {
    [
        "#", "+", "a/#", "+/b", "a/b", "a/+/c", "$s/#", "will", "/+", "a", "b", "+/+", "$SYS/#", "+/#",
        "a/+", "a/",
    ][usize::from(number % 16)]
}

pub(crate) fn qos(flags: u8) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(flags % 3)]
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("scripts are short");
    let mut bytes = vec![first];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => bytes.extend([(length & 0x7F) as u8 | 0x80, (length >> 7) as u8]),
    }
    bytes.extend_from_slice(body);
    bytes
}

fn put_text(body: &mut Vec<u8>, text: &[u8]) {
    body.extend(u16::try_from(text.len()).expect("texts are short").to_be_bytes());
    body.extend_from_slice(text);
}

/// Properties behind their length, where the version has them.
fn put_properties(body: &mut Vec<u8>, version: Version, properties: &[u8]) {
    if version == Version::V5 {
        body.push(u8::try_from(properties.len()).expect("few properties"));
        body.extend_from_slice(properties);
    }
}

pub(crate) fn version(number: u8) -> Version {
    [Version::V3_1_1, Version::V5, Version::V3_1][usize::from(number % 3)]
}

/// `extra` chooses what MQTT 5 adds.
pub(crate) fn connect(version: Version, client: u8, flags: u8, extra: u8) -> Vec<u8> {
    let mut properties = Vec::new();
    if extra & 0x01 != 0 {
        properties.extend([0x11, 0, 0, 0, extra >> 4]);
    }
    if extra & 0x02 != 0 {
        properties.extend([0x21, 0, 1 + (extra >> 6)]);
    }
    if extra & 0x04 != 0 {
        properties.extend([0x27, 0, 0, 0, 10 + (extra & 0xF0)]);
    }
    if extra & 0x09 == 0x09 {
        properties.splice(..5, [0x11, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    let will_delay = (extra & 0x08 != 0).then_some(extra >> 5);
    let client_id = ["", "a", "b", "c"][usize::from(client % 4)];
    let user = ["guest", "other", "nobody"][usize::from(client / 4 % 3)];
    connect_as(version, client_id, user, flags & 0xFE, &properties, will_delay)
}

pub(crate) fn connect_as(
    version: Version,
    client_id: &str,
    user: &str,
    flags: u8,
    properties: &[u8],
    will_delay: Option<u8>,
) -> Vec<u8> {
    let mut body = Vec::new();
    let (name, level): (&[u8], _) = match version {
        Version::V3_1 => (b"MQIsdp", 3),
        Version::V3_1_1 => (b"MQTT", 4),
        Version::V5 => (b"MQTT", 5),
    };
    put_text(&mut body, name);
    body.extend([level, flags, 0, 10]);
    put_properties(&mut body, version, properties);
    put_text(&mut body, client_id.as_bytes());
    if flags & 0x04 != 0 {
        let delay = will_delay.map(|seconds| [0x18, 0, 0, 0, seconds, 0x02, 0, 0, 0, 3]);
        put_properties(&mut body, version, delay.as_ref().map_or(&[], |delay| delay));
        put_text(&mut body, b"will");
        put_text(&mut body, b"gone");
    }
    if flags & 0x80 != 0 {
        put_text(&mut body, user.as_bytes());
    }
    if flags & 0x40 != 0 {
        put_text(&mut body, b"secret");
    }
    packet(0x10, &body)
}

/// `extra` chooses a topic alias, whether the topic is left to it, and how long the message lives.
pub(crate) fn publish(version: Version, flags: u8, id: u8, extra: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let alias_only = version == Version::V5 && extra & 0x03 == 0x03;
    put_text(&mut body, if alias_only { b"" } else { topic(flags >> 4).as_bytes() });
    if flags & 0x06 != 0 {
        body.extend([0, id]);
    }
    let mut properties = Vec::new();
    if extra & 0x01 != 0 {
        properties.extend([0x23, 0, extra >> 2 & 3]);
    }
    if extra & 0x10 != 0 {
        properties.extend([0x02, 0, 0, 0, extra >> 5]);
    }
    if extra & 0x02 != 0 {
        properties.extend([0x26, 0, 1, b'n', 0, 2, b'v', b'w', 0x01, 1]);
    }
    put_properties(&mut body, version, &properties);
    body.extend_from_slice(payload);
    packet(0x30 | (flags & 0x0F), &body)
}

/// `number` chooses the filter and whether a group shares it; `options` are those of the packet, and in the upper two
/// bits a subscription identifier.
pub(crate) fn subscribe(version: Version, number: u8, id: u8, options: u8) -> Vec<u8> {
    let mut body = vec![0, id];
    let identifier = [0x0B, options >> 6];
    put_properties(&mut body, version, if options >> 6 == 0 { &[] } else { &identifier });
    put_filter(&mut body, number);
    body.push(options & if version == Version::V5 { 0x2F } else { 0x03 });
    if number & 0x20 != 0 {
        put_filter(&mut body, number.wrapping_add(7));
        body.push(1);
    }
    packet(0x82, &body)
}

pub(crate) fn unsubscribe(version: Version, number: u8, id: u8) -> Vec<u8> {
    let mut body = vec![0, id];
    put_properties(&mut body, version, &[]);
    put_filter(&mut body, number);
    packet(0xA2, &body)
}

fn put_filter(body: &mut Vec<u8>, number: u8) {
    let group = if number & 0x10 == 0 { "" } else { "$share/g/" };
    put_text(body, format!("{group}{}", filter(number)).as_bytes());
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP, with a reason where `kind` wants one.
pub(crate) fn ack(version: Version, kind: u8, id: u8) -> Vec<u8> {
    let first = [0x40, 0x50, 0x62, 0x70][usize::from(kind % 4)];
    let reason = if kind & 0x08 == 0 { 0x00 } else { 0x80 };
    match version {
        Version::V5 if kind & 0x04 != 0 => packet(first, &[0, id, reason]),
        _ => packet(first, &[0, id]),
    }
}

pub(crate) fn disconnect(version: Version, reason: u8) -> Vec<u8> {
    match version {
        Version::V5 if reason & 0x01 != 0 => packet(0xE0, &[0x04]),
        Version::V5 if reason & 0x02 != 0 => packet(0xE0, &[0, 5, 0x11, 0, 0, 0, reason >> 4]),
        _ => packet(0xE0, &[]),
    }
}
