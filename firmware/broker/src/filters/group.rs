//! The turns of a group that shares a filter (section 4.8.2 of MQTT 5).
//!
//! Each message goes to the next member that can take it at once, else to one that can take it later. Members that are
//! stuck are passed over, and each costs a step. A message has [`STEPS_FOR_EACH_TURN`] of its own; what is needed beyond them
//! comes from a store that as many flow into for each message, so that what messages cost does not grow with the members
//! that are stuck. Only when that is used up too does a message go to the best of those it could ask, and the next one
//! asks those behind them.

use super::{Head, Subscription, Suitability, Visitor};
use crate::limits::{SPARE_TURN_STEPS, STEPS_FOR_EACH_TURN};
use crate::slab::{Slab, chunk};

/// Shows the member of a group whose turn it is. What has ended and is met on the way is taken out of the circle, and
/// counted off from `gone`. Answers how many members were asked.
pub(super) fn show_next(
    head: &mut Head,
    subscriptions: &mut Slab<Subscription, { chunk::<Subscription>() }>,
    gone: &mut usize,
    spare_steps: &mut u32,
    visitor: &mut impl Visitor,
) -> u32 {
    *spare_steps = spare_steps.saturating_add(STEPS_FOR_EACH_TURN).min(SPARE_TURN_STEPS);
    let mut cursor = head.last;
    let mut best = (Suitability::Never, cursor);
    let mut steps = 0;
    let mut is_whole = true;
    loop {
        let next = subscriptions[cursor].next_in_head;
        if subscriptions[next].is_gone() {
            // The filter of a circle in which nobody is left has gone with it.
            if next == cursor {
                break;
            }
            subscriptions[cursor].next_in_head = subscriptions[next].next_in_head;
            subscriptions.remove(next);
            *gone -= 1;
            if next == head.last {
                head.last = cursor;
                break;
            }
            continue;
        }
        cursor = next;
        steps += 1;
        let suitability = visitor.suits(&subscriptions[cursor]);
        if suitability < best.0 {
            best = (suitability, cursor);
        }
        if suitability == Suitability::Now || cursor == head.last {
            break;
        }
        if steps >= STEPS_FOR_EACH_TURN {
            if *spare_steps == 0 {
                is_whole = false;
                break;
            }
            *spare_steps -= 1;
        }
    }
    let (suitability, chosen) = best;
    if !is_whole {
        head.last = cursor;
    } else if suitability < Suitability::Never {
        head.last = chosen;
    }
    match suitability {
        Suitability::Never => visitor.nobody(),
        _ => visitor.visit(&subscriptions[chosen]),
    }
    steps
}
