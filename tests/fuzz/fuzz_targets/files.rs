//! Files in flash: whatever stands in the region, a node boots, lists, reads, takes another file and boots again. What it
//! has acknowledged can be read, over restarts and behind further files too.
//!
//! The input is the beginning of the region; the rest is erased.
#![no_main]

use std::convert::Infallible;

use embedded_storage::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};
use libfuzzer_sys::fuzz_target;
use obkmq_node::{
    Anonymous, Board, Capabilities, FileName, HeapUse, Identity, Instant, Limits, Node, Regions,
};

const PAGE: u32 = 4096;
/// Behind settings and retained messages, of two pages each.
const FILES_AT: u32 = 4 * PAGE;
const FLASH_BYTES: u32 = FILES_AT + 8 * PAGE;
/// More turns than the removal of everything that has room in the region takes.
const TURNS: usize = 10_000;

const NAMES: [&str; 4] = ["new", "another", "third", "last"];
const CONTENTS: &[u8] = b"hello";
const PUT: &str = "file put NAME 5 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n\
    file data 0 aGVsbG8\n";

struct Flash(Vec<u8>);

impl ErrorType for Flash {
    type Error = Infallible;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        assert!(offset >= FILES_AT, "settings and retained messages are none of its business");
        for (cell, byte) in self.0[offset as usize..][..bytes.len()].iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}

struct TestBoard<'a>(&'a mut Flash);

impl Board for TestBoard<'_> {
    type Flash = Flash;

    fn flash(&mut self) -> &mut Flash {
        self.0
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }

    fn heap(&self) -> Option<HeapUse> {
        None
    }
}

fn boot(flash: &mut Flash) -> Node<TestBoard<'_>> {
    let identity = Identity {
        chip: "none",
        board: "fuzz",
        firmware: "0",
        capabilities: Capabilities::NONE,
        limits: Limits::default(),
        anonymous_without_users: Anonymous::Never,
    };
    let regions =
        Regions { settings: 0..2 * PAGE, retained: 2 * PAGE..FILES_AT, files: FILES_AT..FLASH_BYTES };
    let mut node = Node::boot(TestBoard(flash), identity, regions, Instant::from_millis(1));
    said(&mut node);
    node
}

/// Lets the node work until it waits for something; what its console says.
fn said(node: &mut Node<TestBoard<'_>>) -> String {
    let now = Instant::from_millis(1);
    let rests = |node: &mut Node<TestBoard<'_>>| node.poll(now).is_none_or(|deadline| deadline > now);
    assert!((0..TURNS).any(|_| rests(node)), "the node never rests");
    let text = String::from_utf8(node.console_output().to_vec()).expect("a console says text");
    node.console_written(text.len());
    text
}

/// Reads what can be read of a file.
fn read(node: &mut Node<TestBoard<'_>>, name: &FileName) -> Option<Vec<u8>> {
    let mut contents = Vec::new();
    let mut piece = [0; 700];
    loop {
        let offset = u32::try_from(contents.len()).expect("no file is larger than the region");
        match node.read_file(name, offset, &mut piece).ok()? {
            0 => return Some(contents),
            length => contents.extend_from_slice(&piece[..length]),
        }
    }
}

fn read_all(node: &mut Node<TestBoard<'_>>) {
    let files: Vec<_> = node.files().cloned().collect();
    for file in files {
        if let Some(contents) = read(node, &file.name) {
            assert_eq!(u32::try_from(contents.len()), Ok(file.bytes));
        }
    }
}

/// Puts [`CONTENTS`] under a name; whether that was acknowledged.
fn put(node: &mut Node<TestBoard<'_>>, name: &str) -> bool {
    node.console_input(PUT.replace("NAME", name).as_bytes());
    said(node);
    node.console_input(b"file end\n");
    said(node).starts_with("ok")
}

fuzz_target!(|input: &[u8]| {
    let mut flash = Flash(vec![0xFF; FLASH_BYTES as usize]);
    for (cell, byte) in flash.0[FILES_AT as usize..].iter_mut().zip(input) {
        *cell = *byte;
    }
    let mut acknowledged = Vec::new();
    for name in NAMES {
        let mut node = boot(&mut flash);
        read_all(&mut node);
        node.console_input(b"file ls\n");
        assert!(said(&mut node).contains("free="));
        // What is there already may be of the input.
        if !node.files().any(|file| file.name.as_str() == name) && put(&mut node, name) {
            acknowledged.push(FileName::new(name).expect("a name"));
        }
        for name in &acknowledged {
            assert_eq!(read(&mut node, name).as_deref(), Some(CONTENTS), "acknowledged and lost");
        }
    }
});
