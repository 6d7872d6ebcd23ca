//! The serial line, both ways: any bytes make lines, and a command or reply that was read is written as one that reads
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_config::line::{Command, Frame, Incoming, LineBuffer, Reply, frame, read_line};

fuzz_target!(|input: &[u8]| {
    let mut buffer = LineBuffer::new();
    for &byte in input {
        let Some(raw) = buffer.push(byte) else { continue };
        match read_line(raw) {
            Incoming::Typed(line) => {
                assert!(!line.starts_with('#'), "a frame was taken for typing");
                body(1, line);
            }
            Incoming::Request(Frame { seq, body: text }) => body(seq, text),
            Incoming::Unreadable { framed, code, message } => {
                let line = Reply::err(code, message).to_frame(0);
                assert_eq!(reply_in(&line), (0, Reply::err(code, message)), "framed: {framed}");
            }
        }
    }
    // A mutation seldom makes a right checksum, so the same bytes also go in as the body of a frame.
    if let Ok(text) = str::from_utf8(input) {
        body(7, text);
    }
});

/// What stands in a line, as a command and as a reply.
fn body(seq: u32, text: &str) {
    if let Ok(command) = Command::parse(text) {
        let encoded = command.encode();
        assert_eq!(Command::parse(&encoded).as_ref(), Ok(&command), "{encoded:?}");
        if let Ok(line) = frame(seq, &encoded) {
            with_frame(&line, |frame| {
                assert_eq!(frame.body, encoded);
                assert_eq!(frame.seq, seq);
            });
        }
    }
    if let Some(reply) = Reply::parse(text) {
        // No device says the number of lines twice; the second would be taken for the first.
        if matches!(&reply, Reply::Ok { fields, .. } if fields.get("lines").is_some()) {
            return;
        }
        let line = reply.to_frame(seq);
        let (read_seq, read) = reply_in(&line);
        assert_eq!(read_seq, seq);
        // What does not fit is cut or becomes an error; that is final as a form.
        let again = read.to_frame(seq);
        assert_eq!(again, line);
        let fits = matches!((&reply, &read), (Reply::Err { .. }, _)) || reply == read || is_too_long(&read);
        assert!(fits, "{reply:?} was read as {read:?}");
    }
}

fn is_too_long(reply: &Reply) -> bool {
    matches!(reply, Reply::Err { code, .. } if *code == obkmq_config::line::ErrorCode::TooLong)
}

fn reply_in(line: &str) -> (u32, Reply) {
    let mut found = None;
    with_frame(line, |frame| {
        found = Some((frame.seq, Reply::parse(frame.body).expect("a reply is read as a reply")));
    });
    found.expect("the line was a frame")
}

/// Sends a line through the reader of the other end; it has to be one whole frame.
fn with_frame(line: &str, check: impl FnOnce(Frame<'_>)) {
    let (last, before) = line.as_bytes().split_last().expect("a line is not empty");
    let mut buffer = LineBuffer::new();
    for &byte in before {
        assert!(buffer.push(byte).is_none(), "a line end inside of {line:?}");
    }
    let raw = buffer.push(*last).expect("a line ends");
    if let Incoming::Request(frame) = read_line(raw) {
        return check(frame);
    }
    // Number 0 is a device's alone: a request never has it.
    check(obkmq_config::line::parse_frame(line.trim_end()).expect("a frame that was written is read"));
}
