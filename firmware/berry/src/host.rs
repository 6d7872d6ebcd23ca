//! What a machine asks of the program around it.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::numbers::Numbers;
use crate::value::Value;
use crate::vm::{Handle, Vm};

/// The program around a machine: its output, its modules, its own functions.
pub trait Host<N: Numbers> {
    /// A line that a script prints, without its end.
    fn print(&mut self, line: &[u8]);

    /// The number of a function that scripts know by a name.
    fn function(&self, name: &str) -> Option<u16> {
        let _ = name;
        None
    }

    /// Calls one of those functions.
    ///
    /// # Errors
    ///
    /// An exception for the script.
    fn call(&mut self, function: u16, call: &mut Call<'_, N>) -> Result<Answer, HostError> {
        let _ = (function, call);
        Err(HostError::new("type_error", "no such function"))
    }

    /// The source of a module that a script imports. `.be` is not part of the name.
    fn module(&mut self, name: &str) -> Option<Vec<u8>> {
        let _ = name;
        None
    }
}

/// A host that only swallows what is printed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl<N: Numbers> Host<N> for Silent {
    fn print(&mut self, _line: &[u8]) {}
}

/// What a function of the host returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// `nil`
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`, cut to the machine's width
    Int(i64),
    /// `real`
    Real(f64),
    /// `string`
    Text(Vec<u8>),
    /// A list of any of those; a list within it becomes `nil`.
    List(Vec<Answer>),
    /// The script waits here until [`Vm::resume`].
    Suspend,
}

/// An exception that a function of the host raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError {
    /// What scripts catch it by.
    pub exception: &'static str,
    /// What is wrong.
    pub message: Cow<'static, str>,
}

impl HostError {
    /// An exception such as `type_error`, with what is wrong.
    pub fn new(exception: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        HostError { exception, message: message.into() }
    }
}

/// A call of a host's function: its arguments.
#[derive(Debug)]
pub struct Call<'a, N: Numbers> {
    pub(crate) vm: &'a mut Vm<N>,
    pub(crate) base: usize,
    pub(crate) count: usize,
}

impl<N: Numbers> Call<'_, N> {
    /// How many arguments there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// An argument; `nil` where there is none.
    #[must_use]
    pub fn value(&self, place: usize) -> Value<N> {
        if place >= self.count {
            return Value::Nil;
        }
        self.vm.stack.get(self.base + place).copied().unwrap_or_default()
    }

    /// Whether an argument is missing or `nil`.
    #[must_use]
    pub fn is_nil(&self, place: usize) -> bool {
        self.value(place).is_nil()
    }

    /// An integer, or a real or boolean as one.
    ///
    /// # Errors
    ///
    /// `type_error` for anything else.
    pub fn int(&self, place: usize) -> Result<i64, HostError> {
        match self.value(place) {
            Value::Bool(flag) => Ok(i64::from(flag.get())),
            Value::Real(real) => Ok(Value::<N>::Int(N::int(real)).as_int().unwrap_or_default()),
            other => other.as_int().ok_or_else(|| self.unfit(place, "int")),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    ///
    /// `type_error` for anything that is neither a boolean nor an integer.
    pub fn bool(&self, place: usize) -> Result<bool, HostError> {
        match self.value(place) {
            Value::Bool(flag) => Ok(flag.get()),
            other => other.as_int().map(|int| int != 0).ok_or_else(|| self.unfit(place, "bool")),
        }
    }

    /// Either number.
    ///
    /// # Errors
    ///
    /// `type_error` for anything else.
    pub fn real(&self, place: usize) -> Result<f64, HostError> {
        let real = self.value(place).as_real();
        real.map(crate::numbers::Real::wide).ok_or_else(|| self.unfit(place, "real"))
    }

    /// The bytes of a string or of a `bytes` object.
    ///
    /// # Errors
    ///
    /// `type_error` for anything else.
    pub fn bytes(&self, place: usize) -> Result<&[u8], HostError> {
        let found = match self.value(place) {
            Value::Str(id) => self.vm.heap.text(id).ok(),
            Value::Bytes(id) => self.vm.heap.bytes.get(id).ok().map(|bytes| bytes.data.as_slice()),
            _ => None,
        };
        found.ok_or_else(|| self.unfit(place, "string"))
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// `type_error` if it is no string, or not in UTF-8.
    pub fn text(&self, place: usize) -> Result<&str, HostError> {
        core::str::from_utf8(self.bytes(place)?).map_err(|_| self.unfit(place, "string in UTF-8"))
    }

    /// What `str` makes of a value that needs no script for it.
    ///
    /// # Errors
    ///
    /// `memory_error` if it is too long.
    pub fn shown(&mut self, place: usize) -> Result<Vec<u8>, HostError> {
        let value = self.value(place);
        let mut text = crate::text::Text::default();
        let shown = self.vm.show_plain(&mut text, value);
        let copy = self.vm.detach(text);
        shown.map_err(|_| HostError::new("memory_error", "the value is too large"))?;
        Ok(copy)
    }

    /// Takes steps from the run's budget, for work that the function does outside of the machine. A run that has too few
    /// left ends with its next instruction.
    pub fn spend(&mut self, steps: usize) {
        // There is none to say it to: nothing is left afterwards.
        let _ = self.vm.spend(steps);
    }

    /// A function, kept until [`Vm::release`].
    ///
    /// # Errors
    ///
    /// `type_error` if it is none, `memory_error` if it cannot be kept.
    pub fn function(&mut self, place: usize) -> Result<Handle, HostError> {
        let value = self.value(place);
        if !value.is_function() {
            return Err(self.unfit(place, "function"));
        }
        self.vm.hold(value).map_err(|_| HostError::new("memory_error", "no memory to keep the function"))
    }

    fn unfit(&self, place: usize, wanted: &str) -> HostError {
        let found = self.value(place).type_name();
        HostError::new("type_error", alloc_message(place, wanted, found))
    }
}

/// `argument 1 must be a string, not nil`; a plain sentence where there is no memory for it.
fn alloc_message(place: usize, wanted: &str, found: &str) -> Cow<'static, str> {
    let mut text = Vec::new();
    let mut digits = crate::digits::Digits::default();
    let number = digits.decimal(i64::try_from(place).unwrap_or_default().saturating_add(1));
    for part in [b"argument ", number, b" must be a ", wanted.as_bytes(), b", not ", found.as_bytes()] {
        crate::memory::append_bounded(&mut text, part, 100);
    }
    match alloc::string::String::from_utf8(text) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed("an argument has the wrong type"),
    }
}
