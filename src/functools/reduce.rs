//! One value out of a stream.

use crate::{error::Result, streams::ObjectReceiveStream};

/// What `function` makes of the first two items, then of that and the third, and so on. `None` if there are no items.
///
/// ```
/// use anyio::{Result, functools, itertools};
///
/// # anyio::run(async || -> Result<()> {
/// let largest = functools::reduce(itertools::from_iter([3, 8, 5]), async |a: i32, b| Ok(a.max(b))).await?;
/// assert_eq!(largest, Some(8));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// The first of the stream or of the function.
///
/// # Cancel safety
/// What was received so far is lost.
pub async fn reduce<T>(
    mut items: impl ObjectReceiveStream<Item = T>,
    function: impl AsyncFnMut(T, T) -> Result<T>,
) -> Result<Option<T>> {
    match items.receive().await? {
        Some(first) => reduce_from(first, items, function).await.map(Some),
        None => Ok(None),
    }
}

/// The same, beginning with a value that there is before all items, and may be of another type.
///
/// # Errors
/// The first of the stream or of the function.
///
/// # Cancel safety
/// What was received so far is lost.
pub async fn reduce_from<A, T>(
    initial: A,
    mut items: impl ObjectReceiveStream<Item = T>,
    mut function: impl AsyncFnMut(A, T) -> Result<A>,
) -> Result<A> {
    let mut total = initial;
    while let Some(item) = items.receive().await? {
        total = function(total, item).await?;
    }
    Ok(total)
}
