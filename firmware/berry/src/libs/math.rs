//! The library `math`.

use super::{Native, Result, Tables};
use crate::call::Args;
use crate::host::Host;
use crate::names;
use crate::numbers::{Calculates as _, Function, Integer, Numbers, Real as _};
use crate::slab::StrId;
use crate::value::Value;
use crate::vm::Vm;

impl<N: Numbers> Tables<N> {
    pub(super) const MATH: &'static [(StrId, Native<N>)] = &[
        (names::ABS, abs),
        (names::ACOS, |vm, _, args| apply(vm, args, Function::Acos)),
        (names::ASIN, |vm, _, args| apply(vm, args, Function::Asin)),
        (names::ATAN, |vm, _, args| apply(vm, args, Function::Atan)),
        (names::ATAN2, atan2),
        (names::CEIL, |vm, _, args| round(vm, args, Function::Ceil)),
        (names::COS, |vm, _, args| apply(vm, args, Function::Cos)),
        (names::COSH, |vm, _, args| apply(vm, args, Function::Cosh)),
        (names::DEG, deg),
        (names::EXP, |vm, _, args| apply(vm, args, Function::Exp)),
        (names::FLOOR, |vm, _, args| round(vm, args, Function::Floor)),
        (names::ISINF, |vm, _, args| test(vm, args, |real| !real.is_finite() && !real.is_nan())),
        (names::ISNAN, |vm, _, args| test(vm, args, |real| real.is_nan())),
        (names::LOG, |vm, _, args| apply(vm, args, Function::Log)),
        (names::LOG10, |vm, _, args| apply(vm, args, Function::Log10)),
        (names::MAX, |vm, _, args| extreme(vm, args, true)),
        (names::MIN, |vm, _, args| extreme(vm, args, false)),
        (names::POW, pow),
        (names::RAD, rad),
        (names::RAND, rand),
        (names::ROUND, |vm, _, args| round(vm, args, Function::Round)),
        (names::SIN, |vm, _, args| apply(vm, args, Function::Sin)),
        (names::SINH, |vm, _, args| apply(vm, args, Function::Sinh)),
        (names::SQRT, |vm, _, args| apply(vm, args, Function::Sqrt)),
        (names::SRAND, srand),
        (names::TAN, |vm, _, args| apply(vm, args, Function::Tan)),
        (names::TANH, |vm, _, args| apply(vm, args, Function::Tanh)),
    ];
}

pub(super) fn constant<N: Numbers>(name: StrId) -> Option<Value<N>> {
    Some(match name {
        names::PI => Value::real(core::f64::consts::PI),
        names::INF => Value::real(f64::INFINITY),
        names::NAN => Value::real(f64::NAN),
        names::IMAX => Value::Int(N::Int::MAX),
        names::IMIN => Value::Int(N::Int::MIN),
        _ => return None,
    })
}

fn real_arg<N: Numbers>(vm: &Vm<N>, args: Args, place: usize) -> Option<N::Real> {
    vm.arg(args, place).as_real()
}

fn apply<N: Numbers>(vm: &mut Vm<N>, args: Args, function: Function) -> Result<Value<N>> {
    Ok(real_arg(vm, args, 0).map_or(Value::Nil, |real| Value::Real(real.apply(function))))
}

/// Rounds to an integer.
fn round<N: Numbers>(vm: &mut Vm<N>, args: Args, function: Function) -> Result<Value<N>> {
    Ok(match vm.arg(args, 0) {
        Value::Real(real) => Value::Int(N::int(real.apply(function))),
        int @ Value::Int(_) => int,
        _ => Value::Nil,
    })
}

fn test<N: Numbers>(vm: &mut Vm<N>, args: Args, test: fn(N::Real) -> bool) -> Result<Value<N>> {
    Ok(Value::bool(matches!(vm.arg(args, 0), Value::Real(real) if test(real))))
}

fn abs<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(match vm.arg(args, 0) {
        Value::Int(int) => Value::int(int.wide().wrapping_abs()),
        Value::Real(real) => Value::Real(if real.is_negative() { real.neg() } else { real }),
        _ => Value::Nil,
    })
}

fn deg<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let factor = N::Real::from_wide(180.0 / core::f64::consts::PI);
    Ok(real_arg(vm, args, 0).map_or(Value::Nil, |real| Value::Real(real.mul(factor))))
}

fn rad<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let factor = N::Real::from_wide(core::f64::consts::PI / 180.0);
    Ok(real_arg(vm, args, 0).map_or(Value::Nil, |real| Value::Real(real.mul(factor))))
}

fn pow<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(match (real_arg(vm, args, 0), real_arg(vm, args, 1)) {
        (Some(base), Some(exponent)) => Value::Real(base.power(exponent)),
        _ => Value::Nil,
    })
}

fn atan2<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    Ok(match (real_arg(vm, args, 0), real_arg(vm, args, 1)) {
        (Some(y), Some(x)) => Value::Real(y.arc_tangent(x)),
        _ => Value::Nil,
    })
}

/// The greatest or the least of the arguments.
fn extreme<N: Numbers>(vm: &mut Vm<N>, args: Args, greatest: bool) -> Result<Value<N>> {
    let mut best: Option<Value<N>> = None;
    for place in 0..args.count {
        let value = vm.arg(args, place);
        let Some(real) = value.as_real() else { return vm.wrong_argument("number", value) };
        let better =
            best.and_then(Value::as_real).is_none_or(|best| if greatest { real > best } else { real < best });
        if better {
            best = Some(value);
        }
    }
    Ok(best.unwrap_or_default())
}

/// Not for secrets: a shift register (xorshift64*).
fn rand<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, _: Args) -> Result<Value<N>> {
    let mut state = vm.random;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    vm.random = state;
    let high = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
    Ok(Value::int(i64::try_from(high).unwrap_or_default()))
}

fn srand<N: Numbers>(vm: &mut Vm<N>, _: &mut dyn Host<N>, args: Args) -> Result<Value<N>> {
    let seed = vm.int_arg(args, 0)?;
    vm.random = (seed as i64).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Ok(Value::Nil)
}
