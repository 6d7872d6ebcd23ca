//! All scripts again, with a collection at every chance, and in heaps of every size.

use std::fs;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use crate::{ErrorKind, Limits, Narrow, Scope, Silent, Vm};

fn scripts() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut scripts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        scripts.push((name, fs::read(path).unwrap()));
    }
    assert!(scripts.len() > 5);
    scripts
}

#[test]
fn nothing_that_is_in_use_is_collected() {
    for (name, source) in scripts() {
        for scope in [Scope::Global, Scope::Local] {
            let mut vm = Vm::<Narrow>::new(Limits { calls: 60, ..Limits::PC }, 1);
            vm.collects_always = true;
            if let Err(error) = vm.run_source(&mut Silent, &name, &source, scope) {
                panic!("{error}");
            }
        }
    }
}

#[test]
fn a_heap_of_any_size_is_refused_in_order_and_balanced_afterwards() {
    for (name, source) in scripts() {
        let mut succeeded = 0;
        for heap_bytes in (0..120_000).step_by(1501) {
            let mut vm = Vm::<Narrow>::new(Limits { calls: 60, heap_bytes, ..Limits::PC }, 1);
            match vm.run_source(&mut Silent, &name, &source, Scope::Local) {
                Ok(_) => succeeded += 1,
                Err(error) => assert_eq!(error.kind, ErrorKind::Memory, "{heap_bytes}: {error}"),
            }
            assert!(vm.peak_bytes() <= heap_bytes);
            vm.forget_everything();
            assert_eq!(vm.used_bytes(), 0, "{name} with {heap_bytes}");
        }
        assert!(succeeded > 0, "{name}");
    }
}

#[test]
fn a_run_may_end_at_any_step() {
    for (name, source) in scripts() {
        for steps in (0..3000).step_by(37) {
            let mut vm = Vm::<Narrow>::new(Limits { calls: 60, steps, ..Limits::PC }, 1);
            let error = vm.run_source(&mut Silent, &name, &source, Scope::Local).err();
            assert!(error.is_none_or(|error| error.kind == ErrorKind::Steps), "{name} with {steps}");
            vm.forget_everything();
            assert_eq!(vm.used_bytes(), 0, "{name} with {steps}");
        }
    }
}
