//! Queues of waiters: of an event, a lock, a channel, a task's end.

use super::{
    Core, NO_WAIT, RunId, StoredWaker, WaitKey, WaitKind, WaitReason, WaitState, bequest,
    scope::DELIVERIES_BEFORE_WARNING,
};
use crate::error::{Cancelled, Error};
use anyio_driver::planted;
use std::{
    cell::Cell,
    future::poll_fn,
    marker::PhantomData,
    task::{Context, Poll},
};

/// First in, first out. It holds no memory of its own: it is threaded through the wait slots.
///
/// A queue may be made outside of a run, and used in one run after the other; waiters of an earlier run are gone.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    /// The slots at its ends, which are those of a run: without one, or in another, the queue is empty.
    first: Cell<u32>,
    last: Cell<u32>,
    run: Cell<Option<RunId>>,
    /// By what those who stand in it are known in that run.
    number: Cell<u32>,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitQueue {
    pub(crate) const fn new() -> Self {
        Self {
            first: Cell::new(NO_WAIT),
            last: Cell::new(NO_WAIT),
            run: Cell::new(None),
            number: Cell::new(0),
        }
    }

    /// The slot of the first.
    #[inline]
    fn first_slot(&self, core: &Core) -> u32 {
        if self.run.get() == Some(core.run()) { self.first.get() } else { NO_WAIT }
    }

    #[inline]
    fn first(&self, core: &Core) -> Option<WaitKey> {
        core.waits().at(self.number.get(), self.first_slot(core))
    }

    /// All that stand in it, in order.
    fn iter(&self, core: &Core) -> impl Iterator<Item = WaitKey> {
        std::iter::successors(self.first(core), |&key| core.waits().next_in_queue(key))
    }

    /// Whether somebody may wait: a look at one number, which may be left over from another run.
    #[inline]
    pub(crate) fn may_have_waiters(&self) -> bool {
        self.first.get() != NO_WAIT
    }

    /// Whether nobody waits, not even somebody who was cancelled and does not know yet.
    pub(crate) fn is_empty(&self) -> bool {
        Core::try_with(|core| self.first(core).is_none()).unwrap_or(true)
    }

    /// How many wait and have not been cancelled.
    pub(crate) fn len(&self) -> usize {
        Core::try_with(|core| {
            self.iter(core).filter(|&key| core.waits().state(key) == WaitState::Waiting).count()
        })
        .unwrap_or(0)
    }

    #[inline]
    fn push(&self, core: &Core, key: WaitKey, label: u64) {
        if self.run.replace(Some(core.run())) != Some(core.run()) {
            self.first.set(NO_WAIT);
            self.number.set(core.waits().new_queue());
        }
        let is_first = self.first.get() == NO_WAIT;
        let last = if is_first { NO_WAIT } else { self.last.get() };
        core.waits().queue_behind(self.number.get(), last, key, label);
        self.last.set(key.token().index());
        if is_first {
            self.first.set(key.token().index());
        }
    }

    /// Takes one out that may stand in it.
    #[inline]
    fn remove(&self, core: &Core, key: WaitKey) {
        self.close_gap(core.waits().take_from_queue(key));
    }

    /// Takes note of what the neighbours were of one that was taken out.
    #[inline]
    fn close_gap(&self, neighbours: Option<(u32, u32)>) {
        if let Some((previous, next)) = neighbours {
            if previous == NO_WAIT {
                self.first.set(next);
            }
            if next == NO_WAIT {
                self.last.set(previous);
            }
        }
    }

    /// Ends the wait of the first that has not been cancelled. Tells whether there was one.
    pub(crate) fn notify_one(&self) -> bool {
        self.hand_over(0, |_| ())
    }

    /// The same with an answer. `prepare` is told the label of who was found, before that one is woken: waking may
    /// run code of users.
    pub(crate) fn hand_over(&self, answer: i32, prepare: impl FnOnce(u64)) -> bool {
        Core::try_with(|core| self.hand_over_in(core, answer, prepare)).unwrap_or(false)
    }

    #[inline]
    fn hand_over_in(&self, core: &Core, answer: i32, prepare: impl FnOnce(u64)) -> bool {
        let number = self.number.get();
        while let Some((next, found)) = core.waits().notify_first(number, self.first_slot(core), answer) {
            self.close_gap(Some((NO_WAIT, next)));
            if let Some((label, waker)) = found {
                prepare(label);
                core.wake_stored(waker);
                return true;
            }
        }
        false
    }

    /// Ends all waits.
    #[inline]
    pub(crate) fn notify_all(&self) {
        self.answer_all(0);
    }

    /// The same within a change of that executor.
    #[inline]
    pub(crate) fn notify_all_within(&self, core: &Core) {
        while self.first.get() != NO_WAIT && self.hand_over_in(core, 0, |_| ()) {}
    }

    /// Ends all waits with an answer.
    #[inline]
    pub(crate) fn answer_all(&self, answer: i32) {
        if self.first.get() == NO_WAIT {
            return;
        }
        Core::try_with(|core| core.change(|core| while self.hand_over_in(core, answer, |_| ()) {}));
    }

    /// Ends the waits under this label with an answer.
    pub(crate) fn answer_labelled(&self, label: u64, answer: i32) {
        Core::try_with(|core| {
            let waits = core.waits();
            let keys: Vec<WaitKey> = self
                .iter(core)
                .filter(|&key| waits.label(key) == label && waits.state(key) == WaitState::Waiting)
                .collect();
            core.change(|core| {
                for key in keys {
                    self.remove(core, key);
                    core.wake_wait(waits.notify(key, answer));
                }
            });
        });
    }

    /// The label of who would be notified next.
    pub(crate) fn first_label(&self) -> Option<u64> {
        let first = self.first_waiting()?;
        Core::try_with(|core| core.waits().label(first))
    }

    /// Who would be notified next.
    pub(crate) fn first_waiting(&self) -> Option<WaitKey> {
        Core::try_with(|core| self.iter(core).find(|&key| core.waits().state(key) == WaitState::Waiting))
            .flatten()
    }
}

/// How a wait in a queue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// It was this waiter's turn.
    Notified,
    /// A cancellation had come and was lifted again: look at the condition anew.
    Again,
}

/// One waiter's place in a queue, from its first `Pending` on.
#[derive(Debug)]
pub(crate) struct Waiter {
    wait: Option<WaitKey>,
    answer: i32,
    reason: WaitReason,
    _thread: PhantomData<*const ()>,
}

impl Waiter {
    /// One that says it waits for this.
    pub(crate) const fn new(reason: WaitReason) -> Self {
        Self { wait: None, answer: 0, reason, _thread: PhantomData }
    }

    /// Whether it has queued up.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.wait.is_some()
    }

    /// With what answer it was last notified.
    pub(crate) fn answer(&self) -> i32 {
        self.answer
    }

    /// Queues up under a label. Afterwards [`poll`](Self::poll) tells when the wait has ended; without `linked` no
    /// scope ends it.
    pub(crate) fn queue_up(
        &mut self,
        core: &Core,
        queue: &WaitQueue,
        cx: &Context<'_>,
        label: u64,
        linked: bool,
    ) {
        let waits = core.waits();
        let wait = waits.insert(WaitKind::Hook, self.reason);
        self.wait = Some(wait);
        queue.push(core, wait, label);
        if linked && core.follow_scope(wait) {
            // By code of users that was asked since the caller looked.
            waits.cancel(wait);
            return cx.waker().wake_by_ref();
        }
        // Last, when whatever ends the wait finds it: making a clone of a waker is code of users.
        waits.set_waker(wait, cx.waker());
    }

    /// Queues up at the first call, and tells when and how the wait has ended. A cancelled scope ends it with
    /// [`Cancelled`], unless it was notified before.
    pub(crate) fn poll(
        &mut self,
        core: &Core,
        queue: &WaitQueue,
        cx: &Context<'_>,
    ) -> Poll<Result<Woken, Cancelled>> {
        self.poll_linked(core, queue, cx, true)
    }

    /// The same, but no scope ends it.
    pub(crate) fn poll_shielded(&mut self, core: &Core, queue: &WaitQueue, cx: &Context<'_>) -> Poll<Woken> {
        // Without a link to a scope nothing cancels it.
        self.poll_linked(core, queue, cx, false).map(|woken| woken.unwrap_or(Woken::Again))
    }

    /// The same, and scopes end it only if it is `linked`.
    pub(crate) fn poll_linked(
        &mut self,
        core: &Core,
        queue: &WaitQueue,
        cx: &Context<'_>,
        linked: bool,
    ) -> Poll<Result<Woken, Cancelled>> {
        let waits = core.waits();
        let Some(wait) = self.wait else {
            self.queue_up(core, queue, cx, 0, linked);
            return Poll::Pending;
        };
        match waits.state(wait) {
            WaitState::Waiting => {
                waits.set_waker(wait, cx.waker());
                if !(linked && core.follow_scope(wait)) {
                    return Poll::Pending;
                }
                self.end(core, queue);
                Poll::Ready(Err(Cancelled::new()))
            }
            WaitState::Done => {
                self.answer = waits.answer(wait);
                self.end(core, queue);
                Poll::Ready(Ok(Woken::Notified))
            }
            WaitState::Cancelled => {
                // SAFETY: used only here, while the wait is linked.
                let wanted = unsafe { waits.scope(wait) }.is_none_or(|scope| scope.is_effective());
                self.end(core, queue);
                Poll::Ready(if wanted || planted("shield during a wait overlooked") {
                    Err(Cancelled::new())
                } else {
                    Ok(Woken::Again)
                })
            }
        }
    }

    fn end(&mut self, core: &Core, queue: &WaitQueue) {
        if let Some(wait) = self.wait.take().filter(|&wait| core.waits().is_current(wait)) {
            queue.remove(core, wait);
            drop(core.waits().remove(wait));
        }
    }

    /// Leaves the queue. Tells whether it had been notified, maybe in a run that is over, so that the caller can pass on what
    /// that meant.
    #[inline]
    pub(crate) fn withdraw(&mut self, queue: &WaitQueue) -> bool {
        self.wait.is_some_and(|wait| self.withdraw_wait(queue, wait))
    }

    fn withdraw_wait(&mut self, queue: &WaitQueue, wait: WaitKey) -> bool {
        let notified = Core::try_with(|core| {
            if !core.waits().is_current(wait) {
                return None;
            }
            let done = core.waits().state(wait) == WaitState::Done;
            let answer = done.then(|| core.waits().answer(wait));
            self.end(core, queue);
            Some(answer)
        });
        self.wait = None;
        match notified.flatten().unwrap_or_else(|| bequest::claim(wait)) {
            Some(answer) => {
                self.answer = answer;
                true
            }
            None => false,
        }
    }
}

/// Does nothing, but is a checkpoint all the same.
///
/// # Errors
/// A cancellation.
pub(crate) async fn nothing_to_do() -> Result<(), Error> {
    poll_fn(poll_nothing_to_do).await
}

/// The same, as a poll.
#[cold]
pub(crate) fn poll_nothing_to_do(cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    Core::with(|core| core.poll_checkpoint(cx))
}

impl Core {
    /// Gives a cancellation to code at a checkpoint: at once, or, if the code has been given many in this poll and
    /// went on all the same, after others have had their turn.
    pub(crate) fn poll_delivery(&self, cx: &Context<'_>) -> Poll<()> {
        if self.scope().is_some_and(|scope| scope.count_delivery()) {
            log::warn!(
                "a task goes on although it was told {} times that it is cancelled; does it swallow the error?",
                DELIVERIES_BEFORE_WARNING
            );
        }
        self.poll_immediate(cx)
    }

    /// A checkpoint before something that may be done without waiting: gives the cancellation, or lets others have their turn
    /// first.
    #[inline]
    pub(crate) fn poll_checkpoint(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        match self.check_cancelled() {
            Err(cancelled) => self.poll_delivery(cx).map(|()| Err(cancelled.into())),
            Ok(()) => self.poll_immediate(cx).map(Ok),
        }
    }

    /// Lets a task go on with what can be done without waiting, unless it has done much of it in this poll: then
    /// others have their turn first.
    #[inline]
    pub(crate) fn poll_immediate(&self, cx: &Context<'_>) -> Poll<()> {
        if self.charge_immediate() {
            return Poll::Ready(());
        }
        self.end_long_poll();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Wakes what a wait has stored, from outside of the tree of scopes.
    pub(crate) fn wake_wait(&self, waker: Option<StoredWaker>) {
        if let Some(waker) = waker {
            self.wake_stored(waker);
        }
    }
}
