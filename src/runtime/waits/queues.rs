//! Queues of hooks, threaded through the slots: the link holds the neighbours, and the label in place of a tick.
//!
//! A queue has a number, which each of its hooks bears: a slot is taken for one of a queue's only if a hook is in it that
//! stands in this queue.

use super::{Marks, Slot, StoredWaker, WaitKey, WaitKind, WaitState, Waits};
use crate::runtime::{
    bequest,
    wheel::{Link, NONE},
};

impl Slot {
    fn stands_in(&self, queue: u32) -> bool {
        self.kind == WaitKind::Hook && self.marks.contains(Marks::QUEUED) && self.outcome.queue() == queue
    }
}

impl Waits {
    /// A number for a queue of this run.
    #[inline]
    pub(crate) fn new_queue(&self) -> u32 {
        let number = self.last_queue.get().wrapping_add(1);
        self.last_queue.set(number);
        number
    }

    /// The slot with this index, if a hook of this queue is in it.
    #[inline]
    fn queued(&self, queue: u32, index: u32) -> Option<&mut Slot> {
        let slot = self.slots().get_mut(index as usize).filter(|slot| slot.stands_in(queue));
        debug_assert!(slot.is_some() || index == NONE, "a queue leads to what does not stand in it");
        slot
    }

    /// The hook of this queue in the slot with this index.
    #[inline]
    pub(crate) fn at(&self, queue: u32, index: u32) -> Option<WaitKey> {
        let generation = self.queued(queue, index)?.generation;
        Some(self.key(index, generation))
    }

    /// The hook behind this one.
    pub(crate) fn next_in_queue(&self, key: WaitKey) -> Option<WaitKey> {
        let slot = self.slot(key);
        let (queue, next) = (slot.outcome.queue(), slot.link.next);
        self.at(queue, next)
    }

    /// What a queued hook is known by.
    pub(crate) fn label(&self, key: WaitKey) -> u64 {
        self.slot(key).link.tick
    }

    /// Puts a hook behind the last of a queue, or as the first of one that is empty.
    #[inline]
    pub(crate) fn queue_behind(&self, queue: u32, last: u32, key: WaitKey, label: u64) {
        let slot = self.slot(key);
        slot.link = Link { tick: label, previous: last, next: NONE };
        slot.outcome.set_queue(queue);
        slot.marks.insert(Marks::QUEUED);
        if let Some(last) = self.queued(queue, last) {
            last.link.next = key.index();
        }
    }

    /// Takes a hook out of its queue; gives its neighbours there, or `None` if it stands in none.
    #[inline]
    pub(crate) fn take_from_queue(&self, key: WaitKey) -> Option<(u32, u32)> {
        let slot = self.slot(key);
        if !slot.marks.contains(Marks::QUEUED) {
            return None;
        }
        slot.marks.remove(Marks::QUEUED);
        let queue = slot.outcome.queue();
        let Link { previous, next, .. } = slot.link;
        slot.link.previous = NONE;
        slot.link.next = NONE;
        if let Some(next) = self.queued(queue, next) {
            next.link.previous = previous;
        }
        if let Some(previous) = self.queued(queue, previous) {
            previous.link.next = next;
        }
        Some((previous, next))
    }

    /// Takes the first hook out of its queue and ends its wait with an answer, as [`notify`](Self::notify) does. Gives the
    /// slot behind it, and if somebody is to be woken its label and that one.
    #[inline]
    pub(crate) fn notify_first(
        &self,
        queue: u32,
        first: u32,
        answer: i32,
    ) -> Option<(u32, Option<(u64, StoredWaker)>)> {
        let slot = self.queued(queue, first)?;
        let Link { tick: label, next, .. } = slot.link;
        slot.link.next = NONE;
        slot.marks.remove(Marks::QUEUED);
        let waker = (slot.state == WaitState::Waiting).then(|| {
            slot.state = WaitState::Done;
            slot.outcome.result = answer;
            (label, slot.waker.take())
        });
        if let Some(next) = self.queued(queue, next) {
            next.link.previous = NONE;
        }
        Some((next, waker))
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

    /// Leaves the answers that nobody has taken to those who outlive the run.
    pub(in crate::runtime) fn leave_answers(&self) {
        for (index, slot) in self.slots().iter().enumerate() {
            if slot.kind == WaitKind::Hook && slot.state == WaitState::Done {
                bequest::leave(self.key(index as u32, slot.generation), slot.outcome.result);
            }
        }
    }

    /// With what answer a hook that is done was notified.
    pub(crate) fn answer(&self, key: WaitKey) -> i32 {
        self.slot(key).outcome.result
    }
}
