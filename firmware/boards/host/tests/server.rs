//! The server over real sockets on this machine.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use obkmq_host::{Console, Outcome, Setup, Stop, start};

/// Ends a test that hangs, nothing else.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<Outcome>>,
}

impl Running {
    fn start(setup: Setup) -> Self {
        let setup = Setup { listen: Some("127.0.0.1:0".parse().unwrap()), ..setup };
        let stop = Stop::new();
        let mut server = start(&setup, Console::Log(Box::new(std::io::sink())), &stop).unwrap();
        let address = server.address().unwrap();
        let handle = stop.clone();
        let thread = thread::spawn(move || server.run(&handle).unwrap());
        Self { address, stop, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn stop(mut self) -> Outcome {
        self.stop.request();
        self.thread.take().unwrap().join().unwrap()
    }
}

fn exchange(stream: &mut TcpStream, bytes: &[u8], answer: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut read = vec![0; answer.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(read, answer);
}

/// Clean session, keep-alive 60 s, client id of one character, no user.
fn connect_packet(id: u8) -> [u8; 15] {
    [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, id]
}

const CONNACK_ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

#[test]
fn a_message_goes_from_one_client_to_another() {
    let server = Running::start(Setup::default());
    let (mut subscriber, mut publisher) = (server.connect(), server.connect());
    exchange(&mut subscriber, &connect_packet(b's'), &CONNACK_ACCEPTED);
    exchange(&mut subscriber, &[0x82, 8, 0, 1, 0, 3, b'a', b'/', b'#', 0], &[0x90, 3, 0, 1, 0]);
    exchange(&mut publisher, &connect_packet(b'p'), &CONNACK_ACCEPTED);
    publisher.write_all(&[0x30, 7, 0, 3, b'a', b'/', b'b', b'h', b'i']).unwrap();
    exchange(&mut subscriber, &[], &[0x30, 7, 0, 3, b'a', b'/', b'b', b'h', b'i']);
    assert_eq!(server.stop(), Outcome::Stopped);
}

#[test]
fn a_refused_client_reads_why_although_it_sent_more_than_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("obkmq.toml");
    std::fs::write(folder.path().join("password"), "right\n").unwrap();
    std::fs::write(&config, "[users.ann]\npassword = \"file:password\"\n").unwrap();
    let server = Running::start(Setup { config: Some(config), ..Setup::default() });
    let mut stream = server.connect();
    stream.write_all(&connect_packet(b'x')).unwrap();
    // Never read by the server: a close with unread input would reset the connection and destroy the answer.
    let _ = stream.write_all(&[0xC0; 100_000]);
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 5]);
    assert_eq!(server.stop(), Outcome::Stopped);
}

#[test]
fn retained_messages_and_settings_survive_a_restart_with_data() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { data: Some(folder.path().to_owned()), ..Setup::default() };
    let topic = b"homeassistant/x";
    let mut publish = vec![0x31, 19, 0, 15];
    publish.extend(topic);
    publish.extend(b"on");

    let server = Running::start(setup.clone());
    let mut publisher = server.connect();
    exchange(&mut publisher, &connect_packet(b'p'), &CONNACK_ACCEPTED);
    publisher.write_all(&publish).unwrap();
    exchange(&mut publisher, &[0xC0, 0], &[0xD0, 0]);
    assert_eq!(server.stop(), Outcome::Stopped);

    let server = Running::start(setup);
    let mut subscriber = server.connect();
    exchange(&mut subscriber, &connect_packet(b's'), &CONNACK_ACCEPTED);
    exchange(&mut subscriber, &[0x82, 6, 0, 1, 0, 1, b'#', 0], &[0x90, 3, 0, 1, 0]);
    exchange(&mut subscriber, &[], &publish);
    assert_eq!(server.stop(), Outcome::Stopped);
}

#[test]
fn large_messages_arrive_whole() {
    let server = Running::start(Setup::default());
    let (mut subscriber, mut publisher) = (server.connect(), server.connect());
    exchange(&mut subscriber, &connect_packet(b's'), &CONNACK_ACCEPTED);
    exchange(&mut subscriber, &[0x82, 6, 0, 1, 0, 1, b'#', 0], &[0x90, 3, 0, 1, 0]);
    exchange(&mut publisher, &connect_packet(b'p'), &CONNACK_ACCEPTED);
    let payload: Vec<u8> = (0..50_000_u32).map(|number| (number % 251) as u8).collect();
    let mut packet = vec![0x30, 0xD3, 0x86, 0x03, 0, 1, b't'];
    packet.extend(&payload);
    for _ in 0..20 {
        publisher.write_all(&packet).unwrap();
        exchange(&mut subscriber, &[], &packet);
    }
    assert_eq!(server.stop(), Outcome::Stopped);
}
