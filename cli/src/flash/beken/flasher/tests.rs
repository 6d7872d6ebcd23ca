use obkmq_image::beken::FlashMap;
use obkmq_virtual::faults::Faults;
use proptest::prelude::*;

use super::super::simulated::{Simulated, factory_cells};
use super::*;
use crate::context::GlobalOptions;
use crate::failure::Exit;

const CHIPS: [BekenChip; 2] = BekenChip::ALL;

fn context() -> Context {
    let mut context = Context::new(&GlobalOptions::default());
    context.quiet = true;
    context
}

fn manner() -> Manner {
    Manner {
        entry: Entry::Any,
        baud: 921_600,
        patience: Duration::from_secs(30),
        said: None,
        risk_bootloader: false,
    }
}

fn connect(wire: Simulated) -> Result<Flasher<Simulated>, Failure> {
    Flasher::connect(wire, "p", manner(), &context())
}

fn part(offset: u32, data: Vec<u8>) -> Part {
    Part { name: "app".to_owned(), offset, data }
}

/// Bytes without a pattern, none of them blank.
fn bytes(length: usize, seed: u32) -> Vec<u8> {
    (0..length)
        .map(|index| {
            let index = u32::try_from(index).unwrap().wrapping_add(seed);
            index.wrapping_mul(0x9E37_79B9).to_be_bytes()[0] & 0xFE
        })
        .collect()
}

fn write(flasher: &mut Flasher<Simulated>, parts: &[Part]) -> Result<Written, Failure> {
    flasher.write(parts, &mut |_| {}, &context())
}

fn cells(flasher: Flasher<Simulated>) -> Vec<u8> {
    flasher.link.into_wire().into_cells()
}

#[track_caller]
fn assert_unharmed(chip: BekenChip, before: &[u8], after: &[u8]) {
    let map = FlashMap::of(chip);
    let same = |range: Range<u32>| {
        let range = range.start as usize..range.end as usize;
        before[range.clone()] == after[range]
    };
    assert!(same(map.calibration), "{chip}: the calibration has changed");
    assert!(chip == BekenChip::N || same(map.bootloader), "{chip}: the boot loader has changed");
}

#[test]
fn both_chips_are_told_apart_also_while_a_firmware_runs() {
    for chip in CHIPS {
        for wire in
            [Simulated::new(chip, &factory_cells(chip)), Simulated::new(chip, &factory_cells(chip)).running()]
        {
            let flasher = connect(wire).unwrap();
            assert_eq!((flasher.chip(), flasher.flash_bytes()), (chip, 2 << 20));
            assert_eq!(flasher.link.baud(), 921_600);
        }
    }
}

#[test]
fn a_firmware_that_does_not_restart_is_not_waited_for_without_end() {
    let wire = Simulated::new(BekenChip::N, &factory_cells(BekenChip::N)).running();
    let by_hand = Manner { entry: Entry::ByHand, ..manner() };
    let failure = Flasher::connect(wire, "p", by_hand, &context()).unwrap_err();
    assert_eq!(failure.exit, Exit::NoReply);
    assert!(failure.next.contains("CEN"), "{failure}");
}

#[test]
fn another_chip_than_its_owner_says_is_refused() {
    for (chip, said) in [(BekenChip::T, BekenChip::N), (BekenChip::N, BekenChip::T)] {
        let wire = Simulated::new(chip, &factory_cells(chip));
        let failure =
            Flasher::connect(wire, "p", Manner { said: Some(said), ..manner() }, &context()).unwrap_err();
        assert_eq!(failure.exit, Exit::WrongImage, "{failure}");
    }
}

#[test]
fn an_unknown_boot_loader_is_a_t_only_if_its_owner_says_so() {
    let mut cells = factory_cells(BekenChip::T);
    cells[200] ^= 1;
    let connect = |said| {
        let wire = Simulated::new(BekenChip::T, &cells);
        Flasher::connect(wire, "p", Manner { said, ..manner() }, &context())
    };
    assert!(connect(None).unwrap_err().next.contains("--board bk7231t"));
    assert_eq!(connect(Some(BekenChip::N)).unwrap_err().exit, Exit::WrongImage);
    assert_eq!(connect(Some(BekenChip::T)).unwrap().chip(), BekenChip::T);
}

#[test]
fn a_small_flash_in_which_the_application_would_wrap_around_is_refused() {
    for kilobytes in [512, 1024] {
        let cells = &factory_cells(BekenChip::T)[..kilobytes * 1024];
        let failure = connect(Simulated::new(BekenChip::T, cells)).unwrap_err();
        assert!(failure.why.contains(&format!("{kilobytes} kB")), "{failure}");
        assert_eq!(failure.exit, Exit::WrongImage);
    }
    let mut large = factory_cells(BekenChip::T);
    large.resize(4 << 20, 0xFF);
    assert_eq!(connect(Simulated::new(BekenChip::T, &large)).unwrap().flash_bytes(), 4 << 20);
}

#[test]
fn an_image_is_written_and_written_again_only_where_it_differs() {
    for chip in CHIPS {
        let before = factory_cells(chip);
        let mut flasher = connect(Simulated::new(chip, &before)).unwrap();
        // Part of a block, a whole one, part of another, and not even a whole sector.
        let mut image = bytes(0x2_5123, 1);
        image[0x8000..0xA000].fill(0xFF);
        let parts = [part(0x1_1000, image.clone())];
        let written = write(&mut flasher, &parts).unwrap();
        // Two sectors of it are blank as the flash is.
        assert_eq!(written.written_bytes, image.len() as u64 - 0x2000, "{chip}");
        assert_eq!(write(&mut flasher, &parts).unwrap().written_bytes, 0, "{chip}");
        image[0x1_8000] ^= 1;
        let parts = [part(0x1_1000, image.clone())];
        let written = write(&mut flasher, &parts).unwrap();
        assert_eq!((written.written_bytes, written.skipped_bytes), (0x1000, 0x2_4123), "{chip}");
        assert_eq!(flasher.read(&(0x1_1003..0x1_1003 + 0x2_0000)).unwrap(), image[3..0x2_0003]);
        let after = cells(flasher);
        assert!(after[0x1_1000..0x1_1000 + image.len()] == image, "{chip}");
        assert_unharmed(chip, &before, &after);
    }
}

#[test]
fn what_shares_a_sector_with_the_image_stays() {
    for chip in CHIPS {
        let mut before = factory_cells(chip);
        before[0x2_0000..0x2_3000].fill(0x5A);
        let mut flasher = connect(Simulated::new(chip, &before)).unwrap();
        write(&mut flasher, &[part(0x2_0800, vec![0xA5; 0x1001])]).unwrap();
        before[0x2_0800..0x2_1801].fill(0xA5);
        assert!(cells(flasher) == before, "{chip}");
    }
}

#[test]
fn dangerous_writes_are_refused_before_anything_is_touched() {
    for chip in CHIPS {
        let before = factory_cells(chip);
        let map = FlashMap::of(chip);
        let good = part(0x1_1000, vec![1; 0x1000]);
        let mut bad = vec![
            (map.calibration.start, Exit::Usage),
            (map.calibration.start - 0x1000, Exit::Usage),
            (map.calibration.end - 1, Exit::Usage),
            (0x1F_F001, Exit::WrongImage),
            (0x20_0000, Exit::WrongImage),
            (u32::MAX, Exit::WrongImage),
        ];
        if chip == BekenChip::T {
            bad.extend([(0, Exit::Usage), (0x1_0FFF, Exit::Usage)]);
        }
        let mut flasher = connect(Simulated::new(chip, &before)).unwrap();
        for (offset, exit) in bad {
            let failure = write(&mut flasher, &[good.clone(), part(offset, vec![0; 0x1001])]).unwrap_err();
            assert_eq!(failure.exit, exit, "{chip} {offset:#x}: {failure}");
        }
        assert!(cells(flasher) == before, "{chip}");
    }
}

#[test]
fn an_accepted_risk_writes_the_boot_loader_and_never_the_calibration() {
    let before = factory_cells(BekenChip::T);
    let risk = Manner { risk_bootloader: true, ..manner() };
    let mut flasher = Flasher::connect(Simulated::new(BekenChip::T, &before), "p", risk, &context()).unwrap();
    let image = bytes(0x2_0000, 7);
    write(&mut flasher, &[part(0, image.clone())]).unwrap();
    assert!(write(&mut flasher, &[part(0x1E_0000, vec![0; 0x1000])]).is_err());
    let after = cells(flasher);
    assert!(after[..0x2_0000] == image);
    assert!(after[0x2_0000..] == before[0x2_0000..]);
}

#[test]
fn the_whole_flash_is_read_also_what_a_t_hides() {
    for chip in CHIPS {
        let mut held = factory_cells(chip);
        held[0x1_1000..0x3_0000].copy_from_slice(&bytes(0x1_F000, 3));
        let mut flasher = connect(Simulated::new(chip, &held)).unwrap();
        assert!(flasher.read(&(0..0x20_0000)).unwrap() == held, "{chip}");
        assert!(flasher.holds(&(0..0x20_0000), &held).unwrap());
        held[0x12_3456] ^= 1;
        assert!(!flasher.holds(&(0..0x20_0000), &held).unwrap());
    }
}

fn noise(fault: &str) -> obkmq_virtual::faults::LineFaults {
    let mut faults = Faults::default();
    faults.add(fault.parse().unwrap());
    faults.line()
}

#[test]
fn answers_that_lose_and_change_bytes_are_asked_for_again() {
    for chip in CHIPS {
        for fault in ["garble-every=5003", "drop-every=4999", "drop-every=20011"] {
            let before = factory_cells(chip);
            let mut wire = Simulated::new(chip, &before);
            wire.from_chip = noise(fault);
            let mut flasher = connect(wire).unwrap();
            let image = bytes(0x1_8000, 9);
            write(&mut flasher, &[part(0x1_1000, image.clone())]).unwrap();
            assert!(flasher.read(&(0x1_1000..0x2_9000)).unwrap() == image, "{chip} {fault}");
            let after = cells(flasher);
            assert!(after[0x1_1000..0x2_9000] == image, "{chip} {fault}");
            assert_unharmed(chip, &before, &after);
        }
    }
}

/// What is lost on the way to the chip may turn one address into another; the calibration cannot be reached that way.
#[test]
fn commands_that_lose_bytes_end_in_a_right_image_or_a_failure() {
    for drop in [311, 1009, 4001, 4111, 9973, 30_011] {
        let before = factory_cells(BekenChip::N);
        let mut wire = Simulated::new(BekenChip::N, &before);
        wire.to_chip = noise(&format!("drop-every={drop}"));
        let Ok(mut flasher) = connect(wire) else { continue };
        let image = bytes(0x1_8000, 9);
        let result = write(&mut flasher, &[part(0x1_1000, image.clone())]);
        let after = cells(flasher);
        assert_eq!(result.is_ok(), after[0x1_1000..0x2_9000] == image, "every {drop}: {result:?}");
        assert_unharmed(BekenChip::N, &before, &after);
    }
}

#[test]
fn a_speed_that_the_cable_does_not_carry_is_left_again() {
    for chip in CHIPS {
        let before = factory_cells(chip);
        let mut wire = Simulated::new(chip, &before);
        wire.fastest_baud = 460_800;
        // The chip hears nothing sensible at the high speed either: it has to be reset, and its owner was told.
        let failure = connect(wire);
        assert_eq!(failure.map(|_| ()).unwrap_err().exit, Exit::NoReply, "{chip}");

        // Answers suffer from the speed, commands arrive.
        let mut wire = Simulated::new(chip, &before);
        wire.fastest_baud = 460_800;
        wire.only_answers_suffer = true;
        let mut flasher = connect(wire).unwrap();
        assert_eq!(flasher.link.baud(), CONSOLE_BAUD, "{chip}");
        write(&mut flasher, &[part(0x1_1000, vec![3; 0x3000])]).unwrap();
    }
}

#[test]
fn an_interrupted_run_at_a_high_speed_is_found_again() {
    for chip in CHIPS {
        let flasher = connect(Simulated::new(chip, &factory_cells(chip))).unwrap();
        let mut wire = flasher.link.into_wire();
        wire.set_baud(CONSOLE_BAUD).unwrap();
        assert_eq!(connect(wire).unwrap().link.baud(), 921_600, "{chip}");
    }
}

/// The power goes before any command of a run has an effect; the next run makes it good.
#[test]
fn power_lost_at_any_frame_is_made_good_by_the_next_run() {
    for chip in CHIPS {
        let before = factory_cells(chip);
        // A block, and sectors before and behind it.
        let parts = [part(0x1_E000, bytes(0x1_4000, 5))];
        let image = &parts[0].data;
        let mut flasher = connect(Simulated::new(chip, &before)).unwrap();
        write(&mut flasher, &parts).unwrap();
        let frames = flasher.link.wire_mut().frames();
        for frame in 1..=frames {
            let mut wire = Simulated::new(chip, &before);
            wire.lose_power_at_frame(frame);
            let broken = connect(wire).map_or_else(
                |failure| (Err(failure), before.clone()),
                |mut flasher| (write(&mut flasher, &parts), cells(flasher)),
            );
            let failure = broken.0.unwrap_err();
            assert!(matches!(failure.exit, Exit::NoReply | Exit::Write), "{chip} {frame}: {failure}");
            assert_unharmed(chip, &before, &broken.1);
            let mut flasher = connect(Simulated::new(chip, &broken.1)).unwrap();
            write(&mut flasher, &parts).unwrap();
            let after = cells(flasher);
            assert!(after[0x1_E000..0x3_2000] == **image, "{chip} {frame}");
            assert_unharmed(chip, &before, &after);
        }
    }
}

/// The same in the middle of erasing and programming.
#[test]
fn power_lost_in_the_middle_of_an_operation_is_made_good_by_the_next_run() {
    for chip in CHIPS {
        let mut before = factory_cells(chip);
        before[0x1_1000..0x4_0000].fill(0x33);
        let parts = [part(0x1_E000, bytes(0x1_4000, 5))];
        for lost_after in (1..0x2_8000).step_by(0x1A35) {
            let wire = Simulated::with_power(chip, &before, Some(lost_after));
            let mut flasher = connect(wire).unwrap();
            let failure = write(&mut flasher, &parts).unwrap_err();
            assert_eq!(failure.exit, Exit::Write, "{failure}");
            let broken = cells(flasher);
            let mut flasher = connect(Simulated::new(chip, &broken)).unwrap();
            write(&mut flasher, &parts).unwrap();
            let mut wanted = before.clone();
            wanted[0x1_E000..0x3_2000].copy_from_slice(&parts[0].data);
            assert!(cells(flasher) == wanted, "{chip} {lost_after}");
        }
    }
}

#[test]
fn an_unplugged_adapter_ends_at_once() {
    let mut flasher = connect(Simulated::new(BekenChip::N, &factory_cells(BekenChip::N))).unwrap();
    flasher.link.wire_mut().unplugged = true;
    let failure = write(&mut flasher, &[part(0x1_1000, vec![0; 16])]).unwrap_err();
    assert!(failure.what.contains("went away"), "{failure}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever is to be written wherever: what must not change does not, and what is refused changes nothing.
    #[test]
    fn no_plan_touches_what_is_kept(
        n: bool,
        parts in proptest::collection::vec(
            (prop_oneof![
                0_u32..0x20_0000,
                (0_u32..0x202).prop_map(|sector| sector * 0x1000),
                0x1C_F000_u32..0x1E_2000,
                0_u32..0x1_3000,
                proptest::num::u32::ANY,
            ], 0_usize..0x5000, proptest::num::u32::ANY),
            1..4,
        ),
    ) {
        let chip = if n { BekenChip::N } else { BekenChip::T };
        let before = factory_cells(chip);
        let parts: Vec<Part> =
            parts.into_iter().map(|(offset, length, seed)| part(offset, bytes(length, seed))).collect();
        let mut flasher = connect(Simulated::new(chip, &before)).unwrap();
        let result = write(&mut flasher, &parts);
        let after = cells(flasher);
        assert_unharmed(chip, &before, &after);
        if result.is_err() {
            prop_assert!(after == before);
        } else {
            for (index, part) in parts.iter().enumerate() {
                let range = part.offset as usize..part.offset as usize + part.data.len();
                let covered = parts[index + 1..].iter().any(|later| {
                    let end = later.offset as usize + later.data.len();
                    (later.offset as usize) < range.end && range.start < end
                });
                prop_assert!(covered || after[range] == part.data[..]);
            }
        }
    }
}
