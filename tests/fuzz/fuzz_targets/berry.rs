//! Scripts: any source within any budget ends, in a machine that works on afterwards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_berry::{
    Answer, Call, Handle, Host, HostError, Limits, Narrow, Numbers, Progress, Scope, Vm, Wide,
};

/// A host with something of everything.
#[derive(Default)]
struct Fuzzed {
    kept: Vec<Handle>,
    source: Vec<u8>,
    waits: u8,
}

impl<N: Numbers> Host<N> for Fuzzed {
    fn print(&mut self, line: &[u8]) {
        assert!(line.len() < 1 << 20);
    }

    fn function(&self, name: &str) -> Option<u16> {
        match name {
            "keep" => Some(0),
            "wait" => Some(1),
            "echo" => Some(2),
            "fail" => Some(3),
            _ => None,
        }
    }

    fn call(&mut self, function: u16, call: &mut Call<'_, N>) -> Result<Answer, HostError> {
        match function {
            0 if self.kept.len() < 4 => {
                self.kept.push(call.function(0)?);
                Ok(Answer::Int(1))
            }
            1 => {
                self.waits += 1;
                Ok(if self.waits > 8 { Answer::Nil } else { Answer::Suspend })
            }
            2 => Ok(Answer::List(vec![Answer::Text(call.shown(0)?), Answer::Real(0.5)])),
            _ => Err(HostError::new("value_error", "it fails")),
        }
    }

    fn module(&mut self, name: &str) -> Option<Vec<u8>> {
        (name.len() < 3).then(|| self.source.clone())
    }
}

fn drive<N: Numbers>(limits: Limits, source: &[u8], scope: Scope) {
    let mut vm = Vm::<N>::new(limits, 11);
    let mut host = Fuzzed { source: source.to_vec(), ..Fuzzed::default() };
    let mut progress = vm.run_source(&mut host, "fuzz.be", source, scope);
    let mut turns = 0;
    loop {
        loop {
            progress = match progress {
                Ok(Progress::Suspended) => vm.resume(&mut host, Answer::Text(b"go on".to_vec())),
                Ok(Progress::Paused) => vm.proceed(&mut host),
                _ => break,
            };
        }
        assert!(vm.used_bytes() <= vm.peak_bytes() && vm.peak_bytes() <= limits.heap_bytes);
        let Some(&callback) = host.kept.get(turns) else { break };
        progress = vm.call(&mut host, callback, &[]);
        turns += 1;
    }
    host.kept.drain(..).for_each(|handle| vm.release(handle));
    vm.collect();
    // Only a heap that globals fill, or a limit that lets nothing run, may refuse this.
    let again = vm.run_source(&mut host, "again.be", b"return 1", Scope::Local);
    assert!(
        again.is_ok()
            || limits.steps < 10
            || vm.used_bytes() + 2000 > limits.heap_bytes
            || limits.calls == 0
            || limits.nesting < 4
    );
}

fuzz_target!(|input: &[u8]| {
    let [heap, steps, bounds, source @ ..] = input else { return };
    let limits = Limits {
        heap_bytes: usize::from(*heap) * 250,
        steps: u32::from(*steps) * 100,
        slice: if *bounds & 32 == 0 { u32::MAX } else { u32::from(*heap) + 1 },
        nesting: u16::from(*bounds & 31),
        calls: u16::from(*bounds >> 5) * 8,
        reentry: *bounds & 7,
    };
    let scope = if *bounds & 8 == 0 { Scope::Global } else { Scope::Local };
    if *bounds & 16 == 0 {
        drive::<Wide>(limits, source, scope);
    } else {
        drive::<Narrow>(limits, source, scope);
    }
});
