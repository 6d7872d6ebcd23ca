//! Numbers in a buffer of bytes: little endian, big endian where the size is negative, and bit by bit.

/// The bytes that an index and a size mean; nothing where they are not all there.
pub(super) fn place(length: usize, index: isize, size: usize) -> Option<usize> {
    let signed = isize::try_from(length).ok()?;
    let first = usize::try_from(if index < 0 { index.checked_add(signed)? } else { index }).ok()?;
    (first.checked_add(size)? <= length).then_some(first)
}

/// How many bytes a size means, and whether the greatest comes first.
pub(super) fn width(size: isize) -> Option<(usize, bool)> {
    match size {
        1..=4 => Some((usize::try_from(size).ok()?, false)),
        -4..=-1 => Some((usize::try_from(-size).ok()?, true)),
        _ => None,
    }
}

/// The number in some bytes.
pub(super) fn read(bytes: &[u8], big_endian: bool) -> u32 {
    let join = |value: u32, &byte: &u8| value << 8 | u32::from(byte);
    if big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

/// The same, with a sign.
pub(super) fn read_signed(bytes: &[u8], big_endian: bool) -> i32 {
    let unused = 32_u32.saturating_sub(8 * u32::try_from(bytes.len()).unwrap_or(4));
    (read(bytes, big_endian) << unused).cast_signed() >> unused
}

/// The bytes of a number.
pub(super) fn write(bytes: &mut [u8], value: u32, big_endian: bool) {
    let last = bytes.len().saturating_sub(1);
    for place in 0..bytes.len() {
        let shift = 8 * u32::try_from(place).unwrap_or(0);
        let at = if big_endian { last - place } else { place };
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value.checked_shr(shift).unwrap_or(0).to_le_bytes()[0];
        }
    }
}

/// Bits from an offset on, the lowest first.
pub(super) fn read_bits(bytes: &[u8], offset: usize, count: usize) -> u32 {
    (0..count).fold(0, |value, place| {
        let at = offset + place;
        let bit = bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        value | u32::from(bit) << place
    })
}

pub(super) fn write_bits(bytes: &mut [u8], offset: usize, count: usize, value: u32) {
    for place in 0..count {
        let at = offset + place;
        if let Some(byte) = bytes.get_mut(at / 8) {
            let mask = 1 << (at % 8);
            if value >> place & 1 == 1 { *byte |= mask } else { *byte &= !mask }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_both_orders() {
        for size in [1, 2, 3, 4, -1, -2, -3, -4] {
            let (count, big_endian) = width(size).unwrap();
            let mut bytes = [0; 4];
            let bytes = &mut bytes[..count];
            write(bytes, 0x8182_8384, big_endian);
            assert_eq!(read(bytes, big_endian), 0x8182_8384 & (u32::MAX >> (32 - 8 * count)));
            write(bytes, (-2_i32).cast_unsigned(), big_endian);
            assert_eq!(read_signed(bytes, big_endian), -2);
        }
        assert_eq!(read(&[1, 2], true), 0x0102);
        assert_eq!(read(&[1, 2], false), 0x0201);
    }

    #[test]
    fn bits_come_back_and_leave_their_neighbours() {
        let mut bytes = [0xff; 3];
        write_bits(&mut bytes, 5, 9, 0b1_0101_0101);
        assert_eq!(read_bits(&bytes, 5, 9), 0b1_0101_0101);
        assert_eq!(read_bits(&bytes, 0, 5), 31);
        assert_eq!(read_bits(&bytes, 14, 10), 1023);
    }
}
