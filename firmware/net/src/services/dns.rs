//! Messages of the domain name system (RFC 1035, section 4): read without copying, written without allocating.
//!
//! Nothing read here can loop or run away: a name is at most [`NAME_LIMIT_BYTES`] long and its pointers lead backwards only,
//! and a message is read once from its front.

/// A host's IPv4 address.
pub(super) const A: u16 = 1;
/// A name that stands for another one.
pub(super) const PTR: u16 = 12;
/// Words about a service.
pub(super) const TXT: u16 = 16;
/// Where a service is.
pub(super) const SRV: u16 = 33;
/// Whatever there is.
pub(super) const ANY: u16 = 255;
/// The internet.
pub(super) const IN: u16 = 1;
/// With multicast (RFC 6762, sections 5.4 and 10.2): of a question "by unicast, please", of a record "nobody has another".
pub(super) const TOP_BIT: u16 = 0x8000;

/// In the flags: a response.
pub(super) const RESPONSE: u16 = 0x8000;
/// In the flags: from who is responsible for the name.
pub(super) const AUTHORITATIVE: u16 = 0x0400;
/// In the flags: what kind of question; 0 is the usual one.
const OPCODE: u16 = 0x7800;
/// In the flags: recursion is wanted, and is available.
pub(super) const RECURSION: u16 = 0x0180;
/// In the flags: how it went.
const RESPONSE_CODE: u16 = 0x000F;

const HEADER_BYTES: usize = 12;
/// The longest name, as it is on the wire (RFC 1035, section 2.3.4).
const NAME_LIMIT_BYTES: usize = 255;
/// The two bits that tell a pointer from a length.
const POINTER: u8 = 0xC0;

/// A message whose header is there.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    pub(super) id: u16,
    pub(super) flags: u16,
    questions: u16,
    /// Answers and authorities; the rest is not read.
    answers: u16,
}

/// A question.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) name: Name<'a>,
    pub(super) kind: u16,
    /// Without the top bit.
    pub(super) class: u16,
}

/// An answer.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) name: Name<'a>,
    pub(super) kind: u16,
    pub(super) ttl_s: u32,
    pub(super) data: &'a [u8],
    /// The name that the data of a [`PTR`] is.
    pub(super) target: Name<'a>,
}

/// A name in a message.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Message<'a> {
    /// Reads the header.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 0 };
        let (id, flags, questions) = (reader.short()?, reader.short()?, reader.short()?);
        let answers = reader.short()?.saturating_add(reader.short()?);
        reader.short()?;
        Some(Self { bytes, id, flags, questions, answers })
    }

    /// Whether it is a usual question.
    pub(super) fn is_query(&self) -> bool {
        self.flags & (RESPONSE | OPCODE | RESPONSE_CODE) == 0
    }

    /// Whether it is an answer to one.
    pub(super) fn is_response(&self) -> bool {
        self.flags & (RESPONSE | OPCODE | RESPONSE_CODE) == RESPONSE
    }

    /// The questions, and the answers behind them; each ends where it cannot be read.
    pub(super) fn parts(&self) -> (impl Iterator<Item = Question<'a>> + use<'a>, Answers<'a>) {
        let reader = Reader { bytes: self.bytes, at: HEADER_BYTES };
        let mut behind = reader;
        let questions = self.questions;
        let all_read = (0..questions).all(|_| behind.question().is_some());
        let mut questions_reader = reader;
        let questions = (0..questions).map_while(move |_| questions_reader.question());
        (questions, Answers { reader: behind, left: if all_read { self.answers } else { 0 } })
    }
}

/// The answers of a message.
#[derive(Clone)]
pub(super) struct Answers<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for Answers<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.reader.record()
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A name, behind which it goes on.
    fn name(&mut self) -> Option<Name<'a>> {
        let name = Name { message: self.bytes, at: self.at };
        loop {
            match self.take(1)? {
                [0] => return Some(name),
                [pointer] if pointer & POINTER == POINTER => {
                    self.take(1)?;
                    return Some(name);
                }
                [length] if length & POINTER == 0 => self.take(usize::from(*length))?,
                _ => return None,
            };
        }
    }

    fn question(&mut self) -> Option<Question<'a>> {
        let name = self.name()?;
        Some(Question { name, kind: self.short()?, class: self.short()? & !TOP_BIT })
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let name = self.name()?;
        let (kind, _class) = (self.short()?, self.short()?);
        let ttl_s = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        let length = usize::from(self.short()?);
        let target = Name { message: self.bytes, at: self.at };
        Some(Record { name, kind, ttl_s, data: self.take(length)?, target })
    }
}

impl<'a> Name<'a> {
    /// Its labels, the least general first; `None` among them where it cannot be read.
    fn labels(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut rest = Some(Reader { bytes: self.message, at: self.at });
        let mut length = 0;
        // A pointer leads to before this, so that none leads round.
        let mut before = self.at;
        core::iter::from_fn(move || {
            let mut reader = rest.take()?;
            let label = loop {
                let Some([first]) = reader.take(1) else { return Some(None) };
                if first & POINTER == POINTER {
                    let Some([second]) = reader.take(1) else { return Some(None) };
                    let target = usize::from(u16::from_be_bytes([first & !POINTER, *second]));
                    if target >= before {
                        return Some(None);
                    }
                    before = target;
                    reader.at = target;
                } else if *first == 0 {
                    return None;
                } else {
                    // The other two uses of the highest bits were never defined.
                    break reader.take(usize::from(*first)).filter(|_| first & POINTER == 0);
                }
            };
            length += 1 + label.map_or(0, <[u8]>::len);
            if label.is_none() || length >= NAME_LIMIT_BYTES {
                return Some(None);
            }
            rest = Some(reader);
            Some(label)
        })
    }

    /// Whether it consists of these labels; letters of either case are the same.
    pub(super) fn is(self, labels: &[&str]) -> bool {
        let mut wanted = labels.iter();
        let all = self.labels().all(|label| {
            let pair = label.zip(wanted.next());
            pair.is_some_and(|(label, wanted)| label.eq_ignore_ascii_case(wanted.as_bytes()))
        });
        all && wanted.next().is_none()
    }
}

/// Writes a message. What finds no room spoils it, which [`Writer::finish`] tells.
pub(super) struct Writer<'a> {
    bytes: &'a mut [u8],
    length: usize,
    fits: bool,
    counts: [u16; 4],
}

/// Which part of a message a record goes to. They are written in this order.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Question = 0,
    Answer = 1,
    Authority = 2,
    Additional = 3,
}

impl<'a> Writer<'a> {
    /// A message with this header.
    pub(super) fn new(bytes: &'a mut [u8], id: u16, flags: u16) -> Self {
        let mut writer = Self { bytes, length: 0, fits: true, counts: [0; 4] };
        writer.short(id);
        writer.short(flags);
        writer.put(&[0; 8]);
        writer
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        match self.bytes.get_mut(self.length..end) {
            Some(room) if self.fits => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            _ => self.fits = false,
        }
    }

    fn short(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn count(&mut self, part: Part) {
        if let Some(count) = self.counts.get_mut(part as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// A name of labels of 1 to 63 bytes.
    fn name(&mut self, labels: &[&str]) {
        for label in labels {
            match u8::try_from(label.len()) {
                Ok(length @ 1..=63) => self.put(&[length]),
                _ => self.fits = false,
            }
            self.put(label.as_bytes());
        }
        self.put(&[0]);
    }

    /// A question.
    pub(super) fn question(&mut self, labels: &[&str], kind: u16, class: u16) {
        self.count(Part::Question);
        self.name(labels);
        self.short(kind);
        self.short(class);
    }

    /// Repeats a question.
    pub(super) fn repeat(&mut self, question: &Question<'_>) {
        self.count(Part::Question);
        for label in question.name.labels() {
            let Some(label) = label else {
                self.fits = false;
                return;
            };
            self.put(&[u8::try_from(label.len()).unwrap_or(0)]);
            self.put(label);
        }
        self.put(&[0]);
        self.short(question.kind);
        self.short(question.class);
    }

    /// A record; `data` writes what is behind its length.
    pub(super) fn record(
        &mut self,
        part: Part,
        owner: Owner<'_>,
        (kind, class, ttl_s): (u16, u16, u32),
        data: &Data<'_>,
    ) {
        self.count(part);
        match owner {
            Owner::Labels(labels) => self.name(labels),
            // The first question stands right behind the header.
            Owner::FirstQuestion => self.put(&[POINTER, 12]),
        }
        self.short(kind);
        self.short(class);
        self.put(&ttl_s.to_be_bytes());
        let length_at = self.length;
        self.short(0);
        match data {
            Data::Address(octets) => self.put(octets),
            Data::Name(labels) => self.name(labels),
            Data::Service { port, host } => {
                // Priority and weight: there is no other.
                self.put(&[0; 4]);
                self.short(*port);
                self.name(host);
            }
            // One empty string (RFC 6763, section 6.1).
            Data::Empty => self.put(&[0]),
        }
        let written = self.length.saturating_sub(length_at).saturating_sub(2);
        if let (Some(room), Ok(length)) =
            (self.bytes.get_mut(length_at..length_at + 2), u16::try_from(written))
            && self.fits
        {
            room.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// How long the message is; `None` if something found no room.
    pub(super) fn finish(self) -> Option<usize> {
        for (count, room) in self.counts.iter().zip(self.bytes.get_mut(4..)?.chunks_exact_mut(2)) {
            room.copy_from_slice(&count.to_be_bytes());
        }
        self.fits.then_some(self.length)
    }
}

/// Whose a record is.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    Labels(&'a [&'a str]),
    /// That of the first question, which was written or repeated.
    FirstQuestion,
}

/// What a record says.
pub(super) enum Data<'a> {
    Address([u8; 4]),
    Name(&'a [&'a str]),
    Service { port: u16, host: &'a [&'a str] },
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn query(names: &[&[&str]]) -> Vec<u8> {
        let mut bytes = [0; 512];
        let mut writer = Writer::new(&mut bytes, 7, 0);
        for name in names {
            writer.question(name, A, IN | TOP_BIT);
        }
        let length = writer.finish().unwrap();
        bytes[..length].to_vec()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = query(&[&["obkmq", "local"], &["_mqtt", "_tcp", "local"]]);
        let message = Message::read(&bytes).unwrap();
        assert!(message.is_query() && !message.is_response());
        assert_eq!(message.id, 7);
        let (questions, answers) = message.parts();
        let questions: Vec<_> = questions.collect();
        assert!(questions[0].name.is(&["OBKMQ", "Local"]));
        assert!(!questions[0].name.is(&["obkmq"]) && !questions[0].name.is(&["obkmq", "local", "x"]));
        assert_eq!((questions[1].kind, questions[1].class), (A, IN));
        assert!(questions[1].name.is(&["_mqtt", "_tcp", "local"]));
        assert_eq!(answers.count(), 0);
    }

    /// A response of Avahi's, shortened: the record's name points to the question's, its data to both.
    #[test]
    fn pointers_lead_to_earlier_names() {
        let mut bytes = query(&[&["_mqtt", "_tcp", "local"]]);
        bytes[2] = 0x84;
        bytes[7] = 1;
        bytes.extend([0xC0, 12, 0, 12, 0, 1, 0, 0, 0x11, 0x94, 0, 6, 3, b'a', b'b', b'c', 0xC0, 12]);
        let message = Message::read(&bytes).unwrap();
        assert!(message.is_response());
        let record = message.parts().1.next().unwrap();
        assert_eq!((record.kind, record.ttl_s), (PTR, 4500));
        assert!(record.name.is(&["_mqtt", "_tcp", "local"]));
        assert!(record.target.is(&["abc", "_mqtt", "_tcp", "local"]));
    }

    #[test]
    fn names_that_lead_round_or_ahead_or_never_end_are_none() {
        for name in [&[0xC0, 12][..], &[0xC0, 200], &[1, b'a', 0xC0, 12], &[0x40, 0], &[63, b'a'], &[0xC0]] {
            let mut bytes = query(&[]);
            bytes[5] = 1;
            bytes.extend(name);
            bytes.extend([0, 1, 0, 1]);
            let message = Message::read(&bytes).unwrap();
            assert!(message.parts().0.all(|question| !question.name.is(&["a"])), "{name:?}");
        }
        let mut bytes = query(&[]);
        bytes[5] = 1;
        bytes.push(65);
        bytes.extend([b'a'; 65]);
        bytes.extend([0, 0, 1, 0, 1]);
        assert_eq!(Message::read(&bytes).unwrap().parts().0.count(), 0, "a label has 63 bytes at most");
        let mut bytes = query(&[]);
        bytes[5] = 2;
        // A question whose name points into the words before it.
        bytes.extend([1, 0x41, 0, 0, 1, 0, 1, 0xC0, 13, 0, 1, 0, 1]);
        bytes.extend([b'a'; 80]);
        bytes[79] = 0;
        let question = Message::read(&bytes).unwrap().parts().0.nth(1).unwrap();
        assert!(question.name.labels().any(|label| label.is_none()));
        let long: Vec<&str> = core::iter::repeat_n("abcdefg", 32).collect();
        let bytes = query(&[&long]);
        assert!(!Message::read(&bytes).unwrap().parts().0.next().unwrap().name.is(&long));
        assert!(Message::read(&bytes[..11]).is_none());
    }

    #[test]
    fn what_finds_no_room_spoils_the_message() {
        let mut bytes = [0; 40];
        for room in 12..40 {
            let mut writer = Writer::new(&mut bytes[..room], 0, 0);
            writer.record(
                Part::Answer,
                Owner::Labels(&["abc", "local"]),
                (A, IN, 9),
                &Data::Address([1, 2, 3, 4]),
            );
            assert_eq!(writer.finish(), (room >= 37).then_some(37), "{room}");
        }
        let mut writer = Writer::new(&mut bytes, 0, 0);
        writer.question(&[""], A, IN);
        assert_eq!(writer.finish(), None, "an empty label would be the end");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_run_away(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(message) = Message::read(&bytes) {
                let (questions, answers) = message.parts();
                let mut out = [0; 512];
                let mut writer = Writer::new(&mut out, 0, 0);
                for question in questions {
                    question.name.is(&["a", "b"]);
                    writer.repeat(&question);
                }
                writer.finish();
                for record in answers {
                    record.name.is(&["a"]);
                    record.target.is(&["a"]);
                }
            }
        }
    }
}
