//! Classes.

use super::{Compiler, Result};
use crate::code::{self, Op};
use crate::compile::expression::Exp;
use crate::lexer::Token;
use crate::names;
use crate::numbers::Numbers;
use crate::slab::StrId;
use crate::token::Symbol;
use crate::value::Value;

impl<N: Numbers> Compiler<'_, '_, N> {
    /// After `class`: the name, what it inherits from, the members.
    pub(super) fn class_statement(&mut self) -> Result<()> {
        let Token::Name(name) = self.token else { return self.error(&["class name error"]) };
        let target = self.new_variable(name)?;
        self.advance()?;
        self.class_body(name, target)
    }

    fn class_body(&mut self, name: StrId, target: Exp<N>) -> Result<()> {
        self.open_block(false)?;
        let class = self.reserve(1)?;
        self.name_local(names::CLASS_VARIABLE)?;
        let place = self.constant_index(Value::Str(name))?;
        self.emit(code::indexed(Op::Class, class, place))?;
        if self.accept(Symbol::Colon)? {
            let parent = self.expression()?;
            let register = self.any_register(parent)?;
            self.emit(code::abc(Op::Inherit, class, u16::from(register), 0))?;
            self.release(parent)?;
            self.free_all()?;
        }
        self.store(target, Exp::Local(class))?;
        self.free_all()?;
        loop {
            match self.token {
                Token::Symbol(Symbol::Semicolon) => self.advance()?,
                Token::Symbol(Symbol::Var) => self.fields(class)?,
                Token::Symbol(Symbol::Def) => {
                    self.advance()?;
                    self.method(class, Op::ClassMethod)?;
                }
                Token::Symbol(Symbol::Static) => self.statics(class)?,
                Token::Symbol(Symbol::End) => break,
                Token::End => return self.expected(Symbol::End.text()),
                _ => return self.error_near(&["unexpected token '"], "'"),
            }
            self.free_all()?;
        }
        self.advance()?;
        self.close_block()?;
        Ok(())
    }

    fn free_all(&mut self) -> Result<()> {
        let function = self.function()?;
        function.free = function.locals.len();
        Ok(())
    }

    /// `var a, b`
    fn fields(&mut self, class: u8) -> Result<()> {
        self.advance()?;
        loop {
            let Token::Name(name) = self.token else { return self.error(&["class var error"]) };
            self.advance()?;
            if self.accept(Symbol::Colon)? {
                self.type_hint()?;
            }
            let name = self.operand_of(Exp::Constant(Value::Str(name)))?;
            self.emit(code::abc(Op::ClassField, class, name, 0))?;
            self.free_all()?;
            if !self.accept(Symbol::Comma)? {
                return Ok(());
            }
        }
    }

    fn method(&mut self, class: u8, op: Op) -> Result<()> {
        let name = self.method_name()?;
        let is_method = op == Op::ClassMethod;
        let method = self.nested(|compiler| compiler.function_body(name, is_method))?;
        self.bind(class, op, name, method)
    }

    fn bind(&mut self, class: u8, op: Op, name: StrId, value: Exp<N>) -> Result<()> {
        let value = self.hold(value)?;
        let key = self.operand_of(Exp::Constant(Value::Str(name)))?;
        let value = self.operand_of(value)?;
        self.emit(code::abc(op, class, key, value))?;
        Ok(())
    }

    /// A name or an operator.
    fn method_name(&mut self) -> Result<StrId> {
        let name = match self.token {
            Token::Name(name) => name,
            Token::Symbol(Symbol::LeftParen) => {
                // `()`, the call operator, before the parameters.
                self.advance()?;
                if !self.is(Symbol::RightParen) {
                    return self.error_near(&["the token '"], "' is not a valid function name.");
                }
                self.advance()?;
                return Ok(names::CALL_OPERATOR);
            }
            Token::Symbol(Symbol::Sub) => {
                self.advance()?;
                return Ok(if self.accept(Symbol::Mul)? { names::NEGATE } else { names::MINUS });
            }
            Token::Symbol(symbol) => match operator_name(symbol) {
                Some(name) => name,
                None => return self.error_near(&["the token '"], "' is not a valid function name."),
            },
            _ => return self.error_near(&["the token '"], "' is not a valid function name."),
        };
        self.advance()?;
        Ok(name)
    }

    /// `static a = …`, `static var a, b = …`, `static def …`, `static class …`
    fn statics(&mut self, class: u8) -> Result<()> {
        self.advance()?;
        match self.token {
            Token::Symbol(Symbol::Def) => {
                self.advance()?;
                return self.method(class, Op::ClassStatic);
            }
            Token::Symbol(Symbol::Class) => {
                self.advance()?;
                let Token::Name(name) = self.token else { return self.error(&["class name error"]) };
                self.advance()?;
                self.open_block(false)?;
                let place = self.name_local(name)?;
                self.nested(|compiler| compiler.class_body(name, Exp::Local(place)))?;
                let key = self.operand_of(Exp::Constant(Value::Str(name)))?;
                self.emit(code::abc(Op::ClassStatic, class, key, u16::from(place)))?;
                self.close_block()?;
                return Ok(());
            }
            Token::Symbol(Symbol::Var) => self.advance()?,
            _ => {}
        }
        loop {
            let Token::Name(name) = self.token else { return self.error(&["class static error"]) };
            self.advance()?;
            if self.accept(Symbol::Colon)? {
                self.type_hint()?;
            }
            let value =
                if self.accept(Symbol::Assign)? { self.expression()? } else { Exp::Constant(Value::Nil) };
            self.bind(class, Op::ClassStatic, name, value)?;
            self.free_all()?;
            if !self.accept(Symbol::Comma)? {
                return Ok(());
            }
        }
    }
}

const fn operator_name(symbol: Symbol) -> Option<StrId> {
    Some(match symbol {
        Symbol::Add => names::PLUS,
        Symbol::Mul => names::STAR,
        Symbol::Div => names::SLASH,
        Symbol::Mod => names::PERCENT,
        Symbol::Less => names::LESS,
        Symbol::LessEqual => names::LESS_EQUAL,
        Symbol::Equal => names::EQUAL,
        Symbol::NotEqual => names::NOT_EQUAL,
        Symbol::Greater => names::GREATER,
        Symbol::GreaterEqual => names::GREATER_EQUAL,
        Symbol::BitAnd => names::AMPERSAND,
        Symbol::BitOr => names::PIPE,
        Symbol::BitXor => names::CARET,
        Symbol::Shl => names::SHIFT_LEFT,
        Symbol::Shr => names::SHIFT_RIGHT,
        Symbol::Connect => names::DOTS,
        Symbol::Flip => names::TILDE,
        _ => return None,
    })
}
