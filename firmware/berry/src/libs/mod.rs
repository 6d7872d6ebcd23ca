//! What the machine brings along: natives in tables, found by the places of their names.

mod base;
mod base64;
mod bits;
mod bytes;
mod json;
mod list;
mod map;
mod math;
mod range;
mod rest;
mod string;

use core::marker::PhantomData;

use crate::call::Args;
use crate::host::Host;
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::raised::Raised;
use crate::slab::StrId;
use crate::value::{Library, NativeId, Table, Type, Value};
use crate::vm::Vm;

pub(crate) type Result<T> = core::result::Result<T, Raised>;

/// A function of the machine. It changes nothing before it has all the memory that it needs: it may be called again.
pub(crate) type Native<N> = fn(&mut Vm<N>, &mut dyn Host<N>, Args) -> Result<Value<N>>;

type Entries<N> = &'static [(StrId, Native<N>)];

/// The tables of one machine.
struct Tables<N>(PhantomData<N>);

impl<N: Numbers> Tables<N> {
    /// In the order of [`Table`].
    const ALL: [Entries<N>; 15] = [
        Self::BASE,
        Self::LIST,
        Self::MAP,
        Self::RANGE,
        Self::BYTES,
        Self::STRING,
        Self::JSON,
        Self::MATH,
        Self::GLOBAL,
        Self::INTROSPECT,
        &[], // strict
        Self::GC,
        Self::SYS,
        Self::DEBUG,
        &[], // undefined
    ];

    fn of(table: Table) -> Entries<N> {
        Self::ALL.get(table.0 as usize).copied().unwrap_or_default()
    }
}

/// `call`, which the machine does itself: its callee has to have a frame.
pub(crate) const CALL: NativeId = NativeId::new(Table::BASE, 0);

fn find<N: Numbers>(table: Table, name: StrId) -> Option<Value<N>> {
    let place = Tables::<N>::of(table).iter().position(|&(known, _)| known == name)?;
    Some(Value::Native(NativeId::new(table, u8::try_from(place).ok()?)))
}

pub(crate) fn native<N: Numbers>(id: NativeId) -> Option<Native<N>> {
    Tables::<N>::of(id.table()).get(id.place()).map(|&(_, native)| native)
}

/// A name that every script knows.
pub(crate) fn global<N: Numbers>(name: StrId) -> Option<Value<N>> {
    let kind = Type::ALL.into_iter().find(|kind| kind.name() == name);
    kind.map(Value::Type).or_else(|| find(Table::BASE, name))
}

/// A method of a class of the machine.
pub(crate) fn method<N: Numbers>(kind: Type, name: StrId) -> Option<Value<N>> {
    find(Table::of_type(kind), name)
}

/// A member of a module of the machine.
pub(crate) fn member<N: Numbers>(library: Library, name: StrId) -> Option<Value<N>> {
    if library == Library::Math
        && let Some(constant) = math::constant(name)
    {
        return Some(constant);
    }
    find(Table::of_library(library), name)
}

/// The names in a table.
pub(crate) fn member_names<N: Numbers>(table: Table) -> impl Iterator<Item = StrId> {
    Tables::<N>::of(table).iter().map(|&(name, _)| name)
}

/// `list(…)` and its kind.
pub(crate) fn construct<N: Numbers>(
    vm: &mut Vm<N>,
    host: &mut dyn Host<N>,
    kind: Type,
    args: Args,
) -> Result<Value<N>> {
    let object = vm.empty_object(kind)?;
    match kind {
        Type::List => list::fill(vm, object, args)?,
        Type::Map => {}
        Type::Range => range::fill(vm, object, args)?,
        Type::Bytes => bytes::fill(vm, object, args)?,
    }
    let _ = host;
    Ok(object)
}

impl<N: Numbers> Vm<N> {
    /// The object that a method of the machine was called on.
    fn own(&self, args: Args) -> Value<N> {
        match self.arg(args, 0) {
            Value::Instance(id) => self.heap.instances.get(id).map_or(Value::Nil, |instance| instance.base),
            other => other,
        }
    }

    fn int_arg(&mut self, args: Args, place: usize) -> Result<isize> {
        match self.arg(args, place) {
            Value::Int(int) => Ok(int.index()),
            other => self.wrong_argument("int", other),
        }
    }

    /// An integer, or what is taken where there is no argument.
    fn int_arg_or(&mut self, args: Args, place: usize, otherwise: isize) -> Result<isize> {
        if self.arg(args, place).is_nil() { Ok(otherwise) } else { self.int_arg(args, place) }
    }

    fn str_arg(&mut self, args: Args, place: usize) -> Result<StrId> {
        match self.arg(args, place) {
            Value::Str(id) => Ok(id),
            other => self.wrong_argument("string", other),
        }
    }

    fn wrong_argument<T>(&mut self, wanted: &str, found: Value<N>) -> Result<T> {
        self.type_error(&["argument must be '", wanted, "', not '", found.type_name(), "'"])
    }

    /// A method of the machine was called on something else.
    fn wrong_self<T>(&mut self, wanted: StrId) -> Result<T> {
        self.type_error(&["the method needs an object of class '", wanted.text().unwrap_or_default(), "'"])
    }
}

/// The names of exceptions that natives raise most.
pub(crate) const OUT_OF_RANGE: (StrId, &str) = (names::INDEX_ERROR, "list index out of range");
