//! Several futures of which the first decides.

use super::task_group::task_group;
use crate::error::{CancelAware, ErrorGroup, stage_of};
use std::{
    cell::{Cell, RefCell},
    future::Future,
};

/// Runs futures at the same time until the first ends; the others are cancelled *and awaited*. Gives the first's value.
///
/// ```
/// use anyio::{Result, race, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// let naps = [60_000, 1].map(|ms| async move {
///     sleep(Duration::from_millis(ms)).await?;
///     anyio::Ok(ms)
/// });
/// assert_eq!(race(naps).await?, 1);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// The first's error, if it failed, together with real errors of the others. Real errors of the others alone, if the
/// first gave a value but another failed while it was being cancelled. Or, alone, the cancellation of a scope further
/// out.
///
/// # Cancel safety
/// The futures are cancelled and awaited. The value of one that ended after the first, before its cancellation reached
/// it, is dropped.
///
/// # Panics
/// If there are no futures.
pub async fn race<T, E, Via, F>(futures: impl IntoIterator<Item = F>) -> Result<T, ErrorGroup<E>>
where
    F: Future<Output = Result<T, E>>,
    E: CancelAware<Via>,
{
    let futures: Vec<F> = futures.into_iter().collect();
    assert!(!futures.is_empty(), "a race needs at least one future");
    let winner = RefCell::new(None);
    let cancelled = Cell::new(None);
    let (winner_in, cancelled_in) = (&winner, &cancelled);
    task_group(async move |tg| -> Result<(), E> {
        for future in futures {
            tg.start_soon(async move {
                match future.await {
                    Ok(value) => {
                        let _late = winner_in.borrow_mut().get_or_insert(value);
                        tg.cancel();
                        Ok(())
                    }
                    Err(error) if stage_of(error.as_error()).is_some() => {
                        cancelled_in.set(Some(error));
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            });
        }
        Ok(())
    })
    .await?;
    match (winner.into_inner(), cancelled.take()) {
        (Some(value), _) => Ok(value),
        (None, Some(error)) => Err(ErrorGroup::passing_on(error, E::as_error)),
        (None, None) => unreachable!("each future ended with a value, a cancellation or an error"),
    }
}
