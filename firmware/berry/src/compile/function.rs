//! A function while it is compiled: its code, registers and names.

use alloc::vec::Vec;

use crate::code::{self, MAX_DISTANCE, Op};
use crate::heap::Heap;
use crate::limits::MAX_REGISTERS;
use crate::numbers::Numbers;
use crate::objects::{Line, Proto};
use crate::raised::Raised;
use crate::slab::{ProtoId, StrId};
use crate::value::Value;

/// The end of a chain of jumps that wait for their target.
pub(crate) const NO_JUMP: usize = usize::MAX;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Local {
    pub(crate) name: StrId,
    pub(crate) captured: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// Locals of the blocks around.
    pub(crate) first_local: usize,
    pub(crate) is_loop: bool,
    /// Handlers that are open here.
    pub(crate) handlers: u8,
    pub(crate) breaks: usize,
    pub(crate) continues: usize,
}

#[derive(Debug)]
pub(crate) struct Function<N: Numbers> {
    pub(crate) code: Vec<u32>,
    pub(crate) constants: Vec<Value<N>>,
    /// Words of the functions within.
    pub(crate) protos: Vec<u32>,
    /// Words of [`Capture`]s.
    pub(crate) captures: Vec<u32>,
    pub(crate) capture_names: Vec<StrId>,
    /// Words of [`Line`]s.
    pub(crate) lines: Vec<u32>,
    /// Each has the register of its place.
    pub(crate) locals: Vec<Local>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) free: usize,
    pub(crate) registers: usize,
    pub(crate) handlers: u8,
    pub(crate) name: StrId,
    pub(crate) parameters: u8,
    pub(crate) variadic: bool,
    pub(crate) is_method: bool,
    /// Why it does not fit its form; empty while it does.
    pub(crate) unfit: &'static str,
}

impl<N: Numbers> Function<N> {
    pub(crate) const fn new(name: StrId) -> Self {
        Function {
            code: Vec::new(),
            constants: Vec::new(),
            protos: Vec::new(),
            captures: Vec::new(),
            capture_names: Vec::new(),
            lines: Vec::new(),
            locals: Vec::new(),
            blocks: Vec::new(),
            free: 0,
            registers: 1,
            handlers: 0,
            name,
            parameters: 0,
            variadic: false,
            is_method: false,
            unfit: "",
        }
    }

    /// Gives everything back.
    pub(crate) fn discard(self, heap: &mut Heap<N>) {
        heap.budget.release(self.code);
        heap.budget.release(self.constants);
        heap.budget.release(self.protos);
        heap.budget.release(self.captures);
        heap.budget.release(self.capture_names);
        heap.budget.release(self.lines);
        heap.budget.release(self.locals);
        heap.budget.release(self.blocks);
    }

    /// The compiled form.
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_REGISTERS")]
    pub(crate) fn seal(&mut self, heap: &mut Heap<N>, source: StrId) -> Result<ProtoId, Raised> {
        heap.protos.reserve(&mut heap.budget)?;
        let mut starts = [0; 3];
        for (start, part) in starts.iter_mut().zip([&self.lines, &self.protos, &self.captures]) {
            let Ok(place) = u16::try_from(self.code.len()) else {
                self.unfit = "function too long";
                return Err(Raised);
            };
            *start = place;
            heap.budget.extend(&mut self.code, part)?;
        }
        let [lines, protos, captures] = starts;
        let words = heap.budget.copy(&self.code)?;
        let constants = match heap.budget.copy(&self.constants) {
            Ok(constants) => constants,
            Err(raised) => {
                heap.budget.release_block(words);
                return Err(raised);
            }
        };
        let proto = Proto {
            words,
            constants,
            lines,
            protos,
            captures,
            name: self.name,
            source,
            parameters: self.parameters,
            variadic: self.variadic,
            is_method: self.is_method,
            registers: self.registers as u8,
        };
        heap.protos.insert(&mut heap.budget, proto)
    }

    fn unfit<T>(&mut self, why: &'static str) -> Result<T, Raised> {
        self.unfit = why;
        Err(Raised)
    }

    pub(crate) fn emit(&mut self, heap: &mut Heap<N>, line: u32, instruction: u32) -> Result<usize, Raised> {
        let pc = self.code.len();
        let Ok(end) = u16::try_from(pc + 1) else { return self.unfit("function too long") };
        heap.budget.push(&mut self.code, instruction)?;
        let line = Line { end, line: u16::try_from(line).unwrap_or(u16::MAX) };
        match self.lines.last_mut() {
            Some(last) if Line::from_word(*last).line == line.line => *last = line.word(),
            _ => heap.budget.push(&mut self.lines, line.word())?,
        }
        Ok(pc)
    }

    pub(crate) fn reserve_registers(&mut self, count: usize) -> Result<usize, Raised> {
        let first = self.free;
        self.free += count;
        // One more than is named: the callee's place of a call that an operator makes.
        self.registers = self.registers.max(self.free + 1);
        if self.registers > MAX_REGISTERS {
            return self.unfit("function uses too many variables");
        }
        Ok(first)
    }

    pub(crate) fn constant(&mut self, heap: &mut Heap<N>, value: Value<N>) -> Result<u32, Raised> {
        let found = self.constants.iter().position(|&other| match (other, value) {
            (Value::Real(a), Value::Real(b)) => {
                crate::numbers::Real::bits(a) == crate::numbers::Real::bits(b)
            }
            _ => other.same(value),
        });
        let place = match found {
            Some(place) => place,
            None => {
                heap.budget.push(&mut self.constants, value)?;
                self.constants.len() - 1
            }
        };
        match u32::try_from(place) {
            Ok(place) if place <= code::MAX_INDEX => Ok(place),
            _ => self.unfit("function has too many constants"),
        }
    }

    /// The place of a local, the innermost first.
    pub(crate) fn find_local(&self, name: StrId) -> Option<usize> {
        self.locals.iter().rposition(|local| local.name == name)
    }

    /// Lets the jump at `pc` go to `target`.
    pub(crate) fn patch(&mut self, pc: usize, target: usize) -> Result<(), Raised> {
        let distance = target as i64 - (pc as i64 + 1);
        let distance = i32::try_from(distance).ok().filter(|distance| distance.abs() <= MAX_DISTANCE);
        let Some(distance) = distance else { return self.unfit("jump too long") };
        if let Some(instruction) = self.code.get_mut(pc) {
            *instruction = *instruction & !code::MAX_INDEX | distance.cast_unsigned() & code::MAX_INDEX;
        }
        Ok(())
    }

    /// Lets all jumps of a chain go to `target`. A chain runs through the targets of its jumps.
    pub(crate) fn patch_chain(&mut self, mut chain: usize, target: usize) -> Result<(), Raised> {
        while chain != NO_JUMP {
            let next = self.chained(chain);
            self.patch(chain, target)?;
            chain = next;
        }
        Ok(())
    }

    fn chained(&self, pc: usize) -> usize {
        match self.code.get(pc).map(|&instruction| code::index(instruction)) {
            Some(code::MAX_INDEX) | None => NO_JUMP,
            Some(next) => next as usize,
        }
    }

    /// Where a jump that waits for its target points to: the next of its chain.
    #[expect(clippy::cast_possible_truncation, reason = "code is shorter than 2^16")]
    pub(crate) const fn link(chain: usize) -> u32 {
        if chain == NO_JUMP { code::MAX_INDEX } else { chain as u32 }
    }

    pub(crate) fn here(&self) -> usize {
        self.code.len()
    }
}

impl<N: Numbers> Function<N> {
    /// The locals of the innermost block.
    pub(crate) fn block_start(&self) -> usize {
        self.blocks.last().map_or(0, |block| block.first_local)
    }

    pub(crate) fn jump(&mut self, heap: &mut Heap<N>, line: u32, op: Op, a: u8) -> Result<usize, Raised> {
        self.emit(heap, line, code::indexed(op, a, code::MAX_INDEX))
    }
}
