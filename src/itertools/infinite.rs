//! Streams without an end.

use super::only_a_name;
use crate::{error::Result, runtime::nothing_to_do, streams::ObjectReceiveStream};
use std::ops::Add;

/// Numbers in equal steps. Made by [`count`].
pub struct Count<T> {
    next: T,
    step: T,
}

only_a_name!(Count<T>);

/// `start`, `start + step`, and so on, without end. Like every addition it panics on an overflow in debug builds.
pub fn count<T: Clone + Add<Output = T>>(start: T, step: T) -> Count<T> {
    Count { next: start, step }
}

impl<T: Clone + Add<Output = T>> ObjectReceiveStream for Count<T> {
    type Item = T;

    async fn receive(&mut self) -> Result<Option<T>> {
        nothing_to_do().await?;
        let next = self.next.clone() + self.step.clone();
        Ok(Some(std::mem::replace(&mut self.next, next)))
    }
}

/// The same item again and again. Made by [`repeat`].
pub struct Repeat<T> {
    item: T,
    left: Option<usize>,
}

only_a_name!(Repeat<T>);

/// The same item so many times, or without end.
pub fn repeat<T: Clone>(item: T, times: impl Into<Option<usize>>) -> Repeat<T> {
    Repeat { item, left: times.into() }
}

impl<T: Clone> ObjectReceiveStream for Repeat<T> {
    type Item = T;

    async fn receive(&mut self) -> Result<Option<T>> {
        nothing_to_do().await?;
        if let Some(left) = &mut self.left {
            let Some(fewer) = left.checked_sub(1) else { return Ok(None) };
            *left = fewer;
        }
        Ok(Some(self.item.clone()))
    }
}

/// A stream's items over and over. Made by [`cycle`].
pub struct Cycle<S: ObjectReceiveStream> {
    /// Until it has ended.
    source: Option<S>,
    items: Vec<S::Item>,
    next: usize,
}

only_a_name!(Cycle<S> where S: ObjectReceiveStream);

/// The items of a stream, and when it has ended the same again and again. All are kept. Without any it ends.
pub fn cycle<S: ObjectReceiveStream<Item: Clone>>(source: S) -> Cycle<S> {
    Cycle { source: Some(source), items: Vec::new(), next: 0 }
}

impl<S: ObjectReceiveStream<Item: Clone>> ObjectReceiveStream for Cycle<S> {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        match &mut self.source {
            Some(source) => match source.receive().await? {
                Some(item) => {
                    self.items.push(item.clone());
                    return Ok(Some(item));
                }
                None => self.source = None,
            },
            None => nothing_to_do().await?,
        }
        let item = self.items.get(self.next).cloned();
        self.next = (self.next + 1) % self.items.len().max(1);
        Ok(item)
    }
}
