//! A turn: everything goes to the driver, and what comes back wakes tasks.

use super::{BUDGET, Core, LONG, MainReady, STARTED};
use crate::runtime::{
    WaitKey, Waiting,
    inbox::Message,
    panics::FirstPanic,
    waits::{Delivery, Expired, OneOfMany},
};
use anyio_driver::{Completion, CompletionFlags, Driver, Op, Wait};
use std::{
    io,
    time::{Duration, Instant},
};

/// So much later than it should have a wait may end without being counted.
const LATE: Duration = Duration::from_millis(1);

impl Core {
    /// Hands an operation to the driver. Tells whether it is done already; nobody is woken for that.
    ///
    /// # Safety
    /// As for [`Driver::submit`], for the slot's token.
    // Always, as most of it depends on the kind of the operation.
    #[inline(always)]
    pub(crate) unsafe fn submit(&self, wait: WaitKey, op: Op) -> bool {
        let mut driver = self.driver_mut();
        // SAFETY: passed on; the slot is taken, so no other operation has its index.
        unsafe { driver.submit(wait.token(), op) };
        let answer = driver.take_answer(wait.token());
        drop(driver);
        answer.is_some_and(|answer| {
            self.waits.complete(&answer);
            true
        })
    }

    /// Enters the kernel once, waits there if no task is ready, and wakes all for whom something has happened.
    ///
    /// # Errors
    /// If the driver is beyond use.
    pub(crate) async fn turn(&self, waiting: &mut impl Waiting, limit: Option<Instant>) -> io::Result<()> {
        self.send_leaving();
        // A waker that was told of a failure by that may have had something else taken over.
        let mut wait = if self.main_ready.get() != MainReady::No || !self.outbox.is_leaving_empty() {
            Wait::No
        } else if self.clock.is_virtual() {
            match limit {
                // The end of a run takes real time.
                Some(at) => Wait::Until(at),
                None => return self.turn_virtually(waiting).await,
            }
        } else {
            let timer = self.waits.next_timer().map(|due| self.clock.wake_up_for(due));
            match [limit, timer].into_iter().flatten().min() {
                Some(at) => Wait::Until(at),
                None => Wait::Forever,
            }
        };
        let watched = wait != Wait::No && !self.idle.is_empty();
        if watched {
            wait = Wait::No;
        }
        waiting.turn(self, wait, watched).await.map(drop)
    }

    /// Enters the kernel once and wakes all for whom something has happened; if nothing has, and somebody watches for
    /// that, the watchers. Tells whether something has.
    ///
    /// # Errors
    /// If the driver is beyond use.
    #[inline]
    pub(crate) fn turn_driver(&self, mut wait: Wait, watched: bool) -> io::Result<bool> {
        let inbox = self.lease.inbox();
        if wait != Wait::No && !inbox.fall_asleep() {
            wait = Wait::No;
        }
        let mut completions = self.completions.take();
        let turned = self.driver_mut().turn(wait, &mut completions);
        if wait != Wait::No {
            inbox.wake_up();
        }
        let mut wakes = completions.len();
        self.dispatching.set(true);
        let mut undelivered = completions.iter();
        self.finish_despite_panics(|| {
            while let Some(completion) = undelivered.next() {
                self.prefetch_for(undelivered.as_slice());
                self.deliver(completion);
            }
        });
        if !self.waits.has_no_timers() {
            let now = self.now();
            if let Wait::Until(at) = wait {
                if now > at + LATE && !self.clock.is_virtual() {
                    self.late_waits.set(self.late_waits.get() + 1);
                }
            }
            self.finish_despite_panics(|| {
                while let Some((expired, next)) = self.waits.expire(now) {
                    wakes += 1;
                    if let Some(next) = next {
                        self.tasks.prefetch(next);
                    }
                    match expired {
                        Expired::Wake(waker) => self.wake_stored(waker),
                        // SAFETY: a scope whose deadline expires is alive: it removes the deadline before it goes.
                        Expired::Deadline(scope) => unsafe { (*scope).expire(self) },
                    }
                }
            });
        }
        let mut news = !completions.is_empty();
        if self.companions.have_news() {
            let companions = self.companions.all();
            let mut unheard = companions.iter();
            self.finish_despite_panics(|| unheard.by_ref().for_each(|companion| companion.hear(self)));
            news = true;
        }
        if inbox.has_messages() {
            wakes += self.read_messages();
            news = true;
        }
        self.dispatching.set(false);
        self.long.set(LONG);
        self.budget.set(BUDGET.saturating_add(STARTED.saturating_mul(wakes.try_into().unwrap_or(u32::MAX))));
        if watched && completions.is_empty() && self.main_ready.get() == MainReady::No {
            self.finish_despite_panics(|| self.idle.notify_all());
        }
        completions.clear();
        self.completions.replace(completions);
        turned.map(|()| news)
    }

    /// Has fetched what the delivery of the next completions will touch: the kernel has been at work since it was last used.
    #[inline]
    fn prefetch_for(&self, next: &[Completion]) {
        if let Some(second) = next.get(1) {
            self.waits.prefetch(second.token.index());
        }
        if let Some(task) = next.first().and_then(|first| self.waits.task_of(first.token)) {
            self.tasks.prefetch(task);
        }
    }

    /// Does what other threads have asked for. Gives how much that was.
    fn read_messages(&self) -> usize {
        let mut messages = self.messages.take();
        self.lease.inbox().take(&mut messages);
        let count = messages.len();
        let mut unread = messages.drain(..);
        self.finish_despite_panics(|| {
            for message in unread.by_ref() {
                match message {
                    Message::Wake(task) => self.wake_task(task),
                    Message::Run(job) => job(self),
                }
            }
        });
        drop(unread);
        self.messages.replace(messages);
        count
    }

    /// Calls a function until it returns: what it calls may be code of users (wakers, jobs, destructors of payloads)
    /// and panic, but what else has happened must be told all the same. The first panic ends the run.
    #[inline]
    pub(crate) fn finish_despite_panics(&self, mut dispatch: impl FnMut()) {
        while self.panic.catch(&mut dispatch).is_none() {}
    }

    /// Drops what the run keeps for users, before it is torn down: nothing is polled any more.
    pub(crate) fn release_what_is_kept(&self) {
        self.panic.drop_each(self.variables.take_all());
        self.panic.drop_each(self.waits.take_wakers());
    }

    /// What panicked outside of every task, if anything did.
    pub(crate) fn panic(&self) -> &FirstPanic {
        &self.panic
    }

    #[inline]
    pub(in crate::runtime) fn deliver(&self, completion: &Completion) {
        if completion.flags.contains(CompletionFlags::MORE) {
            return self.deliver_one_of_many(completion);
        }
        match self.waits.complete(completion) {
            Delivery::Wake(waker) => self.wake_stored(waker),
            Delivery::Orphan(disposer) => {
                if let Some(wait) = self.waits.of_token(completion.token) {
                    drop(self.waits.remove(wait));
                }
                self.orphans.finish(self, disposer, completion);
            }
            Delivery::Piece(number) => {
                if let Some(wait) = self.waits.of_token(completion.token) {
                    self.conclude_piece(wait, number, completion);
                }
            }
            Delivery::Stale => self.stale.set(self.stale.get() + 1),
        }
    }

    #[inline]
    fn deliver_one_of_many(&self, completion: &Completion) {
        match self.waits.complete_one_of_many(completion) {
            OneOfMany::Wake { is_full, waker } => {
                if is_full {
                    self.hold_up(completion);
                }
                self.wake_stored(waker);
            }
            OneOfMany::Orphan(disposer) => self.orphans.dispose_one_of_many(self, disposer, completion),
            OneOfMany::Stale => self.stale.set(self.stale.get() + 1),
        }
    }

    /// Stops an operation whose reader does not keep up.
    #[cold]
    fn hold_up(&self, completion: &Completion) {
        if self.waits.of_token(completion.token).is_some_and(|wait| self.waits.ask_cancel(wait)) {
            self.cancel_operation(completion.token);
        }
    }
}
