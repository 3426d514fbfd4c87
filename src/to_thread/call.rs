//! A function that was given to the pool.

use super::loan::{Loan, end_abandoned};
use crate::{
    error::Cancelled,
    lowlevel::RunToken,
    runtime::{
        Core, WaitKey, WaitKind, WaitReason,
        clock::{JobKind, JobUnderWay},
    },
};
use anyio_driver::workers::{JobHandle, WorkerPool};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
};

/// The caller's side of a call. It holds a loan of the limiter until the function has ended.
pub(super) struct Call<T: Send + 'static> {
    exchange: Arc<Exchange<T>>,
    job: JobHandle,
    /// Where scopes cancel the wait.
    wait: Option<WaitKey>,
    /// `None` once it has been given back, or put aside until the worker has ended.
    loan: Option<Loan>,
    /// Where the call was begun.
    run: RunToken,
    /// Keeps a virtual clock from running ahead of the function.
    under_way: Option<JobUnderWay>,
}

/// What caller and worker share.
struct Exchange<T>(Mutex<Contents<T>>);

enum Contents<T> {
    Running(Option<Waker>),
    /// Nobody waits any more.
    Abandoned,
    Ended(thread::Result<T>),
    Taken,
}

impl<T: Send + 'static> Call<T> {
    /// Gives the function to the pool; the loan is given back when it has ended.
    pub(super) fn start(
        core: &Core,
        function: impl FnOnce() -> T + Send + 'static,
        loan: Loan,
    ) -> io::Result<Self> {
        let exchange = Arc::new(Exchange(Mutex::new(Contents::Running(None))));
        let run = RunToken::of(core);
        let worker = Arc::clone(&exchange);
        let number = loan.number();
        let job = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(function));
            worker.deliver(result, run, number);
        });
        let job = WorkerPool::shared().submit(job).map_err(|refused| refused.error)?;
        let under_way = Some(JobUnderWay::new(core, JobKind::Awaited));
        Ok(Self { exchange, job, wait: None, loan: Some(loan), run, under_way })
    }

    /// Waits for the function's end, or for a cancellation where it can still be followed.
    ///
    /// # Panics
    /// If the function has.
    pub(super) fn poll(
        &mut self,
        core: &Core,
        cx: &mut Context<'_>,
        abandon: bool,
    ) -> Poll<Result<T, Cancelled>> {
        if let Some(result) = self.exchange.take_or_wait(cx.waker()) {
            self.end(core);
            match result {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(payload) => resume_unwind(payload),
            }
        }
        if !core.scope_is_effective() {
            let wait =
                *self.wait.get_or_insert_with(|| core.waits().insert(WaitKind::Hook, WaitReason::Thread));
            core.waits().reset(wait);
            core.waits().set_waker(wait, cx.waker());
            core.follow_scope(wait);
            return Poll::Pending;
        }
        if self.job.try_remove() {
            self.end(core);
            return Poll::Ready(Err(Cancelled::new()));
        }
        if !abandon {
            return Poll::Pending;
        }
        self.abandon();
        self.end(core);
        Poll::Ready(Err(Cancelled::new()))
    }

    /// Takes the wait out of the scope, and gives the loan back if that is this side's business.
    fn end(&mut self, core: &Core) {
        core.change(|core| {
            if let Some(wait) = self.wait.take() {
                drop(core.waits().remove_if_current(wait));
            }
            self.loan = None;
            self.under_way = None;
        });
    }

    /// Waits no more. A loan that the worker still uses is put aside.
    fn abandon(&mut self) {
        if self.exchange.abandon()
            && let Some(loan) = self.loan.take()
        {
            loan.abandon(self.run);
        }
    }
}

impl<T: Send + 'static> Drop for Call<T> {
    fn drop(&mut self) {
        if self.loan.is_some() && !self.job.try_remove() {
            self.abandon();
        }
        Core::try_with(|core| self.end(core));
    }
}

impl<T> Exchange<T> {
    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        // Only moves happen under the lock: wakers and results are anyone's code.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker's last act.
    fn deliver(&self, result: thread::Result<T>, run: RunToken, number: u64) {
        let mut contents = self.lock();
        match &mut *contents {
            Contents::Running(waker) => {
                let waker = waker.take();
                *contents = Contents::Ended(result);
                drop(contents);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            _ => {
                drop(contents);
                // Before the result is dropped, which may panic. If the run is over the loan has ended with it.
                run.run_soon(move || end_abandoned(number));
                drop(result);
            }
        }
    }

    /// The result, if it is there; otherwise the waker is woken when it comes.
    fn take_or_wait(&self, waker: &Waker) -> Option<thread::Result<T>> {
        if let Contents::Running(kept) = &*self.lock()
            && kept.as_ref().is_some_and(|kept| kept.will_wake(waker))
        {
            return None;
        }
        let waker = waker.clone();
        let mut contents = self.lock();
        let before = match &mut *contents {
            Contents::Running(kept) => kept.replace(waker),
            Contents::Abandoned | Contents::Taken => None,
            Contents::Ended(_) => match std::mem::replace(&mut *contents, Contents::Taken) {
                Contents::Ended(result) => return Some(result),
                _ => None,
            },
        };
        drop(contents);
        drop(before);
        None
    }

    /// Says that nobody waits any more. Tells whether the worker has yet to deliver, and will find out.
    fn abandon(&self) -> bool {
        let mut contents = self.lock();
        let running = matches!(*contents, Contents::Running(_));
        if running {
            *contents = Contents::Abandoned;
        }
        running
    }
}
