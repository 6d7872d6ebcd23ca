//! What objects hold.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::memory::Budget;
use crate::numbers::Numbers;
use crate::slab::{CellId, ClassId, InstanceId, Key as _, ProtoId, StrId};
use crate::value::{Type, Value};

#[derive(Debug)]
pub(crate) struct Str {
    pub(crate) bytes: Box<[u8]>,
    /// It stands in the table of names, so it is the only one with this text there.
    pub(crate) interned: bool,
}

/// In the order of insertion. A removed entry leaves a hole, so that a walk goes on where it was.
#[derive(Debug)]
pub(crate) struct Map<N: Numbers> {
    pub(crate) entries: Vec<(Value<N>, Value<N>)>,
    /// Places of the entries, by their hashes; only in a large map.
    pub(crate) index: Vec<u32>,
    pub(crate) holes: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<N: Numbers> {
    pub(crate) lower: N::Int,
    pub(crate) upper: N::Int,
    pub(crate) step: N::Int,
}

#[derive(Debug)]
pub(crate) enum Small<N: Numbers> {
    Range(Range<N>),
    /// The next element of `over`, or the next key; a range counts in its numbers.
    Iterator {
        over: Value<N>,
        next: i64,
        keys: bool,
    },
    Super {
        instance: InstanceId,
        class: Parent,
    },
}

#[derive(Debug)]
pub(crate) struct Bytes {
    pub(crate) data: Vec<u8>,
    /// Its size was given with a minus sign: it may not change.
    pub(crate) fixed: bool,
}

#[derive(Debug)]
pub(crate) struct Closure {
    pub(crate) proto: ProtoId,
    pub(crate) cells: Box<[CellId]>,
}

/// A captured variable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<N: Numbers> {
    /// It still lives on the stack.
    Open(u32),
    Closed(Value<N>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    None,
    Class(ClassId),
    Type(Type),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Member<N: Numbers> {
    /// The place among the fields of the class itself.
    Field(u16),
    Method(Value<N>),
    Static(Value<N>),
}

#[derive(Debug)]
pub(crate) struct Class<N: Numbers> {
    pub(crate) name: StrId,
    pub(crate) parent: Parent,
    pub(crate) members: Vec<(StrId, Member<N>)>,
    /// Fields of all classes above.
    pub(crate) inherited_fields: u16,
    /// Fields of its own.
    pub(crate) own_fields: u16,
    /// The class of the machine at the root, if there is one.
    pub(crate) root: Option<Type>,
}

#[derive(Debug)]
pub(crate) struct Instance<N: Numbers> {
    pub(crate) class: ClassId,
    /// The object of the machine at the root, if the class has one.
    pub(crate) base: Value<N>,
    pub(crate) fields: Box<[Value<N>]>,
}

#[derive(Debug)]
pub(crate) struct Module<N: Numbers> {
    pub(crate) name: StrId,
    pub(crate) members: Vec<(StrId, Value<N>)>,
}

/// How a closure gets a cell when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capture {
    /// A register of the enclosing function; else one of its own cells.
    pub(crate) local: bool,
    pub(crate) place: u8,
}

impl Capture {
    pub(crate) const fn word(self) -> u32 {
        (self.local as u32) << 8 | self.place as u32
    }

    pub(crate) const fn from_word(word: u32) -> Self {
        Capture { local: word >> 8 != 0, place: word.to_le_bytes()[0] }
    }
}

/// The instructions before `end` that are not of an earlier line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) end: u16,
    pub(crate) line: u16,
}

impl Line {
    pub(crate) const fn word(self) -> u32 {
        (self.end as u32) << 16 | self.line as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "a half each")]
    pub(crate) const fn from_word(word: u32) -> Self {
        Line { end: (word >> 16) as u16, line: word as u16 }
    }
}

/// A compiled function.
#[derive(Debug)]
pub(crate) struct Proto<N: Numbers> {
    /// In one block: instructions, then [`Line`]s, the functions within, and [`Capture`]s.
    pub(crate) words: Box<[u32]>,
    pub(crate) constants: Box<[Value<N>]>,
    /// Where the lines start.
    pub(crate) lines: u16,
    /// Where the functions start.
    pub(crate) protos: u16,
    /// Where the captures start.
    pub(crate) captures: u16,
    pub(crate) name: StrId,
    pub(crate) source: StrId,
    pub(crate) parameters: u8,
    /// The last parameter takes the rest as a list.
    pub(crate) variadic: bool,
    /// The first parameter is `self`.
    pub(crate) is_method: bool,
    pub(crate) registers: u8,
}

impl<N: Numbers> Proto<N> {
    pub(crate) fn release(self, budget: &mut Budget) {
        budget.release_block(self.words);
        budget.release_block(self.constants);
    }

    fn part(&self, from: u16, to: usize) -> &[u32] {
        self.words.get(usize::from(from)..to).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn instruction(&self, pc: usize) -> Option<u32> {
        self.words.get(pc).copied()
    }

    pub(crate) fn proto(&self, place: usize) -> Option<ProtoId> {
        self.part(self.protos, self.captures.into()).get(place).map(|&word| ProtoId::new(word))
    }

    pub(crate) fn captures(&self) -> &[u32] {
        self.part(self.captures, self.words.len())
    }

    pub(crate) fn line(&self, pc: usize) -> u16 {
        let lines = self.part(self.lines, self.protos.into());
        let at = lines.partition_point(|&line| usize::from(Line::from_word(line).end) <= pc);
        lines.get(at).or(lines.last()).map_or(0, |&line| Line::from_word(line).line)
    }
}
