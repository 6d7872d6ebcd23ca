//! What scripts can use without an import.

use super::{Native, Result, Tables};
use crate::call::Args;
use crate::compile::Scope;
use crate::host::Host;
use crate::names;
use crate::numbers::{Integer, Numbers, Real as _};
use crate::objects::{Parent, Small};
use crate::raised::{Raised, Reason};
use crate::slab::StrId;
use crate::value::Value;
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const BASE: &'static [(StrId, Native<N>)] = &[
        (names::CALL, call),
        (names::PRINT, print),
        (names::STR, str),
        (names::INT, int),
        (names::REAL, real),
        (names::BOOL, bool),
        (names::NUMBER, number),
        (names::SIZE, size),
        (names::FORMAT, format),
        (names::TYPE, type_),
        (names::CLASSNAME, classname),
        (names::CLASSOF, classof),
        (names::SUPER, super_),
        (names::ISINSTANCE, isinstance),
        (names::ISSUBCLASS, issubclass),
        (names::ASSERT, assert),
        (names::MODULE, module),
        (names::COMPILE, compile),
        (names::INPUT, input),
        (names::ITERATOR, iterator),
    ];
}

/// Only for those who look at it: the machine does it without.
fn call<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    vm.raise(names::VALUE_ERROR, "first argument must be a function")
}

fn print<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    if let (Value::Str(id), 1) = (vm.arg(args, 0), args.count) {
        let text = vm.heap.text(id)?;
        host.print(text);
        vm.spend(text.len() / 8)?;
        return Ok(Value::Nil);
    }
    let mut text = crate::text::Text::default();
    let mut outcome = Ok(());
    for place in 0..args.count {
        let value = vm.arg(args, place);
        outcome = outcome.and_then(|()| if place == 0 { Ok(()) } else { vm.put(&mut text, b" ") });
        outcome = outcome.and_then(|()| vm.show(host, &mut text, value));
    }
    if outcome.is_ok() {
        host.print(text.as_bytes());
    }
    vm.discard(text);
    outcome.map(|()| Value::Nil)
}

pub(super) fn str<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    if args.count == 0 {
        return Ok(Value::Str(names::EMPTY));
    }
    let value = vm.arg(args, 0);
    vm.string_of(host, value)
}

/// The integer at the start of a text; 0 where there is none.
fn leading_int(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        rest => (10, rest),
    };
    let value = digits
        .iter()
        .map_while(|&byte| char::from(byte).to_digit(radix))
        .fold(0_i64, |value, digit| value.wrapping_mul(i64::from(radix)).wrapping_add(i64::from(digit)));
    if negative { value.wrapping_neg() } else { value }
}

/// The integer that a text of digits is, if the machine has it.
pub(super) fn whole_int<I: Integer>(text: &[u8]) -> Option<I> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Counted downwards, nineteen digits pass the end of 64 bits once at most, and turn the sign.
    if digits.len() > 19 {
        return None;
    }
    let value =
        digits.iter().fold(0_i64, |value, byte| value.wrapping_mul(10).wrapping_sub(i64::from(byte - b'0')));
    if value > 0 {
        return None;
    }
    let value = if negative { value } else { value.checked_neg()? };
    let int = I::wrap(value);
    (int.wide() == value).then_some(int)
}

/// The length of the number at the start of a text, and whether it is a real.
pub(super) fn number_length(text: &[u8]) -> (usize, bool) {
    let digits = |from: usize| {
        text.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let whole = digits(at);
    at += whole;
    let mut real = false;
    if text.get(at) == Some(&b'.') && (whole > 0 || digits(at + 1) > 0) {
        real = true;
        at += 1 + digits(at + 1);
    }
    if whole == 0 && !real {
        return (0, false);
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'-' | b'+')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            real = true;
            at += 1 + sign + exponent;
        }
    }
    (at, real)
}

fn leading_real<N: Numbers>(text: &[u8]) -> N::Real {
    let text = text.trim_ascii_start();
    let (length, _) = number_length(text);
    N::Real::parse(text.get(..length).unwrap_or_default()).unwrap_or_else(|| N::Real::from_wide(0.0))
}

pub(super) fn int<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    Ok(match value {
        Value::Str(id) => {
            vm.spend(vm.heap.text(id)?.len() / 8)?;
            Value::int(leading_int(vm.heap.text(id)?))
        }
        Value::Real(real) => Value::Int(N::int(real)),
        Value::Bool(flag) => Value::int(i64::from(flag.get())),
        Value::Int(_) => value,
        Value::Instance(_) => {
            let toint = vm.heap.intern(b"toint")?;
            vm.call_method_nested(host, value, toint, &[])?.unwrap_or_default()
        }
        _ => Value::Nil,
    })
}

fn real<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    Ok(match value {
        Value::Str(id) => {
            vm.spend(vm.heap.text(id)?.len() / 8)?;
            Value::Real(leading_real::<N>(vm.heap.text(id)?))
        }
        Value::Int(int) => Value::Real(N::real(int)),
        Value::Real(_) => value,
        _ => Value::Nil,
    })
}

fn number<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    Ok(match value {
        Value::Str(id) => {
            vm.spend(vm.heap.text(id)?.len() / 8)?;
            let text = vm.heap.text(id)?.trim_ascii_start();
            match number_length(text) {
                (_, true) => Value::Real(leading_real::<N>(text)),
                _ => Value::int(leading_int(text)),
            }
        }
        Value::Int(_) | Value::Real(_) => value,
        _ => Value::Nil,
    })
}

fn bool<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    vm.truth(host, value).map(Value::bool)
}

fn size<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    match value {
        Value::Str(id) => Ok(Value::length(vm.heap.text(id)?.len())),
        _ => Ok(vm.call_method_nested(host, value, names::SIZE, &[])?.unwrap_or_default()),
    }
}

pub(super) fn format<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let Value::Str(pattern) = vm.arg(args, 0) else {
        return vm.raise(names::TYPE_ERROR, "the first argument of format must be a string");
    };
    vm.string_from(|vm, text| vm.put_formatted(host, text, pattern, args.rest()))
}

fn type_<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    if args.count == 0 {
        return Ok(Value::Nil);
    }
    let name = vm.arg(args, 0).type_name();
    vm.heap.intern(name.as_bytes()).map(Value::Str)
}

fn classname<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let class = match vm.arg(args, 0) {
        Value::Class(id) => Parent::Class(id),
        Value::Type(kind) => Parent::Type(kind),
        other => vm.class_of(other)?,
    };
    Ok(if class == Parent::None { Value::Nil } else { Value::Str(vm.name_of_class(class)?) })
}

const fn class_value<N: Numbers>(class: Parent) -> Value<N> {
    match class {
        Parent::None => Value::Nil,
        Parent::Class(id) => Value::Class(id),
        Parent::Type(kind) => Value::Type(kind),
    }
}

fn classof<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(class_value(vm.class_of(vm.arg(args, 0))?))
}

/// `super(class)`, `super(object)`, `super(object, class)`. The compiler adds a third argument to the second form
/// within a class: the class itself.
fn super_<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    if let Value::Class(class) = value {
        return Ok(class_value(vm.heap.classes.get(class)?.parent));
    }
    let Some((instance, class)) = vm.view(value)? else { return Ok(Value::Nil) };
    let above = |vm: &Vm<N>, class: Parent| -> Result<Parent> {
        Ok(match class {
            Parent::Class(id) => vm.heap.classes.get(id)?.parent,
            _ => Parent::None,
        })
    };
    let target = match (vm.arg(args, 1), vm.arg(args, 2)) {
        (Value::Class(id), _) => Parent::Class(id),
        (Value::Type(kind), _) => Parent::Type(kind),
        (Value::Nil, Value::Class(id)) if vm.is_derived(value, Value::Class(id))? => {
            above(vm, Parent::Class(id))?
        }
        (Value::Nil, _) => above(vm, class)?,
        _ => {
            return vm.raise(names::TYPE_ERROR, "leveled super() requires 'instance' and 'class' arguments");
        }
    };
    if target == Parent::None || !vm.is_derived(value, class_value(target))? {
        return Ok(Value::Nil);
    }
    vm.heap.small(Small::Super { instance, class: target }).map(Value::Super)
}

fn isinstance<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (value, class) = (vm.arg(args, 0), vm.arg(args, 1));
    let is_object = value.type_name() == "instance";
    Ok(Value::bool(is_object && vm.is_derived(value, class)?))
}

fn issubclass<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (value, class) = (vm.arg(args, 0), vm.arg(args, 1));
    let is_class = matches!(value, Value::Class(_) | Value::Type(_));
    Ok(Value::bool(is_class && vm.is_derived(value, class)?))
}

fn assert<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    if args.count > 0 && vm.truth(host, value)? {
        return Ok(Value::Nil);
    }
    match vm.arg(args, 1) {
        message @ Value::Str(_) => {
            vm.exception = (Value::Str(names::ASSERT_FAILED), message);
            Err(vm.raised(Reason::Exception))
        }
        _ => vm.raise(names::ASSERT_FAILED, "assert failed!"),
    }
}

fn module<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let name = match vm.arg(args, 0) {
        Value::Str(id) => id,
        _ => names::EMPTY,
    };
    if name == names::UNDEFINED || vm.heap.same_text(name, names::UNDEFINED)? {
        return Ok(Value::Library(crate::value::Library::Undefined));
    }
    vm.heap.module(name).map(Value::Module)
}

fn compile<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let Value::Str(source) = vm.arg(args, 0) else { return Ok(Value::Nil) };
    let from_file = matches!(vm.arg(args, 1), Value::Str(id) if vm.heap.same_text(id, names::FILE)?);
    let mut text = crate::text::Text::default();
    let outcome = vm.put_string(&mut text, source).and_then(|()| {
        if from_file {
            let path = core::str::from_utf8(text.as_bytes()).unwrap_or_default();
            match host.module(path.strip_suffix(".be").unwrap_or(path)) {
                Some(found) => vm.compile_to_closure(host, text.as_bytes(), &found, Scope::Global),
                None => vm.raise_parts(names::IO_ERROR, &[b"cannot open file '", text.as_bytes(), b"'"]),
            }
        } else {
            vm.compile_to_closure(host, b"string", text.as_bytes(), Scope::Global)
        }
    });
    vm.discard(text);
    outcome.map(Value::Closure)
}

/// There is nobody to ask.
fn input<N: Numbers>(_: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    Ok(Value::Str(names::EMPTY))
}

/// The function that walks over a value.
fn iterator<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.arg(args, 0);
    if value.is_function() {
        return Ok(value);
    }
    Ok(vm.call_method_nested(host, value, names::ITER, &[])?.unwrap_or_default())
}

/// An iterator over an object of the machine.
pub(super) fn iter<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let over = vm.own(args);
    let next = match over {
        Value::Range(id) => match vm.heap.smalls.get(id)? {
            Small::Range(range) => range.lower.wide(),
            _ => return Err(Raised),
        },
        _ => 0,
    };
    vm.heap.small(Small::Iterator { over, next, keys: false }).map(Value::Iterator)
}

/// `tostring` of an object of the machine.
pub(super) fn tostring<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.own(args);
    vm.string_of(host, value)
}

/// `tobool` of an object of the machine.
pub(super) fn tobool<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let value = vm.own(args);
    vm.truth(host, value).map(Value::bool)
}

/// `==` of an object of the machine.
pub(super) fn equal<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (a, b) = (vm.own(args), vm.own(args.rest()));
    vm.equal_plain(a, b, 0).map(Value::bool)
}

/// `!=` of an object of the machine.
pub(super) fn not_equal<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let (a, b) = (vm.own(args), vm.own(args.rest()));
    vm.equal_plain(a, b, 0).map(|equal| Value::bool(!equal))
}
