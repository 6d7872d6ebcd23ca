//! The class `map`.

use super::{Native, Result, Tables, base};
use crate::call::Args;
use crate::host::Host;
use crate::names;
use crate::numbers::Numbers;
use crate::objects::Small;
use crate::raised::Reason;
use crate::slab::{MapId, StrId};
use crate::value::{Flag, Value};
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const MAP: &'static [(StrId, Native<N>)] = &[
        (names::INIT, init),
        (names::TOSTRING, base::tostring),
        (names::ITEM, item),
        (names::SETITEM, setitem),
        (names::FIND, find),
        (names::CONTAINS, contains),
        (names::INSERT, insert),
        (names::REMOVE, remove),
        (names::SIZE, size),
        (names::ITER, base::iter),
        (names::KEYS, keys),
        (names::TOBOOL, base::tobool),
    ];
}

fn own<N: Numbers>(vm: &mut Vm<N>, args: Args) -> Result<MapId> {
    match vm.own(args) {
        Value::Map(id) => Ok(id),
        _ => vm.wrong_self(names::MAP),
    }
}

fn init<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    vm.heap.map_clear(map)?;
    Ok(Value::Nil)
}

fn item<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    let key = vm.arg(args, 1);
    match vm.heap.map_get(map, key)? {
        Some(value) => Ok(value),
        None => {
            let message = vm.string_of(host, key)?;
            vm.exception = (Value::Str(names::KEY_ERROR), message);
            Err(vm.raised(Reason::Exception))
        }
    }
}

fn setitem<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    vm.heap.map_set(map, vm.arg(args, 1), vm.arg(args, 2))?;
    Ok(Value::Nil)
}

fn find<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    Ok(vm.heap.map_get(map, vm.arg(args, 1))?.unwrap_or_else(|| vm.arg(args, 2)))
}

fn contains<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    Ok(Value::bool(vm.heap.map_get(map, vm.arg(args, 1))?.is_some()))
}

fn insert<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    let key = vm.arg(args, 1);
    if vm.heap.map_get(map, key)?.is_some() {
        return Ok(Value::Bool(Flag::False));
    }
    vm.heap.map_set(map, key, vm.arg(args, 2))?;
    Ok(Value::Bool(Flag::True))
}

fn remove<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    vm.spend(vm.heap.maps.get(map)?.len() / 8)?;
    Ok(vm.heap.map_remove(map, vm.arg(args, 1))?.unwrap_or_default())
}

fn size<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    Ok(Value::length(vm.heap.maps.get(map)?.len()))
}

fn keys<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let map = own(vm, args)?;
    vm.heap.small(Small::Iterator { over: Value::Map(map), next: 0, keys: true }).map(Value::Iterator)
}
