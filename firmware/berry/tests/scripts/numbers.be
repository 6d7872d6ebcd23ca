# Numbers, operators, json, math, and the small libraries.
import math
import json
import global
import introspect
assert(2147483647 + 1 == -2147483648 && 0xFFFFFFFF == -1)
assert(7 / 2 == 3 && -7 / 2 == -3 && 7 % 3 == 1 && -7 % 3 == -1 && 7.5 % 2 == 1.5)
assert(7 / 2.0 == 3.5 && 1 == 1.0 && 1 != '1' && nil == nil && nil != false)
assert(1 << 4 == 16 && -16 >> 2 == -4 && (5 & 3) == 1 && (5 | 3) == 7 && (5 ^ 3) == 6 && ~5 == -6)
assert(2 + 3 * 4 == 14 && (2 + 3) * 4 == 20 && -2 * 3 == -6 && !nil && !!1)
assert((1 && 'a') == true && (nil || 0) == false && (1 < 2 && 2 < 3))
assert((true ? 1 : 2) == 1 && (false ? 1 : true ? 2 : 3) == 2)
var calls = 0
def call_it() calls += 1 return true end
assert(!(false && call_it()) && (true || call_it()) && calls == 0)
var a = 5
a += 1 a -= 2 a *= 3 a /= 2 a %= 4 a <<= 3 a |= 1 a ^= 3 a &= 0xFE a >>= 1
assert(a == 9)
assert(math.abs(-3) == 3 && math.abs(-2.5) == 2.5 && math.floor(-1.5) == -2 && math.ceil(1.2) == 2 && math.round(2.5) == 3)
assert(math.sqrt(16) == 4 && math.pow(2, 10) == 1024 && math.max(1, 3, 2) == 3 && math.min(2, 1.5) == 1.5)
assert(math.sin(0) == 0 && math.cos(0) == 1 && math.isnan(math.nan) && math.isinf(math.inf))
assert(math.imax == 2147483647 && math.imin < 0 && math.deg(math.pi) > 179.9 && math.max() == nil)
math.srand(1)
var r = math.rand()
math.srand(1)
assert(r == math.rand() && r >= 0)
assert(json.dump({'a': [1, 2.5, nil, true, 'x"\n']}) == '{"a":[1,2.5,null,true,"x\\"\\n"]}')
assert(json.dump([]) == '[]' && json.dump({}) == '{}' && json.dump('a') == '"a"' && json.dump({1: 2}) == '{"1":2}')
var j = json.load('{"POWER2":"ON","n":[1,-2.5,1e2,null,true],"s":"\\u00e9\\ud83d\\ude00\\/"}')
assert(j['POWER2'] == 'ON' && j['n'][1] == -2.5 && j['n'][3] == nil && j['s'] == '\xc3\xa9\xf0\x9f\x98\x80/')
for bad: ['', '{', '[1,', '[1 2]', '{"a"}', 'nul', '"a', '1 2', '{1:2}', '[1,]', '{bad']
  assert(json.load(bad) == nil, bad)
end
global.made = 7
assert(global.made == 7 && global.contains('made') && !global.contains('nope') && global.nope == nil)
assert(global.('made') == 7)
class T var x static y = 2 def m() end end
var t = T()
introspect.set(t, 'x', 3)
assert(introspect.get(t, 'x') == 3 && introspect.get(t, 'zz') == nil && introspect.contains(t, 'm'))
assert(str(introspect.members(T)) == "['x', 'y', 'm']" && introspect.ismethod(T.m) && introspect.name(T) == 'T')
var mo = module('mo')
mo.f = def (x) return x + 1 end
mo.v = 2
assert(mo.f(1) == 2 && mo.v == 2 && str(mo) == '<module: mo>' && type(mo) == 'module')
assert(type(1) == 'int' && type(1.0) == 'real' && type('') == 'string' && type(nil) == 'nil' && type(true) == 'bool')
assert(classname([]) == 'list' && classof({}) == map && isinstance([], list) && type(list) == 'class')
import gc
assert(gc.allocated() > 0)
import debug
assert(debug.calldepth() == 1)
import strict
assert(size(1) == nil && bool('') == false && bool([]) == false && bool(0.0) == false && bool('a'))
if false elif false assert(false) else a = 1 end
assert(a == 1)
var i = 0
while true i += 1 if i > 5 break end if i < 3 continue end end
assert(i == 6)
