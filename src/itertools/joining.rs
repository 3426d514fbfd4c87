//! Several streams as one.

use super::only_a_name;
use crate::{error::Result, runtime::nothing_to_do, streams::ObjectReceiveStream};
use std::vec;

/// One stream after the other. Made by [`chain`].
pub struct Chain<S> {
    streams: vec::IntoIter<S>,
    current: Option<S>,
}

only_a_name!(Chain<S>);

/// The items of one stream after the other. Streams of different types go together as
/// [`BoxedObjectReceiveStream`](crate::streams::BoxedObjectReceiveStream).
pub fn chain<S: ObjectReceiveStream>(streams: impl IntoIterator<Item = S>) -> Chain<S> {
    let streams: Vec<S> = streams.into_iter().collect();
    Chain { streams: streams.into_iter(), current: None }
}

impl<S: ObjectReceiveStream> ObjectReceiveStream for Chain<S> {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        loop {
            if self.current.is_none() {
                self.current = self.streams.next();
            }
            let Some(current) = &mut self.current else {
                nothing_to_do().await?;
                return Ok(None);
            };
            if let Some(item) = current.receive().await? {
                return Ok(Some(item));
            }
            self.current = None;
        }
    }
}

/// The streams that come out of a stream, one after the other. Made by [`chain_from_stream`].
pub struct ChainFromStream<S: ObjectReceiveStream> {
    streams: S,
    current: Option<S::Item>,
}

only_a_name!(ChainFromStream<S> where S: ObjectReceiveStream);

/// The items of the streams that come out of a stream, one after the other. The next is asked for when the one before
/// has ended.
pub fn chain_from_stream<S: ObjectReceiveStream<Item: ObjectReceiveStream>>(
    streams: S,
) -> ChainFromStream<S> {
    ChainFromStream { streams, current: None }
}

impl<S: ObjectReceiveStream<Item: ObjectReceiveStream>> ObjectReceiveStream for ChainFromStream<S> {
    type Item = <S::Item as ObjectReceiveStream>::Item;

    async fn receive(&mut self) -> Result<Option<Self::Item>> {
        loop {
            if self.current.is_none() {
                self.current = self.streams.receive().await?;
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            if let Some(item) = current.receive().await? {
                return Ok(Some(item));
            }
            self.current = None;
        }
    }
}

/// Streams side by side. Made by [`zip_longest`].
pub struct ZipLongest<S: ObjectReceiveStream> {
    /// `None` for those that have ended.
    sources: Vec<Option<S>>,
    fill: S::Item,
    row: Vec<S::Item>,
    /// Whether there is an item of a source in the row.
    any: bool,
}

only_a_name!(ZipLongest<S> where S: ObjectReceiveStream);

/// The first items of all streams, the second of all, and so on, until the longest has ended; in place of those that have
/// ended before there is the `fill` value.
pub fn zip_longest<S>(sources: impl IntoIterator<Item = S>, fill: S::Item) -> ZipLongest<S>
where
    S: ObjectReceiveStream<Item: Clone>,
{
    ZipLongest { sources: sources.into_iter().map(Some).collect(), fill, row: Vec::new(), any: false }
}

impl<S: ObjectReceiveStream<Item: Clone>> ObjectReceiveStream for ZipLongest<S> {
    type Item = Vec<S::Item>;

    async fn receive(&mut self) -> Result<Option<Vec<S::Item>>> {
        if self.sources.iter().all(Option::is_none) {
            nothing_to_do().await?;
            return Ok(None);
        }
        while let Some(source) = self.sources.get_mut(self.row.len()) {
            let received = match source {
                Some(stream) => stream.receive().await?,
                None => None,
            };
            if received.is_none() {
                *source = None;
            }
            self.any |= received.is_some();
            self.row.push(received.unwrap_or_else(|| self.fill.clone()));
        }
        let row = std::mem::take(&mut self.row);
        Ok(std::mem::take(&mut self.any).then_some(row))
    }
}
