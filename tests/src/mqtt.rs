//! MQTT as bytes, for what a client library would hide: return codes and malformed packets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

/// A TCP connection to a broker.
#[derive(Debug)]
pub struct Client(TcpStream);

impl Client {
    /// Opens it.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "a test without a broker has failed")]
    pub fn open(address: SocketAddr) -> Self {
        match TcpStream::connect(address)
            .and_then(|stream| stream.set_read_timeout(Some(PATIENCE)).map(|()| stream))
        {
            Ok(stream) => Self(stream),
            Err(error) => panic!("no broker at {address}: {error}"),
        }
    }

    /// Sends bytes; one that finds the connection closed is not an error here.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Reads as many bytes, or fewer if the connection ends before.
    #[must_use]
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = (&mut self.0).take(count.try_into().unwrap_or(u64::MAX)).read_to_end(&mut bytes);
        bytes
    }

    /// Sends a packet: its first byte, and what comes after its length.
    pub fn send_packet(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut rest = body.len();
        loop {
            let digit = u8::try_from(rest % 128).unwrap_or(0);
            rest /= 128;
            packet.push(if rest > 0 { digit | 0x80 } else { digit });
            if rest == 0 {
                break;
            }
        }
        packet.extend(body);
        self.send(&packet);
    }

    /// Reads a packet: its first byte, and what comes after its length; `None` if the connection ends before.
    #[must_use]
    pub fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first] = self.read(1)[..] else { return None };
        let mut length = 0_usize;
        for shift in [0, 7, 14, 21] {
            let [digit] = self.read(1)[..] else { return None };
            length |= usize::from(digit & 0x7F) << shift;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let body = self.read(length);
        (body.len() == length).then_some((first, body))
    }
}

/// Appends a text as MQTT writes it, behind its length.
pub fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// Logs in; the return code of the CONNACK, `None` if there was none. `credentials` are a name and a password.
#[must_use]
#[track_caller]
pub fn connack(address: SocketAddr, credentials: Option<(&str, &str)>) -> Option<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, if credentials.is_some() { 0xC2 } else { 2 }, 0, 60];
    for text in std::iter::once("end-to-end")
        .chain(credentials.into_iter().flat_map(|(user, password)| [user, password]))
    {
        body.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
        body.extend(text.as_bytes());
    }
    let mut client = Client::open(address);
    client.send(&[0x10, u8::try_from(body.len()).unwrap_or(0)]);
    client.send(&body);
    match client.read(4)[..] {
        [0x20, 2, _, code] => Some(code),
        _ => None,
    }
}
