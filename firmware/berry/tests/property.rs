//! Random programs with random budgets: they end, and the machine works on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test may fail, and has a PC's memory"
)]

use obkmq_berry::{Limits, Narrow, Progress, Scope, Silent, Vm};
use proptest::prelude::*;

/// Pieces that make sense next to each other now and then.
const PIECES: [&str; 92] = [
    "var a = ",
    "var b = ",
    "a",
    "b",
    "c",
    "self",
    "x",
    "1",
    "2",
    "-1",
    "0.5",
    "'s'",
    "\"t\"",
    "nil",
    "true",
    "false",
    "+",
    "-",
    "*",
    "/",
    "%",
    "..",
    "<",
    "==",
    "!=",
    "&&",
    "||",
    "!",
    "~",
    "<<",
    ">>",
    "&",
    "|",
    "^",
    "?",
    ":",
    ":=",
    "=",
    "+=",
    "..=",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ";",
    "if ",
    "elif ",
    "else ",
    "while ",
    "for x:",
    "def f(x) ",
    "def (a, *b) ",
    "f(",
    "end ",
    "end ",
    "end ",
    "return ",
    "break ",
    "continue ",
    "try ",
    "except .. as e, m ",
    "except 'a' ",
    "raise ",
    "class A : list ",
    "class B var v def init(x) self.v = x end ",
    "static c = ",
    "super(self)",
    ".init(",
    "A()",
    "B(1)",
    "import string ",
    "import json ",
    "import math ",
    "json.dump(",
    "json.load(",
    "string.split(",
    "str(",
    "size(",
    "print(",
    "bytes('0102')",
    ".push(",
    ".item(",
    "/ x -> ",
    "f'{a:%d} {b=}'",
    "range(1, 9, 2)",
    "call(",
    "do ",
    "1..3",
];

fn program() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES.as_slice());
    let loose = prop::collection::vec(piece, 1..60).prop_map(|pieces| pieces.join(" "));
    // Whole statements, so that more gets past the compiler.
    let statement = prop::sample::select(vec![
        "a = [a, b] ",
        "b = {1: a, 's': b} ",
        "a = str(b) ",
        "for x: 1..9 b = [x, b] end ",
        "f = def (x) return [x, a] end ",
        "try a = f(b) except .. as e, m b = m end ",
        "class A var v def init(x) self.v = x end def tostring() return 'A' + str(self.v) end end ",
        "a = A(b) ",
        "while size(str(a)) < 400 a = [a, a] end ",
        "a = json.load(json.dump(b)) ",
        "a = b .. a ",
        "b = [b] ",
        "a = f'{a}' ",
        "b.push(b) ",
        "a[0] = b ",
        "a = a[0] ",
        "keep = [a, b, f] ",
        "a = call(f, [1, b]) ",
        "a = bytes('0102') + bytes('03') ",
    ]);
    let statements = prop::collection::vec(statement, 1..40).prop_map(|statements| {
        format!("import json a = 1 b = 2 f = nil A = nil keep = nil {}", statements.concat())
    });
    prop_oneof![loose, statements]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_random_program_ends_and_leaves_the_machine_usable(
        source in program(),
        heap_bytes in 0..20_000_usize,
        steps in 0..20_000_u32,
        slice in prop_oneof![1..300_u32, Just(u32::MAX)],
        nesting in 4..20_u16,
        calls in 1..30_u16,
        reentry in 0..4_u8,
    ) {
        let limits = Limits { heap_bytes, steps, slice, nesting, calls, reentry };
        let mut vm = Vm::<Narrow>::new(limits, 9);
        let mut progress = vm.run_source(&mut Silent, "random.be", source.as_bytes(), Scope::Local);
        while let Ok(Progress::Paused) = progress {
            progress = vm.proceed(&mut Silent);
        }
        prop_assert!(vm.peak_bytes() <= heap_bytes);
        prop_assert!(!vm.is_suspended());
        vm.collect();
        // A module's names are gone with it; only what a class or a global holds by name may be left.
        if heap_bytes > 8000 && steps > 1000 {
            let ran = vm.run_source(&mut Silent, "again.be", b"return 1 + 1", Scope::Local);
            prop_assert!(ran.is_ok(), "{:?} after {}", ran, source);
        }
    }
}
