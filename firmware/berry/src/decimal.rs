//! Reals as decimal digits and back: exactly, for both widths, in code that is much smaller than that of `core`.
//!
//! A real is `mantissa × 2^exponent`. For a positive exponent that is an integer; else it is an integer too, once it is
//! written as `mantissa × 5^-exponent` with the decimal point moved. Reading goes the other way, with a division whose
//! remainder is only asked whether it is zero.

/// How a width is laid out, and what room its numbers need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Bits of the mantissa, the hidden one included.
    pub(crate) precision: u32,
    /// The exponent of the least normal number, as `2^exponent`.
    pub(crate) least: i32,
    /// Digits that tell every number, and every midpoint between two, from all others.
    pub(crate) digits: i32,
    /// Greater numbers than `10^greatest` are infinite.
    pub(crate) greatest: i32,
}

pub(crate) const SINGLE: Shape = Shape { precision: 24, least: -126, digits: 114, greatest: 40 };
pub(crate) const DOUBLE: Shape = Shape { precision: 53, least: -1022, digits: 770, greatest: 310 };

/// Limbs that any single takes, written or read: [`Shape::digits`], and as many digits as it may be divided by.
pub(crate) const SINGLE_LIMBS: usize = 72;
/// The same for a double.
pub(crate) const DOUBLE_LIMBS: usize = 420;
/// Digits that any single has.
pub(crate) const SINGLE_DIGITS: usize = 120;
/// The same for a double.
pub(crate) const DOUBLE_DIGITS: usize = 776;

/// Four digits at a time: a limb of 16 bits and a remainder fit 32 bits, so that no chip divides more.
const CHUNK: u16 = 10_000;
/// Bits of a quotient: more than a mantissa has.
const QUOTIENT_BITS: usize = 64;

/// A large integer, the lowest limb first.
struct Big<'a> {
    limbs: &'a mut [u16],
    length: usize,
}

impl Big<'_> {
    fn used(&mut self) -> &mut [u16] {
        self.limbs.get_mut(..self.length).unwrap_or_default()
    }

    #[expect(clippy::cast_possible_truncation, reason = "low and high half")]
    fn multiply_add(&mut self, factor: u16, summand: u16) {
        let mut carry = u32::from(summand);
        for limb in self.used() {
            let product = u32::from(*limb) * u32::from(factor) + carry;
            *limb = product as u16;
            carry = product >> 16;
        }
        if carry != 0
            && let Some(limb) = self.limbs.get_mut(self.length)
        {
            *limb = carry as u16;
            self.length += 1;
        }
    }

    /// Multiplies by a power, `chunk` factors at a time.
    fn multiply_power(&mut self, base: u16, chunk: u32, mut exponent: u32) {
        while exponent != 0 {
            let now = exponent.min(chunk);
            self.multiply_add(base.pow(now), 0);
            exponent -= now;
        }
    }

    /// Returns the remainder.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is less than the divisor")]
    fn divide(&mut self, divisor: u16) -> u16 {
        let mut remainder = 0;
        for limb in self.used().iter_mut().rev() {
            let part = remainder << 16 | u32::from(*limb);
            *limb = (part / u32::from(divisor)) as u16;
            remainder = part % u32::from(divisor);
        }
        while self.used().last() == Some(&0) {
            self.length -= 1;
        }
        remainder as u16
    }

    /// Moves everything up by whole limbs.
    fn shift(&mut self, limbs: usize) {
        let end = self.length + limbs;
        if self.length != 0 && end <= self.limbs.len() {
            self.limbs.copy_within(..self.length, limbs);
            self.limbs.get_mut(..limbs).unwrap_or_default().fill(0);
            self.length = end;
        }
    }

    fn bits(&mut self) -> i32 {
        let top = self.used().last().map_or(0, |top| top.leading_zeros());
        i32::try_from(self.length * 16).unwrap_or(0) - top.cast_signed()
    }

    fn bit(&self, place: i32) -> bool {
        let Ok(place) = usize::try_from(place) else { return false };
        self.limbs.get(place / 16).is_some_and(|limb| limb >> (place % 16) & 1 != 0)
    }
}

/// `0.digits × 10^point`; no digits are zero.
#[derive(Debug)]
pub(crate) struct Decimal<'a> {
    digits: &'a mut [u8],
    pub(crate) point: i32,
}

impl<'a> Decimal<'a> {
    /// All digits of `mantissa × 2^exponent`.
    #[expect(clippy::cast_possible_truncation, reason = "16 bits of it each")]
    pub(crate) fn expand(mantissa: u64, exponent: i32, limbs: &mut [u16], digits: &'a mut [u8]) -> Self {
        let mut big = Big { limbs, length: 0 };
        for shift in [48, 32, 16, 0] {
            big.shift(1);
            let limb = (mantissa >> shift) as u16;
            match big.used().first_mut() {
                Some(lowest) => *lowest = limb,
                None => big.multiply_add(1, limb),
            }
        }
        match exponent.cast_unsigned() {
            positive if exponent >= 0 => big.multiply_power(2, 15, positive),
            _ => big.multiply_power(5, 6, exponent.unsigned_abs()),
        }
        let mut first = digits.len();
        while big.length != 0 {
            let mut chunk = big.divide(CHUNK);
            for _ in 0..4 {
                first = first.saturating_sub(1);
                if let Some(digit) = digits.get_mut(first) {
                    *digit = b'0' + (chunk % 10) as u8;
                }
                chunk /= 10;
            }
        }
        let digits = digits.get_mut(first..).unwrap_or_default();
        let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
        let digits = digits.get_mut(zeros..).unwrap_or_default();
        let point = i32::try_from(digits.len()).unwrap_or(0) + exponent.min(0);
        let mut decimal = Decimal { digits, point };
        decimal.trim();
        decimal
    }

    fn cut(&mut self, length: usize) {
        let digits = core::mem::take(&mut self.digits);
        self.digits = digits.get_mut(..length).unwrap_or_default();
    }

    /// Drops zeros at the end.
    fn trim(&mut self) {
        let zeros = self.digits.iter().rev().take_while(|&&digit| digit == b'0').count();
        self.cut(self.digits.len() - zeros);
        if self.digits.is_empty() {
            self.point = 1;
        }
    }

    pub(crate) fn count(&self) -> i32 {
        i32::try_from(self.digits.len()).unwrap_or(0)
    }

    /// A digit; zero beyond the last and before the first.
    pub(crate) fn digit(&self, place: i32) -> u8 {
        usize::try_from(place).ok().and_then(|place| self.digits.get(place).copied()).unwrap_or(b'0')
    }

    /// Keeps so many digits; a half goes to the even neighbour, as in C.
    pub(crate) fn round(&mut self, keep: i32) {
        if keep >= self.count() {
            return;
        }
        let odd = keep > 0 && self.digit(keep - 1) & 1 != 0;
        // Without zeros at the end, more digits make it more than a half.
        let up = match (keep >= 0, self.digit(keep)) {
            (true, b'5') => odd || self.count() > keep + 1,
            (true, digit) => digit > b'5',
            (false, _) => false,
        };
        let mut kept = usize::try_from(keep).unwrap_or(0);
        if up {
            while let Some(place) = kept.checked_sub(1)
                && self.digits.get(place) == Some(&b'9')
            {
                kept = place;
            }
            if kept == 0 {
                // All of them were nines, or there were none.
                if let Some(first) = self.digits.first_mut() {
                    *first = b'0';
                }
                kept = 1;
                self.point += 1;
            }
            if let Some(last) = self.digits.get_mut(kept - 1) {
                *last += 1;
            }
        }
        self.cut(kept);
        self.trim();
    }
}

/// All digits of a finite number without its sign.
pub(crate) fn expand_bits<'a>(
    bits: u64,
    shape: Shape,
    limbs: &mut [u16],
    digits: &'a mut [u8],
) -> Decimal<'a> {
    let hidden = 1_u64 << (shape.precision - 1);
    let field = bits >> (shape.precision - 1) & ((1 << exponent_bits(shape)) - 1);
    let mantissa = bits & (hidden - 1) | if field == 0 { 0 } else { hidden };
    let exponent = shape.least - shape.precision.cast_signed() + i32::try_from(field.max(1)).unwrap_or(0);
    Decimal::expand(mantissa, exponent, limbs, digits)
}

/// The bits of the number nearest to a text such as `-12.5e3`; nothing where it is none.
pub(crate) fn read(text: &[u8], shape: Shape, limbs: &mut [u16]) -> Option<u64> {
    let mut big = Big { limbs, length: 0 };
    // Of the kept digits; more of them only tell whether anything follows.
    let (mut count, mut exponent) = (0_i32, 0_i32);
    let (mut seen, mut fraction, mut more) = (false, false, false);
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    while let [byte, after @ ..] = rest {
        match byte {
            b'.' if !fraction => fraction = true,
            b'0'..=b'9' => {
                seen = true;
                let digit = byte - b'0';
                if count < shape.digits {
                    big.multiply_add(10, u16::from(digit));
                    count += i32::from(count != 0 || digit != 0);
                    exponent = exponent.saturating_sub(i32::from(fraction));
                } else {
                    more |= digit != 0;
                    exponent = exponent.saturating_add(i32::from(!fraction));
                }
            }
            _ => break,
        }
        rest = after;
    }
    if let [b'e' | b'E', after @ ..] = rest
        && seen
    {
        let (sign, digits) = match after {
            [b'-', digits @ ..] => (-1, digits),
            [b'+', digits @ ..] => (1, digits),
            digits => (1, digits),
        };
        seen = !digits.is_empty();
        let mut value = 0_i32;
        for &byte in digits {
            if !byte.is_ascii_digit() {
                return None;
            }
            value = value.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
        }
        exponent = exponent.saturating_add(value.saturating_mul(sign));
        rest = &[];
    }
    if !seen || !rest.is_empty() {
        return None;
    }
    let sign = u64::from(negative) << 1;
    let magnitude = nearest(&mut big, count, exponent, more, shape);
    Some(sign << (shape.precision - 2 + exponent_bits(shape)) | magnitude)
}

const fn exponent_bits(shape: Shape) -> u32 {
    (2 - shape.least).cast_unsigned().ilog2() + 1
}

/// The bits of `big × 10^exponent`.
fn nearest(big: &mut Big<'_>, count: i32, exponent: i32, mut more: bool, shape: Shape) -> u64 {
    let infinite = ((1_u64 << exponent_bits(shape)) - 1) << (shape.precision - 1);
    let magnitude = count.saturating_add(exponent);
    if count == 0 || magnitude < -shape.greatest - 30 {
        return 0;
    }
    if magnitude > shape.greatest {
        return infinite;
    }
    let mut shifted = 0;
    if exponent >= 0 {
        big.multiply_power(10, 4, exponent.unsigned_abs());
    } else {
        let mut divisions = exponent.unsigned_abs();
        // A digit has less than 10/3 bits.
        let limbs = (divisions as usize * 10 / 3 + QUOTIENT_BITS) / 16 + 1;
        big.shift(limbs);
        shifted = i32::try_from(limbs * 16).unwrap_or(0);
        while divisions != 0 {
            let now = divisions.min(4);
            more |= big.divide(10_u16.pow(now)) != 0;
            divisions -= now;
        }
    }
    let bits = big.bits();
    let top = bits - 1 - shifted;
    let precision = shape.precision.cast_signed();
    // Below the least normal number there are fewer bits.
    let lacking = (shape.least - top).max(0);
    let dropped = bits - precision + lacking;
    let mut mantissa = 0_u64;
    for place in (dropped..bits).rev() {
        mantissa = mantissa << 1 | u64::from(big.bit(place));
    }
    if big.bit(dropped - 1) {
        more |= (0..dropped - 1).any(|place| big.bit(place));
        mantissa += u64::from(more || mantissa & 1 != 0);
    }
    let field = u64::try_from((top - shape.least).max(0)).unwrap_or(0);
    // The hidden bit adds one to the field; a mantissa that was rounded up to the next power does so again.
    ((field << (shape.precision - 1)) + mantissa).min(infinite)
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn single(text: &str) -> Option<u32> {
        read(text.as_bytes(), SINGLE, &mut [0; SINGLE_LIMBS]).map(|bits| u32::try_from(bits).unwrap())
    }

    fn double(text: &str) -> Option<u64> {
        read(text.as_bytes(), DOUBLE, &mut [0; DOUBLE_LIMBS])
    }

    /// As Rust writes a number in scientific notation, with `keep` digits.
    fn scientific(bits: u64, shape: Shape, keep: i32) -> String {
        let mut limbs = [0; DOUBLE_LIMBS];
        let mut digits = [0; DOUBLE_DIGITS];
        let mut decimal = expand_bits(bits, shape, &mut limbs, &mut digits);
        decimal.round(keep);
        let digits: Vec<u8> = (0..keep).map(|place| decimal.digit(place)).collect();
        let text = String::from_utf8(digits).unwrap();
        let (first, rest) = text.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{first}{point}{rest}e{}", decimal.point - 1)
    }

    fn check_single(value: f32, keep: i32) {
        if !value.is_finite() {
            return;
        }
        let wanted = format!("{:.*e}", usize::try_from(keep - 1).unwrap(), value.abs());
        assert_eq!(scientific(value.to_bits().into(), SINGLE, keep), wanted);
        for text in [value.to_string(), format!("{value:e}"), format!("{value:.120}")] {
            assert_eq!(single(&text), text.parse().ok().map(f32::to_bits), "{text}");
        }
    }

    fn check_double(value: f64, keep: i32) {
        if !value.is_finite() {
            return;
        }
        let wanted = format!("{:.*e}", usize::try_from(keep - 1).unwrap(), value.abs());
        assert_eq!(scientific(value.to_bits(), DOUBLE, keep), wanted);
        for text in [value.to_string(), format!("{value:e}"), format!("{value:.800}")] {
            assert_eq!(double(&text), text.parse().ok().map(f64::to_bits), "{text}");
        }
    }

    #[test]
    fn numbers_at_the_edges_are_as_in_rust() {
        for bits in [0, 1, 2, 0x7f_ffff, 0x80_0000, 0x80_0001, 0x3f80_0000, 0x7f7f_ffff, 0x8000_0000] {
            for keep in [1, 2, 6, 9, 120] {
                check_single(f32::from_bits(bits), keep);
            }
        }
        for value in [0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324, 1.5, 0.1, 1e23, 9_007_199_254_740_993.0] {
            for keep in [1, 2, 6, 17, 770] {
                check_double(value, keep);
            }
        }
        for value in [9.5_f32, 0.5, 1.5, 2.5, 99.5, 999_999.5, 9_999_995.0] {
            (1..9).for_each(|keep| check_single(value, keep));
        }
    }

    #[test]
    fn texts_at_the_edges_are_as_in_rust() {
        for text in [
            "",
            ".",
            "-",
            "e5",
            "1e",
            "1e+",
            "1e5x",
            "x",
            "1.2.3",
            "--1",
            "1",
            "+1",
            "-1",
            "1.",
            ".5",
            "-0",
            "0e99",
            "1e400",
            "1e-400",
            "1e99999999999",
            "1e-99999999999",
            "000000000000000000000000000000000000000000000000000001e-10",
            "340282356779733661637539395458142568447",
            "340282356779733661637539395458142568448",
            "7e-46",
            "7.1e-46",
            "1.00000005960464477539062499999999999999999999999",
            "1.000000059604644775390625",
            "1.00000005960464477539062500000000000000000000000000000000000000000000000000000000001",
            "1.000000178813934326171875",
            "1.17549428e-38",
            "1.17549435e-38",
        ] {
            assert_eq!(single(text), text.parse().ok().map(f32::to_bits), "{text}");
            assert_eq!(double(text), text.parse().ok().map(f64::to_bits), "{text}");
        }
    }

    proptest! {
        #[test]
        fn singles_are_as_in_rust(bits in any::<u32>(), keep in 1..60_i32) {
            check_single(f32::from_bits(bits), keep);
        }

        #[test]
        fn doubles_are_as_in_rust(bits in any::<u64>(), keep in 1..60_i32) {
            check_double(f64::from_bits(bits), keep);
        }

        #[test]
        fn texts_are_read_as_in_rust(text in "-?[0-9]{0,30}(\\.[0-9]{0,60})?(e[-+]?[0-9]{1,3})?") {
            prop_assert_eq!(single(&text), text.parse().ok().map(f32::to_bits));
            prop_assert_eq!(double(&text), text.parse().ok().map(f64::to_bits));
        }

        #[test]
        fn midpoints_are_read_as_in_rust(bits in 0..0x7f7f_ffff_u32, above in any::<bool>()) {
            let midpoint = (f64::from(f32::from_bits(bits)) + f64::from(f32::from_bits(bits + 1))) / 2.0;
            let mut text = format!("{midpoint:.180}");
            if above {
                text.push('1');
            }
            prop_assert_eq!(single(&text), text.parse().ok().map(f32::to_bits));
        }
    }
}
