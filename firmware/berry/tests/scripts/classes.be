# Classes, inheritance, operators, statics, virtual members.
class Point
  var x, y
  static count = 0
  static var origin
  static def make(x) return _class(x, x) end
  def init(x, y)
    self.x = x
    self.y = y
    Point.count += 1
  end
  def +(o) return Point(self.x + o.x, self.y + o.y) end
  def -(o) return Point(self.x - o.x, self.y - o.y) end
  def -*() return Point(-self.x, -self.y) end
  def ==(o) return self.x == o.x && self.y == o.y end
  def !=(o) return !(self == o) end
  def <(o) return self.x < o.x end
  def ~() return 'flip' end
  def ..(o) return [self, o] end
  def ()(a, b) return [self.x, a, b] end
  def item(i) return i == 0 ? self.x : self.y end
  def setitem(i, v) if i == 0 self.x = v else self.y = v end end
  def tostring() return format('P(%i,%i)', self.x, self.y) end
  def tobool() return self.x != 0 end
end
var p = Point(1, 2), q = Point(3, 4)
assert(str(p + q) == 'P(4,6)')
assert(str(q - p) == 'P(2,2)')
assert(str(-p) == 'P(-1,-2)')
assert(p == Point(1, 2) && p != q && p < q)
assert(~p == 'flip')
assert(str(p .. 1) == '[P(1,2), 1]')
assert(str(p(8, 9)) == '[1, 8, 9]')
assert(p[0] == 1 && p[1] == 2)
p[1] = 7
assert(p.y == 7)
p.y += 1
assert(p.y == 8)
assert(bool(p) && !bool(Point(0, 1)))
assert((Point(0, 0) ? 1 : 2) == 2)
assert(str([p, {'a': q}]) == "[P(1,8), {'a': P(3,4)}]")
assert('x' .. p == 'xP(1,8)')
assert(Point.count > 5)
Point.origin = Point(0, 0)
assert(str(Point.origin) == 'P(0,0)')
assert(str(Point.make(6)) == 'P(6,6)')
assert(classname(p) == 'Point' && classof(p) == Point && type(p) == 'instance' && type(Point) == 'class')
assert(str(Point) == '<class: Point>')

# super finds the class above the one whose method it stands in.
class A
  var log
  def init() self.log = ['A'] end
  def name() return 'A' end
  def hello() return 'I am ' + self.name() end
end
class B : A
  def init() super(self).init() self.log.push('B') end
  def name() return 'B' + super(self).name() end
end
class C : B
  var own
  def init() super(self).init() self.log.push('C') self.own = 1 end
  def name() return 'C' + super(self).name() end
end
var o = C()
assert(str(o.log) == "['A', 'B', 'C']")
assert(o.name() == 'CBA' && o.hello() == 'I am CBA')
assert(super(o, A).name() == 'A')
assert(isinstance(o, A) && isinstance(o, C) && !isinstance(A(), C))
assert(issubclass(C, A) && !issubclass(A, C))
assert(super(C) == B && super(A) == nil)

# Without init; methods as values; functions in variables.
class Bare var v end
var b = Bare()
assert(b.v == nil)
b.v = def (n) return n * 2 end
assert(b.v(4) == 8)
var m = o.name
assert(m(o) == 'CBA')

# Virtual members.
class Dyn
  var known
  def init() self.known = {} end
  def member(n)
    if n == 'missing' import undefined return undefined end
    return self.known.find(n, n + '?')
  end
  def setmember(n, v) self.known[n] = v end
end
var v = Dyn()
assert(v.foo == 'foo?')
v.foo = 3
assert(v.foo == 3)
v.('bar') = 4
assert(v.bar == 4 && v.('b' + 'ar') == 4)
try
  v.missing
  assert(false)
except 'attribute_error' as e, m
  assert(m == "the 'Dyn' object has no attribute 'missing'")
end

# Classes of the machine can be inherited from.
class Stack : list
  def top() return self[-1] end
  def push(x) super(self).push(x * 10) end
end
var st = Stack()
st.push(1) st.push(2)
assert(st.top() == 20 && st.size() == 2 && size(st) == 2)
assert(str(st) == '[10, 20]')
var sum = 0
for e: st sum += e end
assert(sum == 30)
class Config : map
  def init() super(self).init() self['a'] = 1 end
end
var cfg = Config()
assert(cfg['a'] == 1 && cfg.contains('a') && !cfg.contains('b'))
class Frame : bytes
  var tag
  def init(n) super(self).init(n) self.tag = 1 end
end
assert(Frame('0102').get(1, 1) == 2)

# Iterators.
class Upto
  var n
  def init(n) self.n = n end
  def iter()
    var i = 0, n = self.n
    return def ()
      if i >= n raise 'stop_iteration' end
      i += 1
      return i
    end
  end
end
var got = []
for i: Upto(3) got.push(i) end
assert(str(got) == '[1, 2, 3]')
got = []
for i: Upto(2) for j: Upto(2) got.push(i * 10 + j) end end
assert(str(got) == '[11, 12, 21, 22]')

# Local and nested classes.
def make(k)
  class Local
    def get() return k end
  end
  return Local()
end
assert(make(1).get() == 1 && make(2).get() == 2)
class Outer
  static class Inner def v() return 5 end end
  static a = 1, b = 2
  static def sum() return _class.a + _class.b end
end
assert(Outer.Inner().v() == 5 && Outer.sum() == 3)
