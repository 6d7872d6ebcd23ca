//! What can be wrong with a file that should be a Beken image.

/// Why a file is not a sound Beken image, or cannot be made into one.
///
/// Offsets count from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BekenError {
    /// Neither an RBL header nor a unit with a right CRC at the start.
    #[error("it begins with neither an RBL header nor 32 bytes and their CRC-16")]
    NotBeken,
    /// The file ends before what its headers announce.
    #[error("it is cut short: its {part} reaches to byte {needed}, but the file has {found} bytes")]
    Truncated {
        /// What is incomplete.
        part: &'static str,
        /// Bytes the file must have at least.
        needed: usize,
        /// Bytes the file has.
        found: usize,
    },
    /// A unit of 34 bytes is damaged.
    #[error(
        "it is damaged: the CRC-16 at offset 0x{at:X} says 0x{expected:04X}, the data gives 0x{found:04X}"
    )]
    UnitCrc {
        /// Where the CRC stands.
        at: usize,
        /// The CRC in the file.
        expected: u16,
        /// The CRC of the data.
        found: u16,
    },
    /// No known key turns the code into something that begins like an application or a boot loader.
    #[error("no known key deciphers it: it is for a module with a key of its own, or it is not code")]
    UnknownKey,
    /// The application does not begin with ARM's vector table.
    #[error("the application has no vector table: word {index} at its start is 0x{found:08X}, not a branch")]
    NoVectors {
        /// Which word, counted from 0.
        index: u8,
        /// The word that is there, 0 if there is none.
        found: u32,
    },
    /// A part is longer than its place in the flash.
    #[error("the {part} has {found} bytes, its place in the flash {room}")]
    TooLarge {
        /// What does not fit.
        part: &'static str,
        /// Bytes of the place.
        room: usize,
        /// Bytes of the part.
        found: usize,
    },
    /// The RBL header is damaged.
    #[error("the RBL header is damaged: its CRC-32 says 0x{expected:08x}, the data gives 0x{found:08x}")]
    HeaderCrc {
        /// The CRC in the header.
        expected: u32,
        /// The CRC of its other bytes.
        found: u32,
    },
    /// A field of the RBL header has a value that nothing defines.
    #[error("the RBL header claims {field} {found}, which is unknown")]
    HeaderField {
        /// Which field.
        field: &'static str,
        /// Its value.
        found: u32,
    },
    /// The sizes of the RBL header do not go together.
    #[error("the RBL header claims sizes that cannot be: {raw} bytes, packed into {package}")]
    Sizes {
        /// Bytes of the unpacked application.
        raw: u32,
        /// Bytes of the payload.
        package: u32,
    },
    /// The payload is damaged.
    #[error("it is damaged: the {sum} of its payload should be 0x{expected:08x} and is 0x{found:08x}")]
    Payload {
        /// Which sum: `CRC-32` or `FNV-1a`.
        sum: &'static str,
        /// The sum in the header.
        expected: u32,
        /// The sum of the data.
        found: u32,
    },
    /// The compressed payload cannot be unpacked, or unpacks to another length than announced.
    #[error("it is damaged: its payload does not unpack to the {raw} bytes that its header announces")]
    Unpack {
        /// Bytes announced.
        raw: u32,
    },
    /// Data where nothing may be.
    #[error(
        "the file goes on where it should end: the byte behind its {after} at offset 0x{at:X} should be blank"
    )]
    Stray {
        /// The part before it.
        after: &'static str,
        /// Where it is.
        at: usize,
    },
}
