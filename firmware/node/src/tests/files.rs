//! Files over the console, with power cuts at every flash operation and flipped bits.

use obkmq_config::limits::FILE_PIECE_LIMIT_BYTES;
use obkmq_config::line::{Command, FileCommand};
use obkmq_config::line::{Fields, FilePiece, Reply, parse_frame};
use sha2::{Digest, Sha256};

use super::flash::{Tear, every_cut, noise};
use super::*;
use crate::storage::store_in_files;
use crate::{FileInfo, FileName};

pub(super) fn name(name: &str) -> FileName {
    FileName::new(name).unwrap()
}

pub(super) fn info(file: &str, contents: &[u8]) -> FileInfo {
    let bytes = u32::try_from(contents.len()).unwrap();
    FileInfo { name: name(file), bytes, sha256: Sha256::digest(contents).into() }
}

/// Contents that differ everywhere.
pub(super) fn contents(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| noise(at) ^ seed).collect()
}

/// Sends a command without a run; what a client needs of the answer.
fn ask(world: &mut World, command: FileCommand<'_>) -> Result<Fields, String> {
    let answer = world.typed(&Command::File(command).encode());
    // Typed answers are for people: the last line tells.
    let is_log = |line: &&str| line.contains("a former file cannot be removed");
    let last = String::from(answer.lines().rfind(|line| !is_log(line)).unwrap_or_default());
    match last.strip_prefix("ok") {
        Some(fields) => {
            let body = format!("ok{}", fields.replace("  ", " "));
            match Reply::parse(&body) {
                Some(Reply::Ok { fields, .. }) => Ok(fields),
                _ => panic!("{body}"),
            }
        }
        None => Err(last),
    }
}

pub(super) fn put(world: &mut World, file: &str, contents: &[u8]) -> Result<(), String> {
    let FileInfo { name, bytes, sha256 } = info(file, contents);
    let begun = ask(world, FileCommand::Put { name, bytes, sha256 })?;
    if begun.get("same") == Some("yes") {
        return Ok(());
    }
    let mut offset = 0;
    for piece in contents.chunks(FILE_PIECE_LIMIT_BYTES) {
        ask(world, FileCommand::Data { offset, data: piece.into() })?;
        offset += u32::try_from(piece.len()).unwrap();
    }
    ask(world, FileCommand::End).map(|_| ())
}

pub(super) fn get(world: &mut World, file: &str) -> Result<Vec<u8>, String> {
    let mut contents = Vec::new();
    loop {
        let offset = u32::try_from(contents.len()).unwrap();
        let fields = ask(world, FileCommand::Get { name: name(file), offset })?;
        let piece = FilePiece::from_fields(&fields).unwrap();
        if piece.data.is_empty() {
            assert_eq!(piece.bytes, offset);
            return Ok(contents);
        }
        contents.extend(piece.data);
    }
}

pub(super) fn free(world: &mut World) -> u32 {
    ask(world, FileCommand::List).unwrap().parse("free").unwrap()
}

fn names(world: &World) -> Vec<String> {
    world.node.files().map(|info| String::from(info.name.as_str())).collect()
}

#[test]
fn files_come_and_go_and_survive_a_restart() {
    let mut world = World::boot(Ram::blank());
    let room = free(&mut world);
    let large = contents(1, 5_000);
    put(&mut world, "boot.be", &large).unwrap();
    put(&mut world, "empty", b"").unwrap();
    put(&mut world, "a.bat", b"startDriver MQTTServer\n").unwrap();
    let mut world = world.restart();
    assert_eq!(names(&world), ["a.bat", "boot.be", "empty"]);
    assert_eq!(get(&mut world, "boot.be").unwrap(), large);
    assert_eq!(get(&mut world, "empty").unwrap(), b"");
    assert!(world.typed("file ls").starts_with("name=a.bat  bytes=23  sha256="));
    assert_eq!(free(&mut world), room - 6_000);

    let larger = contents(2, 7_777);
    put(&mut world, "boot.be", &larger).unwrap();
    ask(&mut world, FileCommand::Remove { name: name("a.bat") }).unwrap();
    let mut world = world.restart();
    assert_eq!(names(&world), ["boot.be", "empty"]);
    assert_eq!(get(&mut world, "boot.be").unwrap(), larger);
    ask(&mut world, FileCommand::Remove { name: name("boot.be") }).unwrap();
    assert_eq!(free(&mut world), room);
    assert_eq!(get(&mut world, "boot.be").unwrap_err(), "error: there is no such file");
    let mut part = [0; 10];
    let mut world = world.restart();
    put(&mut world, "x", &large).unwrap();
    assert_eq!(world.node.read_file(&name("x"), 4_995, &mut part).unwrap(), 5);
    assert_eq!(part[..5], large[4_995..]);
}

#[test]
fn the_same_file_again_costs_no_flash() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "a", b"hello").unwrap();
    let before = world.node.board.flash.cells.clone();
    put(&mut world, "a", b"hello").unwrap();
    assert_eq!(world.node.board.flash.cells, before);
}

#[test]
fn what_did_not_arrive_whole_changes_nothing() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "a", b"old").unwrap();
    let room = free(&mut world);
    let new = contents(3, 2_000);
    let FileInfo { name: file, bytes, sha256 } = info("a", &new);
    let begin = FileCommand::Put { name: file, bytes, sha256 };

    let error = ask(&mut world, FileCommand::End).unwrap_err();
    assert_eq!(error, "error: no file is being written; `file put` begins one");
    ask(&mut world, begin.clone()).unwrap();
    let piece = |offset, data: &[u8]| FileCommand::Data { offset, data: data.to_vec().into() };
    ask(&mut world, piece(0, &new[..300])).unwrap();
    assert_eq!(ask(&mut world, piece(0, &new[..300])).unwrap_err(), "error: the next piece begins at 300");
    let error = ask(&mut world, FileCommand::End).unwrap_err();
    assert!(error.contains("what arrived is not what was announced"), "{error}");
    assert_eq!(get(&mut world, "a").unwrap(), b"old");

    // Another byte on the way.
    ask(&mut world, begin.clone()).unwrap();
    for (at, bytes) in new.chunks(250).enumerate() {
        let mut bytes = bytes.to_vec();
        bytes[0] ^= u8::from(at == 5);
        ask(&mut world, piece(u32::try_from(at * 250).unwrap(), &bytes)).unwrap();
    }
    assert_eq!(
        ask(&mut world, piece(2_000, b"x")).unwrap_err(),
        "error: the file was announced with fewer bytes"
    );
    assert!(ask(&mut world, FileCommand::End).is_err());
    assert_eq!(get(&mut world, "a").unwrap(), b"old");

    ask(&mut world, begin).unwrap();
    ask(&mut world, piece(0, &new[..300])).unwrap();
    ask(&mut world, FileCommand::Abort).unwrap();
    assert_eq!(free(&mut world), room);
    let mut world = world.restart();
    assert_eq!((free(&mut world), get(&mut world, "a").unwrap()), (room, b"old".to_vec()));
}

#[test]
fn a_new_run_drops_what_the_former_one_was_writing() {
    let mut world = World::boot(Ram::blank());
    let room = free(&mut world);
    let FileInfo { name, bytes, sha256 } = info("a", &contents(3, 2_000));
    world.node.console_input(Command::Hello { nonce: 1 }.to_frame(1).unwrap().as_bytes());
    world.settle();
    ask(&mut world, FileCommand::Put { name, bytes, sha256 }).unwrap();
    assert_eq!(free(&mut world), room - 2_000);
    world.node.console_input(Command::Hello { nonce: 2 }.to_frame(1_001).unwrap().as_bytes());
    world.settle();
    let text = world.console_text();
    assert!(parse_frame(text.lines().last().unwrap()).is_ok(), "{text}");
    assert_eq!(free(&mut world), room);
}

#[test]
fn a_full_region_says_so_and_takes_rewrites_for_ever() {
    let mut world = World::boot(Ram::blank());
    let room = usize::try_from(free(&mut world)).unwrap();
    let error = put(&mut world, "a", &contents(0, room + 1)).unwrap_err();
    assert!(error.starts_with("error: the file takes 21000 bytes of flash and 20000 are free"), "{error}");
    let kept = contents(9, room - 8_000);
    put(&mut world, "kept", &kept).unwrap();
    for round in 0..60 {
        let seed = u8::try_from(round).unwrap();
        put(&mut world, "a", &contents(seed, 4_000)).unwrap();
        assert_eq!(get(&mut world, "a").unwrap(), contents(seed, 4_000), "{round}");
    }
    let mut world = world.restart();
    assert_eq!(get(&mut world, "kept").unwrap(), kept);
    let many: Vec<_> = (0..30).map(|number| format!("file-{number}")).collect();
    for file in &many {
        put(&mut world, file, b"").unwrap();
    }
    assert!(put(&mut world, "one-more", b"").unwrap_err().starts_with("error: there are 32 files already"));
}

#[test]
fn a_power_cut_at_any_flash_operation_leaves_the_old_file_or_the_new_one() {
    let mut base = World::boot(Ram::blank());
    let kept = contents(9, 3_500);
    put(&mut base, "kept", &kept).unwrap();
    put(&mut base, "a", &contents(0, 2_500)).unwrap();
    let mut flash = base.power_off();
    let (mut cuts, mut old, mut new) = (0, 0, 0);
    // Enough rounds that the sweep meets page changes and erasures too.
    for round in 1..14_u8 {
        for (operations, tear) in every_cut() {
            let mut world = World::boot(flash.clone());
            let before = contents(round - 1, 2_500);
            let after = contents(round, 2_500);
            world.node.board.flash.cut_after(operations, tear);
            let done = put(&mut world, "a", &after).is_ok();
            let through = done && world.node.board.flash.cut.is_some_and(|(left, _)| left < u32::MAX);
            let mut world = world.restart();
            let log = world.console_text();
            let what = format!("cut {operations} ({tear:?}) of round {round}: {log}");
            assert!(!log.contains("damaged"), "{what}");
            assert_eq!(names(&world), ["a", "kept"], "{what}");
            assert_eq!(get(&mut world, "kept").unwrap(), kept, "{what}");
            let found = get(&mut world, "a").unwrap();
            assert!(found == before || found == after, "a mixture: {what}");
            assert!(!done || found == after, "acknowledged and lost: {what}");
            // Nothing of what was interrupted is left behind.
            assert_eq!(free(&mut world), 20_000 - 3_000 - 4_000, "{what}");
            if through {
                flash = world.power_off();
                break;
            }
            cuts += 1;
            if found == after { new += 1 } else { old += 1 }
        }
    }
    assert!(cuts > 600 && old > 0 && new > 0, "{cuts} cuts, {old} old, {new} new");
    println!("file put: {cuts} power cuts, {old} left the old file, {new} the new one");
}

#[test]
fn a_power_cut_while_a_file_is_deleted_leaves_it_whole_or_not_at_all() {
    let mut base = World::boot(Ram::blank());
    let kept = contents(9, 3_500);
    put(&mut base, "kept", &kept).unwrap();
    let gone = contents(0, 2_500);
    put(&mut base, "a", &gone).unwrap();
    let flash = base.power_off();
    let mut cuts = 0;
    for (operations, tear) in every_cut() {
        let mut world = World::boot(flash.clone());
        world.node.board.flash.cut_after(operations, tear);
        let done = ask(&mut world, FileCommand::Remove { name: name("a") }).is_ok();
        let through = done && world.node.board.flash.cut.is_some_and(|(left, _)| left < u32::MAX);
        let mut world = world.restart();
        assert_eq!(get(&mut world, "kept").unwrap(), kept);
        match get(&mut world, "a") {
            Ok(found) => assert!(found == gone && !done),
            Err(error) => assert_eq!(error, "error: there is no such file"),
        }
        if through {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 12, "{cuts}");
    println!("file rm: {cuts} power cuts");
}

#[test]
fn every_flipped_bit_is_noticed_or_harmless() {
    let mut base = World::boot(Ram::blank());
    let texts = [("kept", contents(9, 1_500)), ("a", contents(1, 700))];
    put(&mut base, "a", &contents(7, 900)).unwrap();
    put(&mut base, "gone", &contents(5, 100)).unwrap();
    for (file, text) in &texts {
        put(&mut base, file, text).unwrap();
    }
    ask(&mut base, FileCommand::Remove { name: name("gone") }).unwrap();
    let flash = base.power_off();
    let used: Vec<_> = (FILES_AT as usize..flash.cells.len()).filter(|at| flash.cells[*at] != 0xFF).collect();
    let (mut flips, mut noticed) = (0, 0);
    // One bit a byte in turn, as every bit of every byte takes a minute.
    for (turn, at) in used.iter().enumerate() {
        let mut flash = flash.clone();
        flash.cells[*at] ^= 1 << (turn % 8);
        let mut world = World::boot(flash);
        let log = world.console_text();
        flips += 1;
        if log.contains("damaged") {
            noticed += 1;
            continue;
        }
        assert_eq!(names(&world), ["a", "kept"], "byte {at}: {log}");
        for (file, text) in &texts {
            match get(&mut world, file) {
                Ok(found) => assert_eq!(&found, text, "byte {at}"),
                Err(error) => {
                    noticed += 1;
                    assert_eq!(error, "error: the file is damaged; put it again", "byte {at}");
                }
            }
        }
    }
    assert!(noticed > 2_000, "{noticed} of {flips}");
    println!("files: {flips} flipped bits, {noticed} noticed, the others harmless");
}

#[test]
fn a_region_beyond_repair_takes_files_again() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "a", b"hello").unwrap();
    let mut flash = world.power_off();
    for (at, cell) in flash.cells.iter_mut().enumerate().skip(FILES_AT as usize) {
        *cell = noise(at);
    }
    let mut world = World::boot(flash);
    world.console_text();
    assert_eq!(names(&world), [] as [&str; 0]);
    put(&mut world, "b", b"again").unwrap();
    let mut world = world.restart();
    assert_eq!(get(&mut world, "b").unwrap(), b"again");
}

#[test]
fn what_flash_refuses_is_begun_anew() {
    let mut world = World::boot(Ram::blank());
    let text = contents(1, 3_000);
    world.node.board.flash.cut_after(1, Tear::Half);
    let error = put(&mut world, "a", &text).unwrap_err();
    assert!(error.starts_with("error: the flash driver failed"), "{error}");
    world.node.board.flash.cut = None;
    put(&mut world, "a", &text).unwrap();
    assert_eq!(get(&mut world, "a").unwrap(), text);
}

#[test]
fn flash_that_fails_for_a_while_and_keeps_what_it_refused_leaves_the_old_file_or_the_new_one() {
    let mut base = World::boot(Ram::blank());
    let (before, after, later) = (contents(0, 2_500), contents(1, 2_500), contents(2, 300));
    let kept = contents(9, 3_500);
    put(&mut base, "kept", &kept).unwrap();
    put(&mut base, "a", &before).unwrap();
    let flash = base.power_off();
    let mut failures = 0;
    for (operations, tear) in every_cut() {
        let mut world = World::boot(flash.clone());
        world.node.board.flash.cut_after(operations, tear);
        world.node.board.flash.heals = true;
        let done = put(&mut world, "a", &after).is_ok();
        if world.node.board.flash.cut.is_some() {
            break;
        }
        failures += 1;
        world.wait_ms(1_000);
        let what = format!("failure {operations} ({tear:?})");
        let now = if done { &after } else { &before };
        assert!(get(&mut world, "a").unwrap() == *now, "{what}");

        let mut restarted = World::boot(Ram { cut: None, ..world.node.board.flash.clone() });
        let found = get(&mut restarted, "a").unwrap();
        assert!(found == after || (found == before && !done), "{what}");
        assert_eq!(get(&mut restarted, "kept").unwrap(), kept, "{what}");

        // The next file settles what was in doubt, and all of the room comes back.
        put(&mut world, "later", &later).unwrap();
        assert_eq!(free(&mut world), 20_000 - 3_000 - 4_000 - 1_000, "{what}");
        let mut world = world.restart();
        assert!(get(&mut world, "a").unwrap() == *now, "{what}");
        assert_eq!(get(&mut world, "later").unwrap(), later, "{what}");
        assert_eq!(free(&mut world), 20_000 - 3_000 - 4_000 - 1_000, "{what}");
    }
    assert!(failures > 30, "{failures}");
    println!("file put: {failures} failures of flash that works again");
}

/// Where `needle` was written last.
fn last_of(flash: &Ram, needle: &[u8]) -> usize {
    flash.cells.windows(needle.len()).rposition(|window| window == needle).unwrap()
}

#[test]
fn a_damaged_file_is_mended_by_putting_it_again() {
    let mut world = World::boot(Ram::blank());
    let text = contents(1, 2_500);
    put(&mut world, "a", &text).unwrap();
    let mut flash = world.power_off();
    let at = last_of(&flash, &text[1_200..1_300]);
    flash.cells[at] ^= 4;
    let mut world = World::boot(flash);
    assert_eq!(get(&mut world, "a").unwrap_err(), "error: the file is damaged; put it again");
    put(&mut world, "a", &text).unwrap();
    assert_eq!(get(&mut world, "a").unwrap(), text);
    assert_eq!(free(&mut world), 20_000 - 3_000);
}

#[test]
fn the_file_after_a_damaged_list_removes_what_the_list_hid() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "a", &contents(1, 2_500)).unwrap();
    let hidden = contents(2, 14_000);
    put(&mut world, "b", &hidden).unwrap();
    let mut flash = world.power_off();
    let hash = info("b", &hidden).sha256;
    let at = last_of(&flash, &hash);
    flash.cells[at] ^= 4;
    let mut world = World::boot(flash);
    assert!(world.console_text().contains("the list of files is damaged"));
    assert_eq!(names(&world), ["a"]);
    put(&mut world, "c", b"new").unwrap();
    assert!(!world.typed("file ls").contains("damaged"));
    // Nothing of "b" takes room in flash any more: all that is said to be free is there.
    put(&mut world, "d", &contents(4, 16_000)).unwrap();
    let mut world = world.restart();
    assert_eq!(names(&world), ["a", "c", "d"]);
    assert_eq!(get(&mut world, "d").unwrap(), contents(4, 16_000));
}

#[test]
fn files_that_cannot_be_looked_at_for_a_while_are_not_forgotten() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "a", b"hello").unwrap();
    let mut flash = world.power_off();
    flash.unreadable = true;
    let mut world = World::boot(flash);
    assert!(world.console_text().contains("files cannot be read"));
    assert!(put(&mut world, "b", b"x").unwrap_err().contains("the flash driver failed"));
    world.node.board.flash.unreadable = false;
    put(&mut world, "b", b"x").unwrap();
    assert_eq!(names(&world.restart()), ["a", "b"]);
}

#[test]
fn each_console_writes_a_file_of_its_own_and_gives_its_room_back_when_it_goes() {
    let mut world = World::boot(Ram::blank());
    let room = free(&mut world);
    let ours = contents(1, 2_500);
    let theirs = contents(2, 2_500);
    let begin = |file: &str, contents: &[u8]| {
        let FileInfo { name, bytes, sha256 } = info(file, contents);
        Command::File(FileCommand::Put { name, bytes, sha256 }).encode()
    };
    let id = world.node.attach_console().unwrap();
    let data = |contents: &[u8]| {
        Command::File(FileCommand::Data { offset: 0, data: contents[..300].to_vec().into() }).encode()
    };
    for line in [begin("theirs", &theirs), data(&theirs)] {
        world.node.attached_input(id, format!("{line}\n").as_bytes());
        world.settle();
    }
    assert_eq!(free(&mut world), room - 3_000);
    put(&mut world, "ours", &ours).unwrap();
    assert_eq!(free(&mut world), room - 6_000);
    world.node.detach_console(id);
    world.settle();
    assert_eq!(free(&mut world), room - 3_000);
    let mut world = world.restart();
    assert_eq!(names(&world), ["ours"]);
    assert_eq!(get(&mut world, "ours").unwrap(), ours);
}

#[test]
fn chunks_of_no_file_cost_a_turn_each_whatever_their_numbers_are() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "a", b"hello").unwrap();
    let room = free(&mut world);
    let mut flash = world.power_off();
    for (id, chunk) in [(9, 65_535), (9, 0), (9, 40_000), (9, 1), (7, 65_534), (0xFFFE, 65_535)] {
        store_in_files(&mut flash, &(FILES_AT..FLASH_BYTES), id << 16 | chunk, b"orphan");
    }
    let mut world = World::boot(flash);
    let turns = world.settle();
    assert!(turns < 20, "{turns}");
    assert_eq!(free(&mut world), room);
    let orphans =
        |world: &World| world.node.board.flash.cells.windows(6).filter(|cells| *cells == b"orphan").count();
    // Rewrites drive them out of the flash.
    for round in 0..16 {
        put(&mut world, "b", &contents(round, 3_000)).unwrap();
    }
    assert_eq!(orphans(&world), 0);
    let mut world = world.restart();
    assert_eq!((world.settle() < 20, get(&mut world, "a")), (true, Ok(b"hello".to_vec())));
}

#[test]
fn who_comes_while_room_is_being_made_is_asked_to_come_again() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "a", &contents(1, 18_000)).unwrap();
    world.console_text();
    let FileInfo { name: file, bytes, sha256 } = info("b", &contents(2, 18_000));
    let put_b = Command::File(FileCommand::Put { name: file, bytes, sha256 }).encode();
    // In two turns, each of which removes one chunk of the former file.
    world.node.console_input(format!("file rm a\n{put_b}\n").as_bytes());
    world.settle();
    let text = world.console_text();
    assert_eq!(text, "ok\r\nerror: former files are being removed; try again in a moment\r\n");
    put(&mut world, "b", &contents(2, 18_000)).unwrap();
    assert_eq!(get(&mut world.restart(), "b"), Ok(contents(2, 18_000)));
}

#[test]
fn identifiers_go_round_and_pass_over_those_in_use() {
    let mut world = World::boot(Ram::blank());
    for (seed, file) in [(1, "a"), (2, "b")] {
        put(&mut world, file, &contents(seed, 1_500)).unwrap();
    }
    let mut flash = world.power_off();
    // An upload that was interrupted had the last identifier.
    store_in_files(&mut flash, &(FILES_AT..FLASH_BYTES), 0xFFFE << 16, b"orphan");
    let mut world = World::boot(flash);
    for (seed, file) in [(3, "c"), (4, "d"), (5, "a"), (6, "e")] {
        put(&mut world, file, &contents(seed, 1_500)).unwrap();
    }
    let mut world = world.restart();
    for (seed, file) in [(5, "a"), (2, "b"), (3, "c"), (4, "d"), (6, "e")] {
        assert_eq!(get(&mut world, file), Ok(contents(seed, 1_500)), "{file}");
    }
    assert_eq!(free(&mut world), 20_000 - 10_000);
}

#[test]
fn a_wrong_bit_is_met_before_a_piece_is_acknowledged() {
    let mut base = World::boot(Ram::blank());
    put(&mut base, "kept", &contents(9, 1_500)).unwrap();
    let flash = base.power_off();
    let blank = flash.cells.iter().rposition(|cell| *cell != 0xFF).unwrap() + 1;
    let text = contents(1, 2_500);
    let (mut refused, mut taken) = (0, 0);
    for at in (blank..blank + 3_000).step_by(7) {
        let mut world = World::boot(Ram { worn: Some(at), ..flash.clone() });
        match put(&mut world, "a", &text) {
            Ok(()) => taken += 1,
            Err(error) => {
                assert_eq!(error, "error: the flash region is damaged", "{at}");
                refused += 1;
                // Behind the worn cell there is room.
                put(&mut world, "a", &text).unwrap();
            }
        }
        let mut world = world.restart();
        assert_eq!(get(&mut world, "a"), Ok(text.clone()), "{at}");
        assert_eq!(get(&mut world, "kept"), Ok(contents(9, 1_500)), "{at}");
    }
    assert!(refused > 100 && taken > 50, "{refused} refused, {taken} taken");
}

/// What is read of flash for a file that is put: places for chunks are looked for, and chunks read back, which is less
/// than a quarter of it.
#[test]
fn putting_a_file_reads_a_bounded_part_of_flash() {
    let mut world = World::boot(Ram::blank());
    let mut most = 0;
    for round in 0..8 {
        world.node.board.flash.read = 0;
        put(&mut world, "a", &contents(round, 8_000)).unwrap();
        most = most.max(world.node.board.flash.read / 8);
    }
    println!("file put: up to {most} bytes read for each kB");
    assert!(most < 60_000, "{most}");
}
