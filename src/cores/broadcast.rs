//! Having all cores do something.

use super::{core::Core, spawn::conclude};
use crate::{
    error::{CancelAware, Error, ErrorGroup, Result},
    group::gather,
};

impl Core {
    /// Calls an async function on all cores at the same time, on this one too, and gives what it gives in the order of the
    /// cores. The function is given the core on which it runs.
    ///
    /// ```
    /// use anyio::{Core, Result, run_on_cores};
    ///
    /// let squares = run_on_cores(3, async |core: &Core| -> Result<Vec<usize>> {
    ///     if core.index() != 0 {
    ///         return Ok(Vec::new());
    ///     }
    ///     Ok(core.broadcast(async |core: &Core| -> Result<usize> { Ok(core.index() * core.index()) }).await?)
    /// })?;
    /// assert_eq!(squares.unwrap()[0], [0, 1, 4]);
    /// # Result::<(), anyio::ErrorGroup<anyio::Error>>::Ok(())
    /// ```
    ///
    /// # Errors
    /// As for [`gather`]: when it fails on one core it is cancelled and awaited on the others, and all real errors come out
    /// together. [`Error::RunFinished`] is that of a core that has ended.
    ///
    /// # Cancel safety
    /// As for [`run`](Self::run), on each core.
    ///
    /// # Panics
    /// If the function does on one of the cores, after it was cancelled and awaited on the others.
    pub async fn broadcast<T, E, Via>(
        &self,
        body: impl AsyncFn(&Core) -> Result<T, E> + Clone + Send + 'static,
    ) -> Result<Vec<T>, ErrorGroup<E>>
    where
        T: Send + 'static,
        E: CancelAware<Via> + From<Error> + Send + 'static,
    {
        let on = |core: Core| {
            let body = body.clone();
            async move {
                let there = core.clone();
                conclude(&core, core.call(async move || body(&there).await).await?).await
            }
        };
        gather(self.all().map(on)).await
    }
}
