//! Expressions: operators by their precedence, calls, members, literals, functions.

use super::{Compiler, Result};
use crate::code::{self, Op};
use crate::compile::function::Function;
use crate::lexer::Token;
use crate::libs;
use crate::names;
use crate::numbers::{Integer as _, Numbers, Real as _};
use crate::raised::Raised;
use crate::slab::{Key as _, StrId};
use crate::token::Symbol;
use crate::value::{Flag, HostId, Value};

/// Where the value of an expression is, or how to get it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Exp<N: Numbers> {
    /// There was none.
    Missing,
    Constant(Value<N>),
    /// A register above the locals.
    Temporary(u8),
    Local(u8),
    Cell(u8),
    Global(u32),
    /// A name of the machine or of the host.
    Builtin(StrId, Value<N>),
    /// A name that nobody has made yet.
    Unknown(StrId),
    /// Register of the object, operand of the name.
    Member(u8, u16),
    Index(u8, u16),
}

/// A new local takes the next register, where a value of the expression stands or will stand.
pub(super) const NEW_INSIDE: &str = "a new variable cannot be made inside of this expression";

/// What binds how tightly; unary operators bind tighter.
const fn precedence(symbol: Symbol) -> Option<u8> {
    Some(match symbol {
        Symbol::Mul | Symbol::Div | Symbol::Mod => 12,
        Symbol::Add | Symbol::Sub => 11,
        Symbol::Shl | Symbol::Shr => 10,
        Symbol::BitAnd => 9,
        Symbol::BitXor => 8,
        Symbol::BitOr => 7,
        Symbol::Connect => 6,
        Symbol::Less | Symbol::LessEqual | Symbol::Greater | Symbol::GreaterEqual => 5,
        Symbol::Equal | Symbol::NotEqual => 4,
        Symbol::And => 3,
        Symbol::Or => 2,
        _ => return None,
    })
}

const fn operation(symbol: Symbol) -> Option<Op> {
    Some(match symbol {
        Symbol::Mul => Op::Mul,
        Symbol::Div => Op::Div,
        Symbol::Mod => Op::Rem,
        Symbol::Add => Op::Add,
        Symbol::Sub => Op::Sub,
        Symbol::Shl => Op::Shl,
        Symbol::Shr => Op::Shr,
        Symbol::BitAnd => Op::And,
        Symbol::BitXor => Op::Xor,
        Symbol::BitOr => Op::Or,
        Symbol::Connect => Op::Connect,
        Symbol::Less => Op::Less,
        Symbol::LessEqual => Op::LessEqual,
        Symbol::Greater => Op::Greater,
        Symbol::GreaterEqual => Op::GreaterEqual,
        Symbol::Equal => Op::Equal,
        Symbol::NotEqual => Op::NotEqual,
        _ => return None,
    })
}

impl<N: Numbers> Compiler<'_, '_, N> {
    /// An expression that has to be there.
    pub(super) fn expression(&mut self) -> Result<Exp<N>> {
        let exp = self.any_expression()?;
        self.check(exp)
    }

    /// An expression that may be an unknown name, for an assignment.
    pub(super) fn any_expression(&mut self) -> Result<Exp<N>> {
        self.nested(Self::conditional)
    }

    /// Refuses names that nobody has made.
    pub(super) fn check(&mut self, exp: Exp<N>) -> Result<Exp<N>> {
        match exp {
            Exp::Missing => self.error_near(&["unexpected symbol near '"], "'"),
            Exp::Unknown(name) => {
                (self.lexer.token_start, self.lexer.token_line) = self.unknown;
                self.error_name("'", name, "' undeclared (first use in this function)")
            }
            known => Ok(known),
        }
    }

    fn conditional(&mut self) -> Result<Exp<N>> {
        let condition = self.binary(0)?;
        if self.is(Symbol::Walrus) {
            return self.walrus(condition);
        }
        if !self.is(Symbol::Question) {
            return Ok(condition);
        }
        let condition = self.check(condition)?;
        self.advance()?;
        let register = self.next_register(condition)?;
        let otherwise = self.jump(Op::JumpFalse, register)?;
        self.release(Exp::Temporary(register))?;
        let yes = self.expression()?;
        self.next_register_at(yes, register)?;
        let end = self.jump(Op::Jump, 0)?;
        self.release(Exp::Temporary(register))?;
        self.patch_here(otherwise)?;
        self.expect(Symbol::Colon)?;
        let no = self.expression()?;
        self.next_register_at(no, register)?;
        self.patch_here(end)?;
        Ok(Exp::Temporary(register))
    }

    /// `target := value`: an assignment that has the value.
    fn walrus(&mut self, target: Exp<N>) -> Result<Exp<N>> {
        let target = self.assignable(target)?;
        self.advance()?;
        let value = self.expression()?;
        let value = match value {
            Exp::Constant(_) | Exp::Local(_) | Exp::Temporary(_) => value,
            other => Exp::Temporary(self.next_register(other)?),
        };
        self.store(target, value)?;
        if let Exp::Local(_) | Exp::Constant(_) = value {
            self.release(target)?;
            return Ok(value);
        }
        let register = self.any_register(value)?;
        self.release(value)?;
        self.release(target)?;
        let result = self.reserve(1)?;
        if result != register {
            self.emit(code::abc(Op::Move, result, u16::from(register), 0))?;
        }
        Ok(Exp::Temporary(result))
    }

    fn binary(&mut self, least: u8) -> Result<Exp<N>> {
        let mut left = self.unary()?;
        while let Token::Symbol(symbol) = self.token {
            let Some(precedence) = precedence(symbol).filter(|&precedence| precedence > least) else { break };
            left = self.check(left)?;
            self.advance()?;
            left = if matches!(symbol, Symbol::And | Symbol::Or) {
                self.short_circuit(symbol, left, precedence)?
            } else {
                self.operation(symbol, left, precedence)?
            };
        }
        Ok(left)
    }

    fn short_circuit(&mut self, symbol: Symbol, left: Exp<N>, precedence: u8) -> Result<Exp<N>> {
        let register = self.next_register(left)?;
        self.emit(code::indexed(Op::Truth, register, 0))?;
        let op = if symbol == Symbol::And { Op::JumpFalse } else { Op::JumpTrue };
        let end = self.jump(op, register)?;
        self.release(Exp::Temporary(register))?;
        let right = self.nested(|compiler| compiler.binary(precedence))?;
        let right = self.check(right)?;
        self.next_register_at(right, register)?;
        self.emit(code::indexed(Op::Truth, register, 0))?;
        self.patch_here(end)?;
        Ok(Exp::Temporary(register))
    }

    fn operation(&mut self, symbol: Symbol, left: Exp<N>, precedence: u8) -> Result<Exp<N>> {
        let left = self.hold(left)?;
        let right = self.nested(|compiler| compiler.binary(precedence))?;
        let right = match right {
            // An open range ends where integers do.
            Exp::Missing if symbol == Symbol::Connect => Exp::Constant(Value::Int(N::Int::MAX)),
            other => self.check(other)?,
        };
        self.combine(symbol, left, right)
    }

    /// Puts into a register what later code might change.
    pub(super) fn hold(&mut self, exp: Exp<N>) -> Result<Exp<N>> {
        match exp {
            Exp::Constant(value) if !value.is_nil() => Ok(exp),
            Exp::Temporary(_) | Exp::Local(_) => Ok(exp),
            other => Ok(Exp::Temporary(self.next_register(other)?)),
        }
    }

    /// The instruction of a binary operator.
    pub(super) fn combine(&mut self, symbol: Symbol, left: Exp<N>, right: Exp<N>) -> Result<Exp<N>> {
        let Some(op) = operation(symbol) else { return Err(Raised) };
        let b = self.operand_of(left)?;
        let c = self.operand_of(right)?;
        self.release_operand(c)?;
        self.release_operand(b)?;
        self.release(right)?;
        self.release(left)?;
        let result = self.reserve(1)?;
        self.emit(code::abc(op, result, b, c))?;
        Ok(Exp::Temporary(result))
    }

    fn unary(&mut self) -> Result<Exp<N>> {
        let op = match self.token {
            Token::Symbol(Symbol::Sub) => Op::Negate,
            Token::Symbol(Symbol::Not) => Op::Not,
            Token::Symbol(Symbol::Flip) => Op::Flip,
            _ => return self.suffixed(),
        };
        self.advance()?;
        let operand = self.nested(Self::unary)?;
        let operand = self.check(operand)?;
        match (op, operand) {
            (Op::Negate, Exp::Constant(Value::Int(int))) => {
                return Ok(Exp::Constant(Value::Int(N::Int::wrap(0).sub(int))));
            }
            (Op::Negate, Exp::Constant(Value::Real(real))) => {
                return Ok(Exp::Constant(Value::Real(real.neg())));
            }
            _ => {}
        }
        let register = self.any_register(operand)?;
        self.release(Exp::Temporary(register))?;
        self.release(operand)?;
        let result = self.reserve(1)?;
        self.emit(code::abc(op, result, u16::from(register), 0))?;
        Ok(Exp::Temporary(result))
    }

    fn suffixed(&mut self) -> Result<Exp<N>> {
        let mut exp = self.primary()?;
        loop {
            exp = match self.token {
                Token::Symbol(Symbol::LeftParen) => {
                    let callee = self.check(exp)?;
                    self.call(callee)?
                }
                Token::Symbol(Symbol::Dot) => {
                    let object = self.check(exp)?;
                    self.advance()?;
                    let object = self.hold_object(object)?;
                    let key = match self.token {
                        Token::Name(name) => {
                            self.advance()?;
                            Exp::Constant(Value::Str(name))
                        }
                        Token::Symbol(Symbol::LeftParen) => {
                            self.advance()?;
                            let key = self.expression()?;
                            self.expect(Symbol::RightParen)?;
                            // A name that is known only at run time stands in a register.
                            Exp::Temporary(self.next_register(key)?)
                        }
                        _ => return self.error_near(&["invalid syntax near '"], "'"),
                    };
                    Exp::Member(object, self.operand_of(key)?)
                }
                Token::Symbol(Symbol::LeftBracket) => {
                    let object = self.check(exp)?;
                    self.advance()?;
                    let object = self.hold_object(object)?;
                    let key = self.expression()?;
                    let key = self.operand_of(key)?;
                    self.expect(Symbol::RightBracket)?;
                    Exp::Index(object, key)
                }
                _ => return Ok(exp),
            };
        }
    }

    fn hold_object(&mut self, object: Exp<N>) -> Result<u8> {
        self.any_register(object)
    }

    fn primary(&mut self) -> Result<Exp<N>> {
        let exp = match self.token {
            Token::Int(int) => Exp::Constant(Value::Int(int)),
            Token::Real(real) => Exp::Constant(Value::Real(real)),
            Token::Str(text) => Exp::Constant(Value::Str(text)),
            Token::Name(name) => {
                let exp = self.resolve(name)?;
                self.advance()?;
                return Ok(exp);
            }
            Token::Symbol(symbol) => match symbol {
                Symbol::True => Exp::Constant(Value::Bool(Flag::True)),
                Symbol::False => Exp::Constant(Value::Bool(Flag::False)),
                Symbol::Nil => Exp::Constant(Value::Nil),
                Symbol::LeftParen => {
                    self.advance()?;
                    let inner = self.expression()?;
                    self.expect(Symbol::RightParen)?;
                    // No longer a target of an assignment, and evaluated here.
                    return match inner {
                        Exp::Constant(_) | Exp::Temporary(_) | Exp::Local(_) => Ok(inner),
                        other => Ok(Exp::Temporary(self.next_register(other)?)),
                    };
                }
                Symbol::LeftBracket => return self.list(),
                Symbol::LeftBrace => return self.map(),
                Symbol::Def => {
                    self.advance()?;
                    return self.function_body(names::ANONYMOUS, false);
                }
                Symbol::Div => return self.lambda(),
                _ => return Ok(Exp::Missing),
            },
            Token::End => return Ok(Exp::Missing),
        };
        self.advance()?;
        Ok(exp)
    }

    /// What a name stands for here.
    pub(super) fn resolve(&mut self, name: StrId) -> Result<Exp<N>> {
        let level = self.functions.len().saturating_sub(1);
        if let Some(place) = self.function()?.find_local(name) {
            return Ok(Exp::Local(u8::try_from(place).map_err(|_| Raised)?));
        }
        if let Some(cell) = self.find_cell(level, name)? {
            return Ok(Exp::Cell(cell));
        }
        if let Some(global) = self.globals.find(name) {
            return Ok(Exp::Global(global));
        }
        if let Some(value) = libs::global(name) {
            return Ok(Exp::Builtin(name, value));
        }
        let text = core::str::from_utf8(self.heap.text(name)?).unwrap_or_default();
        if let Some(id) = self.host.function(text) {
            return Ok(Exp::Builtin(name, Value::Host(HostId(u32::from(id)))));
        }
        self.unknown = (self.lexer.token_start, self.lexer.token_line);
        Ok(Exp::Unknown(name))
    }

    fn list(&mut self) -> Result<Exp<N>> {
        self.advance()?;
        let list = self.reserve(1)?;
        let pc = self.emit(code::indexed(Op::List, list, 0))?;
        let mut count = 0_u32;
        while !self.is(Symbol::RightBracket) {
            let element = self.expression()?;
            let operand = self.operand_of(element)?;
            self.release_operand(operand)?;
            self.release(element)?;
            self.emit(code::abc(Op::ListPush, list, operand, 0))?;
            count += 1;
            if !self.accept(Symbol::Comma)? {
                break;
            }
        }
        self.expect(Symbol::RightBracket)?;
        if let Some(instruction) = self.function()?.code.get_mut(pc) {
            *instruction = code::indexed(Op::List, list, count.min(code::MAX_INDEX));
        }
        Ok(Exp::Temporary(list))
    }

    fn map(&mut self) -> Result<Exp<N>> {
        self.advance()?;
        let map = self.reserve(1)?;
        self.emit(code::indexed(Op::Map, map, 0))?;
        while !self.is(Symbol::RightBrace) {
            let key = self.expression()?;
            let key = self.hold(key)?;
            self.expect(Symbol::Colon)?;
            let value = self.expression()?;
            let b = self.operand_of(key)?;
            let c = self.operand_of(value)?;
            self.emit(code::abc(Op::SetIndex, map, b, c))?;
            self.release_operand(c)?;
            self.release_operand(b)?;
            self.release(value)?;
            self.release(key)?;
            if !self.accept(Symbol::Comma)? {
                break;
            }
        }
        self.expect(Symbol::RightBrace)?;
        Ok(Exp::Temporary(map))
    }

    /// The arguments and the call; `callee` is evaluated first.
    fn call(&mut self, callee: Exp<N>) -> Result<Exp<N>> {
        let (base, op) = match callee {
            Exp::Member(object, key) => {
                self.release(callee)?;
                let base = self.reserve(2)?;
                self.emit(code::abc(Op::GetMethod, base, u16::from(object), key))?;
                (base, Op::Invoke)
            }
            other => (self.next_register(other)?, Op::Call),
        };
        let is_super = matches!(callee, Exp::Builtin(names::SUPER, _));
        self.advance()?;
        let mut count = 0_u16;
        while !self.is(Symbol::RightParen) {
            let argument = self.expression()?;
            self.next_register(argument)?;
            count += 1;
            if !self.accept(Symbol::Comma)? {
                break;
            }
        }
        self.expect(Symbol::RightParen)?;
        if is_super && count == 1 {
            // The class whose method this is decides where the next one up is.
            let class = self.resolve(names::CLASS_VARIABLE)?;
            if matches!(class, Exp::Local(_) | Exp::Cell(_)) {
                self.next_register(Exp::Constant(Value::Nil))?;
                self.next_register(class)?;
                count = 3;
            }
        }
        self.emit(code::abc(op, base, count, 0))?;
        let function = self.function()?;
        function.free = usize::from(base) + 1;
        Ok(Exp::Temporary(base))
    }

    /// `/ a b -> expression`
    fn lambda(&mut self) -> Result<Exp<N>> {
        self.advance()?;
        self.heap.budget.push(&mut self.functions, Function::new(names::ANONYMOUS))?;
        self.open_block(false)?;
        while !self.is(Symbol::Arrow) {
            self.parameter()?;
            self.accept(Symbol::Comma)?;
        }
        self.advance()?;
        let value = self.expression()?;
        let register = self.any_register(value)?;
        self.emit(code::indexed(Op::Return, register, 0))?;
        self.end_function()
    }

    /// From the parameters to `end`. A method has a `self`.
    pub(super) fn function_body(&mut self, name: StrId, is_method: bool) -> Result<Exp<N>> {
        self.heap.budget.push(&mut self.functions, Function::new(name))?;
        self.open_block(false)?;
        if is_method {
            let own = self.heap.intern(b"self")?;
            self.name_local(own)?;
            let function = self.function()?;
            function.parameters = 1;
            function.is_method = true;
        }
        self.expect(Symbol::LeftParen)?;
        while !self.is(Symbol::RightParen) {
            self.parameter()?;
            if !self.accept(Symbol::Comma)? {
                break;
            }
        }
        self.expect(Symbol::RightParen)?;
        if self.accept(Symbol::Arrow)? {
            self.type_hint()?;
        }
        self.nested(Self::statements)?;
        self.expect(Symbol::End)?;
        self.end_function()
    }

    fn parameter(&mut self) -> Result<()> {
        if self.function()?.variadic {
            return self.expected(")");
        }
        let variadic = self.accept(Symbol::Mul)?;
        let Token::Name(name) = self.token else { return self.expected("ID") };
        if self.function()?.find_local(name).is_some() {
            return self.error_name("redefinition of '", name, "'");
        }
        self.advance()?;
        self.name_local(name)?;
        let function = self.function()?;
        function.variadic = variadic;
        function.parameters = function.parameters.saturating_add(1);
        if self.accept(Symbol::Colon)? {
            self.type_hint()?;
        }
        Ok(())
    }

    /// A type that is written down for readers: not checked.
    pub(super) fn type_hint(&mut self) -> Result<()> {
        if !self.accept(Symbol::Nil)? {
            self.expect_name()?;
        }
        Ok(())
    }

    fn end_function(&mut self) -> Result<Exp<N>> {
        self.emit(code::indexed(Op::ReturnNil, 0, 0))?;
        let proto = self.seal()?;
        let place = self.function()?.protos.len();
        self.with(|function, heap, _| heap.budget.push(&mut function.protos, proto.index()))?;
        let register = self.reserve(1)?;
        let place = u32::try_from(place).unwrap_or(code::MAX_INDEX);
        self.emit(code::indexed(Op::Closure, register, place))?;
        Ok(Exp::Temporary(register))
    }
}
