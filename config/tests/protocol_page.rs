//! Replays every example of `PROTOCOL.md` against the code and compares its tables with it.
#![allow(clippy::expect_used, clippy::panic)] // The helpers of a test may fail as the test itself may.

use obkmq_config::line::{
    Admission, Answer, COMMANDS, Client, Command, ErrorCode, Event, Hello, Incoming, LineBuffer, RawLine,
    Reply, Session, frame, parse_frame, read_line,
};
use obkmq_config::settings::Settings;

const PAGE: &str = include_str!("../PROTOCOL.md");

/// The contents of the fenced blocks of one kind.
fn blocks(kind: &str) -> Vec<Vec<&'static str>> {
    let mut found = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{kind}") {
            found.push(lines.by_ref().take_while(|line| *line != "```").collect());
        }
    }
    assert!(!found.is_empty(), "the page has examples of {kind}");
    found
}

/// A request and the lines that answer it.
fn exchanges(block: &[&'static str]) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut exchanges: Vec<(_, Vec<_>)> = Vec::new();
    for line in block {
        if let Some(request) = line.strip_prefix("> ") {
            exchanges.push((request, Vec::new()));
        } else {
            let answer = line.strip_prefix("< ").unwrap_or_else(|| panic!("neither > nor <: {line}"));
            exchanges.last_mut().expect("a request comes first").1.push(answer);
        }
    }
    exchanges
}

/// What a device makes of a line, through the same buffer.
fn received<T>(line: &str, check: impl FnOnce(Incoming<'_>) -> T) -> T {
    let mut buffer = LineBuffer::new();
    for byte in line.bytes() {
        assert!(buffer.push(byte).is_none());
    }
    match buffer.push(b'\n') {
        Some(raw @ RawLine::Whole(_)) => check(read_line(raw)),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn framed_exchanges() {
    for block in blocks("exchange") {
        let mut session = Session::new();
        for (request, answers) in exchanges(&block) {
            let (seq, body) = received(request, |incoming| match incoming {
                Incoming::Request(frame) => (frame.seq, frame.body.to_string()),
                _ => panic!("{request} is no good frame"),
            });
            let command = Command::parse(&body).unwrap();
            // The only difference between this and what the host writes is that it pads a nonce.
            if !matches!(command, Command::Hello { .. }) {
                assert_eq!(command.to_frame(seq).unwrap().trim_end(), request);
            }
            let replies: Vec<Reply> = answers
                .iter()
                .map(|line| {
                    let frame = parse_frame(line).unwrap_or_else(|error| panic!("{line}: {error}"));
                    let reply = Reply::parse(frame.body).unwrap_or_else(|| panic!("{line} is no reply"));
                    assert_eq!(reply.to_frame(seq).trim_end(), *line);
                    reply
                })
                .collect();
            let last = replies.last().unwrap();
            assert!(last.is_final() && replies.iter().filter(|reply| reply.is_final()).count() == 1);

            match session.admit(seq, &command) {
                Admission::Execute if command.is_changing() => {
                    assert_eq!(replies.len(), 1, "{request}: a changing request has one line");
                    session.finish(seq, last);
                }
                Admission::Execute | Admission::NewRun => {}
                Admission::Replay(line) => assert_eq!(line.trim_end(), *answers.last().unwrap()),
                Admission::Refuse(reply) => assert_eq!(reply, *last, "{request}"),
                Admission::Ignore => panic!("{request} would not be answered"),
            }
            if matches!(command, Command::Hello { .. }) {
                let Reply::Ok { fields, .. } = last else { panic!("{last:?}") };
                let hello = Hello::from_fields(fields).unwrap();
                assert_eq!(&hello.to_fields(), fields, "fields and their order");
            }
        }
    }
}

#[test]
fn the_listing_is_whole_for_a_client() {
    let (_, answers) = exchanges(&blocks("exchange")[1]).pop().unwrap();
    // A client whose ninth request this is: nonce 12 starts at 12000.
    let mut client = Client::new(12);
    for _ in 0..9 {
        client.start(&Command::UserList).unwrap();
    }
    let events: Vec<Event> =
        answers.join("\n").bytes().chain([b'\n']).filter_map(|byte| client.receive(byte)).collect();
    let [Event::Answer(Answer { lines, outcome: Ok(_) })] = events.as_slice() else { panic!("{events:?}") };
    let names: Vec<_> = lines.iter().filter_map(|fields| fields.get("name")).collect();
    assert_eq!(names, ["anna maria", "house"]);
}

#[test]
fn damaged_lines() {
    for block in blocks("damaged") {
        for (request, answers) in exchanges(&block) {
            let reply = received(request, |incoming| match incoming {
                Incoming::Unreadable { framed: true, code, message } => Reply::err(code, message),
                _ => panic!("{request} can be read"),
            });
            assert_eq!(vec![reply.to_frame(0).trim_end()], answers);
        }
    }
}

#[test]
fn typed_lines() {
    for block in blocks("typed") {
        let mut settings = Settings::default();
        for (request, answers) in exchanges(&block) {
            received(request, |incoming| {
                let Incoming::Typed(line) = incoming else { panic!("{request} is not typed") };
                match Command::parse(line).unwrap() {
                    Command::Set { key, value } => match settings.set(&key, &value) {
                        Ok(()) => assert!(answers[0].starts_with("ok gen=")),
                        Err(error) => assert_eq!(Reply::from(&error).to_text().trim_end(), answers[0]),
                    },
                    Command::Get { key } => {
                        let entry = settings.get(&key).unwrap();
                        let default = if entry.is_default { "yes" } else { "no" };
                        let text = format!("ok key={key}  value={}  default={default}", entry.value);
                        assert_eq!(text, answers[0]);
                    }
                    other => panic!("{other:?}"),
                }
            });
        }
    }
}

#[test]
fn bytes_on_the_wire() {
    for block in blocks("bytes") {
        let (text, hex) = block.split_first().unwrap();
        let bytes: Vec<u8> = hex
            .iter()
            .flat_map(|line| line.split(' '))
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        let (number, body) = text.strip_prefix('#').and_then(|text| text.split_once(' ')).unwrap();
        assert_eq!(frame(number.parse().unwrap(), body).unwrap().as_bytes(), bytes);
    }
}

#[test]
fn tables_are_those_of_the_code() {
    let codes: String =
        ErrorCode::ALL.iter().map(|code| format!("| `{}` | {} |\n", code.name(), code.meaning())).collect();
    let commands: String = COMMANDS
        .iter()
        .map(|command| {
            let mut line = command.usage.replace(['[', ']'], "");
            for (word, example) in [
                ("NONCE", "1"),
                ("GEN", "1"),
                ("LEVEL", "info"),
                ("SECONDS", "60"),
                ("OFFSET", "0"),
                ("BYTES", "2"),
                ("SHA256", &"5a".repeat(32)),
                ("BASE64", "aGk"),
            ] {
                line = line.replace(word, example);
            }
            let changing = Command::parse(&line).unwrap().is_changing();
            format!("| `{}` | {} | {} |\n", command.usage, command.help, if changing { "yes" } else { "no" })
        })
        .collect();
    for table in [
        format!("| code | meaning |\n|---|---|\n{codes}"),
        format!("| command | what it does | changes something |\n|---|---|---|\n{commands}"),
    ] {
        assert!(PAGE.contains(&table), "PROTOCOL.md must contain this table:\n{table}");
    }
}
