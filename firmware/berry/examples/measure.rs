//! What `cargo xtask bench-berry` measures: one task each, so that callgrind sees nothing else.
//!
//! `memory` prints what an idle machine takes and what a script with eight handlers adds, in bytes; `callbacks N` calls a
//! handler N times; `fib N` computes a Fibonacci number recursively.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a tool for developers, with a PC's memory"
)]

use obkmq_berry::{Answer, Argument, Call, Handle, Host, HostError, Limits, Narrow, Scope, Vm};

/// Eight handlers of the kind that mirror one device to another.
const HANDLERS: &str = r#"
autoexec = module('autoexec')
autoexec.init = def ()
  ms_subscribe('stat/lamp/POWER', def (topic, payload) print('lamp ' + topic + ' ' + payload) ms_publish('cmnd/switch/POWER2', payload) end)
  ms_subscribe('stat/switch/POWER', def (topic, payload) print('switch ' + topic + ' ' + payload) end)
  ms_subscribe('stat/switch/POWER2', def (topic, payload) print('switch ' + topic + ' ' + payload) ms_publish('cmnd/lamp/POWER', payload) end)
  ms_subscribe('stat/fan/POWER', def (topic, payload) print('fan ' + topic + ' ' + payload) end)
  ms_subscribe('tele/+/LWT', def (topic, payload) print('alive ' + topic + ' ' + payload) end)
  ms_subscribe('tele/+/SENSOR', def (topic, payload) print('sensor ' + topic + ' ' + payload) end)
  ms_subscribe('homeassistant/#', def (topic, payload) print('discovery ' + topic) end)
  ms_subscribe('obk/+/connected', def (topic, payload) print('obk ' + topic + ' ' + payload) end)
end
return autoexec
"#;

#[derive(Default)]
struct Board {
    handlers: Vec<Handle>,
    lines: usize,
    published: usize,
}

impl Host<Narrow> for Board {
    fn print(&mut self, line: &[u8]) {
        self.lines += line.len();
    }

    fn function(&self, name: &str) -> Option<u16> {
        match name {
            "ms_subscribe" => Some(0),
            "ms_publish" => Some(1),
            _ => None,
        }
    }

    fn call(&mut self, function: u16, call: &mut Call<'_, Narrow>) -> Result<Answer, HostError> {
        if function == 0 {
            self.handlers.push(call.function(1)?);
            return Ok(Answer::Int(1));
        }
        self.published += call.bytes(0)?.len() + call.bytes(1)?.len();
        Ok(Answer::Bool(true))
    }

    fn module(&mut self, _name: &str) -> Option<Vec<u8>> {
        Some(HANDLERS.as_bytes().to_vec())
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let count: i64 = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let mut board = Board::default();
    let mut vm = Vm::<Narrow>::new(Limits { steps: u32::MAX, ..Limits::CHIP }, 1);
    match task.as_str() {
        "memory" => {
            vm.run_source(&mut board, "idle", b"return nil", Scope::Local).unwrap();
            vm.collect();
            let idle = vm.used_bytes() + size_of_val(&vm);
            vm.import(&mut board, "autoexec").unwrap();
            vm.collect();
            println!("{idle} {}", vm.used_bytes() + size_of_val(&vm) - idle);
        }
        "callbacks" => {
            vm.import(&mut board, "autoexec").unwrap();
            let arguments = [Argument::Text(b"stat/lamp/POWER"), Argument::Text(b"ON")];
            let handler = board.handlers.first().copied().unwrap();
            for _ in 0..count {
                vm.call(&mut board, handler, &arguments).unwrap();
            }
            println!("{} {}", board.lines, board.published);
        }
        "fib" => {
            let source = format!(
                "def fib(n) if n < 2 return n end return fib(n - 1) + fib(n - 2) end return fib({count})"
            );
            vm.run_source(&mut board, "fib.be", source.as_bytes(), Scope::Global).unwrap();
        }
        other => panic!("no task {other}"),
    }
}
