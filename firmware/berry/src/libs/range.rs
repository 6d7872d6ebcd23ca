//! The class `range`.

use super::{Native, Result, Tables, base};
use crate::call::Args;
use crate::host::Host;
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::objects::{Range, Small};
use crate::raised::Raised;
use crate::slab::StrId;
use crate::value::Value;
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const RANGE: &'static [(StrId, Native<N>)] = &[
        (names::INIT, init),
        (names::TOSTRING, base::tostring),
        (names::LOWER, lower),
        (names::UPPER, upper),
        (names::INCR, incr),
        (names::SETRANGE, setrange),
        (names::ITER, base::iter),
        (names::EQUAL, base::equal),
        (names::NOT_EQUAL, base::not_equal),
    ];
}

fn own<N: Numbers>(vm: &mut Vm<N>, args: Args) -> Result<Range<N>> {
    match vm.own(args) {
        Value::Range(id) => match vm.heap.smalls.get(id)? {
            &Small::Range(range) => Ok(range),
            _ => Err(Raised),
        },
        _ => vm.wrong_self(names::RANGE),
    }
}

/// Sets a range to its arguments: lower, upper, step.
pub(super) fn fill<N: Numbers>(vm: &mut Vm<N>, object: Value<N>, args: Args) -> Result<()> {
    let Value::Range(id) = object else { return vm.wrong_self(names::RANGE) };
    let (Value::Int(lower), Value::Int(upper)) = (vm.arg(args, 0), vm.arg(args, 1)) else {
        return vm.raise(names::VALUE_ERROR, "arguments must be integers");
    };
    let step = vm.int_arg_or(args, 2, 1)?;
    if step == 0 {
        return vm.raise(names::VALUE_ERROR, "increment cannot be zero");
    }
    *vm.heap.smalls.get_mut(id)? = Small::Range(Range { lower, upper, step: N::Int::wrap(step as i64) });
    Ok(())
}

fn init<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let object = vm.own(args);
    fill(vm, object, args.rest())?;
    Ok(Value::Nil)
}

fn setrange<N: Numbers>(vm: &mut Vm<N>, host: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    init(vm, host, args)
}

fn lower<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(Value::Int(own(vm, args)?.lower))
}

fn upper<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(Value::Int(own(vm, args)?.upper))
}

fn incr<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(Value::Int(own(vm, args)?.step))
}
