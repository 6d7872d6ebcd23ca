//! Expressions in arguments and conditions: `$CH5+$CH11*2`, `$hour>=22||$hour<6`, `MQTTOn`.
//!
//! Single reals, as OpenBeken reckons. Binding, tightest first: `* / %`, `+ -`, comparisons, `&&`, `||`. Blanks do not
//! count; an argument holds none, a condition may.

use core::iter::Peekable;
use core::str::CharIndices;

use crate::limits::EXPRESSION_DEPTH;

/// Values by name.
pub(crate) trait Constants {
    /// The value of a constant such as `$CH5` or `MQTTOn`; `None` if there is none of that name.
    fn constant(&mut self, name: &str) -> Option<f32>;
}

/// Why a text has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpressionError {
    #[error("a number or a constant is missing")]
    Missing,
    #[error("there is no such constant, or it is not known on this board")]
    Unknown,
    #[error("something follows that is no operator")]
    Trailing,
    #[error("a bracket is not closed")]
    Open,
    #[error("it is nested too deeply")]
    Deep,
}

/// The value of an expression.
pub(crate) fn evaluate(text: &str, constants: &mut impl Constants) -> Result<f32, ExpressionError> {
    let mut parser = Parser { text, characters: text.char_indices().peekable(), constants, depth: 0 };
    let value = parser.binary(0)?;
    parser.skip_blanks();
    match parser.characters.peek() {
        None => Ok(value),
        Some(_) => Err(ExpressionError::Trailing),
    }
}

/// A whole number, with what it cannot hold cut off.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of a real saturates, and makes nothing of what is no number"
)]
pub(crate) fn whole(value: f32) -> i32 {
    value as i32
}

/// Operators of one level, longer ones first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        (">=", Operator::AtLeast),
        ("<=", Operator::AtMost),
        (">", Operator::Above),
        ("<", Operator::Below),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Above,
    Below,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    #[expect(clippy::float_cmp, reason = "numbers of channels are whole and compare exactly")]
    fn apply(self, left: f32, right: f32) -> f32 {
        let truth = |truth: bool| f32::from(u8::from(truth));
        match self {
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::AtLeast => truth(left >= right),
            Self::AtMost => truth(left <= right),
            Self::Above => truth(left > right),
            Self::Below => truth(left < right),
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            // What has no value is nothing: a channel must not become infinite.
            Self::Divide | Self::Remainder if right == 0.0 => 0.0,
            Self::Divide => left / right,
            Self::Remainder => left % right,
        }
    }
}

struct Parser<'a, C> {
    text: &'a str,
    characters: Peekable<CharIndices<'a>>,
    constants: &'a mut C,
    depth: u8,
}

impl<C: Constants> Parser<'_, C> {
    fn skip_blanks(&mut self) {
        while self.characters.next_if(|(_, character)| character.is_whitespace()).is_some() {}
    }

    /// Operators of a level and of those that bind tighter.
    fn binary(&mut self, level: usize) -> Result<f32, ExpressionError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut value = self.binary(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            let right = self.binary(level + 1)?;
            value = operator.apply(value, right);
        }
        Ok(value)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        self.skip_blanks();
        let rest = self.rest();
        let (text, operator) = operators.iter().find(|(text, _)| rest.starts_with(text))?;
        for _ in text.chars() {
            self.characters.next();
        }
        Some(*operator)
    }

    fn rest(&mut self) -> &str {
        let at = self.characters.peek().map_or(self.text.len(), |(at, _)| *at);
        self.text.get(at..).unwrap_or_default()
    }

    /// A value with signs before it.
    fn unary(&mut self) -> Result<f32, ExpressionError> {
        let mut value_sign = 1.0;
        loop {
            self.skip_blanks();
            if self.characters.next_if(|(_, character)| *character == '-').is_some() {
                value_sign = -value_sign;
            } else if self.characters.next_if(|(_, character)| *character == '!').is_some() {
                let value = self.nested(Self::unary)?;
                return Ok(value_sign * f32::from(u8::from(value == 0.0)));
            } else {
                return Ok(value_sign * self.primary()?);
            }
        }
    }

    fn nested(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<f32, ExpressionError>,
    ) -> Result<f32, ExpressionError> {
        if self.depth >= EXPRESSION_DEPTH {
            return Err(ExpressionError::Deep);
        }
        self.depth += 1;
        let value = parse(self);
        self.depth -= 1;
        value
    }

    fn primary(&mut self) -> Result<f32, ExpressionError> {
        if self.characters.next_if(|(_, character)| *character == '(').is_some() {
            let value = self.nested(|parser| parser.binary(0))?;
            self.skip_blanks();
            self.characters.next_if(|(_, character)| *character == ')').ok_or(ExpressionError::Open)?;
            return Ok(value);
        }
        let start = self.characters.peek().map_or(self.text.len(), |(at, _)| *at);
        let belongs =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '$' | '_' | '.');
        while self.characters.next_if(|(_, character)| belongs(*character)).is_some() {}
        let end = self.characters.peek().map_or(self.text.len(), |(at, _)| *at);
        let word = self.text.get(start..end).unwrap_or_default();
        if word.is_empty() {
            return Err(ExpressionError::Missing);
        }
        number(word).or_else(|| self.constants.constant(word)).ok_or(ExpressionError::Unknown)
    }
}

/// A number: `12`, `0.25`, `0x1F`.
fn number(word: &str) -> Option<f32> {
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        // As OpenBeken reads it, into 32 bits.
        let bits = u32::from_str_radix(digits, 16).ok()?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "reals have 24 bits; larger numbers are colours of LEDs elsewhere"
        )]
        return Some(bits.cast_signed() as f32);
    }
    let (whole, fraction) = word.split_once('.').unwrap_or((word, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    // Without the exact reading of reals, which takes more room on a chip than all of this: nine digits are enough.
    let add = |value: f64, digit: u8| value * 10.0 + f64::from(digit - b'0');
    let mut value = whole.bytes().fold(0.0, add);
    let mut unit = 1.0;
    for digit in fraction.bytes().take(9) {
        unit /= 10.0;
        value += unit * f64::from(digit - b'0');
    }
    #[expect(clippy::cast_possible_truncation, reason = "reckoning is done in single reals")]
    Some(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Three;

    impl Constants for Three {
        fn constant(&mut self, name: &str) -> Option<f32> {
            match name {
                "$CH5" => Some(3.0),
                "$CH11" => Some(-4.0),
                "MQTTOn" => Some(1.0),
                _ => None,
            }
        }
    }

    fn value(text: &str) -> Result<f32, ExpressionError> {
        evaluate(text, &mut Three)
    }

    #[test]
    fn what_openbeken_reckons() {
        for (text, expected) in [
            ("5*10", 50.0),
            ("$CH5+$CH11", -1.0),
            ("$CH5*10", 30.0),
            ("2*$CH5+5", 11.0),
            ("5+2*$CH5", 11.0),
            ("(5+2)*$CH5", 21.0),
            ("-12", -12.0),
            ("--3", 3.0),
            ("2--3", 5.0),
            ("10-4-3", 3.0),
            ("0xff", 255.0),
            ("0xFFFFFFFF", -1.0),
            ("0.25", 0.25),
            ("7%4", 3.0),
            ("1/0", 0.0),
            ("1/4", 0.25),
            ("$CH5 >= 3 && MQTTOn", 1.0),
            ("$CH5<3||$CH11<0", 1.0),
            ("$CH5==3&&$CH11!=-4", 0.0),
            ("0&&0||1", 1.0),
            ("!MQTTOn", 0.0),
            ("!0+1", 2.0),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_says_why() {
        for (text, error) in [
            ("", ExpressionError::Missing),
            ("5+", ExpressionError::Missing),
            ("$CH6", ExpressionError::Unknown),
            ("hello", ExpressionError::Unknown),
            ("0xZZ", ExpressionError::Unknown),
            ("1 2", ExpressionError::Trailing),
            ("(1", ExpressionError::Open),
        ] {
            assert_eq!(value(text), Err(error), "{text}");
        }
        assert_eq!(value(&"(".repeat(100_000)), Err(ExpressionError::Deep));
        assert_eq!(value(&"!".repeat(100_000)), Err(ExpressionError::Deep));
        assert_eq!(value(&[&"-".repeat(100_000)[..], "1"].concat()), Ok(1.0));
    }

    #[test]
    fn whole_numbers_saturate() {
        assert_eq!((whole(-2.9), whole(1e20), whole(f32::NAN)), (-2, i32::MAX, 0));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9$CHx+*/%<>=!&|(). -]{0,60}") {
            let _ = value(&text);
        }

        #[test]
        fn whole_numbers_read_as_they_are(number in -1_000_000_i32..1_000_000) {
            prop_assert_eq!(value(&alloc::format!("{number}")).map(whole), Ok(number));
        }

        #[test]
        fn reals_read_as_the_standard_library_reads_them(text in "[0-9]{1,5}\\.[0-9]{1,6}") {
            let expected: f32 = text.parse().unwrap();
            let read = number(&text).unwrap();
            prop_assert!((read - expected).abs() <= expected.abs() * f32::EPSILON, "{} {}", read, expected);
        }
    }
}
