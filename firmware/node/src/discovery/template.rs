//! Templates as far as devices use them: `{{ value_json.a['b'] | float / 10 }}`.
//!
//! A template that holds anything else is not rendered at all; what it would have shown is then shown raw, never guessed.
//! Supported: texts around `{{ … }}`, `value`, `value_json` with its members, numbers, texts, `true`, `false`, `none`, brackets,
//! slices of texts, `* / // %`, `+ - ~`, comparisons, `not and or`, `… if … else …`, `is defined`, and the filters `int`, `float`,
//! `round`, `default`, `abs`, `upper`, `lower`, `trim`, `string`.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::json::{Leaf, walk};
use crate::limits::TEMPLATE_DEPTH;

/// Why a template is not rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TemplateError {
    /// It holds something that is not supported.
    Unsupported,
    /// The message lacks what it asks for.
    Undefined,
}

/// What a message shows through a template.
pub(super) fn render(template: &str, payload: &str) -> Result<String, TemplateError> {
    if template.contains("{%") || template.contains("{#") {
        return Err(TemplateError::Unsupported);
    }
    let mut shown = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (expression, behind) = behind.split_once("}}").ok_or(TemplateError::Unsupported)?;
        shown.push_str(before);
        // `{{-` and `-}}` take blanks around them, and blanks at the ends go anyway.
        let expression = expression.strip_prefix('-').unwrap_or(expression);
        let expression = expression.strip_suffix('-').unwrap_or(expression).trim();
        let mut parser = Parser { rest: expression, payload, depth: 0 };
        let value = parser.ternary()?;
        if !parser.rest.trim_start().is_empty() {
            return Err(TemplateError::Unsupported);
        }
        shown.push_str(&parser.settle(value)?.show());
        rest = behind;
    }
    shown.push_str(rest);
    Ok(shown.trim().to_owned())
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
    None,
    /// A place in the message's JSON.
    Member(Vec<String>),
    Undefined,
}

impl Value {
    fn show(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => show_number(*number),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::None | Self::Member(_) | Self::Undefined => "None".to_owned(),
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0.0,
            Self::Bool(truth) => *truth,
            Self::None | Self::Member(_) | Self::Undefined => false,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Text(text) => read_number(text),
            Self::Number(number) => Some(*number),
            Self::Bool(truth) => Some(f64::from(u8::from(*truth))),
            Self::None | Self::Member(_) | Self::Undefined => None,
        }
    }
}

/// At most six digits behind the point, and none that are needless.
fn show_number(number: f64) -> String {
    let text = format!("{number:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    (if text == "-0" { "0" } else { text }).to_owned()
}

fn read_number(text: &str) -> Option<f64> {
    let text = text.trim();
    // The standard library takes words such as `inf` for numbers.
    let is_number =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| is_number && number.is_finite())
}

struct Parser<'a> {
    rest: &'a str,
    payload: &'a str,
    depth: u8,
}

type Reckoned = Result<Value, TemplateError>;

impl<'a> Parser<'a> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_start();
        let is_it = self.rest.strip_prefix(word).filter(|rest| {
            !rest.starts_with(|character: char| character.is_ascii_alphanumeric() || character == '_')
        });
        if let Some(rest) = is_it {
            self.rest = rest;
        }
        is_it.is_some()
    }

    fn name(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        let is_name = name.starts_with(|character: char| character.is_ascii_alphabetic() || character == '_');
        is_name.then(|| {
            self.rest = rest;
            name
        })
    }

    /// The value at a place of the JSON.
    fn settle(&self, value: Value) -> Reckoned {
        let settled = match value {
            Value::Member(path) => self.member(&path),
            other => other,
        };
        if settled == Value::Undefined { Err(TemplateError::Undefined) } else { Ok(settled) }
    }

    fn member(&self, path: &[String]) -> Value {
        let mut found = Value::Undefined;
        let walked = walk(self.payload.as_bytes(), &mut |steps, leaf| {
            let is_it = steps.len() == path.len()
                && steps.iter().zip(path).all(|(step, wanted)| match step.name() {
                    Some(name) => name == wanted,
                    None => matches!(step, super::json::Step::Index(index) if index.to_string() == *wanted),
                });
            if is_it {
                found = match leaf {
                    Leaf::Text(text) => Value::Text(text.to_owned()),
                    Leaf::Number(text) => read_number(text).map_or(Value::Undefined, Value::Number),
                    Leaf::Bool(truth) => Value::Bool(truth),
                    Leaf::Null => Value::None,
                };
            }
        });
        if walked.is_ok() { found } else { Value::Undefined }
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Reckoned) -> Reckoned {
        if self.depth >= TEMPLATE_DEPTH {
            return Err(TemplateError::Unsupported);
        }
        self.depth += 1;
        let value = parse(self);
        self.depth -= 1;
        value
    }

    /// `a if b else c`. Both sides are reckoned, and what one lacks matters only if it is the one that is shown.
    fn ternary(&mut self) -> Reckoned {
        let value = self.or()?;
        if !self.take_word("if") {
            return Ok(value);
        }
        let condition = self.or()?;
        let condition = self.settle(condition)?.is_true();
        let otherwise =
            if self.take_word("else") { self.nested(Self::ternary)? } else { Value::Text(String::new()) };
        Ok(if condition { value } else { otherwise })
    }

    fn or(&mut self) -> Reckoned {
        let mut value = self.and()?;
        while self.take_word("or") {
            let right = self.and()?;
            let (left, right) = (self.settle(value)?, self.settle(right)?);
            value = if left.is_true() { left } else { right };
        }
        Ok(value)
    }

    fn and(&mut self) -> Reckoned {
        let mut value = self.not()?;
        while self.take_word("and") {
            let right = self.not()?;
            let (left, right) = (self.settle(value)?, self.settle(right)?);
            value = if left.is_true() { right } else { left };
        }
        Ok(value)
    }

    fn not(&mut self) -> Reckoned {
        if self.take_word("not") {
            let value = self.nested(Self::not)?;
            return Ok(Value::Bool(!self.settle(value)?.is_true()));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Reckoned {
        let left = self.sum()?;
        if self.take_word("is") {
            let wanted = !self.take_word("not");
            if !self.take_word("defined") {
                return Err(TemplateError::Unsupported);
            }
            return Ok(Value::Bool(self.settle(left).is_ok() == wanted));
        }
        let Some(operator) =
            ["==", "!=", ">=", "<=", ">", "<"].into_iter().find(|operator| self.take(operator))
        else {
            return Ok(left);
        };
        let right = self.sum()?;
        let (left, right) = (self.settle(left)?, self.settle(right)?);
        let order = match (&left, &right) {
            (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
            (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
            _ => None,
        };
        Ok(Value::Bool(match (operator, order) {
            ("==", _) => left == right,
            ("!=", _) => left != right,
            (">=", Some(order)) => order.is_ge(),
            ("<=", Some(order)) => order.is_le(),
            (">", Some(order)) => order.is_gt(),
            ("<", Some(order)) => order.is_lt(),
            // Of a text and a number none is larger.
            _ => return Err(TemplateError::Unsupported),
        }))
    }

    fn sum(&mut self) -> Reckoned {
        let mut value = self.product()?;
        loop {
            if self.take("~") {
                let right = self.product()?;
                let text = self.settle(value)?.show() + &self.settle(right)?.show();
                value = Value::Text(text);
            } else if self.take("+") {
                let right = self.product()?;
                value = match (self.settle(value)?, self.settle(right)?) {
                    (Value::Text(left), Value::Text(right)) => Value::Text(left + &right),
                    (left, right) => reckon(&left, &right, |left, right| left + right)?,
                };
            } else if self.take("-") {
                let right = self.product()?;
                value = reckon(&self.settle(value)?, &self.settle(right)?, |left, right| left - right)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Reckoned {
        let mut value = self.unary()?;
        loop {
            let reckoned: fn(f64, f64) -> f64 = if self.take("*") {
                |left, right| left * right
            } else if self.take("//") {
                |left, right| libm::floor(left / right)
            } else if self.take("/") {
                |left, right| left / right
            } else if self.take("%") {
                |left, right| left - right * libm::floor(left / right)
            } else {
                return Ok(value);
            };
            let right = self.unary()?;
            value = reckon(&self.settle(value)?, &self.settle(right)?, reckoned)?;
        }
    }

    fn unary(&mut self) -> Reckoned {
        if self.take("-") {
            let value = self.nested(Self::unary)?;
            return reckon(&Value::Number(0.0), &self.settle(value)?, |left, right| left - right);
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Reckoned {
        let mut value = self.primary()?;
        loop {
            if self.take(".") {
                let name = self.name().ok_or(TemplateError::Unsupported)?;
                value = member_of(value, name.to_owned())?;
            } else if self.take("[") {
                value = self.subscript(value)?;
            } else if self.take("|") {
                let name = self.name().ok_or(TemplateError::Unsupported)?;
                value = self.filter(value, name)?;
            } else {
                return Ok(value);
            }
        }
    }

    /// `['key']`, `[0]`, `[0:2]`
    fn subscript(&mut self, value: Value) -> Reckoned {
        let from = if self.take(":") { None } else { Some(self.nested(Self::ternary)?) };
        let is_slice = from.is_none() || self.take(":");
        if !is_slice {
            if !self.take("]") {
                return Err(TemplateError::Unsupported);
            }
            let Some(Value::Text(_) | Value::Number(_)) = &from else {
                return Err(TemplateError::Unsupported);
            };
            let key = from.map(|key| key.show()).unwrap_or_default();
            return member_of(value, key);
        }
        let to = if self.take("]") {
            None
        } else {
            let to = self.nested(Self::ternary)?;
            if !self.take("]") {
                return Err(TemplateError::Unsupported);
            }
            Some(to)
        };
        let Value::Text(text) = self.settle(value)? else { return Err(TemplateError::Unsupported) };
        let place = |value: Option<Value>, default: usize| match value {
            None => Ok(default),
            Some(Value::Number(number)) if number >= 0.0 => Ok(whole(number)),
            Some(_) => Err(TemplateError::Unsupported),
        };
        let (from, to) = (place(from, 0)?, place(to, usize::MAX)?);
        Ok(Value::Text(text.chars().skip(from).take(to.saturating_sub(from)).collect()))
    }

    fn filter(&mut self, value: Value, name: &str) -> Reckoned {
        let mut arguments = Vec::new();
        if self.take("(") {
            while !self.take(")") {
                let before = self.rest;
                // A named argument, such as `default=0` and `base=16`.
                let named = self.name().filter(|_| self.take("=") && !self.rest.starts_with('='));
                if named.is_none() {
                    self.rest = before;
                }
                let argument = self.nested(Self::ternary)?;
                arguments.push((named, argument));
                if !self.take(",") && !self.rest.trim_start().starts_with(')') {
                    return Err(TemplateError::Unsupported);
                }
            }
        }
        let argument = |position: usize, wanted: &str| {
            let by_name = arguments.iter().find(|(name, _)| *name == Some(wanted));
            by_name
                .or_else(|| arguments.get(position).filter(|(name, _)| name.is_none()))
                .map(|(_, value)| value.clone())
        };
        if matches!(name, "default" | "d") {
            let default = argument(0, "default_value").unwrap_or(Value::Text(String::new()));
            let also_false = argument(1, "boolean").is_some_and(|also| also.is_true());
            return Ok(match self.settle(value) {
                Ok(value) if value.is_true() || !also_false => value,
                _ => default,
            });
        }
        let value = self.settle(value)?;
        Ok(match name {
            "int" | "float" => {
                let base = argument(1, "base").and_then(|base| base.number());
                let number = match (&value, base) {
                    (Value::Text(text), Some(base)) if name == "int" && base == 16.0 => {
                        let digits = text.trim().trim_start_matches("0x");
                        u32::from_str_radix(digits, 16).ok().map(f64::from)
                    }
                    (_, None) => value.number(),
                    (_, Some(10.0)) => value.number(),
                    _ => return Err(TemplateError::Unsupported),
                };
                let number = match (number, argument(0, "default")) {
                    (Some(number), _) => number,
                    (None, Some(default)) => default.number().ok_or(TemplateError::Unsupported)?,
                    (None, None) => 0.0,
                };
                Value::Number(if name == "int" { libm::trunc(number) } else { number })
            }
            "round" => {
                let digits = argument(0, "precision").and_then(|digits| digits.number()).unwrap_or(0.0);
                if arguments.len() > 1 || !(0.0..=6.0).contains(&digits) {
                    return Err(TemplateError::Unsupported);
                }
                let unit = libm::pow(10.0, digits);
                Value::Number(libm::rint(value.number().ok_or(TemplateError::Undefined)? * unit) / unit)
            }
            "abs" => Value::Number(value.number().ok_or(TemplateError::Undefined)?.abs()),
            "upper" => Value::Text(value.show().to_uppercase()),
            "lower" => Value::Text(value.show().to_lowercase()),
            "trim" => Value::Text(value.show().trim().to_owned()),
            "string" => Value::Text(value.show()),
            _ => return Err(TemplateError::Unsupported),
        })
    }

    fn primary(&mut self) -> Reckoned {
        if self.take("(") {
            let value = self.nested(Self::ternary)?;
            return if self.take(")") { Ok(value) } else { Err(TemplateError::Unsupported) };
        }
        self.rest = self.rest.trim_start();
        if let Some(quote) = self.rest.chars().next().filter(|quote| matches!(quote, '\'' | '"')) {
            let inside = self.rest.get(1..).unwrap_or_default();
            let (text, rest) = inside.split_once(quote).ok_or(TemplateError::Unsupported)?;
            if text.contains('\\') {
                return Err(TemplateError::Unsupported);
            }
            self.rest = rest;
            return Ok(Value::Text(text.to_owned()));
        }
        let digits = self.rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        if let Some((number, rest)) = self.rest.split_at_checked(digits).filter(|_| digits > 0) {
            self.rest = rest;
            return read_number(number).map(Value::Number).ok_or(TemplateError::Unsupported);
        }
        match self.name() {
            Some("value") => Ok(Value::Text(self.payload.to_owned())),
            Some("value_json") => Ok(Value::Member(Vec::new())),
            Some("true" | "True") => Ok(Value::Bool(true)),
            Some("false" | "False") => Ok(Value::Bool(false)),
            Some("none" | "None") => Ok(Value::None),
            _ => Err(TemplateError::Unsupported),
        }
    }
}

fn member_of(value: Value, key: String) -> Reckoned {
    match value {
        Value::Member(mut path) => {
            path.push(key);
            Ok(Value::Member(path))
        }
        _ => Err(TemplateError::Unsupported),
    }
}

fn reckon(left: &Value, right: &Value, reckoned: impl FnOnce(f64, f64) -> f64) -> Reckoned {
    // A text is not a number until a filter makes one of it.
    let number = |value: &Value| match value {
        Value::Number(_) | Value::Bool(_) => value.number().ok_or(TemplateError::Undefined),
        _ => Err(TemplateError::Unsupported),
    };
    let result = reckoned(number(left)?, number(right)?);
    if result.is_finite() { Ok(Value::Number(result)) } else { Err(TemplateError::Undefined) }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, and saturates"
)]
fn whole(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_devices_use_is_rendered() {
        for (template, payload, shown) in [
            ("{{ value }}", "21.5", "21.5"),
            ("{{value|float/100}}", "2150", "21.5"),
            ("{{ float(value)*0.1 }}", "1", "?"),
            ("{{ value | int / 10 }} °C", "215", "21.5 °C"),
            ("{{ value_json.POWER }}", r#"{"POWER":"ON"}"#, "ON"),
            ("{{ value_json['ENERGY'].Power }}", r#"{"ENERGY":{"Power":7}}"#, "7"),
            ("{{value_json[\"a b\"][1]}}", r#"{"a b":[1,2.50]}"#, "2.5"),
            ("{{ value_json.t | round(1) }}", r#"{"t":21.249}"#, "21.2"),
            ("{{ value_json.t | float(0) | round(2) }}", r#"{"t":"21.256"}"#, "21.26"),
            ("{{ value_json.x | default('off') }}", "{}", "off"),
            ("{{ value_json.x | default(0, true) + 1 }}", r#"{"x":""}"#, "1"),
            ("{{ 'ON' if value_json.state == 1 else 'OFF' }}", r#"{"state":1}"#, "ON"),
            ("{{ 'ON' if value_json.state == 1 else 'OFF' }}", r#"{"state":0}"#, "OFF"),
            ("{{ 'a' if value == '1' else 'b' if value == '2' else 'c' }}", "2", "b"),
            ("{{ value_json.on and not value_json.off }}", r#"{"on":true,"off":false}"#, "True"),
            ("{{ (value_json.a - 32) * 5 / 9 }}", r#"{"a":212}"#, "100"),
            (
                "{{ value[0:2]|int(base=16) }},{{value[2:4]|int(base=16) }},{{ value[4:6]|int(base=16) }}",
                "FF8000",
                "255,128,0",
            ),
            ("{{ value_json.x is defined }}", "{}", "False"),
            ("{{ value | upper }}-{{ value ~ 1 }}", "on", "ON-on1"),
            ("{{ 7 // 2 }} {{ -7 % 3 }} {{ 2 >= 2 }}", "", "3 2 True"),
            ("plain", "x", "plain"),
        ] {
            let expected = if shown == "?" { Err(TemplateError::Unsupported) } else { Ok(shown.to_owned()) };
            assert_eq!(render(template, payload), expected, "{template}");
        }
    }

    #[test]
    fn what_is_not_supported_is_not_guessed() {
        for template in [
            "{% if value %}a{% endif %}",
            "{{ states('sensor.x') }}",
            "{{ value | from_json }}",
            "{{ value",
            "{{ }}",
            "{{ value value }}",
            "{{ value + 1 }}",
            "{{ 'a\\'b' }}",
            "{{ value > 1 }}",
        ] {
            assert_eq!(render(template, "1"), Err(TemplateError::Unsupported), "{template}");
        }
        assert_eq!(render("{{ value_json.x }}", "{}"), Err(TemplateError::Undefined));
        assert_eq!(render("{{ value_json.x }}", "no json"), Err(TemplateError::Undefined));
        assert_eq!(render("{{ 1 / 0 }}", ""), Err(TemplateError::Undefined));
        assert!(render(&["{{", &"(".repeat(10_000), "}}"].concat(), "").is_err());
        assert!(render(&["{{", &"not ".repeat(10_000), "1}}"].concat(), "").is_err());
    }

    proptest! {
        #[test]
        fn no_template_panics(
            template in "(\\{\\{|\\}\\}|value|value_json|\\.a|\\['a'\\]|\\|int|\\|round|\\(|\\)|1|'x'| if | else |==|\\+|-|\\*|/|%|\\[0:|\\]|,|not | and ){0,25}",
            payload in "(\\{\"a\":1\\}|12|x|\\{)",
        ) {
            let _ = render(&template, &payload);
        }
    }
}
