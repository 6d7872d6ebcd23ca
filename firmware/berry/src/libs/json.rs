//! The library `json`.

use super::{Native, Result, Tables, base};
use crate::call::Args;
use crate::digits::Digits;
use crate::host::Host;
use crate::names;
use crate::numbers::{Integer as _, Numbers, Real as _};
use crate::raised::Raised;
use crate::slab::StrId;
use crate::text::Text;
use crate::value::{Flag, Value};
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const JSON: &'static [(StrId, Native<N>)] = &[(names::LOAD, load), (names::DUMP, dump)];
}

/// Reads a text in JSON; nil if it is none, as the reference does.
fn load<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let source = vm.str_arg(args, 0)?;
    vm.spend(vm.heap.text(source)?.len() / 8)?;
    let mut reader = Reader { source, at: 0 };
    let value = reader.value(vm, 0)?;
    reader.skip_blank(vm)?;
    let whole = reader.peek(vm)?.is_none();
    Ok(value.filter(|_| whole).unwrap_or_default())
}

struct Reader {
    source: StrId,
    at: usize,
}

impl Reader {
    fn peek<N: Numbers>(&self, vm: &Vm<N>) -> Result<Option<u8>> {
        Ok(vm.heap.text(self.source)?.get(self.at).copied())
    }

    fn accept<N: Numbers>(&mut self, vm: &Vm<N>, byte: u8) -> Result<bool> {
        let found = self.peek(vm)? == Some(byte);
        self.at += usize::from(found);
        Ok(found)
    }

    fn skip_blank<N: Numbers>(&mut self, vm: &Vm<N>) -> Result<()> {
        while matches!(self.peek(vm)?, Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        Ok(())
    }

    /// A value, or nothing where there is none.
    fn value<N: Numbers>(&mut self, vm: &mut Vm<N>, depth: u16) -> Result<Option<Value<N>>> {
        vm.spend(1)?;
        self.skip_blank(vm)?;
        let Some(byte) = self.peek(vm)? else { return Ok(None) };
        match byte {
            b'{' | b'[' if vm.depth.saturating_add(depth) >= vm.limits.nesting => Ok(None),
            b'{' => self.object(vm, depth),
            b'[' => self.array(vm, depth),
            b'"' => self.string(vm),
            b'-' | b'0'..=b'9' => {
                let text = vm.heap.text(self.source)?.get(self.at..).unwrap_or_default();
                let (length, real) = base::number_length(text);
                let text = text.get(..length).unwrap_or_default();
                self.at += length;
                if !real && let Some(int) = base::whole_int::<N::Int>(text) {
                    return Ok(Some(Value::Int(int)));
                }
                Ok(N::Real::parse(text).map(Value::Real))
            }
            _ => {
                for (word, value) in [
                    ("null", Value::Nil),
                    ("true", Value::Bool(Flag::True)),
                    ("false", Value::Bool(Flag::False)),
                ] {
                    if vm
                        .heap
                        .text(self.source)?
                        .get(self.at..)
                        .unwrap_or_default()
                        .starts_with(word.as_bytes())
                    {
                        self.at += word.len();
                        return Ok(Some(value));
                    }
                }
                Ok(None)
            }
        }
    }

    fn array<N: Numbers>(&mut self, vm: &mut Vm<N>, depth: u16) -> Result<Option<Value<N>>> {
        self.at += 1;
        let list = vm.heap.list(0)?;
        self.skip_blank(vm)?;
        if self.accept(vm, b']')? {
            return Ok(Some(Value::List(list)));
        }
        loop {
            let Some(value) = self.value(vm, depth + 1)? else { return Ok(None) };
            vm.heap.list_push(list, value)?;
            self.skip_blank(vm)?;
            if self.accept(vm, b']')? {
                return Ok(Some(Value::List(list)));
            }
            if !self.accept(vm, b',')? {
                return Ok(None);
            }
        }
    }

    fn object<N: Numbers>(&mut self, vm: &mut Vm<N>, depth: u16) -> Result<Option<Value<N>>> {
        self.at += 1;
        let map = vm.heap.map()?;
        self.skip_blank(vm)?;
        if self.accept(vm, b'}')? {
            return Ok(Some(Value::Map(map)));
        }
        loop {
            self.skip_blank(vm)?;
            if self.peek(vm)? != Some(b'"') {
                return Ok(None);
            }
            let Some(key) = self.string(vm)? else { return Ok(None) };
            self.skip_blank(vm)?;
            if !self.accept(vm, b':')? {
                return Ok(None);
            }
            let Some(value) = self.value(vm, depth + 1)? else { return Ok(None) };
            vm.heap.map_set(map, key, value)?;
            self.skip_blank(vm)?;
            if self.accept(vm, b'}')? {
                return Ok(Some(Value::Map(map)));
            }
            if !self.accept(vm, b',')? {
                return Ok(None);
            }
        }
    }

    fn string<N: Numbers>(&mut self, vm: &mut Vm<N>) -> Result<Option<Value<N>>> {
        self.at += 1;
        let mut text = Text::default();
        let read = self.characters(vm, &mut text);
        let string = match read {
            Ok(true) => vm.heap.string(text.as_bytes()).map(Some),
            Ok(false) => Ok(None),
            Err(raised) => Err(raised),
        };
        vm.discard(text);
        string
    }

    /// Whether the string has an end.
    fn characters<N: Numbers>(&mut self, vm: &mut Vm<N>, text: &mut Text) -> Result<bool> {
        loop {
            let Some(byte) = self.peek(vm)? else { return Ok(false) };
            self.at += 1;
            let plain = match byte {
                b'"' => return Ok(true),
                b'\\' => {
                    let Some(escape) = self.peek(vm)? else { return Ok(false) };
                    self.at += 1;
                    match escape {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        b'b' => 8,
                        b'f' => 12,
                        b'u' => {
                            let Some(character) = self.unicode(vm)? else { return Ok(false) };
                            let mut utf8 = [0; 4];
                            vm.put(text, character.encode_utf8(&mut utf8).as_bytes())?;
                            continue;
                        }
                        other => other,
                    }
                }
                // Control characters have no place in a string.
                0..=31 => return Ok(false),
                plain => plain,
            };
            vm.put(text, &[plain])?;
        }
    }

    fn unicode<N: Numbers>(&mut self, vm: &Vm<N>) -> Result<Option<char>> {
        let Some(first) = self.four_digits(vm)? else { return Ok(None) };
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
        // A pair makes one character.
        let before = self.at;
        if self.accept(vm, b'\\')?
            && self.accept(vm, b'u')?
            && let Some(second) = self.four_digits(vm)?
            && (0xdc00..0xe000).contains(&second)
        {
            return Ok(char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)));
        }
        self.at = before;
        Ok(Some(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits<N: Numbers>(&mut self, vm: &Vm<N>) -> Result<Option<u32>> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek(vm)?.and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Ok(None) };
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(Some(value))
    }
}

/// Writes a value in JSON; with `'format'`, in lines.
fn dump<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let indent = match vm.arg(args, 1) {
        Value::Str(id) if vm.heap.same_text(id, names::FORMAT)? => Some(0),
        _ => None,
    };
    let value = vm.arg(args, 0);
    vm.string_from(|vm, text| write(vm, host, text, value, indent))
}

fn new_line<N: Numbers>(vm: &mut Vm<N>, text: &mut Text, indent: Option<u16>) -> Result<()> {
    if let Some(indent) = indent {
        vm.put(text, b"\n")?;
        for _ in 0..indent {
            vm.put(text, b"  ")?;
        }
    }
    Ok(())
}

fn write<N: Numbers>(
    vm: &mut Vm<N>,
    host: &mut dyn Host<N>,
    text: &mut Text,
    value: Value<N>,
    indent: Option<u16>,
) -> Result<()> {
    vm.spend(1)?;
    let mut digits = Digits::default();
    match value {
        Value::Undefined | Value::Nil => vm.put(text, b"null"),
        Value::Bool(Flag::True) => vm.put(text, b"true"),
        Value::Bool(Flag::False) => vm.put(text, b"false"),
        Value::Int(int) => vm.put(text, digits.decimal(int.wide())),
        Value::Real(real) if real.is_finite() => vm.put(text, digits.general(real)),
        Value::Real(_) => vm.put(text, b"null"),
        Value::Str(id) => vm.put_escaped(text, id, b'"'),
        Value::List(_) | Value::Map(_) => {
            if vm.depth >= vm.limits.nesting {
                return vm.raise(names::VALUE_ERROR, "value nested too deeply for JSON");
            }
            vm.depth += 1;
            let written = write_elements(vm, host, text, value, indent);
            vm.depth -= 1;
            written
        }
        Value::Instance(id) if !matches!(vm.heap.instances.get(id)?.base, Value::Undefined) => {
            let base = vm.heap.instances.get(id)?.base;
            write(vm, host, text, base, indent)
        }
        other => {
            let shown = vm.string_of(host, other)?;
            let Value::Str(id) = shown else { return Err(Raised) };
            vm.put_escaped(text, id, b'"')
        }
    }
}

fn write_elements<N: Numbers>(
    vm: &mut Vm<N>,
    host: &mut dyn Host<N>,
    text: &mut Text,
    value: Value<N>,
    indent: Option<u16>,
) -> Result<()> {
    let (open, close): (&[u8], &[u8]) = match value {
        Value::List(_) => (b"[", b"]"),
        _ => (b"{", b"}"),
    };
    let inner = indent.map(|indent| indent + 1);
    vm.put(text, open)?;
    let mut place = 0;
    let mut count = 0;
    loop {
        let (key, element) = match value {
            Value::List(list) => match vm.heap.lists.get(list)?.get(place) {
                Some(&element) => (None, element),
                None => break,
            },
            Value::Map(map) => match vm.heap.maps.get(map)?.entry_from(place) {
                Some((found, key, element)) => {
                    place = found;
                    (Some(key), element)
                }
                None => break,
            },
            _ => break,
        };
        place += 1;
        if count > 0 {
            vm.put(text, b",")?;
        }
        count += 1;
        new_line(vm, text, inner)?;
        if let Some(key) = key {
            let shown = vm.string_of(host, key)?;
            let Value::Str(id) = shown else { return Err(Raised) };
            vm.put_escaped(text, id, b'"')?;
            vm.put(text, if indent.is_some() { b": ".as_slice() } else { b":" })?;
        }
        write(vm, host, text, element, inner)?;
    }
    if count > 0 {
        new_line(vm, text, indent)?;
    }
    vm.put(text, close)
}
