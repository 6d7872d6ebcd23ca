//! A whole flash in a file, with its SHA-256 beside it in the form of `sha256sum`.
//!
//! While it is read it lies in `FILE.part`, piece by piece; what is there of an earlier try is compared with the chip's own
//! checksums and not read again. `FILE` appears last, so that one that is there is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use obkmq_image::Board;
use obkmq_image::beken;
use obkmq_image::esp::ImageHeader;
use sha2::{Digest as _, Sha256};

use super::limits::{BACKUP_LIMIT_BYTES, READ_SPEED_SHARE, SEGMENT_BYTES};
use super::{Loader, Model, Part};
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Where the boot loaders of the family may begin, whose header names the chip.
const BOOTLOADER_OFFSETS: [usize; 3] = [0, 0x1000, 0x2000];

/// A file with the content of a whole flash, and checked.
#[derive(Debug)]
pub(crate) struct Backup {
    pub(crate) bytes: Vec<u8>,
    /// The chip that it was made from.
    pub(crate) model: Model,
}

/// What was made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    /// Bytes that were there from an earlier try.
    pub(crate) resumed_bytes: u64,
    pub(crate) sha256: String,
}

/// A rough guess of the time that reading takes.
pub(crate) fn seconds(bytes: u32, baud: u32) -> f64 {
    f64::from(bytes) / (f64::from(baud) * READ_SPEED_SHARE)
}

/// Refuses a name that is taken: a backup is not written over.
pub(crate) fn check_free(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        format!("{} is there already.", path.display()),
        "a backup is never written over",
        "name another file, or move this one away",
    ))
}

/// Reads the whole flash into `path`. `progress` is told how many bytes are done.
pub(crate) fn take(
    loader: &mut dyn Loader,
    path: &Path,
    progress: &mut dyn FnMut(u64),
    context: &Context,
) -> Result<Taken, Failure> {
    check_free(path)?;
    let part = beside(path, ".part");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let unwritable = |error: &std::io::Error| unwritable(&part, error);
    let mut file = options.open(&part).map_err(|error| unwritable(&error))?;
    // Somebody else could have made it, with another mode.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .map_err(|error| unwritable(&error))?;

    let mut sum = Sha256::new();
    let resumed_bytes = resume(loader, &mut file, &mut sum, &part)?;
    progress(resumed_bytes.into());
    let end = loader.flash_bytes();
    let mut offset = resumed_bytes;
    while offset < end {
        let range = offset..offset.saturating_add(SEGMENT_BYTES_U32).min(end);
        let piece = loader.read(&range, context)?;
        file.write_all(&piece).map_err(|error| unwritable(&error))?;
        sum.update(&piece);
        offset = range.end;
        progress(offset.into());
    }
    file.sync_all().map_err(|error| unwritable(&error))?;
    let sha256: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    fs::write(beside(path, ".sha256"), format!("{sha256}  {name}\n"))
        .and_then(|()| fs::rename(&part, path))
        .map_err(|error| unwritable(&error))?;
    Ok(Taken { bytes: end.into(), resumed_bytes: resumed_bytes.into(), sha256 })
}

const SEGMENT_BYTES_U32: u32 = 64 * 1024;
const _: () = assert!(SEGMENT_BYTES_U32 as usize == SEGMENT_BYTES);

/// Goes through the pieces that are there already; leaves the file at the end of those that the chip still has.
fn resume(loader: &mut dyn Loader, file: &mut File, sum: &mut Sha256, part: &Path) -> Result<u32, Failure> {
    let end = loader.flash_bytes();
    let mut offset = 0_u32;
    while offset < end {
        let range = offset..offset.saturating_add(SEGMENT_BYTES_U32).min(end);
        let length = range.end.saturating_sub(range.start);
        let mut piece = Vec::new();
        (&mut *file).take(length.into()).read_to_end(&mut piece).map_err(|error| unwritable(part, &error))?;
        if piece.len() != length as usize || !loader.holds(&range, &piece)? {
            break;
        }
        sum.update(&piece);
        offset = range.end;
    }
    file.set_len(offset.into())
        .and_then(|()| file.seek(SeekFrom::Start(offset.into())))
        .map_err(|error| unwritable(part, &error))?;
    Ok(offset)
}

/// Reads a backup, and compares it with the checksum beside it. `said` is what its owner says it is of, which counts where
/// it does not tell by itself.
pub(crate) fn load(path: &Path, said: Option<Board>) -> Result<Backup, Failure> {
    let bad = |why: String, next: &str| {
        Failure::new(Exit::WrongImage, format!("{} cannot be restored.", path.display()), why, next)
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BACKUP_LIMIT_BYTES.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| bad(error.to_string(), "name a file that `obkmq backup` has made"))?;
    if bytes.len() as u64 > BACKUP_LIMIT_BYTES || bytes.is_empty() || bytes.len() % 4096 != 0 {
        return Err(bad(
            "it is no content of a whole flash".to_owned(),
            "name a file that `obkmq backup` has made",
        ));
    }
    let beside = beside(path, ".sha256");
    let mut expected = String::new();
    File::open(&beside).and_then(|file| file.take(4096).read_to_string(&mut expected)).map_err(|error| {
        bad(
            format!("its checksum is missing: {}: {error}", beside.display()),
            "put the .sha256 file back that was made with it; it tells a damaged backup from a good one",
        )
    })?;
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if !expected.split_whitespace().next().is_some_and(|expected| expected.eq_ignore_ascii_case(&found)) {
        return Err(bad(
            format!("it is damaged: its SHA-256 is not that of {}", beside.display()),
            "use another copy of it",
        ));
    }
    let model = model(&bytes).or(said.map(Model::from)).ok_or_else(|| {
        bad(
            "there is no boot loader in it that is known, so the board it is of may not start".to_owned(),
            "name its board with --board; or make a board anew: obkmq flash",
        )
    })?;
    Ok(Backup { bytes, model })
}

/// The chip that the boot loader in a flash is for.
fn model(flash: &[u8]) -> Option<Model> {
    let mut headers = BOOTLOADER_OFFSETS.iter().filter_map(|offset| ImageHeader::read(flash, *offset).ok());
    if let Some(header) = headers.next() {
        return Some(Model::Esp(header.chip_id));
    }
    let bootloader = flash.get(..beken::app::APP_OFFSET)?;
    beken::identify(bootloader).ok()?.chip.map(Model::Beken)
}

impl Backup {
    /// Its content without what is kept, as what is to be written.
    pub(crate) fn parts(&self, kept: &[(&str, Range<u32>)]) -> Vec<Part> {
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let mut starts = 0;
        let mut parts = Vec::new();
        for range in kept.iter().map(|(_, range)| range.clone()).chain(std::iter::once(end..end)) {
            let data = self.bytes.get(starts as usize..range.start as usize).unwrap_or_default();
            if !data.is_empty() {
                parts.push(Part { name: "backup".to_owned(), offset: starts, data: data.to_vec() });
            }
            starts = range.end;
        }
        parts
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{} cannot be written.", path.display()),
        error.to_string(),
        "make room or name another file, and run the same command again: what is read already is not read twice",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use obkmq_image::ChipId;

    use crate::context::GlobalOptions;
    use crate::flash::Written;
    use crate::serial::transport::SerialTransport;

    /// A chip that stops answering after so many reads.
    struct Chip {
        flash: Vec<u8>,
        reads_left: usize,
        reads: usize,
    }

    impl Loader for Chip {
        fn model(&self) -> Model {
            Model::Esp(ChipId(5))
        }

        fn flash_bytes(&self) -> u32 {
            u32::try_from(self.flash.len()).unwrap()
        }

        fn write(&mut self, _: &[Part], _: &mut dyn FnMut(u64), _: &Context) -> Result<Written, Failure> {
            unreachable!()
        }

        fn read(&mut self, range: &Range<u32>, _: &Context) -> Result<Vec<u8>, Failure> {
            if self.reads_left == 0 {
                return Err(Failure::new(Exit::NoReply, "", "", ""));
            }
            self.reads_left -= 1;
            self.reads += 1;
            Ok(self.flash[range.start as usize..range.end as usize].to_vec())
        }

        fn holds(&mut self, range: &Range<u32>, bytes: &[u8]) -> Result<bool, Failure> {
            Ok(self.flash[range.start as usize..range.end as usize] == *bytes)
        }

        fn erase(&mut self, _: &Range<u32>, _: &Context) -> Result<(), Failure> {
            unreachable!()
        }

        fn start_firmware(self: Box<Self>, _: &Context) -> Result<SerialTransport, Failure> {
            unreachable!()
        }
    }

    /// Five pieces, the last one shorter; it begins with a boot loader's header for an ESP32-C3.
    fn chip() -> Chip {
        let mut flash: Vec<u8> = (0..=255).cycle().step_by(251).take(SEGMENT_BYTES * 4 + 4096).collect();
        flash[..24]
            .copy_from_slice(&[0xE9, 1, 2, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        Chip { flash, reads_left: usize::MAX, reads: 0 }
    }

    fn context() -> Context {
        Context::new(&GlobalOptions::default())
    }

    #[test]
    fn a_backup_that_was_cut_short_goes_on_where_the_chip_is_still_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.bin");
        let mut chip = chip();
        chip.reads_left = 3;
        let mut seen = Vec::new();
        let failure = take(&mut chip, &path, &mut |bytes| seen.push(bytes), &context()).unwrap_err();
        assert_eq!(failure.exit, Exit::NoReply);
        assert!(!path.exists(), "what is not whole has not its name");
        assert_eq!(seen, [0, 0x1_0000, 0x2_0000, 0x3_0000]);
        // Meanwhile the board has run, and its third piece has changed.
        chip.flash[SEGMENT_BYTES * 2 + 5] ^= 1;
        (chip.reads_left, chip.reads) = (usize::MAX, 0);
        let taken = take(&mut chip, &path, &mut |_| {}, &context()).unwrap();
        assert_eq!((taken.resumed_bytes, chip.reads), (0x2_0000, 3));
        assert!(fs::read(&path).unwrap() == chip.flash);
        assert!(!folder.path().join("board.bin.part").exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let backup = load(&path, None).unwrap();
        assert_eq!((backup.model, backup.bytes.len()), (Model::Esp(ChipId(5)), chip.flash.len()));
        assert_eq!(take(&mut chip, &path, &mut |_| {}, &context()).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn what_is_kept_is_cut_out_of_what_is_restored() {
        let backup = Backup { bytes: (0..=255).cycle().take(0x8000).collect(), model: Model::Esp(ChipId(5)) };
        let shape = |kept: &[(&str, Range<u32>)]| {
            let parts = backup.parts(kept);
            for part in &parts {
                let start = part.offset as usize;
                assert!(backup.bytes[start..start + part.data.len()] == part.data);
            }
            parts.iter().map(|part| (part.offset, part.data.len())).collect::<Vec<_>>()
        };
        assert_eq!(shape(&[]), [(0, 0x8000)]);
        assert_eq!(shape(&[("a", 0..0x1000), ("b", 0x5000..0x6000)]), [(0x1000, 0x4000), (0x6000, 0x2000)]);
        assert_eq!(shape(&[("a", 0x7000..0x8000)]), [(0, 0x7000)]);
    }

    #[test]
    fn a_beken_flash_tells_its_chip_and_a_blank_one_does_not() {
        use obkmq_image::beken::BekenChip;
        for chip in BekenChip::ALL {
            let mut flash = vec![0xFF; 2 << 20];
            assert_eq!(model(&flash), None);
            let bootloader = obkmq_virtual::beken::factory::bootloader(chip);
            flash[..bootloader.len()].copy_from_slice(&bootloader);
            // Somebody else's application, half of it.
            flash[0x1_1000..0x2_0000].fill(0x5A);
            assert_eq!(model(&flash), Some(Model::Beken(chip)));
        }
    }

    #[test]
    fn what_is_damaged_or_no_backup_is_not_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.bin");
        take(&mut chip(), &path, &mut |_| {}, &context()).unwrap();
        let good = fs::read(&path).unwrap();
        let why = || load(&path, None).unwrap_err().why;
        let mut damaged = good.clone();
        damaged[70_000] ^= 4;
        fs::write(&path, &damaged).unwrap();
        assert!(why().contains("damaged"), "{}", why());
        fs::write(&path, &good[..good.len() - 4096]).unwrap();
        assert!(why().contains("damaged"), "{}", why());
        fs::write(&path, b"text").unwrap();
        assert!(why().contains("whole flash"), "{}", why());
        fs::write(&path, &good).unwrap();
        fs::remove_file(folder.path().join("board.bin.sha256")).unwrap();
        assert!(why().contains("checksum is missing"), "{}", why());
        let mut blank = chip();
        blank.flash.fill(0xFF);
        let path = folder.path().join("blank.bin");
        take(&mut blank, &path, &mut |_| {}, &context()).unwrap();
        assert!(load(&path, None).unwrap_err().why.contains("no boot loader"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_the_name_stays_free() {
        // Every write there finds no room.
        let mut file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = file.write_all(&[0; 4096]).unwrap_err();
        let failure = unwritable(Path::new("board.bin.part"), &error);
        assert!(
            failure.why.contains("No space left") && failure.next.contains("not read twice"),
            "{failure}"
        );
    }
}
