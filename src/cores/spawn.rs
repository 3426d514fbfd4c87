//! Children of a group on other cores.

use super::{core::Core, exchange::Value};
use crate::{
    error::{CancelAware, Error, Stopping, stage_of},
    group::{TaskGroup, TaskHandle},
    runtime::{Core as Executor, Scope},
    scope::finishing,
    time::sleep_forever,
};

impl<'scope, 'env, E> TaskGroup<'scope, 'env, E> {
    /// Starts a child whose body runs on one of the cores of [`run_on_cores`](crate::run_on_cores), in a task of its own there.
    /// To the group it is a child like any other: it is cancelled and awaited with it, and its error cancels the others. Its
    /// future is made on that core and stays there, so it need not be `Send`.
    ///
    /// ```
    /// use anyio::{Core, Result, run_on_cores, task_group};
    ///
    /// let sums = run_on_cores(2, async |core: &Core| -> Result<u64> {
    ///     let mut sum = 0;
    ///     task_group(async |tg| -> Result<()> {
    ///         let mut parts = Vec::new();
    ///         for (core, part) in core.all().zip([0..50, 50..100]) {
    ///             parts.push(tg.spawn_on(&core, async move || Ok(part.sum::<u64>())));
    ///         }
    ///         for part in parts {
    ///             sum += part.await?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await?;
    ///     Ok(sum)
    /// })?;
    /// assert_eq!(sums, Some(vec![4950, 4950]));
    /// # Result::<(), anyio::ErrorGroup<anyio::Error>>::Ok(())
    /// ```
    ///
    /// The child fails with [`Error::RunFinished`] if that core has ended, or its run breaks off before the body ends. If the body ends
    /// with a cancellation because its core is cancelled, the child waits for the cancellation of its own scope, which then comes, too:
    /// cores are cancelled together. A run that is none of theirs is not cancelled with them: there the child fails with
    /// [`Error::RunFinished`].
    pub fn spawn_on<T, Via>(
        &'scope self,
        core: &Core,
        body: impl AsyncFnOnce() -> Result<T, E> + Send + 'static,
    ) -> TaskHandle<'scope, T>
    where
        T: Send + 'static,
        E: CancelAware<Via> + From<Error> + Send + 'static,
    {
        let core = core.clone();
        self.start_soon(async move { conclude(&core, core.call(body).await?).await })
    }
}

/// What a body on that core has come to, in the scope of who waits for it.
pub(super) async fn conclude<T, E, Via>(core: &Core, ended: Value<Result<T, E>>) -> Result<T, E>
where
    E: CancelAware<Via> + From<Error>,
{
    let Value { value, stopped } = ended;
    let stage = value.as_ref().err().and_then(|error| stage_of(error.as_error()));
    // The news that has reached that core is on its way to this one, unless a shield keeps it off.
    let will_come = |stage| {
        Executor::with(|core| {
            let reaches = |scope: &Scope| !scope.and_those_around().any(Scope::shield);
            core.scope().is_some_and(|scope| !scope.is_stopped(stage) && reaches(scope))
        })
    };
    if let Some(stage) = stage.filter(|&stage| stopped.contains(&Some(stage)) && will_come(stage)) {
        if !Core::current().is_some_and(|own| own.is_of_set_of(core)) {
            return Err(Error::RunFinished.into());
        }
        match stage {
            Stopping::Cancel => drop(sleep_forever().await),
            Stopping::Finish => drop(finishing().await),
        }
    }
    value
}
