//! The server over real sockets on this machine.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

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
        Self::start_after(setup, |_| ())
    }

    /// The same after `meanwhile`, during which the listener is open but nobody looks at it.
    fn start_after(setup: Setup, meanwhile: impl FnOnce(SocketAddr)) -> Self {
        let setup = Setup { listen: Some("127.0.0.1:0".parse().unwrap()), ..setup };
        let stop = Stop::new();
        let mut server = start(&setup, Console::Log(Box::new(std::io::sink())), &stop).unwrap();
        let address = server.address().unwrap();
        meanwhile(address);
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
fn an_end_that_came_together_with_the_last_bytes_is_noticed() {
    let mut ended = None;
    let server = Running::start_after(Setup::default(), |address| {
        let mut stream = TcpStream::connect(address).unwrap();
        // With a retained will.
        stream.write_all(b"\x10\x13\x00\x04MQTT\x04\x26\x00\x3c\x00\x01w\x00\x01t\x00\x01x").unwrap();
        // Only this end: a socket that is gone would answer the CONNACK with a reset, which is noticed in any case.
        stream.shutdown(Shutdown::Write).unwrap();
        ended = Some(stream);
    });
    let mut subscriber = server.connect();
    exchange(&mut subscriber, &connect_packet(b's'), &CONNACK_ACCEPTED);
    exchange(&mut subscriber, &[0x82, 6, 0, 1, 0, 1, b't', 0], &[0x90, 3, 0, 1, 0]);
    // Retained, or as it happens.
    let mut will = [0; 6];
    subscriber.read_exact(&mut will).unwrap();
    assert_eq!((will[0] | 1, &will[1..]), (0x31, &[4, 0, 1, b't', b'x'][..]));
    drop(ended);
    assert_eq!(server.stop(), Outcome::Stopped);
}

#[test]
fn a_client_that_is_slow_to_go_is_not_taken_for_the_next() {
    let server = Running::start(Setup::default());
    let mut going = server.connect();
    exchange(&mut going, &connect_packet(b'g'), &CONNACK_ACCEPTED);
    going.write_all(&[0xE0, 0]).unwrap();
    // The server has ended the link, whose slot is free now, and waits for this end.
    assert_eq!(going.read(&mut [0; 1]).unwrap(), 0);
    let mut next = server.connect();
    exchange(&mut next, &connect_packet(b'n'), &CONNACK_ACCEPTED);
    drop(going);
    let mut third = server.connect();
    exchange(&mut third, &connect_packet(b't'), &CONNACK_ACCEPTED);
    exchange(&mut next, &[0xC0, 0], &[0xD0, 0]);
    exchange(&mut third, &[0xC0, 0], &[0xD0, 0]);
    assert_eq!(server.stop(), Outcome::Stopped);
}

#[test]
fn a_reader_that_takes_everything_loses_nothing_of_a_burst() {
    const MESSAGES: usize = 4000;
    let message = b"\x30\x20\x00\x0ebench/00/state0123456789abcdef";
    let burst = message.repeat(MESSAGES);
    // All of it is there, twice as much as the default quota of a slow reader, when the server looks at it first.
    let (mut subscriber, mut publisher) = (None, None);
    let server = Running::start_after(Setup::default(), |address| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&connect_packet(b's')).unwrap();
        stream.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 0]).unwrap();
        subscriber = Some(stream);
        let stream = TcpStream::connect(address).unwrap();
        let mut writer = stream.try_clone().unwrap();
        publisher = Some((
            stream,
            thread::spawn(move || {
                writer.write_all(&connect_packet(b'p')).unwrap();
                writer.write_all(&burst).unwrap();
            }),
        ));
    });
    let mut subscriber = subscriber.unwrap();
    exchange(&mut subscriber, &[], &[0x20, 2, 0, 0, 0x90, 3, 0, 1, 0]);
    let mut received = vec![0; message.len() * MESSAGES];
    subscriber.read_exact(&mut received).unwrap();
    assert!(received.chunks(message.len()).all(|received| received == message));
    publisher.unwrap().1.join().unwrap();
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
    // More than the server has read when it answers: a close with unread input resets the connection.
    stream.write_all(&[0xC0; 4_000_000]).unwrap();
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
    // The first is stored at once, the other has to wait for its turn and is stored when the server ends.
    publisher.write_all(&publish).unwrap();
    exchange(&mut publisher, &[0xC0, 0], &[0xD0, 0]);
    publish.truncate(2);
    publish.extend([0, 15]);
    publish.extend(b"homeassistant/y");
    publish.extend(b"on");
    publisher.write_all(&publish).unwrap();
    exchange(&mut publisher, &[0xC0, 0], &[0xD0, 0]);
    assert_eq!(server.stop(), Outcome::Stopped);

    let server = Running::start(setup);
    let mut subscriber = server.connect();
    exchange(&mut subscriber, &connect_packet(b's'), &CONNACK_ACCEPTED);
    exchange(
        &mut subscriber,
        &[
            0x82, 20, 0, 1, 0, 15, b'h', b'o', b'm', b'e', b'a', b's', b's', b'i', b's', b't', b'a', b'n',
            b't', b'/', b'y', 0,
        ],
        &[0x90, 3, 0, 1, 0],
    );
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

/// A failing log, as on a full disk.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_cannot_be_written_does_not_end_the_server() {
    let setup = Setup { listen: Some("127.0.0.1:0".parse().unwrap()), ..Setup::default() };
    let stop = Stop::new();
    let mut server = start(&setup, Console::Log(Box::new(Broken)), &stop).unwrap();
    let address = server.address().unwrap();
    let handle = stop.clone();
    let thread = thread::spawn(move || server.run(&handle).unwrap());
    let running = Running { address, stop, thread: Some(thread) };
    exchange(&mut running.connect(), &connect_packet(b'x'), &CONNACK_ACCEPTED);
    assert_eq!(running.stop(), Outcome::Stopped);
}

#[test]
fn a_settings_file_brings_secrets_from_where_it_says_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("house.toml");
    std::fs::write(&config, "wifi.ssid = \"home\"\nwifi.password = \"file:secret\"\n").unwrap();
    let setup = Setup { listen: Some(([127, 0, 0, 1], 0).into()), config: Some(config), data: None };
    let start = || start(&setup, Console::Log(Box::new(std::io::sink())), &Stop::new());
    let error = start().err().unwrap().to_string();
    assert!(error.contains("wifi.password cannot be had from file:secret"), "{error}");

    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let error = start().err().unwrap().to_string();
    assert!(
        error.contains("wifi.password cannot be that: it is too short") && !error.contains("hunter2"),
        "{error}"
    );

    std::fs::write(&secret, "hunter2hunter2\n").unwrap();
    assert_eq!(start().unwrap().node().settings().wifi_password(), Some("hunter2hunter2"));
}

#[cfg(unix)]
mod with_console {
    use std::io::{BufRead, BufReader};
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use obkmq_config::line::Command;
    use obkmq_config::password::{HASH_BYTES, PasswordHash, SALT_BYTES};
    use obkmq_config::toml;
    use obkmq_host::{Flash, HostBoard, Line, Listen, Server, identity, regions};
    use obkmq_node::{Anonymous, Node};

    use super::*;

    /// A server whose settings say where it listens, with some users; and the other end of its console.
    fn start_on(port: u16, users: usize) -> (Running, BufReader<UnixStream>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let line = Line { file: OwnedFd::from(theirs).into(), intercept: Box::new(|_| false) };

        let text = format!("[mqtt]\nport = {port}\nanonymous = \"loopback\"\n");
        let mut settings = toml::parse(&text).unwrap().settings;
        for user in 0..users {
            let hash = PasswordHash::decoy([0; SALT_BYTES], [0; HASH_BYTES]);
            settings.set_user(&format!("{user:02}{}", "\"".repeat(62)), hash).unwrap();
        }
        let board = HostBoard::new(Flash::in_memory(regions().retained.end));
        let identity = identity("host", "host", Anonymous::Loopback);
        let mut node = Node::boot(board, identity, regions(), obkmq_node::Instant::ZERO);
        node.adopt(settings).unwrap();

        let stop = Stop::new();
        let listen = Listen::SettingsPort;
        let mut server = Server::new(node, listen, Console::Line(line), Instant::now(), &stop).unwrap();
        let address = server.address().unwrap();
        let handle = stop.clone();
        let thread = thread::spawn(move || server.run(&handle).unwrap());
        (Running { address, stop, thread: Some(thread) }, BufReader::new(ours))
    }

    /// A port that is free now.
    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn a_changed_port_that_is_in_use_is_said_and_the_old_one_stays_open() {
        let (server, mut console) = start_on(free_port(), 0);
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = other.local_addr().unwrap();
        let mut there = server.connect();
        exchange(&mut there, &connect_packet(b'a'), &CONNACK_ACCEPTED);
        writeln!(console.get_mut(), "set mqtt.port {}", taken.port()).unwrap();
        let mut line = String::new();
        while !line.contains(&format!("cannot listen on {taken}")) {
            line.clear();
            assert_ne!(console.read_line(&mut line).unwrap(), 0);
        }
        assert!(line.trim_end().ends_with(&format!("still listening on {}", server.address)), "{line}");
        exchange(&mut there, &[0xC0, 0], &[0xD0, 0]);
        exchange(&mut server.connect(), &connect_packet(b'b'), &CONNACK_ACCEPTED);
        assert_eq!(server.stop(), Outcome::Stopped);
    }

    /// Whoever adds the first user wants the house to log in, not this machine alone.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_first_user_opens_the_network_and_the_last_one_closes_it() {
        let port = free_port();
        let (server, mut console) = start_on(port, 0);
        assert_eq!(server.address, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut there = server.connect();
        exchange(&mut there, &connect_packet(b'a'), &CONNACK_ACCEPTED);
        // Another address of every Linux machine.
        let elsewhere = (Ipv4Addr::new(127, 0, 0, 2), port);
        assert!(TcpStream::connect(elsewhere).is_err());
        for (command, is_open) in [("user set ann apple", true), ("user del ann", false)] {
            writeln!(console.get_mut(), "{command}").unwrap();
            let mut line = String::new();
            while !line.contains("listening on ") {
                line.clear();
                assert_ne!(console.read_line(&mut line).unwrap(), 0);
            }
            assert_eq!(TcpStream::connect(elsewhere).is_ok(), is_open, "{command}: {line}");
        }
        assert_eq!(server.stop(), Outcome::Stopped);
    }

    #[test]
    fn commands_that_waited_for_room_on_the_console_are_not_forgotten() {
        let (server, mut console) = start_on(free_port(), 24);
        let port = free_port();
        // The first answer is longer than what may wait when the next command is taken. It is not read here, so that
        // nothing but the server itself can bring it to the next command.
        let list = Command::UserList.to_frame(1).unwrap();
        console.get_mut().write_all(format!("{list}set mqtt.port {port}\n").as_bytes()).unwrap();
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < PATIENCE);
            thread::yield_now();
        }
        assert_eq!(server.stop(), Outcome::Stopped);
    }
}

#[test]
fn a_settings_file_keeps_what_is_there_and_says_when_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("house.toml");
    let start = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let setup = Setup {
            data: Some(folder.path().to_owned()),
            config: Some(file.clone()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
        };
        start(&setup, Console::Log(Box::new(std::io::sink())), &Stop::new())
            .map(|server| server.node().settings().clone())
            .map_err(|error| error.to_string())
    };
    let error = start("[users.ann]\npassword = \"keep\"\n").unwrap_err();
    assert!(error.contains("the password of user ann") && error.contains("there is none yet"), "{error}");
    let error = start("[wifi]\npassword = \"keep\"\n").unwrap_err();
    assert!(error.contains("wifi.password") && error.contains("there is none yet"), "{error}");
    std::fs::write(folder.path().join("secret"), "apple pie\n").unwrap();
    let text = "[users.ann]\npassword = \"file:secret\"\n[wifi]\nssid = \"a\"\npassword = \"file:secret\"\n";
    let first = start(text).unwrap();
    let second = start(&text.replace("file:secret", "keep")).unwrap();
    assert_eq!(first, second);
    assert_eq!(second.wifi_password(), Some("apple pie"));
}

/// The control socket of a running node, and a line typed on it.
#[cfg(unix)]
mod control {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    use super::*;
    use obkmq_host::{Offline, OpenError, SetupError, control_path};

    struct Typist(BufReader<UnixStream>);

    impl Typist {
        fn connect(folder: &std::path::Path) -> Self {
            let stream = UnixStream::connect(control_path(folder)).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Self(BufReader::new(stream))
        }

        /// The lines up to `ok` or `error`.
        fn typed(&mut self, line: &str) -> String {
            self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
            self.answer()
        }

        fn answer(&mut self) -> String {
            let mut text = String::new();
            loop {
                let before = text.len();
                if self.0.read_line(&mut text).unwrap() == 0 {
                    return text;
                }
                let line = &text[before..];
                if line.starts_with("ok") || line.starts_with("error") {
                    return text;
                }
            }
        }
    }

    fn data(folder: &std::path::Path) -> Setup {
        Setup { data: Some(folder.to_owned()), ..Setup::default() }
    }

    #[test]
    fn a_running_node_is_configured_by_several_programs_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        // What a killed process leaves behind.
        std::fs::write(control_path(folder.path()), "").unwrap();
        let server = Running::start(data(folder.path()));
        let mode = std::fs::metadata(control_path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (mut first, mut second) = (Typist::connect(folder.path()), Typist::connect(folder.path()));
        assert_eq!(first.typed("begin 0"), "ok\r\n");
        assert_eq!(second.typed("set log.level warn"), "ok gen=1\r\n");
        assert!(first.typed("commit").starts_with("error: "), "the other was faster");
        drop(first);
        assert!(second.typed("list").contains("key=log.level  value=warn"));
        assert_eq!(server.stop(), Outcome::Stopped);
        assert!(!control_path(folder.path()).exists(), "it goes with the broker");
        assert_eq!(second.answer(), "", "and so do its connections");

        let mut offline = Offline::open(folder.path()).unwrap();
        offline.write(b"get log.level\n");
        let mut text = Vec::new();
        while !text.ends_with(b"default=no\r\n") {
            let mut buffer = [0; 64];
            let count = offline.read(&mut buffer, PATIENCE);
            assert!(count > 0, "{}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&buffer[..count]);
        }
        assert!(String::from_utf8(text).unwrap().contains("value=warn"));
        let error = start(&data(folder.path()), Console::Log(Box::new(std::io::sink())), &Stop::new());
        assert!(matches!(error, Err(SetupError::Flash { error: OpenError::InUse, .. })));
    }

    #[test]
    fn what_is_sent_in_one_piece_is_read_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let server = Running::start(data(folder.path()));
        let mut typist = Typist::connect(folder.path());
        // Each takes a hash, so that the rest has to wait in the socket.
        typist.0.get_mut().write_all("user set ann apple\n".repeat(200).as_bytes()).unwrap();
        for _ in 0..200 {
            assert_eq!(typist.answer(), "ok gen=1\r\n");
        }
        drop(typist);
        assert_eq!(server.stop(), Outcome::Stopped);
    }

    #[test]
    fn one_program_too_many_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let server = Running::start(data(folder.path()));
        let mut typists: Vec<Typist> = (0..8).map(|_| Typist::connect(folder.path())).collect();
        assert!(typists.iter_mut().all(|typist| typist.typed("get mqtt.port").starts_with("ok ")));
        let mut ninth = Typist::connect(folder.path());
        assert!(ninth.answer().starts_with("error: too many programs"), "refused in words");
        assert_eq!(ninth.answer(), "");
        typists.pop();
        // The place is free once the server has noticed.
        while Typist::connect(folder.path()).typed("get mqtt.port").starts_with("error: too many") {
            thread::yield_now();
        }
        assert_eq!(server.stop(), Outcome::Stopped);
    }
}
