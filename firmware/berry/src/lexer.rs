//! From bytes to tokens.
//!
//! An f-string becomes the call of `format` that it stands for: its text is put in front of what is still to be read.

use alloc::vec::Vec;

use crate::heap::Heap;
use crate::numbers::{Integer as _, Numbers, Real as _};
use crate::raised::{Raised, Reason};
use crate::slab::StrId;
use crate::token::Symbol;

/// F-strings within f-strings.
const MAX_PIECES: usize = 4;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Token<N: Numbers> {
    End,
    Name(StrId),
    Str(StrId),
    Int(N::Int),
    Real(N::Real),
    Symbol(Symbol),
}

type Result<T> = core::result::Result<T, Raised>;

#[derive(Debug)]
struct Piece {
    text: Vec<u8>,
    at: usize,
}

#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    pieces: Vec<Piece>,
    /// The line that is being read, from 1.
    pub(crate) line: u32,
    /// Where the token that was read last starts in the source.
    pub(crate) token_start: usize,
    pub(crate) token_line: u32,
    /// What is wrong with the source, if [`Lexer::is_wrong`].
    pub(crate) message: Vec<u8>,
    pub(crate) is_wrong: bool,
    buffer: Vec<u8>,
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn is_name_byte(byte: u8) -> bool {
    is_letter(byte) || byte.is_ascii_digit()
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a [u8]) -> Self {
        let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
        Lexer {
            source,
            at: 0,
            pieces: Vec::new(),
            line: 1,
            token_start: 0,
            token_line: 1,
            message: Vec::new(),
            is_wrong: false,
            buffer: Vec::new(),
        }
    }

    /// Gives back what it has taken from the heap.
    pub(crate) fn finish<N: Numbers>(&mut self, heap: &mut Heap<N>) {
        heap.budget.release(core::mem::take(&mut self.buffer));
        for piece in self.pieces.drain(..) {
            heap.budget.release(piece.text);
        }
        heap.budget.release(core::mem::take(&mut self.pieces));
    }

    pub(crate) fn source(&self) -> &'a [u8] {
        self.source
    }

    fn peek_at(&self, distance: usize) -> Option<u8> {
        match self.pieces.last() {
            Some(piece) => piece.text.get(piece.at + distance).copied(),
            None => self.source.get(self.at + distance).copied(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    fn skip(&mut self) {
        match self.pieces.last_mut() {
            Some(piece) => piece.at += 1,
            None => {
                if self.source.get(self.at) == Some(&b'\n') {
                    self.line = self.line.saturating_add(1);
                }
                self.at += 1;
            }
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip();
        }
        found
    }

    fn error<T>(&mut self, message: &str) -> Result<T> {
        self.message.clear();
        crate::memory::append_bounded(&mut self.message, message.as_bytes(), 200);
        self.token_line = self.line;
        self.wrong()
    }

    /// What is wrong with the source has been written to [`Lexer::message`].
    pub(crate) fn wrong<T>(&mut self) -> Result<T> {
        self.is_wrong = true;
        Err(Raised)
    }

    fn save<N: Numbers>(&mut self, heap: &mut Heap<N>, byte: u8) -> Result<()> {
        heap.budget.push(&mut self.buffer, byte)
    }

    /// Blanks and comments.
    fn skip_blank(&mut self) -> Result<()> {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => self.skip(),
                b'#' => {
                    self.skip();
                    if self.accept(b'-') {
                        loop {
                            match self.peek() {
                                Some(b'-') if self.peek_at(1) == Some(b'#') => {
                                    self.skip();
                                    self.skip();
                                    break;
                                }
                                Some(_) => self.skip(),
                                None => return self.error("unterminated comment block"),
                            }
                        }
                    } else {
                        while self.peek().is_some_and(|byte| byte != b'\n') {
                            self.skip();
                        }
                    }
                }
                _ => break,
            }
        }
        Ok(())
    }

    pub(crate) fn next<N: Numbers>(&mut self, heap: &mut Heap<N>) -> Result<Token<N>> {
        loop {
            self.skip_blank()?;
            if self.pieces.is_empty() {
                self.token_start = self.at;
                self.token_line = self.line;
            }
            let Some(byte) = self.peek() else {
                let Some(piece) = self.pieces.pop() else { return Ok(Token::End) };
                heap.budget.release(piece.text);
                continue;
            };
            return match byte {
                b'f' if matches!(self.peek_at(1), Some(b'"' | b'\'')) => {
                    self.skip();
                    self.f_string(heap)?;
                    continue;
                }
                b'"' | b'\'' => self.string(heap),
                b'0'..=b'9' => self.number(heap),
                b'.' if self.peek_at(1).is_some_and(|next| next.is_ascii_digit()) => self.number(heap),
                byte if is_letter(byte) => self.word(heap),
                byte => self.symbol(byte),
            };
        }
    }

    fn word<N: Numbers>(&mut self, heap: &mut Heap<N>) -> Result<Token<N>> {
        let mut length = 0;
        while self.peek_at(length).is_some_and(is_name_byte) {
            length += 1;
        }
        let word = match self.pieces.last() {
            Some(piece) => piece.text.get(piece.at..piece.at + length),
            None => self.source.get(self.at..self.at + length),
        }
        .unwrap_or_default();
        let token = match Symbol::keyword(word) {
            Some(keyword) => Token::Symbol(keyword),
            None => Token::Name(heap.intern(word)?),
        };
        (0..length).for_each(|_| self.skip());
        Ok(token)
    }

    /// The longest operator that is next.
    fn symbol<N: Numbers>(&mut self, byte: u8) -> Result<Token<N>> {
        let mut longest = None;
        let mut length = 0;
        for &symbol in Symbol::OPERATORS {
            let text = symbol.text().as_bytes();
            let mut next = text.iter().enumerate();
            if text.len() > length && next.all(|(at, &byte)| self.peek_at(at) == Some(byte)) {
                (longest, length) = (Some(symbol), text.len());
            }
        }
        let Some(symbol) = longest else {
            self.skip();
            self.error::<()>("stray '").ok();
            let shown: &[u8] = if byte.is_ascii_graphic() { &[byte] } else { b"\\" };
            crate::memory::append_bounded(&mut self.message, shown, 200);
            crate::memory::append_bounded(&mut self.message, b"' in program", 200);
            return self.wrong();
        };
        (0..length).for_each(|_| self.skip());
        Ok(Token::Symbol(symbol))
    }

    fn number<N: Numbers>(&mut self, heap: &mut Heap<N>) -> Result<Token<N>> {
        self.buffer.clear();
        if self.peek() == Some(b'0') && matches!(self.peek_at(1), Some(b'x' | b'X')) {
            self.skip();
            self.skip();
            let mut value = 0_i64;
            let mut digits = 0;
            while let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                value = value.wrapping_shl(4) | i64::from(digit);
                digits += 1;
                self.skip();
            }
            if digits == 0 || self.peek().is_some_and(is_name_byte) {
                return self.error("malformed number");
            }
            return Ok(Token::Int(N::Int::wrap(value)));
        }
        let mut real = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'0'..=b'9' => {}
                b'.' if !real && self.peek_at(1) != Some(b'.') => real = true,
                _ => break,
            }
            self.save(heap, byte)?;
            self.skip();
        }
        if let Some(exponent @ (b'e' | b'E')) = self.peek() {
            real = true;
            self.save(heap, exponent)?;
            self.skip();
            if let Some(sign @ (b'+' | b'-')) = self.peek() {
                self.save(heap, sign)?;
                self.skip();
            }
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return self.error("malformed number");
            }
            while let Some(digit @ b'0'..=b'9') = self.peek() {
                self.save(heap, digit)?;
                self.skip();
            }
        }
        if self.peek().is_some_and(is_name_byte) {
            return self.error("malformed number");
        }
        if !real {
            let value = self.buffer.iter().fold(0_i64, |value, &digit| {
                value.wrapping_mul(10).wrapping_add(i64::from(digit) - i64::from(b'0'))
            });
            return Ok(Token::Int(N::Int::wrap(value)));
        }
        match N::Real::parse(&self.buffer) {
            Some(value) => Ok(Token::Real(value)),
            None => self.error("malformed number"),
        }
    }

    /// One or more literals in a row.
    fn string<N: Numbers>(&mut self, heap: &mut Heap<N>) -> Result<Token<N>> {
        self.buffer.clear();
        loop {
            self.literal(heap)?;
            self.skip_blank()?;
            if !matches!(self.peek(), Some(b'"' | b'\'')) {
                break;
            }
        }
        Ok(Token::Str(heap.intern(&self.buffer)?))
    }

    /// Appends one literal to the buffer.
    fn literal<N: Numbers>(&mut self, heap: &mut Heap<N>) -> Result<()> {
        let delimiter = self.peek();
        self.skip();
        loop {
            let Some(byte) = self.peek() else { return self.error("unfinished string") };
            self.skip();
            if Some(byte) == delimiter {
                return Ok(());
            }
            match byte {
                b'\\' => self.escape(heap)?,
                b'\n' | b'\r' => return self.error("unfinished string"),
                plain => self.save(heap, plain)?,
            }
        }
    }

    fn escape<N: Numbers>(&mut self, heap: &mut Heap<N>) -> Result<()> {
        let Some(byte) = self.peek() else { return self.error("unfinished string") };
        self.skip();
        let plain = match byte {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'x' => self.digits(16, 2)?.to_le_bytes()[0],
            b'u' => {
                let code = self.digits(16, 4)?;
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                let mut utf8 = [0; 4];
                for &byte in character.encode_utf8(&mut utf8).as_bytes() {
                    self.save(heap, byte)?;
                }
                return Ok(());
            }
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek() else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    self.skip();
                }
                value.to_le_bytes()[0]
            }
            other => other,
        };
        self.save(heap, plain)
    }

    fn digits(&mut self, radix: u32, count: usize) -> Result<u32> {
        let mut value = 0;
        for _ in 0..count {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(radix)) else {
                return self.error("incorrect '\\x' number");
            };
            value = value * radix + digit;
            self.skip();
        }
        Ok(value)
    }

    /// Replaces an f-string by a call of `format`.
    fn f_string<N: Numbers>(&mut self, heap: &mut Heap<N>) -> Result<()> {
        if self.pieces.len() >= MAX_PIECES {
            return self.error("f-strings nested too deeply");
        }
        self.buffer.clear();
        self.literal(heap)?;
        let body = core::mem::take(&mut self.buffer);
        let mut text = Vec::new();
        heap.budget.forget_reason();
        let outcome = expand(heap, &body, &mut text);
        heap.budget.release(body);
        if outcome.and_then(|()| heap.budget.reserve(&mut self.pieces, 1)).is_err() {
            heap.budget.release(text);
            if heap.budget.reason() == Reason::Internal {
                return self.error("invalid f-string");
            }
            return Err(Raised);
        }
        heap.budget.push(&mut self.pieces, Piece { text, at: 0 })
    }
}

/// Writes `format("…", expressions…)` for the body of an f-string.
fn expand<N: Numbers>(heap: &mut Heap<N>, body: &[u8], text: &mut Vec<u8>) -> Result<()> {
    heap.budget.extend(text, b"format(\"")?;
    // First the format itself, then the expressions in a second walk.
    each_part(body, &mut |part| {
        let (literal, suffix): (&[u8], &[u8]) = match part {
            Part::Literal(b'%') => (b"%%", b""),
            Part::Literal(byte) => return write_literal(heap, text, byte),
            Part::Expression { source, echoed, format } => {
                if echoed {
                    source.iter().try_for_each(|&byte| write_literal(heap, text, byte))?;
                    heap.budget.extend(text, b"=")?;
                }
                if format.is_empty() { (b"%s", b"") } else { (b"", format) }
            }
        };
        heap.budget.extend(text, literal)?;
        if !suffix.is_empty() && !suffix.starts_with(b"%") {
            heap.budget.extend(text, b"%")?;
        }
        suffix.iter().try_for_each(|&byte| write_literal(heap, text, byte))
    })?;
    heap.budget.extend(text, b"\"")?;
    each_part(body, &mut |part| {
        if let Part::Expression { source, .. } = part {
            heap.budget.extend(text, b",(")?;
            heap.budget.extend(text, source)?;
            heap.budget.extend(text, b")")?;
        }
        Ok(())
    })?;
    heap.budget.extend(text, b")")
}

fn write_literal<N: Numbers>(heap: &mut Heap<N>, text: &mut Vec<u8>, byte: u8) -> Result<()> {
    let byte = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        plain => return heap.budget.push(text, plain),
    };
    heap.budget.extend(text, &[b'\\', byte])
}

enum Part<'a> {
    Literal(u8),
    Expression { source: &'a [u8], echoed: bool, format: &'a [u8] },
}

/// Fails by itself where the body is none of an f-string.
fn each_part(body: &[u8], take: &mut dyn FnMut(Part<'_>) -> Result<()>) -> Result<()> {
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'{' | b'}' if body.get(at) == Some(&byte) => {
                at += 1;
                take(Part::Literal(byte))?;
            }
            b'{' => {
                let rest = body.get(at..).unwrap_or_default();
                let (length, colon) = expression_end(rest).ok_or(Raised)?;
                let source = rest.get(..colon.unwrap_or(length)).unwrap_or_default();
                let format = colon.and_then(|colon| rest.get(colon + 1..length)).unwrap_or_default();
                let trimmed = source.trim_ascii_end();
                let echoed = trimmed.strip_suffix(b"=").filter(|rest| !rest.ends_with(b"="));
                let source = echoed.unwrap_or(source);
                if source.trim_ascii().is_empty() {
                    return Err(Raised);
                }
                take(Part::Expression { source, echoed: echoed.is_some(), format })?;
                at += length + 1;
            }
            byte => take(Part::Literal(byte))?,
        }
    }
    Ok(())
}

/// Where the closing brace of an expression stands, and the colon before its format.
fn expression_end(text: &[u8]) -> Option<(usize, Option<usize>)> {
    let mut depth = 0_usize;
    let mut colon = None;
    let mut questions = 0_usize;
    let mut quote = None;
    let mut skip = false;
    for (at, &byte) in text.iter().enumerate() {
        if skip {
            skip = false;
            continue;
        }
        if let Some(open) = quote {
            match byte {
                b'\\' => skip = true,
                _ if byte == open => quote = None,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' | b'\'' if colon.is_none() => quote = Some(byte),
            b'(' | b'[' | b'{' => depth += 1,
            b'}' if depth == 0 => return Some((at, colon)),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'?' if depth == 0 => questions += 1,
            b':' if depth == 0 && colon.is_none() && text.get(at + 1) != Some(&b'=') => {
                match questions.checked_sub(1) {
                    Some(fewer) => questions = fewer,
                    None => colon = Some(at),
                }
            }
            _ => {}
        }
    }
    None
}
