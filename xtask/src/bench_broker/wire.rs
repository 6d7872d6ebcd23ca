//! The few MQTT 3.1.1 packets that a load needs, encoded by hand: what measures the broker must not share its codec,
//! whose cost is part of what is measured.

/// Longer than any run, so that no client has to ping.
const KEEP_ALIVE_SECONDS: u16 = 600;

/// High nibbles of first bytes.
pub(crate) mod kind {
    pub(crate) const CONNACK: u8 = 2;
    pub(crate) const PUBLISH: u8 = 3;
    pub(crate) const PUBACK: u8 = 4;
    pub(crate) const SUBACK: u8 = 9;
}

/// DISCONNECT.
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// One packet from a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) first: u8,
    pub(crate) body: &'a [u8],
}

impl Packet<'_> {
    /// See [`kind`].
    pub(crate) const fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// The packet identifier of a PUBLISH that has to be acknowledged.
    pub(crate) fn id_to_acknowledge(&self) -> Option<[u8; 2]> {
        if self.kind() != kind::PUBLISH || self.first & 0x06 == 0 {
            return None;
        }
        let (length, rest) = self.body.split_first_chunk::<2>()?;
        rest.get(usize::from(u16::from_be_bytes(*length))..)?.first_chunk().copied()
    }
}

/// Takes the first packet off `bytes`, if all of it is there.
pub(crate) fn split(bytes: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let (&byte, behind) = rest.split_first()?;
        rest = behind;
        length |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (body, rest) = rest.split_at_checked(length)?;
    Some((Packet { first, body }, rest))
}

/// CONNECT of a client with a clean session.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04\x02".to_vec();
    body.extend(KEEP_ALIVE_SECONDS.to_be_bytes());
    push_text(&mut body, client_id);
    packet(0x10, &body)
}

/// SUBSCRIBE to all `filters` at one QoS.
pub(crate) fn subscribe(filters: &[&str], qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    for filter in filters {
        push_text(&mut body, filter);
        body.push(qos);
    }
    packet(0x82, &body)
}

/// PUBLISH with QoS 0, or with QoS 1 and this packet identifier.
pub(crate) fn publish(topic: &str, payload: &[u8], id: Option<u16>) -> Vec<u8> {
    let mut body = Vec::new();
    push_text(&mut body, topic);
    if let Some(id) = id {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(if id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// PUBACK.
pub(crate) const fn puback(id: [u8; 2]) -> [u8; 4] {
    [0x40, 2, id[0], id[1]]
}

/// Appends a text as MQTT writes it, behind its length.
pub(crate) fn push_text(body: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    body.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend(bytes);
}

/// A packet: its first byte, and what comes after its length.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7F).unwrap_or(0);
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_the_specification_shows_them() {
        assert_eq!(connect("a"), b"\x10\x0d\x00\x04MQTT\x04\x02\x02\x58\x00\x01a");
        assert_eq!(subscribe(&["a/b", "c"], 1), b"\x82\x0c\x00\x01\x00\x03a/b\x01\x00\x01c\x01");
        assert_eq!(publish("a", b"hi", None), b"\x30\x05\x00\x01ahi");
        assert_eq!(publish("a", b"hi", Some(258)), b"\x32\x07\x00\x01a\x01\x02hi");
    }

    #[test]
    fn a_stream_is_split_where_its_packets_end() {
        let long = publish("a", &[7; 200], Some(9));
        let mut stream = long.clone();
        stream.extend(puback([1, 2]));
        for end in 0..long.len() {
            assert_eq!(split(&stream[..end]), None);
        }
        let (first, rest) = split(&stream).unwrap();
        assert_eq!((first.kind(), first.body.len()), (kind::PUBLISH, 205));
        assert_eq!(first.id_to_acknowledge(), Some([0, 9]));
        let (second, rest) = split(rest).unwrap();
        assert_eq!((second.kind(), second.body, rest), (kind::PUBACK, &[1, 2][..], &[][..]));
        assert_eq!(second.id_to_acknowledge(), None);
    }
}
