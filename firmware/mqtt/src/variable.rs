//! Variable byte integers (section 1.5.5 of MQTT 5.0, section 2.2.3 of 3.1.1): seven bits a byte, the lowest first.

/// The largest value.
pub(crate) const MAX_VARIABLE_INTEGER: u32 = 268_435_455;

/// How many bytes a value takes on the wire, 1 to 4.
#[inline]
pub(crate) const fn variable_integer_bytes(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// A value on the wire, and how many bytes of it count. One that is too large is written as the largest.
#[inline]
pub(crate) fn variable_integer(value: u32) -> ([u8; 4], usize) {
    let mut bytes = [0; 4];
    let mut rest = value.min(MAX_VARIABLE_INTEGER);
    let mut used = 0;
    for (index, byte) in bytes.iter_mut().enumerate() {
        used = index + 1;
        *byte = rest.to_le_bytes()[0] & 0x7F;
        rest >>= 7;
        if rest == 0 {
            break;
        }
        *byte |= 0x80;
    }
    (bytes, used)
}
