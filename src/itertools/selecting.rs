//! Some of the items.

use super::only_a_name;
use crate::{error::Result, runtime::nothing_to_do, streams::ObjectReceiveStream};

/// The items that another stream selects. Made by [`compress`].
pub struct Compress<S: ObjectReceiveStream, B> {
    source: S,
    selectors: B,
    item: Option<S::Item>,
}

only_a_name!(Compress<S, B> where S: ObjectReceiveStream);

/// The items of a stream for which the other says `true`, until one of the two ends.
pub fn compress<S, B>(source: S, selectors: B) -> Compress<S, B>
where
    S: ObjectReceiveStream,
    B: ObjectReceiveStream<Item = bool>,
{
    Compress { source, selectors, item: None }
}

impl<S, B> ObjectReceiveStream for Compress<S, B>
where
    S: ObjectReceiveStream,
    B: ObjectReceiveStream<Item = bool>,
{
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        loop {
            if self.item.is_none() {
                self.item = self.source.receive().await?;
            }
            if self.item.is_none() {
                return Ok(None);
            }
            match self.selectors.receive().await? {
                Some(true) => return Ok(self.item.take()),
                Some(false) => self.item = None,
                None => return Ok(None),
            }
        }
    }
}

/// The next item of a source, and whether a predicate holds for it. The item lies in `item` until the predicate has ended.
async fn receive_and_ask<S: ObjectReceiveStream>(
    source: &mut S,
    item: &mut Option<S::Item>,
    predicate: &mut impl AsyncFnMut(&S::Item) -> Result<bool>,
) -> Result<Option<(S::Item, bool)>> {
    if item.is_none() {
        *item = source.receive().await?;
    }
    let Some(asked) = &*item else { return Ok(None) };
    let holds = predicate(asked).await?;
    Ok(item.take().map(|item| (item, holds)))
}

/// A stream without its first items. Made by [`dropwhile`].
pub struct DropWhile<S: ObjectReceiveStream, P> {
    source: S,
    /// Until it has been false.
    predicate: Option<P>,
    item: Option<S::Item>,
}

only_a_name!(DropWhile<S, P> where S: ObjectReceiveStream);

/// A stream from the first item on for which the predicate is false.
pub fn dropwhile<S, P>(source: S, predicate: P) -> DropWhile<S, P>
where
    S: ObjectReceiveStream,
    P: AsyncFnMut(&S::Item) -> Result<bool>,
{
    DropWhile { source, predicate: Some(predicate), item: None }
}

impl<S, P> ObjectReceiveStream for DropWhile<S, P>
where
    S: ObjectReceiveStream,
    P: AsyncFnMut(&S::Item) -> Result<bool>,
{
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        while let Some(predicate) = &mut self.predicate {
            match receive_and_ask(&mut self.source, &mut self.item, predicate).await? {
                Some((_, true)) => {}
                Some((item, false)) => {
                    self.predicate = None;
                    return Ok(Some(item));
                }
                None => return Ok(None),
            }
        }
        self.source.receive().await
    }
}

/// The first items of a stream. Made by [`takewhile`].
pub struct TakeWhile<S: ObjectReceiveStream, P> {
    source: S,
    predicate: P,
    item: Option<S::Item>,
    ended: bool,
}

only_a_name!(TakeWhile<S, P> where S: ObjectReceiveStream);

/// A stream up to the first item for which the predicate is false. That item is used up.
pub fn takewhile<S, P>(source: S, predicate: P) -> TakeWhile<S, P>
where
    S: ObjectReceiveStream,
    P: AsyncFnMut(&S::Item) -> Result<bool>,
{
    TakeWhile { source, predicate, item: None, ended: false }
}

impl<S, P> ObjectReceiveStream for TakeWhile<S, P>
where
    S: ObjectReceiveStream,
    P: AsyncFnMut(&S::Item) -> Result<bool>,
{
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        if self.ended {
            nothing_to_do().await?;
            return Ok(None);
        }
        match receive_and_ask(&mut self.source, &mut self.item, &mut self.predicate).await? {
            Some((item, true)) => Ok(Some(item)),
            Some((_, false)) => {
                self.ended = true;
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

/// The items that a predicate rejects. Made by [`filterfalse`].
pub struct FilterFalse<S: ObjectReceiveStream, P> {
    source: S,
    predicate: P,
    item: Option<S::Item>,
}

only_a_name!(FilterFalse<S, P> where S: ObjectReceiveStream);

/// The items for which the predicate is false.
pub fn filterfalse<S, P>(source: S, predicate: P) -> FilterFalse<S, P>
where
    S: ObjectReceiveStream,
    P: AsyncFnMut(&S::Item) -> Result<bool>,
{
    FilterFalse { source, predicate, item: None }
}

impl<S, P> ObjectReceiveStream for FilterFalse<S, P>
where
    S: ObjectReceiveStream,
    P: AsyncFnMut(&S::Item) -> Result<bool>,
{
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        while let Some((item, holds)) =
            receive_and_ask(&mut self.source, &mut self.item, &mut self.predicate).await?
        {
            if !holds {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }
}
