//! What a host does with a machine: callbacks, modules, waiting, and scripts that take too much.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    clippy::cast_possible_truncation,
    reason = "a test may fail, and has a PC's memory"
)]

use obkmq_berry::{
    Answer, Argument, Call, ErrorKind, Handle, Host, HostError, Limits, Narrow, Progress, Scope, Value, Vm,
};

/// A host with two functions: `every(f)` keeps a function, `wait()` suspends; and one module.
#[derive(Default)]
struct Board {
    printed: Vec<String>,
    kept: Vec<Handle>,
    module: &'static str,
}

impl Host<Narrow> for Board {
    fn print(&mut self, line: &[u8]) {
        self.printed.push(String::from_utf8_lossy(line).into_owned());
    }

    fn function(&self, name: &str) -> Option<u16> {
        ["every", "wait", "echo", "fail"].iter().position(|&known| known == name).map(|place| place as u16)
    }

    fn call(&mut self, function: u16, call: &mut Call<'_, Narrow>) -> Result<Answer, HostError> {
        match function {
            0 => {
                self.kept.push(call.function(0)?);
                Ok(Answer::Int(self.kept.len() as i64))
            }
            1 => Ok(Answer::Suspend),
            2 => Ok(Answer::Text(call.bytes(0)?.to_vec())),
            _ => Err(HostError::new("value_error", "it fails")),
        }
    }

    fn module(&mut self, name: &str) -> Option<Vec<u8>> {
        (name == "autoexec").then(|| self.module.as_bytes().to_vec())
    }
}

fn vm() -> Vm<Narrow> {
    Vm::new(Limits::CHIP, 5)
}

fn run(vm: &mut Vm<Narrow>, board: &mut Board, source: &str) -> Result<Progress<Narrow>, obkmq_berry::Error> {
    vm.run_source(board, "test.be", source.as_bytes(), Scope::Global)
}

fn error(source: &str) -> (ErrorKind, String) {
    let mut vm = vm();
    let mut board = Board::default();
    let error = run(&mut vm, &mut board, source).unwrap_err();
    // The machine stays usable whatever has happened.
    run(&mut vm, &mut board, "print('alive')").unwrap();
    assert_eq!(board.printed.last().unwrap(), "alive");
    (error.kind, error.to_string())
}

#[test]
fn a_boot_script_keeps_callbacks_in_the_variables_of_its_module() {
    let mut vm = vm();
    let mut board = Board {
        module: "var autoexec = module('autoexec')\n\
                 autoexec.init = def ()\n\
                   var count = 0\n\
                   every(def (topic, payload) count += 1 print(topic, payload, count, type(autoexec)) end)\n\
                 end\n\
                 return autoexec\n",
        ..Board::default()
    };
    vm.import(&mut board, "autoexec").unwrap();
    let callback = board.kept[0];
    for _ in 0..2 {
        let arguments = [Argument::Text(b"tele/lamp"), Argument::Text(b"ON")];
        vm.call(&mut board, callback, &arguments).unwrap();
        vm.collect();
    }
    assert_eq!(board.printed, ["tele/lamp ON 1 module", "tele/lamp ON 2 module"]);
    // Given back, and then forgotten, there is nothing left to call.
    vm.release(callback);
    assert!(vm.call(&mut board, callback, &[]).is_err());
}

#[test]
fn a_script_that_waits_goes_on_where_it_was() {
    let mut vm = vm();
    let mut board = Board::default();
    let progress =
        run(&mut vm, &mut board, "def f() var x = wait() print('after', x) return x end print(f() + 1)");
    assert!(matches!(progress.unwrap(), Progress::Suspended) && vm.is_suspended());
    assert_eq!(run(&mut vm, &mut board, "print(1)").unwrap_err().kind, ErrorKind::Busy);
    vm.collect();
    assert!(matches!(vm.resume(&mut board, Answer::Int(4)).unwrap(), Progress::Done(_)));
    assert_eq!(board.printed, ["after 4", "5"]);
    assert!(vm.resume(&mut board, Answer::Nil).is_err());
    // Within a native that waits for the script, nothing can wait.
    let error =
        run(&mut vm, &mut board, "class A def tostring() wait() return '' end end print(A())").unwrap_err();
    assert!(error.to_string().starts_with("runtime_error: a script cannot wait"), "{error}");
    assert!(!vm.is_suspended());
    // A run that is given up leaves a machine that works.
    run(&mut vm, &mut board, "wait() print('never')").unwrap();
    vm.abandon();
    run(&mut vm, &mut board, "print('alive')").unwrap();
    assert_eq!(board.printed.last().unwrap(), "alive");
}

#[test]
fn host_functions_take_binary_payloads_and_raise_exceptions() {
    let mut vm = vm();
    let mut board = Board::default();
    run(
        &mut vm,
        &mut board,
        "print(size(echo('a\\x00b')), echo(bytes('4142')))\n\
         try fail() except 'value_error' as e, m print(m) end\n\
         try echo(1) except 'type_error' as e, m print(m) end",
    )
    .unwrap();
    assert_eq!(board.printed, ["3 AB", "it fails", "argument 1 must be a string, not int"]);
}

#[test]
fn uncaught_errors_have_the_texts_and_the_traceback_of_the_reference() {
    let (kind, text) =
        error("def inner(a)\n  return a + 'x'\nend\ndef outer()\n  return inner(1)\nend\nouter()");
    assert_eq!(kind, ErrorKind::Exception);
    assert_eq!(
        text,
        "type_error: unsupported operand type(s) for +: 'int' and 'string'\n\
         stack traceback:\n\
         \ttest.be:2: in function `inner`\n\
         \ttest.be:5: in function `outer`\n\
         \ttest.be:7: in function `main`"
    );
    let (kind, text) = error("var x = 1\nvar = 2");
    assert_eq!(
        (kind, text.as_str()),
        (ErrorKind::Syntax, "syntax_error: test.be:2: expected 'ID' before '='")
    );
}

#[test]
fn a_syntax_error_says_where_it_is() {
    let mut vm = vm();
    let error = run(&mut vm, &mut Board::default(), "print(1)\n  var a = )").unwrap_err();
    assert_eq!(error.position, Some((2, 11)));
    let error = run(&mut vm, &mut Board::default(), "print(1)\n  var a = nobody + 1").unwrap_err();
    assert_eq!(error.position, Some((2, 11)));
    assert!(vm.check(&Board::default(), "good.be", b"print('never run')").is_ok());
}

#[test]
fn what_takes_too_much_is_ended_and_cannot_be_caught() {
    let endless = "while true end";
    let catching = "def f() while true end end\ntry f() except .. print('caught') end";
    for source in
        [endless, catching, "for i: (0..) end", "def f() while true try raise 1 except .. end end end f()"]
    {
        let (kind, text) = error(source);
        assert_eq!(kind, ErrorKind::Steps, "{text}");
        assert!(text.contains("stack traceback:"), "{text}");
    }
    for source in [
        "var l = [] while true l.push(l) end",
        "var s = 'x' while true s = s + s end",
        "var m = {} var i = 0 while true m[i] = i i += 1 end",
        "try var b = bytes() while true b.resize(size(b) * 2 + 1) end except .. print('caught') end",
        "[].resize(2000000000)",
        "bytes(-2000000000)",
        "class A var a, b end var l = [] while true l.push(A()) end",
        "var l = [] while true l.push(/-> l) end",
        "import string var all = [] while true all.push(string.split('a,b,c', ',')) end",
    ] {
        // What a global holds would stay: the heap would still be full.
        let source = format!("def f() {source} end f()");
        let (kind, text) = error(&source);
        assert_eq!(kind, ErrorKind::Memory, "{source}: {text}");
    }
}

#[test]
fn natives_pay_for_what_they_do() {
    let steps = |work: &str| {
        let mut vm = Vm::<Narrow>::new(Limits { heap_bytes: 1 << 20, ..Limits::CHIP }, 5);
        let source = format!("import string import json var s = 'x' for i: 1..13 s = s + s end {work}");
        run(&mut vm, &mut Board::default(), &source).unwrap();
        Limits::CHIP.steps - vm.steps_left()
    };
    let nothing = steps("");
    for work in [
        "string.toupper(s)",
        "string.replace(s, 'x', 'y')",
        "string.split(s, 'y')",
        "bytes().fromstring(s)",
        "s + s",
        "s == s .. ''",
        "json.dump(s)",
        "json.load('\"' + s + '\"')",
        "[].resize(8192)",
        "str([s])",
        "bytes(-8192).tohex()",
        "format('%s', s)",
    ] {
        assert!(steps(work) > nothing + 800, "{work}: {} after {nothing}", steps(work));
    }
}

#[test]
fn depth_is_bounded_everywhere() {
    let (kind, text) = error("def f() return f() + 1 end f()");
    assert!(kind == ErrorKind::Exception && text.starts_with("runtime_error: stack overflow"), "{text}");
    let (kind, text) = error("class A def tostring() return str(self) end end print(A())");
    assert!(kind == ErrorKind::Exception && text.starts_with("runtime_error: natives"), "{text}");
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("if 1 ", ""),
        ("def () ", ""),
        ("{1:", "}"),
        ("1+(", ")"),
        ("a.b(", ")"),
        ("1?", ""),
        ("class A def a() ", ""),
        ("/->", ""),
        ("1:=", ""),
        ("1..", ""),
        ("f'{", "}'"),
    ] {
        let source = format!("{}{}", open.repeat(300_000), close.repeat(300_000));
        let mut vm = Vm::<Narrow>::new(Limits { heap_bytes: 8 << 20, ..Limits::CHIP }, 5);
        let error = run(&mut vm, &mut Board::default(), &source).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Syntax, "{open}: {error}");
        run(&mut vm, &mut Board::default(), "print(1)").unwrap();
    }
    let mut board = Board::default();
    run(
        &mut Vm::new(Limits { heap_bytes: 100_000, ..Limits::CHIP }, 5),
        &mut board,
        "import json import string\n\
         var s = '' for i: 1..500 s = '[' + s + ']' end print(json.load(s), json.load('[[[]]]'))\n\
         var l = [] var m = {} for i: 1..100 l = [l] m = {1: m} end\n\
         print(size(str(l)) < 200, size(str(m)) < 400)\n\
         try json.dump(l) except 'value_error' print('too deep') end\n\
         var k = [] for i: 1..100 k = [k] end\n\
         try print(l == k) except 'runtime_error' print('too deep') end\n\
         l = [] l.push(l) try json.dump(l) except 'value_error' print(l) end",
    )
    .unwrap();
    // Levels count on where a native waits for a script that writes again.
    let mut deep = Board::default();
    run(
        &mut vm(),
        &mut deep,
        "def nest(x, n) for i: 1..n x = [x] end return x end\n\
         class A def tostring() return str(nest([], 20)) end end\n\
         print(size(str(nest([], 20))), size(str(nest(A(), 20))))",
    )
    .unwrap();
    assert_eq!(deep.printed, ["42 69"]);
    assert_eq!(board.printed, ["nil [[[]]]", "true true", "too deep", "too deep", "[[...]]"]);
}

#[test]
fn garbage_is_collected_and_what_is_kept_is_not() {
    let mut vm = vm();
    let mut board = Board::default();
    run(&mut vm, &mut board, "kept = {'a': [1, 2]} every(def (x) return [x, kept['a'][1]] end)").unwrap();
    vm.collect();
    let callback = board.kept[0];
    let used = vm.used_bytes();
    for round in 0..2000 {
        let Progress::Done(Value::List(_)) = vm.call(&mut board, callback, &[Argument::Int(round)]).unwrap()
        else {
            panic!("not a list");
        };
    }
    vm.collect();
    assert!(vm.used_bytes() <= used + 256, "{} after {used}", vm.used_bytes());
    assert!(vm.peak_bytes() < 8000, "{}", vm.peak_bytes());
}

#[test]
fn a_long_run_pauses_after_each_slice_and_goes_on_where_it_was() {
    let limits = Limits { slice: 100, steps: 10_000, ..Limits::CHIP };
    let source = "var s = 0 for i: 1..300 s += i end print(s)\n\
                  class A def tostring() var n = 0 while n < 200 n += 1 end return 'A' .. n end end print(A())\n\
                  try raise 'a', 'b' except 'a' as e, m print(e, m) end";
    let mut board = Board::default();
    let mut vm = Vm::<Narrow>::new(limits, 5);
    let mut progress = run(&mut vm, &mut board, source);
    let mut pauses = 0;
    while let Ok(Progress::Paused) = progress {
        pauses += 1;
        assert_eq!(run(&mut vm, &mut board, "print(1)").unwrap_err().kind, ErrorKind::Busy);
        assert!(vm.resume(&mut board, Answer::Nil).is_err());
        vm.collect();
        progress = vm.proceed(&mut board);
    }
    progress.unwrap();
    assert_eq!(board.printed, ["45150", "A200", "a b"]);
    assert!((10..60).contains(&pauses), "{pauses}");
    assert!(vm.proceed(&mut board).is_err());
    // Slices cost nothing, and are no way around the limit of steps.
    let mut whole = Vm::<Narrow>::new(Limits { slice: u32::MAX, ..limits }, 5);
    run(&mut whole, &mut Board::default(), source).unwrap();
    assert!(whole.steps_left().abs_diff(vm.steps_left()) < 200, "{} {}", whole.steps_left(), vm.steps_left());
    let mut progress = run(&mut vm, &mut board, "def f() while true end end\n\nf()");
    let mut slices = 1;
    while let Ok(Progress::Paused) = progress {
        slices += 1;
        progress = vm.proceed(&mut board);
    }
    let error = progress.unwrap_err();
    assert_eq!((error.kind, slices), (ErrorKind::Steps, 100));
    assert!(error.to_string().contains("test.be:1: in function `f`"), "{error}");
    // A native takes what it needs from the slices to come.
    let mut vm = Vm::<Narrow>::new(Limits { slice: 10, ..limits }, 5);
    let mut progress = run(&mut vm, &mut board, "[].resize(1000)");
    while let Ok(Progress::Paused) = progress {
        progress = vm.proceed(&mut board);
    }
    progress.unwrap();
    assert!((9_800..9_900).contains(&vm.steps_left()), "{}", vm.steps_left());
    run(&mut vm, &mut board, "while true end").unwrap();
    vm.abandon();
    run(&mut vm, &mut board, "print('alive')").unwrap();
    assert_eq!(board.printed.last().unwrap(), "alive");
}
