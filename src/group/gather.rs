//! Many futures at once.

use super::task_group::task_group;
use crate::{
    error::{CancelAware, Cancelled, ErrorGroup, stage_of},
    runtime::{Core, EachDropped, WaitQueue, WaitReason, Waiter},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    task::Poll,
};

/// Runs futures at the same time and gives their values in the order of the futures.
///
/// ```
/// use anyio::{Result, gather};
///
/// # anyio::run(async || -> Result<()> {
/// let squares = gather((1..4).map(|n| async move { anyio::Ok(n * n) })).await?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// When one fails the others are cancelled and awaited; all real errors come out together. Or, alone, the cancellation
/// of a scope further out.
///
/// # Cancel safety
/// The futures are cancelled and awaited. The values of those that had ended are dropped.
pub async fn gather<T, E, Via, F>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, ErrorGroup<E>>
where
    F: Future<Output = Result<T, E>>,
    E: CancelAware<Via>,
{
    let futures: Vec<F> = futures.into_iter().collect();
    let values: RefCell<EachDropped<Vec<Option<T>>>> =
        RefCell::new(EachDropped::new(futures.iter().map(|_| None).collect()));
    let cancelled = Cell::new(None);
    let (values_in, cancelled_in) = (&values, &cancelled);
    task_group(async move |tg| -> Result<(), E> {
        for (place, future) in futures.into_iter().enumerate() {
            tg.start_soon(async move {
                match future.await {
                    Ok(value) => values_in.borrow_mut()[place] = Some(value),
                    Err(error) if stage_of(error.as_error()).is_some() => cancelled_in.set(Some(error)),
                    Err(error) => return Err(error),
                }
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    match cancelled.take() {
        Some(error) => Err(ErrorGroup::passing_on(error, E::as_error)),
        None => Ok(values.into_inner().into_inner().into_iter().flatten().collect()),
    }
}

/// Calls a function once for each argument, at the same time, and gives the values in the order of the arguments.
///
/// ```
/// use anyio::{Result, amap};
///
/// # anyio::run(async || -> Result<()> {
/// let lengths = amap(async |word: &str| anyio::Ok(word.len()), ["one", "three"]).await?;
/// assert_eq!(lengths, [3, 5]);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// As for [`gather`].
///
/// # Cancel safety
/// As for [`gather`].
pub async fn amap<A, T, E, Via>(
    function: impl AsyncFn(A) -> Result<T, E>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Vec<T>, ErrorGroup<E>>
where
    E: CancelAware<Via>,
{
    gather(arguments.into_iter().map(|argument| function(argument))).await
}

/// The values of [`as_completed`], in the order in which the futures end.
pub struct Completed<'a, T> {
    ended: &'a Ended<T>,
}

impl<T> fmt::Debug for Completed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completed").field("running", &self.ended.running.get()).finish_non_exhaustive()
    }
}

struct Ended<T> {
    values: RefCell<EachDropped<VecDeque<(usize, T)>>>,
    running: Cell<usize>,
    waiting: WaitQueue,
}

impl<T> Completed<'_, T> {
    /// The next value, with the place of its future among all, or `None` when all have ended.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled, also because one of the futures has failed.
    ///
    /// # Cancel safety
    /// No value is lost; the next call gives it.
    pub async fn next(&mut self) -> Result<Option<(usize, T)>, Cancelled> {
        let ended = self.ended;
        let mut next = Next { ended, waiter: Waiter::new(WaitReason::Completed) };
        poll_fn(|cx| {
            Core::with(|core| {
                if !next.waiter.is_waiting() && core.reach_checkpoint() {
                    return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
                }
                loop {
                    if !next.waiter.is_waiting() {
                        if let Some(value) = ended.values.borrow_mut().pop_front() {
                            return Poll::Ready(Ok(Some(value)));
                        }
                        if ended.running.get() == 0 {
                            return Poll::Ready(Ok(None));
                        }
                    }
                    match next.waiter.poll(core, &ended.waiting, cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(woken) => woken?,
                    };
                }
            })
        })
        .await
    }
}

struct Next<'a, T> {
    ended: &'a Ended<T>,
    waiter: Waiter,
}

impl<T> Drop for Next<'_, T> {
    fn drop(&mut self) {
        self.waiter.withdraw(&self.ended.waiting);
    }
}

/// Runs futures at the same time, and a body that gets their values as they come. When the body ends, the futures that
/// have not are cancelled and awaited.
///
/// ```
/// use anyio::{Result, as_completed, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// let naps = [30, 1].map(|ms| async move {
///     sleep(Duration::from_millis(ms)).await?;
///     anyio::Ok(ms)
/// });
/// let first = as_completed(naps, async |mut values| Ok(values.next().await?)).await?;
/// assert_eq!(first, Some(Some((1, 1))));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// As for [`task_group`](crate::task_group()).
///
/// # Cancel safety
/// The body and the futures are cancelled and awaited. Values that the body did not take are dropped.
pub async fn as_completed<T, R, E, Via, F>(
    futures: impl IntoIterator<Item = F>,
    body: impl AsyncFnOnce(Completed<'_, T>) -> Result<R, E>,
) -> Result<Option<R>, ErrorGroup<E>>
where
    F: Future<Output = Result<T, E>>,
    E: CancelAware<Via>,
{
    let futures: Vec<F> = futures.into_iter().collect();
    let ended =
        Ended { values: RefCell::default(), running: Cell::new(futures.len()), waiting: WaitQueue::new() };
    let ended = &ended;
    task_group(async move |tg| -> Result<R, E> {
        for (place, future) in futures.into_iter().enumerate() {
            tg.start_soon(async move {
                let result = future.await;
                ended.running.set(ended.running.get() - 1);
                ended.values.borrow_mut().push_back((place, result?));
                ended.waiting.notify_one();
                Ok(())
            });
        }
        let result = body(Completed { ended }).await;
        tg.cancel();
        result
    })
    .await
}
