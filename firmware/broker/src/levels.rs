//! Hashes of topics and filters, put together from those of their levels, and the shapes of filters with wildcards.
//!
//! A filter without wildcards has the hash of its text. That of one with wildcards is put together from its levels: the
//! hash that a filter of a certain shape has if it matches a topic can be computed from the topic's levels; see
//! `filters.rs`, which does.

use alloc::vec::Vec;

use crate::hash::{Hasher, NameHasher};
use crate::limits::{Limits, MAX_WILDCARD_LEVELS, Share};
use crate::memory::{Memory, OutOfMemory, Purpose, push_reserved};

/// Where a filter has wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bit n is set where level n is `+`.
    plus: u32,
    /// Levels, a final `#` not counted.
    levels: u8,
    multi: bool,
}

const _: () = assert!(MAX_WILDCARD_LEVELS == u32::BITS as usize, "one bit of `plus` for each level");

impl Shape {
    /// Whether a filter of this shape matches the topic, to which the shape [applies](Self::applies).
    ///
    /// A filter of another shape does not, even if it matches: it is found under its own.
    pub(crate) fn covers(self, filter: &[u8], topic: &[u8]) -> bool {
        let mut levels = filter.split(|&byte| byte == b'/');
        let mut names = topic.split(|&byte| byte == b'/');
        for index in 0..self.levels {
            let (Some(level), Some(name)) = (levels.next(), names.next()) else { return false };
            let is_plus = self.plus >> index & 1 != 0;
            if if is_plus { level != b"+" } else { level != name } {
                return false;
            }
        }
        levels.next() == self.multi.then_some(b"#") && levels.next().is_none()
    }

    /// Whether filters of this shape can match a topic at all.
    #[inline]
    pub(crate) fn applies(self, split: &Split) -> bool {
        let levels = usize::from(self.levels);
        let fits = if self.multi { levels <= split.count } else { levels == split.count };
        // [MQTT-4.7.2-1]: wildcards at the first level do not match topics that begin with `$`.
        fits && !(split.reserved && (self.plus & 1 != 0 || levels == 0))
    }
}

/// A shape that some filters have.
#[derive(Debug)]
struct Used {
    shape: Shape,
    filters: u32,
    /// The owner of the share that the shape belongs to.
    brought_by: u16,
}

/// The shapes of all filters with wildcards.
///
/// Each costs a look-up for every message, so what a client can add is bounded. Shapes with nothing but a `#` at the
/// end are few by nature ([`MAX_WILDCARD_LEVELS`] and one) and always admitted. Those with `+` share
/// [`Limits::max_filter_shapes`], of which each user has a [`Share`]; what is in use already is free to all.
#[derive(Debug)]
pub(crate) struct Shapes(Vec<Used>);

impl Shapes {
    pub(crate) const fn new() -> Self {
        Shapes(Vec::new())
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Shape> {
        self.0.iter().map(|used| used.shape)
    }

    /// Whether a user may bring a filter of this shape.
    pub(crate) fn admits(&self, shape: Shape, share: Share, limits: &Limits) -> bool {
        if shape.plus == 0 || self.iter().any(|used| used == shape) {
            return true;
        }
        let with_plus = || self.0.iter().filter(|used| used.shape.plus != 0);
        let own = || with_plus().filter(|used| used.brought_by == share.owner()).count();
        share.admits(limits.max_filter_shapes.into(), with_plus().count(), own)
    }

    /// Makes room for one more shape.
    pub(crate) fn reserve(&mut self, memory: &mut Memory) -> Result<(), OutOfMemory> {
        memory.reserve(&mut self.0, 1, Purpose::Connection)
    }

    /// Counts a filter, for whose shape there is room.
    pub(crate) fn add(&mut self, shape: Shape, share: Share) {
        match self.0.iter_mut().find(|used| used.shape == shape) {
            Some(used) => used.filters += 1,
            None => push_reserved(&mut self.0, Used { shape, filters: 1, brought_by: share.owner() }),
        }
    }

    /// Forgets a filter.
    pub(crate) fn remove(&mut self, shape: Shape) {
        let Some(place) = self.0.iter().position(|used| used.shape == shape) else { return };
        self.0[place].filters -= 1;
        if self.0[place].filters == 0 {
            self.0.swap_remove(place);
        }
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        if self.0.is_empty() {
            memory.release(core::mem::take(&mut self.0));
        }
    }
}

/// The hashes of levels, and how they are put together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Levels {
    hasher: NameHasher,
    start: u32,
    plus: u32,
    multi: u32,
}

/// The levels of a topic.
pub(crate) struct Split {
    count: usize,
    /// The topic begins with `$`.
    reserved: bool,
    names: [u32; MAX_WILDCARD_LEVELS],
    /// The first n levels together.
    prefixes: [u32; MAX_WILDCARD_LEVELS + 1],
}

/// Bytes in front of the next separator.
#[inline]
fn level_length(bytes: &[u8]) -> usize {
    const WORD: usize = size_of::<usize>();
    const ONES: usize = usize::MAX / 0xFF;
    let (words, rest) = bytes.as_chunks::<WORD>();
    for (index, word) in words.iter().enumerate() {
        // The separators become zero, and the lowest zero gets its highest bit set, with nothing below.
        let word = usize::from_le_bytes(*word) ^ (ONES * b'/' as usize);
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return index * WORD + zeros.trailing_zeros() as usize / 8;
        }
    }
    let position = rest.iter().position(|&byte| byte == b'/');
    bytes.len() - rest.len() + position.unwrap_or(rest.len())
}

impl Levels {
    pub(crate) fn new(hasher: Hasher) -> Self {
        let of = |number: u32| hasher.hash_word(number, b"level");
        Levels { hasher: NameHasher::new(hasher), start: of(1), plus: of(2), multi: of(3) }
    }

    /// The key is in the parts: a client that does not know it cannot make two filters meet.
    #[inline]
    const fn join(before: u32, level: u32) -> u32 {
        (before.rotate_left(7) ^ level).wrapping_mul(0x9E37_79B1)
    }

    /// The hash of a filter without wildcards, which is that of the topic it matches.
    #[inline]
    pub(crate) fn of_text(&self, text: &[u8]) -> u32 {
        self.hasher.hash(text)
    }

    /// Hash and shape of a filter without a group; the shape only if it has wildcards. Nothing if it has wildcards in
    /// more levels than can be looked up.
    pub(crate) fn of_filter(&self, filter: &[u8]) -> Option<(u32, Option<Shape>)> {
        // Nearly all have none, and need not be split.
        if !filter.contains(&b'+') && !filter.contains(&b'#') {
            return Some((self.of_text(filter), None));
        }
        let mut hash = self.start;
        let mut plus = 0_u32;
        let mut multi = false;
        let mut count = 0_usize;
        for level in filter.split(|&byte| byte == b'/') {
            let name = match level {
                b"#" => {
                    multi = true;
                    self.multi
                }
                b"+" => {
                    plus |= 1_u32.checked_shl(u32::try_from(count).ok()?)?;
                    self.plus
                }
                name => self.hasher.hash(name),
            };
            hash = Self::join(hash, name);
            count += usize::from(!multi);
        }
        if count > MAX_WILDCARD_LEVELS {
            return None;
        }
        Some((hash, Some(Shape { plus, levels: u8::try_from(count).ok()?, multi })))
    }

    #[inline]
    pub(crate) fn of_topic(&self, topic: &[u8]) -> Split {
        let mut whole = self.start;
        let mut split = Split {
            count: 0,
            reserved: topic.first() == Some(&b'$'),
            names: [0; MAX_WILDCARD_LEVELS],
            prefixes: [0; MAX_WILDCARD_LEVELS + 1],
        };
        split.prefixes[0] = self.start;
        let mut start = 0;
        while let Some(rest) = topic.get(start..) {
            let length = level_length(rest);
            let name = self.hasher.hash(&rest[..length]);
            whole = Self::join(whole, name);
            if split.count < MAX_WILDCARD_LEVELS {
                split.names[split.count] = name;
                split.prefixes[split.count + 1] = whole;
            }
            split.count += 1;
            start += length + 1;
        }
        split
    }

    /// The hash of the filter of a shape that matches a topic, to which the shape applies.
    #[inline]
    pub(crate) fn of_shape(&self, split: &Split, shape: Shape) -> u32 {
        let levels = usize::from(shape.levels).min(MAX_WILDCARD_LEVELS);
        let same = (shape.plus.trailing_zeros() as usize).min(levels);
        let mut hash = split.prefixes[same];
        for (index, &name) in split.names[..levels].iter().enumerate().skip(same) {
            let name = if shape.plus >> index & 1 == 0 { name } else { self.plus };
            hash = Self::join(hash, name);
        }
        if shape.multi { Self::join(hash, self.multi) } else { hash }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::verifier::UserId;

    fn shape(filter: &str) -> Shape {
        Levels::new(Hasher::new(1)).of_filter(filter.as_bytes()).unwrap().1.unwrap()
    }

    #[test]
    fn a_shape_gives_the_hash_of_the_filter_that_matches() {
        let levels = Levels::new(Hasher::new(1));
        for filter in ["a/b/#", "a/+", "+/b", "+/+", "#", "+/#", "a/+/#", "+/b/#"] {
            let split = levels.of_topic(b"a/b");
            let (hash, shape) = levels.of_filter(filter.as_bytes()).unwrap();
            let shape = shape.unwrap();
            assert!(shape.applies(&split) && shape.covers(filter.as_bytes(), b"a/b"));
            assert_eq!(levels.of_shape(&split, shape), hash, "{filter}");
            assert_ne!(
                levels.of_shape(&levels.of_topic(b"b/a"), shape) == hash,
                !matches!(filter, "+/+" | "#" | "+/#")
            );
        }
        assert_eq!(levels.of_filter(b"a/b"), Some((levels.of_text(b"a/b"), None)));
    }

    #[test]
    fn a_level_ends_at_the_first_separator() {
        for length in 0..30 {
            let mut bytes = [b'.'; 30];
            assert_eq!(level_length(&bytes[..length]), length);
            // Bytes that differ from a separator by little, and a second one.
            for near in [b'/' - 1, b'/' + 1, b'/' ^ 0x80, 0, 0xFF] {
                bytes[..length].fill(near);
                bytes[length..].fill(b'/');
                assert_eq!(level_length(&bytes), length);
            }
        }
    }

    #[test]
    fn a_shape_covers_only_filters_of_its_own() {
        let filters = ["a/b", "a/b/#", "a/+", "+/b", "+/+", "#", "+/#", "a/+/#", "+/b/#", "a/#"];
        for one in &filters[1..] {
            for other in filters {
                assert_eq!(shape(one).covers(other.as_bytes(), b"a/b"), *one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn one_user_cannot_use_all_shapes_up() {
        let limits = Limits { max_filter_shapes: 16, ..Limits::default() };
        let mut memory = Memory::new(1 << 16);
        let mut shapes = Shapes::new();
        let mut bring = |shapes: &mut Shapes, share, filter: &str| {
            let shape = shape(filter);
            let admitted = shapes.admits(shape, share, &limits);
            if admitted {
                shapes.reserve(&mut memory).unwrap();
                shapes.add(shape, share);
            }
            admitted
        };
        // No two numbers have the same shape.
        let plus = |number: u32| {
            let level = |bit: u32| if number >> bit & 1 == 0 { "a/" } else { "+/" };
            format!("{}+", (0..6).map(level).collect::<String>())
        };
        let mut bring_all = |shapes: &mut Shapes, share, numbers: core::ops::Range<u32>| {
            numbers.filter(|&number| bring(shapes, share, &plus(number))).count()
        };
        let share = |number| Share::new(Some(UserId(number)), true);
        assert_eq!(bring_all(&mut shapes, share(0), 0..20), 12);
        // What is there already remains open to all.
        assert_eq!(bring_all(&mut shapes, share(0), 0..12), 12);
        assert_eq!(bring_all(&mut shapes, share(1), 20..30), 2);
        assert_eq!(bring_all(&mut shapes, share(2), 30..40), 2);
        assert_eq!(bring_all(&mut shapes, share(3), 40..50), 0);
        shapes.remove(shape(&plus(20)));
        assert_eq!(bring_all(&mut shapes, share(0), 12..20), 0);
        assert_eq!(bring_all(&mut shapes, share(3), 40..50), 1);
        // Who is alone has them all.
        let alone = Share::new(None, false);
        assert_eq!(bring_all(&mut Shapes::new(), alone, 0..20), 16);
    }

    #[test]
    fn shapes_without_plus_are_always_admitted() {
        let limits = Limits { max_filter_shapes: 0, ..Limits::default() };
        let shapes = Shapes::new();
        for (filter, admitted) in
            [("#", true), ("a/#", true), ("a/b/c/#", true), ("+", false), ("+/#", false)]
        {
            assert_eq!(shapes.admits(shape(filter), Share::LOCAL, &limits), admitted, "{filter}");
        }
    }
}
