//! `Ok` with an error type.

use super::Result;

/// `Ok(value)` whose error type is [`Error`](crate::Error), for the end of an async block where nothing else names it.
///
/// ```
/// use std::time::Duration;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let five = anyio::move_on_after(Duration::from_secs(1), async {
///     anyio::sleep(Duration::from_millis(1)).await?;
///     anyio::Ok(5)
/// })
/// .await?;
/// assert_eq!(five, Some(5));
/// # anyio::Ok(()) }).unwrap();
/// ```
#[expect(non_snake_case, reason = "it stands for the variant")]
pub fn Ok<T>(value: T) -> Result<T> {
    Result::Ok(value)
}
