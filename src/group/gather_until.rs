//! What many futures have come to when time is over.

use super::task_group::task_group;
use crate::{
    error::{CancelAware, ErrorGroup, stage_of},
    runtime::EachDropped,
    scope::shield,
};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    time::Instant,
};

/// Runs futures at the same time until all have ended or a moment has come, and gives the values of those that had ended, in the
/// order of the futures. The others are cancelled *and awaited*; one that gives a value nevertheless has its value told.
/// `None` as the moment is no limit.
///
/// ```
/// use anyio::{Result, current_time, gather_until, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// let naps = [1, 60_000].map(|ms| async move {
///     sleep(Duration::from_millis(ms)).await?;
///     anyio::Ok(ms)
/// });
/// let ended = gather_until(current_time() + Duration::from_millis(50), naps).await?;
/// assert_eq!(ended, [Some(1), None]);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// As for [`gather`](crate::gather). That time is over is no error.
///
/// # Cancel safety
/// The futures are cancelled and awaited. The values of those that had ended are dropped.
pub async fn gather_until<T, E, Via, F>(
    deadline: impl Into<Option<Instant>>,
    futures: impl IntoIterator<Item = F>,
) -> Result<Vec<Option<T>>, ErrorGroup<E>>
where
    F: Future<Output = Result<T, E>>,
    E: CancelAware<Via>,
{
    let (deadline, futures) = (deadline.into(), futures.into_iter().collect::<Vec<F>>());
    let values: RefCell<EachDropped<Vec<Option<T>>>> =
        RefCell::new(EachDropped::new(futures.iter().map(|_| None).collect()));
    let cancelled = Cell::new(None);
    let (values_in, cancelled_in) = (&values, &cancelled);
    task_group(async move |tg| -> Result<(), E> {
        tg.scope().set_deadline(deadline);
        let start = |(place, future): (usize, F)| {
            tg.start_soon(async move {
                match future.await {
                    Ok(value) => values_in.borrow_mut()[place] = Some(value),
                    Err(error) if stage_of(error.as_error()).is_some() => cancelled_in.set(Some(error)),
                    Err(error) => return Err(error),
                }
                Ok(())
            })
        };
        let children: Vec<_> = futures.into_iter().enumerate().map(start).collect();
        for child in &children {
            // They are cancelled with the group, so this ends.
            shield(child.wait()).await.ok();
        }
        // If it is this group's own, it stays here.
        cancelled_in.take().map_or(Ok(()), Err)
    })
    .await?;
    Ok(values.into_inner().into_inner())
}
