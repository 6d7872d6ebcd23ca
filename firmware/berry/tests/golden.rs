//! Scripts and what the reference engine prints for them.
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

use obkmq_berry::{Host, Limits, Narrow, Numbers, Progress, Scope, Vm};

/// Lines that differ on purpose, by their start, and what stands there instead.
const DEVIATIONS: [(&str, &str); 4] = [
    // Maps keep the order of insertion.
    ("var m={} for k:['b','a','c'] m[k]=1", "{'b': 1, 'a': 1, 'c': 1}"),
    ("return {'z':1,'y':2,'x':3,'w':4}", "{'z': 1, 'y': 2, 'x': 3, 'w': 4}"),
    // Objects have places, no addresses.
    ("return / a b -> a+b", "<function: 0x"),
    // The reference's `list` has an inner member `.p`.
    ("import introspect return introspect.members(list)", "22"),
];

#[derive(Default)]
struct Console(Vec<String>);

impl<N: Numbers> Host<N> for Console {
    fn print(&mut self, line: &[u8]) {
        self.0.push(String::from_utf8_lossy(line).into_owned());
    }
}

/// What a script prints; the error at its end as well.
fn output(name: &str, source: &[u8]) -> String {
    let mut console = Console::default();
    let mut vm = Vm::<Narrow>::new(Limits::PC, 7);
    match vm.run_source(&mut console, name, source, Scope::Global) {
        Ok(Progress::Done(_)) => {}
        Ok(Progress::Suspended | Progress::Paused) => console.0.push("suspended".to_owned()),
        Err(error) => console.0.push(error.to_string()),
    }
    let mut text = console.0.join("\n");
    text.push('\n');
    text
}

#[test]
fn scripts_print_what_the_reference_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut differing = Vec::new();
    let mut lines = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "be") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
        let actual = output(&name, &fs::read(&path).unwrap());
        lines += expected.lines().count();
        for (number, pair) in pairs(&expected, &actual).enumerate() {
            let deviation = DEVIATIONS.iter().find(|(start, _)| pair.0.starts_with(start));
            let agrees = match deviation.and_then(|(_, ours)| Some((ours, pair.1.rsplit_once(" => ")?.1))) {
                Some((ours, shown)) => shown.starts_with(ours) && pair.0 != pair.1,
                None => pair.0 == pair.1,
            };
            if !agrees {
                differing.push(format!(
                    "{name}:{}\n  expected: {}\n  actual:   {}",
                    number + 1,
                    pair.0,
                    pair.1
                ));
            }
        }
    }
    assert!(lines > 100);
    assert!(differing.is_empty(), "{} of {lines} lines differ\n{}", differing.len(), differing.join("\n"));
}

fn pairs<'a>(expected: &'a str, actual: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let count = expected.lines().count().max(actual.lines().count());
    let mut left = expected.lines();
    let mut right = actual.lines();
    (0..count).map(move |_| (left.next().unwrap_or("(nothing)"), right.next().unwrap_or("(nothing)")))
}
