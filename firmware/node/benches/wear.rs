//! How long the flash of a house lasts: `cargo bench -p obkmq-node --bench wear`.
//!
//! The real node on flash in memory that counts erasures, in simulated time, with the regions of both partition tables.
//! Flash chips of these boards are specified for 100,000 erasures of a page; the worst ones for 10,000.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    missing_docs
)]

use std::convert::Infallible;
use std::ops::Range;

use embedded_storage::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};
use obkmq_node::{
    Anonymous, Board, Capabilities, HeapUse, Identity, Instant, Limits, LinkId, Node, Regions, Want,
};

const PAGE_BYTES: u32 = 4096;
const DEVICES: usize = 30;
const ENTRIES_A_DEVICE: usize = 2;
const ENTRY_BYTES: usize = 1_500;
const DAY_S: u64 = 24 * 60 * 60;

struct Counting {
    cells: Vec<u8>,
    erasures: Vec<u32>,
}

impl ErrorType for Counting {
    type Error = Infallible;
}

impl ReadNorFlash for Counting {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.cells[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl NorFlash for Counting {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_BYTES as usize;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.cells[from as usize..to as usize].fill(0xFF);
        for page in from / PAGE_BYTES..to / PAGE_BYTES {
            self.erasures[page as usize] += 1;
        }
        Ok(())
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        for (cell, byte) in self.cells[offset as usize..].iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Counting {}

struct Chip {
    flash: Counting,
    random: u64,
}

impl Board for Chip {
    type Flash = Counting;
    fn flash(&mut self) -> &mut Counting {
        &mut self.flash
    }
    fn fill_random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.random >> 56) as u8;
        }
    }
    fn heap(&self) -> Option<HeapUse> {
        None
    }
}

/// A board in its house.
struct House {
    node: Node<Chip>,
    regions: Regions,
    now: Instant,
    links: Vec<LinkId>,
    closed: usize,
}

impl House {
    fn new(layout: &Layout, persist: &str) -> Self {
        let pages = [layout.settings, layout.files, layout.retained];
        let bytes = pages.map(|pages| pages * PAGE_BYTES);
        let regions = Regions {
            settings: 0..bytes[0],
            files: bytes[0]..bytes[0] + bytes[1],
            retained: bytes[0] + bytes[1]..bytes.iter().sum(),
        };
        let pages: u32 = pages.iter().sum();
        let flash =
            Counting { cells: vec![0xFF; (pages * PAGE_BYTES) as usize], erasures: vec![0; pages as usize] };
        let identity = Identity {
            chip: "simulated",
            board: "wear",
            firmware: "0",
            capabilities: Capabilities::NONE,
            limits: Limits::default(),
            anonymous_without_users: Anonymous::Always,
        };
        let chip = Chip { flash, random: 1 };
        let node = Node::boot(chip, identity, regions.clone(), Instant::ZERO);
        let mut house = Self { node, regions, now: Instant::ZERO, links: Vec::new(), closed: 0 };
        house.typed(&format!("set retain.persist \"{persist}\""));
        for device in 0..DEVICES {
            house.connect(device);
        }
        for device in 0..DEVICES {
            house.announce(device, 0);
        }
        house.wait_s(600);
        house
    }

    fn typed(&mut self, line: &str) {
        self.node.console_input(format!("{line}\n").as_bytes());
        self.settle();
        let answer = String::from_utf8_lossy(self.node.console_output()).into_owned();
        assert!(!answer.contains("error"), "{answer}");
        self.node.console_written(answer.len());
    }

    fn settle(&mut self) {
        while self.node.poll(self.now).is_some_and(|due| due <= self.now) {}
        let mut buffer = [0; 256];
        while let Some((link, want)) = self.node.next_want() {
            self.closed += usize::from(want == Want::Close);
            let filled = self.node.fill(link, &mut buffer);
            self.node.sent(self.now, link, filled);
        }
        while self.node.next_action().is_some() {}
        let written = self.node.console_output().len();
        self.node.console_written(written);
    }

    fn wait_s(&mut self, seconds: u64) {
        let end = self.now.saturating_add_millis(seconds * 1000);
        loop {
            self.settle();
            match self.node.poll(self.now) {
                Some(due) if due < end => self.now = due.max(self.now),
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    fn connect(&mut self, device: usize) {
        let link = self.node.opened(self.now, ([192, 168, 1, 10], 1000 + device as u16).into()).unwrap();
        let id = format!("device{device}");
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
        body.extend((id.len() as u16).to_be_bytes());
        body.extend(id.as_bytes());
        self.send(link, 0x10, &body);
        self.links.push(link);
    }

    fn send(&mut self, link: LinkId, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut rest = body.len();
        while rest >= 128 {
            packet.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        packet.push(rest as u8);
        packet.extend(body);
        assert_eq!(self.node.receive(self.now, link, &packet), packet.len());
        self.settle();
    }

    fn publish(&mut self, device: usize, topic: &str, payload: &[u8]) {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        body.extend(payload);
        self.send(self.links[device], 0x31, &body);
    }

    /// A device tells Home Assistant what it is.
    fn announce(&mut self, device: usize, version: usize) {
        for entry in 0..ENTRIES_A_DEVICE {
            let topic = format!("homeassistant/light/obk{device}_{entry}/config");
            let mut payload = format!("{{\"version\":{version},").into_bytes();
            payload.resize(ENTRY_BYTES, b'x');
            self.publish(device, &topic, &payload);
        }
    }

    fn erasures(&self, region: &Range<u32>) -> &[u32] {
        let pages = (region.start / PAGE_BYTES) as usize..(region.end / PAGE_BYTES) as usize;
        &self.node.board().flash.erasures[pages]
    }
}

/// Pages of each region, as `firmware/image/src/layout.rs` has them.
struct Layout {
    name: &'static str,
    settings: u32,
    files: u32,
    retained: u32,
}

const LAYOUTS: [Layout; 2] = [
    Layout { name: "4 MB", settings: 5, files: 128, retained: 112 },
    Layout { name: "2 MB", settings: 5, files: 40, retained: 40 },
];

fn years(erasures_of_worst_page: u32, days: u64, endurance: f64) -> String {
    if erasures_of_worst_page == 0 {
        return "> 1000".to_owned();
    }
    let a_year = f64::from(erasures_of_worst_page) * 365.0 / days as f64;
    let years = endurance / a_year;
    if years > 1000.0 { "> 1000".to_owned() } else { format!("{years:.0}") }
}

/// 10,000 changes of settings.
fn settings(layout: &Layout) {
    const SAVES: usize = 10_000;
    let mut house = House::new(layout, "homeassistant/#");
    for user in 0..10 {
        house.typed(&format!(
            "user hash user{user} $pbkdf2-sha256$i=4096$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
        ));
    }
    let before = house.erasures(&house.regions.settings).to_vec();
    for save in 0..SAVES {
        house.typed(&format!("set mqtt.port {}", 2000 + save % 1000));
    }
    let after = house.erasures(&house.regions.settings);
    let each: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let worst = each.iter().max().copied().unwrap_or(0);
    println!(
        "{}: {SAVES} saves of settings with 10 users erase each of {} pages {} to {worst} times; at one save a day \
         100,000 erasures last {} years",
        layout.name,
        each.len(),
        each.iter().min().copied().unwrap_or(0),
        years(worst, SAVES as u64, 100_000.0)
    );
}

/// A house for some days: each device says its state once a minute, comes back and announces itself four times a day,
/// and is another one (firmware, name) once in thirty days.
fn house(layout: &Layout, persist: &str, what: &str) {
    const DAYS: u64 = 30;
    const MINUTES_A_DAY: u64 = DAY_S / 60;
    let mut house = House::new(layout, persist);
    let before = house.erasures(&house.regions.retained).to_vec();
    for minute in 0..DAYS * MINUTES_A_DAY {
        for device in 0..DEVICES {
            let payload = format!("{{\"POWER\":\"ON\",\"uptime\":{minute},\"device\":{device}}}");
            house.publish(device, &format!("tele/device{device}/STATE"), payload.as_bytes());
        }
        let (day, of_day) = (minute / MINUTES_A_DAY, minute % MINUTES_A_DAY);
        if of_day % (MINUTES_A_DAY / 4) == 0 {
            for device in 0..DEVICES {
                let version = usize::from(day as usize >= device);
                house.announce(device, version);
            }
        }
        house.wait_s(60);
    }
    assert_eq!(house.closed, 0, "every device stays");
    let after = house.erasures(&house.regions.retained);
    let each: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let (worst, all) = (each.iter().max().copied().unwrap_or(0), each.iter().sum::<u32>());
    println!(
        "{}: {DEVICES} devices, {} entries of {ENTRY_BYTES} bytes, {what}: in {DAYS} days {all} erasures over {} pages, \
         {worst} of the worst page; 100,000 last {} years, 10,000 last {}",
        layout.name,
        DEVICES * ENTRIES_A_DEVICE,
        each.len(),
        years(worst, DAYS, 100_000.0),
        years(worst, DAYS, 10_000.0)
    );
}

fn main() {
    for layout in &LAYOUTS {
        settings(layout);
        house(layout, "homeassistant/#", "states not kept (the default)");
        house(layout, "homeassistant/#,tele/#", "every state kept");
    }
}
