//! Several futures of different types of which the first decides.

use super::{race::Course, task_group::task_group};
use crate::error::{CancelAware, ErrorGroup};
use std::future::Future;

/// A tuple of up to eight futures that may be of different types, and give values of one. See [`race_tuple`].
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait RaceTuple<T, E, Via> {
    #[doc(hidden)]
    async fn race(self) -> Result<T, ErrorGroup<E>>;
}

/// The same as [`race`](crate::race()) for futures of different types, such as several `async` blocks. Values of different types
/// become one by [`map`](Result::map) into an enum of the program's.
///
/// ```
/// use anyio::{Result, race_tuple, sleep, to_thread};
/// use std::time::Duration;
///
/// #[derive(Debug, PartialEq)]
/// enum First {
///     Computed(u64),
///     Tired,
/// }
///
/// # anyio::run(async || -> Result<()> {
/// let computed = async { to_thread::run_sync(|| 6 * 7).await.map(First::Computed) };
/// let tired = async {
///     sleep(Duration::from_secs(3600)).await?;
///     anyio::Ok(First::Tired)
/// };
/// assert_eq!(race_tuple((computed, tired)).await?, First::Computed(42));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// As for [`race`](crate::race()).
///
/// # Cancel safety
/// As for [`race`](crate::race()).
pub async fn race_tuple<T, E, Via>(futures: impl RaceTuple<T, E, Via>) -> Result<T, ErrorGroup<E>> {
    futures.race().await
}

macro_rules! tuple {
    ($($future:ident $place:tt),*) => {
        impl<T, E, Via, $($future),*> RaceTuple<T, E, Via> for ($($future,)*)
        where
            $($future: Future<Output = Result<T, E>>,)*
            E: CancelAware<Via>,
        {
            async fn race(self) -> Result<T, ErrorGroup<E>> {
                let course = Course::new();
                let course_in = &course;
                task_group(async move |tg| -> Result<(), E> {
                    $(
                        let future = self.$place;
                        tg.start_soon(async move { course_in.arrive(future.await, tg) });
                    )*
                    Ok(())
                })
                .await?;
                course.end()
            }
        }
    };
}

tuple!(F0 0, F1 1);
tuple!(F0 0, F1 1, F2 2);
tuple!(F0 0, F1 1, F2 2, F3 3);
tuple!(F0 0, F1 1, F2 2, F3 3, F4 4);
tuple!(F0 0, F1 1, F2 2, F3 3, F4 4, F5 5);
tuple!(F0 0, F1 1, F2 2, F3 3, F4 4, F5 5, F6 6);
tuple!(F0 0, F1 1, F2 2, F3 3, F4 4, F5 5, F6 6, F7 7);
