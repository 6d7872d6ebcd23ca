//! The library `string`. Positions are in bytes.

use super::{Native, Result, Tables, base};
use crate::call::Args;
use crate::host::Host;
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::slab::StrId;
use crate::text::Text;
use crate::value::{Flag, Value};
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const STRING: &'static [(StrId, Native<N>)] = &[
        (names::FORMAT, base::format),
        (names::COUNT, count),
        (names::SPLIT, split),
        (names::FIND, find),
        (names::HEX, hex),
        (names::BYTE, byte),
        (names::CHAR, char),
        (names::TOLOWER, tolower),
        (names::TOUPPER, toupper),
        (names::TR, tr),
        (names::ESCAPE, escape),
        (names::REPLACE, replace),
        (names::STARTSWITH, startswith),
        (names::ENDSWITH, endswith),
    ];
}

/// Where one text first stands in another, from a place on.
fn position(text: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    if wanted.is_empty() {
        return Some(from);
    }
    rest.windows(wanted.len()).position(|window| window == wanted).map(|place| place + from)
}

/// The search is paid for: its text by its wanted one, at worst.
fn pay<N: Numbers>(vm: &mut Vm<N>, text: StrId, wanted: StrId) -> Result<()> {
    let length = vm.heap.text(text)?.len();
    let wanted = vm.heap.text(wanted)?.len();
    vm.spend((length / 8 + 1).saturating_mul(wanted / 8 + 1))
}

/// The part of a text that the arguments from a place on choose: a start and an end.
fn window<N: Numbers>(vm: &mut Vm<N>, args: Args, place: usize, length: usize) -> Result<(usize, usize)> {
    let clamp = |value: isize| usize::try_from(value.max(0)).unwrap_or(length).min(length);
    let first = clamp(vm.int_arg_or(args, place, 0)?);
    let end = clamp(vm.int_arg_or(args, place + 1, isize::MAX)?);
    Ok((first, end.max(first)))
}

fn count<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (text, wanted) = (vm.str_arg(args, 0)?, vm.str_arg(args, 1)?);
    pay(vm, text, wanted)?;
    let (first, end) = window(vm, args, 2, vm.heap.text(text)?.len())?;
    let part = vm.heap.text(text)?.get(first..end).unwrap_or_default();
    let wanted = vm.heap.text(wanted)?;
    if wanted.is_empty() {
        return Ok(Value::int(0));
    }
    let mut at = 0;
    let mut count = 0;
    while let Some(found) = position(part, wanted, at) {
        count += 1;
        at = found + wanted.len();
    }
    Ok(Value::length(count))
}

fn find<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (text, wanted) = (vm.str_arg(args, 0)?, vm.str_arg(args, 1)?);
    pay(vm, text, wanted)?;
    let (first, end) = window(vm, args, 2, vm.heap.text(text)?.len())?;
    let part = vm.heap.text(text)?.get(..end).unwrap_or_default();
    let found = position(part, vm.heap.text(wanted)?, first);
    Ok(found.map_or(Value::int(-1), Value::length))
}

fn split<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let text = vm.str_arg(args, 0)?;
    let length = vm.heap.text(text)?.len();
    let list = vm.heap.list(0)?;
    match vm.arg(args, 1) {
        Value::Int(int) => {
            let clamped = int.index().clamp(0, isize::try_from(length).unwrap_or(isize::MAX));
            let at = usize::try_from(clamped).unwrap_or(length);
            for (first, end) in [(0, at), (at, length)] {
                let part = vm.substring(text, first, end)?;
                vm.heap.list_push(list, part)?;
            }
        }
        Value::Str(delimiter) => {
            pay(vm, text, delimiter)?;
            let limit = usize::try_from(vm.int_arg_or(args, 2, -1)?).unwrap_or(usize::MAX);
            let width = vm.heap.text(delimiter)?.len();
            let mut first = 0;
            let mut parts = 0;
            while width > 0 && parts < limit {
                let Some(at) = position(vm.heap.text(text)?, vm.heap.text(delimiter)?, first) else { break };
                vm.spend(1)?;
                let part = vm.substring(text, first, at)?;
                vm.heap.list_push(list, part)?;
                first = at + width;
                parts += 1;
            }
            let part = vm.substring(text, first, length)?;
            vm.heap.list_push(list, part)?;
        }
        other => return vm.wrong_argument("string", other),
    }
    Ok(Value::List(list))
}

fn hex<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let Value::Int(int) = vm.arg(args, 0) else { return Ok(Value::Nil) };
    vm.string_from(|vm, text| vm.put_radix(text, int.bits(), 4, 1, true))
}

fn byte<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let Value::Str(text) = vm.arg(args, 0) else { return Ok(Value::Nil) };
    Ok(Value::int(i64::from(vm.heap.text(text)?.first().copied().unwrap_or(0))))
}

fn char<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let Value::Int(int) = vm.arg(args, 0) else { return Ok(Value::Nil) };
    vm.heap.string(&[int.bits().to_le_bytes()[0]])
}

/// A text of which each byte is replaced.
fn each<N: Numbers>(vm: &mut Vm<N>, id: StrId, replace: impl Fn(u8) -> u8) -> Result<Value<N>> {
    vm.string_from(|vm, text| {
        let length = vm.heap.text(id)?.len();
        vm.spend(length / 4)?;
        for at in 0..length {
            let byte = vm.heap.text(id)?.get(at).copied().unwrap_or_default();
            vm.put(text, &[replace(byte)])?;
        }
        Ok(())
    })
}

fn tolower<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = vm.str_arg(args, 0)?;
    each(vm, id, |byte| byte.to_ascii_lowercase())
}

fn toupper<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = vm.str_arg(args, 0)?;
    each(vm, id, |byte| byte.to_ascii_uppercase())
}

/// Replaces bytes by those at the same place of another set; those without one are left out.
fn tr<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (id, from, to) = (vm.str_arg(args, 0)?, vm.str_arg(args, 1)?, vm.str_arg(args, 2)?);
    vm.string_from(|vm, text| {
        let length = vm.heap.text(id)?.len();
        vm.spend(length.saturating_mul(vm.heap.text(from)?.len() / 8 + 1))?;
        for at in 0..length {
            let byte = vm.heap.text(id)?.get(at).copied().unwrap_or_default();
            let place = vm.heap.text(from)?.iter().position(|&other| other == byte);
            let replaced = match place {
                None => Some(byte),
                Some(place) => vm.heap.text(to)?.get(place).copied(),
            };
            if let Some(byte) = replaced {
                vm.put(text, &[byte])?;
            }
        }
        Ok(())
    })
}

fn escape<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let id = vm.str_arg(args, 0)?;
    let quote = if matches!(vm.arg(args, 1), Value::Bool(Flag::True)) { b'\'' } else { b'"' };
    vm.string_from(|vm, text| vm.put_escaped(text, id, quote))
}

fn replace<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (id, wanted, by) = (vm.str_arg(args, 0)?, vm.str_arg(args, 1)?, vm.str_arg(args, 2)?);
    pay(vm, id, wanted)?;
    let width = vm.heap.text(wanted)?.len();
    if width == 0 {
        return Ok(Value::Str(id));
    }
    vm.string_from(|vm, text: &mut Text| {
        let mut first = 0;
        loop {
            let found = position(vm.heap.text(id)?, vm.heap.text(wanted)?, first);
            let end = found.unwrap_or(vm.heap.text(id)?.len());
            vm.spend((end - first) / 8 + 1)?;
            for at in first..end {
                let byte = vm.heap.text(id)?.get(at).copied().unwrap_or_default();
                vm.put(text, &[byte])?;
            }
            if found.is_none() {
                return Ok(());
            }
            vm.put_string(text, by)?;
            first = end + width;
        }
    })
}

fn affix<N: Numbers>(
    vm: &mut Vm<N>,
    args: Args,
    part: impl Fn(&[u8], usize) -> Option<&[u8]>,
) -> Result<Value<N>> {
    let (id, wanted) = (vm.str_arg(args, 0)?, vm.str_arg(args, 1)?);
    let insensitive = matches!(vm.arg(args, 2), Value::Bool(Flag::True));
    vm.spend(vm.heap.text(wanted)?.len() / 8)?;
    let wanted = vm.heap.text(wanted)?;
    let found = part(vm.heap.text(id)?, wanted.len());
    Ok(Value::bool(
        found.is_some_and(
            |found| {
                if insensitive { found.eq_ignore_ascii_case(wanted) } else { found == wanted }
            },
        ),
    ))
}

fn startswith<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    affix(vm, args, |text, length| text.get(..length))
}

fn endswith<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    affix(vm, args, |text, length| text.len().checked_sub(length).and_then(|start| text.get(start..)))
}
