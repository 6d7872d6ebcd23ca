//! What an owner has set is not lost: first set-up in one pass, backup and restore.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Program, connack, image};

use crate::story::Sim;
use crate::{host, test};

const SETTINGS: i32 = 8;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test("a_board_that_is_flashed_with_settings_starts_with_them", flash_with_settings),
        test("a_backup_makes_a_spare_board_the_same", backup_and_restore),
        test("a_backup_has_what_the_board_was_still_to_store", backup_of_what_waits),
        test("an_interrupted_backup_goes_on_where_it_stopped", interrupted_backup),
    ]
}

fn flash_with_settings() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let image = image::esp32c3();
    let image = image.to_str().unwrap();
    let file = host::settings_file(home);
    let mut sim = Sim::start(home, &[]);
    let flash = |port: &str, more: &[&str]| {
        Program::obkmq(home).args(["flash", "--port", port, "--image", image]).args(more).run()
    };
    let ended = flash(&sim.port, &["--config", &file]).expect(0);
    assert!(ended.output.contains("1 user"), "{}", ended.output);
    assert_eq!(connack(sim.running(), Some(("house", "correct horse"))), Some(0));

    // What is there by now is not written over without a word.
    let refused = flash(&sim.port, &["--config", &file]).expect(SETTINGS);
    assert!(refused.errors.contains("--replace-settings"), "{}", refused.errors);
    // It runs again, as it did before, and does after it was flashed without settings.
    assert_eq!(connack(sim.running(), Some(("house", "correct horse"))), Some(0));
    flash(&sim.port, &[]).expect(0);
    assert_eq!(connack(sim.running(), Some(("house", "correct horse"))), Some(0));

    fs::write(home.join("password"), "another\n").unwrap();
    flash(&sim.port, &["--config", &file, "--replace-settings"]).expect(0);
    let broker = sim.running();
    assert_eq!(connack(broker, Some(("house", "correct horse"))), Some(4));
    assert_eq!(connack(broker, Some(("house", "another"))), Some(0));

    // The region alone, for a factory, does the same.
    Program::obkmq(home).args(["config", "pack", &file, "-o", "settings.bin"]).run().expect(0);
    drop(sim);
    let mut flash = fs::read(home.join("board.flash")).unwrap();
    let region = fs::read(home.join("settings.bin")).unwrap();
    flash[0xB000..0xB000 + region.len()].copy_from_slice(&region);
    fs::write(home.join("board.flash"), flash).unwrap();
    assert_eq!(connack(Sim::start(home, &[]).running(), Some(("house", "another"))), Some(0));
}

/// A board with a user and a retained message that survives.
fn furnished(home: &Path) -> Sim {
    served(home).0
}

/// The same, and where its broker is.
fn served(home: &Path) -> (Sim, SocketAddr) {
    let file = host::settings_file(home);
    let image = image::esp32c3();
    let mut sim = Sim::start(home, &[]);
    let flash = ["flash", "--port", &sim.port, "--image", image.to_str().unwrap(), "--config", &file];
    Program::obkmq(home).args(flash).run().expect(0);
    let broker = sim.running();
    let mut client = obkmq_tests::Client::open(broker);
    client.send(&login());
    assert_eq!(client.read(4), [0x20, 2, 0, 0]);
    client.send(&publish());
    assert_eq!(client.read(4), [0x40, 2, 0, 1]);
    (sim, broker)
}

/// A board stores a message each 0.2 s, and a backup does not wait for that.
fn backup_of_what_waits() {
    const MANY: usize = 100;
    let home = tempfile::tempdir().unwrap();
    let (sim, broker) = served(home.path());
    let mut client = obkmq_tests::Client::open(broker);
    client.send(&login());
    assert_eq!(client.read(4), [0x20, 2, 0, 0]);
    for number in 0..MANY {
        let mut packet =
            format!("\x31\x00\x00\x12homeassistant/{number:04}still-waiting-{number:04}").into_bytes();
        packet[1] = u8::try_from(packet.len() - 2).unwrap();
        client.send(&packet);
    }
    client.send(&publish());
    assert_eq!(client.read(4), [0x40, 2, 0, 1]);
    Program::obkmq(home.path()).args(["backup", "board.bin", "--port", &sim.port]).run().expect(0);
    let flash = fs::read(home.path().join("board.bin")).unwrap();
    let text = String::from_utf8_lossy(&flash);
    let missing: Vec<_> =
        (0..MANY).filter(|number| !text.contains(&format!("still-waiting-{number:04}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// CONNECT of "house".
fn login() -> Vec<u8> {
    let mut packet =
        b"\x10\x27\x00\x04MQTT\x04\xC2\x00\x3C\x00\x05spare\x00\x05house\x00\x0dcorrect horse".to_vec();
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    packet
}

/// PUBLISH of a retained message at QoS 1.
fn publish() -> Vec<u8> {
    let mut packet = b"\x33\x00\x00\x16homeassistant/kept/top\x00\x01kept".to_vec();
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    packet
}

/// Types lines on a board's console, and gives the first line with `wanted` that it says.
fn typed(home: &Path, port: &str, lines: &str, wanted: &str) -> String {
    let mut monitor = Board::start(Program::obkmq(home).args(["monitor", "--port", port]).input(lines));
    monitor.line(wanted)
}

/// A script, as the protocol's page has it.
const SCRIPT_HASH: &str = "0601eae6925969beda8f632288ae72f06c2f20033843c53a1a7905f19003c30a";

fn backup_and_restore() {
    let old = tempfile::tempdir().unwrap();
    let mut sim = furnished(old.path());
    let put = format!("file put hello.be 10 {SCRIPT_HASH}\nfile data 0 cHJpbnQoMSsyKQ\nfile end\nfile ls\n");
    typed(old.path(), &sim.port, &put, SCRIPT_HASH);
    let backup = ["backup", "board.bin", "--port", &sim.port];
    let ended = Program::obkmq(old.path()).args(backup).run().expect(0);
    assert!(ended.errors.contains("keep it to yourself") && ended.output.contains("sha256"), "{ended:?}");
    // It serves again by itself.
    assert_eq!(connack(sim.running(), Some(("house", "correct horse"))), Some(0));
    drop(sim);

    let spare = tempfile::tempdir().unwrap();
    let file = old.path().join("board.bin");
    let file = file.to_str().unwrap();
    let mut sim = Sim::start(spare.path(), &[]);
    let restore = |more: &[&str]| {
        Program::obkmq(spare.path()).args(["restore", file, "--port", &sim.port]).args(more).run()
    };
    restore(&[]).expect(2);
    let ended = restore(&["--yes"]).expect(0);
    assert!(ended.output.contains("verified; obkmq"), "{}", ended.output);
    let broker = sim.running();
    let mut client = obkmq_tests::Client::open(broker);
    client.send(&login());
    assert_eq!(client.read(4), [0x20, 2, 0, 0]);
    // SUBSCRIBE to everything.
    client.send(b"\x82\x06\x00\x02\x00\x01#\x00");
    assert_eq!(client.read(5), [0x90, 3, 0, 2, 0]);
    let mut message = publish();
    // It comes at QoS 0, so without a packet identifier.
    message[0] = 0x31;
    message[1] -= 2;
    message.drain(26..28);
    assert_eq!(client.read(message.len()), message);
    let listed = typed(spare.path(), &sim.port, "file ls\n", "name=hello.be");
    assert!(listed.contains(SCRIPT_HASH), "{listed}");
    // The whole flash is the same, but for what the spare board has done since.
    let backup = fs::read(file).unwrap();
    let flash = fs::read(spare.path().join("board.flash")).unwrap();
    assert_eq!(flash.len(), backup.len());
    assert!(flash[..0x9000] == backup[..0x9000] && flash[0xB000..0x39_0000] == backup[0xB000..0x39_0000]);
}

fn interrupted_backup() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let sim = furnished(home);
    let port = sim.port.clone();
    let backup = || Program::obkmq(home).args(["backup", "board.bin", "--port", &port]);
    let first = Board::start(backup());
    // Something of it is there.
    let part = home.join("board.bin.part");
    obkmq_tests::wait_until(|| fs::metadata(&part).is_ok_and(|file| file.len() >= 128 * 1024));
    drop(first);
    assert!(!home.join("board.bin").exists());
    let ended = backup().run().expect(0);
    assert!(ended.output.contains("of them from before"), "{}", ended.output);
    drop(sim);
    let (backup, flash) =
        (fs::read(home.join("board.bin")).unwrap(), fs::read(home.join("board.flash")).unwrap());
    assert!(backup.len() == flash.len() && backup[..0x31_0000] == flash[..0x31_0000]);
}
