//! The class `bytes`.

use super::{Native, Result, Tables, base, base64, bits};
use crate::call::Args;
use crate::host::Host;
use crate::member::{part_of, place_in};
use crate::names;
use crate::numbers::{Integer as _, Numbers, Real as _};
use crate::objects::Small;
use crate::raised::Raised;
use crate::slab::{BytesId, StrId};
use crate::text::Text;
use crate::value::{Flag, Value};
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const BYTES: &'static [(StrId, Native<N>)] = &[
        (names::INIT, init),
        (names::TOSTRING, base::tostring),
        (names::ITEM, item),
        (names::SETITEM, setitem),
        (names::SIZE, size),
        (names::GET, get),
        (names::GETI, geti),
        (names::SET, set),
        (names::SETI, set),
        (names::ADD, add),
        (names::GETBITS, getbits),
        (names::SETBITS, setbits),
        (names::GETFLOAT, getfloat),
        (names::SETFLOAT, setfloat),
        (names::ADDFLOAT, addfloat),
        (names::SETBYTES, setbytes),
        (names::RESIZE, resize),
        (names::CLEAR, clear),
        (names::COPY, copy),
        (names::REVERSE, reverse),
        (names::ASSTRING, asstring),
        (names::FROMSTRING, fromstring),
        (names::TOHEX, tohex),
        (names::FROMHEX, fromhex),
        (names::APPENDHEX, appendhex),
        (names::TOB64, tob64),
        (names::FROMB64, fromb64),
        (names::APPENDB64, appendb64),
        (names::ITER, base::iter),
        (names::TOBOOL, base::tobool),
        (names::ISREADONLY, no),
        (names::ISMAPPED, no),
        (names::DOTS, append),
        (names::PLUS, plus),
        (names::EQUAL, base::equal),
        (names::NOT_EQUAL, base::not_equal),
    ];
}

fn own<N: Numbers>(vm: &mut Vm<N>, args: Args) -> Result<BytesId> {
    match vm.own(args) {
        Value::Bytes(id) => Ok(id),
        _ => vm.wrong_self(names::BYTES),
    }
}

fn no<N: Numbers>(_: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    Ok(Value::Bool(Flag::False))
}

fn length<N: Numbers>(vm: &Vm<N>, id: BytesId) -> Result<usize> {
    Ok(vm.heap.bytes.get(id)?.data.len())
}

fn byte<N: Numbers>(vm: &Vm<N>, id: BytesId, at: usize) -> Result<u8> {
    Ok(vm.heap.bytes.get(id)?.data.get(at).copied().unwrap_or_default())
}

/// Makes the buffer so long, if it may change.
fn set_length<N: Numbers>(vm: &mut Vm<N>, id: BytesId, length: usize) -> Result<()> {
    let bytes = vm.heap.bytes.get_mut(id)?;
    if bytes.fixed && bytes.data.len() != length {
        return vm.raise(names::ATTRIBUTE_ERROR, "bytes object size is fixed and cannot be resized");
    }
    let grown = length.saturating_sub(bytes.data.len());
    vm.heap.budget.reserve(&mut bytes.data, grown)?;
    vm.spend(grown / 8)?;
    let bytes = vm.heap.bytes.get_mut(id)?;
    vm.heap.budget.resize(&mut bytes.data, length, 0)
}

/// `bytes()`, `bytes("0102")`, `bytes(room)`, `bytes(-size)`, and a size behind a text.
pub(super) fn fill<N: Numbers>(vm: &mut Vm<N>, object: Value<N>, args: Args) -> Result<()> {
    let Value::Bytes(id) = object else { return vm.wrong_self(names::BYTES) };
    let size_place = match vm.arg(args, 0) {
        Value::Str(text) => {
            replace_by_hex(vm, id, text, false)?;
            1
        }
        Value::Bytes(other) => {
            join(vm, id, other)?;
            1
        }
        _ => 0,
    };
    if let Value::Int(size) = vm.arg(args, size_place) {
        let size = size.wide();
        if size < 0 {
            let length = usize::try_from(size.unsigned_abs()).unwrap_or(usize::MAX);
            set_length(vm, id, length)?;
            vm.heap.bytes.get_mut(id)?.fixed = true;
        } else {
            let room = usize::try_from(size).unwrap_or(usize::MAX);
            vm.heap.budget.reserve_exact(&mut vm.heap.bytes.get_mut(id)?.data, room)?;
        }
    }
    Ok(())
}

fn init<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    set_length(vm, id, 0)?;
    fill(vm, Value::Bytes(id), args.rest())?;
    Ok(Value::Nil)
}

fn out_of_range<N: Numbers, T>(vm: &mut Vm<N>) -> Result<T> {
    vm.raise(names::INDEX_ERROR, "bytes index out of range")
}

fn item<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let length = length(vm, id)?;
    match vm.arg(args, 1) {
        Value::Int(int) => match place_in(length, int.index()) {
            Some(place) => Ok(Value::int(i64::from(byte(vm, id, place)?))),
            None => out_of_range(vm),
        },
        Value::Range(range) => {
            let &Small::Range(range) = vm.heap.smalls.get(range)? else { return Err(Raised) };
            let (first, end) = part_of(length, range.lower.index(), range.upper.index());
            part(vm, id, first, end)
        }
        _ => vm.raise(names::INDEX_ERROR, "bytes indices must be integers"),
    }
}

fn part<N: Numbers>(vm: &mut Vm<N>, id: BytesId, first: usize, end: usize) -> Result<Value<N>> {
    vm.spend(end.saturating_sub(first) / 8)?;
    let data = vm.heap.bytes.get(id)?.data.get(first..end).unwrap_or_default();
    let copy = vm.heap.budget.copy(data)?;
    let made = vm.heap.new_bytes(&copy);
    vm.heap.budget.release_block(copy);
    made.map(Value::Bytes)
}

fn setitem<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let index = vm.int_arg(args, 1)?;
    let value = vm.int_arg(args, 2)?;
    let place = place_in(length(vm, id)?, index);
    let data = &mut vm.heap.bytes.get_mut(id)?.data;
    match place.and_then(|place| data.get_mut(place)) {
        Some(byte) => {
            *byte = value.to_le_bytes()[0];
            Ok(Value::Nil)
        }
        None => out_of_range(vm),
    }
}

fn size<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    Ok(Value::length(length(vm, id)?))
}

fn width<N: Numbers>(vm: &mut Vm<N>, size: isize) -> Result<(usize, bool)> {
    match bits::width(size) {
        Some(width) => Ok(width),
        None => vm.raise(names::TYPE_ERROR, "size must be -4, -3, -2, -1, 1, 2, 3 or 4"),
    }
}

/// The bytes that `get` and `geti` look at; nothing beyond the end.
fn number<N: Numbers, T>(vm: &mut Vm<N>, args: Args, read: fn(&[u8], bool) -> T) -> Result<Option<T>> {
    let id = own(vm, args)?;
    let index = vm.int_arg(args, 1)?;
    let wanted = vm.int_arg_or(args, 2, 1)?;
    if wanted == 0 {
        return Ok(None);
    }
    let (width, big_endian) = width(vm, wanted)?;
    let data = &vm.heap.bytes.get(id)?.data;
    let first = bits::place(data.len(), index, width);
    Ok(first.and_then(|first| data.get(first..first + width)).map(|bytes| read(bytes, big_endian)))
}

fn get<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(Value::int(i64::from(number(vm, args, bits::read)?.unwrap_or(0))))
}

fn geti<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(Value::int(i64::from(number(vm, args, bits::read_signed)?.unwrap_or(0))))
}

/// The low 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "that is what is wanted")]
const fn low(value: isize) -> u32 {
    value as u32
}

fn set<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let index = vm.int_arg(args, 1)?;
    let value = vm.int_arg(args, 2)?;
    let wanted = vm.int_arg_or(args, 3, 1)?;
    let (width, big_endian) = width(vm, wanted)?;
    let data = &mut vm.heap.bytes.get_mut(id)?.data;
    let first = bits::place(data.len(), index, width);
    if let Some(bytes) = first.and_then(|first| data.get_mut(first..first + width)) {
        bits::write(bytes, low(value), big_endian);
    }
    Ok(Value::Nil)
}

fn add<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let value = vm.int_arg(args, 1)?;
    let wanted = vm.int_arg_or(args, 2, 1)?;
    let (width, big_endian) = width(vm, wanted)?;
    let first = length(vm, id)?;
    set_length(vm, id, first + width)?;
    if let Some(bytes) = vm.heap.bytes.get_mut(id)?.data.get_mut(first..) {
        bits::write(bytes, low(value), big_endian);
    }
    Ok(vm.arg(args, 0))
}

/// The bits that the arguments mean: all within the buffer, at most 32.
fn bit_field<N: Numbers>(vm: &mut Vm<N>, args: Args, id: BytesId) -> Result<(usize, usize)> {
    let offset = usize::try_from(vm.int_arg(args, 1)?);
    let count = usize::try_from(vm.int_arg(args, 2)?);
    let bits = length(vm, id)?.saturating_mul(8);
    match (offset, count) {
        (Ok(offset), Ok(count)) if count <= 32 && offset <= bits && count <= bits - offset => {
            Ok((offset, count))
        }
        _ => vm.raise(names::VALUE_ERROR, "length in bits must be between 0 and 32, within the bytes"),
    }
}

fn getbits<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let (offset, count) = bit_field(vm, args, id)?;
    Ok(Value::int(i64::from(bits::read_bits(&vm.heap.bytes.get(id)?.data, offset, count))))
}

fn setbits<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let (offset, count) = bit_field(vm, args, id)?;
    let value = low(match vm.arg(args, 3) {
        Value::Bool(flag) => isize::from(flag.get()),
        _ => vm.int_arg(args, 3)?,
    });
    bits::write_bits(&mut vm.heap.bytes.get_mut(id)?.data, offset, count, value);
    Ok(vm.arg(args, 0))
}

fn getfloat<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let index = vm.int_arg(args, 1)?;
    let big_endian = matches!(vm.arg(args, 2), Value::Bool(Flag::True));
    let data = &vm.heap.bytes.get(id)?.data;
    let bytes = bits::place(data.len(), index, 4).and_then(|first| data.get(first..first + 4));
    Ok(bytes
        .map_or(Value::Nil, |bytes| Value::real(f64::from(f32::from_bits(bits::read(bytes, big_endian))))))
}

/// A real argument as the bits of a single.
#[expect(clippy::cast_possible_truncation, reason = "a single is what is stored")]
fn float_bits<N: Numbers>(vm: &mut Vm<N>, args: Args, place: usize) -> Result<u32> {
    let value = vm.arg(args, place);
    match value.as_real() {
        Some(real) => Ok((real.wide() as f32).to_bits()),
        None => vm.wrong_argument("real", value),
    }
}

fn setfloat<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let index = vm.int_arg(args, 1)?;
    let value = float_bits(vm, args, 2)?;
    let big_endian = matches!(vm.arg(args, 3), Value::Bool(Flag::True));
    let data = &mut vm.heap.bytes.get_mut(id)?.data;
    let first = bits::place(data.len(), index, 4);
    if let Some(bytes) = first.and_then(|first| data.get_mut(first..first + 4)) {
        bits::write(bytes, value, big_endian);
    }
    Ok(Value::Nil)
}

fn addfloat<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let value = float_bits(vm, args, 1)?;
    let big_endian = matches!(vm.arg(args, 2), Value::Bool(Flag::True));
    let first = length(vm, id)?;
    set_length(vm, id, first + 4)?;
    if let Some(bytes) = vm.heap.bytes.get_mut(id)?.data.get_mut(first..) {
        bits::write(bytes, value, big_endian);
    }
    Ok(vm.arg(args, 0))
}

/// `setbytes(index, source, from, length)`: as many as fit.
fn setbytes<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let index = vm.int_arg(args, 1)?;
    let Value::Bytes(source) = vm.own(Args { base: args.base + 2, count: args.count.saturating_sub(2) })
    else {
        return vm.wrong_argument("bytes", vm.arg(args, 2));
    };
    let clamp = |value: isize| usize::try_from(value.max(0)).unwrap_or(usize::MAX);
    let from = clamp(vm.int_arg_or(args, 3, 0)?).min(length(vm, source)?);
    let count = clamp(vm.int_arg_or(args, 4, isize::MAX)?).min(length(vm, source)? - from);
    let Some(first) = bits::place(length(vm, id)?, index, 0) else { return Ok(Value::Nil) };
    let count = count.min(length(vm, id)? - first);
    vm.spend(count / 8)?;
    let data = vm.heap.bytes.get(source)?.data.get(from..from + count).unwrap_or_default();
    let copy = vm.heap.budget.copy(data)?;
    if let Some(target) = vm.heap.bytes.get_mut(id)?.data.get_mut(first..first + count) {
        target.copy_from_slice(&copy);
    }
    vm.heap.budget.release_block(copy);
    Ok(Value::Nil)
}

fn resize<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let length = usize::try_from(vm.int_arg(args, 1)?.max(0)).unwrap_or(usize::MAX);
    set_length(vm, id, length)?;
    Ok(vm.arg(args, 0))
}

fn clear<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    set_length(vm, id, 0)?;
    Ok(Value::Nil)
}

fn copy<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let length = length(vm, id)?;
    part(vm, id, 0, length)
}

/// `reverse(index, length, group)`
fn reverse<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let length = length(vm, id)?;
    let clamp = |value: isize, most: usize| usize::try_from(value).unwrap_or(most).min(most);
    let first = clamp(vm.int_arg_or(args, 1, 0)?.max(0), length);
    let count = clamp(vm.int_arg_or(args, 2, -1)?, length - first);
    let group = usize::try_from(vm.int_arg_or(args, 3, 1)?.max(1)).unwrap_or(1);
    vm.spend(count / 8)?;
    let count = count - count % group;
    if let Some(data) = vm.heap.bytes.get_mut(id)?.data.get_mut(first..first + count) {
        // All of it backwards, then each group the right way round again.
        data.reverse();
        data.chunks_mut(group).for_each(<[u8]>::reverse);
    }
    Ok(vm.arg(args, 0))
}

fn asstring<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    vm.spend(length(vm, id)? / 8)?;
    vm.string_from(|vm, text| {
        for at in 0..length(vm, id)? {
            let byte = byte(vm, id, at)?;
            vm.put(text, &[byte])?;
        }
        Ok(())
    })
}

/// Appends the bytes of a string.
fn append_string<N: Numbers>(vm: &mut Vm<N>, id: BytesId, text: StrId) -> Result<()> {
    let old = length(vm, id)?;
    let added = vm.heap.text(text)?.len();
    set_length(vm, id, old + added)?;
    for at in 0..added {
        let byte = vm.heap.text(text)?.get(at).copied().unwrap_or_default();
        if let Some(slot) = vm.heap.bytes.get_mut(id)?.data.get_mut(old + at) {
            *slot = byte;
        }
    }
    Ok(())
}

fn fromstring<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let text = vm.str_arg(args, 1)?;
    // Room first: the old bytes are gone only when the new ones fit.
    let needed = vm.heap.text(text)?.len();
    vm.heap.budget.reserve_exact(&mut vm.heap.bytes.get_mut(id)?.data, needed)?;
    set_length(vm, id, 0)?;
    append_string(vm, id, text)?;
    Ok(vm.arg(args, 0))
}

fn tohex<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    vm.string_from(|vm, text| {
        for at in 0..length(vm, id)? {
            vm.spend(1)?;
            let byte = byte(vm, id, at)?;
            vm.put_radix(text, byte.into(), 4, 2, true)?;
        }
        Ok(())
    })
}

/// Takes hexadecimal digits in pairs, up to what is none.
fn replace_by_hex<N: Numbers>(vm: &mut Vm<N>, id: BytesId, text: StrId, keep: bool) -> Result<()> {
    let digits = vm.heap.text(text)?;
    let digit = |at: usize| digits.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut count = 0;
    while digit(2 * count).is_some() && digit(2 * count + 1).is_some() {
        count += 1;
    }
    let old = if keep { length(vm, id)? } else { 0 };
    vm.heap.budget.reserve(&mut vm.heap.bytes.get_mut(id)?.data, count)?;
    set_length(vm, id, old + count)?;
    for place in 0..count {
        let digits = vm.heap.text(text)?;
        let digit =
            |at: usize| digits.get(at).and_then(|&byte| char::from(byte).to_digit(16)).unwrap_or_default();
        let byte = (digit(2 * place) * 16 + digit(2 * place + 1)).to_le_bytes()[0];
        if let Some(slot) = vm.heap.bytes.get_mut(id)?.data.get_mut(old + place) {
            *slot = byte;
        }
    }
    Ok(())
}

fn fromhex<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let text = vm.str_arg(args, 1)?;
    replace_by_hex(vm, id, text, false)?;
    Ok(vm.arg(args, 0))
}

fn appendhex<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let text = vm.str_arg(args, 1)?;
    replace_by_hex(vm, id, text, true)?;
    Ok(vm.arg(args, 0))
}

fn tob64<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    vm.spend(length(vm, id)? / 4)?;
    vm.string_from(|vm, text| {
        base64::encode(&mut vm.heap.budget, &vm.heap.bytes.get(id)?.data, &mut text.bytes)
    })
}

fn decode<N: Numbers>(vm: &mut Vm<N>, id: BytesId, text: StrId, keep: bool) -> Result<()> {
    vm.spend(vm.heap.text(text)?.len() / 4)?;
    let old = if keep { length(vm, id)? } else { 0 };
    let mut decoded = Text::default();
    let bytes = match (text.text(), vm.heap.strings.get(text)) {
        (Some(text), _) => text.as_bytes(),
        (None, string) => &string?.bytes,
    };
    let stored = match base64::decode(&mut vm.heap.budget, bytes, &mut decoded.bytes) {
        Ok(true) => set_length(vm, id, old + decoded.len()).and_then(|()| {
            if let Some(target) = vm.heap.bytes.get_mut(id)?.data.get_mut(old..) {
                target.copy_from_slice(decoded.as_bytes());
            }
            Ok(())
        }),
        Ok(false) => vm.raise(names::VALUE_ERROR, "invalid base64 string"),
        Err(raised) => Err(raised),
    };
    vm.discard(decoded);
    stored
}

fn fromb64<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let text = vm.str_arg(args, 1)?;
    decode(vm, id, text, false)?;
    Ok(vm.arg(args, 0))
}

fn appendb64<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    let text = vm.str_arg(args, 1)?;
    decode(vm, id, text, true)?;
    Ok(vm.arg(args, 0))
}

/// Appends the bytes of another buffer, which may be the same.
fn join<N: Numbers>(vm: &mut Vm<N>, id: BytesId, other: BytesId) -> Result<()> {
    let old = length(vm, id)?;
    let added = length(vm, other)?;
    vm.spend(added / 8)?;
    set_length(vm, id, old + added)?;
    for at in 0..added {
        let byte = byte(vm, other, at)?;
        if let Some(slot) = vm.heap.bytes.get_mut(id)?.data.get_mut(old + at) {
            *slot = byte;
        }
    }
    Ok(())
}

impl<N: Numbers> Vm<N> {
    /// `+` makes a new buffer, `..` appends to the left one: a buffer, a string or a byte.
    pub(crate) fn join_bytes(&mut self, new: bool, left: BytesId, right: Value<N>) -> Result<Value<N>> {
        let right = match right {
            Value::Instance(id) => self.heap.instances.get(id)?.base,
            other => other,
        };
        if new && !matches!(right, Value::Bytes(_)) {
            return self.type_error(&["operand must be bytes, not '", right.type_name(), "'"]);
        }
        let target = if new {
            let length = length(self, left)?;
            match part(self, left, 0, length)? {
                Value::Bytes(copy) => copy,
                _ => return Err(Raised),
            }
        } else {
            left
        };
        match right {
            Value::Bytes(other) => join(self, target, other)?,
            Value::Str(text) => append_string(self, target, text)?,
            Value::Int(int) => {
                let old = length(self, target)?;
                set_length(self, target, old + 1)?;
                if let Some(slot) = self.heap.bytes.get_mut(target)?.data.get_mut(old) {
                    *slot = int.bits().to_le_bytes()[0];
                }
            }
            other => {
                return self.type_error(&[
                    "operand must be bytes, int or string, not '",
                    other.type_name(),
                    "'",
                ]);
            }
        }
        Ok(Value::Bytes(target))
    }
}

fn append<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    vm.join_bytes(false, id, vm.arg(args, 1))?;
    Ok(vm.arg(args, 0))
}

fn plus<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = own(vm, args)?;
    vm.join_bytes(true, id, vm.arg(args, 1))
}
