//! Blocking functions, called on worker threads.
//!
//! Whatever has no asynchronous form (a file system call that the kernel's ring does not know, a library that blocks,
//! a long computation) is called on a thread of a pool that all runs of the process share. A thread that has become
//! idle is used again first, and ends when it has been idle for ten seconds.
//!
//! Each run lends at most 40 threads at a time; further calls wait for their turn, first come, first served.

mod call;
mod limiter;

use crate::{
    error::{Cancelled, Error, Result},
    runtime::{Core, Waiter, Woken},
};
use call::Call;
use limiter::Limiter;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// Calls a blocking function on a worker thread and gives what it gives.
///
/// ```
/// use anyio::{Result, to_thread};
///
/// # anyio::run(async || -> Result<()> {
/// let answer = to_thread::run_sync(|| 6 * 7).await?;
/// assert_eq!(answer, 42);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// A cancellation of the scope, if the function has not begun. [`Error::Io`] if no thread could be started.
///
/// # Panics
/// If the function does, with its panic.
///
/// # Cancel safety
/// In a scope that is cancelled already the function is not called. A call that waits for a thread is taken back. A
/// function that runs cannot be interrupted: its end is awaited and its value given all the same, and the
/// cancellation shows at the next checkpoint; [`abandon_on_cancel`](RunSync::abandon_on_cancel) changes this. If this
/// future is dropped, a function that runs is abandoned.
pub fn run_sync<F, T>(function: F) -> RunSync<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    RunSync {
        state: State::Before { function: Some(function), waiter: Waiter::new() },
        limiter: None,
        abandon: false,
    }
}

/// The call of a function on a worker thread. Made by [`run_sync`].
#[must_use = "the function is called when this is awaited"]
pub struct RunSync<F, T: Send + 'static> {
    state: State<F, T>,
    limiter: Option<Rc<Limiter>>,
    abandon: bool,
}

enum State<F, T: Send + 'static> {
    /// Waits for a thread to be lent.
    Before {
        function: Option<F>,
        waiter: Waiter,
    },
    /// The function is with the pool.
    Called(Call<T>),
    Over,
}

// The function is moved to its thread, and never pinned.
impl<F, T: Send + 'static> Unpin for RunSync<F, T> {}

impl<F, T: Send + 'static> RunSync<F, T> {
    /// Lets a cancellation end the wait also while the function runs. The function goes on and its value is dropped;
    /// until it ends its thread counts as lent.
    pub fn abandon_on_cancel(mut self) -> Self {
        self.abandon = true;
        self
    }
}

impl<F, T> Future for RunSync<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        Core::with(|core| {
            if let State::Before { function, waiter } = &mut this.state {
                let limiter = this.limiter.get_or_insert_with(limiter::current);
                if let Err(cancelled) = ready!(poll_loan(core, limiter, waiter, cx)) {
                    return Poll::Ready(Err(cancelled.into()));
                }
                let function = function.take().expect("a function is called once");
                match Call::start(function, Rc::clone(limiter)) {
                    Ok(call) => this.state = State::Called(call),
                    Err(error) => {
                        this.state = State::Over;
                        return Poll::Ready(Err(Error::of_operation(error, "start", "a worker thread")));
                    }
                }
            }
            let State::Called(call) = &mut this.state else { panic!("polled after its output") };
            let output = ready!(call.poll(core, cx, this.abandon));
            this.state = State::Over;
            Poll::Ready(output.map_err(Error::from))
        })
    }
}

/// Waits until a thread may be used.
fn poll_loan(
    core: &Core,
    limiter: &Limiter,
    waiter: &mut Waiter,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Cancelled>> {
    if !waiter.is_waiting() && core.scope_is_effective() {
        return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
    }
    while waiter.is_waiting() || !limiter.try_borrow() {
        match ready!(waiter.poll(core, limiter.waiting(), cx))? {
            // The loan was passed on to this call.
            Woken::Notified => break,
            Woken::Again => {}
        }
    }
    if core.scope_is_effective() {
        limiter.give_back();
        return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
    }
    Poll::Ready(Ok(()))
}

impl<F, T: Send + 'static> Drop for RunSync<F, T> {
    fn drop(&mut self) {
        if let (State::Before { waiter, .. }, Some(limiter)) = (&mut self.state, &self.limiter)
            && waiter.withdraw(limiter.waiting())
        {
            limiter.give_back();
        }
    }
}

impl<F, T: Send + 'static> fmt::Debug for RunSync<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunSync").field("abandon_on_cancel", &self.abandon).finish_non_exhaustive()
    }
}
