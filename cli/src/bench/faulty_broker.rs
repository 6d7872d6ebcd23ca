//! A broker for tests that misbehaves on purpose, on a loopback port of the system's choice.
//!
//! It speaks just enough MQTT 3.1.1 for the bench at QoS 0, and its faults depend on what a message carries,
//! never on time.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::payload::Stamp;

/// How a broker treats one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Deliver,
    Drop,
    Duplicate,
    Corrupt,
    /// Delivered after the next one.
    Delay,
    /// The publisher's connection is closed.
    HangUp,
}

/// What clients did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// CONNECT's flags byte, per client.
    pub(crate) connect_flags: Vec<u8>,
    /// Fixed header's first byte of every PUBLISH.
    pub(crate) publish_headers: Vec<u8>,
    /// Clients that said DISCONNECT.
    pub(crate) disconnects: usize,
}

#[derive(Default)]
struct State {
    observed: Observed,
    subscribers: HashMap<Vec<u8>, TcpStream>,
}

pub(crate) struct FaultyBroker {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FaultyBroker {
    /// Answers CONNECT with `connack` and treats messages by what they carry.
    pub(crate) fn start(connack: u8, fate: fn(Stamp) -> Fate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that goes away ends its thread; what it did stays observed.
                thread::spawn(move || serve(stream, &shared, connack, fate));
            }
        });
        Self { address, state }
    }

    pub(crate) fn observed(&self) -> Observed {
        self.state.lock().expect("no panic").observed.clone()
    }
}

fn serve(
    mut stream: TcpStream,
    state: &Mutex<State>,
    connack: u8,
    fate: fn(Stamp) -> Fate,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut delayed: Option<Vec<u8>> = None;
    loop {
        let (header, body) = read_packet(&mut stream)?;
        match header >> 4 {
            1 => {
                // After the protocol name (2 + 4 bytes) and level.
                state.lock().expect("no panic").observed.connect_flags.push(body[7]);
                stream.write_all(&[0x20, 2, 0, connack])?;
            }
            8 => {
                let topic = body[4..body.len() - 1].to_vec();
                state.lock().expect("no panic").subscribers.insert(topic, stream.try_clone()?);
                stream.write_all(&[0x90, 3, body[0], body[1], 0])?;
            }
            3 => {
                let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let (topic, payload) = body[2..].split_at(length);
                let stamp = Stamp::decode(payload).expect("the bench sends what it can read");
                let mut packet = vec![header];
                write_length(&mut packet, body.len());
                packet.extend_from_slice(&body);
                let mut state = state.lock().expect("no panic");
                state.observed.publish_headers.push(header);
                let Some(subscriber) = state.subscribers.get_mut(topic) else { continue };
                match fate(stamp) {
                    Fate::Deliver => subscriber.write_all(&packet)?,
                    Fate::Drop => {}
                    Fate::Duplicate => subscriber.write_all(&[packet.clone(), packet].concat())?,
                    Fate::Corrupt => {
                        *packet.last_mut().expect("not empty") ^= 0x10;
                        subscriber.write_all(&packet)?;
                    }
                    Fate::Delay => {
                        delayed = Some(packet);
                        continue;
                    }
                    Fate::HangUp => return stream.shutdown(std::net::Shutdown::Both),
                }
                if let Some(earlier) = delayed.take() {
                    subscriber.write_all(&earlier)?;
                }
            }
            14 => {
                state.lock().expect("no panic").observed.disconnects += 1;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            _ => {}
        }
    }
}

fn read_packet(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let header = byte[0];
    let mut length = 0;
    for shift in [0, 7, 14] {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7F) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((header, body))
}

fn write_length(packet: &mut Vec<u8>, mut length: usize) {
    loop {
        let [byte, ..] = (length % 128).to_le_bytes();
        length /= 128;
        packet.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            return;
        }
    }
}
