//! The small libraries: `global`, `introspect`, `gc`, `sys`, `debug`.

use super::{Native, Result, Tables, member_names};
use crate::call::Args;
use crate::host::Host;
use crate::names;
use crate::numbers::Numbers;
use crate::objects::Parent;
use crate::slab::{ListId, StrId};
use crate::value::{Flag, Library, Table, Value};
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const GLOBAL: &'static [(StrId, Native<N>)] =
        &[(names::CALL_OPERATOR, globals), (names::CONTAINS, contains), (names::UNDEF, undef)];

    pub(super) const INTROSPECT: &'static [(StrId, Native<N>)] = &[
        (names::MEMBERS, members),
        (names::GET, get),
        (names::SET, set),
        (names::CONTAINS, has),
        (names::MODULE, module),
        (names::SETMODULE, setmodule),
        (names::ISMETHOD, ismethod),
        (names::NAME, name),
    ];

    pub(super) const GC: &'static [(StrId, Native<N>)] =
        &[(names::COLLECT, nothing), (names::ALLOCATED, allocated), (names::ALLOCS, allocs)];

    pub(super) const SYS: &'static [(StrId, Native<N>)] = &[(names::PATH, path)];

    pub(super) const DEBUG: &'static [(StrId, Native<N>)] = &[
        (names::TRACEBACK, traceback),
        (names::CALLDEPTH, calldepth),
        (names::COUNTERS, counters),
        (names::ATTRDUMP, nothing),
        (names::CODEDUMP, nothing),
        (names::GCDEBUG, nothing),
    ];
}

/// The collector runs by itself between instructions; a script cannot hurry it.
fn nothing<N: Numbers>(_: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    Ok(Value::Nil)
}

// global

fn globals<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    let list = vm.heap.list(0)?;
    let mut place = 0;
    while let Some((name, _)) = vm.globals.entry(place) {
        vm.spend(1)?;
        vm.heap.list_push(list, Value::Str(name))?;
        place += 1;
    }
    Ok(Value::List(list))
}

fn contains<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let wanted = vm.str_arg(args, 0)?;
    let name = vm.heap.intern_string(wanted)?;
    Ok(Value::bool(vm.globals.find(name).is_some() || super::global::<N>(name).is_some()))
}

fn undef<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let wanted = vm.str_arg(args, 0)?;
    let name = vm.heap.intern_string(wanted)?;
    if let Some(place) = vm.globals.find(name) {
        vm.globals.set(place, Value::Nil)?;
    }
    Ok(Value::Nil)
}

// introspect

fn push_table<N: Numbers>(vm: &mut Vm<N>, list: ListId, table: Table) -> Result<()> {
    for name in member_names::<N>(table) {
        vm.spend(1)?;
        vm.heap.list_push(list, Value::Str(name))?;
    }
    Ok(())
}

fn members<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    if args.count == 0 {
        return globals(vm, host, args);
    }
    let list = vm.heap.list(0)?;
    let mut class = match vm.arg(args, 0) {
        Value::Class(id) => Parent::Class(id),
        Value::Type(kind) => Parent::Type(kind),
        Value::Module(id) => {
            let mut place = 0;
            while let Some(&(name, _)) = vm.heap.modules.get(id)?.members.get(place) {
                vm.spend(1)?;
                vm.heap.list_push(list, Value::Str(name))?;
                place += 1;
            }
            return Ok(Value::List(list));
        }
        Value::Library(library) => {
            push_table(vm, list, Table::of_library(library))?;
            return Ok(Value::List(list));
        }
        other => vm.class_of(other)?,
    };
    loop {
        match class {
            Parent::None => return Ok(Value::List(list)),
            Parent::Type(kind) => {
                push_table(vm, list, Table::of_type(kind))?;
                return Ok(Value::List(list));
            }
            Parent::Class(id) => {
                let mut place = 0;
                while let Some(&(name, _)) = vm.heap.classes.get(id)?.members.get(place) {
                    vm.spend(1)?;
                    vm.heap.list_push(list, Value::Str(name))?;
                    place += 1;
                }
                class = vm.heap.classes.get(id)?.parent;
            }
        }
    }
}

fn get<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let wanted = vm.str_arg(args, 1)?;
    let name = vm.heap.intern_string(wanted)?;
    Ok(vm.plain_member(vm.arg(args, 0), name)?.unwrap_or_default())
}

fn set<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let wanted = vm.str_arg(args, 1)?;
    let name = vm.heap.intern_string(wanted)?;
    let (object, value) = (vm.arg(args, 0), vm.arg(args, 2));
    vm.set_member(host, object, name, value)?;
    Ok(Value::Nil)
}

fn has<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let wanted = vm.str_arg(args, 1)?;
    let name = vm.heap.intern_string(wanted)?;
    Ok(Value::bool(vm.plain_member(vm.arg(args, 0), name)?.is_some()))
}

/// A module that is there already; it is not imported.
fn module<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let wanted = vm.str_arg(args, 0)?;
    let name = vm.heap.intern_string(wanted)?;
    let known = vm.modules.iter().find(|&&(known, _)| known == name).map(|&(_, module)| module);
    Ok(known.or_else(|| Library::named(name).map(Value::Library)).unwrap_or_default())
}

fn setmodule<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let wanted = vm.str_arg(args, 0)?;
    let name = vm.heap.intern_string(wanted)?;
    let module = vm.arg(args, 1);
    vm.cache_module(name, module)?;
    Ok(Value::Nil)
}

/// Whether a function is one that takes its object first.
fn ismethod<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let Value::Closure(closure) = vm.arg(args, 0) else { return Ok(Value::Bool(Flag::False)) };
    let proto = vm.heap.closures.get(closure)?.proto;
    Ok(Value::bool(vm.heap.protos.get(proto)?.is_method))
}

fn name<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(match vm.arg(args, 0) {
        Value::Closure(closure) => {
            let proto = vm.heap.closures.get(closure)?.proto;
            Value::Str(vm.heap.protos.get(proto)?.name)
        }
        Value::Class(class) => Value::Str(vm.heap.classes.get(class)?.name),
        Value::Type(kind) => Value::Str(kind.name()),
        Value::Module(module) => Value::Str(vm.heap.modules.get(module)?.name),
        Value::Library(library) => Value::Str(library.name()),
        _ => Value::Nil,
    })
}

// gc, sys, debug

fn allocated<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    Ok(Value::length(vm.heap.budget.used()))
}

fn allocs<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    Ok(Value::int(i64::from(vm.heap.objects())))
}

/// There are no folders to look into.
fn path<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    vm.heap.list(0).map(Value::List)
}

fn traceback<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    let mut text = alloc::vec::Vec::new();
    vm.write_trace(&mut text);
    vm.spend(text.len() / 8)?;
    text.split(|&byte| byte == b'\n').for_each(|line| host.print(line));
    Ok(Value::Nil)
}

fn calldepth<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    Ok(Value::length(vm.frames.len()))
}

/// A map with what the machine counts: the steps that this run has taken.
fn counters<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    let map = vm.heap.map()?;
    let key = vm.heap.intern(b"instruction")?;
    let steps = i64::from(vm.limits.steps) - i64::from(vm.steps_left());
    vm.heap.map_set(map, Value::Str(key), Value::int(steps))?;
    Ok(Value::Map(map))
}
