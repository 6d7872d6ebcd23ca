//! Statements.

use super::{Compiler, Result};
use crate::code::{self, Op};
use crate::compile::expression::Exp;
use crate::compile::function::{Function, NO_JUMP};
use crate::lexer::Token;
use crate::names;
use crate::numbers::Numbers;
use crate::raised::Raised;
use crate::token::Symbol;
use crate::value::Value;

impl<N: Numbers> Compiler<'_, '_, N> {
    /// Statements up to a word that ends a block.
    pub(super) fn statements(&mut self) -> Result<()> {
        loop {
            match self.token {
                Token::End | Token::Symbol(Symbol::Else | Symbol::Elif | Symbol::End | Symbol::Except) => {
                    return Ok(());
                }
                Token::Symbol(symbol) => self.statement(symbol)?,
                _ => self.expression_statement()?,
            }
            // What a statement held is free again.
            let function = self.function()?;
            function.free = function.locals.len();
        }
    }

    fn statement(&mut self, symbol: Symbol) -> Result<()> {
        match symbol {
            Symbol::Semicolon => self.advance(),
            Symbol::If => self.if_statement(),
            Symbol::While => self.while_statement(),
            Symbol::For => self.for_statement(),
            Symbol::Do => {
                self.advance()?;
                self.block()?;
                self.expect(Symbol::End)
            }
            Symbol::Break | Symbol::Continue => self.leave_loop(symbol),
            Symbol::Def => self.def_statement(),
            Symbol::Class => {
                self.advance()?;
                self.nested(Self::class_statement)
            }
            Symbol::Return => self.return_statement(),
            Symbol::Import => self.import_statement(),
            Symbol::Var => self.var_statement(),
            Symbol::Try => self.try_statement(),
            Symbol::Raise => self.raise_statement(),
            _ => self.expression_statement(),
        }
    }

    /// A block with names of its own, up to a word that ends it.
    fn block(&mut self) -> Result<()> {
        self.open_block(false)?;
        self.nested(Self::statements)?;
        self.close_block()?;
        Ok(())
    }

    fn expression_statement(&mut self) -> Result<()> {
        let target = self.any_expression()?;
        if let Exp::Missing = target {
            self.check(target)?;
        }
        let Token::Symbol(symbol) = self.token else {
            return self.evaluate(target);
        };
        if symbol == Symbol::Assign {
            let target = self.assignable(target)?;
            self.advance()?;
            let value = self.expression()?;
            return self.store(target, value);
        }
        let Some(operator) = symbol.assigned_operator() else { return self.evaluate(target) };
        let target = self.check(target)?;
        if let Exp::Constant(_) | Exp::Temporary(_) = target {
            self.assignable(target)?;
        }
        self.advance()?;
        let old = match target {
            // The object and the key are wanted again.
            Exp::Member(..) | Exp::Index(..) => {
                let register = self.reserve(1)?;
                self.load(target, register)?;
                Exp::Temporary(register)
            }
            other => self.hold(other)?,
        };
        let value = self.expression()?;
        let result = self.combine(operator, old, value)?;
        let target = if let Exp::Builtin(..) = target { self.assignable(target)? } else { target };
        self.store(target, result)
    }

    /// An expression whose value nobody wants.
    fn evaluate(&mut self, exp: Exp<N>) -> Result<()> {
        let exp = self.check(exp)?;
        if let Exp::Member(..) | Exp::Index(..) = exp {
            self.next_register(exp)?;
        }
        Ok(())
    }

    /// A condition and the jump where it does not hold.
    fn condition(&mut self) -> Result<usize> {
        let condition = self.expression()?;
        let register = self.any_register(condition)?;
        let jump = self.jump(Op::JumpFalse, register)?;
        let function = self.function()?;
        function.free = function.locals.len();
        Ok(jump)
    }

    fn if_statement(&mut self) -> Result<()> {
        let mut ends = NO_JUMP;
        loop {
            self.advance()?;
            let otherwise = self.condition()?;
            self.block()?;
            let more = self.is(Symbol::Elif) || self.is(Symbol::Else);
            if more {
                ends = self.chained_jump(ends)?;
            }
            self.patch_here(otherwise)?;
            if self.is(Symbol::Elif) {
                continue;
            }
            if self.accept(Symbol::Else)? {
                self.block()?;
            }
            self.expect(Symbol::End)?;
            return self.with(|function, _, _| function.patch_chain(ends, function.here()));
        }
    }

    /// A jump that waits together with others.
    fn chained_jump(&mut self, chain: usize) -> Result<usize> {
        let link = Function::<N>::link(chain);
        self.emit(code::indexed(Op::Jump, 0, link))
    }

    fn while_statement(&mut self) -> Result<()> {
        self.advance()?;
        self.open_block(true)?;
        let start = self.here()?;
        let otherwise = self.condition()?;
        self.nested(Self::statements)?;
        self.expect(Symbol::End)?;
        let again = self.here()?;
        let block = self.close_block()?;
        self.jump_back(start)?;
        self.patch_here(otherwise)?;
        self.with(|function, _, _| {
            function.patch_chain(block.continues, again)?;
            function.patch_chain(block.breaks, function.here())
        })
    }

    fn for_statement(&mut self) -> Result<()> {
        self.advance()?;
        self.open_block(false)?;
        let name = match self.token {
            Token::Name(name) => name,
            _ => return self.error_near(&["missing iteration variable before '"], "'"),
        };
        self.advance()?;
        self.expect(Symbol::Colon)?;
        let over = self.expression()?;
        let iterator = self.next_register(over)?;
        if self.name_local(names::ITERATOR)? != iterator {
            return self.error(&["a new variable cannot be made inside of this expression"]);
        }
        let prepare = self.jump(Op::ForPrepare, iterator)?;
        self.function()?.handlers += 1;
        self.open_block(true)?;
        let start = self.here()?;
        let next = self.jump(Op::ForNext, iterator)?;
        self.name_local(name)?;
        self.nested(Self::statements)?;
        self.expect(Symbol::End)?;
        let again = self.here()?;
        let block = self.close_block()?;
        self.jump_back(start)?;
        self.with(|function, _, _| {
            function.patch_chain(block.continues, again)?;
            function.patch_chain(block.breaks, function.here())
        })?;
        // Only a `break` comes along here.
        self.emit(code::indexed(Op::EndTry, 1, 0))?;
        self.patch_here(prepare)?;
        self.patch_here(next)?;
        self.function()?.handlers -= 1;
        self.close_block()?;
        Ok(())
    }

    fn leave_loop(&mut self, symbol: Symbol) -> Result<()> {
        self.advance()?;
        let function = self.function()?;
        let Some(place) = function.blocks.iter().rposition(|block| block.is_loop) else {
            return self.error(&[symbol.text(), " not loop"]);
        };
        let Some(&block) = function.blocks.get(place) else { return Err(Raised) };
        let open = function.handlers.saturating_sub(block.handlers);
        if open > 0 {
            self.emit(code::indexed(Op::EndTry, open, 0))?;
        }
        self.close_cells(block.first_local)?;
        let chain = if symbol == Symbol::Break { block.breaks } else { block.continues };
        let pc = self.chained_jump(chain)?;
        if let Some(block) = self.function()?.blocks.get_mut(place) {
            *(if symbol == Symbol::Break { &mut block.breaks } else { &mut block.continues }) = pc;
        }
        Ok(())
    }

    fn def_statement(&mut self) -> Result<()> {
        self.advance()?;
        if self.is(Symbol::LeftParen) {
            let function = self.nested(|compiler| compiler.function_body(names::ANONYMOUS, false))?;
            return self.evaluate(function);
        }
        let name = match self.token {
            Token::Name(name) => name,
            _ => return self.error_near(&["the token '"], "' is not a valid function name."),
        };
        let target = self.new_variable(name)?;
        self.advance()?;
        let function = self.nested(|compiler| compiler.function_body(name, false))?;
        self.store(target, function)
    }

    fn return_statement(&mut self) -> Result<()> {
        self.advance()?;
        let value = self.any_expression()?;
        if let Exp::Missing = value {
            self.emit(code::indexed(Op::ReturnNil, 0, 0))?;
            return Ok(());
        }
        let value = self.check(value)?;
        let register = self.any_register(value)?;
        self.emit(code::indexed(Op::Return, register, 0))?;
        Ok(())
    }

    fn import_statement(&mut self) -> Result<()> {
        self.advance()?;
        loop {
            let module = match self.token {
                // A path in quotes.
                Token::Str(name) => {
                    self.advance()?;
                    name
                }
                _ => self.expect_name()?,
            };
            let name = if self.accept(Symbol::As)? { self.expect_name()? } else { module };
            let target = self.new_variable(name)?;
            let place = self.constant_index(Value::Str(module))?;
            let register = self.reserve(1)?;
            self.emit(code::indexed(Op::Import, register, place))?;
            self.store(target, Exp::Temporary(register))?;
            self.release(Exp::Temporary(register))?;
            if !self.accept(Symbol::Comma)? {
                return Ok(());
            }
        }
    }

    fn var_statement(&mut self) -> Result<()> {
        self.advance()?;
        loop {
            let name = self.expect_name()?;
            if self.accept(Symbol::Colon)? {
                self.type_hint()?;
            }
            let value =
                if self.accept(Symbol::Assign)? { self.expression()? } else { Exp::Constant(Value::Nil) };
            // The value of a new local is where that local will be.
            self.release(value)?;
            let target = self.new_variable(name)?;
            if let Exp::Local(register) = target {
                self.load(value, register)?;
            } else {
                // The registers of the value have been given back, and nothing has taken them since.
                let from = match value {
                    Exp::Temporary(register) => register,
                    other => self.any_register(other)?,
                };
                self.store(target, Exp::Temporary(from))?;
                self.release(Exp::Temporary(from))?;
            }
            if !self.accept(Symbol::Comma)? {
                return Ok(());
            }
        }
    }

    fn raise_statement(&mut self) -> Result<()> {
        self.advance()?;
        let exception = self.expression()?;
        let register = self.next_register(exception)?;
        let message =
            if self.accept(Symbol::Comma)? { self.expression()? } else { Exp::Constant(Value::Nil) };
        self.next_register(message)?;
        self.emit(code::indexed(Op::Raise, register, 0))?;
        Ok(())
    }

    fn try_statement(&mut self) -> Result<()> {
        self.advance()?;
        let first = u8::try_from(self.function()?.locals.len()).map_err(|_| Raised)?;
        let handler = self.jump(Op::Try, first)?;
        let function = self.function()?;
        if function.handlers >= 200 {
            return self.error(&["nested too deeply"]);
        }
        function.handlers += 1;
        self.block()?;
        self.function()?.handlers -= 1;
        self.emit(code::indexed(Op::EndTry, 1, 0))?;
        let mut ends = self.chained_jump(NO_JUMP)?;
        self.patch_here(handler)?;
        if !self.is(Symbol::Except) {
            return self.expected(Symbol::Except.text());
        }
        self.open_block(false)?;
        // The exception and its message, under names that no script can write until a clause names them.
        let exception = self.reserve(2)?;
        self.name_local(names::EMPTY)?;
        self.name_local(names::EMPTY)?;
        self.emit(code::indexed(Op::Catch, exception, 0))?;
        let mut catches_all = false;
        while self.accept(Symbol::Except)? {
            ends = self.except_clause(exception, ends, &mut catches_all)?;
        }
        self.emit(code::indexed(Op::Raise, exception, 1))?;
        self.close_block()?;
        self.expect(Symbol::End)?;
        self.with(|function, _, _| function.patch_chain(ends, function.here()))
    }

    fn except_clause(&mut self, exception: u8, ends: usize, catches_all: &mut bool) -> Result<usize> {
        let mut bodies = NO_JUMP;
        let mut otherwise = None;
        if self.accept(Symbol::Connect)? {
            *catches_all = true;
        } else {
            loop {
                let wanted = self.expression()?;
                let operand = self.operand_of(wanted)?;
                self.release(wanted)?;
                self.release(Exp::Temporary(u8::try_from(operand).unwrap_or(u8::MAX)))?;
                let register = self.reserve(1)?;
                self.emit(code::abc(Op::Matches, register, u16::from(exception), operand))?;
                self.release(Exp::Temporary(register))?;
                if self.accept(Symbol::Comma)? {
                    let link = Function::<N>::link(bodies);
                    bodies = self.emit(code::indexed(Op::JumpTrue, register, link))?;
                } else {
                    otherwise = Some(self.jump(Op::JumpFalse, register)?);
                    break;
                }
            }
        }
        self.with(|function, _, _| function.patch_chain(bodies, function.here()))?;
        self.open_block(false)?;
        let name_it = |compiler: &mut Self, place: u8| -> Result<()> {
            let name = compiler.expect_name()?;
            let local = compiler.function()?.locals.get_mut(usize::from(exception + place));
            if let Some(local) = local {
                local.name = name;
            }
            Ok(())
        };
        if self.accept(Symbol::As)? {
            name_it(self, 0)?;
            if self.accept(Symbol::Comma)? {
                name_it(self, 1)?;
            }
        }
        self.nested(Self::statements)?;
        self.close_block()?;
        self.close_cells(usize::from(exception))?;
        for place in 0..2 {
            if let Some(local) = self.function()?.locals.get_mut(usize::from(exception) + place) {
                local.name = names::EMPTY;
            }
        }
        let ends = self.chained_jump(ends)?;
        if let Some(otherwise) = otherwise {
            self.patch_here(otherwise)?;
        }
        Ok(ends)
    }
}
