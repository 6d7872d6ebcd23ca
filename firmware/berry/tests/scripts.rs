//! The language, theme by theme: scripts that assert.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a test may fail, and has a PC's memory"
)]

use std::fs;
use std::path::Path;

use obkmq_berry::{Host, Limits, Narrow, Numbers, Scope, Vm, Wide};

struct Console;

impl<N: Numbers> Host<N> for Console {
    fn print(&mut self, line: &[u8]) {
        println!("{}", String::from_utf8_lossy(line));
    }
}

fn run<N: Numbers>(name: &str, source: &[u8], limits: Limits) {
    let mut vm = Vm::<N>::new(limits, 3);
    if let Err(error) = vm.run_source(&mut Console, name, source, Scope::Global) {
        panic!("{error}");
    }
    // The same as an imported module: its names are its own.
    let mut vm = Vm::<N>::new(limits, 4);
    if let Err(error) = vm.run_source(&mut Console, name, source, Scope::Local) {
        panic!("as a module: {error}");
    }
}

fn script(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(name)).unwrap()
}

macro_rules! scripts {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                let name = concat!(stringify!($name), ".be");
                let limits = Limits { calls: 60, ..Limits::PC };
                run::<Narrow>(name, &script(name), limits);
            }
        )*
    };
}

scripts! { classes, closures, collections, exceptions, numbers, texts, }

#[test]
fn the_wide_machine_runs_them_too() {
    for name in ["classes.be", "closures.be", "exceptions.be"] {
        run::<Wide>(name, &script(name), Limits { calls: 60, ..Limits::PC });
    }
}
