//! Several futures of different types at once.

use super::task_group::task_group;
use crate::{
    error::{CancelAware, ErrorGroup, stage_of},
    runtime::FirstPanic,
};
use std::{cell::Cell, future::Future};

/// A tuple of up to eight futures that may give values of different types. See [`gather_tuple`].
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait FutureTuple<E, Via> {
    /// The values of the futures.
    type Values;

    #[doc(hidden)]
    async fn gather(self) -> Result<Self::Values, ErrorGroup<E>>;
}

/// Runs futures of different types at the same time and gives their values as a tuple in the order of the futures.
///
/// ```
/// use anyio::{Result, gather_tuple, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// let number = async { anyio::Ok(1) };
/// let text = async {
///     sleep(Duration::from_millis(1)).await?;
///     anyio::Ok("one")
/// };
/// assert_eq!(gather_tuple((number, text)).await?, (1, "one"));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// As for [`gather`](crate::gather).
///
/// # Cancel safety
/// As for [`gather`](crate::gather).
pub async fn gather_tuple<G, E, Via>(futures: G) -> Result<G::Values, ErrorGroup<E>>
where
    G: FutureTuple<E, Via>,
{
    futures.gather().await
}

/// Where a value is until all have come.
struct Place<'a, T> {
    value: Cell<Option<T>>,
    panics: &'a Panics,
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        self.panics.0.catch(|| drop(self.value.take()));
    }
}

/// What comes of values that panic as they are dropped. It goes on when the last is gone: two that panic one within the other
/// end the process.
struct Panics(FirstPanic);

impl Drop for Panics {
    fn drop(&mut self) {
        self.0.resume();
    }
}

/// Keeps a value or a cancellation, and passes other errors on.
fn keep<T, E, Via>(
    result: Result<T, E>,
    value: &Cell<Option<T>>,
    cancelled: &Cell<Option<E>>,
) -> Result<(), E>
where
    E: CancelAware<Via>,
{
    match result {
        Ok(given) => value.set(Some(given)),
        Err(error) if stage_of(error.as_error()).is_some() => cancelled.set(Some(error)),
        Err(error) => return Err(error),
    }
    Ok(())
}

macro_rules! tuple {
    ($($future:ident $value:ident $place:tt),*) => {
        impl<E, Via, $($future, $value),*> FutureTuple<E, Via> for ($($future,)*)
        where
            $($future: Future<Output = Result<$value, E>>,)*
            E: CancelAware<Via>,
        {
            type Values = ($($value,)*);

            async fn gather(self) -> Result<Self::Values, ErrorGroup<E>> {
                let panics = Panics(FirstPanic::new());
                let values = ($(Place { value: Cell::new(None::<$value>), panics: &panics },)*);
                let cancelled = Cell::new(None);
                let (values_in, cancelled_in) = (&values, &cancelled);
                task_group(async move |tg| -> Result<(), E> {
                    $(
                        let future = self.$place;
                        tg.start_soon(async move { keep(future.await, &values_in.$place.value, cancelled_in) });
                    )*
                    Ok(())
                })
                .await?;
                match cancelled.take() {
                    Some(error) => Err(ErrorGroup::passing_on(error, E::as_error)),
                    None => Ok(($(values.$place.value.take().expect("each has given one"),)*)),
                }
            }
        }
    };
}

tuple!(F0 T0 0, F1 T1 1);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6, F7 T7 7);
