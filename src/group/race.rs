//! Several futures of which the first decides.

use super::task_group::{TaskGroup, task_group};
use crate::error::{CancelAware, ErrorGroup, stage_of};
use std::{
    cell::{Cell, RefCell},
    future::Future,
};

/// Runs futures at the same time until the first ends; the others are cancelled *and awaited*. Gives the first's value. For
/// futures of different types there is [`race_tuple`](crate::race_tuple()).
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
    let course = Course::new();
    let course_in = &course;
    task_group(async move |tg| -> Result<(), E> {
        for future in futures {
            tg.start_soon(async move { course_in.arrive(future.await, tg) });
        }
        Ok(())
    })
    .await?;
    course.end()
}

/// What has come of a race so far.
pub(super) struct Course<T, E> {
    winner: RefCell<Option<T>>,
    cancelled: Cell<Option<E>>,
}

impl<T, E> Course<T, E> {
    pub(super) fn new() -> Self {
        Self { winner: RefCell::new(None), cancelled: Cell::new(None) }
    }

    /// One has come to its end, and gives what its task is to give.
    pub(super) fn arrive<Via>(&self, result: Result<T, E>, group: &TaskGroup<'_, '_, E>) -> Result<(), E>
    where
        E: CancelAware<Via>,
    {
        match result {
            Ok(value) => {
                let mut winner = self.winner.borrow_mut();
                let late = if winner.is_some() { Some(value) } else { winner.replace(value) };
                drop(winner);
                group.cancel();
                // It is of users, and so it goes last.
                drop(late);
            }
            Err(error) if stage_of(error.as_error()).is_some() => self.cancelled.set(Some(error)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What is to come out when all have ended, and none with a real error.
    pub(super) fn end<Via>(self) -> Result<T, ErrorGroup<E>>
    where
        E: CancelAware<Via>,
    {
        match (self.winner.into_inner(), self.cancelled.take()) {
            (Some(value), _) => Ok(value),
            (None, Some(error)) => Err(ErrorGroup::passing_on(error, E::as_error)),
            (None, None) => unreachable!("each future ended with a value, a cancellation or an error"),
        }
    }
}
