//! Queues of hooks, threaded through the slots: the link holds the neighbours, and the label in place of a tick.

use super::{Marks, StoredWaker, WaitKey, WaitState, Waits};
use crate::runtime::{
    queue::Ends,
    wheel::{Link, NONE},
};

impl Waits {
    fn key_at(&self, index: u32) -> Option<WaitKey> {
        let generation = self.slots().get(index as usize)?.generation;
        Some(WaitKey { index, generation, run: self.run })
    }

    /// Whether this hook stands in a queue.
    #[inline]
    pub(crate) fn is_queued(&self, key: WaitKey) -> bool {
        self.slot(key).marks.contains(Marks::QUEUED)
    }

    /// The hook behind this one.
    pub(crate) fn next_in_queue(&self, key: WaitKey) -> Option<WaitKey> {
        self.key_at(self.slot(key).link.next)
    }

    /// What a queued hook is known by.
    #[inline]
    pub(crate) fn label(&self, key: WaitKey) -> u64 {
        self.slot(key).link.tick
    }

    /// Puts a hook at the end of a queue; gives the queue's new ends.
    pub(crate) fn push_to_queue(&self, ends: Option<Ends>, key: WaitKey, label: u64) -> Ends {
        let previous = ends.map_or(NONE, |ends| ends.last.index);
        let slot = self.slot(key);
        slot.link = Link { tick: label, previous, next: NONE };
        slot.marks.insert(Marks::QUEUED);
        if let Some(ends) = ends {
            self.slot(ends.last).link.next = key.index;
        }
        Ends { first: ends.map_or(key, |ends| ends.first), last: key }
    }

    /// Takes a hook out of a queue; gives the queue's new ends.
    pub(crate) fn remove_from_queue(&self, ends: Option<Ends>, key: WaitKey) -> Option<Ends> {
        let slot = self.slot(key);
        slot.marks.remove(Marks::QUEUED);
        let Link { previous, next, .. } = std::mem::replace(&mut slot.link, Link::EMPTY);
        let (previous, next) = (self.key_at(previous), self.key_at(next));
        if let Some(next) = next {
            self.slot(next).link.previous = previous.map_or(NONE, |key| key.index);
        }
        if let Some(previous) = previous {
            self.slot(previous).link.next = next.map_or(NONE, |key| key.index);
        }
        let ends = ends?;
        let first = if ends.first == key { next } else { Some(ends.first) };
        let last = if ends.last == key { previous } else { Some(ends.last) };
        Some(Ends { first: first?, last: last? })
    }

    /// Ends a hook's wait with an answer: it is done, unless it was cancelled before. Gives who is to be woken, or
    /// `None` if it was cancelled or done already.
    pub(crate) fn notify(&self, key: WaitKey, answer: i32) -> Option<StoredWaker> {
        let slot = self.slot(key);
        if slot.state != WaitState::Waiting {
            return None;
        }
        slot.state = WaitState::Done;
        slot.outcome.result = answer;
        Some(slot.waker.take())
    }

    /// With what answer a hook that is done was notified.
    pub(crate) fn answer(&self, key: WaitKey) -> i32 {
        self.slot(key).outcome.result
    }
}
