//! Global names and their values.

use alloc::vec::Vec;

use crate::heap::Heap;
use crate::numbers::Numbers;
use crate::raised::{Raised, Reason};
use crate::slab::StrId;
use crate::value::Value;

#[derive(Debug)]
pub(crate) struct Globals<N: Numbers> {
    names: Vec<StrId>,
    values: Vec<Value<N>>,
}

impl<N: Numbers> Globals<N> {
    pub(crate) const fn new() -> Self {
        Globals { names: Vec::new(), values: Vec::new() }
    }

    pub(crate) fn find(&self, name: StrId) -> Option<u32> {
        self.names.iter().position(|&other| other == name).and_then(|place| u32::try_from(place).ok())
    }

    pub(crate) fn find_or_add(&mut self, heap: &mut Heap<N>, name: StrId) -> Result<u32, Raised> {
        if let Some(place) = self.find(name) {
            return Ok(place);
        }
        if self.names.len() >= crate::code::MAX_INDEX as usize {
            return Err(heap.budget.raised(Reason::Memory));
        }
        let place = u32::try_from(self.names.len()).map_err(|_| Raised)?;
        heap.budget.reserve(&mut self.names, 1)?;
        heap.budget.push(&mut self.values, Value::Nil)?;
        heap.budget.push(&mut self.names, name)?;
        Ok(place)
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> Result<Value<N>, Raised> {
        self.values.get(place as usize).copied().ok_or(Raised)
    }

    #[inline]
    pub(crate) fn set(&mut self, place: u32, value: Value<N>) -> Result<(), Raised> {
        *self.values.get_mut(place as usize).ok_or(Raised)? = value;
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn release(self, budget: &mut crate::memory::Budget) {
        budget.release(self.names);
        budget.release(self.values);
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (StrId, Value<N>)> {
        self.names.iter().copied().zip(self.values.iter().copied())
    }

    pub(crate) fn entry(&self, place: usize) -> Option<(StrId, Value<N>)> {
        Some((self.names.get(place).copied()?, self.values.get(place).copied()?))
    }
}
