//! The node on a board in memory: simulated time, flash whose power can be cut, clients made of bytes.

mod accounts;
mod attached;
#[cfg(feature = "automation")]
mod automation;
mod console;
mod damage;
#[cfg(feature = "discovery")]
mod discovery;
#[cfg(feature = "scripts")]
mod examples;
mod files;
mod flash;
mod improv;
mod power;
mod reconnect;
mod retained;
#[cfg(feature = "scripts")]
mod script_events;
#[cfg(feature = "scripts")]
mod scripts;
mod sessions;
mod settings;
mod start;
mod trial;
mod wifi;
mod wire;

use std::string::String;
use std::vec::Vec;
use std::{format, println, vec};

use flash::Ram;

use crate::{
    Action, Anonymous, Board, Capabilities, Capability, HeapUse, Identity, Instant, Limits, LinkId, Node,
    Radio, Regions, Start, Want,
};

const SETTINGS_BYTES: u32 = 0x5000;
const FILES_AT: u32 = 0xA000;
const FLASH_BYTES: u32 = 0x1_2000;

struct TestBoard {
    flash: Ram,
    random: u8,
    radio: Option<wifi::TestRadio>,
    /// How it has come to run.
    start: Option<Start>,
    /// What the board's clock shows.
    unix_s: Option<i64>,
}

impl Board for TestBoard {
    type Flash = Ram;
    fn flash(&mut self) -> &mut Ram {
        &mut self.flash
    }
    fn fill_random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.random = self.random.wrapping_mul(181).wrapping_add(97);
            *byte = self.random;
        }
    }
    fn heap(&self) -> Option<HeapUse> {
        Some(HeapUse { used_bytes: 1, free_bytes: 2 })
    }
    fn unix_seconds(&mut self) -> Option<i64> {
        self.unix_s
    }
    fn start(&self) -> Option<&Start> {
        self.start.as_ref()
    }
    fn radio(&mut self) -> Option<&mut dyn Radio> {
        self.radio.as_mut().map(|radio| radio as &mut dyn Radio)
    }
}

/// A node and its surroundings.
struct World {
    node: Node<TestBoard>,
    now: Instant,
    next_port: u16,
}

impl World {
    fn boot(flash: Ram) -> Self {
        Self::boot_with(flash, Limits::default())
    }

    fn boot_with(flash: Ram, limits: Limits) -> Self {
        Self::boot_as(flash, Self::identity(limits))
    }

    fn identity(limits: Limits) -> Identity {
        Identity {
            chip: "esp32c3",
            board: "test",
            firmware: "1.2.3",
            capabilities: Capabilities::NONE,
            limits,
            anonymous_without_users: Anonymous::Never,
        }
    }

    fn boot_as(flash: Ram, identity: Identity) -> Self {
        let radio = identity.capabilities.has(Capability::Wifi).then(wifi::TestRadio::default);
        Self::boot_board(TestBoard { flash, random: 7, radio, start: None, unix_s: None }, identity)
    }

    fn boot_board(board: TestBoard, identity: Identity) -> Self {
        let regions = Regions {
            settings: 0..SETTINGS_BYTES,
            retained: SETTINGS_BYTES..FILES_AT,
            files: FILES_AT..FLASH_BYTES,
        };
        let now = Instant::from_millis(1);
        let node = Node::boot(board, identity, regions, now);
        Self { node, now, next_port: 1000 }
    }

    /// The flash as a reset finds it.
    fn power_off(self) -> Ram {
        Ram { cut: None, heals: false, unreadable: false, worn: None, ..self.node.board.flash }
    }

    fn restart(self) -> Self {
        Self::boot(self.power_off())
    }

    /// Lets the node work until it waits for something; how many turns it took.
    fn settle(&mut self) -> u32 {
        for turn in 0..100_000 {
            match self.node.poll(self.now) {
                Some(deadline) if deadline <= self.now => {}
                _ => return turn,
            }
        }
        panic!("the node never rests");
    }

    fn wait_ms(&mut self, millis: u64) {
        self.now = self.now.saturating_add_millis(millis);
        self.settle();
    }

    fn console_text(&mut self) -> String {
        let mut text = String::new();
        loop {
            let bytes = self.node.console_output();
            if bytes.is_empty() {
                return text;
            }
            text.push_str(std::str::from_utf8(bytes).unwrap());
            let written = bytes.len();
            self.node.console_written(written);
        }
    }

    /// Types a line; everything the console prints then.
    fn typed(&mut self, line: &str) -> String {
        self.node.console_input(format!("{line}\n").as_bytes());
        self.settle();
        self.console_text()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.node.next_action()).collect()
    }

    fn open(&mut self) -> LinkId {
        self.open_from("192.168.1.9")
    }

    fn open_from(&mut self, address: &str) -> LinkId {
        self.next_port += 1;
        self.node.opened(self.now, format!("{address}:{}", self.next_port).parse().unwrap()).unwrap()
    }

    fn receive(&mut self, link: LinkId, bytes: &[u8]) {
        assert_eq!(self.node.receive(self.now, link, bytes), bytes.len());
        self.settle();
    }

    /// What the node sends to a link.
    fn sent(&mut self, link: LinkId) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 256];
        loop {
            let filled = self.node.fill(link, &mut buffer);
            if filled == 0 {
                return all;
            }
            all.extend(&buffer[..filled]);
            self.node.sent(self.now, link, filled);
        }
    }

    /// Connects as a user; the CONNACK's return code.
    fn connect(&mut self, id: &str, user: &str, password: &str) -> (LinkId, u8) {
        let link = self.open();
        self.receive(link, &connect_packet(id, Some((user, password))));
        let answer = self.sent(link);
        assert_eq!((answer.len(), answer[0], answer[1]), (4, 0x20, 2), "{answer:?}");
        (link, answer[3])
    }

    /// Connects without credentials, and with no session to be kept.
    fn connect_cleanly(&mut self, id: &str) {
        let link = self.open();
        self.receive(link, &connect_packet(id, None));
        assert_eq!(self.sent(link), [0x20, 2, 0, 0]);
    }

    /// The links that are to be closed.
    fn closing(&mut self) -> Vec<LinkId> {
        let mut links = Vec::new();
        while let Some((link, want)) = self.node.next_want() {
            if want == Want::Close {
                links.push(link);
            }
        }
        links
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    let mut packet = vec![first, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    packet
}

fn connect_packet(id: &str, credentials: Option<(&str, &str)>) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([4, if credentials.is_some() { 0xC2 } else { 0x02 }, 0, 60]);
    text(&mut body, id);
    if let Some((user, password)) = credentials {
        text(&mut body, user);
        text(&mut body, password);
    }
    packet(0x10, &body)
}

fn publish_retained(topic: &str, payload: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(payload.as_bytes());
    packet(0x31, &body)
}
