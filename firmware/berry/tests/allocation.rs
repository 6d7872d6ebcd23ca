//! Every allocation of a script fails once: the machine says so, keeps its account and works on.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test may fail, and the allocator is made for others, too"
)]

#[path = "../../broker/tests/heap/mod.rs"]
mod heap;

use heap::{Failing, allocations, fail, held, inside};
use obkmq_berry::{ErrorKind, Limits, Narrow, Scope, Silent, Vm};

const SCRIPT: &[u8] = b"import string import json
class A var x def init(x) self.x = x end def tostring() return 'A' .. self.x end end
def work(n)
  var l = [], m = {}, f = []
  for i: 1..n
    l.push(A(i))
    m['key' .. i] = [i, f'{i:%03d}']
    f.push(/-> i)
    if i % 5 == 0 m.remove('key' .. (i - 1)) end
  end
  try raise 'a', str(l) except 'a' as e, s l.push(size(s)) end
  var b = bytes('0102') .. 'abc'
  return [l, json.load(json.dump(m)), string.split('a,b,c', ','), b.tob64(), f[0]()]
end
def again() return size(str(work(3))) end
return str(work(12))";

/// Runs the script twice in one machine. Whether it came to its end.
fn run(vm: &mut Vm<Narrow>) -> bool {
    match vm.run_source(&mut Silent, "test.be", SCRIPT, Scope::Local) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Memory, "{error}");
            false
        }
    }
}

#[test]
fn each_allocation_may_fail_and_none_is_lost() {
    let limits = Limits { heap_bytes: 1 << 20, ..Limits::CHIP };
    let total = inside(|| {
        fail(Failing::None);
        let mut vm = Vm::new(limits, 1);
        assert!(run(&mut vm));
        allocations()
    });
    assert_eq!(held().bytes, 0);
    assert!(total > 200, "{total}");
    let mut refused = 0;
    for (count, first) in
        [1, 3, 1000].into_iter().flat_map(|count| (1..=total).map(move |first| (count, first)))
    {
        inside(|| {
            let mut vm = Vm::new(limits, 1);
            fail(Failing::Some(first, count));
            refused += u32::from(!run(&mut vm));
            fail(Failing::None);
            assert!(run(&mut vm), "not usable after allocation {first}");
            // Half of what a block costs in the account is an estimate.
            vm.collect();
            assert!(vm.used_bytes() >= held().bytes, "{} of {:?}", vm.used_bytes(), held());
        });
        assert_eq!((held().bytes, held().blocks), (0, 0), "lost after allocation {first}");
    }
    assert!(refused > 100, "{refused}");
}
