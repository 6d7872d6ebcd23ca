//! The words and signs of the language.

macro_rules! symbols {
    ($($name:ident $text:literal,)*) => {
        /// A keyword or an operator. Of the size that all tokens hold, so that they travel in registers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub(crate) enum Symbol {
            $($name,)*
        }

        const ALL: &[Symbol] = &[$(Symbol::$name,)*];
        const TEXTS: &[&str] = &[$($text,)*];
    };
}

// The keywords come first.
symbols! {
    If "if", Elif "elif", Else "else", While "while", For "for", Def "def", End "end", Class "class",
    Break "break", Continue "continue", Return "return", True "true", False "false", Nil "nil", Var "var",
    Do "do", Import "import", As "as", Try "try", Except "except", Raise "raise", Static "static",
    Assign "=", AddAssign "+=", SubAssign "-=", MulAssign "*=", DivAssign "/=", ModAssign "%=",
    AndAssign "&=", OrAssign "|=", XorAssign "^=", ShlAssign "<<=", ShrAssign ">>=", ConnectAssign "..=",
    Add "+", Sub "-", Mul "*", Div "/", Mod "%", Less "<", LessEqual "<=", Equal "==", NotEqual "!=",
    Greater ">", GreaterEqual ">=", BitAnd "&", BitOr "|", BitXor "^", Shl "<<", Shr ">>", Connect "..",
    And "&&", Or "||", Not "!", Flip "~", LeftParen "(", RightParen ")", LeftBracket "[", RightBracket "]",
    LeftBrace "{", RightBrace "}", Dot ".", Comma ",", Semicolon ";", Colon ":", Question "?", Arrow "->",
    Walrus ":=",
}

impl Symbol {
    pub(crate) const OPERATORS: &'static [Symbol] = ALL.split_at(Symbol::Assign as usize).1;

    pub(crate) fn text(self) -> &'static str {
        TEXTS.get(self as usize).copied().unwrap_or_default()
    }

    /// The keyword that a word is.
    pub(crate) fn keyword(word: &[u8]) -> Option<Symbol> {
        ALL.iter().copied().take(Symbol::Assign as usize).find(|symbol| symbol.text().as_bytes() == word)
    }

    /// The operator in a compound assignment.
    pub(crate) const fn assigned_operator(self) -> Option<Symbol> {
        Some(match self {
            Symbol::AddAssign => Symbol::Add,
            Symbol::SubAssign => Symbol::Sub,
            Symbol::MulAssign => Symbol::Mul,
            Symbol::DivAssign => Symbol::Div,
            Symbol::ModAssign => Symbol::Mod,
            Symbol::AndAssign => Symbol::BitAnd,
            Symbol::OrAssign => Symbol::BitOr,
            Symbol::XorAssign => Symbol::BitXor,
            Symbol::ShlAssign => Symbol::Shl,
            Symbol::ShrAssign => Symbol::Shr,
            Symbol::ConnectAssign => Symbol::Connect,
            _ => return None,
        })
    }
}
