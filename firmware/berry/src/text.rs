//! Values as text: what `str` shows, and what `format` makes of its directives.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::call::Args;
use crate::host::Host;
use crate::limits::MAX_FIELD_WIDTH;
use crate::names;
use crate::numbers::{Integer as _, Numbers, Real};
use crate::objects::{Parent, Small};
use crate::raised::Raised;
use crate::slab::{Key as _, StrId};
use crate::value::Value;
use crate::vm::Vm;

type Result<T> = core::result::Result<T, Raised>;

/// A text in the making. It is charged to the heap: give it back with [`Vm::discard`].
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Text {
    bytes: Vec<u8>,
}

impl Text {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

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
struct General<R: Real> {
    value: R,
    precision: usize,
    keep_zeros: bool,
    upper: bool,
}

/// The longest mantissa that is asked for.
const MAX_MANTISSA: usize = 128;

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
struct Scientific {
    digits: [u8; MAX_MANTISSA],
    count: usize,
    exponent: i32,
    in_exponent: bool,
    negative: bool,
    negative_exponent: bool,
}

impl Scientific {
    const fn new() -> Self {
        Scientific {
            digits: [0; MAX_MANTISSA],
            count: 0,
            exponent: 0,
            in_exponent: false,
            negative: false,
            negative_exponent: false,
        }
    }

    fn parts(&self) -> (&[u8], bool, i32) {
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

/// Writes to a text; what went wrong stays.
struct Writer<'a, N: Numbers> {
    vm: &'a mut Vm<N>,
    text: &'a mut Text,
    outcome: Result<()>,
}

impl<N: Numbers> fmt::Write for Writer<'_, N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.outcome = self.vm.put(self.text, text.as_bytes());
        self.outcome.map_err(|_| fmt::Error)
    }
}

/// The values around one that is being shown.
#[derive(Clone, Copy)]
struct Around<'a, N: Numbers> {
    value: Value<N>,
    depth: u16,
    outer: Option<&'a Around<'a, N>>,
}

impl<N: Numbers> Around<'_, N> {
    fn holds(&self, value: Value<N>) -> bool {
        let mut around = Some(self);
        while let Some(here) = around {
            if here.value.same(value) {
                return true;
            }
            around = here.outer;
        }
        false
    }
}

/// The host, where scripts may be asked for their `tostring`.
type Asks<'a, N> = Option<&'a mut dyn Host<N>>;

impl<N: Numbers> Vm<N> {
    /// Appends bytes to a text.
    pub(crate) fn put(&mut self, text: &mut Text, bytes: &[u8]) -> Result<()> {
        self.spend(bytes.len() / 8)?;
        self.heap.budget.extend(&mut text.bytes, bytes)
    }

    /// Appends a string.
    pub(crate) fn put_string(&mut self, text: &mut Text, id: StrId) -> Result<()> {
        let length = self.heap.text(id)?.len();
        self.spend(length / 8)?;
        match id.text() {
            Some(fixed) => self.heap.budget.extend(&mut text.bytes, fixed.as_bytes()),
            None => {
                let string = self.heap.strings.get(id)?;
                self.heap.budget.extend(&mut text.bytes, &string.bytes)
            }
        }
    }

    pub(crate) fn put_format(&mut self, text: &mut Text, arguments: fmt::Arguments<'_>) -> Result<()> {
        let mut writer = Writer { vm: self, text, outcome: Ok(()) };
        let written = writer.write_fmt(arguments);
        writer.outcome.and(written.map_err(|_| Raised::Internal))
    }

    /// Gives a text back.
    pub(crate) fn discard(&mut self, text: Text) {
        self.heap.budget.release(text.bytes);
    }

    /// Hands a text to the host, out of the heap's account.
    pub(crate) fn detach(&mut self, text: Text) -> Vec<u8> {
        let mut copy = Vec::new();
        crate::memory::append_bounded(&mut copy, &text.bytes, usize::MAX);
        self.discard(text);
        copy
    }

    /// A string of what `write` puts together.
    pub(crate) fn string_from(
        &mut self,
        write: impl FnOnce(&mut Self, &mut Text) -> Result<()>,
    ) -> Result<Value<N>> {
        let mut text = Text::default();
        let written = write(self, &mut text);
        let string = written.and_then(|()| self.heap.string(text.as_bytes()));
        self.discard(text);
        string
    }

    /// What `str` makes of a value.
    pub(crate) fn string_of(&mut self, host: &mut dyn Host<N>, value: Value<N>) -> Result<Value<N>> {
        if let Value::Str(_) = value {
            return Ok(value);
        }
        self.string_from(|vm, text| vm.show(host, text, value))
    }

    /// Appends what `str` makes of a value.
    pub(crate) fn show(&mut self, host: &mut dyn Host<N>, text: &mut Text, value: Value<N>) -> Result<()> {
        self.write_value(&mut Some(host), text, value, false, None)
    }

    /// The same without asking scripts for their `tostring`.
    pub(crate) fn show_plain(&mut self, text: &mut Text, value: Value<N>) -> Result<()> {
        self.write_value(&mut None, text, value, false, None)
    }

    fn write_value(
        &mut self,
        host: &mut Asks<'_, N>,
        text: &mut Text,
        value: Value<N>,
        quoted: bool,
        outer: Option<&Around<'_, N>>,
    ) -> Result<()> {
        self.spend(1)?;
        let mut digits = Digits::default();
        match value {
            Value::Undefined | Value::Nil => self.put(text, b"nil"),
            Value::Bool(true) => self.put(text, b"true"),
            Value::Bool(false) => self.put(text, b"false"),
            Value::Int(int) => self.put(text, digits.decimal(int.wide())),
            Value::Real(real) => self.put(text, digits.shortest(real)),
            Value::Str(id) if quoted => self.put_escaped(text, id, b'\''),
            Value::Str(id) => self.put_string(text, id),
            Value::Closure(id) => self.put_format(text, format_args!("<function: 0x{:08x}>", id.index())),
            Value::Native(_) | Value::Host(_) | Value::Iterator(_) => self.put(text, b"<function: native>"),
            Value::Class(id) => {
                let name = self.heap.classes.get(id)?.name;
                self.put_named(text, "<class: ", name)
            }
            Value::Type(kind) => self.put_named(text, "<class: ", kind.name()),
            Value::Module(id) => {
                let name = self.heap.modules.get(id)?.name;
                self.put_named(text, "<module: ", name)
            }
            Value::Library(library) => self.put_named(text, "<module: ", library.name()),
            Value::Range(_) => self.write_range(text, value),
            Value::Bytes(_) => self.write_bytes(text, value),
            Value::List(_) | Value::Map(_) => {
                let (open, close, cut): (&[u8], &[u8], &[u8]) = match value {
                    Value::List(_) => (b"[", b"]", b"[...]"),
                    _ => (b"{", b"}", b"{...}"),
                };
                let depth = outer.map_or(0, |outer| outer.depth + 1);
                if depth >= self.limits.nesting || outer.is_some_and(|outer| outer.holds(value)) {
                    return self.put(text, cut);
                }
                let around = Around { value, depth, outer };
                self.put(text, open)?;
                self.write_elements(host, text, &around)?;
                self.put(text, close)
            }
            Value::Instance(_) | Value::Super(_) => self.write_instance(host, text, value, quoted, outer),
        }
    }

    fn put_named(&mut self, text: &mut Text, before: &str, name: StrId) -> Result<()> {
        self.put(text, before.as_bytes())?;
        self.put_string(text, name)?;
        self.put(text, b">")
    }

    fn write_elements(
        &mut self,
        host: &mut Asks<'_, N>,
        text: &mut Text,
        around: &Around<'_, N>,
    ) -> Result<()> {
        let mut place = 0;
        let mut first = true;
        loop {
            let (key, value) = match around.value {
                Value::List(list) => match self.heap.lists.get(list)?.get(place) {
                    Some(&value) => (None, value),
                    None => return Ok(()),
                },
                Value::Map(map) => match self.heap.maps.get(map)?.entry_from(place) {
                    Some((found, key, value)) => {
                        place = found;
                        (Some(key), value)
                    }
                    None => return Ok(()),
                },
                _ => return Ok(()),
            };
            place += 1;
            if !core::mem::take(&mut first) {
                self.put(text, b", ")?;
            }
            if let Some(key) = key {
                self.write_value(host, text, key, true, Some(around))?;
                self.put(text, b": ")?;
            }
            self.write_value(host, text, value, true, Some(around))?;
        }
    }

    fn write_range(&mut self, text: &mut Text, value: Value<N>) -> Result<()> {
        let Value::Range(id) = value else { return Err(Raised::Internal) };
        let &Small::Range(range) = self.heap.smalls.get(id)? else { return Err(Raised::Internal) };
        let (lower, upper, step) = (range.lower.wide(), range.upper.wide(), range.step.wide());
        if step == 1 {
            self.put_format(text, format_args!("({lower}..{upper})"))
        } else {
            self.put_format(text, format_args!("range({lower}, {upper}, {step})"))
        }
    }

    fn write_bytes(&mut self, text: &mut Text, value: Value<N>) -> Result<()> {
        let Value::Bytes(id) = value else { return Err(Raised::Internal) };
        self.put(text, b"bytes('")?;
        let length = self.heap.bytes.get(id)?.data.len();
        for at in 0..length.min(SHOWN_BYTES) {
            let byte = self.heap.bytes.get(id)?.data.get(at).copied().unwrap_or_default();
            self.put_format(text, format_args!("{byte:02X}"))?;
        }
        self.put(text, if length > SHOWN_BYTES { b"...')".as_slice() } else { b"')" })
    }

    fn write_instance(
        &mut self,
        host: &mut Asks<'_, N>,
        text: &mut Text,
        value: Value<N>,
        quoted: bool,
        outer: Option<&Around<'_, N>>,
    ) -> Result<()> {
        let Some((instance, class)) = self.view(value)? else { return Err(Raised::Internal) };
        match self.find_method(value, names::TOSTRING)? {
            Some((Value::Native(_), base)) if Self::machine_type(base).is_some() => {
                return self.write_value(host, text, base, quoted, outer);
            }
            Some((method, receiver)) => {
                if let Some(asked) = host {
                    let result = self.call_nested(&mut **asked, method, &[receiver])?;
                    return match result {
                        Value::Str(id) => self.put_string(text, id),
                        // Not what it should be: shown without another question.
                        other => self.write_value(&mut None, text, other, false, outer),
                    };
                }
            }
            None => {}
        }
        let class = match class {
            Parent::Class(_) => class,
            _ => Parent::Class(self.heap.instances.get(instance)?.class),
        };
        let name = self.name_of_class(class)?;
        self.put(text, b"<instance: ")?;
        self.put_string(text, name)?;
        self.put(text, b"()>")
    }

    pub(crate) fn class_of(&self, value: Value<N>) -> Result<Parent> {
        Ok(match self.view(value)? {
            Some((_, class)) => class,
            None => Self::machine_type(value).map_or(Parent::None, Parent::Type),
        })
    }

    pub(crate) fn name_of_class(&self, class: Parent) -> Result<StrId> {
        Ok(match class {
            Parent::Class(id) => self.heap.classes.get(id)?.name,
            Parent::Type(kind) => kind.name(),
            Parent::None => names::EMPTY,
        })
    }

    /// Appends a string in quotes, with what is special in it written as escapes.
    pub(crate) fn put_escaped(&mut self, text: &mut Text, id: StrId, quote: u8) -> Result<()> {
        self.put(text, &[quote])?;
        let length = self.heap.text(id)?.len();
        self.spend(length / 8)?;
        for at in 0..length {
            let byte = self.heap.text(id)?.get(at).copied().unwrap_or_default();
            let letter = match byte {
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                8 => b'b',
                12 => b'f',
                b'\\' => b'\\',
                byte if byte == quote => byte,
                0..=31 => {
                    if quote == b'"' {
                        self.put_format(text, format_args!("\\u{byte:04x}"))?;
                    } else {
                        self.put_format(text, format_args!("\\x{byte:02X}"))?;
                    }
                    continue;
                }
                plain => {
                    self.heap.budget.push(&mut text.bytes, plain)?;
                    continue;
                }
            };
            self.heap.budget.extend(&mut text.bytes, &[b'\\', letter])?;
        }
        self.put(text, &[quote])
    }

    // format

    /// Appends what C's `printf` would make of a format and its arguments.
    pub(crate) fn put_formatted(
        &mut self,
        host: &mut dyn Host<N>,
        text: &mut Text,
        format: StrId,
        args: Args,
    ) -> Result<()> {
        let mut at = 0;
        let mut next = 0;
        loop {
            let rest = self.heap.text(format)?.get(at..).unwrap_or_default();
            let plain = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            let done = plain == rest.len();
            self.spend(plain / 8 + 1)?;
            for place in at..at + plain {
                let byte = self.heap.text(format)?.get(place).copied().unwrap_or_default();
                self.heap.budget.push(&mut text.bytes, byte)?;
            }
            if done {
                return Ok(());
            }
            at += plain + 1;
            let (directive, length) = Directive::parse(self.heap.text(format)?.get(at..).unwrap_or_default());
            at += length;
            if directive.kind == b'%' {
                self.put(text, b"%")?;
                continue;
            }
            if next >= args.count {
                return self
                    .raise(names::RUNTIME_ERROR, "string.format: not enough arguments for the format");
            }
            let value = self.arg(args, next);
            next += 1;
            self.put_directive(host, text, directive, value)?;
        }
    }

    fn put_directive(
        &mut self,
        host: &mut dyn Host<N>,
        text: &mut Text,
        directive: Directive,
        value: Value<N>,
    ) -> Result<()> {
        let start = text.len();
        let mut numeric = true;
        match directive.kind {
            b'd' | b'i' | b'u' | b'x' | b'X' | b'o' | b'c' => {
                let int = match value {
                    Value::Int(int) => Some(int),
                    Value::Real(real) => Some(N::int(real)),
                    Value::Bool(bool) => Some(N::Int::wrap(i64::from(bool))),
                    _ => None,
                };
                let Some(int) = int else { return self.pad(text, start, directive, false) };
                if directive.kind == b'c' {
                    self.put(text, &[int.bits().to_le_bytes()[0]])?;
                    numeric = false;
                } else {
                    self.put_integer(text, directive, int)?;
                }
            }
            b'f' | b'F' | b'e' | b'E' | b'g' | b'G' => {
                let Some(real) = value.as_real() else { return self.pad(text, start, directive, false) };
                self.put_real(text, directive, real)?;
                numeric = real.wide().is_finite();
            }
            b's' | b'q' => {
                numeric = false;
                match value {
                    Value::Str(id) if directive.kind == b'q' => self.put_escaped(text, id, b'\'')?,
                    _ => self.show(host, text, value)?,
                }
                if let Some(precision) = directive.precision {
                    text.bytes.truncate(start + precision.min(text.len() - start));
                }
            }
            _ => return self.raise(names::RUNTIME_ERROR, "string.format: unknown directive"),
        }
        self.pad(text, start, directive, numeric)
    }

    fn put_integer(&mut self, text: &mut Text, directive: Directive, int: N::Int) -> Result<()> {
        let start = text.len();
        match directive.kind {
            b'd' | b'i' => {
                let wide = int.wide();
                let sign: &[u8] = match (wide < 0, directive.plus, directive.space) {
                    (true, ..) => b"-",
                    (_, true, _) => b"+",
                    (.., true) => b" ",
                    _ => b"",
                };
                self.put(text, sign)?;
                self.put_format(text, format_args!("{}", wide.unsigned_abs()))?;
            }
            b'u' => self.put_format(text, format_args!("{}", int.bits()))?,
            b'o' => self.put_format(text, format_args!("{:o}", int.bits()))?,
            kind => {
                if directive.alternate && int.bits() != 0 {
                    self.put(text, &[b'0', kind])?;
                }
                if kind == b'x' {
                    self.put_format(text, format_args!("{:x}", int.bits()))?;
                } else {
                    self.put_format(text, format_args!("{:X}", int.bits()))?;
                }
            }
        }
        if let Some(precision) = directive.precision {
            let signs = text.bytes.get(start..).unwrap_or_default();
            let signs = signs.iter().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
            let digits = text.len() - start - signs;
            self.fill(text, start + signs, precision.saturating_sub(digits), b'0')?;
        }
        Ok(())
    }

    fn put_real(&mut self, text: &mut Text, directive: Directive, real: N::Real) -> Result<()> {
        let start = text.len();
        let precision = directive.precision.unwrap_or(6);
        let upper = directive.kind.is_ascii_uppercase();
        let keep_zeros = directive.alternate;
        if directive.kind.eq_ignore_ascii_case(&b'g') || !real.wide().is_finite() {
            let general = General { value: real, precision, keep_zeros, upper };
            self.put_format(text, format_args!("{general}"))?;
        } else if directive.kind.eq_ignore_ascii_case(&b'f') {
            self.put_format(text, format_args!("{real:.precision$}"))?;
        } else {
            let mut scientific = Scientific::new();
            let precision = precision.min(MAX_MANTISSA - 8);
            write!(scientific, "{real:.precision$e}").map_err(|_| Raised::Internal)?;
            let (digits, negative, exponent) = scientific.parts();
            self.put(text, if negative { b"-" } else { b"" })?;
            self.put(text, digits.get(..1).unwrap_or_default())?;
            if digits.len() > 1 {
                self.put(text, b".")?;
                self.put(text, digits.get(1..).unwrap_or_default())?;
            }
            let letter = if upper { 'E' } else { 'e' };
            let sign = if exponent < 0 { '-' } else { '+' };
            self.put_format(text, format_args!("{letter}{sign}{:02}", exponent.unsigned_abs()))?;
        }
        let negative = text.bytes.get(start) == Some(&b'-');
        if !negative && (directive.plus || directive.space) {
            self.fill(text, start, 1, if directive.plus { b'+' } else { b' ' })?;
        }
        Ok(())
    }

    /// Fills a field up to its width.
    fn pad(&mut self, text: &mut Text, start: usize, directive: Directive, numeric: bool) -> Result<()> {
        let missing = directive.width.saturating_sub(text.len() - start);
        if missing == 0 {
            return Ok(());
        }
        if directive.left {
            let end = text.len();
            return self.fill(text, end, missing, b' ');
        }
        let zeros = directive.zeros && numeric && (directive.precision.is_none() || directive.is_real());
        if !zeros {
            return self.fill(text, start, missing, b' ');
        }
        let field = text.bytes.get(start..).unwrap_or_default();
        let mut after = start + usize::from(matches!(field.first(), Some(b'-' | b'+' | b' ')));
        if matches!(text.bytes.get(after..after + 2), Some(b"0x" | b"0X")) {
            after += 2;
        }
        self.fill(text, after, missing, b'0')
    }

    fn fill(&mut self, text: &mut Text, at: usize, count: usize, byte: u8) -> Result<()> {
        self.heap.budget.reserve(&mut text.bytes, count)?;
        (0..count).try_for_each(|_| self.heap.budget.insert(&mut text.bytes, at, byte))
    }
}

/// Bytes of a buffer that `str` shows.
const SHOWN_BYTES: usize = 32;

/// What stands behind a `%`.
#[derive(Debug, Clone, Copy, Default)]
struct Directive {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: u8,
}

impl Directive {
    /// The directive and its length.
    fn parse(text: &[u8]) -> (Directive, usize) {
        let mut directive = Directive::default();
        let mut at = 0;
        while let Some(&flag) = text.get(at) {
            match flag {
                b'-' => directive.left = true,
                b'+' => directive.plus = true,
                b' ' => directive.space = true,
                b'#' => directive.alternate = true,
                b'0' => directive.zeros = true,
                _ => break,
            }
            at += 1;
        }
        let number = |at: &mut usize| {
            let mut value = 0_usize;
            while let Some(digit @ b'0'..=b'9') = text.get(*at) {
                value = value.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
                *at += 1;
            }
            value.min(MAX_FIELD_WIDTH)
        };
        directive.width = number(&mut at);
        if text.get(at) == Some(&b'.') {
            at += 1;
            directive.precision = Some(number(&mut at));
        }
        while let Some(b'l' | b'h') = text.get(at) {
            at += 1;
        }
        directive.kind = text.get(at).copied().unwrap_or_default();
        (directive, (at + 1).min(text.len()))
    }

    const fn is_real(self) -> bool {
        matches!(self.kind, b'f' | b'F' | b'e' | b'E' | b'g' | b'G')
    }
}
