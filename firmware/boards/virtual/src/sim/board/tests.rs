use super::*;
use crate::fixtures::merged;
use crate::flash::FlashChip as _;
use crate::rom::{SyncDetector, sync_frame};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

/// A firmware of a few lines: `reboot` resets, everything else is echoed.
struct Echo;

impl Application for Echo {
    fn version(&self) -> &'static str {
        "0.1.0"
    }

    fn run(
        &mut self,
        pty: &Pty,
        _firmware: &boot::Firmware,
        notice: &mut dyn FnMut(&Notice),
    ) -> Result<Outcome, SimError> {
        notice(&Notice::NotListening);
        let mut sync = SyncDetector::default();
        let mut buffer = [0; 256];
        let mut heard = Vec::new();
        loop {
            pty.wait(false, 100).map_err(SimError::Pty)?;
            let count = pty.read(&mut buffer).map_err(SimError::Pty)?;
            if sync.look(&buffer[..count]) {
                return Ok(Outcome::Interrupted);
            }
            heard.extend_from_slice(&buffer[..count]);
            if heard.ends_with(b"reboot\n") {
                return Ok(Outcome::Reboot);
            }
            if heard.ends_with(b"stop\n") {
                return Ok(Outcome::Stopped);
            }
        }
    }
}

/// A board on a thread of its own, and its owner.
struct Owner {
    board: Option<JoinHandle<Result<Ending, SimError>>>,
    notices: Receiver<Notice>,
    port: File,
    options: Options,
    _folder: tempfile::TempDir,
}

impl Owner {
    fn new(flashed: &[u8], faults: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("flash"));
        FileFlash::open(&options.flash, options.flash_bytes).unwrap().program(0, flashed).unwrap();
        for fault in faults {
            options.faults.add(fault.parse().unwrap());
        }
        let (sender, notices) = channel();
        let for_board = options.clone();
        let board = std::thread::spawn(move || {
            let mut notice = |notice: &Notice| sender.send(notice.clone()).unwrap();
            Board::power_on(&for_board, Echo, &mut notice)?.run()
        });
        let Ok(Notice::Started { port, .. }) = notices.recv() else { panic!("no board") };
        let port = fs::OpenOptions::new().read(true).write(true).open(port).unwrap();
        Self { board: Some(board), notices, port, options, _folder: folder }
    }

    /// Waits for a notice of this kind.
    fn wait_for(&self, wanted: impl Fn(&Notice) -> bool) -> Notice {
        loop {
            let notice = self.notices.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
            if wanted(&notice) {
                return notice;
            }
        }
    }

    fn wait_for_words(&self, words: &str) {
        self.wait_for(|notice| matches!(notice, Notice::Chip(line) if line.contains(words)));
    }

    /// Sends bytes and waits until these come back.
    fn exchange(&mut self, bytes: &[u8], wanted: &[u8]) {
        self.port.write_all(bytes).unwrap();
        let mut heard = Vec::new();
        let mut byte = [0];
        while !heard.ends_with(wanted) {
            let timeout = Timespec { tv_sec: 20, tv_nsec: 0 };
            let ready = poll(&mut [PollFd::new(&self.port, PollFlags::IN)], Some(&timeout)).unwrap();
            assert_eq!(ready, 1, "the board is silent; so far it said {heard:02X?}");
            self.port.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
    }

    fn end(mut self) -> Ending {
        self.options.stop.request();
        // Whoever waits for the line looks at the request when something comes.
        let _ = self.port.write_all(b"stop\n");
        self.board.take().unwrap().join().unwrap().unwrap()
    }
}

const LAST_SYNC_REPLY: [u8; 14] = [0xC0, 1, 8, 4, 0, 7, 7, 0x12, 0x20, 0, 0, 0, 0, 0xC0];

/// FLASH_BEGIN of nothing, then FLASH_END: run what is in flash.
fn run_user_code() -> Vec<u8> {
    let mut line = vec![0xC0, 0, 2, 16, 0, 0, 0, 0, 0];
    line.extend_from_slice(&[0; 16]);
    line.extend_from_slice(&[0xC0, 0xC0, 0, 4, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xC0]);
    line
}

#[test]
fn a_blank_board_waits_for_a_flasher() {
    let mut owner = Owner::new(&[], &[]);
    owner.wait_for(|notice| *notice == Notice::NotBooting(boot::Refusal::NothingFlashed));
    owner.wait_for_words("waiting for download");
    owner.exchange(&sync_frame(), &LAST_SYNC_REPLY);
    owner.port.write_all(&run_user_code()).unwrap();
    owner.wait_for(|notice| *notice == Notice::Reset);
    owner.wait_for_words("invalid header: 0xffffffff");
    assert_eq!(owner.end(), Ending::Stopped);
}

#[test]
fn a_flashed_board_runs_reboots_and_can_be_interrupted_by_a_flasher() {
    let mut owner = Owner::new(&merged("0.1.0"), &[]);
    owner.wait_for(|notice| matches!(notice, Notice::Booting { version, .. } if version == "0.1.0"));
    owner.wait_for(|notice| *notice == Notice::NotListening);
    owner.port.write_all(b"reboot\n").unwrap();
    owner.wait_for_words("rst:0x3 (RTC_SW_SYS_RST),boot:0xc (SPI_FAST_FLASH_BOOT)");
    owner.wait_for(|notice| *notice == Notice::NotListening);
    // The very SYNC that interrupts is answered.
    owner.exchange(&sync_frame(), &LAST_SYNC_REPLY.repeat(8));
    owner.wait_for(|notice| *notice == Notice::Interrupted);
    owner.port.write_all(&run_user_code()).unwrap();
    owner.wait_for(|notice| matches!(notice, Notice::Booting { .. }));
    assert_eq!(owner.end(), Ending::Stopped);
}

#[test]
fn another_version_is_named() {
    let owner = Owner::new(&merged("9.9.9"), &[]);
    let notice = owner.wait_for(|notice| matches!(notice, Notice::OtherVersion { .. }));
    assert_eq!(
        notice.to_string(),
        "warning: obkmq 9.9.9 is flashed, but 0.1.0 runs: this board cannot execute what is flashed."
    );
    assert_eq!(owner.end(), Ending::Stopped);
}

#[test]
fn power_that_goes_ends_the_board_with_what_was_written() {
    let mut owner = Owner::new(&[], &["power-loss-after=4100"]);
    owner.wait_for_words("waiting for download");
    // SPI_ATTACH, FLASH_BEGIN of one sector, FLASH_DATA of eight bytes.
    let mut line = vec![0xC0, 0, 0x0D, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xC0];
    line.extend_from_slice(&[
        0xC0, 0, 2, 16, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0xC0,
    ]);
    line.extend_from_slice(&[0xC0, 0, 3, 24, 0, 0xEF, 0, 0, 0, 8, 0, 0, 0]);
    line.extend_from_slice(&[0; 20]);
    line.push(0xC0);
    owner.port.write_all(&line).unwrap();
    assert_eq!(owner.board.take().unwrap().join().unwrap().unwrap(), Ending::PowerLost);
    let mut cells = [0xAA; 8];
    FileFlash::open(&owner.options.flash, owner.options.flash_bytes).unwrap().read(0, &mut cells).unwrap();
    assert_eq!(cells, [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn a_flash_file_in_use_is_named() {
    let owner = Owner::new(&[], &[]);
    owner.wait_for_words("waiting for download");
    let mut notice = |_: &Notice| {};
    let second = Board::power_on(&owner.options, Echo, &mut notice).err().unwrap();
    assert!(second.to_string().ends_with("the flash file is in use by another program"), "{second}");
    assert_eq!(owner.end(), Ending::Stopped);
}
