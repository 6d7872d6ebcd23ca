//! `obkmq image info`: what an image file is, and whether it is whole.

use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_image::beken::{self, Beken, BekenKind, CodeKey};
use obkmq_image::esp::EspImage;
use obkmq_image::{Identified, ImageError, identify};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::failure::Failure;
use crate::flash::image;

/// Print what a firmware image is, having checked all of it
#[derive(Args)]
#[command(after_help = "\
Reads images of the ESP32 family and of BK7231T/N. The exit
code is 6 if the file is none, or is damaged or cut short.

Example:
  obkmq image info obkmq-esp32c3.bin")]
pub(crate) struct Info {
    /// The image
    file: PathBuf,
}

impl Info {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let bytes = image::read(&self.file, "check the name")?;
        let report = if beken::is_beken(&bytes) {
            let image = beken::identify(&bytes).map_err(|error| image::refuse_beken(&self.file, &error))?;
            Report::beken(&bytes, &image)
        } else {
            let image = identify(&bytes).map_err(|error| refuse_esp(&self.file, &error))?;
            Report::esp(&bytes, &image)
        };
        if context.json {
            return context.out_json("image", report);
        }
        report.print(context)
    }
}

/// What there is to say of a sound image; fields that do not apply are left out.
#[derive(Serialize)]
struct Report {
    kind: &'static str,
    chip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packing: Option<&'static str>,
    regions: Vec<Region>,
    checked: Vec<&'static str>,
    /// False if something about the file cannot be checked, which `unchecked` then names.
    whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unchecked: Option<String>,
    sha256: String,
}

#[derive(Serialize)]
struct Region {
    name: String,
    offset: u64,
    bytes: usize,
}

impl Report {
    fn esp(file: &[u8], image: &Identified<'_>) -> Self {
        let regions: Vec<Region> = image
            .regions()
            .into_iter()
            .map(|region| Region {
                name: region.name,
                offset: region.offset.into(),
                bytes: region.bytes.len(),
            })
            .collect();
        let hashed = |image: &EspImage<'_>| image.header.hash_appended;
        Self {
            kind: if image.table().is_some() { "merged image" } else { "application" },
            chip: image.chip_id().to_string(),
            name: Some(image.descriptor.project_name.clone()),
            version: Some(image.descriptor.version.clone()),
            bytes: file.len(),
            application_bytes: Some(image.app.bytes.len()),
            key: None,
            packing: None,
            regions,
            checked: if hashed(&image.app) { vec!["checksum", "SHA-256"] } else { vec!["checksum"] },
            whole: true,
            unchecked: None,
            sha256: sha256(file),
        }
    }

    fn beken(file: &[u8], image: &Beken) -> Self {
        let release = image.header.as_ref().map(|header| &header.release);
        let unchecked = if !image.is_opened() {
            Some("what is inside of the payload".to_owned())
        } else if image.unchecked_bytes > 0 {
            Some(format!("the last {} bytes, behind the application's partition", image.unchecked_bytes))
        } else if image.header.is_none() {
            Some("whether its end is there: without an RBL header it names no length".to_owned())
        } else {
            None
        };
        let checked = match (image.kind, &image.header) {
            (BekenKind::Ota, _) if !image.is_opened() => vec!["CRC-32"],
            (BekenKind::Ota, _) => vec!["CRC-32", "FNV-1a", "vector table"],
            (BekenKind::Bootloader, _) => vec!["CRC-16"],
            (_, Some(_)) => vec!["CRC-16", "CRC-32", "FNV-1a", "vector table"],
            (_, None) => vec!["CRC-16", "vector table"],
        };
        Self {
            kind: match image.kind {
                BekenKind::Ua => "application (UA)",
                BekenKind::Container => "application (container with RBL)",
                BekenKind::Bootloader => "boot loader",
                BekenKind::Qio => "flash from its start (QIO)",
                BekenKind::Ota => "update (OTA .rbl)",
            },
            chip: image.chip.map_or_else(|| "BK7231T or BK7231N".to_owned(), |chip| chip.to_string()),
            name: release.map(|release| release.name.clone()),
            version: release.map(|release| release.version.clone()),
            bytes: file.len(),
            application_bytes: image.app.as_ref().map(Vec::len),
            key: image.key.map(|key: CodeKey| key.to_string()),
            packing: image.packing(),
            regions: image
                .regions(file.len())
                .into_iter()
                .map(|(name, offset, bytes)| Region { name: name.to_owned(), offset: offset as u64, bytes })
                .collect(),
            checked,
            whole: unchecked.is_none(),
            unchecked,
            sha256: sha256(file),
        }
    }

    fn print(&self, context: &Context) -> anyhow::Result<()> {
        let line = |label: &str, text: &str| context.out(format_args!("{label:<12} {text}"));
        line("kind", self.kind)?;
        line("chip", &self.chip)?;
        if let (Some(name), Some(version)) = (&self.name, &self.version) {
            line("application", &format!("{name} {version}"))?;
        }
        line("size", &format!("{} bytes", self.bytes))?;
        if let Some(bytes) = self.application_bytes {
            line("", &format!("{bytes} bytes of application"))?;
        }
        if let Some(key) = &self.key {
            line("key", key)?;
        }
        if let Some(packing) = self.packing {
            line("packing", packing)?;
        }
        for region in &self.regions {
            line("region", &format!("0x{:06X} {:>8} bytes  {}", region.offset, region.bytes, region.name))?;
        }
        line("checked", &format!("{}: right", self.checked.join(", ")))?;
        if let Some(unchecked) = &self.unchecked {
            line("not checked", unchecked)?;
        }
        line("SHA-256", &self.sha256)
    }
}

fn sha256(file: &[u8]) -> String {
    Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refuse_esp(path: &Path, error: &ImageError) -> Failure {
    let mut failure = image::refuse(path, error);
    if matches!(error, ImageError::NotAnImage { .. }) {
        failure
            .why
            .push_str("; BK7231's begin with an RBL header or a unit with its CRC-16, and it does not");
        "name an image file, and one that is not packed in an archive".clone_into(&mut failure.next);
    } else if failure.what.ends_with("cannot be flashed.") {
        failure.what = format!("{} is no image that obkmq could use.", path.display());
    }
    failure
}
