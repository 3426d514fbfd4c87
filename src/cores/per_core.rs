//! A value for each core.

use super::core::Core;
use crate::{
    error::{Error, Result},
    group::gather,
    lowlevel::RunVar,
};
use std::{fmt, rc::Rc, sync::OnceLock};

/// A value that each core has of its own: a cache, a counter, a pool of connections. It is made on its core when it is first
/// asked for there, and dropped there at the end of the run. It need be neither `Send` nor `Sync`, and nobody locks anything.
///
/// What is to be known of the other cores' values is asked there, by a function that is sent. The values belong to runs: a run that is
/// none of several has one, too.
///
/// ```
/// use anyio::{Core, Result, cores::PerCore, run_on_cores};
/// use std::cell::RefCell;
///
/// static NAMES: PerCore<RefCell<Vec<String>>> = PerCore::new(RefCell::default);
///
/// let names = run_on_cores(1, async |core: &Core| -> Result<usize> {
///     NAMES.here().borrow_mut().push("Ada".to_owned());
///     let counts = NAMES.on_each(core, |names| names.borrow().len()).await?;
///     Ok(counts.into_iter().sum())
/// })?;
/// assert_eq!(names, Some(vec![1]));
/// # Result::<(), anyio::ErrorGroup<anyio::Error>>::Ok(())
/// ```
pub struct PerCore<T> {
    variable: OnceLock<RunVar<T>>,
    make: fn() -> T,
}

impl<T: 'static> PerCore<T> {
    /// A value for each core, made by this function.
    pub const fn new(make: fn() -> T) -> Self {
        Self { variable: OnceLock::new(), make }
    }

    /// The value of the core on which this is called. It is made if there is none.
    ///
    /// # Panics
    /// Outside of a run, and if making it does.
    #[track_caller]
    pub fn here(&self) -> Rc<T> {
        let variable = self.variable.get_or_init(|| RunVar::new().with_default(self.make));
        variable.get().expect("there is a default")
    }

    /// Calls a function with the value of some core, on that core, and gives what it gives.
    ///
    /// # Errors
    /// As for [`Core::run`].
    ///
    /// # Cancel safety
    /// The function is called, and what it gives comes out, or it is not called. When the future is dropped it may be called.
    ///
    /// # Panics
    /// If the function does, or making the value.
    pub async fn on<R: Send + 'static>(
        &'static self,
        core: &Core,
        ask: impl FnOnce(&T) -> R + Send + 'static,
    ) -> Result<R> {
        core.run(async move || ask(&self.here())).await
    }

    /// Calls a function with the value of each core, on that core, and gives what it gives in the order of the cores. Any
    /// handle of a core tells which they are.
    ///
    /// # Errors
    /// [`Error::RunFinished`] if one of the cores has ended, or a cancellation.
    ///
    /// # Cancel safety
    /// As for [`on`](Self::on), on each core.
    ///
    /// # Panics
    /// If the function does, or making a value.
    pub async fn on_each<R: Send + 'static>(
        &'static self,
        core: &Core,
        ask: impl Fn(&T) -> R + Clone + Send + 'static,
    ) -> Result<Vec<R>> {
        let on = |core: Core| {
            let ask = ask.clone();
            async move { self.on(&core, ask).await }
        };
        gather(core.all().map(on)).await.map_err(|group| group.into_single().unwrap_or_else(Error::from))
    }
}

impl<T> fmt::Debug for PerCore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCore").finish_non_exhaustive()
    }
}
