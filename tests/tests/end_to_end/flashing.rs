//! What goes wrong while flashing, and that nothing worse follows from it.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Program, Tool, image};

use crate::story::Sim;
use crate::{test, test_with};

const WRONG_IMAGE: i32 = 6;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test("power_pulled_in_the_middle_of_flashing_leaves_a_board_that_says_so", power_pulled),
        test("an_interrupted_flasher_leaves_a_board_that_the_next_one_can_flash", interrupted),
        test("what_is_no_image_for_the_board_is_refused_before_anything_is_erased", wrong_images),
        test_with("esptool_identifies_writes_and_verifies_through_the_rom_loader", &[Tool::ESPTOOL], esptool),
    ]
}

fn flash(home: &Path, port: &str, image: &Path) -> Program {
    Program::obkmq(home).args(["flash", "--port", port, "--image", image.to_str().unwrap()])
}

fn power_pulled() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let image = image::esp32c3();
    let sim = Sim::start(home, &["--fault", "power-loss-after=60000"]);
    let ended = flash(home, &sim.port, &image).run();
    assert!(matches!(ended.code, Some(5 | 7)), "{ended:?}");
    assert!(ended.errors.contains("next:"), "{}", ended.errors);
    drop(sim);

    let mut sim = Sim::start(home, &[]);
    sim.board.line("does not boot");
    Program::obkmq(home).args(["info", "--port", &sim.port]).run().expect(5);
    flash(home, &sim.port, &image).run().expect(0);
    Program::obkmq(home).args(["info", "--port", &sim.port]).run().expect(0);
}

/// The stub of the first run still answers, and a pty has no line to reset it by.
fn interrupted() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let image = image::esp32c3();
    let sim = Sim::start(home, &[]);
    let mut first = Board::start(flash(home, &sim.port, &image));
    first.line("retained");
    drop(first);
    flash(home, &sim.port, &image).run().expect(0);
}

fn wrong_images() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let good = image::esp32c3();
    let sim = Sim::start(home, &[]);
    let before = fs::read(home.join("board.flash")).unwrap();
    let files = [
        ("another-chip.bin", image::for_esp32(), "ESP32"),
        ("truncated.bin", image::first_half(&good), "truncated"),
        ("notes.txt", b"This is a text, not firmware.\n".to_vec(), "not"),
        ("empty.bin", Vec::new(), "empty"),
    ];
    for (name, bytes, word) in files {
        let path = home.join(name);
        fs::write(&path, bytes).unwrap();
        let ended = flash(home, &sim.port, &path).run().expect(WRONG_IMAGE);
        let text = ended.errors.to_lowercase();
        assert!(text.contains(&word.to_lowercase()) && text.contains("next:"), "{name}: {}", ended.errors);
    }
    assert!(fs::read(home.join("board.flash")).unwrap() == before, "something was erased");
}

fn esptool() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let image = image::esp32c3();
    let image = image.to_str().unwrap();
    let sim = Sim::start(home, &[]);
    let esptool = |arguments: &[&str]| {
        let common =
            ["--chip", "esp32c3", "--port", &sim.port, "--before", "no-reset", "--after", "no-reset"];
        Program::new("esptool").args(common).args(arguments).run().expect(0).output
    };
    let identity = esptool(&["flash-id"]);
    assert!(identity.contains("ESP32-C3") && identity.contains("4MB"), "{identity}");
    esptool(&["write-flash", "0x0", image]);
    let verified = esptool(&["verify-flash", "0x0", image]);
    assert!(verified.contains("Verification successful"), "{verified}");
    let read = home.join("read.bin");
    esptool(&["read-flash", "0x10000", "0x8000", read.to_str().unwrap()]);
    assert!(fs::read(&read).unwrap() == fs::read(image).unwrap()[0x1_0000..0x1_8000]);

    // A pty has no RESET wire for esptool to pull: power off and on.
    drop(sim);
    Sim::start(home, &[]).running();
}
