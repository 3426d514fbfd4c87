//! Resources with cleanup that awaits.

use super::shield;

/// Runs `body` with a resource and then, whatever came of it, `cleanup`, which no cancellation reaches.
///
/// ```
/// use anyio::{Result, using};
///
/// # anyio::run(async || -> Result<()> {
/// let length = using(
///     Vec::new(),
///     async |log: &mut Vec<&str>| -> Result<usize> {
///         log.push("work");
///         Ok(log.len())
///     },
///     async |log: Vec<&str>| {
///         assert_eq!(log, ["work"]);
///         Ok(())
///     },
/// )
/// .await?;
/// assert_eq!(length, 1);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// The body's error, or if it had none the cleanup's.
///
/// # Cancel safety
/// The cleanup runs also when the body was cancelled. It cannot run when this future is dropped half-way; then the
/// resource is dropped.
pub async fn using<R, T, E, B, C>(mut resource: R, body: B, cleanup: C) -> Result<T, E>
where
    B: AsyncFnOnce(&mut R) -> Result<T, E>,
    C: AsyncFnOnce(R) -> Result<(), E>,
{
    let result = body(&mut resource).await;
    let cleaned = shield(cleanup(resource)).await;
    let value = result?;
    cleaned?;
    Ok(value)
}
