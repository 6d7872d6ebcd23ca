//! Values as text: what `str` shows.

use alloc::vec::Vec;

use crate::digits::Digits;
use crate::host::Host;
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::objects::{Parent, Small};
use crate::raised::Raised;
use crate::slab::{Key as _, StrId};
use crate::value::{Flag, Value};
use crate::vm::Vm;

type Result<T> = core::result::Result<T, Raised>;

/// A text in the making. It is charged to the heap: give it back with [`Vm::discard`].
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
}

impl Text {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The values around one that is being shown.
#[derive(Clone, Copy)]
struct Around<'a, N: Numbers> {
    value: Value<N>,
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

    /// Appends an integer.
    pub(crate) fn put_int(&mut self, text: &mut Text, int: i64) -> Result<()> {
        self.put(text, Digits::default().decimal(int))
    }

    /// Appends an integer in a base of `2^bits`, with at least `width` digits.
    pub(crate) fn put_radix(
        &mut self,
        text: &mut Text,
        int: u64,
        bits: u32,
        width: u32,
        upper: bool,
    ) -> Result<()> {
        self.put(text, Digits::default().radix(int, bits, width, upper))
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
            Value::Bool(Flag::True) => self.put(text, b"true"),
            Value::Bool(Flag::False) => self.put(text, b"false"),
            Value::Int(int) => self.put_int(text, int.wide()),
            Value::Real(real) => self.put(text, digits.general(real)),
            Value::Str(id) if quoted => self.put_escaped(text, id, b'\''),
            Value::Str(id) => self.put_string(text, id),
            Value::Closure(id) => {
                self.put(text, b"<function: 0x")?;
                self.put(text, digits.radix(id.index().into(), 4, 8, false))?;
                self.put(text, b">")
            }
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
                if self.depth >= self.limits.nesting || outer.is_some_and(|outer| outer.holds(value)) {
                    return self.put(text, cut);
                }
                let around = Around { value, outer };
                self.put(text, open)?;
                self.depth += 1;
                let written = self.write_elements(host, text, &around);
                self.depth -= 1;
                written?;
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
        let Value::Range(id) = value else { return Err(Raised) };
        let &Small::Range(range) = self.heap.smalls.get(id)? else { return Err(Raised) };
        let (lower, upper, step) = (range.lower.wide(), range.upper.wide(), range.step.wide());
        let plain = step == 1;
        self.put(text, if plain { b"(" } else { b"range(" })?;
        self.put_int(text, lower)?;
        self.put(text, if plain { b".." } else { b", " })?;
        self.put_int(text, upper)?;
        if !plain {
            self.put(text, b", ")?;
            self.put_int(text, step)?;
        }
        self.put(text, b")")
    }

    fn write_bytes(&mut self, text: &mut Text, value: Value<N>) -> Result<()> {
        let Value::Bytes(id) = value else { return Err(Raised) };
        self.put(text, b"bytes('")?;
        let length = self.heap.bytes.get(id)?.data.len();
        for at in 0..length.min(SHOWN_BYTES) {
            let byte = self.heap.bytes.get(id)?.data.get(at).copied().unwrap_or_default();
            self.put_radix(text, byte.into(), 4, 2, true)?;
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
        let Some((instance, class)) = self.view(value)? else { return Err(Raised) };
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
                    let json = quote == b'"';
                    self.put(text, if json { b"\\u" } else { b"\\x" })?;
                    self.put_radix(text, byte.into(), 4, if json { 4 } else { 2 }, !json)?;
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
}

/// Bytes of a buffer that `str` shows.
const SHOWN_BYTES: usize = 32;
