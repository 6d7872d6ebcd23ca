//! Channels: numbered values that commands, scripts, pins and MQTT share.
//!
//! A channel that was never set is 0 and takes no memory.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::limits::{CHANNEL_TEXT_BYTES, CHANNELS};

/// The number of a channel: below [`CHANNELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChannelId(u8);

impl ChannelId {
    /// The channel of a number, if there is one.
    pub(crate) fn new(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| *number < CHANNELS).map(Self)
    }

    pub(crate) fn number(self) -> u8 {
        self.0
    }
}

/// A value that has become another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) channel: ChannelId,
    pub(crate) from: i32,
    pub(crate) to: i32,
}

/// What a value does at the end of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Stay,
    /// It comes in again at the other end.
    Wrap,
}

#[derive(Debug)]
struct Channel {
    id: ChannelId,
    value: i32,
    /// Not published.
    is_private: bool,
    /// Empty if it has none.
    label: Box<str>,
    kind: Box<str>,
}

/// All channels.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    /// In the order of their numbers.
    used: Vec<Channel>,
}

impl Channels {
    pub(crate) fn get(&self, id: ChannelId) -> i32 {
        self.find(id).map_or(0, |channel| channel.value)
    }

    /// Whether it was ever set or named.
    pub(crate) fn is_used(&self, id: ChannelId) -> bool {
        self.find(id).is_some()
    }

    pub(crate) fn set(&mut self, id: ChannelId, to: i32) -> Option<Changed> {
        let channel = self.entry(id);
        let from = core::mem::replace(&mut channel.value, to);
        (from != to).then_some(Changed { channel: id, from, to })
    }

    pub(crate) fn add(&mut self, id: ChannelId, delta: i32) -> Option<Changed> {
        let to = self.get(id).saturating_add(delta);
        self.set(id, to)
    }

    /// Adds and keeps the value from `min` to `max`.
    pub(crate) fn add_within(
        &mut self,
        id: ChannelId,
        delta: i32,
        min: i32,
        max: i32,
        at_end: AtEnd,
    ) -> Option<Changed> {
        let (min, max) = (min.min(max), min.max(max));
        let sum = self.get(id).saturating_add(delta);
        let to = match at_end {
            AtEnd::Stay => sum.clamp(min, max),
            AtEnd::Wrap if sum > max => min,
            AtEnd::Wrap if sum < min => max,
            AtEnd::Wrap => sum,
        };
        self.set(id, to)
    }

    pub(crate) fn toggle(&mut self, id: ChannelId) -> Option<Changed> {
        let to = i32::from(self.get(id) == 0);
        self.set(id, to)
    }

    pub(crate) fn set_private(&mut self, id: ChannelId, is_private: bool) {
        self.entry(id).is_private = is_private;
    }

    pub(crate) fn is_private(&self, id: ChannelId) -> bool {
        self.find(id).is_some_and(|channel| channel.is_private)
    }

    /// Names a channel for people; a text that is too long is not taken.
    pub(crate) fn set_label(&mut self, id: ChannelId, label: &str) -> bool {
        let fits = label.len() <= CHANNEL_TEXT_BYTES;
        if fits {
            self.entry(id).label = label.into();
        }
        fits
    }

    /// Says what a channel is (`Toggle`, `Temperature`, …), for those who show it.
    pub(crate) fn set_kind(&mut self, id: ChannelId, kind: &str) -> bool {
        let fits = kind.len() <= CHANNEL_TEXT_BYTES;
        if fits {
            self.entry(id).kind = kind.into();
        }
        fits
    }

    /// Every channel in use: its number, value, kind and label.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChannelId, i32, &str, &str)> {
        self.used.iter().map(|channel| (channel.id, channel.value, &*channel.kind, &*channel.label))
    }

    fn find(&self, id: ChannelId) -> Option<&Channel> {
        let at = self.used.binary_search_by_key(&id, |channel| channel.id).ok()?;
        self.used.get(at)
    }

    fn entry(&mut self, id: ChannelId) -> &mut Channel {
        let at = match self.used.binary_search_by_key(&id, |channel| channel.id) {
            Ok(at) => at,
            Err(at) => {
                let channel =
                    Channel { id, value: 0, is_private: false, label: Box::default(), kind: Box::default() };
                self.used.insert(at, channel);
                at
            }
        };
        &mut self.used[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i32) -> ChannelId {
        ChannelId::new(number).unwrap()
    }

    #[test]
    fn only_so_many_numbers_are_channels() {
        assert_eq!(ChannelId::new(-1), None);
        assert_eq!(ChannelId::new(i32::from(CHANNELS)), None);
        assert_eq!(ChannelId::new(256), None);
        assert_eq!(id(i32::from(CHANNELS) - 1).number(), CHANNELS - 1);
    }

    #[test]
    fn a_change_tells_both_values_and_none_tells_nothing() {
        let mut channels = Channels::default();
        assert_eq!((channels.get(id(5)), channels.is_used(id(5))), (0, false));
        assert_eq!(channels.set(id(5), 3), Some(Changed { channel: id(5), from: 0, to: 3 }));
        assert_eq!(channels.set(id(5), 3), None);
        assert_eq!(channels.add(id(5), i32::MAX).unwrap().to, i32::MAX);
        assert_eq!(channels.toggle(id(5)).unwrap().to, 0);
        assert_eq!(channels.toggle(id(5)).unwrap().to, 1);
        channels.set(id(2), 7);
        let numbers: Vec<_> = channels.iter().map(|(id, value, ..)| (id.number(), value)).collect();
        assert_eq!(numbers, [(2, 7), (5, 1)]);
    }

    #[test]
    fn values_stay_in_their_range_or_come_in_again() {
        let mut channels = Channels::default();
        let mut add = |delta, at_end| {
            channels.add_within(id(1), delta, 0, 100, at_end);
            channels.get(id(1))
        };
        assert_eq!(add(60, AtEnd::Stay), 60);
        assert_eq!(add(60, AtEnd::Stay), 100);
        assert_eq!(add(10, AtEnd::Wrap), 0);
        assert_eq!(add(-10, AtEnd::Wrap), 100);
        assert_eq!(add(-10, AtEnd::Wrap), 90);
        channels.add_within(id(1), 0, 50, 10, AtEnd::Stay);
        assert_eq!(channels.get(id(1)), 50, "a range may be said either way round");
    }

    #[test]
    fn texts_are_bounded() {
        let mut channels = Channels::default();
        assert!(channels.set_label(id(1), "Lamp") && channels.set_kind(id(1), "Toggle"));
        assert!(!channels.set_label(id(1), &"x".repeat(CHANNEL_TEXT_BYTES + 1)));
        assert!(!channels.set_kind(id(1), &"x".repeat(CHANNEL_TEXT_BYTES + 1)));
        assert_eq!(channels.iter().next(), Some((id(1), 0, "Toggle", "Lamp")));
    }
}
