//! Several items as one.

use super::only_a_name;
use crate::{
    error::{Error, Result},
    runtime::nothing_to_do,
    streams::{Attributes, ObjectReceiveStream},
};

/// Items in groups of equal size. Made by [`batched`].
pub struct Batched<S: ObjectReceiveStream> {
    source: S,
    size: usize,
    strict: bool,
    batch: Vec<S::Item>,
    ended: bool,
}

only_a_name!(Batched<S> where S: ObjectReceiveStream);

/// Items in groups of `size`; the last may be smaller. No item of the next group is taken from the source before it is
/// asked for.
///
/// # Panics
/// If `size` is 0.
pub fn batched<S: ObjectReceiveStream>(source: S, size: usize) -> Batched<S> {
    assert!(size > 0, "batches of 0 items");
    Batched { source, size, strict: false, batch: Vec::new(), ended: false }
}

impl<S: ObjectReceiveStream> Batched<S> {
    /// Makes a last group that is smaller an error, [`Error::IncompleteRead`]; its items are dropped.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
}

impl<S: ObjectReceiveStream> ObjectReceiveStream for Batched<S> {
    type Item = Vec<S::Item>;

    async fn receive(&mut self) -> Result<Option<Vec<S::Item>>> {
        if self.ended {
            nothing_to_do().await?;
            return Ok(None);
        }
        while self.batch.len() < self.size {
            match self.source.receive().await? {
                Some(item) => self.batch.push(item),
                None => {
                    self.ended = true;
                    let last = std::mem::take(&mut self.batch);
                    if self.strict && !last.is_empty() {
                        return Err(Error::IncompleteRead);
                    }
                    return Ok((!last.is_empty()).then_some(last));
                }
            }
        }
        Ok(Some(std::mem::take(&mut self.batch)))
    }
}

/// Runs of items with the same key. Made by [`groupby`].
pub struct GroupBy<S: ObjectReceiveStream, K, F> {
    source: S,
    key: F,
    /// Received, and not yet asked for its key.
    item: Option<S::Item>,
    group: Option<(K, Vec<S::Item>)>,
}

impl<S: ObjectReceiveStream, K, F> Attributes for GroupBy<S, K, F> {}

impl<S: ObjectReceiveStream, K, F> std::fmt::Debug for GroupBy<S, K, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupBy").finish_non_exhaustive()
    }
}

/// Each run of items with equal keys, as the key and the whole run.
pub fn groupby<S, K, F>(source: S, key: F) -> GroupBy<S, K, F>
where
    S: ObjectReceiveStream,
    K: PartialEq,
    F: AsyncFnMut(&S::Item) -> Result<K>,
{
    GroupBy { source, key, item: None, group: None }
}

impl<S, K, F> ObjectReceiveStream for GroupBy<S, K, F>
where
    S: ObjectReceiveStream,
    K: PartialEq,
    F: AsyncFnMut(&S::Item) -> Result<K>,
{
    type Item = (K, Vec<S::Item>);

    async fn receive(&mut self) -> Result<Option<(K, Vec<S::Item>)>> {
        loop {
            if self.item.is_none() {
                self.item = self.source.receive().await?;
            }
            let Some(asked) = &self.item else { return Ok(self.group.take()) };
            let key = (self.key)(asked).await?;
            let Some(item) = self.item.take() else { return Ok(self.group.take()) };
            match &mut self.group {
                Some((of_group, items)) if *of_group == key => items.push(item),
                group => {
                    if let Some(whole) = group.replace((key, vec![item])) {
                        return Ok(Some(whole));
                    }
                }
            }
        }
    }
}

/// Neighbours. Made by [`pairwise`].
pub struct Pairwise<S: ObjectReceiveStream> {
    source: S,
    before: Option<S::Item>,
}

only_a_name!(Pairwise<S> where S: ObjectReceiveStream);

/// Each item together with the one that follows it.
pub fn pairwise<S: ObjectReceiveStream<Item: Clone>>(source: S) -> Pairwise<S> {
    Pairwise { source, before: None }
}

impl<S: ObjectReceiveStream<Item: Clone>> ObjectReceiveStream for Pairwise<S> {
    type Item = (S::Item, S::Item);

    async fn receive(&mut self) -> Result<Option<(S::Item, S::Item)>> {
        while let Some(item) = self.source.receive().await? {
            if let Some(before) = self.before.replace(item.clone()) {
                return Ok(Some((before, item)));
            }
        }
        Ok(None)
    }
}
