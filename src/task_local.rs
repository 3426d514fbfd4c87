//! Variables whose values tasks inherit.

use crate::runtime::{Bindings, InContext, Within};
use std::{
    cell::Cell,
    fmt,
    future::Future,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A variable that has a value in a part of the program, and in all tasks that are started from there.
///
/// It is what other languages call a context variable: for what goes with a request through all functions that deal with it,
/// such as its number, without being passed to each. [`scope`](Self::scope) says which value it has within a future.
///
/// A child of a [task group](crate::task_group()) has the values that who starts it has at that moment, wherever its group is
/// polled; later changes on either side are not seen by the other. Functions on [threads](crate::to_thread) and what these
/// [ask the run for](crate::from_thread) have those of who calls them, and so have tasks in a
/// [portal](crate::from_thread::BlockingPortal). Values go to other threads, so they are [`Send`] and [`Sync`].
///
/// ```
/// use anyio::{Result, TaskLocal, task_group};
///
/// static REQUEST: TaskLocal<u64> = TaskLocal::new();
///
/// async fn log(text: &str) -> String {
///     format!("[{}] {text}", REQUEST.get().unwrap_or_default())
/// }
///
/// # anyio::run(async || -> Result<()> {
/// task_group(async |tg| -> Result<()> {
///     let child = REQUEST.scope(7, async { tg.start_soon(async { anyio::Ok(log("begins").await) }) }).await;
///     assert_eq!(child.await?, "[7] begins");
///     assert_eq!(log("ends").await, "[0] ends");
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// A program that has no such variables pays nothing for them.
pub struct TaskLocal<T> {
    /// 0 until the variable is used.
    number: AtomicU64,
    _value: PhantomData<fn() -> T>,
}

impl<T> TaskLocal<T> {
    /// A variable without a value. Two variables never share values.
    pub const fn new() -> Self {
        Self { number: AtomicU64::new(0), _value: PhantomData }
    }

    fn number(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = self.number.load(Ordering::Relaxed);
        if number != 0 {
            return number;
        }
        let new = NEXT.fetch_add(1, Ordering::Relaxed);
        // Another thread may be first.
        match self.number.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => new,
            Err(number) => number,
        }
    }
}

impl<T> Default for TaskLocal<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send + Sync + 'static> TaskLocal<T> {
    /// A future within which the variable has this value. The others have those that they have where this is called.
    ///
    /// # Cancel safety
    /// That of the future. If it is dropped, what is in it is dropped with the value.
    pub fn scope<F: Future>(&self, value: T, body: F) -> impl Future<Output = F::Output> {
        InContext::new(Some(self.bind(value)), body)
    }

    /// Calls a function within which the variable has this value. Works on any thread, also outside of a run.
    pub fn sync_scope<R>(&self, value: T, body: impl FnOnce() -> R) -> R {
        let bindings = Cell::new(Some(self.bind(value)));
        let _within = Within::enter(&bindings);
        body()
    }

    fn bind(&self, value: T) -> Bindings {
        Bindings::current_with(self.number(), Arc::new(value))
    }

    /// A copy of the value, if the variable has one here.
    pub fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }

    /// Calls a function with the value, if the variable has one here.
    pub fn with<R>(&self, body: impl FnOnce(Option<&T>) -> R) -> R {
        let value = Bindings::value_of(self.number());
        body(value.as_deref().and_then(|value| value.downcast_ref()))
    }
}

impl<T: fmt::Debug + Send + Sync + 'static> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|value| f.debug_tuple("TaskLocal").field(&value).finish())
    }
}
