//! BK7231T and BK7231N, as their owner meets them: flashed, compared, saved, restored, interrupted, never bricked.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use obkmq_tests::{Board, Ended, Program, connack, image};

use crate::story::Sim;
use crate::{host, test};

const BOARDS: [&str; 2] = ["bk7231t", "bk7231n"];
const WRONG_IMAGE: i32 = 6;
const WRITE: i32 = 7;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for board in BOARDS {
        let named = |what: &str| format!("{board}_{what}");
        trials.extend([
            test(&named("is_flashed_runs_is_entered_again_and_keeps_its_settings"), move || story(board)),
            test(&named("keeps_a_copy_of_a_foreign_firmware_and_takes_it_back"), move || foreign(board)),
            test(&named("is_made_good_after_the_power_went_at_any_kind_of_frame"), move || power(board)),
            test(&named("is_made_good_after_a_flasher_was_killed"), move || killed(board)),
            test(&named("refuses_what_is_not_for_it_and_what_would_kill_it"), move || refused(board)),
        ]);
    }
    trials
}

/// The version that the virtual board runs, so that it does not warn of another one.
const VERSION: &str = concat!("obkmq ", env!("CARGO_PKG_VERSION"));

fn sim(home: &Path, board: &str, more: &[&str]) -> Sim {
    Sim::start(home, &[&["--board", board, "--speed-up", "50"], more].concat())
}

fn write(home: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = home.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn flash(home: &Path, port: &str, board: &str, image: &Path) -> Program {
    let image = image.to_str().unwrap();
    Program::obkmq(home).args(["flash", "--port", port, "--board", board, "--image", image])
}

fn cells(home: &Path) -> Vec<u8> {
    fs::read(home.join("board.flash")).unwrap()
}

/// What was there when the board was made: its boot loader, and the calibration of its radio.
#[track_caller]
fn assert_unharmed(board: &str, home: &Path, factory: &[u8]) {
    let now = cells(home);
    let calibration = if board == "bk7231t" { 0x1E_0000..0x1E_1000 } else { 0x1D_0000..0x1D_1000 };
    assert!(now[calibration.clone()] == factory[calibration], "the calibration has changed");
    assert!(now[..0x1_1000] == factory[..0x1_1000], "the boot loader has changed");
}

fn story(board: &str) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let image = write(home, "app.bin", &image::for_bk7231(VERSION));
    let mut sim = sim(home, board, &[]);
    sim.board.line("nothing has been flashed");
    let factory = cells(home);

    let file = host::settings_file(home);
    let ended = flash(home, &sim.port, board, &image).args(["--config", &file]).run().expect(0);
    assert!(ended.errors.contains("P10") && ended.output.contains("verified; obkmq"), "{ended:?}");
    assert_eq!(connack(sim.running(), Some(("house", "correct horse"))), Some(0));

    // It runs, and is brought into its loader without anybody touching it; nothing is to be done.
    let ended = flash(home, &sim.port, board, &image).run().expect(0);
    assert!(
        ended.output.contains("were there already") && !ended.errors.contains("saved first"),
        "{ended:?}"
    );
    assert_eq!(connack(sim.running(), Some(("house", "correct horse"))), Some(0));

    let port = sim.port.clone();
    let obkmq =
        |words: &[&str]| Program::obkmq(home).args(words).args(["--port", &port, "--board", board]).run();
    let ended = obkmq(&["verify", "--image", image.to_str().unwrap()]).expect(0);
    assert!(ended.output.contains("same") && !ended.output.contains("differs"), "{}", ended.output);
    sim.running();
    let facts = obkmq(&["info", "--loader"]).expect(0).output;
    for fact in ["2048 kB", "default", "02:6f:62:6b:00:01", VERSION] {
        assert!(facts.contains(fact), "{fact}: {facts}");
    }

    sim.running();
    obkmq(&["backup", "board.bin"]).expect(0);
    sim.running();
    assert!(fs::read(home.join("board.bin")).unwrap()[..0x1D_0000] == cells(home)[..0x1D_0000]);
    let ended = obkmq(&["erase", "--yes"]).expect(0);
    assert!(!ended.output.contains("0x1e0000..0x1e1000"), "{}", ended.output);
    let ended = obkmq(&["verify", "--image", image.to_str().unwrap()]).expect(WRITE);
    assert!(ended.output.contains("differs"), "{}", ended.output);
    if board == "bk7231t" {
        assert_unharmed(board, home, &factory);
    }
    let ended = obkmq(&["restore", "board.bin", "--yes"]).expect(0);
    assert!(ended.errors.contains("kept as it is: RF calibration"), "{}", ended.errors);
    assert_eq!(connack(sim.running(), Some(("house", "correct horse"))), Some(0));
    assert_unharmed(board, home, &factory);
}

fn foreign(board: &str) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    drop(sim(home, board, &[]));
    let other = image::for_bk7231("1.17.551");
    let mut held = cells(home);
    held[0x1_1000..0x1_1000 + other.len()].copy_from_slice(&other);
    write(home, "board.flash", &held);

    let image = write(home, "app.bin", &image::for_bk7231(VERSION));
    let backup = home.join(format!("backup-{board}-026f626b0001.bin"));
    // The power goes once the backup is there: the next run must not save a half-written board.
    let broken = sim(home, board, &["--fault", "power-loss-after=150000"]);
    let ended = flash(home, &broken.port, board, &image).run().expect(WRITE);
    assert!(ended.errors.contains("saved first"), "{}", ended.errors);
    drop(broken);
    assert!(fs::read(&backup).unwrap() == held);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(backup.with_extension("bin.sha256").is_file());

    let mut sim = sim(home, board, &[]);
    let ended = flash(home, &sim.port, board, &image).run().expect(0);
    assert!(ended.errors.contains("was saved already"), "{}", ended.errors);
    sim.running();
    let restore = ["restore", backup.to_str().unwrap(), "--yes", "--port", &sim.port];
    Program::obkmq(home).args(restore).run().expect(0);
    sim.board.line("the application is `1.17.551`");
    assert!(cells(home) == held);
}

fn power(board: &str) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    drop(sim(home, board, &[]));
    let factory = cells(home);
    let image = write(home, "app.bin", &image::for_bk7231(VERSION));
    // Linking, speed, identification, sums, erasing, writing, and again.
    for frame in [2, 20, 40, 60, 70, 90, 110] {
        write(home, "board.flash", &factory);
        let broken = sim(home, board, &["--fault", &format!("power-loss-at-frame={frame}")]);
        let ended = flash(home, &broken.port, board, &image).run();
        assert!(matches!(ended.code, Some(5 | 7)), "frame {frame}: {ended:?}");
        assert!(ended.errors.contains("next:"), "{}", ended.errors);
        drop(broken);
        assert_unharmed(board, home, &factory);
        let mut sim = sim(home, board, &[]);
        flash(home, &sim.port, board, &image).run().expect(0);
        sim.running();
        assert_unharmed(board, home, &factory);
    }
}

fn killed(board: &str) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let image = write(home, "app.bin", &image::for_bk7231(VERSION));
    let mut sim = sim(home, board, &[]);
    let mut first = Board::start(flash(home, &sim.port, board, &image));
    first.line("RF calibration");
    drop(first);
    // The chip still listens at the speed of the first run.
    flash(home, &sim.port, board, &image).run().expect(0);
    sim.running();
}

fn refused(board: &str) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let other = if board == "bk7231t" { "bk7231n" } else { "bk7231t" };
    let app = image::for_bk7231(VERSION);
    let image = write(home, "app.bin", &app);
    let sim = sim(home, board, &[]);
    let factory = cells(home);
    let expect = |ended: Ended, code: i32, word: &str| {
        let ended = ended.expect(code);
        assert!(ended.errors.contains(word) && ended.errors.contains("next:"), "{word}: {}", ended.errors);
    };
    let port = sim.port.as_str();
    let obkmq = |words: &[&str]| Program::obkmq(home).args(words).args(["--port", port]).run();

    expect(flash(home, port, other, &image).run(), WRONG_IMAGE, &board.to_uppercase());
    expect(obkmq(&["flash", "--image", image.to_str().unwrap()]), WRONG_IMAGE, "--board");
    expect(flash(home, port, "esp32c3", &image).run(), WRONG_IMAGE, "--board");
    let cut = write(home, "cut.bin", &app[..1000]);
    expect(flash(home, port, board, &cut).run(), WRONG_IMAGE, "cut short");
    let calibration = if board == "bk7231t" { "0x1e0000+0x1000" } else { "0x1d0000+0x1000" };
    let erase = |range: &str| obkmq(&["erase", "--board", board, "--yes", "--range", range]);
    expect(erase(calibration), 2, "calibration");
    expect(
        obkmq(&["erase", "--board", board, "--yes", "--risk-dead-board", "--range", calibration]),
        2,
        "calibration",
    );
    expect(erase("0x200000+0x1000"), 2, "behind the end");
    if board == "bk7231t" {
        expect(erase("0x0+0x11000"), 2, "SPI programmer");
        // An image with a boot loader: that part is left out.
        let mut qio = factory[..0x1_1000].to_vec();
        qio.extend_from_slice(&app);
        let qio = write(home, "qio.bin", &qio);
        let ended = flash(home, port, board, &qio).run().expect(0);
        assert!(ended.errors.contains("left out"), "{}", ended.errors);
    } else {
        assert!(cells(home) == factory, "something was written");
    }
    assert_unharmed(board, home, &factory);
}
