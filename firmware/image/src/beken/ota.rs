//! OTA files: an RBL header and the plain application, from which the boot loader makes the stored one.

use std::io::Write as _;

use super::aes;
use super::app::{Application, check_vectors, fits};
use super::error::BekenError;
use super::rbl::{Compression, Encryption, HEADER_BYTES, RblHeader, Release, crc32, fnv1a};

/// Bytes of the download partition, header included, on T and N alike.
pub const DOWNLOAD_BYTES: usize = 0xA_6000;

/// What becomes of the application on its way into an OTA file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// It is compressed with gzip.
    pub gzip: bool,
    /// It is encrypted with AES-256-CBC and the published key, after that.
    pub aes: bool,
}

/// Makes an OTA file.
///
/// # Errors
/// It does not fit the download partition.
pub fn encode(app: Application<'_>, release: &Release, packing: Packing) -> Result<Vec<u8>, BekenError> {
    let Packing { gzip, aes } = packing;
    let raw = app.code();
    let payload = if gzip { compress(raw) } else { raw.to_vec() };
    let payload = if aes { aes::encrypt(&payload) } else { payload };
    fits("OTA file", DOWNLOAD_BYTES, payload.len().saturating_add(HEADER_BYTES))?;
    let size = |bytes: &[u8]| {
        let (part, room, found) = ("OTA file", DOWNLOAD_BYTES, bytes.len());
        u32::try_from(found).map_err(|_| BekenError::TooLarge { part, room, found })
    };
    let header = RblHeader {
        encryption: if aes { Encryption::Aes256 } else { Encryption::None },
        compression: if gzip { Compression::Gzip } else { Compression::None },
        release: release.clone(),
        data_crc: crc32(&payload),
        hash: fnv1a(raw),
        raw_bytes: size(raw)?,
        package_bytes: size(&payload)?,
    };
    let mut file = header.encode();
    file.extend_from_slice(&payload);
    Ok(file)
}

/// Reads an OTA file and checks all of it; the application is `None` where only its payload's CRC could be checked
/// ([`RblHeader::unpack`]).
///
/// # Errors
/// It is damaged, cut short, too large for a chip, goes on behind its end, or holds no application.
pub fn decode(file: &[u8]) -> Result<(RblHeader, Option<Vec<u8>>), BekenError> {
    let header = RblHeader::decode(file)?;
    let sizes = BekenError::Sizes { raw: header.raw_bytes, package: header.package_bytes };
    let package = usize::try_from(header.package_bytes).map_err(|_| sizes.clone())?;
    let end = package.checked_add(HEADER_BYTES).ok_or_else(|| sizes.clone())?;
    fits("OTA file", DOWNLOAD_BYTES, end)?;
    let raw = usize::try_from(header.raw_bytes).map_err(|_| sizes)?;
    fits("application", super::app::APP_CODE_BYTES, raw)?;
    let payload = file.get(HEADER_BYTES..end).ok_or(BekenError::Truncated {
        part: "payload",
        needed: end,
        found: file.len(),
    })?;
    let rest = file.get(end..).unwrap_or_default();
    if let Some(index) = rest.iter().position(|&byte| byte != 0xFF) {
        return Err(BekenError::Stray { after: "payload", at: end.saturating_add(index) });
    }
    let app = header.unpack(payload)?;
    if let Some(code) = &app {
        check_vectors(code)?;
    }
    Ok((header, app))
}

fn compress(raw: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // A `Vec` takes all that it is given.
    let _ = packer.write_all(raw);
    packer.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::app::tests::{code, release};
    use super::*;
    use crate::bytes::hex;

    const PLAIN: Packing = Packing { gzip: false, aes: false };
    const GZIP: Packing = Packing { gzip: true, aes: false };

    /// The fact sheet's vector is over bytes that are no application, so it is built from its header's fields.
    #[test]
    fn the_header_is_that_of_the_vendor() {
        let data: Vec<u8> = (0..100_u8).map(|index| index.wrapping_mul(7).wrapping_add(3)).collect();
        let mut header = RblHeader {
            encryption: Encryption::None,
            compression: Compression::None,
            release: release(),
            data_crc: crc32(&data),
            hash: fnv1a(&data),
            raw_bytes: 100,
            package_bytes: 100,
        };
        let plain = "52424c000000000000f1536561707000000000000000000000000000312e3030000000000000000000000000000000000000\
                     0000303030303030303030303030303030303030303030303000096b31aa193c323a64000000640000006d39fa95";
        assert_eq!(hex(&header.encode()), plain);
        assert_eq!(header.unpack(&data), Ok(Some(data.clone())));

        let payload = "7bfab0f24b1fc74b7b6da7af5fe8403165bd15c004cc64e85b305ba8df17723215f258fb7e084c3c66fdc29646c47365d4891e5a\
                       6c8bb3150db2695d52ca17aa61f004af275051929f83de2626b6e0751090ce1c6f2ecd46cb29bd0374ce5f76d5fd1dc9f9f0fd92\
                       99201bc65d80ec22";
        let payload: Vec<u8> = (0..payload.len() / 2)
            .map(|index| u8::from_str_radix(&payload[index * 2..index * 2 + 2], 16).unwrap())
            .collect();
        header.encryption = Encryption::Aes256;
        (header.data_crc, header.package_bytes) = (crc32(&payload), 112);
        assert!(hex(&header.encode()).ends_with("009bf84d52193c323a64000000700000008532ee43"));
        assert_eq!(header.unpack(&payload), Ok(Some(data.clone())));
        assert_eq!(aes::encrypt(&data), payload);
        header.encryption = Encryption::Xor;
        assert_eq!(header.unpack(&payload), Ok(None), "the XOR is recognised, not opened");
    }

    #[test]
    fn what_unpacks_to_more_than_announced_is_refused() {
        let bomb = compress(&vec![0; 4 << 20]);
        let header = RblHeader {
            encryption: Encryption::None,
            compression: Compression::Gzip,
            release: release(),
            data_crc: crc32(&bomb),
            hash: 0,
            raw_bytes: 1000,
            package_bytes: u32::try_from(bomb.len()).unwrap(),
        };
        assert_eq!(header.unpack(&bomb), Err(BekenError::Unpack { raw: 1000 }));
    }

    #[test]
    fn a_payload_that_is_not_the_one_that_was_hashed_is_refused() {
        let app = code(100);
        let mut file = encode(Application::new(&app).unwrap(), &release(), GZIP).unwrap();
        let mut header = RblHeader::decode(&file).unwrap();
        header.hash ^= 1;
        file.splice(..HEADER_BYTES, header.encode());
        assert!(matches!(decode(&file), Err(BekenError::Payload { sum: "FNV-1a", .. })));
    }

    #[test]
    fn too_large_cut_short_and_going_on_are_refused() {
        let app = code(DOWNLOAD_BYTES);
        let app = Application::new(&app).unwrap();
        assert!(matches!(encode(app, &release(), PLAIN), Err(BekenError::TooLarge { .. })));
        assert!(encode(app, &release(), GZIP).is_ok());

        let app = code(100);
        let mut file = encode(Application::new(&app).unwrap(), &release(), PLAIN).unwrap();
        assert!(matches!(decode(&file[..150]), Err(BekenError::Truncated { needed: 196, found: 150, .. })));
        file.push(0);
        assert!(matches!(decode(&file), Err(BekenError::Stray { at: 196, .. })));
    }

    proptest! {
        #[test]
        fn files_are_read_as_written_and_damage_is_found(
            length in 32_usize..2000, gzip: bool, aes: bool, at: usize, bit in 0_u8..8,
        ) {
            let app = code(length);
            let mut file = encode(Application::new(&app).unwrap(), &release(), Packing { gzip, aes }).unwrap();
            let (header, read) = decode(&file).unwrap();
            prop_assert_eq!(header.release, release());
            prop_assert_eq!(read, Some(app));
            let at = at % file.len();
            file[at] ^= 1 << bit;
            prop_assert!(decode(&file).is_err());
        }
    }
}
