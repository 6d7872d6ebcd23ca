//! From a source to instructions, in one pass.
//!
//! The parser calls itself for what is nested, and counts how deep it is: [`crate::Limits::nesting`] is its end, long
//! before that of the processor's stack. Nothing is collected while it works: what it has made so far hangs nowhere.

mod class;
mod expression;
mod function;
mod register;
mod statement;

use alloc::vec::Vec;

use crate::code::{self, Op};
use crate::compile::function::{Block, Function, NO_JUMP};
use crate::globals::Globals;
use crate::heap::Heap;
use crate::host::Host;
use crate::lexer::{Lexer, Token};
use crate::memory::append_bounded;
use crate::names;
use crate::numbers::Numbers;
use crate::objects::Capture;
use crate::raised::Raised;
use crate::slab::{ProtoId, StrId};
use crate::token::Symbol;
use crate::value::Value;

pub(crate) type Result<T> = core::result::Result<T, Raised>;

/// Whose names the top level of a source makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's: a script that is run, or compiled by another.
    Global,
    /// Its own: a module that is imported.
    Local,
}

/// What is wrong with a source, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// From 1.
    pub(crate) line: u32,
    /// In bytes, from 1.
    pub(crate) column: u32,
    /// `source:line: what`, as the reference writes it.
    pub(crate) message: Vec<u8>,
}

/// Why a source was not compiled.
#[derive(Debug)]
pub(crate) enum Failed {
    Syntax(SyntaxError),
    Raised(Raised),
}

const MESSAGE_BYTES: usize = 200;

/// Compiles a source to a function without parameters.
pub(crate) fn compile<N: Numbers>(
    heap: &mut Heap<N>,
    globals: &mut Globals<N>,
    host: &dyn Host<N>,
    nesting: u16,
    name: StrId,
    source: &[u8],
    scope: Scope,
) -> core::result::Result<ProtoId, Failed> {
    let mut compiler = Compiler {
        lexer: Lexer::new(source),
        heap,
        globals,
        host,
        token: Token::End,
        line: 1,
        functions: Vec::new(),
        unknown: (0, 1),
        depth: 0,
        nesting,
        source: name,
        scope,
    };
    let outcome = compiler.main();
    compiler.finish(outcome)
}

struct Compiler<'a, 'h, N: Numbers> {
    lexer: Lexer<'a>,
    heap: &'h mut Heap<N>,
    globals: &'h mut Globals<N>,
    host: &'h dyn Host<N>,
    /// The next token.
    token: Token<N>,
    /// The line of the token before.
    line: u32,
    functions: Vec<Function<N>>,
    /// Where the last name stands that nobody has made: its offset and line.
    unknown: (usize, u32),
    depth: u16,
    nesting: u16,
    source: StrId,
    scope: Scope,
}

impl<N: Numbers> Compiler<'_, '_, N> {
    fn main(&mut self) -> Result<ProtoId> {
        self.heap.budget.push(&mut self.functions, Function::new(names::MAIN))?;
        self.advance()?;
        self.open_block(false)?;
        self.statements()?;
        if !matches!(self.token, Token::End) {
            return self.expected("EOS");
        }
        self.close_block()?;
        self.emit(code::indexed(Op::ReturnNil, 0, 0))?;
        self.seal()
    }

    fn finish(mut self, outcome: Result<ProtoId>) -> core::result::Result<ProtoId, Failed> {
        self.lexer.finish(self.heap);
        let unfit = self.functions.last().map_or("", |function| function.unfit);
        if !unfit.is_empty() {
            self.error::<()>(&[unfit]).ok();
        }
        let mut functions = core::mem::take(&mut self.functions);
        functions.drain(..).for_each(|function| function.discard(self.heap));
        self.heap.budget.release(functions);
        match outcome {
            Ok(proto) => Ok(proto),
            Err(Raised) if self.lexer.is_wrong => Err(Failed::Syntax(self.syntax_error())),
            Err(Raised) => Err(Failed::Raised(Raised)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "shown only")]
    fn syntax_error(&self) -> SyntaxError {
        let line = self.lexer.token_line;
        let source = self.lexer.source();
        let before = source.get(..self.lexer.token_start.min(source.len())).unwrap_or_default();
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() as u32 + 1;
        let mut message = Vec::new();
        append_bounded(&mut message, self.heap.text(self.source).unwrap_or_default(), MESSAGE_BYTES);
        let mut digits = crate::digits::Digits::default();
        append_bounded(&mut message, b":", MESSAGE_BYTES);
        append_bounded(&mut message, digits.decimal(i64::from(line)), MESSAGE_BYTES);
        append_bounded(&mut message, b": ", MESSAGE_BYTES);
        append_bounded(&mut message, &self.lexer.message, MESSAGE_BYTES);
        SyntaxError { line, column, message }
    }

    /// Ends the innermost function.
    fn seal(&mut self) -> Result<ProtoId> {
        let source = self.source;
        let proto = self.with(|function, heap, _| function.seal(heap, source))?;
        if let Some(function) = self.functions.pop() {
            function.discard(self.heap);
        }
        Ok(proto)
    }

    // Tokens.

    fn advance(&mut self) -> Result<()> {
        self.line = self.lexer.token_line;
        self.token = self.lexer.next(self.heap)?;
        Ok(())
    }

    fn is(&self, symbol: Symbol) -> bool {
        matches!(self.token, Token::Symbol(found) if found == symbol)
    }

    fn accept(&mut self, symbol: Symbol) -> Result<bool> {
        let found = self.is(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, symbol: Symbol) -> Result<()> {
        if self.accept(symbol)? { Ok(()) } else { self.expected(symbol.text()) }
    }

    fn expect_name(&mut self) -> Result<StrId> {
        if let Token::Name(name) = self.token {
            self.advance()?;
            return Ok(name);
        }
        self.expected("ID")
    }

    fn expected<T>(&mut self, what: &str) -> Result<T> {
        self.error_near(&["expected '", what, "' before '"], "'")
    }

    fn error<T>(&mut self, parts: &[&str]) -> Result<T> {
        self.lexer.message.clear();
        for part in parts {
            append_bounded(&mut self.lexer.message, part.as_bytes(), MESSAGE_BYTES);
        }
        self.lexer.wrong()
    }

    /// An error that shows the next token.
    fn error_near<T>(&mut self, before: &[&str], after: &str) -> Result<T> {
        self.error::<()>(before).ok();
        let mut digits = crate::digits::Digits::default();
        let text: &[u8] = match self.token {
            Token::End => b"EOS",
            Token::Name(name) | Token::Str(name) => self.heap.text(name).unwrap_or_default(),
            Token::Int(int) => digits.decimal(crate::numbers::Integer::wide(int)),
            Token::Real(real) => digits.general(real),
            Token::Symbol(symbol) => symbol.text().as_bytes(),
        };
        append_bounded(&mut self.lexer.message, text, MESSAGE_BYTES);
        append_bounded(&mut self.lexer.message, after.as_bytes(), MESSAGE_BYTES);
        self.lexer.wrong()
    }

    /// An error that shows a name.
    fn error_name<T>(&mut self, before: &str, name: StrId, after: &str) -> Result<T> {
        self.error::<()>(&[before]).ok();
        append_bounded(&mut self.lexer.message, self.heap.text(name).unwrap_or_default(), MESSAGE_BYTES);
        append_bounded(&mut self.lexer.message, after.as_bytes(), MESSAGE_BYTES);
        self.lexer.wrong()
    }

    /// Does something one level deeper.
    fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= self.nesting {
            return self.error(&["nested too deeply"]);
        }
        self.depth += 1;
        let outcome = work(self);
        self.depth -= 1;
        outcome
    }

    // Code.

    fn function(&mut self) -> Result<&mut Function<N>> {
        self.functions.last_mut().ok_or(Raised)
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Function<N>, &mut Heap<N>, u32) -> Result<T>) -> Result<T> {
        let function = self.functions.last_mut().ok_or(Raised)?;
        work(function, self.heap, self.line)
    }

    fn emit(&mut self, instruction: u32) -> Result<usize> {
        self.with(|function, heap, line| function.emit(heap, line, instruction))
    }

    /// A jump that waits for its target.
    fn jump(&mut self, op: Op, register: u8) -> Result<usize> {
        self.with(|function, heap, line| function.jump(heap, line, op, register))
    }

    fn patch_here(&mut self, pc: usize) -> Result<()> {
        self.with(|function, _, _| function.patch(pc, function.here()))
    }

    fn jump_back(&mut self, target: usize) -> Result<()> {
        let pc = self.jump(Op::Jump, 0)?;
        self.with(|function, _, _| function.patch(pc, target))
    }

    fn here(&mut self) -> Result<usize> {
        Ok(self.function()?.here())
    }

    fn reserve(&mut self, count: usize) -> Result<u8> {
        let first = self.with(|function, _, _| function.reserve_registers(count))?;
        // Registers are fewer than MAX_REGISTERS.
        u8::try_from(first).map_err(|_| Raised)
    }

    fn constant_index(&mut self, value: Value<N>) -> Result<u32> {
        self.with(|function, heap, _| function.constant(heap, value))
    }

    // Blocks and names.

    fn open_block(&mut self, is_loop: bool) -> Result<()> {
        self.with(|function, heap, _| {
            let block = Block {
                first_local: function.locals.len(),
                is_loop,
                handlers: function.handlers,
                breaks: NO_JUMP,
                continues: NO_JUMP,
            };
            heap.budget.push(&mut function.blocks, block)?;
            Ok(())
        })
    }

    /// Ends a block: its locals are gone. Returns it for its jumps.
    fn close_block(&mut self) -> Result<Block> {
        let start = self.function()?.block_start();
        self.close_cells(start)?;
        let function = self.function()?;
        function.locals.truncate(start);
        function.free = start;
        function.blocks.pop().ok_or(Raised)
    }

    /// Closes the cells of the locals from one on, if any was captured.
    fn close_cells(&mut self, first: usize) -> Result<()> {
        let captured = self
            .function()?
            .locals
            .get(first..)
            .is_some_and(|locals| locals.iter().any(|local| local.captured));
        if captured {
            let register = u8::try_from(first).map_err(|_| Raised)?;
            self.emit(code::indexed(Op::Close, register, 0))?;
        }
        Ok(())
    }

    /// Names the next register, which is reserved already or is now.
    fn name_local(&mut self, name: StrId) -> Result<u8> {
        let place = self.function()?.locals.len();
        if self.function()?.free <= place {
            self.reserve(place + 1 - self.functions.last().map_or(0, |function| function.free))?;
        }
        self.with(|function, heap, _| {
            heap.budget.push(&mut function.locals, function::Local { name, captured: false })?;
            Ok(())
        })?;
        u8::try_from(place).map_err(|_| Raised)
    }

    /// Whether names that are made here are global.
    fn makes_globals(&self) -> bool {
        self.scope == Scope::Global
            && self.functions.len() == 1
            && self.functions.last().is_some_and(|function| function.blocks.len() == 1)
    }

    /// The cell of a name of the functions around, if it is one.
    fn find_cell(&mut self, level: usize, name: StrId) -> Result<Option<u8>> {
        // From the outermost function that has it, hand the cell down.
        let holder = (0..level).rev().find(|&outer| {
            self.functions.get(outer).is_some_and(|function| {
                function.find_local(name).is_some() || function.capture_names.contains(&name)
            })
        });
        let own = self
            .functions
            .get(level)
            .and_then(|function| function.capture_names.iter().position(|&captured| captured == name));
        if let Some(place) = own {
            return Ok(u8::try_from(place).ok());
        }
        let Some(holder) = holder else { return Ok(None) };
        let mut capture = match self.functions.get_mut(holder) {
            Some(function) => match function.find_local(name) {
                Some(place) => {
                    if let Some(local) = function.locals.get_mut(place) {
                        local.captured = true;
                    }
                    Capture { local: true, place: u8::try_from(place).unwrap_or(u8::MAX) }
                }
                None => {
                    let place = function.capture_names.iter().position(|&captured| captured == name);
                    let place = place.and_then(|place| u8::try_from(place).ok());
                    Capture { local: false, place: place.unwrap_or(u8::MAX) }
                }
            },
            None => return Ok(None),
        };
        for inner in holder + 1..=level {
            let Some(function) = self.functions.get_mut(inner) else { break };
            let place = u8::try_from(function.captures.len());
            let Ok(place) = place else { return self.error(&["function captures too many variables"]) };
            self.heap.budget.push(&mut function.captures, capture.word())?;
            self.heap.budget.push(&mut function.capture_names, name)?;
            capture = Capture { local: false, place };
        }
        Ok(Some(capture.place))
    }
}
