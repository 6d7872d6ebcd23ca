# list, map, range, bytes.
var l = [1, 2, 3]
l.push(4)
assert(l.pop() == 4 && l.pop(0) == 1 && str(l) == '[2, 3]')
l.insert(1, 9)
assert(str(l) == '[2, 9, 3]' && l[-1] == 3 && l.find(9) == 1 && l.find(8) == nil)
assert(str(l[0..1]) == '[2, 9]' && str(l[1..-1]) == '[9, 3]' && str(l[1..]) == '[9, 3]' && str(l[[0, 2]]) == '[2, 3]')
l.remove(1)
l.resize(4)
assert(str(l) == '[2, 3, nil, nil]')
l.clear()
assert(!l && l.size() == 0)
assert(str([1] + [2]) == '[1, 2]' && [1, [2]] == [1, [2]] && [1] != [2] && [1, 2] != [1])
assert(str([1, 2] .. 3) == '[1, 2, 3]')
assert([1, 'a', nil].concat('-') == '1-a-nil' && [1, 2].concat() == '12')
assert(str([1, 2, 3].reverse()) == '[3, 2, 1]')
var a = [1], b = a.copy()
b.push(2)
assert(size(a) == 1 && size(b) == 2)
assert(str(list(1, 2)) == '[1, 2]')
a = []
a.push(a)
assert(str(a) == '[[...]]')
var m = {}
m['m'] = m
assert(str(m) == "{'m': {...}}")

m = {'a': 1, 2: 'b', nil: 3, true: 4, 1.5: 5}
assert(m['a'] == 1 && m[2] == 'b' && m[true] == 4 && m[1.5] == 5)
assert(m.find('z') == nil && m.find('z', 0) == 0 && m.contains(2) && !m.contains(3))
assert(m.insert('n', 1) && !m.insert('n', 2) && m['n'] == 1)
m.remove('n')
assert(!m.contains('n') && m.size() == 5)
var keys = [], values = []
for k: {'x': 1, 'y': 2}.keys() keys.push(k) end
for v: {'x': 1, 'y': 2} values.push(v) end
assert(str(keys) == "['x', 'y']" && str(values) == '[1, 2]')
# Many entries, removed while others come.
m = {}
for i: 0..199 m[i] = i * i end
for i: 0..199 if i % 3 m.remove(i) end end
for i: 200..299 m['k' .. i] = i end
assert(m.size() == 67 + 100 && m[9] == 81 && m['k250'] == 250 && !m.contains(10))
var n = 0
for v: m n += 1 end
assert(n == 167)
for k: m.keys() m.remove(k) end
assert(m.size() == 0 && !m)

var r = 1..5
assert(r.lower() == 1 && r.upper() == 5 && r.incr() == 1 && str(r) == '(1..5)' && r == (1..5))
n = 0
for i: range(10, 0, -2) n += i end
assert(n == 30)
for i: (2147483646..) n += 1 end
assert(n == 32)
r.setrange(1, 9, 2)
assert(str(r) == 'range(1, 9, 2)')
n = 0
for i: 5..1 n += 1 end
assert(n == 0)

var y = bytes('00112233')
assert(y.size() == 4 && y[1] == 0x11 && y[-1] == 0x33 && y.get(1, 2) == 0x2211 && y.get(1, -2) == 0x1122)
assert(str(y) == "bytes('00112233')" && y.tohex() == '00112233' && y == bytes('00112233'))
y.set(0, 0x0A0B, 2)
assert(y.tohex() == '0B0A2233')
y.add(0x4455, -2)
assert(y.tohex() == '0B0A22334455' && y[1..2].tohex() == '0A22')
y[0] = 0xFF
assert(y.geti(0, 1) == -1 && y.get(0, 1) == 255)
y.setbits(4, 4, 0)
assert(y[0] == 0x0F && y.getbits(0, 4) == 15)
y.clear()
assert(!y && (bytes() .. 'ab' .. 0x63).asstring() == 'abc')
assert((bytes('01') + bytes('02')).tohex() == '0102')
assert(bytes().fromb64('AQI=').tohex() == '0102' && bytes('0102').tob64() == 'AQI=')
assert(bytes().addfloat(1.5).getfloat(0) == 1.5)
assert(bytes(-3).size() == 3 && bytes('010203').reverse().tohex() == '030201')
n = 0
for i: bytes('0102') n += i end
assert(n == 3)
y = bytes('0000')
y.setbytes(1, bytes('AABB'))
assert(y.tohex() == '00AA')
