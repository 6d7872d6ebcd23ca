//! An application as the flash holds it: alone (UA), or in a container that fills its partition.

use super::cipher::CodeKey;
use super::error::BekenError;
use super::rbl::{Compression, Encryption, HEADER_BYTES, RblHeader, Release, crc32, fnv1a};
use super::units::{self, DATA_BYTES, UNIT_BYTES};
use crate::bytes::word;

/// Logical address of the application.
pub const APP_ADDRESS: u32 = 0x1_0000;

/// Where the application begins in the flash.
pub const APP_OFFSET: usize = 0x1_1000;

/// Bytes of code that the application's partition holds, on T and N alike.
pub const APP_CODE_BYTES: usize = 0x10_8700;

/// Bytes of flash that this takes.
pub const APP_STORED_BYTES: usize = APP_CODE_BYTES / DATA_BYTES * UNIT_BYTES;

/// Bytes of flash that an RBL header behind an application takes.
pub(super) const STORED_HEADER_BYTES: usize = HEADER_BYTES / DATA_BYTES * UNIT_BYTES;

/// Two pads of 16 bytes follow the code in a container; the second is 0xFF in the flash and 0x10 in the sums.
const PAD_BYTES: usize = 16;

/// A plain application that begins with a vector table and fits its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application<'a> {
    code: &'a [u8],
}

impl<'a> Application<'a> {
    /// Takes `code`, which was linked for [`APP_ADDRESS`].
    ///
    /// # Errors
    /// It has no vector table, or is larger than the partition.
    pub fn new(code: &'a [u8]) -> Result<Self, BekenError> {
        check_vectors(code)?;
        fits("application", APP_CODE_BYTES, code.len())?;
        Ok(Self { code })
    }

    /// The plain code.
    pub const fn code(self) -> &'a [u8] {
        self.code
    }

    /// The file that is written to the flash at [`APP_OFFSET`]; the vendor calls it UA.
    pub fn ua(self, key: CodeKey) -> Vec<u8> {
        units::encode(&self.enciphered(key))
    }

    /// The same with an RBL header at the end of `code_bytes` of partition ([`APP_CODE_BYTES`] on a chip).
    ///
    /// # Errors
    /// Application and header do not fit.
    pub fn container(
        self,
        key: CodeKey,
        release: &Release,
        code_bytes: usize,
    ) -> Result<Vec<u8>, BekenError> {
        let mut body = self.enciphered(key);
        body.extend_from_slice(&[0xFF; PAD_BYTES]);
        let raw_bytes = body.len();
        let package_bytes = raw_bytes.saturating_add(PAD_BYTES);
        let room = (code_bytes / DATA_BYTES * DATA_BYTES).saturating_sub(HEADER_BYTES);
        fits("application with its RBL header", room, package_bytes)?;

        let hash = fnv1a(&body);
        body.extend_from_slice(&[0x10; PAD_BYTES]);
        let data_crc = crc32(&body);
        body.truncate(raw_bytes);
        body.extend_from_slice(&[0xFF; PAD_BYTES]);

        let number = |value| {
            u32::try_from(value).map_err(|_| BekenError::TooLarge { part: "application", room, found: value })
        };
        let header = RblHeader {
            encryption: Encryption::None,
            compression: Compression::None,
            release: release.clone(),
            data_crc,
            hash,
            raw_bytes: number(raw_bytes)?,
            package_bytes: number(package_bytes)?,
        };
        let mut stored = units::encode(&body);
        stored.resize(room / DATA_BYTES * UNIT_BYTES, 0xFF);
        stored.extend_from_slice(&units::encode(&header.encode()));
        Ok(stored)
    }

    fn enciphered(self, key: CodeKey) -> Vec<u8> {
        let mut code = self.code.to_vec();
        code.resize(code.len().next_multiple_of(DATA_BYTES), 0xFF);
        key.apply(&mut code, APP_ADDRESS);
        code
    }
}

/// The header of a container whose units hold `body`, which it must describe; returns the bytes of code in it.
///
/// For every other application ltchiptool announces a raw part that is longer than the package; its hash then ends with
/// the package. Such containers are common, so they are read, too.
pub(super) fn check_container(header: &RblHeader, body: &[u8]) -> Result<usize, BekenError> {
    let sizes = BekenError::Sizes { raw: header.raw_bytes, package: header.package_bytes };
    let package = usize::try_from(header.package_bytes).map_err(|_| sizes.clone())?;
    let stored =
        package.checked_sub(PAD_BYTES).and_then(|end| body.get(..end)).ok_or_else(|| sizes.clone())?;
    let code = stored.len().checked_sub(PAD_BYTES).ok_or_else(|| sizes.clone())?;

    let mut summed = stored.to_vec();
    summed.extend_from_slice(&[0x10; PAD_BYTES]);
    let found = crc32(&summed);
    if found != header.data_crc {
        return Err(BekenError::Payload { sum: "CRC-32", expected: header.data_crc, found });
    }
    let raw = usize::try_from(header.raw_bytes).map_err(|_| sizes)?;
    let found = fnv1a(summed.get(..raw).unwrap_or(&summed));
    if found != header.hash {
        return Err(BekenError::Payload { sum: "FNV-1a", expected: header.hash, found });
    }
    Ok(code)
}

/// Checks that `code` begins with ARM's vector table: eight words that branch (`b`) or load the program counter
/// (`ldr pc, [pc, #…]`), of which the sixth is reserved.
pub(super) fn check_vectors(code: &[u8]) -> Result<(), BekenError> {
    for index in [0_u8, 1, 2, 3, 4, 6, 7] {
        let found = word(code, usize::from(index) * 4).unwrap_or_default();
        let branch = found >> 24 == 0xEA;
        let load = found & 0xFFFF_F000 == 0xE59F_F000;
        if !branch && !load {
            return Err(BekenError::NoVectors { index, found });
        }
    }
    Ok(())
}

pub(super) fn fits(part: &'static str, room: usize, found: usize) -> Result<(), BekenError> {
    if found > room { Err(BekenError::TooLarge { part, room, found }) } else { Ok(()) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bytes::hex;

    /// Code of `length` bytes behind a vector table.
    pub(crate) fn code(length: usize) -> Vec<u8> {
        let mut code = 0xEA00_000E_u32.to_le_bytes().to_vec();
        code.extend([0xE59F_F014_u32; 7].iter().flat_map(|word| word.to_le_bytes()));
        code.extend((0..=255_u8).cycle().map(|byte| byte.wrapping_mul(7)).take(length - 32));
        code
    }

    pub(crate) fn release() -> Release {
        Release { name: "app".into(), version: "1.00".into(), unix_time: 1_700_000_000 }
    }

    #[test]
    fn an_application_begins_as_the_vendors_do() {
        let code = code(64);
        let stored = Application::new(&code).unwrap().ua(CodeKey::DEFAULT);
        assert_eq!(hex(&stored[..8]), "2f07b59435ff2a9b");
    }

    #[test]
    fn a_container_is_that_of_the_vendor() {
        let data: Vec<u8> = (0..100_u8).map(|index| index.wrapping_mul(7).wrapping_add(3)).collect();
        let stored = Application { code: &data }.container(CodeKey::DEFAULT, &release(), 0x200).unwrap();
        let (body, rest) = stored.split_at(170);
        let pads = format!("{}000c", "ff".repeat(32));
        assert_eq!(
            hex(body),
            "220da4663e29984a1a55fc2e7641d012525d34f6aeb928da8a850cbee6f160a257a2c2ad4486de49b86a3a759c4e1661f032723d\
             d4164e19c8faaae52cde86d100c29d75e24d64a6fe69588ada95bc6e36819052129df4366ef9e81a4ac5ccfea63120e233f3826d\
             04c6de304a81de284a81de204a81de184a81de104a81de084a81de004a8182a3"
                .to_owned()
                + &pads
        );
        let (blank, header) = rest.split_at(272);
        assert!(blank.iter().all(|&byte| byte == 0xFF));
        assert_eq!(
            hex(header),
            "52424c000000000000f1536561707000000000000000000000000000312e303061a5000000000000000000000000000000000000\
             000030303030303030303030303085a4303030303030303030303000c7182a8b9573359690000000a0000000c43787d59ed6"
        );
    }

    #[test]
    fn code_without_a_vector_table_or_beyond_its_partition_is_refused() {
        assert!(matches!(Application::new(&[]), Err(BekenError::NoVectors { index: 0, .. })));
        let mut broken = code(64);
        broken[7] = 0;
        assert!(matches!(Application::new(&broken), Err(BekenError::NoVectors { index: 1, .. })));
        let large = code(APP_CODE_BYTES + 1);
        assert!(matches!(Application::new(&large), Err(BekenError::TooLarge { .. })));
        let app = code(0x180);
        let app = Application::new(&app).unwrap();
        assert!(matches!(
            app.container(CodeKey::PLAIN, &release(), 0x1E0),
            Err(BekenError::TooLarge { room: 0x180, found: 0x1A0, .. })
        ));
        assert!(app.container(CodeKey::PLAIN, &release(), 0x200).is_ok());
    }
}
