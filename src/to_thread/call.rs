//! A function that was given to the pool.

use super::{
    host::{Host, Working},
    loan::{Loan, end_abandoned},
    request::{LocalFuture, Request},
};
use crate::{
    error::Cancelled,
    lowlevel::RunToken,
    runtime::{
        Bindings, Core, FirstPanic, InheritedSpan, WaitKey, WaitKind, WaitReason, Within,
        clock::{JobKind, JobUnderWay},
    },
};
use anyio_driver::workers::{JobHandle, WorkerPool};
use std::{
    cell::Cell,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
    /// Keeps a virtual clock from running ahead of the function.
    under_way: Option<JobUnderWay>,
    /// What the thread has asked for, and waits for.
    asked: Option<LocalFuture>,
}

/// What caller and worker share.
struct Exchange<T> {
    contents: Mutex<Contents<T>>,
    /// Whether the caller's scope was cancelled when it last looked, or nobody waits any more.
    cancelled: AtomicBool,
    /// Where the call was begun.
    run: RunToken,
}

enum Contents<T> {
    /// Who is to be woken, and what the thread asks for, which then waits for the answer.
    Running(Option<Waker>, Option<Request>),
    /// Nobody waits any more.
    Abandoned,
    Ended(thread::Result<T>),
    Taken,
}

impl<T: Send + 'static> Call<T> {
    /// Gives the function to the pool; the loan is given back when it has ended.
    pub(super) fn start(
        core: &Core,
        pool: &WorkerPool,
        function: impl FnOnce() -> T + Send + 'static,
        loan: Loan,
    ) -> io::Result<Self> {
        let exchange = Arc::new(Exchange {
            contents: Mutex::new(Contents::Running(None, None)),
            cancelled: AtomicBool::new(false),
            run: RunToken::of(core),
        });
        let worker = Arc::clone(&exchange);
        let number = loan.number();
        let bindings = Bindings::current();
        let span = InheritedSpan::current();
        let job = Box::new(move || {
            let result = {
                let _working = Working::for_host(Arc::clone(&worker) as Arc<dyn Host>);
                catch_unwind(AssertUnwindSafe(|| {
                    let bindings = Cell::new(bindings);
                    let _inherited = Within::enter(&bindings);
                    span.within(function)
                }))
            };
            worker.deliver(result, number);
        });
        let job = pool.submit(job).map_err(|refused| refused.error)?;
        let under_way = Some(JobUnderWay::new(core, JobKind::Awaited));
        Ok(Self { exchange, job, wait: None, loan: Some(loan), under_way, asked: None })
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
        self.do_what_is_asked(core, cx);
        if let Some(result) = self.exchange.take_result() {
            self.end(core);
            match result {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(payload) => resume_unwind(payload),
            }
        }
        let cancelled = core.scope_is_effective();
        self.exchange.cancelled.store(cancelled, Ordering::SeqCst);
        if !cancelled {
            let wait =
                *self.wait.get_or_insert_with(|| core.waits().insert(WaitKind::Hook, WaitReason::Thread));
            core.waits().reset(wait);
            // The scope is not cancelled; should it be while the waker is cloned, the waker is woken.
            core.follow_scope(wait);
            core.waits().set_waker(wait, cx.waker());
            return Poll::Pending;
        }
        if let Some(job) = self.job.take_back() {
            self.end(core);
            // It is the caller's own, and goes last.
            drop(job);
            return Poll::Ready(Err(Cancelled::new()));
        }
        if !abandon {
            return Poll::Pending;
        }
        self.abandon();
        self.end(core);
        Poll::Ready(Err(Cancelled::new()))
    }

    /// Goes on with what the thread has asked this task for. Meanwhile a virtual clock need not wait for the thread.
    fn do_what_is_asked(&mut self, core: &Core, cx: &mut Context<'_>) {
        loop {
            if self.asked.is_none() {
                let Some(request) = self.exchange.take_request(cx.waker()) else { return };
                self.asked = Some(request());
                self.under_way = None;
            }
            let Some(asked) = &mut self.asked else { return };
            if asked.as_mut().poll(cx).is_pending() {
                return;
            }
            self.under_way = Some(JobUnderWay::new(core, JobKind::Awaited));
            self.asked = None;
        }
    }

    /// Takes the wait out of the scope, and gives the loan back if that is this side's business.
    fn end(&mut self, core: &Core) {
        let asked = self.asked.take();
        core.change(|core| {
            if let Some(wait) = self.wait.take() {
                drop(core.waits().remove_if_current(wait));
            }
            self.loan = None;
            self.under_way = None;
        });
        // It is of users, and so it goes when the change is made.
        drop(asked);
    }

    /// Waits no more. A loan that the worker still uses is put aside.
    fn abandon(&mut self) {
        let Some((waker, request)) = self.exchange.abandon() else { return };
        if let Some(loan) = self.loan.take() {
            loan.abandon(self.exchange.run);
        }
        // A waker and what was asked for may be anyone's. Who asked is told that nobody answers.
        let panics = FirstPanic::new();
        panics.catch(|| drop(waker));
        panics.catch(|| drop(request));
        panics.resume();
    }
}

impl<T: Send + 'static> Drop for Call<T> {
    fn drop(&mut self) {
        let panics = FirstPanic::new();
        let job = self.loan.as_ref().and_then(|_| self.job.take_back());
        if self.loan.is_some() && job.is_none() {
            panics.catch(|| self.abandon());
        }
        panics.catch(|| Core::try_with(|core| self.end(core)));
        panics.catch(|| drop(job));
        panics.resume();
    }
}

impl<T> Exchange<T> {
    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        // Only moves happen under the lock: wakers and results are anyone's code.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread asks for, if it does; otherwise the waker is woken when it does.
    fn take_request(&self, waker: &Waker) -> Option<Request> {
        let fresh = waker.clone();
        let (request, _replaced) = match &mut *self.lock() {
            Contents::Running(_, request @ Some(_)) => (request.take(), None),
            Contents::Running(kept, _) => (None, kept.replace(fresh)),
            _ => (None, None),
        };
        request
    }

    /// The worker's last act.
    fn deliver(&self, result: thread::Result<T>, number: u64) {
        let mut contents = self.lock();
        match &mut *contents {
            Contents::Running(waker, _) => {
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
                self.run.run_soon(move || end_abandoned(number));
                drop(result);
            }
        }
    }

    /// The result, if it is there. Otherwise the waker was left by [`take_request`](Self::take_request).
    fn take_result(&self) -> Option<thread::Result<T>> {
        let mut contents = self.lock();
        if !matches!(*contents, Contents::Ended(_)) {
            return None;
        }
        match std::mem::replace(&mut *contents, Contents::Taken) {
            Contents::Ended(result) => Some(result),
            _ => None,
        }
    }

    /// Says that nobody waits any more. If the worker has yet to deliver, and will find out, this gives who was to be woken and
    /// what was asked for.
    fn abandon(&self) -> Option<(Option<Waker>, Option<Request>)> {
        self.cancelled.store(true, Ordering::SeqCst);
        let mut contents = self.lock();
        let Contents::Running(waker, request) = &mut *contents else { return None };
        let left = (waker.take(), request.take());
        *contents = Contents::Abandoned;
        Some(left)
    }
}

impl<T: Send + 'static> Host for Exchange<T> {
    fn ask(&self, request: Request) -> Result<(), Request> {
        let waker = match &mut *self.lock() {
            Contents::Running(waker, asked) => {
                *asked = Some(request);
                waker.take()
            }
            _ => return Err(request),
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    fn is_cancelled(&self) -> bool {
        // Who forgot the call has told nobody.
        self.cancelled.load(Ordering::SeqCst) || self.run.is_over()
    }

    fn run(&self) -> RunToken {
        self.run
    }

    fn is_awaited(&self) -> bool {
        matches!(*self.lock(), Contents::Running(..))
    }
}
