//! From iterators to streams, and from streams to vectors.

use super::only_a_name;
use crate::{error::Result, runtime::nothing_to_do, streams::ObjectReceiveStream};

/// The items of an iterator as a stream. Made by [`from_iter`].
pub struct FromIter<I>(I);

only_a_name!(FromIter<I>);

/// The items of an iterator as a stream that never waits, but is a checkpoint for each item.
pub fn from_iter<I: IntoIterator>(items: I) -> FromIter<I::IntoIter> {
    FromIter(items.into_iter())
}

impl<I: Iterator> ObjectReceiveStream for FromIter<I> {
    type Item = I::Item;

    async fn receive(&mut self) -> Result<Option<I::Item>> {
        nothing_to_do().await?;
        Ok(self.0.next())
    }
}

/// All items of a stream, up to its end.
///
/// # Errors
/// The first of the stream.
///
/// # Cancel safety
/// The items received so far are dropped; give it the stream by `&mut` to go on with the others.
pub async fn collect<T>(mut stream: impl ObjectReceiveStream<Item = T>) -> Result<Vec<T>> {
    let mut items = Vec::new();
    while let Some(item) = stream.receive().await? {
        items.push(item);
    }
    Ok(items)
}
