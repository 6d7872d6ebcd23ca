# try, except, raise.
def thrown(f)
  try
    f()
    return 'none'
  except .. as e, m
    return str(e) + '|' + str(m)
  end
end
assert(thrown(def () raise 'a' end) == 'a|nil')
assert(thrown(def () raise 'a', 'b' end) == 'a|b')
assert(thrown(def () return 1 + 'a' end) == "type_error|unsupported operand type(s) for +: 'int' and 'string'")
assert(thrown(def () return 1 / 0 end) == 'divzero_error|division by zero')
assert(thrown(def () return 1.0 / 0.0 end) == 'divzero_error|division by zero')
assert(thrown(def () return 1 % 0 end) == 'divzero_error|division by zero')
assert(thrown(def () return 1 < 'a' end) == "type_error|unsupported operand type(s) for <: 'int' and 'string'")
assert(thrown(def () return nil() end) == "type_error|'nil' value is not callable")
assert(thrown(def () return [1][3] end) == 'index_error|list index out of range')
assert(thrown(def () return {}['k'] end) == 'key_error|k')
assert(thrown(def () return [].nope() end) == "attribute_error|the 'list' object has no method 'nope'")
assert(thrown(def () return nil.x end) == "attribute_error|'nil' value has no attribute 'x'")
assert(thrown(def () import math return math.nope end) == "attribute_error|module 'math' has no member 'nope'")
assert(thrown(def () assert(false) end) == 'assert_failed|assert failed!')
assert(thrown(def () assert(nil, 'why') end) == 'assert_failed|why')
assert(thrown(def () import nowhere end) == "import_error|module 'nowhere' not found")
assert(thrown(def () compile('1 +') end) == "syntax_error|string:1: unexpected symbol near 'EOS'")
assert(thrown(def () compile('x_unknown_1') end) == "syntax_error|string:1: 'x_unknown_1' undeclared (first use in this function)")
assert(thrown(def () compile('var = 1') end) == "syntax_error|string:1: expected 'ID' before '='")

# The first clause that fits is taken, the others are not looked at.
def which(e)
  try
    raise e, 'm'
  except 'a', 'b' as x
    return 1
  except 'c' as x, y
    return y
  except ..
    return 3
  end
end
assert(which('a') == 1 && which('b') == 1 && which('c') == 'm' && which('d') == 3)

# What no clause wants goes on outwards.
assert(thrown(def () try raise 'x', 'y' except 'a' end end) == 'x|y')
# An exception in a clause goes outwards, too.
assert(thrown(def () try raise 'x' except .. raise 'z', 'w' end end) == 'z|w')
# Everything from within calls, loops and classes.
def deep(n) if n == 0 raise 'deep', n end return deep(n - 1) end
assert(thrown(/-> deep(20)) == 'deep|0')
def loop()
  var r = []
  for i: 0..5
    try
      if i == 1 continue end
      if i == 4 break end
      if i % 2 raise 'odd', i end
      r.push(i)
    except 'odd' as e, n
      r.push(-n)
    end
  end
  return r
end
assert(str(loop()) == '[0, 2, -3]')
def early() try return 1 except .. return 2 end return 3 end
assert(early() == 1)
def nested()
  try
    try raise 'inner' except 'other' return 1 end
  except 'inner'
    return 2
  end
end
assert(nested() == 2)
# An exception in a loop goes through it.
assert(thrown(def () for i: 0..2 raise 'a', i end end) == 'a|0')
assert(thrown(def () for i: [1] for j: [2] raise 'a', i + j end end end) == 'a|3')
# The end of an iterator, raised by hand, ends the loop around it.
assert(thrown(def () for i: 0..2 raise 'stop_iteration' end end) == 'none')
# Instances as exceptions, caught by their class.
class Failure var code def init(c) self.code = c end end
class Worse : Failure end
def by_class()
  try raise Worse(7) except Failure as e return e.code end
end
assert(by_class() == 7)
# Variables of the exception can be captured.
var f
try raise 'a', 'b' except .. as e, m f = /-> e + m end
assert(f() == 'ab')
# A captured variable of the body outlives the exception.
def captured()
  var g
  try
    var x = 5
    g = /-> x
    raise 'a'
  except ..
    var y = 6
    return g() + y
  end
end
assert(captured() == 11)
# The end of an iterator ends its loop only.
var n = 0
for i: 0..2
  try raise 'stop_iteration' except .. n += 1 end
end
assert(n == 3)
var big = thrown(def () def r() return r() + 1 end return r() end)
import string
assert(string.find(big, 'runtime_error|stack overflow') == 0)
