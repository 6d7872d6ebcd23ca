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
