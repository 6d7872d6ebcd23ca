//! The two number types of the language, in two widths.

use core::cmp::Ordering;
use core::fmt::{Debug, Display};

use crate::decimal::{self, Decimal};
use crate::single;

/// A choice of widths.
pub trait Numbers: Copy + Debug + 'static {
    /// Wraps on overflow.
    type Int: Integer;
    /// IEEE 754.
    type Real: Real;

    /// An integer as a real.
    fn real(value: Self::Int) -> Self::Real;
    /// Cut towards zero; what does not fit becomes the nearest that does.
    fn int(value: Self::Real) -> Self::Int;
}

/// 32-bit integers and single reals: what OpenBeken and Tasmota use.
#[derive(Debug, Clone, Copy)]
pub struct Narrow;

/// 64-bit integers and double reals, for tools on a PC.
#[derive(Debug, Clone, Copy)]
pub struct Wide;

impl Numbers for Narrow {
    type Int = i32;
    type Real = Single;

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "as in C")]
    fn real(value: i32) -> Single {
        Single::new(value as f32)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    fn int(value: Single) -> i32 {
        value.get() as i32
    }
}

impl Numbers for Wide {
    type Int = i64;
    type Real = Double;

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "as in C")]
    fn real(value: i64) -> Double {
        Double::new(value as f64)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    fn int(value: Double) -> i64 {
        value.get() as i64
    }
}

/// An integer of the language.
pub trait Integer: Copy + Ord + Debug + Display + 'static {
    /// Bits of the type.
    const BITS: u32;
    /// The least value.
    const MIN: Self;
    /// The greatest value.
    const MAX: Self;
    /// The low bits.
    fn wrap(value: i64) -> Self;
    /// The value.
    fn wide(self) -> i64;
    /// The bits, as an unsigned number.
    fn bits(self) -> u64;
    /// As an index, or the nearest: an integer of the processor, which costs less than 64 bits do.
    fn index(self) -> isize;
    /// `+`
    fn add(self, other: Self) -> Self;
    /// `-`
    fn sub(self, other: Self) -> Self;
    /// `*`
    fn mul(self, other: Self) -> Self;
    /// `/`, nothing for a division by zero
    fn div(self, other: Self) -> Option<Self>;
    /// `%`, nothing for a division by zero
    fn rem(self, other: Self) -> Option<Self>;
    /// `<<` modulo the width
    fn shl(self, other: Self) -> Self;
    /// `>>` modulo the width
    fn shr(self, other: Self) -> Self;

    /// A length or index, as far as it fits.
    #[expect(clippy::cast_possible_wrap, reason = "memory is smaller")]
    fn length(value: usize) -> Self {
        Self::wrap(value as i64)
    }
}

macro_rules! integer {
    ($int:ty, $unsigned:ty) => {
        impl Integer for $int {
            const BITS: u32 = <$int>::BITS;
            const MIN: Self = <$int>::MIN;
            const MAX: Self = <$int>::MAX;

            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "wraps")]
            fn wrap(value: i64) -> Self {
                value as $int
            }

            #[inline]
            fn wide(self) -> i64 {
                i64::from(self)
            }

            #[inline]
            fn bits(self) -> u64 {
                u64::from(self.cast_unsigned())
            }

            #[inline]
            fn index(self) -> isize {
                isize::try_from(self).unwrap_or(if self < 0 { isize::MIN } else { isize::MAX })
            }

            #[inline]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline]
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline]
            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            #[inline]
            fn div(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_div(other))
            }

            #[inline]
            fn rem(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_rem(other))
            }

            #[inline]
            #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "masked")]
            fn shl(self, other: Self) -> Self {
                self.wrapping_shl(other as u32)
            }

            #[inline]
            #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "masked")]
            fn shr(self, other: Self) -> Self {
                self.wrapping_shr(other as u32)
            }
        }
    };
}

integer!(i32, u32);
integer!(i64, u64);

/// A function of the `math` library with one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Acos,
    Asin,
    Atan,
    Ceil,
    Cos,
    Cosh,
    Exp,
    Floor,
    Log,
    Log10,
    Round,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
}

mod sealed {
    use super::Function;
    use crate::decimal::Decimal;

    /// What the language needs of reals and nobody else.
    pub trait Calculates: Sized {
        #[allow(private_interfaces, reason = "sealed")]
        fn apply(self, function: Function) -> Self;
        fn power(self, exponent: Self) -> Self;
        fn arc_tangent(self, x: Self) -> Self;
        fn remainder(self, other: Self) -> Self;
        /// The digits of a finite number without its sign.
        #[allow(private_bounds, reason = "sealed")]
        fn decimal<T>(self, then: impl FnOnce(Decimal<'_>) -> T) -> T;
    }
}

pub(crate) use sealed::Calculates;

/// A real of the language.
pub trait Real: Copy + PartialOrd + Debug + sealed::Calculates + 'static {
    /// Bits of the type.
    const BITS: u32;
    /// The nearest value.
    fn from_wide(value: f64) -> Self;
    /// The value.
    fn wide(self) -> f64;
    /// The bits.
    fn bits(self) -> u64;
    /// From bits.
    fn from_bits(bits: u64) -> Self;
    /// From a text such as `-12.5e3`, to the nearest; nothing where it is none.
    fn parse(text: &[u8]) -> Option<Self>;
    /// `+`
    fn add(self, other: Self) -> Self;
    /// `-`
    fn sub(self, other: Self) -> Self;
    /// `*`
    fn mul(self, other: Self) -> Self;
    /// `/`
    fn div(self, other: Self) -> Self;
    /// Unary `-`
    fn neg(self) -> Self;
    /// Whether it is 0.
    fn is_zero(self) -> bool;
    /// Whether it is neither infinite nor undefined.
    fn is_finite(self) -> bool;
    /// Whether it is undefined.
    fn is_nan(self) -> bool;
    /// Whether its sign is `-`.
    fn is_negative(self) -> bool;
}

macro_rules! real {
    ($name:ident, $real:ty, $bits:ty, $shape:path, $limbs:path, $digits:path, $apply:path, $power:path,
     $arc_tangent:path, $remainder:path) => {
        impl $name {
            #[inline]
            pub(crate) const fn new(value: $real) -> Self {
                $name(value.to_bits())
            }

            #[inline]
            pub(crate) const fn get(self) -> $real {
                <$real>::from_bits(self.0)
            }
        }

        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                self.get() == other.get()
            }
        }

        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                self.get().partial_cmp(&other.get())
            }

            #[inline]
            fn lt(&self, other: &Self) -> bool {
                self.get() < other.get()
            }

            #[inline]
            fn le(&self, other: &Self) -> bool {
                self.get() <= other.get()
            }
        }

        impl sealed::Calculates for $name {
            #[allow(private_interfaces, reason = "sealed")]
            fn apply(self, function: Function) -> Self {
                $name::new($apply(self.get(), function))
            }

            fn power(self, exponent: Self) -> Self {
                $name::new($power(self.get(), exponent.get()))
            }

            fn arc_tangent(self, x: Self) -> Self {
                $name::new($arc_tangent(self.get(), x.get()))
            }

            fn remainder(self, other: Self) -> Self {
                $name::new($remainder(self.get(), other.get()))
            }

            #[allow(private_bounds, reason = "sealed")]
            fn decimal<T>(self, then: impl FnOnce(Decimal<'_>) -> T) -> T {
                let mut limbs = [0; $limbs];
                let mut digits = [0; $digits];
                then(decimal::expand_bits(self.0.into(), $shape, &mut limbs, &mut digits))
            }
        }

        impl Real for $name {
            const BITS: u32 = <$bits>::BITS;

            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "rounds")]
            fn from_wide(value: f64) -> Self {
                $name::new(value as $real)
            }

            #[inline]
            fn wide(self) -> f64 {
                f64::from(self.get())
            }

            #[inline]
            fn bits(self) -> u64 {
                u64::from(self.0)
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "the low bits are the number")]
            fn from_bits(bits: u64) -> Self {
                $name(bits as $bits)
            }

            fn parse(text: &[u8]) -> Option<Self> {
                decimal::read(text, $shape, &mut [0; $limbs]).map(Self::from_bits)
            }

            #[inline]
            fn add(self, other: Self) -> Self {
                $name::new(self.get() + other.get())
            }

            #[inline]
            fn sub(self, other: Self) -> Self {
                $name::new(self.get() - other.get())
            }

            #[inline]
            fn mul(self, other: Self) -> Self {
                $name::new(self.get() * other.get())
            }

            #[inline]
            fn div(self, other: Self) -> Self {
                $name::new(self.get() / other.get())
            }

            #[inline]
            fn neg(self) -> Self {
                $name::new(-self.get())
            }

            #[inline]
            fn is_zero(self) -> bool {
                self.get() == 0.0
            }

            #[inline]
            fn is_finite(self) -> bool {
                self.get().is_finite()
            }

            #[inline]
            fn is_nan(self) -> bool {
                self.get().is_nan()
            }

            #[inline]
            fn is_negative(self) -> bool {
                self.get().is_sign_negative()
            }
        }
    };
}

fn apply_to_double(value: f64, function: Function) -> f64 {
    match function {
        Function::Acos => libm::acos(value),
        Function::Asin => libm::asin(value),
        Function::Atan => libm::atan(value),
        Function::Ceil => libm::ceil(value),
        Function::Cos => libm::cos(value),
        Function::Cosh => libm::cosh(value),
        Function::Exp => libm::exp(value),
        Function::Floor => libm::floor(value),
        Function::Log => libm::log(value),
        Function::Log10 => libm::log10(value),
        Function::Round => libm::round(value),
        Function::Sin => libm::sin(value),
        Function::Sinh => libm::sinh(value),
        Function::Sqrt => libm::sqrt(value),
        Function::Tan => libm::tan(value),
        Function::Tanh => libm::tanh(value),
    }
}

/// A single, as its bits.
#[derive(Debug, Clone, Copy)]
pub struct Single(u32);

/// A double, as its bits.
#[derive(Debug, Clone, Copy)]
pub struct Double(u64);

real!(
    Single,
    f32,
    u32,
    decimal::SINGLE,
    decimal::SINGLE_LIMBS,
    decimal::SINGLE_DIGITS,
    single::apply,
    libm::powf,
    libm::atan2f,
    single::remainder
);
real!(
    Double,
    f64,
    u64,
    decimal::DOUBLE,
    decimal::DOUBLE_LIMBS,
    decimal::DOUBLE_DIGITS,
    apply_to_double,
    libm::pow,
    libm::atan2,
    libm::fmod
);
