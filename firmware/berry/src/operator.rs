//! Operators beyond the sums of two integers.

use crate::code::Op;
use crate::host::Host;
use crate::names;
use crate::numbers::{Calculates as _, Integer as _, Numbers, Real as _};
use crate::objects::{Range, Small};
use crate::raised::Raised;
use crate::slab::StrId;
use crate::text::Text;
use crate::value::Value;
use crate::vm::Vm;

type Result<T> = core::result::Result<T, Raised>;

const fn sign(op: Op) -> (StrId, &'static str) {
    match op {
        Op::Add => (names::PLUS, "+"),
        Op::Sub => (names::MINUS, "-"),
        Op::Mul => (names::STAR, "*"),
        Op::Div => (names::SLASH, "/"),
        Op::Rem => (names::PERCENT, "%"),
        Op::And => (names::AMPERSAND, "&"),
        Op::Or => (names::PIPE, "|"),
        Op::Xor => (names::CARET, "^"),
        Op::Shl => (names::SHIFT_LEFT, "<<"),
        Op::Shr => (names::SHIFT_RIGHT, ">>"),
        Op::Connect => (names::DOTS, ".."),
        Op::Less => (names::LESS, "<"),
        Op::LessEqual => (names::LESS_EQUAL, "<="),
        Op::Greater => (names::GREATER, ">"),
        Op::GreaterEqual => (names::GREATER_EQUAL, ">="),
        Op::NotEqual => (names::NOT_EQUAL, "!="),
        _ => (names::EQUAL, "=="),
    }
}

impl<N: Numbers> Vm<N> {
    /// Whether a value counts as true.
    #[inline]
    pub(crate) fn truth(&mut self, host: &mut dyn Host<N>, value: Value<N>) -> Result<bool> {
        match value {
            Value::Bool(flag) => Ok(flag.get()),
            Value::Nil | Value::Undefined => Ok(false),
            Value::Int(int) => Ok(int.wide() != 0),
            other => self.truth_of_object(host, other),
        }
    }

    fn truth_of_object(&mut self, host: &mut dyn Host<N>, value: Value<N>) -> Result<bool> {
        Ok(match value {
            Value::Real(real) => !real.is_zero(),
            Value::Str(id) => !self.heap.text(id)?.is_empty(),
            Value::List(id) => !self.heap.lists.get(id)?.is_empty(),
            Value::Map(id) => self.heap.maps.get(id)?.len() != 0,
            Value::Bytes(id) => !self.heap.bytes.get(id)?.data.is_empty(),
            Value::Instance(_) | Value::Super(_) => {
                match self.call_method_nested(host, value, names::TOBOOL, &[])? {
                    Some(Value::Bool(flag)) => flag.get(),
                    Some(_) => return self.wrong_result(value, "tobool"),
                    None => true,
                }
            }
            _ => true,
        })
    }

    fn wrong_result<T>(&mut self, object: Value<N>, method: &str) -> Result<T> {
        let class = self.class_of(object)?;
        let name = self.name_of_class(class)?;
        let mut copy = Text::default();
        let named = self.put_string(&mut copy, name);
        let outcome = named.and_then(|()| {
            self.raise_parts(
                names::TYPE_ERROR,
                &[
                    b"`",
                    copy.as_bytes(),
                    b"::",
                    method.as_bytes(),
                    b"` return value error, the expected type is 'bool'",
                ],
            )
        });
        self.discard(copy);
        outcome
    }

    fn unsupported<T>(&mut self, op: Op, left: Value<N>, right: Value<N>) -> Result<T> {
        let (_, sign) = sign(op);
        self.type_error(&[
            "unsupported operand type(s) for ",
            sign,
            ": '",
            left.type_name(),
            "' and '",
            right.type_name(),
            "'",
        ])
    }

    /// Calls the method of an operator; an object of the machine has some of them itself.
    fn operator_method(
        &mut self,
        host: &mut dyn Host<N>,
        op: Op,
        left: Value<N>,
        right: Value<N>,
        result: usize,
    ) -> Result<()> {
        let (name, _) = sign(op);
        let object = match left {
            Value::Instance(_) | Value::Super(_) => left,
            _ => return self.unsupported(op, left, right),
        };
        if self.call_method(host, object, name, &[right], result)? {
            return Ok(());
        }
        // An object of the machine at the root may know the operator.
        if let Some((instance, _)) = self.view(object)? {
            let base = self.heap.instances.get(instance)?.base;
            if !matches!(base, Value::Undefined) {
                return self.arithmetic(host, op, base, right, result);
            }
        }
        let class = self.class_of(object)?;
        let owner = self.name_of_class(class)?;
        let mut copy = Text::default();
        let named = self.put_string(&mut copy, owner);
        let outcome = named.and_then(|()| {
            let (_, sign) = sign(op);
            self.raise_parts(
                names::ATTRIBUTE_ERROR,
                &[b"the '", copy.as_bytes(), b"' object has no method '", sign.as_bytes(), b"'"],
            )
        });
        self.discard(copy);
        outcome
    }

    pub(crate) fn arithmetic(
        &mut self,
        host: &mut dyn Host<N>,
        op: Op,
        left: Value<N>,
        right: Value<N>,
        result: usize,
    ) -> Result<()> {
        let value = match (left, right) {
            (Value::Int(x), Value::Int(y)) => {
                let int = match op {
                    Op::Add => x.add(y),
                    Op::Sub => x.sub(y),
                    Op::Mul => x.mul(y),
                    Op::Div => match x.div(y) {
                        Some(quotient) => quotient,
                        None => return self.raise(names::DIVZERO_ERROR, "division by zero"),
                    },
                    Op::Rem => match x.rem(y) {
                        Some(rest) => rest,
                        None => return self.raise(names::DIVZERO_ERROR, "division by zero"),
                    },
                    Op::And => N::Int::wrap(x.wide() & y.wide()),
                    Op::Or => N::Int::wrap(x.wide() | y.wide()),
                    Op::Xor => N::Int::wrap(x.wide() ^ y.wide()),
                    Op::Shl => x.shl(y),
                    Op::Shr => x.shr(y),
                    _ => {
                        let range = self.new_range(x.wide(), y.wide(), 1)?;
                        return self.set_slot(result, range);
                    }
                };
                Value::Int(int)
            }
            (Value::Int(_) | Value::Real(_), Value::Int(_) | Value::Real(_)) => {
                let (Some(x), Some(y)) = (left.as_real(), right.as_real()) else {
                    return Err(Raised);
                };
                Value::Real(match op {
                    Op::Add => x.add(y),
                    Op::Sub => x.sub(y),
                    Op::Mul => x.mul(y),
                    Op::Div | Op::Rem if y.is_zero() => {
                        return self.raise(names::DIVZERO_ERROR, "division by zero");
                    }
                    Op::Div => x.div(y),
                    Op::Rem => x.remainder(y),
                    _ => return self.unsupported(op, left, right),
                })
            }
            (Value::Str(x), Value::Str(y)) if op == Op::Add => self.joined(x, y)?,
            (Value::Str(x), _) if op == Op::Connect => match right {
                Value::Str(y) => self.joined(x, y)?,
                other => {
                    let Value::Str(y) = self.string_of(host, other)? else { return Err(Raised) };
                    self.joined(x, y)?
                }
            },
            (Value::List(x), Value::List(y)) if op == Op::Add => {
                let lengths = self.heap.lists.get(x)?.len() + self.heap.lists.get(y)?.len();
                self.spend(lengths)?;
                let sum = self.heap.list(lengths)?;
                for list in [x, y] {
                    for at in 0..self.heap.lists.get(list)?.len() {
                        let value = self.heap.lists.get(list)?.get(at).copied().unwrap_or_default();
                        self.heap.list_push(sum, value)?;
                    }
                }
                Value::List(sum)
            }
            (Value::List(x), _) if op == Op::Connect => {
                self.heap.list_push(x, right)?;
                left
            }
            (Value::Bytes(x), _) if matches!(op, Op::Add | Op::Connect) => {
                self.join_bytes(op == Op::Add, x, right)?
            }
            _ => return self.operator_method(host, op, left, right, result),
        };
        self.set_slot(result, value)
    }

    pub(crate) fn new_range(&mut self, lower: i64, upper: i64, step: i64) -> Result<Value<N>> {
        let range =
            Range { lower: N::Int::wrap(lower), upper: N::Int::wrap(upper), step: N::Int::wrap(step) };
        self.heap.small(Small::Range(range)).map(Value::Range)
    }

    /// Two strings in a row.
    pub(crate) fn joined(&mut self, x: StrId, y: StrId) -> Result<Value<N>> {
        let (string, length) = self.heap.joined(x, y)?;
        self.spend(length / 8)?;
        Ok(string)
    }

    pub(crate) fn unary(
        &mut self,
        host: &mut dyn Host<N>,
        method: StrId,
        sign: &str,
        value: Value<N>,
        result: usize,
    ) -> Result<()> {
        if matches!(value, Value::Instance(_) | Value::Super(_))
            && self.call_method(host, value, method, &[], result)?
        {
            return Ok(());
        }
        self.type_error(&["unsupported operand type(s) for ", sign, ": '", value.type_name(), "'"])
    }

    /// `<` and its kind, where not both are integers.
    pub(crate) fn compare(
        &mut self,
        host: &mut dyn Host<N>,
        op: Op,
        left: Value<N>,
        right: Value<N>,
        result: usize,
    ) -> Result<()> {
        let order = match (left, right) {
            (Value::Int(x), Value::Int(y)) => Some(x.cmp(&y)),
            (Value::Int(_) | Value::Real(_), Value::Int(_) | Value::Real(_)) => {
                left.as_real().partial_cmp(&right.as_real())
            }
            (Value::Str(x), Value::Str(y)) => {
                let (x, y) = (self.heap.text(x)?, self.heap.text(y)?);
                let order = x.cmp(y);
                let length = x.len().min(y.len());
                self.spend(length / 8)?;
                Some(order)
            }
            _ => return self.operator_method(host, op, left, right, result),
        };
        let truth = order.is_some_and(|order| match op {
            Op::Less => order.is_lt(),
            Op::LessEqual => order.is_le(),
            Op::Greater => order.is_gt(),
            _ => order.is_ge(),
        });
        self.set_slot(result, Value::bool(truth))
    }

    /// `==` and `!=`
    pub(crate) fn equality(
        &mut self,
        host: &mut dyn Host<N>,
        op: Op,
        left: Value<N>,
        right: Value<N>,
        result: usize,
    ) -> Result<()> {
        let wanted = op == Op::Equal;
        if matches!(left, Value::Instance(_) | Value::Super(_)) && !right.is_nil() {
            let (name, _) = sign(op);
            if self.call_method(host, left, name, &[right], result)? {
                return Ok(());
            }
        }
        let equal = self.equal_plain(left, right, 0)?;
        self.set_slot(result, Value::bool(equal == wanted))
    }

    /// Equality without asking scripts: numbers across their types, texts, lists and ranges by what they hold.
    pub(crate) fn equal_plain(&mut self, left: Value<N>, right: Value<N>, depth: u16) -> Result<bool> {
        Ok(match (left, right) {
            (Value::Int(x), Value::Int(y)) => x == y,
            (Value::Int(_) | Value::Real(_), Value::Int(_) | Value::Real(_)) => {
                left.as_real() == right.as_real()
            }
            (Value::Str(x), Value::Str(y)) => {
                let length = self.heap.text(x)?.len();
                self.spend(length / 8)?;
                self.heap.same_text(x, y)?
            }
            (Value::List(x), Value::List(y)) if x != y => {
                if self.depth.saturating_add(depth) >= self.limits.nesting {
                    return self.raise(names::RUNTIME_ERROR, "lists nested too deeply to be compared");
                }
                let length = self.heap.lists.get(x)?.len();
                if length != self.heap.lists.get(y)?.len() {
                    return Ok(false);
                }
                for at in 0..length {
                    self.spend(1)?;
                    let element = |list: crate::slab::ListId, vm: &Self| -> Result<Value<N>> {
                        Ok(vm.heap.lists.get(list)?.get(at).copied().unwrap_or_default())
                    };
                    let (a, b) = (element(x, self)?, element(y, self)?);
                    if !self.equal_plain(a, b, depth + 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Range(x), Value::Range(y)) => {
                match (self.heap.smalls.get(x)?, self.heap.smalls.get(y)?) {
                    (Small::Range(x), Small::Range(y)) => {
                        x.lower == y.lower && x.upper == y.upper && x.step == y.step
                    }
                    _ => false,
                }
            }
            (Value::Bytes(x), Value::Bytes(y)) => {
                let length = self.heap.bytes.get(x)?.data.len();
                self.spend(length / 8)?;
                self.heap.bytes.get(x)?.data == self.heap.bytes.get(y)?.data
            }
            _ => left.same(right),
        })
    }
}
