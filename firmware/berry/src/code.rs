//! Instructions: 6 bits of operation, 8 of A, 9 of B, 9 of C. B and C together are an index or a signed distance.
//!
//! A is a register. B and C are registers, or constants from [`CONSTANT`] on, where it says RK.

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Op {
            $($(#[doc = $doc])* $name,)*
        }

        impl Op {
            /// The compiler sees that this is a comparison, and no table.
            #[inline]
            pub(crate) const fn of(instruction: u32) -> Option<Op> {
                match instruction >> 26 {
                    $(place if place == Op::$name as u32 => Some(Op::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    /// A = B
    Move,
    /// A = constant
    Constant,
    /// A = signed number
    Integer,
    /// A = nil
    Nil,
    /// A = whether B is not 0
    Bool,
    /// A = truth of A
    Truth,
    /// A = cell
    GetCell,
    /// cell = A
    SetCell,
    /// A = global
    GetGlobal,
    /// global = A
    SetGlobal,
    /// A = RK B + RK C
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    /// A = RK B .. RK C
    Connect,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// A = -B
    Negate,
    /// A = ~B
    Flip,
    /// A = !B
    Not,
    /// Goes on at a distance.
    Jump,
    /// … if A is true.
    JumpTrue,
    /// … if A is false.
    JumpFalse,
    /// A = B.(RK C)
    GetMember,
    /// A.(RK B) = RK C
    SetMember,
    /// A = function, A + 1 = its `self` or nothing; B.(RK C)
    GetMethod,
    /// A = B[RK C]
    GetIndex,
    /// A[RK B] = RK C
    SetIndex,
    /// A = A(A + 1 …), B arguments
    Call,
    /// A = A(A + 2 …) with the `self` at A + 1, B arguments
    Invoke,
    /// Returns A.
    Return,
    /// Returns nil.
    ReturnNil,
    /// A = a closure of the inner function
    Closure,
    /// Closes the cells of A and above.
    Close,
    /// A = [], with room for B
    List,
    /// A.push(RK B)
    ListPush,
    /// A = {}
    Map,
    /// A = a new class with the name of a constant
    Class,
    /// The class A inherits from B.
    Inherit,
    /// The class A has a variable with the name RK B.
    ClassField,
    /// The class A has a method RK B, which is C.
    ClassMethod,
    /// The class A has a static member RK B, which is C.
    ClassStatic,
    /// Makes an iterator of A; at a distance lies what follows the loop.
    ForPrepare,
    /// A + 1 = the next element, or goes on at a distance.
    ForNext,
    /// Exceptions go to a distance from now on.
    Try,
    /// The last A handlers are done.
    EndTry,
    /// A, A + 1 = the exception
    Catch,
    /// A = whether the exception B is what RK C asks for
    Matches,
    /// Raises the exception A with the message A + 1.
    Raise,
    /// A = the module with the name of a constant
    Import,
}

/// Operands from here on are constants.
pub(crate) const CONSTANT: u16 = 256;
/// The most that an index can be.
pub(crate) const MAX_INDEX: u32 = (1 << 18) - 1;
/// The furthest jump, in instructions.
pub(crate) const MAX_DISTANCE: i32 = (1 << 17) - 1;

pub(crate) const fn abc(op: Op, a: u8, b: u16, c: u16) -> u32 {
    (op as u32) << 26 | (a as u32) << 18 | (b as u32 & 511) << 9 | (c as u32 & 511)
}

pub(crate) const fn indexed(op: Op, a: u8, index: u32) -> u32 {
    (op as u32) << 26 | (a as u32) << 18 | (index & MAX_INDEX)
}

pub(crate) const fn signed(op: Op, a: u8, distance: i32) -> u32 {
    indexed(op, a, distance.cast_unsigned())
}

#[inline]
pub(crate) const fn a(instruction: u32) -> usize {
    (instruction >> 18 & 255) as usize
}

#[inline]
pub(crate) const fn b(instruction: u32) -> u32 {
    instruction >> 9 & 511
}

#[inline]
pub(crate) const fn c(instruction: u32) -> u32 {
    instruction & 511
}

#[inline]
pub(crate) const fn index(instruction: u32) -> u32 {
    instruction & MAX_INDEX
}

#[inline]
pub(crate) const fn distance(instruction: u32) -> i32 {
    (instruction << 14).cast_signed() >> 14
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_come_back() {
        let instruction = abc(Op::Import, 255, 511, 300);
        assert_eq!(Op::of(instruction), Some(Op::Import));
        assert_eq!((a(instruction), b(instruction), c(instruction)), (255, 511, 300));
        for far in [-MAX_DISTANCE, -1, 0, MAX_DISTANCE] {
            assert_eq!(distance(signed(Op::Jump, 3, far)), far);
        }
        assert_eq!(index(indexed(Op::Constant, 3, MAX_INDEX)), MAX_INDEX);
    }
}
