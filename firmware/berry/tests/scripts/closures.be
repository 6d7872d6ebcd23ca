# Functions, captured variables, arguments.
def counter()
  var n = 0
  return [def () n += 1 return n end, def () return n end]
end
var c = counter()
c[0]() c[0]()
assert(c[1]() == 2)
var d = counter()
d[0]()
assert(d[1]() == 1 && c[1]() == 2)

# Each turn of a loop has a variable of its own.
def loops()
  var all = []
  for i: 0..2 all.push(/-> i) end
  var j = 0
  while j < 3
    var k = j
    all.push(/-> k * 10)
    j += 1
  end
  var r = []
  for f: all r.push(f()) end
  return r
end
assert(str(loops()) == '[0, 1, 2, 0, 10, 20]')

# break and continue close what was captured.
def early()
  var all = []
  for i: 0..9
    var x = i
    all.push(/-> x)
    if i == 1 continue end
    if i == 3 break end
  end
  return all
end
var s = []
for f: early() s.push(f()) end
assert(str(s) == '[0, 1, 2, 3]')

# Missing arguments are nil, further ones are dropped, * takes the rest.
def three(a, b, c) return [a, b, c] end
assert(str(three(1)) == '[1, nil, nil]')
assert(str(three(1, 2, 3, 4)) == '[1, 2, 3]')
def rest(a, *more) return [a, more] end
assert(str(rest()) == '[nil, []]')
assert(str(rest(1)) == '[1, []]')
assert(str(rest(1, 2, 3)) == '[1, [2, 3]]')
assert(call(three, 1, [2, 3])[2] == 3)
assert(call(three, 1, 2)[1] == 2)
assert(call(size, ['abc']) == 3)
assert((/ *x -> size(x))(1, 2, 3) == 3)
assert((/ a, b -> a - b)(5, 3) == 2)

# Recursion, deep captures, shadowing.
def fact(n) return n <= 1 ? 1 : n * fact(n - 1) end
assert(fact(10) == 3628800)
def outer()
  var x = 1
  return def () return def () x += 1 return x end end
end
var inner = outer()()
assert(inner() == 2 && inner() == 3)
var x = 1
do var x = 2 assert(x == 2) end
assert(x == 1)
def hinted(a: int, b: string) -> nil return a end
assert(hinted(3) == 3)
# A space before the parenthesis is allowed.
assert (x == 1)
assert((x := 5) == 5 && x == 5)
var t = def () return 7 end
assert(t() == 7)
assert(type(/-> nil) == 'function')
