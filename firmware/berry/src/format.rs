//! `format`: a text and what its directives ask for, as C's `printf` does.

use crate::call::Args;
use crate::digits::{Digits, Style};
use crate::host::Host;
use crate::limits::MAX_FIELD_WIDTH;
use crate::names;
use crate::numbers::{Integer as _, Numbers, Real as _};
use crate::raised::Raised;
use crate::slab::StrId;
use crate::text::Text;
use crate::value::Value;
use crate::vm::Vm;

type Result<T> = core::result::Result<T, Raised>;

impl<N: Numbers> Vm<N> {
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
                    Value::Bool(flag) => Some(N::Int::wrap(i64::from(flag.get()))),
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
                numeric = real.is_finite();
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
                self.put(text, Digits::default().unsigned(wide.unsigned_abs()))?;
            }
            b'u' => self.put(text, Digits::default().unsigned(int.bits()))?,
            b'o' => self.put_radix(text, int.bits(), 3, 1, false)?,
            kind => {
                if directive.alternate && int.bits() != 0 {
                    self.put(text, &[b'0', kind])?;
                }
                self.put_radix(text, int.bits(), 4, 1, kind == b'X')?;
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
        let upper = directive.kind.is_ascii_uppercase();
        let style = Style {
            kind: directive.kind.to_ascii_lowercase(),
            // A field is at most as wide as a byte tells.
            precision: directive.precision.map_or(6, |precision| i32::try_from(precision).unwrap_or(6)),
            letter: if upper { b'E' } else { b'e' },
            keep_zeros: directive.alternate,
        };
        style.write(real, &mut |bytes| self.put(text, bytes))?;
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
