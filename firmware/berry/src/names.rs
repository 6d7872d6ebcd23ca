//! The texts that the machine itself knows: they take no memory, and comparing them is comparing places.

use crate::slab::{Key as _, StrId};

/// Places from here on are texts of this file.
const FIRST: u32 = 1 << 31;

macro_rules! names {
    ($($name:ident = $text:literal,)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "numbers the constants")]
        enum Place {
            $($name,)*
        }

        $(
            #[doc = concat!("`", $text, "`")]
            #[allow(dead_code, reason = "some are only looked up by their text")]
            pub(crate) const $name: StrId = StrId::fixed(Place::$name as u32);
        )*

        const TEXTS: &[&str] = &[$($text,)*];
    };
}

impl StrId {
    const fn fixed(place: u32) -> StrId {
        StrId::at(FIRST | place)
    }

    /// The text, if it is one of this file.
    #[inline]
    pub(crate) fn text(self) -> Option<&'static str> {
        if self.index() < FIRST {
            return None;
        }
        TEXTS.get((self.index() & !FIRST) as usize).copied()
    }

    /// Whether it is a text of this file.
    #[inline]
    pub(crate) fn is_fixed(self) -> bool {
        self.index() >= FIRST
    }
}

/// The place of a text of this file.
#[expect(clippy::cast_possible_truncation, reason = "there are few")]
pub(crate) fn find(text: &[u8]) -> Option<StrId> {
    TEXTS.binary_search_by(|name| name.as_bytes().cmp(text)).ok().map(|place| StrId::fixed(place as u32))
}

// In the order of their bytes.
names! {
    EMPTY = "",
    NOT_EQUAL = "!=",
    PERCENT = "%",
    AMPERSAND = "&",
    CALL_OPERATOR = "()",
    STAR = "*",
    PLUS = "+",
    MINUS = "-",
    NEGATE = "-*",
    DOTS = "..",
    SLASH = "/",
    LESS = "<",
    SHIFT_LEFT = "<<",
    LESS_EQUAL = "<=",
    EQUAL = "==",
    GREATER = ">",
    GREATER_EQUAL = ">=",
    SHIFT_RIGHT = ">>",
    CARET = "^",
    ITERATOR = "__iterator__",
    ANONYMOUS = "_anonymous_",
    CLASS_VARIABLE = "_class",
    ABS = "abs",
    ACOS = "acos",
    ADD = "add",
    ADDFLOAT = "addfloat",
    ALLOCATED = "allocated",
    ALLOCS = "allocs",
    APPENDB64 = "appendb64",
    APPENDHEX = "appendhex",
    ASIN = "asin",
    ASSERT = "assert",
    ASSERT_FAILED = "assert_failed",
    ASSTRING = "asstring",
    ATAN = "atan",
    ATAN2 = "atan2",
    ATTRDUMP = "attrdump",
    ATTRIBUTE_ERROR = "attribute_error",
    AUTOEXEC = "autoexec",
    BOOL = "bool",
    BYTE = "byte",
    BYTES = "bytes",
    CALL = "call",
    CALLDEPTH = "calldepth",
    CEIL = "ceil",
    CHAR = "char",
    CLASS = "class",
    CLASSNAME = "classname",
    CLASSOF = "classof",
    CLEAR = "clear",
    CODEDUMP = "codedump",
    COLLECT = "collect",
    COMPILE = "compile",
    CONCAT = "concat",
    CONTAINS = "contains",
    COPY = "copy",
    COS = "cos",
    COSH = "cosh",
    COUNT = "count",
    COUNTERS = "counters",
    DEBUG = "debug",
    DEG = "deg",
    DIVZERO_ERROR = "divzero_error",
    DUMP = "dump",
    ENDSWITH = "endswith",
    ESCAPE = "escape",
    EXP = "exp",
    FALSE = "false",
    FILE = "file",
    FIND = "find",
    FLOOR = "floor",
    FORMAT = "format",
    FROMB64 = "fromb64",
    FROMHEX = "fromhex",
    FROMSTRING = "fromstring",
    FUNCTION = "function",
    GC = "gc",
    GCDEBUG = "gcdebug",
    GET = "get",
    GETBITS = "getbits",
    GETFLOAT = "getfloat",
    GETI = "geti",
    GLOBAL = "global",
    HEX = "hex",
    IMAX = "imax",
    IMIN = "imin",
    INCR = "incr",
    INDEX_ERROR = "index_error",
    INF = "inf",
    INIT = "init",
    INPUT = "input",
    INSERT = "insert",
    INSTANCE = "instance",
    INT = "int",
    INTROSPECT = "introspect",
    IO_ERROR = "io_error",
    ISINF = "isinf",
    ISINSTANCE = "isinstance",
    ISMAPPED = "ismapped",
    ISMETHOD = "ismethod",
    ISNAN = "isnan",
    ISREADONLY = "isreadonly",
    ISSUBCLASS = "issubclass",
    ITEM = "item",
    ITER = "iter",
    JSON = "json",
    KEY_ERROR = "key_error",
    KEYS = "keys",
    LENGTH = "length",
    LIST = "list",
    LOAD = "load",
    LOG = "log",
    LOG10 = "log10",
    LOWER = "lower",
    MAIN = "main",
    MAP = "map",
    MATH = "math",
    MAX = "max",
    MEMBER = "member",
    MEMBERS = "members",
    MIN = "min",
    MODULE = "module",
    NAME = "name",
    NAN = "nan",
    NIL = "nil",
    NUMBER = "number",
    PATH = "path",
    PAYLOAD = "payload",
    PI = "pi",
    POP = "pop",
    POW = "pow",
    PRINT = "print",
    PUSH = "push",
    RAD = "rad",
    RAND = "rand",
    RANGE = "range",
    REAL = "real",
    REMOVE = "remove",
    REPLACE = "replace",
    RESIZE = "resize",
    REVERSE = "reverse",
    ROUND = "round",
    RUNTIME_ERROR = "runtime_error",
    SELF = "self",
    SET = "set",
    SETBITS = "setbits",
    SETBYTES = "setbytes",
    SETFLOAT = "setfloat",
    SETI = "seti",
    SETITEM = "setitem",
    SETMEMBER = "setmember",
    SETMODULE = "setmodule",
    SETRANGE = "setrange",
    SIN = "sin",
    SINH = "sinh",
    SIZE = "size",
    SPLIT = "split",
    SQRT = "sqrt",
    SRAND = "srand",
    STARTSWITH = "startswith",
    STOP_ITERATION = "stop_iteration",
    STR = "str",
    STRICT = "strict",
    STRING = "string",
    SUPER = "super",
    SYNTAX_ERROR = "syntax_error",
    SYS = "sys",
    TAN = "tan",
    TANH = "tanh",
    TOB64 = "tob64",
    TOBOOL = "tobool",
    TOHEX = "tohex",
    TOLOWER = "tolower",
    TOPIC = "topic",
    TOSTRING = "tostring",
    TOUPPER = "toupper",
    TR = "tr",
    TRACEBACK = "traceback",
    TRUE = "true",
    TYPE = "type",
    TYPE_ERROR = "type_error",
    UNDEF = "undef",
    UNDEFINED = "undefined",
    UPPER = "upper",
    VALUE = "value",
    VALUE_ERROR = "value_error",
    PIPE = "|",
    TILDE = "~",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_in_order_and_are_found() {
        assert!(TEXTS.is_sorted());
        for text in TEXTS {
            assert_eq!(find(text.as_bytes()).and_then(StrId::text), Some(*text));
        }
        assert_eq!(find(b"no such name"), None);
    }
}
