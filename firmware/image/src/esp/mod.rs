//! Espressif's firmware image format, as its ROMs and second-stage bootloader read it.
//!
//! ```text
//! header (24 bytes) · segments (8-byte header + data each) · padding · checksum · SHA-256 if the header says so
//! ```
//!
//! The checksum is the exclusive or of all segment data with 0xEF and is the last byte of a 16-byte line; the hash covers
//! everything before itself. An application's first segment begins with an [`AppDescriptor`].
//! Source: "Firmware Image Format" in esptool's documentation, `esp_app_format.h` and `esp_image_format.c` of ESP-IDF.

mod descriptor;
mod header;
mod image;

pub use descriptor::AppDescriptor;
pub use header::{FlashMode, ImageHeader, Revision};
pub use image::{EspImage, Segment};

/// First byte of every image.
pub const IMAGE_MAGIC: u8 = 0xE9;
