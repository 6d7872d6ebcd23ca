//! Members and elements: `object.name`, `object[key]`.

use crate::host::Host;
use crate::libs;
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::objects::{Member, Parent, Small};
use crate::raised::{Raised, Reason};
use crate::slab::{ClassId, InstanceId, StrId};
use crate::value::{Library, Type, Value};
use crate::vm::Vm;

type Result<T> = core::result::Result<T, Raised>;

/// What a class has under a name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<N: Numbers> {
    /// The place among all fields of an instance.
    Field(usize),
    Method(Value<N>),
    Static(ClassId, Value<N>),
    /// Of the class of the machine at the root.
    Native(Value<N>),
}

impl<N: Numbers> Vm<N> {
    /// Looks a name up from a class upwards.
    pub(crate) fn find_in_class(&self, mut parent: Parent, name: StrId) -> Result<Option<Found<N>>> {
        loop {
            match parent {
                Parent::None => return Ok(None),
                Parent::Type(kind) => return Ok(libs::method(kind, name).map(Found::Native)),
                Parent::Class(id) => {
                    let class = self.heap.classes.get(id)?;
                    if let Some(&(_, member)) = class.members.iter().find(|&&(known, _)| known == name) {
                        return Ok(Some(match member {
                            Member::Field(place) => {
                                Found::Field(usize::from(class.inherited_fields) + usize::from(place))
                            }
                            Member::Method(value) => Found::Method(value),
                            Member::Static(value) => Found::Static(id, value),
                        }));
                    }
                    parent = class.parent;
                }
            }
        }
    }

    /// The instance that a value is or looks at, and the class from which on names are looked up.
    pub(crate) fn view(&self, object: Value<N>) -> Result<Option<(InstanceId, Parent)>> {
        Ok(match object {
            Value::Instance(id) => Some((id, Parent::Class(self.heap.instances.get(id)?.class))),
            Value::Super(id) => match *self.heap.smalls.get(id)? {
                Small::Super { instance, class } => Some((instance, class)),
                _ => return Err(Raised),
            },
            _ => None,
        })
    }

    /// The class of the machine that a value is an instance of.
    pub(crate) const fn machine_type(value: Value<N>) -> Option<Type> {
        match value {
            Value::List(_) => Some(Type::List),
            Value::Map(_) => Some(Type::Map),
            Value::Range(_) => Some(Type::Range),
            Value::Bytes(_) => Some(Type::Bytes),
            _ => None,
        }
    }

    /// A method of an object and the `self` that it gets; [`Value::Undefined`] where it gets none.
    pub(crate) fn find_method(&self, object: Value<N>, name: StrId) -> Result<Option<(Value<N>, Value<N>)>> {
        if let Some(kind) = Self::machine_type(object) {
            return Ok(libs::method(kind, name).map(|method| (method, object)));
        }
        let Some((instance, class)) = self.view(object)? else { return Ok(None) };
        let found = match self.find_in_class(class, name)? {
            Some(Found::Method(method)) => Some((method, Value::Instance(instance))),
            Some(Found::Static(_, method)) => Some((method, Value::Undefined)),
            Some(Found::Native(method)) => Some((method, self.heap.instances.get(instance)?.base)),
            Some(Found::Field(place)) => {
                let field = self.heap.instances.get(instance)?.fields.get(place).copied();
                field.filter(|field| field.is_function()).map(|field| (field, Value::Undefined))
            }
            None => None,
        };
        Ok(found)
    }

    fn class_name(&self, class: Parent) -> Result<StrId> {
        Ok(match class {
            Parent::Class(id) => self.heap.classes.get(id)?.name,
            Parent::Type(kind) => kind.name(),
            Parent::None => names::EMPTY,
        })
    }

    /// `the 'A' object has no method 'm'`
    fn missing<T>(&mut self, object: Value<N>, kind: &str, name: StrId) -> Result<T> {
        let mut text = crate::text::Text::default();
        let outcome = self.write_missing(&mut text, object, kind, name);
        let message = outcome.and_then(|()| self.heap.string(text.as_bytes()));
        self.discard(text);
        self.exception = (Value::Str(names::ATTRIBUTE_ERROR), message?);
        Err(self.raised(Reason::Exception))
    }

    fn write_missing(
        &mut self,
        text: &mut crate::text::Text,
        object: Value<N>,
        kind: &str,
        name: StrId,
    ) -> Result<()> {
        let owner = match object {
            Value::Instance(_) | Value::Super(_) => {
                let class = self.view(object)?.map_or(Parent::None, |(_, class)| class);
                Some(("the '", self.class_name(class)?, "' object has no "))
            }
            Value::Class(id) => Some(("the '", self.heap.classes.get(id)?.name, "' class has no static ")),
            Value::Type(kind) => Some(("the '", kind.name(), "' class has no static ")),
            Value::Module(id) => Some(("module '", self.heap.modules.get(id)?.name, "' has no ")),
            Value::Library(library) => Some(("module '", library.name(), "' has no ")),
            other => Self::machine_type(other).map(|kind| ("the '", kind.name(), "' object has no ")),
        };
        match owner {
            Some((before, owner, after)) => {
                self.put(text, before.as_bytes())?;
                self.put_string(text, owner)?;
                self.put(text, after.as_bytes())?;
            }
            None => {
                self.put(text, b"'")?;
                self.put(text, object.type_name().as_bytes())?;
                self.put(text, b"' value has no ")?;
            }
        }
        let kind = match object {
            Value::Module(_) | Value::Library(_) => "member",
            Value::Class(_) | Value::Type(_) => "attribute",
            _ => kind,
        };
        self.put(text, kind.as_bytes())?;
        self.put(text, b" '")?;
        self.put_string(text, name)?;
        self.put(text, b"'")
    }

    /// A member that is there without asking a script for it.
    pub(crate) fn plain_member(&self, object: Value<N>, name: StrId) -> Result<Option<Value<N>>> {
        Ok(match object {
            Value::Instance(_) | Value::Super(_) => {
                let Some((instance, class)) = self.view(object)? else { return Ok(None) };
                match self.find_in_class(class, name)? {
                    Some(Found::Field(place)) => {
                        self.heap.instances.get(instance)?.fields.get(place).copied().or(Some(Value::Nil))
                    }
                    Some(Found::Method(value) | Found::Static(_, value) | Found::Native(value)) => {
                        Some(value)
                    }
                    None => None,
                }
            }
            Value::Class(id) => match self.find_in_class(Parent::Class(id), name)? {
                Some(Found::Method(value) | Found::Static(_, value) | Found::Native(value)) => Some(value),
                Some(Found::Field(_)) | None => None,
            },
            Value::Type(kind) => libs::method(kind, name),
            Value::Module(id) => {
                let members = &self.heap.modules.get(id)?.members;
                members.iter().find(|&&(known, _)| known == name).map(|&(_, value)| value)
            }
            Value::Library(Library::Global) => match libs::member(Library::Global, name) {
                Some(function) => Some(function),
                None => {
                    let place = self.globals.find(name);
                    let value = place.map(|place| self.globals.get(place)).transpose()?;
                    value.or_else(|| libs::global(name)).or(Some(Value::Nil))
                }
            },
            Value::Library(library) => libs::member(library, name),
            other => Self::machine_type(other).and_then(|kind| libs::method(kind, name)),
        })
    }

    /// The function that answers for members that are not there.
    fn virtual_member(&self, object: Value<N>, name: StrId) -> Result<Option<(Value<N>, Value<N>)>> {
        match object {
            Value::Instance(_) | Value::Super(_) => self.find_method(object, name),
            Value::Module(_) => {
                let function = self.plain_member(object, name)?.filter(|value| value.is_function());
                Ok(function.map(|function| (function, Value::Undefined)))
            }
            _ => Ok(None),
        }
    }

    /// `object.name`
    pub(crate) fn get_member(
        &mut self,
        host: &mut dyn Host<N>,
        object: Value<N>,
        name: StrId,
        result: usize,
    ) -> Result<()> {
        if let Some(value) = self.plain_member(object, name)? {
            return self.set_slot(result, value);
        }
        match self.virtual_member(object, names::MEMBER)? {
            Some((function, receiver)) => {
                let value = self.ask_member(host, function, receiver, name)?;
                match value {
                    Value::Library(Library::Undefined) => self.missing(object, "attribute", name),
                    value => self.set_slot(result, value),
                }
            }
            None => self.missing(object, "attribute", name),
        }
    }

    fn ask_member(
        &mut self,
        host: &mut dyn Host<N>,
        function: Value<N>,
        receiver: Value<N>,
        name: StrId,
    ) -> Result<Value<N>> {
        if matches!(receiver, Value::Undefined) {
            self.call_nested(host, function, &[Value::Str(name)])
        } else {
            self.call_nested(host, function, &[receiver, Value::Str(name)])
        }
    }

    /// `object.name(`: the function comes to `result`, its `self` behind it.
    pub(crate) fn get_method(
        &mut self,
        host: &mut dyn Host<N>,
        object: Value<N>,
        name: StrId,
        result: usize,
    ) -> Result<()> {
        if let Some((method, receiver)) = self.find_method(object, name)? {
            self.set_slot(result + 1, receiver)?;
            return self.set_slot(result, method);
        }
        let plain = self.plain_member(object, name)?;
        let value = match plain {
            Some(value) => value,
            None => match self.virtual_member(object, names::MEMBER)? {
                Some((function, receiver)) => match self.ask_member(host, function, receiver, name)? {
                    Value::Library(Library::Undefined) => return self.missing(object, "method", name),
                    value => value,
                },
                None => return self.missing(object, "method", name),
            },
        };
        self.set_slot(result + 1, Value::Undefined)?;
        self.set_slot(result, value)
    }

    /// `object.name = value`
    pub(crate) fn set_member(
        &mut self,
        host: &mut dyn Host<N>,
        object: Value<N>,
        name: StrId,
        value: Value<N>,
    ) -> Result<()> {
        match object {
            Value::Instance(_) | Value::Super(_) => {
                let Some((instance, class)) = self.view(object)? else { return Err(Raised) };
                match self.find_in_class(class, name)? {
                    Some(Found::Field(place)) => {
                        if let Some(field) = self.heap.instances.get_mut(instance)?.fields.get_mut(place) {
                            *field = value;
                            return Ok(());
                        }
                    }
                    Some(Found::Static(class, _)) => return self.set_static(class, name, value),
                    _ => {}
                }
                if let Some((function, receiver)) = self.find_method(object, names::SETMEMBER)? {
                    return self
                        .call_nested(host, function, &[receiver, Value::Str(name), value])
                        .map(|_| ());
                }
                self.cannot_assign("class '", self.class_name(class)?, name)
            }
            Value::Class(id) => match self.find_in_class(Parent::Class(id), name)? {
                Some(Found::Static(class, _)) => self.set_static(class, name, value),
                _ => self.cannot_assign("class '", self.heap.classes.get(id)?.name, name),
            },
            Value::Module(id) => {
                if let Some((function, _)) = self.virtual_member(object, names::SETMEMBER)?
                    && self.plain_member(object, name)?.is_none()
                {
                    return self.call_nested(host, function, &[Value::Str(name), value]).map(|_| ());
                }
                self.set_module_member(id, name, value)
            }
            Value::Library(Library::Global) => {
                let place = self.globals.find_or_add(&mut self.heap, name)?;
                self.globals.set(place, value)
            }
            Value::Library(library) => self.cannot_assign("module '", library.name(), name),
            other => match Self::machine_type(other) {
                Some(kind) => self.cannot_assign("class '", kind.name(), name),
                None => self.missing(object, "writable attribute", name),
            },
        }
    }

    pub(crate) fn set_module_member(
        &mut self,
        id: crate::slab::ModuleId,
        name: StrId,
        value: Value<N>,
    ) -> Result<()> {
        let module = self.heap.modules.get_mut(id)?;
        match module.members.iter_mut().find(|member| member.0 == name) {
            Some(member) => member.1 = value,
            None => self.heap.budget.push(&mut module.members, (name, value))?,
        }
        Ok(())
    }

    fn set_static(&mut self, class: ClassId, name: StrId, value: Value<N>) -> Result<()> {
        let class = self.heap.classes.get_mut(class)?;
        if let Some(member) = class.members.iter_mut().find(|member| member.0 == name) {
            member.1 = Member::Static(value);
        }
        Ok(())
    }

    fn cannot_assign<T>(&mut self, before: &str, owner: StrId, name: StrId) -> Result<T> {
        let mut text = crate::text::Text::default();
        let outcome = self.write_cannot_assign(&mut text, before, owner, name);
        let message = outcome.and_then(|()| self.heap.string(text.as_bytes()));
        self.discard(text);
        self.exception = (Value::Str(names::ATTRIBUTE_ERROR), message?);
        Err(self.raised(Reason::Exception))
    }

    fn write_cannot_assign(
        &mut self,
        text: &mut crate::text::Text,
        before: &str,
        owner: StrId,
        name: StrId,
    ) -> Result<()> {
        self.put(text, before.as_bytes())?;
        self.put_string(text, owner)?;
        self.put(text, b"' cannot assign to attribute '")?;
        self.put_string(text, name)?;
        self.put(text, b"'")
    }

    /// Whether a value is an instance of a class or of one below it, or such a class itself.
    pub(crate) fn is_derived(&self, value: Value<N>, class: Value<N>) -> Result<bool> {
        let wanted = match class {
            Value::Class(id) => Parent::Class(id),
            Value::Type(kind) => Parent::Type(kind),
            _ => return Ok(false),
        };
        let mut parent = match value {
            Value::Instance(id) => Parent::Class(self.heap.instances.get(id)?.class),
            Value::Super(_) => self.view(value)?.map_or(Parent::None, |(_, class)| class),
            Value::Class(id) => Parent::Class(id),
            Value::Type(kind) => Parent::Type(kind),
            other => Self::machine_type(other).map_or(Parent::None, Parent::Type),
        };
        while parent != Parent::None {
            if parent == wanted {
                return Ok(true);
            }
            parent = match parent {
                Parent::Class(id) => self.heap.classes.get(id)?.parent,
                _ => Parent::None,
            };
        }
        Ok(false)
    }

    // Elements.

    /// `object[key]`
    pub(crate) fn get_index(
        &mut self,
        host: &mut dyn Host<N>,
        object: Value<N>,
        key: Value<N>,
        result: usize,
    ) -> Result<()> {
        let value = match (object, key) {
            (Value::List(list), Value::Int(int)) => {
                let list = self.heap.lists.get(list)?;
                place_in(list.len(), int.index()).and_then(|place| list.get(place)).copied()
            }
            (Value::Map(map), _) => self.heap.map_get(map, key)?,
            (Value::Str(_), _) => Some(self.string_item(object, key)?),
            _ => None,
        };
        if let Some(value) = value {
            return self.set_slot(result, value);
        }
        if !self.call_method(host, object, names::ITEM, &[key], result)? {
            return self.not_indexed(object, "value '", "' does not support subscriptable");
        }
        Ok(())
    }

    /// `object[key] = value`
    pub(crate) fn set_index(
        &mut self,
        host: &mut dyn Host<N>,
        object: Value<N>,
        key: Value<N>,
        value: Value<N>,
    ) -> Result<()> {
        match (object, key) {
            (Value::List(list), Value::Int(int)) => {
                let list = self.heap.lists.get_mut(list)?;
                if let Some(place) = place_in(list.len(), int.index())
                    && let Some(element) = list.get_mut(place)
                {
                    *element = value;
                    return Ok(());
                }
                return self.raise(names::INDEX_ERROR, "list assignment index out of range");
            }
            (Value::Map(map), _) => return self.heap.map_set(map, key, value),
            _ => {}
        }
        // The result goes where the callee stood.
        let place = match self.scratch {
            Some(scratch) => scratch,
            None => self.base + self.registers()?,
        };
        if !self.call_method(host, object, names::SETITEM, &[key, value], place)? {
            return self.not_indexed(object, "value '", "' does not support index assignment");
        }
        Ok(())
    }

    fn not_indexed<T>(&mut self, object: Value<N>, before: &str, after: &str) -> Result<T> {
        self.type_error(&[before, object.type_name(), after])
    }

    /// A character or a part of a string.
    fn string_item(&mut self, object: Value<N>, key: Value<N>) -> Result<Value<N>> {
        let Value::Str(id) = object else { return Err(Raised) };
        let length = self.heap.text(id)?.len();
        let (first, end) = match key {
            Value::Int(int) => match place_in(length, int.index()) {
                Some(place) => (place, place + 1),
                None => return self.raise(names::INDEX_ERROR, "string index out of range"),
            },
            Value::Range(range) => {
                let Small::Range(range) = self.heap.smalls.get(range)? else { return Err(Raised) };
                part_of(length, range.lower.index(), range.upper.index())
            }
            _ => return self.raise(names::INDEX_ERROR, "string indices must be integers"),
        };
        self.substring(id, first, end)
    }

    /// A new string of some bytes of another.
    pub(crate) fn substring(&mut self, id: StrId, first: usize, end: usize) -> Result<Value<N>> {
        self.spend(end.saturating_sub(first) / 8)?;
        let part = match id.text() {
            Some(text) => return self.heap.string(text.as_bytes().get(first..end).unwrap_or_default()),
            None => &self.heap.strings.get(id)?.bytes,
        };
        let copy = self.heap.budget.copy(part.get(first..end).unwrap_or_default())?;
        let string = self.heap.string(&copy);
        self.heap.budget.release_block(copy);
        string
    }
}

/// The place that an index means: from the end if it is negative.
pub(crate) fn place_in(length: usize, index: isize) -> Option<usize> {
    let length = isize::try_from(length).ok()?;
    let place = if index < 0 { index.checked_add(length)? } else { index };
    (0..length).contains(&place).then(|| usize::try_from(place).ok()).flatten()
}

/// The start and the end of the part that a range means; both of its ends belong to it.
pub(crate) fn part_of(length: usize, lower: isize, upper: isize) -> (usize, usize) {
    let signed = isize::try_from(length).unwrap_or(isize::MAX);
    let from_end = |index: isize| if index < 0 { index.saturating_add(signed) } else { index };
    let first = from_end(lower).clamp(0, signed);
    let end = from_end(upper).saturating_add(1).clamp(first, signed);
    (usize::try_from(first).unwrap_or(length), usize::try_from(end).unwrap_or(length))
}
