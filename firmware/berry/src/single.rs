//! Functions of singles without doubles.
//!
//! The library `libm` computes these in doubles or integers of 64 bits, whose arithmetic a chip that has neither would
//! carry along for them alone: 16 kB on riscv32imc. Here a large angle is brought into a quarter turn in integers (Payne
//! and Hanek's method, with a window of 96 bits of 2/π), and the rest is done in singles. Sine and cosine are within 2
//! units in the last place, the others within 4.

use core::f32::consts::{FRAC_PI_2, FRAC_PI_4};

use crate::numbers::Function;

/// The function of a number.
pub(crate) fn apply(value: f32, function: Function) -> f32 {
    match function {
        Function::Acos => libm::atan2f(other_leg(value), value),
        Function::Asin => libm::atan2f(value, other_leg(value)),
        Function::Atan => libm::atanf(value),
        Function::Ceil => -floor(-value),
        Function::Cos => ratio(value, Ratio::Cosine),
        Function::Cosh => hyperbolic(value).1,
        Function::Exp => libm::expf(value),
        Function::Floor => floor(value),
        Function::Log => libm::logf(value),
        Function::Log10 => libm::log10f(value),
        Function::Round => libm::roundf(value),
        Function::Sin => ratio(value, Ratio::Sine),
        Function::Sinh => hyperbolic(value).0,
        Function::Sqrt => libm::sqrtf(value),
        Function::Tan => ratio(value, Ratio::Tangent),
        Function::Tanh => {
            let (sine, cosine) = hyperbolic(value.clamp(-10.0, 10.0));
            sine / cosine
        }
    }
}

/// From there on every single is an integer.
const INTEGERS: f32 = 8_388_608.0;

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "it fits")]
fn floor(value: f32) -> f32 {
    // What is not a number fails the comparison.
    if value.abs() < INTEGERS {
        let cut = value as i32 as f32;
        if cut > value { cut - 1.0 } else { cut }
    } else {
        value
    }
}

/// The leg of a right triangle whose hypotenuse is 1.
fn other_leg(leg: f32) -> f32 {
    libm::sqrtf((1.0 - leg) * (1.0 + leg))
}

/// The hyperbolic sine and cosine.
fn hyperbolic(value: f32) -> (f32, f32) {
    // The half: its square does not overflow too early.
    let root = libm::expf(value.abs() / 2.0);
    let cosine = root * (root / 2.0) + 0.5 / root / root;
    let sine = if value.abs() < 1.0 {
        let square = value * value;
        // The series; the next term is less than a unit.
        let rest = 1.0 / 6.0 + square * (1.0 / 120.0 + square * (1.0 / 5040.0 + square / 362_880.0));
        value + value * square * rest
    } else {
        (root * (root / 2.0) - 0.5 / root / root).copysign(value)
    };
    (sine, cosine)
}

/// What is left of a division whose quotient is cut towards zero.
pub(crate) fn remainder(value: f32, divisor: f32) -> f32 {
    if !value.is_finite() || divisor.is_nan() || divisor == 0.0 {
        return f32::NAN;
    }
    if value.abs() < divisor.abs() {
        return value;
    }
    // A number is an integer of 24 bits × 2^(exponent - 150).
    let parts = |number: f32| {
        let (field, low) = (number.to_bits() >> 23 & 255, number.to_bits() & 0x7f_ffff);
        if field == 0 { (1, low) } else { (field, low | 0x80_0000) }
    };
    let ((from, integer), (exponent, divisor)) = (parts(value), parts(divisor));
    let mut rest = integer.checked_rem(divisor).unwrap_or(0);
    let mut steps = from.saturating_sub(exponent);
    while steps != 0 {
        let now = steps.min(8);
        rest = (rest << now).checked_rem(divisor).unwrap_or(0);
        steps -= now;
    }
    let shift = rest.leading_zeros().saturating_sub(8).min(exponent - 1);
    // The highest bit of a normal number adds one to its exponent.
    let magnitude = if rest == 0 { 0 } else { ((exponent - shift - 1) << 23) + (rest << shift) };
    f32::from_bits(magnitude).copysign(value)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ratio {
    Sine,
    Cosine,
    Tangent,
}

/// The binary digits of 2/π, `0.A2F9836E…`, behind 24 zeros: as many as the greatest single asks for.
const TWO_OVER_PI: [u32; 7] =
    [0x0000_00a2, 0xf983_6e4e, 0x4415_29fc, 0x2757_d1f5, 0x34dd_c0db, 0x6295_993c, 0x4390_41fe];
/// π/2 × 2^31.
const HALF_PI: u64 = 0xc90f_daa2;
/// π/2 is this much more than the nearest single.
const FRAC_PI_2_REST: f32 = -4.371_139e-8;

/// The function of an angle in radians.
fn ratio(angle: f32, function: Ratio) -> f32 {
    if !angle.is_finite() {
        return f32::NAN;
    }
    let magnitude = angle.abs();
    let (quarter, rest) = if magnitude <= FRAC_PI_4 {
        (0, magnitude)
    } else if magnitude < 2.0 {
        (1, magnitude - FRAC_PI_2 - FRAC_PI_2_REST)
    } else {
        reduce(magnitude)
    };
    let square = rest * rest;
    let sine = rest
        + rest
            * square
            * (-1.666_666_5e-1
                + square * (8.333_329e-3 + square * (-1.983_933_5e-4 + square * 2.718_311_5e-6)));
    let cosine = 1.0
        + square * (-0.5 + square * (4.166_662_3e-2 + square * (-1.388_676_4e-3 + square * 2.439_045e-5)));
    let swapped = quarter & 1 != 0;
    let (mut sine, mut cosine) = if swapped { (cosine, -sine) } else { (sine, cosine) };
    if quarter & 2 != 0 {
        (sine, cosine) = (-sine, -cosine);
    }
    if angle.is_sign_negative() {
        sine = -sine;
    }
    match function {
        Ratio::Sine => sine,
        Ratio::Cosine => cosine,
        Ratio::Tangent => sine / cosine,
    }
}

/// The quarter turns in an angle of at least 2, and what is left of it: at most an eighth of a turn to either side.
#[expect(clippy::cast_precision_loss, reason = "the leading bits are meant")]
fn reduce(magnitude: f32) -> (u32, f32) {
    let bits = magnitude.to_bits();
    // magnitude = mantissa × 2^(scale - 22)
    let mantissa = bits & 0x7f_ffff | 0x80_0000;
    let scale = (bits >> 23).saturating_sub(128);
    // Whole turns fall out at the top: only the digits from here on matter.
    let window = |limb: u32| -> u64 {
        let at = scale + limb * 32;
        let digits = |place: u32| u64::from(TWO_OVER_PI.get(place as usize).copied().unwrap_or(0));
        (digits(at / 32) << 32 | digits(at / 32 + 1)) << (at % 32) >> 32 & 0xffff_ffff
    };
    let mantissa = u64::from(mantissa);
    let low = (mantissa * window(2)) >> 32;
    let middle = mantissa * window(1) + low;
    let product = (mantissa * window(0)).wrapping_shl(32).wrapping_add(middle);
    // Now in quarter turns, with 62 bits of fraction.
    let quarter = (product.wrapping_add(1 << 61) >> 62) as u32;
    let rest = product.wrapping_sub(u64::from(quarter) << 62).cast_signed();
    let zeros = rest.unsigned_abs().leading_zeros();
    let leading = (rest.unsigned_abs() << (zeros & 63) >> 32) as u32;
    // It is leading × 2^(32 - zeros - 62) quarter turns, each of HALF_PI × 2^-31.
    let radians = ((u64::from(leading) * HALF_PI) >> 32) as u32;
    let power = f32::from_bits((127 + 32 - 62 - zeros.min(63) + 1) << 23);
    let angle = radians as f32 * power;
    (quarter, if rest < 0 { -angle } else { angle })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(angle: f32) {
        let (sine, cosine) = f64::from(angle).sin_cos();
        for (function, wanted) in
            [(Ratio::Sine, sine), (Ratio::Cosine, cosine), (Ratio::Tangent, sine / cosine)]
        {
            // At most a unit in the last place.
            let unit = f64::from(f32::EPSILON / 2.0) * wanted.abs().max(f64::from(f32::MIN_POSITIVE));
            let allowed = if function == Ratio::Tangent { 4.0 } else { 2.0 };
            let found = f64::from(ratio(angle, function));
            let error = (found - wanted).abs() / unit;
            assert!(error <= allowed, "{function:?} of {angle:e}: {found:e}, not {wanted:e}: {error}");
        }
    }

    #[test]
    fn angles_of_every_size_are_near() {
        check(0.0);
        for exponent in 0..254_u32 {
            for step in 0..2000_u32 {
                let mantissa = step.wrapping_mul(0x9e37_79b9) & 0x7f_ffff;
                let angle = f32::from_bits(exponent << 23 | mantissa);
                check(angle);
                check(-angle);
            }
        }
    }

    #[test]
    fn angles_next_to_quarter_turns_are_near() {
        for quarters in 1..20_000_u32 {
            #[expect(clippy::cast_possible_truncation, reason = "the nearest single is meant")]
            let nearest = (f64::from(quarters) * core::f64::consts::FRAC_PI_2) as f32;
            for bits in nearest.to_bits() - 2..=nearest.to_bits() + 2 {
                check(f32::from_bits(bits));
            }
        }
    }

    #[test]
    fn there_is_no_ratio_of_what_is_not_finite() {
        for angle in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert!(ratio(angle, Ratio::Sine).is_nan());
        }
        assert!(ratio(-0.0, Ratio::Sine).is_sign_negative());
    }

    #[test]
    fn other_functions_are_near() {
        type Exact = fn(f64) -> f64;
        let functions: [(Function, Exact); 8] = [
            (Function::Acos, f64::acos),
            (Function::Asin, f64::asin),
            (Function::Sinh, f64::sinh),
            (Function::Cosh, f64::cosh),
            (Function::Tanh, f64::tanh),
            (Function::Floor, f64::floor),
            (Function::Ceil, f64::ceil),
            (Function::Round, f64::round),
        ];
        for (function, exact) in functions {
            for step in 0..600_000_u32 {
                let value = f32::from_bits(step.wrapping_mul(0x9e37_79b9));
                let (found, wanted) = (apply(value, function), exact(f64::from(value)));
                #[expect(clippy::cast_possible_truncation, reason = "too large becomes infinite")]
                let nearest = wanted as f32;
                if found.to_bits() == nearest.to_bits()
                    || found == nearest
                    || (found.is_nan() && nearest.is_nan())
                {
                    continue;
                }
                let unit = f64::from(f32::EPSILON / 2.0) * wanted.abs().max(f64::from(f32::MIN_POSITIVE));
                let error = (f64::from(found) - wanted).abs() / unit;
                assert!(error <= 4.0, "{function:?} of {value:e}: {found:e}, not {wanted:e}: {error}");
            }
        }
    }

    #[test]
    fn remainders_are_exact() {
        for step in 0..400_000_u32 {
            let value = f32::from_bits(step.wrapping_mul(0x9e37_79b9));
            // Divisors of every distance, and below the normal numbers.
            let divisor = f32::from_bits(step.wrapping_mul(0x85eb_ca6b) >> (step % 9));
            let (found, wanted) = (remainder(value, divisor), value % divisor);
            assert!(
                found.to_bits() == wanted.to_bits() || (found.is_nan() && wanted.is_nan()),
                "{value:e} % {divisor:e} = {found:e}, not {wanted:e}"
            );
        }
    }
}
