//! The class `list`.

use super::{Native, OUT_OF_RANGE, Result, Tables, base};
use crate::call::Args;
use crate::code::Op;
use crate::host::Host;
use crate::member::{part_of, place_in};
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::objects::Small;
use crate::raised::Raised;
use crate::slab::{ListId, StrId};
use crate::value::Value;
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const LIST: &'static [(StrId, Native<N>)] = &[
        (names::INIT, init),
        (names::TOSTRING, base::tostring),
        (names::PUSH, push),
        (names::POP, pop),
        (names::INSERT, insert),
        (names::REMOVE, remove),
        (names::ITEM, item),
        (names::FIND, find),
        (names::SETITEM, setitem),
        (names::SIZE, size),
        (names::RESIZE, resize),
        (names::CLEAR, clear),
        (names::ITER, base::iter),
        (names::CONCAT, concat),
        (names::REVERSE, reverse),
        (names::COPY, copy),
        (names::KEYS, keys),
        (names::TOBOOL, base::tobool),
        (names::DOTS, append),
        (names::PLUS, plus),
        (names::EQUAL, base::equal),
        (names::NOT_EQUAL, base::not_equal),
    ];
}

fn own<N: Numbers>(vm: &mut Vm<N>, args: Args) -> Result<ListId> {
    match vm.own(args) {
        Value::List(id) => Ok(id),
        _ => vm.wrong_self(names::LIST),
    }
}

fn length<N: Numbers>(vm: &Vm<N>, list: ListId) -> Result<usize> {
    Ok(vm.heap.lists.get(list)?.len())
}

fn element<N: Numbers>(vm: &Vm<N>, list: ListId, at: usize) -> Result<Value<N>> {
    Ok(vm.heap.lists.get(list)?.get(at).copied().unwrap_or_default())
}

/// Fills a new list with arguments.
pub(super) fn fill<N: Numbers>(vm: &mut Vm<N>, object: Value<N>, args: Args) -> Result<()> {
    let Value::List(list) = object else { return vm.wrong_self(names::LIST) };
    vm.spend(args.count)?;
    let target = vm.heap.lists.get_mut(list)?;
    vm.heap.budget.reserve(target, args.count)?;
    for place in 0..args.count {
        let value = vm.arg(args, place);
        vm.heap.list_push(list, value)?;
    }
    Ok(())
}

fn init<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    vm.heap.lists.get_mut(list)?.clear();
    fill(vm, Value::List(list), args.rest())?;
    Ok(Value::Nil)
}

fn push<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    vm.heap.list_push(list, vm.arg(args, 1))?;
    Ok(Value::Nil)
}

fn out_of_range<N: Numbers, T>(vm: &mut Vm<N>) -> Result<T> {
    vm.raise(OUT_OF_RANGE.0, OUT_OF_RANGE.1)
}

fn pop<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let place = vm.int_arg_or(args, 1, -1)?;
    let length = length(vm, list)?;
    match place_in(length, place) {
        Some(place) => {
            vm.spend((length - place) / 8)?;
            Ok(vm.heap.lists.get_mut(list)?.remove(place))
        }
        None => out_of_range(vm),
    }
}

fn remove<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let place = vm.int_arg(args, 1)?;
    let length = length(vm, list)?;
    if let Some(place) = place_in(length, place) {
        vm.spend((length - place) / 8)?;
        vm.heap.lists.get_mut(list)?.remove(place);
        return Ok(Value::Nil);
    }
    out_of_range(vm)
}

fn insert<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let place = vm.int_arg(args, 1)?;
    let length = length(vm, list)?;
    vm.spend(length / 8)?;
    let place = match place_in(length, place) {
        Some(place) => place,
        None if place < 0 => 0,
        None => length,
    };
    let value = vm.arg(args, 2);
    vm.heap.budget.insert(vm.heap.lists.get_mut(list)?, place, value)?;
    Ok(Value::Nil)
}

fn item<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let length = length(vm, list)?;
    match vm.arg(args, 1) {
        Value::Int(int) => match place_in(length, int.index()) {
            Some(place) => element(vm, list, place),
            None => out_of_range(vm),
        },
        Value::Range(range) => {
            let &Small::Range(range) = vm.heap.smalls.get(range)? else { return Err(Raised) };
            let (first, end) = part_of(length, range.lower.index(), range.upper.index());
            vm.spend(end - first)?;
            let part = vm.heap.list(end - first)?;
            for at in first..end {
                let value = element(vm, list, at)?;
                vm.heap.list_push(part, value)?;
            }
            Ok(Value::List(part))
        }
        Value::List(places) => {
            let count = self::length(vm, places)?;
            vm.spend(count)?;
            let part = vm.heap.list(count)?;
            for at in 0..count {
                let value = match element(vm, places, at)? {
                    Value::Int(int) => match place_in(length, int.index()) {
                        Some(place) => element(vm, list, place)?,
                        None => Value::Nil,
                    },
                    _ => return vm.raise(names::INDEX_ERROR, "list indices must be integers"),
                };
                vm.heap.list_push(part, value)?;
            }
            Ok(Value::List(part))
        }
        _ => vm.raise(names::INDEX_ERROR, "list indices must be integers"),
    }
}

fn setitem<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let Value::Int(place) = vm.arg(args, 1) else {
        return vm.raise(names::INDEX_ERROR, "list indices must be integers");
    };
    let value = vm.arg(args, 2);
    let elements = vm.heap.lists.get_mut(list)?;
    let slot = place_in(elements.len(), place.index()).and_then(|place| elements.get_mut(place));
    match slot {
        Some(slot) => {
            *slot = value;
            Ok(Value::Nil)
        }
        None => vm.raise(names::INDEX_ERROR, "list assignment index out of range"),
    }
}

fn find<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let wanted = vm.arg(args, 1);
    let mut at = 0;
    while at < length(vm, list)? {
        vm.spend(1)?;
        let found = element(vm, list, at)?;
        let equal = match found {
            Value::Instance(_) => match vm.call_method_nested(host, found, names::EQUAL, &[wanted])? {
                Some(result) => vm.truth(host, result)?,
                None => found.same(wanted),
            },
            _ => vm.equal_plain(found, wanted, 0)?,
        };
        if equal {
            return Ok(Value::length(at));
        }
        at += 1;
    }
    Ok(Value::Nil)
}

fn size<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    Ok(Value::length(length(vm, list)?))
}

fn resize<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let length = usize::try_from(vm.int_arg(args, 1)?).unwrap_or(0);
    let elements = vm.heap.lists.get_mut(list)?;
    let grown = length.saturating_sub(elements.len());
    vm.heap.budget.reserve(elements, grown)?;
    vm.spend(grown / 8)?;
    let filler = vm.arg(args, 2);
    vm.heap.budget.resize(vm.heap.lists.get_mut(list)?, length, filler)?;
    Ok(Value::Nil)
}

fn clear<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let elements = core::mem::take(vm.heap.lists.get_mut(list)?);
    vm.heap.budget.release(elements);
    Ok(Value::Nil)
}

fn concat<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let delimiter = match vm.arg(args, 1) {
        Value::Str(id) => id,
        _ => names::EMPTY,
    };
    vm.string_from(|vm, text| {
        let mut at = 0;
        while at < length(vm, list)? {
            if at > 0 {
                vm.put_string(text, delimiter)?;
            }
            let value = element(vm, list, at)?;
            vm.show(host, text, value)?;
            at += 1;
        }
        Ok(())
    })
}

fn reverse<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    vm.spend(length(vm, list)? / 8)?;
    vm.heap.lists.get_mut(list)?.reverse();
    Ok(vm.arg(args, 0))
}

fn copy<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let length = length(vm, list)?;
    vm.spend(length)?;
    let copy = vm.heap.list(length)?;
    for at in 0..length {
        let value = element(vm, list, at)?;
        vm.heap.list_push(copy, value)?;
    }
    Ok(Value::List(copy))
}

fn keys<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let list = own(vm, args)?;
    let length = i64::try_from(length(vm, list)?).unwrap_or(i64::MAX);
    vm.new_range(0, length - 1, 1)
}

fn append<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    push(vm, host, args)?;
    Ok(vm.arg(args, 0))
}

fn plus<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (left, right) = (vm.own(args), vm.own(args.rest()));
    if !matches!((left, right), (Value::List(_), Value::List(_))) {
        return vm.wrong_argument("list", right);
    }
    vm.arithmetic(host, Op::Add, left, right, args.base)?;
    vm.slot(args.base)
}
