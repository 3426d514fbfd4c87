//! Queues of hooks, threaded through the slots: the link holds the neighbours, and the label in place of a tick.

use super::{Marks, StoredWaker, WaitKey, WaitKind, WaitState, Waits};
use crate::runtime::{
    bequest,
    wheel::{Link, NONE},
};

impl Waits {
    /// The wait in this slot, if there is such a slot.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> Option<WaitKey> {
        let slot = self.slots().get(index as usize)?;
        Some(self.key(index, slot.generation))
    }

    /// Whether this hook stands in a queue.
    #[inline]
    pub(crate) fn is_queued(&self, key: WaitKey) -> bool {
        self.slot(key).marks.contains(Marks::QUEUED)
    }

    /// The hook behind this one.
    pub(crate) fn next_in_queue(&self, key: WaitKey) -> Option<WaitKey> {
        self.at(self.slot(key).link.next)
    }

    /// What a queued hook is known by.
    pub(crate) fn label(&self, key: WaitKey) -> u64 {
        self.slot(key).link.tick
    }

    /// Puts a hook behind the last of a queue, or as the first of one that is empty.
    #[inline]
    pub(crate) fn queue_behind(&self, last: u32, key: WaitKey, label: u64) {
        let slot = self.slot(key);
        slot.link = Link { tick: label, previous: last, next: NONE };
        slot.marks.insert(Marks::QUEUED);
        if let Some(last) = self.slots().get_mut(last as usize) {
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
        let Link { previous, next, .. } = slot.link;
        slot.link.previous = NONE;
        slot.link.next = NONE;
        let slots = self.slots();
        if let Some(next) = slots.get_mut(next as usize) {
            next.link.previous = previous;
        }
        if let Some(previous) = slots.get_mut(previous as usize) {
            previous.link.next = next;
        }
        Some((previous, next))
    }

    /// Takes the first hook out of its queue and ends its wait with an answer, as [`notify`](Self::notify) does. Gives the
    /// slot behind it, and if somebody is to be woken its label and that one.
    #[inline]
    pub(crate) fn notify_first(&self, first: u32, answer: i32) -> Option<(u32, Option<(u64, StoredWaker)>)> {
        let slots = self.slots();
        let slot = slots.get_mut(first as usize)?;
        let Link { tick: label, next, .. } = slot.link;
        slot.link.next = NONE;
        slot.marks.remove(Marks::QUEUED);
        let waker = (slot.state == WaitState::Waiting).then(|| {
            slot.state = WaitState::Done;
            slot.outcome.result = answer;
            (label, slot.waker.take())
        });
        if let Some(next) = slots.get_mut(next as usize) {
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
