//! The image that is flashed: found, read and checked whole before any port is opened.
//!
//! Images of the ESP32 family hold a partition table; of a BK7231 they hold the application, or that behind a boot loader, and
//! the regions are those of [`FlashMap`].
//!
//! An image is named with `--image`, or it is what `cargo xtask image CHIP` made: `images/CHIP/manifest.json` in the
//! `target` folder of the working directory or of a folder above it, or beside this program's own place in one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use obkmq_image::beken::{self, BekenChip, BekenKind, CodeKey, FlashMap};
use obkmq_image::esp::AppDescriptor;
use obkmq_image::manifest::FileKind;
use obkmq_image::{Board, Chip, ChipId, Identified, ImageError, Manifest, PartitionType, identify};

use super::limits::IMAGE_LIMIT_BYTES;
use super::plan::{Region, Role};
use super::{Model, Part};
use crate::failure::{Exit, Failure};

/// A merged image that is whole and sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) path: PathBuf,
    /// The chip it is for.
    pub(crate) model: Model,
    /// The key that a Beken application is enciphered with.
    pub(crate) key: Option<CodeKey>,
    /// Name and version of the application, as it describes itself.
    pub(crate) application: String,
    /// Whether that is obkmq's firmware, which says hello once it runs.
    pub(crate) is_obkmq: bool,
    /// What it writes, in the order of the flash.
    pub(crate) parts: Vec<Part>,
    /// The regions of its partition table that it does not write.
    pub(crate) others: Vec<Region>,
    /// The flash size its partition table needs, in bytes.
    pub(crate) flash_bytes: u32,
}

impl Image {
    /// Reads and checks an image file. `said` is the board that its owner names, if any.
    pub(crate) fn load(path: &Path, said: Option<Board>) -> Result<Self, Failure> {
        let bytes = read(path, READ_NEXT)?;
        let image = if beken::is_beken(&bytes) {
            Self::from_beken(path, &bytes, said)?
        } else {
            Self::from_bytes(path, &bytes)?
        };
        match said.map(Model::from) {
            Some(said) if said != image.model => Err(Failure::new(
                Exit::WrongImage,
                format!("{} is not for the board that --board names.", path.display()),
                format!("it is for {}, not for {said}", image.model),
                "name another image or another board",
            )),
            _ => Ok(image),
        }
    }

    fn from_beken(path: &Path, bytes: &[u8], said: Option<Board>) -> Result<Self, Failure> {
        let image = beken::identify(bytes).map_err(|error| refuse_beken(path, &error))?;
        let chip = match (image.chip, said) {
            (Some(chip), _) | (None, Some(Board::Beken(chip))) => chip,
            (None, _) => return Err(which_beken(path)),
        };
        if image.kind == BekenKind::Ota {
            return Err(is_update(path));
        }
        let parts: Vec<Part> = image
            .regions(bytes.len())
            .into_iter()
            .map(|(name, offset, length)| Part {
                name: name.to_owned(),
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
                // The bytes of a region stand where they go to, or are the whole file.
                data: bytes
                    .get(offset..)
                    .filter(|_| image.chip.is_some())
                    .unwrap_or(bytes)
                    .iter()
                    .take(length)
                    .copied()
                    .collect(),
            })
            .collect();
        let version = image.header.as_ref().map(|header| header.release.version.clone());
        let is_obkmq = version.as_ref().is_some_and(|version| version.starts_with(OBKMQ_VERSION));
        Ok(Self {
            path: path.to_owned(),
            model: Model::Beken(chip),
            key: image.key,
            application: version.unwrap_or_else(|| "an application without a name".to_owned()),
            is_obkmq,
            parts,
            others: beken_regions(chip, is_obkmq),
            flash_bytes: beken::map::FLASH_BYTES,
        })
    }

    /// Leaves the boot loader of a BK7231T out of what is written; whether there was one.
    pub(crate) fn keep_bootloader(&mut self) -> bool {
        let Some(index) = self.parts.iter().position(|part| part.offset < beken::map::BOOTLOADER_END) else {
            return false;
        };
        if self.model != Model::Beken(BekenChip::T) {
            return false;
        }
        self.parts.remove(index);
        let range = FlashMap::of(BekenChip::T).bootloader;
        self.others.push(Region { name: "bootloader".to_owned(), range, role: Role::Spare });
        true
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let identified = identify(bytes).map_err(|error| refuse(path, &error))?;
        let Some(table) = identified.table() else {
            return Err(not_merged(path, identified.chip_id()));
        };
        let parts: Vec<Part> = identified
            .regions()
            .into_iter()
            .map(|region| Part { name: region.name, offset: region.offset, data: region.bytes })
            .collect();
        let others = table
            .partitions()
            .iter()
            .filter(|partition| parts.iter().all(|part| part.offset != partition.offset))
            .map(|partition| Region {
                name: partition.name.clone(),
                range: partition.range(),
                role: role(partition.partition_type),
            })
            .collect();
        let flash_bytes = table.end();
        Ok(Self::new(path, &identified, parts, others, flash_bytes))
    }

    fn new(
        path: &Path,
        identified: &Identified<'_>,
        parts: Vec<Part>,
        others: Vec<Region>,
        flash_bytes: u32,
    ) -> Self {
        let descriptor = &identified.descriptor;
        Self {
            path: path.to_owned(),
            model: Model::Esp(identified.chip_id()),
            key: None,
            application: format!("{} {}", descriptor.project_name, descriptor.version),
            is_obkmq: descriptor.project_name == AppDescriptor::OBKMQ,
            parts,
            others,
            flash_bytes,
        }
    }
}

/// How the version in the RBL header of obkmq's own applications begins.
pub(crate) const OBKMQ_VERSION: &str = "obkmq ";

/// What a Beken image leaves alone: what is obkmq's owner's, if it is obkmq's, and what is nobody's to write.
fn beken_regions(chip: BekenChip, is_obkmq: bool) -> Vec<Region> {
    let map = FlashMap::of(chip);
    let region = |name: &str, range, role| Region { name: name.to_owned(), range, role };
    let mut regions = vec![
        region("RF calibration", map.calibration, Role::Spare),
        region("network", map.network, Role::Spare),
    ];
    if is_obkmq {
        regions.push(region("settings", map.settings, Role::Owner));
        regions.push(region("files", map.files, Role::Owner));
        regions.push(region("retained", map.retained, Role::Owner));
    }
    regions
}

fn which_beken(path: &Path) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("{} does not say which chip it is for.", path.display()),
        "an application for a BK7231T looks like one for a BK7231N, and does not run there",
        "say it: --board bk7231t or --board bk7231n",
    )
}

fn is_update(path: &Path) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("{} is an update that a board loads by itself (OTA).", path.display()),
        "its application is stored in another form",
        "name the image for the cable that belongs to it (QIO or UA)",
    )
}

pub(crate) fn refuse_beken(path: &Path, error: &beken::BekenError) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("{} is no sound Beken image.", path.display()),
        error.to_string(),
        match error {
            beken::BekenError::UnknownKey => "look for an image that is made for the module at hand",
            _ => "download or build it again",
        },
    )
}

fn role(partition_type: PartitionType) -> Role {
    if partition_type.is_app() { Role::Spare } else { Role::Owner }
}

/// What to do when the image of `flash` cannot be read.
const READ_NEXT: &str = "check the name, or leave --image out to use what `cargo xtask image` made";

/// Reads a file whose size is plausible.
pub(crate) fn read(path: &Path, next: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: &std::io::Error| {
        Failure::new(
            Exit::WrongImage,
            format!("The image {} cannot be read.", path.display()),
            error.to_string(),
            next,
        )
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    file.take(IMAGE_LIMIT_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > IMAGE_LIMIT_BYTES {
        return Err(Failure::new(
            Exit::WrongImage,
            format!("{} is not a firmware image.", path.display()),
            format!("it is larger than any flash: over {} MB", IMAGE_LIMIT_BYTES / (1024 * 1024)),
            "name the merged image, for example obkmq-esp32c3.bin",
        ));
    }
    Ok(bytes)
}

pub(crate) fn refuse(path: &Path, error: &ImageError) -> Failure {
    let (what, next) = match error {
        ImageError::NotAnImage { .. } => {
            ("is not a firmware image", "name the merged image, for example obkmq-esp32c3.bin")
        }
        ImageError::Truncated { .. } => ("is truncated", "download or build it again"),
        ImageError::Checksum { .. } | ImageError::Hash { .. } | ImageError::HashFlag { .. } => {
            ("is damaged", "download or build it again")
        }
        _ => ("cannot be flashed", "build it with `cargo xtask image CHIP`, or download a release"),
    };
    Failure::new(Exit::WrongImage, format!("{} {what}.", path.display()), error.to_string(), next)
}

fn not_merged(path: &Path, chip: ChipId) -> Failure {
    Failure::new(
        Exit::WrongImage,
        format!("{} is an application for {chip} alone.", path.display()),
        "a board that may be blank also needs boot loader and partition table",
        "name the merged image, which lies beside it without `-app` in its name",
    )
}

/// Every image that was made for a chip, checked against its manifest.
///
/// # Errors
/// There is none, or one of them is not what its manifest says.
/// `said` is the board that its owner names, if any.
pub(crate) fn found(said: Option<Board>) -> Result<Vec<Image>, Failure> {
    if let Some(Board::Beken(chip)) = said {
        return Err(Failure::new(
            Exit::WrongImage,
            "There is no image to write.",
            format!("there is no obkmq for {} yet that could be built", chip.family()),
            "name one: --image FILE",
        ));
    }
    let folders = image_folders();
    for folder in &folders {
        let images: Vec<Image> = Chip::ALL
            .iter()
            .map(|chip| folder.join(chip.name()).join("manifest.json"))
            .filter(|manifest| manifest.is_file())
            .map(|manifest| from_manifest(&manifest))
            .collect::<Result<_, _>>()?;
        if !images.is_empty() {
            return Ok(images);
        }
    }
    Err(Failure::new(
        Exit::WrongImage,
        "There is no image to write.",
        "none is named, and `target/images` is neither here nor in a folder above",
        "make one with `cargo xtask image esp32c3`, or name a downloaded one: --image FILE",
    ))
}

/// The image for the chip that was detected.
pub(crate) fn for_model(images: Vec<Image>, model: Model) -> Result<Image, Failure> {
    let names: Vec<String> =
        images.iter().map(|image| format!("{} (for {})", image.path.display(), image.model)).collect();
    images.into_iter().find(|image| image.model == model).ok_or_else(|| {
        let next = match model.board() {
            Some(Board::Esp(chip)) => format!("make the right one: cargo xtask image {}", chip.name()),
            Some(Board::Beken(_)) => "name an image for it with --image".to_owned(),
            None => format!("there is no obkmq for the {model} yet; use another board"),
        };
        Failure::new(
            Exit::WrongImage,
            format!("The chip is {model}; the image is for another one."),
            format!("the image is {}; nothing was erased", names.join(", ")),
            next,
        )
    })
}

/// Where images may lie, the nearest first.
fn image_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(here) = std::env::current_dir() {
        folders.extend(here.ancestors().map(|folder| folder.join("target").join("images")));
    }
    // target/debug/obkmq → target/images
    if let Ok(program) = std::env::current_exe()
        && let Some(target) = program.parent().and_then(Path::parent)
    {
        folders.push(target.join("images"));
    }
    folders
}

fn from_manifest(path: &Path) -> Result<Image, Failure> {
    let bad = |why: String| {
        Failure::new(
            Exit::WrongImage,
            format!("The image described by {} cannot be used.", path.display()),
            why,
            "make it again with `cargo xtask image CHIP`",
        )
    };
    let manifest = Manifest::from_json(&read(path, READ_NEXT)?).map_err(|error| bad(error.to_string()))?;
    let file = manifest.file(FileKind::Merged).ok_or_else(|| bad("it names no merged image".to_owned()))?;
    let file_path = path.with_file_name(&file.path);
    let bytes = read(&file_path, READ_NEXT)?;
    file.verify(&bytes).map_err(|error| bad(error.to_string()))?;
    let image = Image::from_bytes(&file_path, &bytes)?;
    if image.model.board() != manifest.chip().map(Board::Esp) {
        return Err(bad(format!("it says {}, the image is for {}", manifest.chip, image.model)));
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn what_is_no_image_is_exit_6() {
        for bytes in [&b"hello"[..], b"", &[0xFF; 4096], &[0xE9; 100]] {
            let failure = Image::load(write(bytes).path(), None).unwrap_err();
            assert_eq!(failure.exit, Exit::WrongImage, "{failure}");
        }
        assert_eq!(Image::load(Path::new("/nowhere/a.bin"), None).unwrap_err().exit, Exit::WrongImage);
        assert_eq!(Image::load(Path::new("/"), None).unwrap_err().exit, Exit::WrongImage);
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        #[cfg(unix)]
        assert_eq!(Image::load(Path::new("/dev/zero"), None).unwrap_err().exit, Exit::WrongImage);
    }

    #[test]
    fn the_image_must_be_for_the_chip_at_hand() {
        let image = Image {
            path: "c3.bin".into(),
            model: Model::Esp(ChipId(5)),
            key: None,
            application: "obkmq 0.1.0".into(),
            is_obkmq: true,
            parts: Vec::new(),
            others: Vec::new(),
            flash_bytes: 0,
        };
        let model = |id| Model::Esp(ChipId(id));
        assert_eq!(for_model(vec![image.clone()], model(5)), Ok(image.clone()));
        let failure = for_model(vec![image], model(16)).unwrap_err();
        assert_eq!(failure.exit, Exit::WrongImage);
        assert!(failure.what.contains("ESP32-H2;") && failure.why.contains("ESP32-C3"), "{failure}");
    }
}
