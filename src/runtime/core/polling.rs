//! What is being polled, and how much of it one turn can afford.

use super::{Core, DEEPEST, IMMEDIATE, MainReady, waking::Unheard};
use crate::runtime::TaskKey;

impl Core {
    /// The task that is being polled.
    #[inline]
    pub(crate) fn task(&self) -> Option<TaskKey> {
        self.task.get()
    }

    /// Says which task is being polled, as long as the guard lives.
    #[inline]
    pub(crate) fn begin_task(&self, task: TaskKey) -> CurrentTask<'_> {
        self.immediate.set(IMMEDIATE);
        CurrentTask { core: self, outer: self.task.replace(Some(task)) }
    }

    /// Charges the poll of a task that was woken by a task. False if the turn's budget is spent.
    #[inline]
    pub(crate) fn charge(&self) -> bool {
        let budget = self.budget.get();
        self.budget.set(budget.saturating_sub(1));
        budget > 0
    }

    /// Begins the poll of a task within that of another, as long as the guard lives. None if that is too deep already, or the
    /// turn's budget is spent.
    pub(crate) fn begin_within(&self) -> Option<WithinPoll<'_>> {
        if self.depth.get() == DEEPEST || !self.charge() {
            return None;
        }
        Some(self.deepen())
    }

    /// The same for a task that is a part of what the current one is polled for: it is not charged, and the current one's wakers
    /// wake nothing. None if that is too deep already.
    #[inline]
    pub(crate) fn begin_part(&self) -> Option<(WithinPoll<'_>, Unheard<'_>)> {
        if self.depth.get() == DEEPEST { None } else { Some((self.deepen(), self.begin_unheard())) }
    }

    #[inline]
    fn deepen(&self) -> WithinPoll<'_> {
        self.depth.set(self.depth.get() + 1);
        WithinPoll { core: self, immediate: self.immediate.get() }
    }

    /// Takes a half of the turn's budget away, and gives how much that was.
    pub(crate) fn keep_half_of_budget(&self) -> u32 {
        let budget = self.budget.get();
        let kept = budget.div_ceil(2);
        self.budget.set(budget - kept);
        kept
    }

    pub(crate) fn add_to_budget(&self, kept: u32) {
        self.budget.set(self.budget.get().saturating_add(kept));
    }

    /// Counts something that was done without waiting. False if the task has done so much of it that it has to let
    /// others run first.
    #[inline]
    pub(crate) fn charge_immediate(&self) -> bool {
        let immediate = self.immediate.get();
        self.immediate.set(immediate.saturating_sub(1));
        immediate > 0
    }

    /// Takes note of a task that has to let others run because it has done much in one poll. After many of those the turn is
    /// over, so that the kernel is looked at.
    #[cold]
    pub(in crate::runtime) fn end_long_poll(&self) {
        match self.long.get().checked_sub(1) {
            Some(left) => self.long.set(left),
            None => self.budget.set(0),
        }
    }

    /// Whether the main task is to be polled.
    pub(in crate::runtime) fn is_main_ready(&self) -> bool {
        self.main_ready.get() != MainReady::No
    }

    /// Whether there is something to do before the driver is turned again.
    pub(in crate::runtime) fn has_work(&self) -> bool {
        self.panic.is_some() || self.is_main_ready()
    }

    /// Whether the main task is to be polled in this turn.
    #[inline]
    pub(crate) fn take_main_ready(&self) -> bool {
        match self.main_ready.get() {
            MainReady::No => false,
            MainReady::Urgent => {
                self.main_ready.set(MainReady::No);
                true
            }
            MainReady::Charged => {
                let affordable = self.charge();
                if affordable {
                    self.main_ready.set(MainReady::No);
                }
                affordable
            }
        }
    }
}

/// Makes the outer task the current one again when dropped.
pub(crate) struct CurrentTask<'a> {
    core: &'a Core,
    outer: Option<TaskKey>,
}

impl Drop for CurrentTask<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.task.set(self.outer);
    }
}

/// A poll of a task within that of another. What that one may do without waiting is afterwards what it was before.
pub(crate) struct WithinPoll<'a> {
    core: &'a Core,
    immediate: u32,
}

impl Drop for WithinPoll<'_> {
    fn drop(&mut self) {
        self.core.depth.set(self.core.depth.get() - 1);
        self.core.immediate.set(self.immediate);
    }
}
