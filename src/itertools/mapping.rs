//! A function for each item.

use super::only_a_name;
use crate::{error::Result, runtime::nothing_to_do, streams::ObjectReceiveStream};

/// What has come so far, put together. Made by [`accumulate`].
pub struct Accumulate<S: ObjectReceiveStream, F> {
    source: S,
    function: F,
    /// To be given as it is.
    initial: Option<S::Item>,
    total: Option<S::Item>,
    item: Option<S::Item>,
}

only_a_name!(Accumulate<S, F> where S: ObjectReceiveStream);

/// The running totals of a stream: what `function` makes of the total before and the next item. The first is `initial`, or,
/// without one, the first item.
pub fn accumulate<S, F>(source: S, initial: impl Into<Option<S::Item>>, function: F) -> Accumulate<S, F>
where
    S: ObjectReceiveStream<Item: Clone>,
    F: AsyncFnMut(&S::Item, &S::Item) -> Result<S::Item>,
{
    Accumulate { source, function, initial: initial.into(), total: None, item: None }
}

impl<S, F> ObjectReceiveStream for Accumulate<S, F>
where
    S: ObjectReceiveStream<Item: Clone>,
    F: AsyncFnMut(&S::Item, &S::Item) -> Result<S::Item>,
{
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        if self.initial.is_some() {
            nothing_to_do().await?;
            self.total = self.initial.take();
            return Ok(self.total.clone());
        }
        if self.item.is_none() {
            let Some(item) = self.source.receive().await? else { return Ok(None) };
            self.item = Some(item);
        }
        let total = match (&self.total, &self.item) {
            (Some(total), Some(item)) => Some((self.function)(total, item).await?),
            _ => None,
        };
        let item = self.item.take();
        self.total = total.or(item);
        Ok(self.total.clone())
    }
}

/// What a function makes of each item. Made by [`starmap`].
pub struct StarMap<S: ObjectReceiveStream, F> {
    source: S,
    function: F,
    item: Option<S::Item>,
}

only_a_name!(StarMap<S, F> where S: ObjectReceiveStream);

/// What a function makes of each item, which is a tuple of its arguments as a rule.
///
/// ```
/// use anyio::{Result, itertools};
///
/// # anyio::run(async || -> Result<()> {
/// let pairs = itertools::from_iter([(2_u32, 5_u32), (3, 2)]);
/// let powers = itertools::starmap(pairs, async |&(base, exponent): &(u32, u32)| Ok(base.pow(exponent)));
/// assert_eq!(itertools::collect(powers).await?, [32, 9]);
/// # Ok(()) }).unwrap();
/// ```
pub fn starmap<S, F, T>(source: S, function: F) -> StarMap<S, F>
where
    S: ObjectReceiveStream,
    F: AsyncFnMut(&S::Item) -> Result<T>,
{
    StarMap { source, function, item: None }
}

impl<S, F, T> ObjectReceiveStream for StarMap<S, F>
where
    S: ObjectReceiveStream,
    F: AsyncFnMut(&S::Item) -> Result<T>,
{
    type Item = T;

    async fn receive(&mut self) -> Result<Option<T>> {
        if self.item.is_none() {
            self.item = self.source.receive().await?;
        }
        let Some(item) = &self.item else { return Ok(None) };
        let made = (self.function)(item).await?;
        self.item = None;
        Ok(Some(made))
    }
}
