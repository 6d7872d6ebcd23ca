//! Numbers as text, as C's `printf` writes them.

use crate::decimal::Decimal;
use crate::numbers::Real;
use crate::raised::Raised;

type Result<T> = core::result::Result<T, Raised>;

/// A number as text, without memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Digits {
    bytes: [u8; 32],
    length: usize,
}

impl Digits {
    fn append(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(slot) = self.bytes.get_mut(self.length) {
                *slot = byte;
                self.length += 1;
            }
        }
    }

    pub(crate) fn shown(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn decimal(&mut self, value: i64) -> &[u8] {
        if value < 0 {
            self.append(b"-");
        }
        self.unsigned(value.unsigned_abs())
    }

    pub(crate) fn unsigned(&mut self, value: u64) -> &[u8] {
        let mut limbs = [0; 5];
        let mut digits = [0; 24];
        let decimal = Decimal::expand(value, 0, &mut limbs, &mut digits);
        for place in 0..decimal.point {
            self.append(&[decimal.digit(place)]);
        }
        self.shown()
    }

    /// In a base of `2^bits`, with zeros in front up to `width` digits.
    pub(crate) fn radix(&mut self, value: u64, bits: u32, width: u32, upper: bool) -> &[u8] {
        let letters = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        let count = (u64::BITS - value.leading_zeros()).div_ceil(bits).max(width);
        for place in (0..count).rev() {
            let digit = value.checked_shr(place * bits).unwrap_or(0).to_le_bytes()[0] & ((1 << bits) - 1);
            let letter = letters.get(usize::from(digit)).copied().unwrap_or_default();
            self.append(&[letter]);
        }
        self.shown()
    }

    /// As `%g`.
    pub(crate) fn general<R: Real>(&mut self, value: R) -> &[u8] {
        // Appending does not fail.
        let _ = Style::GENERAL.write(value, &mut |bytes| {
            self.append(bytes);
            Ok(())
        });
        self.shown()
    }
}

/// How a real is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// `e`, `f` or `g`
    pub(crate) kind: u8,
    pub(crate) precision: i32,
    /// The letter of the exponent.
    pub(crate) letter: u8,
    /// `#`: zeros at the end stay, for `g`
    pub(crate) keep_zeros: bool,
}

impl Style {
    pub(crate) const GENERAL: Style = Style { kind: b'g', precision: 6, letter: b'e', keep_zeros: false };

    pub(crate) fn write<R: Real>(self, value: R, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if value.is_nan() {
            return out(b"nan");
        }
        if value.is_negative() {
            out(b"-")?;
        }
        if !value.is_finite() {
            return out(b"inf");
        }
        value.decimal(|mut decimal| self.write_decimal(&mut decimal, out))
    }

    fn write_decimal(
        self,
        decimal: &mut Decimal<'_>,
        out: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut precision = self.precision;
        let mut scientific = self.kind == b'e';
        if self.kind == b'g' {
            precision = precision.max(1);
            decimal.round(precision);
            let exponent = decimal.point - 1;
            scientific = exponent < -4 || exponent >= precision;
            let shown = if self.keep_zeros { precision } else { decimal.count() };
            precision = (shown - if scientific { 1 } else { decimal.point }).max(0);
        } else {
            decimal.round(if scientific { precision + 1 } else { decimal.point + precision });
        }
        if scientific {
            write_fixed(decimal, 1, precision, out)?;
            let exponent = decimal.point - 1;
            out(&[self.letter, if exponent < 0 { b'-' } else { b'+' }])?;
            let magnitude = exponent.unsigned_abs();
            let mut digits = Digits::default();
            if magnitude < 10 {
                digits.append(b"0");
            }
            return out(digits.unsigned(magnitude.into()));
        }
        write_fixed(decimal, decimal.point, precision, out)
    }
}

/// Digits with the point after the first `point` of them, and `precision` digits behind it.
fn write_fixed(
    decimal: &Decimal<'_>,
    point: i32,
    precision: i32,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    if point <= 0 {
        out(b"0")?;
    }
    for place in 0..point {
        out(&[decimal.digit(place)])?;
    }
    if precision > 0 {
        out(b".")?;
    }
    for place in point..point + precision {
        out(&[decimal.digit(place)])?;
    }
    Ok(())
}
