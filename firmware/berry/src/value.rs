//! Values: eight bytes in the narrow machine.
//!
//! Whatever a value of the narrow machine holds is an integer of 32 bits for the compiler, truth values and reals too:
//! only then does a value travel in two registers, and not in memory. A result of one does, since [`Raised`] has no size.
//!
//! [`Raised`]: crate::raised::Raised

use crate::names;
use crate::numbers::{Integer as _, Numbers, Real as _};
use crate::slab::{BytesId, ClassId, ClosureId, InstanceId, ListId, MapId, ModuleId, SmallId, StrId};

/// A value of the language.
#[derive(Debug, Clone, Copy, Default)]
pub enum Value<N: Numbers> {
    /// No value at all: a vacant entry, a method that takes no `self`. Scripts never see it.
    #[doc(hidden)]
    Undefined,
    /// `nil`
    #[default]
    Nil,
    /// `bool`
    Bool(Flag),
    /// `int`
    Int(N::Int),
    /// `real`
    Real(N::Real),
    /// `string`: bytes
    Str(StrId),
    /// An instance of `list`
    List(ListId),
    /// An instance of `map`
    Map(MapId),
    /// An instance of `range`
    Range(SmallId),
    /// An instance of `bytes`
    Bytes(BytesId),
    /// What walks over one of those
    Iterator(SmallId),
    /// A function of a script
    Closure(ClosureId),
    /// A class of a script
    Class(ClassId),
    /// An instance of such a class
    Instance(InstanceId),
    /// An instance seen as one of a superclass
    Super(SmallId),
    /// A module of a script
    Module(ModuleId),
    /// A function of the machine
    Native(NativeId),
    /// A function of the host, by the host's number
    Host(HostId),
    /// A class of the machine
    Type(Type),
    /// A module of the machine
    Library(Library),
}

/// A truth value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Flag {
    /// `false`
    False,
    /// `true`
    True,
}

impl Flag {
    /// As a `bool`.
    #[inline]
    #[must_use]
    pub const fn get(self) -> bool {
        matches!(self, Flag::True)
    }
}

/// A function of the host, by the host's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostId(pub(crate) u32);

/// A function of the machine: its table and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeId(pub(crate) u32);

impl NativeId {
    pub(crate) const fn new(table: Table, place: u8) -> Self {
        NativeId(table.0 << 8 | place as u32)
    }

    pub(crate) const fn table(self) -> Table {
        Table(self.0 >> 8)
    }

    pub(crate) const fn place(self) -> usize {
        (self.0 & 255) as usize
    }
}

/// A class of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Type {
    List,
    Map,
    Range,
    Bytes,
}

/// A module of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Library {
    String,
    Json,
    Math,
    Global,
    Introspect,
    Strict,
    Gc,
    Sys,
    Debug,
    Undefined,
}

/// Where natives stand: those that every script knows, then the classes, then the modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table(pub(crate) u32);

impl Table {
    pub(crate) const BASE: Table = Table(0);

    pub(crate) const fn of_type(kind: Type) -> Table {
        Table(1 + kind as u32)
    }

    pub(crate) const fn of_library(library: Library) -> Table {
        Table(2 + Type::Bytes as u32 + library as u32)
    }
}

impl Type {
    pub(crate) const ALL: [Type; 4] = [Type::List, Type::Map, Type::Range, Type::Bytes];

    pub(crate) const fn name(self) -> StrId {
        match self {
            Type::List => names::LIST,
            Type::Map => names::MAP,
            Type::Range => names::RANGE,
            Type::Bytes => names::BYTES,
        }
    }
}

impl Library {
    pub(crate) const ALL: [Library; 10] = [
        Library::String,
        Library::Json,
        Library::Math,
        Library::Global,
        Library::Introspect,
        Library::Strict,
        Library::Gc,
        Library::Sys,
        Library::Debug,
        Library::Undefined,
    ];

    pub(crate) const fn name(self) -> StrId {
        match self {
            Library::String => names::STRING,
            Library::Json => names::JSON,
            Library::Math => names::MATH,
            Library::Global => names::GLOBAL,
            Library::Introspect => names::INTROSPECT,
            Library::Strict => names::STRICT,
            Library::Gc => names::GC,
            Library::Sys => names::SYS,
            Library::Debug => names::DEBUG,
            Library::Undefined => names::UNDEFINED,
        }
    }

    pub(crate) fn named(name: StrId) -> Option<Library> {
        Library::ALL.into_iter().find(|library| library.name() == name)
    }
}

impl<N: Numbers> Value<N> {
    /// What `type()` tells.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Value::Undefined | Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Real(_) => "real",
            Value::Str(_) => "string",
            Value::Closure(_) | Value::Native(_) | Value::Host(_) | Value::Iterator(_) => "function",
            Value::Class(_) | Value::Type(_) => "class",
            Value::Module(_) | Value::Library(_) => "module",
            Value::List(_)
            | Value::Map(_)
            | Value::Range(_)
            | Value::Bytes(_)
            | Value::Instance(_)
            | Value::Super(_) => "instance",
        }
    }

    pub(crate) const fn is_function(self) -> bool {
        matches!(self, Value::Closure(_) | Value::Native(_) | Value::Host(_) | Value::Iterator(_))
    }

    pub(crate) const fn is_nil(self) -> bool {
        matches!(self, Value::Nil | Value::Undefined)
    }

    /// A truth value.
    #[inline]
    pub(crate) const fn bool(value: bool) -> Self {
        Value::Bool(if value { Flag::True } else { Flag::False })
    }

    /// An integer from a count.
    pub(crate) fn length(value: usize) -> Self {
        Value::Int(N::Int::length(value))
    }

    /// An integer, cut to the width.
    pub(crate) fn int(value: i64) -> Self {
        Value::Int(N::Int::wrap(value))
    }

    /// A real, rounded to the width.
    pub(crate) fn real(value: f64) -> Self {
        Value::Real(N::Real::from_wide(value))
    }

    /// Either number as a real.
    pub(crate) fn as_real(self) -> Option<N::Real> {
        match self {
            Value::Int(int) => Some(N::real(int)),
            Value::Real(real) => Some(real),
            _ => None,
        }
    }

    pub(crate) fn as_int(self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(int.wide()),
            _ => None,
        }
    }

    /// The same object, or equal without one. Strings are compared by their place only.
    pub(crate) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Value::Nil, Value::Nil) | (Value::Undefined, Value::Undefined) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Real(a), Value::Real(b)) => a == b,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Range(a), Value::Range(b))
            | (Value::Iterator(a), Value::Iterator(b))
            | (Value::Super(a), Value::Super(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Closure(a), Value::Closure(b)) => a == b,
            (Value::Class(a), Value::Class(b)) => a == b,
            (Value::Instance(a), Value::Instance(b)) => a == b,
            (Value::Module(a), Value::Module(b)) => a == b,
            (Value::Native(a), Value::Native(b)) => a == b,
            (Value::Host(a), Value::Host(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::Library(a), Value::Library(b)) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::{Narrow, Wide};

    #[test]
    fn values_are_small() {
        assert_eq!(size_of::<Value<Narrow>>(), 8);
        assert!(size_of::<Value<Wide>>() <= 16);
    }
}
