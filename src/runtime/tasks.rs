//! The table of tasks, and the lists of those that are ready.
//!
//! # Contract
//! A task is what can be woken: the main future, the body of a group, a child of a group. Its slot says whose it is
//! and in which of the two ready lists of its group it stands:
//!
//! - *urgent*: woken by a completion or a timer. It is polled before the kernel is entered again.
//! - *charged*: woken by a task, by itself, or just started. Polling it is charged to the turn's budget.
//!
//! Waking a task puts it on a list of its group. If the group is not being polled, and had nothing ready, the task
//! in which the group lives is woken too, and so on up to the main task, which the run loop polls.
//!
//! The slots lie in an `UnsafeCell`; methods copy plain values in and out and run no code of users, so no two
//! borrows overlap. A slot points to its group, which removes all its tasks before it goes.

use super::{
    Core,
    ready_queue::{Described, ReadyQueue},
    shuffle::Shuffle,
    waker::{TaskKey, Wakee},
    wheel::NONE,
};
use anyio_driver::prefetch;
use std::{
    cell::{Cell, UnsafeCell},
    ptr,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readiness {
    Idle,
    Charged,
    Urgent,
}

/// Two of them fit into a line of the processor's cache.
#[repr(align(32))]
struct Slot {
    generation: u16,
    readiness: Readiness,
    /// How many bytes there are at `child`, up to 65,535.
    size: u16,
    group: *const ReadyQueue,
    child: *const (),
    previous: u32,
    next: u32,
}

const _: () = assert!(size_of::<Slot>() == 32);

impl Slot {
    /// Has fetched what a poll of the task touches: the kernel has been at work since it was last used.
    #[inline]
    fn prefetch(&self) {
        let end = usize::from(self.size).min(FETCHED);
        let mut offset = 0;
        while offset < end {
            // Some at a time: what lies behind the end is fetched for nothing, but not counting each is worth more.
            for line in 0..8 {
                prefetch(self.child.wrapping_byte_add(offset + line * 64));
            }
            offset += 8 * 64;
        }
    }
}

/// How many bytes of a child are fetched at most before it is polled. In those of connections that speak a protocol most of what
/// a poll touches lies behind the first thousand.
const FETCHED: usize = 4096;

/// The ends of a ready list.
#[derive(Debug)]
pub(crate) struct ReadyList {
    first: Cell<u32>,
    last: Cell<u32>,
}

impl ReadyList {
    pub(crate) const fn new() -> Self {
        Self { first: Cell::new(NONE), last: Cell::new(NONE) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get() == NONE
    }
}

/// All tasks of one executor.
pub(crate) struct Tasks {
    executor: u16,
    slots: UnsafeCell<Vec<Slot>>,
    free: Cell<u32>,
    used: Cell<u32>,
    shuffle: Shuffle,
}

impl Tasks {
    pub(crate) fn new(executor: u16, shuffle: Shuffle) -> Self {
        Self { executor, slots: UnsafeCell::default(), free: Cell::new(NONE), used: Cell::new(0), shuffle }
    }

    #[inline]
    #[expect(clippy::mut_from_ref, reason = "private; the module's contract keeps borrows apart")]
    fn slots(&self) -> &mut Vec<Slot> {
        // SAFETY: by the contract no other borrow of the slots is alive.
        unsafe { &mut *self.slots.get() }
    }

    /// How many tasks there are.
    pub(crate) fn used(&self) -> usize {
        self.used.get() as usize
    }

    /// Takes a slot for a task of this group (null for the main task), not ready yet. `child` is what
    /// [`pop`](Self::pop) gives when the task is to be polled, and `size` how many bytes lie there.
    ///
    /// # Safety
    /// The group stays where it is and removes the task before it goes.
    #[inline(always)]
    pub(crate) unsafe fn insert(&self, group: *const ReadyQueue, child: *const (), size: usize) -> TaskKey {
        let size = size.min(usize::from(u16::MAX)) as u16;
        self.used.set(self.used.get() + 1);
        let slots = self.slots();
        let index = self.free.get();
        let Some(slot) = slots.get_mut(index as usize) else { return self.add(group, child, size) };
        self.free.set(slot.next);
        slot.size = size;
        slot.group = group;
        slot.child = child;
        TaskKey::new(self.executor, slot.generation, index)
    }

    /// Adds a slot to the table.
    #[cold]
    fn add(&self, group: *const ReadyQueue, child: *const (), size: u16) -> TaskKey {
        let slots = self.slots();
        let index = u32::try_from(slots.len()).ok().filter(|&index| index <= TaskKey::LAST_INDEX);
        let index = index.expect("fewer than 2³¹ tasks fit into memory");
        let readiness = Readiness::Idle;
        slots.push(Slot { generation: 0, readiness, size, group, child, previous: NONE, next: NONE });
        TaskKey::new(self.executor, 0, index)
    }

    /// Wakes a task of this group for the first time.
    #[inline]
    pub(crate) fn start(&self, core: &Core, task: TaskKey, group: &ReadyQueue) {
        if group.is_polling() && !core.is_dispatching() {
            self.slots()[task.index() as usize].readiness = Readiness::Charged;
            self.push(task.index(), &group.charged);
        } else {
            self.wake(core, task);
        }
    }

    /// Frees a task's slot, taking it off its ready list. Wakers of it wake nothing from now on.
    #[inline]
    pub(crate) fn remove(&self, task: TaskKey) {
        if self.is_ready(task) {
            self.unlink(task.index());
        }
        let slot = &mut self.slots()[task.index() as usize];
        debug_assert_eq!(slot.generation, task.generation());
        slot.generation = slot.generation.wrapping_add(1);
        slot.group = ptr::null();
        slot.child = ptr::null();
        slot.next = self.free.get();
        self.free.set(task.index());
        self.used.set(self.used.get() - 1);
    }

    fn unlink(&self, index: u32) {
        let slots = self.slots();
        let slot = &mut slots[index as usize];
        let readiness = std::mem::replace(&mut slot.readiness, Readiness::Idle);
        // SAFETY: a task's group is alive: see the contract.
        let Some(group) = (unsafe { slot.group.as_ref() }) else { return };
        let list = match readiness {
            Readiness::Idle => return,
            Readiness::Charged => &group.charged,
            Readiness::Urgent => &group.urgent,
        };
        let (previous, next) = (slot.previous, slot.next);
        match slots.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => list.first.set(next),
        }
        match slots.get_mut(next as usize) {
            Some(next) => next.previous = previous,
            None => list.last.set(previous),
        }
    }

    #[inline]
    fn push(&self, index: u32, list: &ReadyList) {
        let slots = self.slots();
        let last = list.last.replace(index);
        match slots.get_mut(last as usize) {
            Some(last) => last.next = index,
            None => list.first.set(index),
        }
        let slot = &mut slots[index as usize];
        slot.previous = last;
        slot.next = NONE;
    }

    /// Shows all tasks, each with its group (null for the main task) and what was given for its child. What is called may
    /// not change the table.
    pub(super) fn for_each(&self, mut visit: impl FnMut(TaskKey, *const ReadyQueue, *const ())) {
        for (index, slot) in self.slots().iter().enumerate() {
            // The main task is the first of its run to be taken in; otherwise free slots alone have no group.
            if !slot.group.is_null() || index == 0 && slot.generation == 0 {
                visit(TaskKey::new(self.executor, slot.generation, index as u32), slot.group, slot.child);
            }
        }
    }

    /// What is to be told of a task that is a child of a group and has not ended.
    pub(crate) fn describe(&self, task: TaskKey) -> Option<Described> {
        let slot = self.slots().get(task.index() as usize)?;
        if slot.generation != task.generation() || slot.child.is_null() {
            return None;
        }
        // SAFETY: a task's group is alive, and so is the child: see the contract.
        unsafe { slot.group.as_ref().map(|group| group.describe(slot.child)) }
    }

    /// Has a task's slot fetched, because it will be woken soon. It need not exist any more.
    #[inline]
    pub(super) fn prefetch(&self, task: TaskKey) {
        if let Some(slot) = self.slots().get(task.index() as usize) {
            prefetch(slot);
        }
    }

    /// Whether a task stands in a ready list.
    pub(super) fn is_ready(&self, task: TaskKey) -> bool {
        self.slots()[task.index() as usize].readiness != Readiness::Idle
    }

    /// Whether ready tasks are taken in another order than that in which they were woken.
    pub(crate) fn are_shuffled(&self) -> bool {
        self.shuffle.is_on()
    }

    /// Whether this task would be taken off a ready list next.
    #[inline]
    pub(crate) fn is_next(&self, list: &ReadyList, task: TaskKey) -> bool {
        list.first.get() == task.index() && !self.shuffle.is_on()
    }

    /// The task that stands last in a ready list.
    pub(crate) fn last(&self, list: &ReadyList) -> Option<TaskKey> {
        let index = list.last.get();
        let slot = self.slots().get(index as usize)?;
        Some(TaskKey::new(self.executor, slot.generation, index))
    }

    /// Takes the first task off a ready list: its name and what was given for its child.
    #[inline]
    pub(crate) fn pop(&self, list: &ReadyList) -> Option<(TaskKey, *const ())> {
        if let Some(passed_over) = self.shuffle.pick() {
            return self.pick(list, passed_over);
        }
        let slots = self.slots();
        let index = list.first.get();
        let slot = slots.get_mut(index as usize)?;
        slot.readiness = Readiness::Idle;
        let (task, child) = (TaskKey::new(self.executor, slot.generation, index), slot.child);
        let next = slot.next;
        list.first.set(next);
        match slots.get_mut(next as usize) {
            Some(next) => {
                next.previous = NONE;
                // What was woken by a task is likely there still.
                if next.readiness == Readiness::Urgent {
                    next.prefetch();
                }
            }
            None => list.last.set(NONE),
        }
        Some((task, child))
    }

    /// Takes a task off a ready list that stands so many places behind the first, counted from the first again behind the
    /// last.
    #[cold]
    fn pick(&self, list: &ReadyList, passed_over: u32) -> Option<(TaskKey, *const ())> {
        let slots = self.slots();
        let mut index = list.first.get();
        for _ in 0..passed_over {
            let next = slots.get(index as usize)?.next;
            index = if next == NONE { list.first.get() } else { next };
        }
        let slot = slots.get(index as usize)?;
        let picked = (TaskKey::new(self.executor, slot.generation, index), slot.child);
        self.unlink(index);
        Some(picked)
    }

    /// Wakes a task and, as far as needed, the tasks in which its group lives.
    #[inline]
    pub(crate) fn wake(&self, core: &Core, task: TaskKey) {
        let urgent = core.is_dispatching();
        let mut task = task;
        loop {
            let Some(slot) = self.slots().get_mut(task.index() as usize) else { return };
            if slot.generation != task.generation() {
                return;
            }
            // SAFETY: a task's group is alive: see the contract.
            let group = unsafe { slot.group.as_ref() };
            let Some(group) = group else {
                return core.wake_main(urgent);
            };
            let had = match slot.readiness {
                Readiness::Urgent => return,
                Readiness::Charged if !urgent => return,
                Readiness::Charged => {
                    self.unlink(task.index());
                    false
                }
                Readiness::Idle => !group.charged.is_empty() && !urgent,
            };
            let had = had || !group.urgent.is_empty();
            let (list, readiness) = if urgent {
                (&group.urgent, Readiness::Urgent)
            } else {
                (&group.charged, Readiness::Charged)
            };
            let slot = &mut self.slots()[task.index() as usize];
            slot.readiness = readiness;
            self.push(task.index(), list);
            if had || group.is_polling() {
                return;
            }
            match group.take_host() {
                Wakee::Task(host) => task = host,
                Wakee::Nobody => return,
                Wakee::Foreign(waker) => return core.wake_foreign(waker),
            }
        }
    }
}
