//! Where values stand: registers, operands, and what can be assigned to.

use super::{Compiler, Result};
use crate::code::{self, CONSTANT, Op};
use crate::compile::expression::{Exp, NEW_INSIDE};
use crate::numbers::Numbers;
use crate::raised::Raised;
use crate::slab::StrId;
use crate::value::Value;

impl<N: Numbers> Compiler<'_, '_, N> {
    /// Gives the registers back that an expression holds.
    pub(super) fn release(&mut self, exp: Exp<N>) -> Result<()> {
        match exp {
            Exp::Temporary(register) => self.release_register(register),
            Exp::Member(object, key) | Exp::Index(object, key) => {
                self.release_operand(key)?;
                self.release_register(object)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn release_register(&mut self, register: u8) -> Result<()> {
        let function = self.function()?;
        let register = usize::from(register);
        if register >= function.locals.len() {
            function.free = function.free.min(register);
        }
        Ok(())
    }

    pub(super) fn release_operand(&mut self, operand: u16) -> Result<()> {
        match u8::try_from(operand) {
            Ok(register) => self.release_register(register),
            Err(_) => Ok(()),
        }
    }

    /// The value in a fresh register above all others.
    pub(super) fn next_register(&mut self, exp: Exp<N>) -> Result<u8> {
        self.release(exp)?;
        let register = self.reserve(1)?;
        self.load(exp, register)?;
        Ok(register)
    }

    /// The same, where that register is known to be `register`.
    pub(super) fn next_register_at(&mut self, exp: Exp<N>, register: u8) -> Result<()> {
        let found = self.next_register(exp)?;
        if found == register { Ok(()) } else { self.error(&[NEW_INSIDE]) }
    }

    /// The value in some register.
    pub(super) fn any_register(&mut self, exp: Exp<N>) -> Result<u8> {
        match exp {
            Exp::Temporary(register) | Exp::Local(register) => Ok(register),
            other => self.next_register(other),
        }
    }

    /// The value as an operand: a constant or a register.
    pub(super) fn operand_of(&mut self, exp: Exp<N>) -> Result<u16> {
        if let Exp::Constant(value) = exp {
            let place = self.constant_index(value)?;
            if let Ok(place) = u16::try_from(place)
                && place < CONSTANT
            {
                return Ok(CONSTANT | place);
            }
        }
        self.any_register(exp).map(u16::from)
    }

    /// Emits what brings a value into a register.
    pub(super) fn load(&mut self, exp: Exp<N>, register: u8) -> Result<()> {
        let instruction = match exp {
            Exp::Constant(Value::Nil) => code::indexed(Op::Nil, register, 0),
            Exp::Constant(Value::Bool(flag)) => code::abc(Op::Bool, register, u16::from(flag.get()), 0),
            Exp::Constant(value) => {
                let small = value
                    .as_int()
                    .and_then(|int| i32::try_from(int).ok())
                    .filter(|int| int.abs() <= code::MAX_DISTANCE);
                match small {
                    Some(int) => code::signed(Op::Integer, register, int),
                    None => code::indexed(Op::Constant, register, self.constant_index(value)?),
                }
            }
            Exp::Temporary(from) | Exp::Local(from) if from == register => return Ok(()),
            Exp::Temporary(from) | Exp::Local(from) => code::abc(Op::Move, register, u16::from(from), 0),
            Exp::Cell(cell) => code::indexed(Op::GetCell, register, u32::from(cell)),
            Exp::Global(global) => code::indexed(Op::GetGlobal, register, global),
            Exp::Builtin(_, value) => code::indexed(Op::Constant, register, self.constant_index(value)?),
            Exp::Member(object, key) => code::abc(Op::GetMember, register, u16::from(object), key),
            Exp::Index(object, key) => code::abc(Op::GetIndex, register, u16::from(object), key),
            Exp::Missing | Exp::Unknown(_) => return Err(Raised),
        };
        self.emit(instruction).map(|_| ())
    }

    /// Makes a new name of what has none yet; refuses what cannot be assigned to.
    pub(super) fn assignable(&mut self, target: Exp<N>) -> Result<Exp<N>> {
        match target {
            Exp::Unknown(name) | Exp::Builtin(name, _) => self.new_variable(name),
            Exp::Missing | Exp::Constant(_) | Exp::Temporary(_) => {
                self.error(&["try to assign constant expressions."])
            }
            known => Ok(known),
        }
    }

    /// Makes a name in the innermost block, or a global.
    pub(super) fn new_variable(&mut self, name: StrId) -> Result<Exp<N>> {
        if self.makes_globals() {
            return Ok(Exp::Global(self.globals.find_or_add(self.heap, name)?));
        }
        let start = self.function()?.block_start();
        let known = self.function()?.find_local(name).filter(|&place| place >= start);
        match known {
            Some(place) => Ok(Exp::Local(u8::try_from(place).map_err(|_| Raised)?)),
            None => {
                // A local takes the next register: no temporary may be in the way.
                if self.function()?.free > self.function()?.locals.len() {
                    return self.error(&[NEW_INSIDE]);
                }
                Ok(Exp::Local(self.name_local(name)?))
            }
        }
    }

    /// Emits an assignment. The registers of the value are still held afterwards.
    pub(super) fn store(&mut self, target: Exp<N>, value: Exp<N>) -> Result<()> {
        match target {
            Exp::Local(register) => self.load(value, register),
            Exp::Cell(cell) => {
                let from = self.any_register(value)?;
                self.emit(code::indexed(Op::SetCell, from, u32::from(cell))).map(|_| ())
            }
            Exp::Global(global) => {
                let from = self.any_register(value)?;
                self.emit(code::indexed(Op::SetGlobal, from, global)).map(|_| ())
            }
            Exp::Member(object, key) => {
                let from = self.operand_of(value)?;
                self.emit(code::abc(Op::SetMember, object, key, from)).map(|_| ())
            }
            Exp::Index(object, key) => {
                let from = self.operand_of(value)?;
                self.emit(code::abc(Op::SetIndex, object, key, from)).map(|_| ())
            }
            _ => Err(Raised),
        }
    }
}
