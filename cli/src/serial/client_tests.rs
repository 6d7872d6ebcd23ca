//! The client against the device's half of the protocol, over a wire that loses, doubles and flips bytes.
//!
//! Time is simulated: a read that finds nothing moves the clock to its deadline.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use obkmq_config::line::{
    Admission, Incoming, LineBuffer, Reply as DeviceReply, Session as DeviceSession, read_line,
};
use obkmq_config::settings::{Capabilities, Settings};
use proptest::prelude::*;

use super::*;

/// A device that counts how often it executes a change.
struct Device {
    buffer: LineBuffer,
    session: DeviceSession,
    users: BTreeMap<String, u32>,
    /// Answers `busy` this many times before it executes a change.
    busy: u32,
}

impl Device {
    fn new() -> Self {
        Self { buffer: LineBuffer::new(), session: DeviceSession::new(), users: BTreeMap::new(), busy: 0 }
    }

    fn take(&mut self, byte: u8) -> Vec<u8> {
        let Self { buffer, session, users, busy } = self;
        let Some(raw) = buffer.push(byte) else { return Vec::new() };
        let frame = match read_line(raw) {
            Incoming::Request(frame) => frame,
            Incoming::Typed(_) => return b"log: somebody typed\r\n".to_vec(),
            Incoming::Unreadable { code, message, .. } => {
                return DeviceReply::err(code, message).to_frame(0).into_bytes();
            }
        };
        let command = match Command::parse(frame.body) {
            Ok(command) => command,
            Err(error) => return DeviceReply::from(&error).to_frame(frame.seq).into_bytes(),
        };
        match session.admit(frame.seq, &command) {
            Admission::Replay(line) => return line.as_bytes().to_vec(),
            Admission::Ignore => return Vec::new(),
            Admission::Refuse(reply) => return reply.to_frame(frame.seq).into_bytes(),
            Admission::Execute | Admission::NewRun => {}
        }
        let mut replies = execute(&command, users, busy);
        let last = replies.pop().unwrap();
        let mut bytes = b"log: a line in the middle\r\n".to_vec();
        for reply in replies {
            bytes.extend(reply.to_frame(frame.seq).into_bytes());
            bytes.extend(b"log: between two rows\r\n");
        }
        let last =
            if command.is_changing() { session.finish(frame.seq, &last) } else { last.to_frame(frame.seq) };
        bytes.extend(last.into_bytes());
        bytes
    }
}

fn execute(command: &Command<'_>, users: &mut BTreeMap<String, u32>, busy: &mut u32) -> Vec<DeviceReply> {
    match command {
        Command::Hello { .. } => {
            let hello =
                Hello::new("0.1.0", "esp32c3", "test", &Settings::default(), "ok", Capabilities::NONE);
            vec![DeviceReply::ok(hello.to_fields())]
        }
        Command::UserSet { .. } if *busy > 0 => {
            *busy -= 1;
            vec![DeviceReply::err(ErrorCode::Busy, "later")]
        }
        Command::UserSet { name, .. } => {
            *users.entry(name.clone().into_owned()).or_default() += 1;
            vec![DeviceReply::ok(Fields::new().with("gen", 1))]
        }
        Command::UserList => {
            let mut replies: Vec<DeviceReply> = users
                .keys()
                .zip(1..)
                .map(|(name, number)| DeviceReply::More { number, fields: Fields::new().with("name", name) })
                .collect();
            let lines = u32::try_from(replies.len()).unwrap();
            replies.push(DeviceReply::Ok { lines, fields: Fields::new() });
            replies
        }
        _ => vec![DeviceReply::err(ErrorCode::UnknownCommand, "not here")],
    }
}

/// What happens to one byte on the wire.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Lose,
    Double,
    Flip(u8),
}

struct Wire {
    device: Rc<RefCell<Device>>,
    faults: Box<dyn FnMut() -> Fault>,
    to_host: VecDeque<u8>,
    now: Duration,
}

impl Wire {
    fn clean(device: &Rc<RefCell<Device>>) -> Self {
        Self::faulty(device, || Fault::None)
    }

    fn faulty(device: &Rc<RefCell<Device>>, faults: impl FnMut() -> Fault + 'static) -> Self {
        Self {
            device: Rc::clone(device),
            faults: Box::new(faults),
            to_host: VecDeque::new(),
            now: Duration::ZERO,
        }
    }

    fn spoil(&mut self, byte: u8) -> Vec<u8> {
        match (self.faults)() {
            Fault::None => vec![byte],
            Fault::Lose => vec![],
            Fault::Double => vec![byte, byte],
            Fault::Flip(bit) => vec![byte ^ (1 << (bit % 8))],
        }
    }
}

impl Transport for Wire {
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        let count = buffer.len().min(self.to_host.len()).min(7);
        if count == 0 {
            self.now += timeout;
        }
        for (place, byte) in buffer.iter_mut().zip(self.to_host.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            for byte in self.spoil(*byte) {
                let answer = self.device.borrow_mut().take(byte);
                for byte in answer {
                    let bytes = self.spoil(byte);
                    self.to_host.extend(bytes);
                }
            }
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn name(&self) -> &str {
        "wire"
    }
}

fn set_user(name: &str) -> Command<'_> {
    Command::UserSet { name: name.into(), password: "apple pie".into() }
}

fn greet(wire: Wire) -> Client<Wire> {
    let mut client = Client::new(wire, |_| {});
    client.hello(Duration::from_secs(60)).unwrap();
    client
}

#[test]
fn a_conversation_over_a_clean_wire() {
    let device = Rc::new(RefCell::new(Device::new()));
    let log = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&log);
    let mut client = Client::new(Wire::clean(&device), move |line| sink.borrow_mut().push(line.to_owned()));
    let hello = client.hello(Duration::from_secs(1)).unwrap();
    assert_eq!((hello.chip.as_str(), hello.firmware.as_str()), ("esp32c3", "0.1.0"));
    for name in ["ada", "bob"] {
        client.request(&set_user(name)).unwrap();
    }
    let rows = client.request(&Command::UserList).unwrap().rows;
    let names: Vec<&str> = rows.iter().filter_map(|row| row.get("name")).collect();
    assert_eq!(names, ["ada", "bob"]);
    assert!(log.borrow().contains(&"log: between two rows".to_owned()));
}

#[test]
fn a_refusal_ends_the_request_at_once() {
    let device = Rc::new(RefCell::new(Device::new()));
    let mut client = greet(Wire::clean(&device));
    let before = client.transport.now;
    let error = client.request(&Command::Info).unwrap_err();
    assert!(matches!(error, ClientError::Refused(Refusal { code: ErrorCode::UnknownCommand, .. })));
    assert_eq!(client.transport.now, before, "no time was waited");
}

#[test]
fn a_busy_device_is_asked_again() {
    let device = Rc::new(RefCell::new(Device::new()));
    device.borrow_mut().busy = 3;
    let mut client = greet(Wire::clean(&device));
    client.request(&set_user("ada")).unwrap();
    assert_eq!(device.borrow().users["ada"], 1);
    device.borrow_mut().busy = u32::MAX;
    let error = client.request(&set_user("bob")).unwrap_err();
    assert!(matches!(error, ClientError::Refused(Refusal { code: ErrorCode::Busy, .. })));
}

#[test]
fn a_dead_wire_is_silence_and_ends() {
    let device = Rc::new(RefCell::new(Device::new()));
    let mut client = Client::new(Wire::faulty(&device, || Fault::Lose), |_| {});
    assert!(
        matches!(client.hello(Duration::from_secs(6)), Err(ClientError::Silent { heard }) if heard.is_empty())
    );
    assert!(client.transport.now >= Duration::from_secs(6));
    assert!(client.transport.now < Duration::from_secs(8), "patience is kept");
}

#[test]
fn a_device_that_was_reset_in_between_is_noticed() {
    let device = Rc::new(RefCell::new(Device::new()));
    let mut client = greet(Wire::clean(&device));
    device.borrow_mut().session = DeviceSession::new();
    assert!(matches!(client.request(&set_user("ada")), Err(ClientError::Reset)));
    assert!(device.borrow().users.is_empty());
}

#[test]
fn what_another_firmware_prints_is_remembered() {
    let device = Rc::new(RefCell::new(Device::new()));
    let mut client = Client::new(Wire::faulty(&device, || Fault::Lose), |_| {});
    client.transport.to_host.extend(b"waiting for download\r\n");
    let Err(ClientError::Silent { heard }) = client.hello(Duration::from_secs(1)) else { panic!("answered") };
    assert_eq!(heard, ["waiting for download"]);
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        600 => Just(Fault::None),
        1 => Just(Fault::Lose),
        1 => Just(Fault::Double),
        1 => (0_u8..8).prop_map(Fault::Flip),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the wire does: a change that was acknowledged happened once, and a list is whole.
    #[test]
    fn over_a_lossy_wire_nothing_happens_twice(faults in prop::collection::vec(fault(), 1..4000)) {
        let device = Rc::new(RefCell::new(Device::new()));
        let mut faults = faults.into_iter();
        let wire = Wire::faulty(&device, move || faults.next().unwrap_or(Fault::None));
        let mut client = greet(wire);
        let mut acknowledged = Vec::new();
        for name in ["ada", "bob", "cyd"] {
            if client.request(&set_user(name)).is_ok() {
                acknowledged.push(name);
            }
        }
        if let Ok(reply) = client.request(&Command::UserList) {
            let names: Vec<String> =
                reply.rows.iter().filter_map(|row| row.get("name")).map(str::to_owned).collect();
            let there: Vec<String> = device.borrow().users.keys().cloned().collect();
            prop_assert_eq!(names, there);
        }
        let users = &device.borrow().users;
        for name in acknowledged {
            prop_assert_eq!(users.get(name), Some(&1));
        }
        prop_assert!(users.values().all(|count| *count == 1), "executed twice: {:?}", users);
    }
}
