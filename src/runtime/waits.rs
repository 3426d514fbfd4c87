//! The slots of everything that waits.
//!
//! # Contract
//! A slot is taken when something begins to wait and freed when that is over: an operation in the driver, a timer,
//! a waiter of an event or channel, a scope's deadline. Its index and generation make the token of the operation.
//! It holds who is to be woken, the links through the list of its scope, and what the kind of wait needs.
//!
//! The slots lie in an `UnsafeCell`. Every method copies plain values in or out and runs no code of users: a waker
//! is woken or dropped only by the caller, after the method has returned. So no two borrows ever overlap, although
//! methods take `&self`. The slots belong to one thread.
//!
//! A slot points to its scope's node as long as it is linked. Before a node goes it hands all its slots to another
//! or unlinks them ([`Waits::move_all`], [`Waits::detach_all`]), and slots unlink themselves when they are freed, so the
//! pointer never dangles.

use super::{
    autojump::Outside,
    clock::RunClock,
    queue::Ends,
    wait_reason::WaitReason,
    waker::{StoredWaker, TaskKey},
    wheel::{COARSE, EXACT, Link, Links, NONE, Wheel},
};
use crate::scope::Scope;
use anyio_driver::{BufferId, Completion, CompletionFlags, Token};
use std::{
    cell::{Cell, UnsafeCell},
    ptr,
    task::Waker,
    time::Instant,
};

/// Names a slot in one of its generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitKey {
    index: u32,
    generation: u32,
    /// Which executor of this process. A future that outlives its run must not touch the slots of another.
    run: u32,
}

impl WaitKey {
    #[inline]
    pub(crate) fn token(self) -> Token {
        Token::new(self.index, self.generation)
    }

    /// Which executor's slot it is.
    pub(crate) fn run(self) -> u32 {
        self.run
    }
}

/// What a cancelled scope does with a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitKind {
    /// None: the slot is free.
    Free,
    /// An operation that is the effect itself: the driver is asked to cancel it, and its answer counts.
    Operation,
    /// An operation that belongs to a stream or listener: the waiter is woken, the operation goes on.
    Kept,
    /// The same, and its success brings a descriptor.
    KeptAccept,
    /// Something that is not the driver's: the waiter is woken.
    Hook,
    /// A timer: taken out of the wheel and woken.
    Timer,
    /// A scope's deadline, not woken but cancelled; no scope cancels it.
    Deadline,
    /// An operation whose future was dropped. What disposes of its result is in the table of orphans.
    Orphan,
    /// Not a wait but a result that a kept operation has brought and its stream not yet taken.
    Queued,
}

/// Whether a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitState {
    /// What is waited for has not happened.
    Waiting,
    /// It has happened, before any cancellation.
    Done,
    /// A scope was cancelled before it happened.
    Cancelled,
}

struct Slot {
    generation: u32,
    kind: WaitKind,
    state: WaitState,
    /// Whether the driver has been asked to cancel the operation.
    cancel_asked: bool,
    /// What the task says it waits for.
    reason: WaitReason,
    waker: StoredWaker,
    scope: *const Scope,
    scope_previous: u32,
    scope_next: u32,
    link: Link,
    /// The operation's final result, or the index of what disposes of an orphan.
    result: i32,
    buffer: BufferId,
    flags: CompletionFlags,
}

impl Links for Vec<Slot> {
    #[inline]
    fn link(&mut self, timer: u32) -> &mut Link {
        &mut self[timer as usize].link
    }
}

/// What came out of an operation: the parts of its final completion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) result: i32,
    pub(crate) buffer: BufferId,
    pub(crate) flags: CompletionFlags,
}

impl Outcome {
    /// The completion it came with.
    pub(crate) fn completion(self, key: WaitKey) -> Completion {
        Completion { token: key.token(), result: self.result, buffer: self.buffer, flags: self.flags }
    }
}

/// Where a completion goes.
pub(crate) enum Delivery {
    /// Its waiter is to be woken.
    Wake(StoredWaker),
    /// The operation's future is gone; this is the index of its disposer.
    Orphan(u32),
    /// Nobody waits for it under this token. The driver broke the contract.
    Stale,
}

/// All slots of one executor.
pub(crate) struct Waits {
    run: u32,
    slots: UnsafeCell<Vec<Slot>>,
    /// The first free slot; they are threaded through `link.next`.
    free: Cell<u32>,
    used: Cell<u32>,
    wheel: UnsafeCell<Wheel>,
}

impl Waits {
    pub(crate) fn new(run: u32, clock: &RunClock) -> Self {
        let tick_bits = if clock.is_virtual() { EXACT } else { COARSE };
        Self {
            run,
            slots: UnsafeCell::default(),
            free: Cell::new(NONE),
            used: Cell::new(0),
            wheel: UnsafeCell::new(Wheel::new(clock.now(), tick_bits)),
        }
    }

    #[inline]
    #[expect(clippy::mut_from_ref, reason = "private; the module's contract keeps borrows apart")]
    fn slots(&self) -> &mut Vec<Slot> {
        // SAFETY: by the contract no other borrow of the slots is alive.
        unsafe { &mut *self.slots.get() }
    }

    #[inline]
    #[expect(clippy::mut_from_ref, reason = "private; the module's contract keeps borrows apart")]
    fn wheel(&self) -> &mut Wheel {
        // SAFETY: by the contract no other borrow of the wheel is alive.
        unsafe { &mut *self.wheel.get() }
    }

    #[inline]
    fn slot(&self, key: WaitKey) -> &mut Slot {
        assert_eq!(key.run, self.run, "a future was used in another run than the one it began to wait in");
        let slot = &mut self.slots()[key.index as usize];
        assert_eq!(slot.generation, key.generation, "a wait was used after its end");
        slot
    }

    /// How many slots are taken.
    pub(crate) fn used(&self) -> usize {
        self.used.get() as usize
    }

    /// Takes a slot for a wait, and notes what for.
    #[inline]
    pub(crate) fn insert(&self, kind: WaitKind, reason: WaitReason) -> WaitKey {
        self.used.set(self.used.get() + 1);
        let slots = self.slots();
        let index = self.free.get();
        if index == NONE {
            let index = u32::try_from(slots.len()).expect("fewer than 2³² waits fit into memory");
            slots.push(Slot {
                generation: 0,
                kind,
                state: WaitState::Waiting,
                cancel_asked: false,
                reason,
                waker: StoredWaker::None,
                scope: ptr::null(),
                scope_previous: NONE,
                scope_next: NONE,
                link: Link::EMPTY,
                result: 0,
                buffer: BufferId(0),
                flags: CompletionFlags::empty(),
            });
            return WaitKey { index, generation: 0, run: self.run };
        }
        let slot = &mut slots[index as usize];
        self.free.set(slot.link.next);
        slot.kind = kind;
        slot.state = WaitState::Waiting;
        slot.cancel_asked = false;
        slot.reason = reason;
        slot.link = Link::EMPTY;
        WaitKey { index, generation: slot.generation, run: self.run }
    }

    /// Frees a slot: unlinks it from its scope, takes its timer out, forgets its waker.
    #[inline]
    pub(crate) fn remove(&self, key: WaitKey) {
        self.unlink(key);
        let slot = self.slot(key);
        if matches!(slot.kind, WaitKind::Timer | WaitKind::Deadline) && slot.state == WaitState::Waiting {
            self.wheel().remove(self.slots(), key.index);
        }
        let slot = self.slot(key);
        debug_assert!(
            slot.kind != WaitKind::Kept || slot.link.tick == 0,
            "results of an operation were lost"
        );
        let waker = slot.waker.take();
        slot.scope = ptr::null();
        slot.kind = WaitKind::Free;
        slot.generation = (slot.generation + 1) % Token::GENERATIONS;
        slot.link.next = self.free.get();
        self.free.set(key.index);
        self.used.set(self.used.get() - 1);
        drop(waker);
    }

    /// How the wait stands.
    #[inline]
    pub(crate) fn state(&self, key: WaitKey) -> WaitState {
        self.slot(key).state
    }

    /// Whether the slot is still that wait's.
    pub(crate) fn is_current(&self, key: WaitKey) -> bool {
        key.run == self.run
            && self.slots().get(key.index as usize).is_some_and(|slot| slot.generation == key.generation)
    }

    /// Begins again: not cancelled and not done.
    pub(crate) fn reset(&self, key: WaitKey) {
        let slot = self.slot(key);
        slot.state = WaitState::Waiting;
        slot.cancel_asked = false;
    }

    /// Sets who is to be woken.
    #[inline]
    pub(crate) fn set_waker(&self, key: WaitKey, waker: &Waker) {
        if let Some(task) = TaskKey::of(waker) {
            let former = std::mem::replace(&mut self.slot(key).waker, StoredWaker::Task(task));
            // May be anyone's: dropped outside of the borrow.
            return drop(former);
        }
        // A waker may be anyone's: it is cloned and dropped outside of the borrow.
        let mut kept = self.slot(key).waker.take();
        kept.update(waker);
        self.slot(key).waker = kept;
    }

    /// Links the wait to a scope, if it is linked to none.
    ///
    /// # Safety
    /// The node stays where it is, and calls [`Waits::move_all`] or [`Waits::detach_all`] before it goes.
    #[inline]
    pub(crate) unsafe fn link(&self, key: WaitKey, scope: &Scope) {
        if !self.slot(key).scope.is_null() {
            return;
        }
        let next = scope.first_wait();
        if next != NONE {
            self.slots()[next as usize].scope_previous = key.index;
        }
        let slot = self.slot(key);
        slot.scope = scope;
        slot.scope_previous = NONE;
        slot.scope_next = next;
        scope.set_first_wait(key.index);
    }

    /// Whether the wait is linked to this scope.
    #[inline]
    pub(crate) fn is_linked_to(&self, key: WaitKey, scope: &Scope) -> bool {
        ptr::eq(self.slot(key).scope, scope)
    }

    /// Unlinks the wait from its scope, if it is linked.
    #[inline]
    pub(crate) fn unlink(&self, key: WaitKey) {
        let slots = self.slots();
        let slot = self.slot(key);
        if slot.scope.is_null() || slot.kind == WaitKind::Deadline {
            return;
        }
        let (previous, next) = (slot.scope_previous, slot.scope_next);
        let scope = std::mem::replace(&mut slot.scope, ptr::null());
        if next != NONE {
            slots[next as usize].scope_previous = previous;
        }
        if previous != NONE {
            slots[previous as usize].scope_next = next;
        } else {
            // SAFETY: a linked slot's scope is alive: see the contract.
            unsafe { (*scope).set_first_wait(next) };
        }
    }

    /// The scope the wait is linked to.
    ///
    /// # Safety
    /// The reference may be used only as long as the wait stays linked.
    #[inline]
    pub(crate) unsafe fn scope<'a>(&self, key: WaitKey) -> Option<&'a Scope> {
        // SAFETY: a linked slot's scope is alive: see the contract.
        unsafe { self.slot(key).scope.as_ref() }
    }

    /// Links all waits of a scope that is about to go to another.
    ///
    /// # Safety
    /// As for [`link`](Self::link), for that other.
    pub(crate) unsafe fn move_all(&self, from: &Scope, to: &Scope) {
        let slots = self.slots();
        let first = from.first_wait();
        let mut index = first;
        while index != NONE {
            let slot = &mut slots[index as usize];
            slot.scope = to;
            let (last, next) = (index, slot.scope_next);
            if next == NONE {
                slot.scope_next = to.first_wait();
                if let Some(behind) = slots.get_mut(to.first_wait() as usize) {
                    behind.scope_previous = last;
                }
                to.set_first_wait(first);
            }
            index = next;
        }
        from.set_first_wait(NONE);
    }

    /// Unlinks all waits from a scope that is about to go.
    pub(crate) fn detach_all(&self, scope: &Scope) {
        let slots = self.slots();
        let mut index = scope.first_wait();
        while index != NONE {
            let slot = &mut slots[index as usize];
            slot.scope = ptr::null();
            index = slot.scope_next;
        }
        scope.set_first_wait(NONE);
    }

    /// Unlinks everything from every scope, since the executor is about to go and scopes may outlive it.
    pub(crate) fn detach_everything(&self) {
        for slot in self.slots() {
            // SAFETY: a slot's scope is alive: see the contract.
            if let Some(scope) = unsafe { slot.scope.as_ref() } {
                scope.set_first_wait(NONE);
                slot.scope = ptr::null();
            }
        }
    }

    /// Cancels every wait that is linked to this scope. For each operation that is to be cancelled `cancel` is
    /// called, and for each waiter that is to be woken `wake`; neither may run code of users.
    pub(crate) fn cancel_all(
        &self,
        scope: &Scope,
        mut cancel: impl FnMut(Token),
        mut wake: impl FnMut(StoredWaker),
    ) {
        let mut index = scope.first_wait();
        while index != NONE {
            let slot = &mut self.slots()[index as usize];
            let next = slot.scope_next;
            if slot.state == WaitState::Waiting {
                match slot.kind {
                    WaitKind::Operation => {
                        if !std::mem::replace(&mut slot.cancel_asked, true) {
                            cancel(Token::new(index, slot.generation));
                        }
                    }
                    WaitKind::Timer => {
                        slot.state = WaitState::Cancelled;
                        wake(slot.waker.take());
                        self.wheel().remove(self.slots(), index);
                    }
                    WaitKind::Kept | WaitKind::KeptAccept | WaitKind::Hook => {
                        slot.state = WaitState::Cancelled;
                        wake(slot.waker.take());
                    }
                    WaitKind::Deadline | WaitKind::Orphan | WaitKind::Queued | WaitKind::Free => {}
                }
            }
            index = next;
        }
    }

    /// Ends a hook's wait with an answer: it is done, unless it was cancelled before. Gives who is to be woken, or
    /// `None` if it was cancelled or done already.
    pub(crate) fn notify(&self, key: WaitKey, answer: i32) -> Option<StoredWaker> {
        let slot = self.slot(key);
        if slot.state != WaitState::Waiting {
            return None;
        }
        slot.state = WaitState::Done;
        slot.result = answer;
        Some(slot.waker.take())
    }

    /// With what answer a hook that is done was notified.
    pub(crate) fn answer(&self, key: WaitKey) -> i32 {
        self.slot(key).result
    }

    // ---- operations ----

    /// Whether the driver has been asked to cancel this operation.
    pub(crate) fn cancel_asked(&self, key: WaitKey) -> bool {
        self.slot(key).cancel_asked
    }

    /// Remembers that the driver is being asked to cancel. Tells whether that is new.
    pub(crate) fn ask_cancel(&self, key: WaitKey) -> bool {
        !std::mem::replace(&mut self.slot(key).cancel_asked, true)
    }

    /// Asks for every operation to be cancelled that the driver has not answered and was not asked to cancel.
    pub(crate) fn cancel_operations(&self, mut cancel: impl FnMut(Token)) {
        for (index, slot) in self.slots().iter_mut().enumerate() {
            let waiting = slot.state != WaitState::Done;
            let operation = matches!(
                slot.kind,
                WaitKind::Operation | WaitKind::Kept | WaitKind::KeptAccept | WaitKind::Orphan
            );
            if operation && waiting && !std::mem::replace(&mut slot.cancel_asked, true) {
                cancel(Token::new(index as u32, slot.generation));
            }
        }
    }

    /// Gives the descriptors which accepts have brought to listeners that have not taken them, once.
    pub(crate) fn take_accepted(&self, mut give: impl FnMut(u32)) {
        for slot in self.slots() {
            if slot.kind == WaitKind::KeptAccept
                && slot.state == WaitState::Done
                && let Ok(descriptor) = u32::try_from(std::mem::replace(&mut slot.result, -libc::ECANCELED))
            {
                give(descriptor);
            }
        }
    }

    /// Makes an operation that a stream keeps waitable again after its waiter was cancelled.
    pub(crate) fn unhook(&self, key: WaitKey) -> StoredWaker {
        self.unlink(key);
        let slot = self.slot(key);
        if slot.state == WaitState::Cancelled {
            slot.state = WaitState::Waiting;
        }
        slot.waker.take()
    }

    /// Whether the operation's final completion is there.
    #[inline]
    pub(crate) fn is_done(&self, key: WaitKey) -> bool {
        self.slot(key).state == WaitState::Done
    }

    /// The final completion of an operation that is done.
    #[inline]
    pub(crate) fn outcome(&self, key: WaitKey) -> Outcome {
        let slot = self.slot(key);
        debug_assert_eq!(slot.state, WaitState::Done);
        Outcome { result: slot.result, buffer: slot.buffer, flags: slot.flags }
    }

    /// Hands a driver's final completion to its slot.
    #[inline]
    pub(crate) fn complete(&self, completion: &Completion) -> Delivery {
        let index = completion.token.index() as usize;
        let Some(slot) = self
            .slots()
            .get_mut(index)
            .filter(|slot| slot.generation == completion.token.generation() && slot.state != WaitState::Done)
        else {
            return Delivery::Stale;
        };
        match slot.kind {
            WaitKind::Operation | WaitKind::Kept | WaitKind::KeptAccept => {
                slot.state = WaitState::Done;
                slot.result = completion.result;
                slot.buffer = completion.buffer;
                slot.flags = completion.flags;
                Delivery::Wake(slot.waker.take())
            }
            WaitKind::Orphan => Delivery::Orphan(slot.result as u32),
            _ => Delivery::Stale,
        }
    }

    /// The slot that a completion belongs to, if it still does.
    pub(crate) fn of_token(&self, token: Token) -> Option<WaitKey> {
        let key = WaitKey { index: token.index(), generation: token.generation(), run: self.run };
        self.is_current(key).then_some(key)
    }

    /// Turns an operation into an orphan, to be disposed of by the disposer of this index.
    pub(crate) fn orphan(&self, key: WaitKey, disposer: u32) {
        self.unlink(key);
        let slot = self.slot(key);
        slot.kind = WaitKind::Orphan;
        slot.state = WaitState::Waiting;
        slot.result = disposer as i32;
        drop(slot.waker.take());
    }

    /// What disposes of this operation's results, if it is an orphan.
    pub(crate) fn disposer(&self, key: WaitKey) -> Option<u32> {
        let slot = self.slot(key);
        (slot.kind == WaitKind::Orphan).then_some(slot.result as u32)
    }

    // ---- timers ----

    /// Takes a slot for a timer that expires no earlier than `at`.
    #[inline]
    pub(crate) fn insert_timer(&self, at: Instant) -> WaitKey {
        let key = self.insert(WaitKind::Timer, WaitReason::Sleep);
        self.wheel().insert(self.slots(), key.index, at);
        key
    }

    /// Takes a slot for the deadline of a scope, which is pointed to but not linked.
    ///
    /// # Safety
    /// The node stays where it is, and removes the slot before it goes.
    pub(crate) unsafe fn insert_deadline(&self, scope: &Scope, at: Instant) -> WaitKey {
        let key = self.insert(WaitKind::Deadline, WaitReason::Sleep);
        self.slot(key).scope = scope;
        self.wheel().insert(self.slots(), key.index, at);
        key
    }

    /// Takes out one timer that is due at `now`, if there is one.
    pub(crate) fn expire(&self, now: Instant) -> Option<Expired> {
        let index = self.wheel().expire(self.slots(), now)?;
        let slot = &mut self.slots()[index as usize];
        slot.state = WaitState::Done;
        Some(match slot.kind {
            WaitKind::Deadline => Expired::Deadline(slot.scope),
            _ => Expired::Wake(slot.waker.take()),
        })
    }

    /// Whether no timer is in the wheel.
    #[inline]
    pub(crate) fn has_no_timers(&self) -> bool {
        self.wheel().is_empty()
    }

    /// When to look for expired timers again.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.wheel().next()
    }

    /// When the first timer expires.
    pub(super) fn earliest_timer(&self) -> Option<Instant> {
        self.wheel().earliest(self.slots())
    }

    // ---- who waits for what ----

    /// What may come from the driver for somebody who waits.
    pub(super) fn outside(&self) -> Outside {
        let mut outside = Outside::Silent;
        for slot in self.slots() {
            let operation = matches!(slot.kind, WaitKind::Operation | WaitKind::Kept | WaitKind::KeptAccept);
            let awaited = slot.state == WaitState::Waiting && !matches!(slot.waker, StoredWaker::None);
            if operation && awaited {
                if slot.cancel_asked || slot.reason.ends_by_itself() {
                    return Outside::WillAnswer;
                }
                outside = Outside::MayAnswer;
            }
        }
        outside
    }

    /// Shows everything that somebody waits for and that has not happened, with the scope it is linked to. What is called
    /// may not change or wake anything.
    pub(super) fn for_each_waiting(&self, mut visit: impl FnMut(WaitReason, &StoredWaker, Option<&Scope>)) {
        for slot in self.slots().iter() {
            let wait = match slot.kind {
                WaitKind::Free | WaitKind::Deadline | WaitKind::Orphan | WaitKind::Queued => false,
                WaitKind::Operation
                | WaitKind::Kept
                | WaitKind::KeptAccept
                | WaitKind::Hook
                | WaitKind::Timer => true,
            };
            if wait && slot.state == WaitState::Waiting && !matches!(slot.waker, StoredWaker::None) {
                // SAFETY: a linked slot's scope is alive: see the contract.
                visit(slot.reason, &slot.waker, unsafe { slot.scope.as_ref() });
            }
        }
    }

    // ---- queues of hooks: `link` holds the neighbours, the label in `tick`, and 1 in `list` while queued ----

    fn key_at(&self, index: u32) -> Option<WaitKey> {
        let generation = self.slots().get(index as usize)?.generation;
        Some(WaitKey { index, generation, run: self.run })
    }

    /// Whether this hook stands in a queue.
    pub(crate) fn is_queued(&self, key: WaitKey) -> bool {
        self.slot(key).link.list == 1
    }

    /// The hook behind this one.
    pub(crate) fn next_in_queue(&self, key: WaitKey) -> Option<WaitKey> {
        self.key_at(self.slot(key).link.next)
    }

    /// What a queued hook is known by.
    pub(crate) fn label(&self, key: WaitKey) -> u64 {
        self.slot(key).link.tick
    }

    /// Puts a hook at the end of a queue; gives the queue's new ends.
    pub(crate) fn push_to_queue(&self, ends: Option<Ends>, key: WaitKey, label: u64) -> Ends {
        let previous = ends.map_or(NONE, |ends| ends.last.index);
        self.slot(key).link = Link { tick: label, previous, next: NONE, list: 1 };
        if let Some(ends) = ends {
            self.slot(ends.last).link.next = key.index;
        }
        Ends { first: ends.map_or(key, |ends| ends.first), last: key }
    }

    /// Takes a hook out of a queue; gives the queue's new ends.
    pub(crate) fn remove_from_queue(&self, ends: Option<Ends>, key: WaitKey) -> Option<Ends> {
        let Link { previous, next, .. } = std::mem::replace(&mut self.slot(key).link, Link::EMPTY);
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

    // ---- results that wait for their stream ----

    /// Appends a result of a kept operation that goes on. Tells how many are there now, and who is to be woken.
    pub(crate) fn push_result(&self, key: WaitKey, completion: &Completion) -> (usize, StoredWaker) {
        let result = self.insert(WaitKind::Queued, WaitReason::Receive);
        let slot = self.slot(result);
        slot.result = completion.result;
        slot.buffer = completion.buffer;
        slot.flags = completion.flags;
        // In the operation's link `next` is the first result, `previous` the last and `tick` their number.
        let link = &mut self.slot(key).link;
        let last = std::mem::replace(&mut link.previous, result.index);
        link.tick += 1;
        let count = link.tick as usize;
        if last == NONE {
            link.next = result.index;
        } else {
            self.slots()[last as usize].link.next = result.index;
        }
        (count, self.slot(key).waker.take())
    }

    /// Takes the first result of a kept operation.
    pub(crate) fn pop_result(&self, key: WaitKey) -> Option<Outcome> {
        let index = self.slot(key).link.next;
        if index == NONE {
            return None;
        }
        let result = &self.slots()[index as usize];
        let outcome = Outcome { result: result.result, buffer: result.buffer, flags: result.flags };
        let (next, generation) = (result.link.next, result.generation);
        let link = &mut self.slot(key).link;
        link.next = next;
        link.tick -= 1;
        if next == NONE {
            link.previous = NONE;
        }
        self.remove(WaitKey { index, generation, run: self.run });
        Some(outcome)
    }
}

/// A timer that has expired.
pub(crate) enum Expired {
    /// This is to be woken.
    Wake(StoredWaker),
    /// This scope's time is over. It is alive: it removes its deadline before it goes.
    Deadline(*const Scope),
}
