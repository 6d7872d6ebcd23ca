//! Numbers as text: integers, and reals as C's `%g` writes them.

use core::fmt::{self, Write as _};

use crate::numbers::Real;

/// A number as text, without memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits {
    bytes: [u8; 40],
    length: usize,
}

impl Default for Digits {
    fn default() -> Self {
        Digits { bytes: [0; 40], length: 0 }
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Digits {
    fn shown(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn decimal(&mut self, value: i64) -> &[u8] {
        self.length = 0;
        // The longest integer has twenty characters.
        let _ = write!(self, "{value}");
        self.shown()
    }

    /// As `%g`.
    pub(crate) fn shortest<R: Real>(&mut self, value: R) -> &[u8] {
        self.length = 0;
        let general = General { value, precision: 6, keep_zeros: false, upper: false };
        let _ = write!(self, "{general}");
        self.shown()
    }
}

/// A real as C's `%g`.
pub(crate) struct General<R: Real> {
    pub(crate) value: R,
    pub(crate) precision: usize,
    pub(crate) keep_zeros: bool,
    pub(crate) upper: bool,
}

/// The longest mantissa that is asked for.
pub(crate) const MAX_MANTISSA: usize = 128;

impl<R: Real> fmt::Display for General<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.value.wide();
        if !wide.is_finite() {
            let text = if wide.is_nan() {
                "nan"
            } else if wide > 0.0 {
                "inf"
            } else {
                "-inf"
            };
            return formatter.write_str(text);
        }
        let precision = self.precision.clamp(1, MAX_MANTISSA - 8);
        let mut scientific = Scientific::new();
        write!(scientific, "{:.*e}", precision - 1, self.value)?;
        let (digits, negative, exponent) = scientific.parts();
        let significant = if self.keep_zeros {
            digits
        } else {
            let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0').count();
            digits.get(..digits.len().saturating_sub(zeros).max(1)).unwrap_or(digits)
        };
        if negative {
            formatter.write_char('-')?;
        }
        let digit = |place: usize| char::from(significant.get(place).copied().unwrap_or(b'0'));
        if exponent < -4 || exponent >= i32::try_from(precision).unwrap_or(i32::MAX) {
            formatter.write_char(digit(0))?;
            if significant.len() > 1 {
                formatter.write_char('.')?;
                (1..significant.len()).try_for_each(|place| formatter.write_char(digit(place)))?;
            }
            let letter = if self.upper { 'E' } else { 'e' };
            let sign = if exponent < 0 { '-' } else { '+' };
            return write!(formatter, "{letter}{sign}{:02}", exponent.unsigned_abs());
        }
        if exponent < 0 {
            formatter.write_str("0.")?;
            (1..exponent.unsigned_abs()).try_for_each(|_| formatter.write_char('0'))?;
            return (0..significant.len()).try_for_each(|place| formatter.write_char(digit(place)));
        }
        let whole = exponent.unsigned_abs() as usize + 1;
        (0..whole).try_for_each(|place| formatter.write_char(digit(place)))?;
        if significant.len() > whole {
            formatter.write_char('.')?;
            (whole..significant.len()).try_for_each(|place| formatter.write_char(digit(place)))?;
        }
        Ok(())
    }
}

/// Takes a number in Rust's scientific notation apart.
pub(crate) struct Scientific {
    digits: [u8; MAX_MANTISSA],
    count: usize,
    exponent: i32,
    in_exponent: bool,
    negative: bool,
    negative_exponent: bool,
}

impl Scientific {
    pub(crate) const fn new() -> Self {
        Scientific {
            digits: [0; MAX_MANTISSA],
            count: 0,
            exponent: 0,
            in_exponent: false,
            negative: false,
            negative_exponent: false,
        }
    }

    pub(crate) fn parts(&self) -> (&[u8], bool, i32) {
        let exponent = if self.negative_exponent { -self.exponent } else { self.exponent };
        (self.digits.get(..self.count).unwrap_or_default(), self.negative, exponent)
    }
}

impl fmt::Write for Scientific {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match byte {
                b'e' => self.in_exponent = true,
                b'-' if self.in_exponent => self.negative_exponent = true,
                b'-' => self.negative = true,
                b'0'..=b'9' if self.in_exponent => {
                    self.exponent = self.exponent.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
                }
                b'0'..=b'9' => {
                    *self.digits.get_mut(self.count).ok_or(fmt::Error)? = byte;
                    self.count += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
