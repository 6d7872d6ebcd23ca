//! The manifest beside an image: what it is, for which chip, and which files belong to it.
//!
//! One JSON object serves two readers: `obkmq flash` reads `format`, `chip`, `files` and the rest; ESP Web Tools reads
//! `name`, `version` and `builds`, and ignores what it does not know.
//! Source: "Creating your website" of ESP Web Tools, <https://esphome.github.io/esp-web-tools/>.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bytes::hex;
use crate::chip::Chip;
use crate::limits::{MAX_MANIFEST_BYTES, MAX_MANIFEST_FILES};

/// The manifest format this crate writes and reads.
pub const FORMAT: u32 = 1;

/// What a file of a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Bootloader, partition table and application: for a board that has never been flashed.
    Merged,
    /// The application alone: for an update.
    App,
}

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Name of the file, which lies beside the manifest.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Where in flash its first byte goes.
    pub offset: u32,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

impl ManifestFile {
    /// Describes a file with these bytes.
    pub fn new(path: &str, kind: FileKind, offset: u32, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { path: path.to_owned(), kind, offset, size, sha256: hex(&Sha256::digest(bytes)) }
    }

    /// Checks that `bytes` are this file's.
    ///
    /// # Errors
    /// [`ManifestError::Size`] or [`ManifestError::Hash`].
    pub fn verify(&self, bytes: &[u8]) -> Result<(), ManifestError> {
        let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if found != self.size {
            return Err(ManifestError::Size { path: self.path.clone(), expected: self.size, found });
        }
        let found = hex(&Sha256::digest(bytes));
        if found != self.sha256 {
            return Err(ManifestError::Hash {
                path: self.path.clone(),
                expected: self.sha256.clone(),
                found,
            });
        }
        Ok(())
    }
}

/// A file of a build, in the words of ESP Web Tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the file, relative to the manifest.
    pub path: String,
    /// Where in flash its first byte goes.
    pub offset: u32,
}

/// What to write to one family of chips, in the words of ESP Web Tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The chip: `ESP32-C3`.
    #[serde(rename = "chipFamily")]
    pub chip_family: String,
    /// The files.
    pub parts: Vec<Part>,
}

/// What is wrong with a manifest, or with a file it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Larger than any manifest.
    #[error("a manifest of {found} bytes; {MAX_MANIFEST_BYTES} are the most that is read")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Not JSON, or not of this shape.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What was expected.
        message: String,
    },
    /// Written by another release.
    #[error("manifest format {found}; this program reads format {FORMAT}")]
    Format {
        /// The format it claims.
        found: u32,
    },
    /// A chip that this program does not know.
    #[error("the manifest is for chip `{found}`, which this program does not know")]
    Chip {
        /// The chip it names.
        found: String,
    },
    /// A file name with a folder in it.
    #[error("the manifest names the file `{path}`; only plain file names beside the manifest are allowed")]
    Path {
        /// The name.
        path: String,
    },
    /// No files, or implausibly many.
    #[error("the manifest names {found} files; 1 to {MAX_MANIFEST_FILES} are possible")]
    Files {
        /// How many.
        found: usize,
    },
    /// A file has another length than the manifest says.
    #[error("`{path}` has {found} bytes, the manifest says {expected}")]
    Size {
        /// The file.
        path: String,
        /// The manifest's number.
        expected: u64,
        /// The file's number.
        found: u64,
    },
    /// A file has other contents than the manifest says.
    #[error("`{path}` is not the file the manifest describes: SHA-256 {found}, expected {expected}")]
    Hash {
        /// The file.
        path: String,
        /// The manifest's hash.
        expected: String,
        /// The file's hash.
        found: String,
    },
}

/// A release of the firmware for one chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the firmware; Improv reports the same one.
    pub name: String,
    /// Version of the firmware.
    pub version: String,
    /// The commit it was built from; `-dirty` at its end if files were changed.
    pub git: String,
    /// The chip, as [`Chip::name`] writes it.
    pub chip: String,
    /// The least flash it can live in.
    pub minimum_flash_bytes: u32,
    /// The files that belong to it.
    pub files: Vec<ManifestFile>,
    /// The same for ESP Web Tools.
    pub builds: Vec<Build>,
}

impl Manifest {
    /// A manifest; `builds` follows from the merged files.
    pub fn new(
        chip: Chip,
        version: &str,
        git: &str,
        minimum_flash_bytes: u32,
        files: Vec<ManifestFile>,
    ) -> Self {
        let parts = files
            .iter()
            .filter(|file| file.kind == FileKind::Merged)
            .map(|file| Part { path: file.path.clone(), offset: file.offset })
            .collect();
        Self {
            format: FORMAT,
            name: "obkmq".to_owned(),
            version: version.to_owned(),
            git: git.to_owned(),
            chip: chip.name().to_owned(),
            minimum_flash_bytes,
            files,
            builds: vec![Build { chip_family: chip.family().to_owned(), parts }],
        }
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// A [`ManifestError`] about the manifest itself; its files are checked by [`ManifestFile::verify`].
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge { found: json.len() });
        }
        /// The format is read ahead of the rest: another format may have another shape.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(json).map_err(|error| ManifestError::syntax(&error))?;
        if head.format != FORMAT {
            return Err(ManifestError::Format { found: head.format });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(|error| ManifestError::syntax(&error))?;
        if manifest.chip().is_none() {
            return Err(ManifestError::Chip { found: manifest.chip });
        }
        if manifest.files.is_empty() || manifest.files.len() > MAX_MANIFEST_FILES {
            return Err(ManifestError::Files { found: manifest.files.len() });
        }
        match manifest.files.iter().find(|file| !is_plain_name(&file.path)) {
            Some(file) => Err(ManifestError::Path { path: file.path.clone() }),
            None => Ok(manifest),
        }
    }

    /// The manifest as JSON, indented, with a newline at its end.
    pub fn to_json(&self) -> String {
        // Nothing in this type can fail to be written: its keys are strings and its numbers integers.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// The chip it is for, if this program knows it.
    pub fn chip(&self) -> Option<Chip> {
        self.chip.parse().ok()
    }

    /// The first file of this kind.
    pub fn file(&self, kind: FileKind) -> Option<&ManifestFile> {
        self.files.iter().find(|file| file.kind == kind)
    }
}

impl ManifestError {
    fn syntax(error: &serde_json::Error) -> Self {
        Self::Syntax { line: error.line(), column: error.column(), message: error.to_string() }
    }
}

/// Manifests come from downloads: a name must not lead out of the manifest's folder, on any system.
fn is_plain_name(path: &str) -> bool {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '+');
    !path.is_empty() && path.len() <= 128 && !path.starts_with('.') && path.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        let merged = ManifestFile::new("obkmq-esp32c3.bin", FileKind::Merged, 0, b"merged");
        let app = ManifestFile::new("obkmq-esp32c3-app.bin", FileKind::App, 0x1_0000, b"app");
        Manifest::new(Chip::Esp32c3, "0.1.0", "abc1234", 4 << 20, vec![merged, app])
    }

    #[test]
    fn the_shape_is_the_one_both_readers_know() {
        let json: serde_json::Value = serde_json::from_str(&manifest().to_json()).unwrap();
        assert_eq!(json["format"], 1);
        assert_eq!(json["chip"], "esp32c3");
        assert_eq!(json["minimum_flash_bytes"], 4 << 20);
        assert_eq!(json["files"][1]["kind"], "app");
        assert_eq!(json["files"][1]["offset"], 0x1_0000);
        assert_eq!(json["name"], "obkmq");
        assert_eq!(json["version"], "0.1.0");
        assert_eq!(json["builds"][0]["chipFamily"], "ESP32-C3");
        assert_eq!(
            json["builds"][0]["parts"],
            serde_json::json!([{ "path": "obkmq-esp32c3.bin", "offset": 0 }])
        );
    }

    #[test]
    fn makes_the_round_trip() {
        let read = Manifest::from_json(manifest().to_json().as_bytes()).unwrap();
        assert_eq!(read, manifest());
        assert_eq!(read.chip(), Some(Chip::Esp32c3));
        assert_eq!(read.file(FileKind::App).unwrap().path, "obkmq-esp32c3-app.bin");
    }

    #[test]
    fn files_are_verified_by_size_and_hash() {
        let manifest = manifest();
        let merged = manifest.file(FileKind::Merged).unwrap();
        merged.verify(b"merged").unwrap();
        assert!(matches!(merged.verify(b"merge"), Err(ManifestError::Size { expected: 6, found: 5, .. })));
        assert!(matches!(merged.verify(b"Merged"), Err(ManifestError::Hash { .. })));
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for path in ["../etc/passwd", "/etc/passwd", "a/b", "C:\\b", "", ".hidden", "a\nb", "ä"] {
            let mut manifest = manifest();
            manifest.files[0].path = path.to_owned();
            let read = Manifest::from_json(manifest.to_json().as_bytes());
            assert_eq!(read, Err(ManifestError::Path { path: path.to_owned() }));
        }
    }

    #[test]
    fn other_formats_chips_and_shapes_are_named() {
        assert_eq!(Manifest::from_json(br#"{"format": 2}"#), Err(ManifestError::Format { found: 2 }));
        let foreign = manifest().to_json().replace("esp32c3\",", "esp9000\",");
        assert_eq!(
            Manifest::from_json(foreign.as_bytes()),
            Err(ManifestError::Chip { found: "esp9000".to_owned() })
        );
        assert!(matches!(Manifest::from_json(b"{\n  oops"), Err(ManifestError::Syntax { line: 2, .. })));
        let large = vec![b' '; MAX_MANIFEST_BYTES + 1];
        assert!(matches!(Manifest::from_json(&large), Err(ManifestError::TooLarge { .. })));
        let mut empty = manifest();
        empty.files.clear();
        assert_eq!(Manifest::from_json(empty.to_json().as_bytes()), Err(ManifestError::Files { found: 0 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(json in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::from_json(&json);
        }
    }
}
