//! A device on a pseudo-terminal: the device's half of the line protocol around real settings.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use obkmq_config::line::{
    Admission, Command, ErrorCode, Fields, Hello, Incoming, LineBuffer, RawLine, Reply, Session, read_line,
};
use obkmq_config::settings::{Capabilities, Entry, Settings};

/// What the thing behind the port is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// Answers, and logs a line before each answer.
    Obkmq,
    /// Prints this for every line it gets.
    Prints(&'static str),
    /// Speaks a later version of the protocol.
    Newer,
    /// Its stored settings are damaged.
    Locked,
}

/// The port's path; the device lives in a thread until the test program ends.
pub(crate) fn device(firmware: Firmware) -> PathBuf {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let path = PathBuf::from(ptsname(&controller, Vec::new()).unwrap().into_string().unwrap());
    // Held open, so that the line survives between two programs; raw, so that it does not echo.
    let terminal = File::options().read(true).write(true).open(&path).unwrap();
    let mut attributes = tcgetattr(&terminal).unwrap();
    attributes.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &attributes).unwrap();
    std::thread::spawn(move || {
        let mut line = File::from(controller);
        let mut device = Device::new(firmware);
        let mut buffer = [0; 256];
        while let Ok(count) = line.read(&mut buffer) {
            for byte in &buffer[..count] {
                if line.write_all(&device.take(*byte)).is_err() {
                    return;
                }
            }
        }
        drop(terminal);
    });
    path
}

struct Device {
    firmware: Firmware,
    buffer: LineBuffer,
    session: Session,
    settings: Settings,
    users: Vec<(String, String)>,
    in_transaction: bool,
}

impl Device {
    fn new(firmware: Firmware) -> Self {
        Self {
            firmware,
            buffer: LineBuffer::new(),
            session: Session::new(),
            settings: Settings::default(),
            users: Vec::new(),
            in_transaction: false,
        }
    }

    fn take(&mut self, byte: u8) -> Vec<u8> {
        let firmware = self.firmware;
        let frame = match self.buffer.push(byte) {
            None => return Vec::new(),
            Some(RawLine::Whole(_) | RawLine::TooLong { .. }) if matches!(firmware, Firmware::Prints(_)) => {
                let Firmware::Prints(text) = firmware else { return Vec::new() };
                return format!("{text}\r\n").into_bytes();
            }
            Some(raw) => match read_line(raw) {
                Incoming::Request(frame) => frame,
                Incoming::Typed(text) => return format!("ok {text}\r\n").into_bytes(),
                Incoming::Unreadable { code, message, .. } => {
                    return Reply::err(code, message).to_frame(0).into_bytes();
                }
            },
        };
        let seq = frame.seq;
        let command = Command::parse(frame.body).unwrap();
        match self.session.admit(seq, &command) {
            Admission::Execute | Admission::NewRun => {}
            other => panic!("a clean line needs no repetition: {other:?}"),
        }
        let mut replies =
            execute(&command, firmware, &mut self.settings, &mut self.users, &mut self.in_transaction);
        let last = replies.pop().unwrap();
        let mut answer = String::from("[0.001] log: a line in the middle\r\n");
        answer.extend(replies.iter().map(|reply| reply.to_frame(seq)));
        let changing = command.is_changing();
        answer += &if changing { self.session.finish(seq, &last) } else { last.to_frame(seq) };
        answer.into_bytes()
    }
}

fn execute(
    command: &Command<'_>,
    firmware: Firmware,
    settings: &mut Settings,
    users: &mut Vec<(String, String)>,
    in_transaction: &mut bool,
) -> Vec<Reply> {
    let done = || vec![Reply::ok(Fields::new().with("gen", 7))];
    match command {
        Command::Hello { .. } => {
            let state = if firmware == Firmware::Locked { "locked" } else { "ok" };
            let mut hello = Hello::new("0.1.0", "esp32c3", "test", settings, state, Capabilities::NONE);
            if firmware == Firmware::Newer {
                hello.protocol = 2;
            }
            vec![Reply::ok(hello.to_fields())]
        }
        Command::Get { key } => match settings.get(key) {
            Ok(entry) => vec![Reply::ok(fields(&entry))],
            Err(error) => vec![Reply::from(&error)],
        },
        Command::List => rows(settings.entries().map(|entry| fields(&entry))),
        Command::Set { key, value } => match settings.set(key, value) {
            Ok(()) => done(),
            Err(error) => vec![Reply::from(&error)],
        },
        Command::Unset { key } => match settings.unset(key) {
            Ok(()) => done(),
            Err(error) => vec![Reply::from(&error)],
        },
        Command::UserSet { name, .. } => {
            users.push((name.clone().into_owned(), "everything".to_owned()));
            done()
        }
        Command::UserRights { name, rights } => {
            assert!(*in_transaction, "between the two the user would have all rights");
            users
                .iter_mut()
                .filter(|(user, _)| user == name)
                .for_each(|(_, held)| *held = rights.to_string());
            done()
        }
        Command::Begin { generation } => {
            assert_eq!(*generation, settings.generation());
            *in_transaction = true;
            vec![Reply::ok(Fields::new())]
        }
        Command::Commit => {
            *in_transaction = false;
            done()
        }
        Command::UserDel { name } => {
            users.retain(|(user, _)| user != name);
            done()
        }
        Command::UserList => {
            assert!(!*in_transaction, "a reader inside would see what is not stored");
            rows(users.iter().map(|(user, held)| Fields::new().with("name", user).with("rights", held)))
        }
        Command::Info => {
            rows([Fields::new().with("clients", 3), Fields::new().with("uptime_s", 42)].into_iter())
        }
        Command::Refused => {
            rows([Fields::new().with("address", "192.168.1.9:5").with("reason", "password")].into_iter())
        }
        _ => vec![Reply::err(ErrorCode::UnknownCommand, "there is no such command here")],
    }
}

fn fields(entry: &Entry) -> Fields {
    let default = if entry.is_default { "yes" } else { "no" };
    Fields::new().with("key", entry.key.name).with("value", &entry.value).with("default", default)
}

fn rows(rows: impl Iterator<Item = Fields>) -> Vec<Reply> {
    let mut replies: Vec<Reply> =
        rows.zip(1..).map(|(fields, number)| Reply::More { number, fields }).collect();
    let lines = u32::try_from(replies.len()).unwrap();
    replies.push(Reply::Ok { lines, fields: Fields::new() });
    replies
}
