//! Blocking functions, called on worker threads.
//!
//! Whatever has no asynchronous form (a file system call that the kernel's ring does not know, a library that blocks,
//! a long computation) is called on a thread of a pool that all runs of the process share. A thread that has become
//! idle is used again first, and ends when it has been idle for ten seconds.
//!
//! Each run lends at most 40 threads at a time; further calls wait for their turn, first come, first served. That number
//! can be changed ([`current_default_thread_limiter`]), and calls can be given a limiter of their own
//! ([`RunSync::limiter`]).

mod call;
pub(crate) mod host;
mod loan;
mod purpose;
pub(crate) mod reply;
pub(crate) mod request;

use crate::{
    error::{Error, Result},
    runtime::Core,
    sync::CapacityLimiter,
};
use call::Call;
use loan::Request;
use purpose::Purpose;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// What limits how many threads this run uses at a time for calls that have no limiter of their own: 40 at first. What the
/// runtime itself has threads do, for example for files and for names of hosts, has threads and limits of its own, so that
/// the program's functions cannot keep it waiting.
///
/// ```
/// use anyio::{Result, to_thread};
///
/// # anyio::run(async || -> Result<()> {
/// to_thread::current_default_thread_limiter().set_total_tokens(100);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Panics
/// Outside of a run.
pub fn current_default_thread_limiter() -> Rc<CapacityLimiter> {
    Purpose::Program.limiter()
}

/// Gives this run another limiter for calls that have none of their own, for example one that files use as well
/// ([`fs::current_thread_limiter`](crate::fs::current_thread_limiter)). Calls that have begun, or wait for their turn, keep that which
/// they have.
///
/// ```
/// use anyio::{Result, fs, to_thread};
///
/// # anyio::run(async || -> Result<()> {
/// // One limit for all that is done on threads, as in AnyIO.
/// fs::set_thread_limiter(&to_thread::current_default_thread_limiter());
/// # Ok(()) }).unwrap();
/// ```
///
/// # Panics
/// Outside of a run.
pub fn set_default_thread_limiter(limiter: &Rc<CapacityLimiter>) {
    Purpose::Program.set_limiter(limiter);
}

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
    run_for(Purpose::Program, function)
}

/// What limits how many threads this run uses for files and folders.
pub(crate) fn limiter_for_files() -> Rc<CapacityLimiter> {
    Purpose::Files.limiter()
}

/// Has another limiter for files and folders.
pub(crate) fn set_limiter_for_files(limiter: &Rc<CapacityLimiter>) {
    Purpose::Files.set_limiter(limiter);
}

/// Has a thread do something with files or folders.
pub(crate) fn for_files<F, T>(function: F) -> RunSync<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    run_for(Purpose::Files, function)
}

/// Has a thread look up a name.
pub(crate) fn for_names<F, T>(function: F) -> RunSync<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    run_for(Purpose::Names, function)
}

/// Has a thread wait for other programs.
pub(crate) fn for_waiting<F, T>(function: F) -> RunSync<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    run_for(Purpose::Waiting, function)
}

fn run_for<F, T>(purpose: Purpose, function: F) -> RunSync<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    RunSync {
        state: State::Before { function: Some(function), limiter: None, request: None },
        purpose,
        abandon: false,
    }
}

/// The call of a function on a worker thread. Made by [`run_sync`].
#[must_use = "the function is called when this is awaited"]
pub struct RunSync<F, T: Send + 'static> {
    state: State<F, T>,
    purpose: Purpose,
    abandon: bool,
}

enum State<F, T: Send + 'static> {
    /// Waits for a thread to be lent.
    Before {
        function: Option<F>,
        /// `None` for that of the purpose.
        limiter: Option<Rc<CapacityLimiter>>,
        request: Option<Request>,
    },
    /// The function is with the pool.
    Called(Call<T>),
    Over,
}

// The function is moved to its thread, and never pinned.
impl<F, T: Send + 'static> Unpin for RunSync<F, T> {}

impl<F, T: Send + 'static> RunSync<F, T> {
    /// Lets a cancellation end the wait also while the function runs. The function goes on and its value is dropped;
    /// until it ends, or the run does, its thread counts as lent.
    pub fn abandon_on_cancel(mut self) -> Self {
        self.abandon = true;
        self
    }

    /// Has this call borrow its thread from another limiter than that of the run. Each call is a borrower of its own, so
    /// a task may have several.
    ///
    /// ```
    /// use anyio::{Result, sync::CapacityLimiter, to_thread};
    /// use std::rc::Rc;
    ///
    /// # anyio::run(async || -> Result<()> {
    /// let one_at_a_time = Rc::new(CapacityLimiter::new(1));
    /// to_thread::run_sync(|| ()).limiter(&one_at_a_time).await?;
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Panics
    /// If the call has begun, or waits for its turn.
    pub fn limiter(mut self, limiter: &Rc<CapacityLimiter>) -> Self {
        match &mut self.state {
            State::Before { limiter: chosen, request: None, .. } => *chosen = Some(Rc::clone(limiter)),
            _ => panic!("a call is given its limiter before it is awaited"),
        }
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
            if let State::Before { function, limiter, request } = &mut this.state {
                let request = request.get_or_insert_with(|| {
                    Request::new(limiter.take().unwrap_or_else(|| this.purpose.limiter()))
                });
                let loan = ready!(request.poll(core, cx))?;
                let function = function.take().expect("a function is called once");
                match Call::start(core, this.purpose.pool(), function, loan) {
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

impl<F, T: Send + 'static> fmt::Debug for RunSync<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunSync").field("abandon_on_cancel", &self.abandon).finish_non_exhaustive()
    }
}
