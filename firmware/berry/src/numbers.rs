//! The two number types of the language, in two widths.

use core::fmt::{Debug, Display, LowerExp};

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
    type Real = f32;

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "as in C")]
    fn real(value: i32) -> f32 {
        value as f32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    fn int(value: f32) -> i32 {
        value as i32
    }
}

impl Numbers for Wide {
    type Int = i64;
    type Real = f64;

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "as in C")]
    fn real(value: i64) -> f64 {
        value as f64
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    fn int(value: f64) -> i64 {
        value as i64
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

    /// What the language needs of reals and nobody else.
    pub trait Calculates: Sized {
        #[allow(private_interfaces, reason = "sealed")]
        fn apply(self, function: Function) -> Self;
        fn power(self, exponent: Self) -> Self;
        fn arc_tangent(self, x: Self) -> Self;
        fn remainder(self, other: Self) -> Self;
    }
}

pub(crate) use sealed::Calculates;

/// A real of the language.
pub trait Real: Copy + PartialOrd + Debug + Display + LowerExp + sealed::Calculates + 'static {
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
    /// The longest decimal number at the start of a text has been cut out already.
    fn parse(text: &str) -> Option<Self>;
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
}

macro_rules! real {
    ($real:ty, $bits:ty, $pow:ident, $atan2:ident, $fmod:ident, $($function:ident $name:ident),*) => {
        impl sealed::Calculates for $real {
            #[allow(private_interfaces, reason = "sealed")]
            fn apply(self, function: Function) -> Self {
                match function {
                    $(Function::$function => libm::$name(self),)*
                }
            }

            fn power(self, exponent: Self) -> Self {
                libm::$pow(self, exponent)
            }

            fn arc_tangent(self, x: Self) -> Self {
                libm::$atan2(self, x)
            }

            fn remainder(self, other: Self) -> Self {
                libm::$fmod(self, other)
            }
        }

        impl Real for $real {
            const BITS: u32 = <$bits>::BITS;

            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "rounds")]
            fn from_wide(value: f64) -> Self {
                value as $real
            }

            #[inline]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline]
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "the low bits are the number")]
            fn from_bits(bits: u64) -> Self {
                <$real>::from_bits(bits as $bits)
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            #[inline]
            fn add(self, other: Self) -> Self {
                self + other
            }

            #[inline]
            fn sub(self, other: Self) -> Self {
                self - other
            }

            #[inline]
            fn mul(self, other: Self) -> Self {
                self * other
            }

            #[inline]
            fn div(self, other: Self) -> Self {
                self / other
            }

            #[inline]
            fn neg(self) -> Self {
                -self
            }

            #[inline]
            fn is_zero(self) -> bool {
                self == 0.0
            }
        }
    };
}

real!(
    f32, u32, powf, atan2f, fmodf, Acos acosf, Asin asinf, Atan atanf, Ceil ceilf, Cos cosf, Cosh coshf, Exp expf,
    Floor floorf, Log logf, Log10 log10f, Round roundf, Sin sinf, Sinh sinhf, Sqrt sqrtf, Tan tanf, Tanh tanhf
);
real!(
    f64, u64, pow, atan2, fmod, Acos acos, Asin asin, Atan atan, Ceil ceil, Cos cos, Cosh cosh, Exp exp,
    Floor floor, Log log, Log10 log10, Round round, Sin sin, Sinh sinh, Sqrt sqrt, Tan tan, Tanh tanh
);
