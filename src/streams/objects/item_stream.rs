//! Streams of objects out of `futures_core::Stream`s.

use crate::{
    error::{Error, Result},
    scope::foreign,
    streams::{Attributes, ObjectReceiveStream},
};
use futures_core::Stream;
use std::{future::poll_fn, pin::Pin};

/// Makes a stream of objects out of a [`futures_core::Stream`].
///
/// # Cancel safety
/// No item is lost, as long as the inner stream gives none away when its `poll_next` gives `Pending`, as it should.
#[derive(Debug)]
pub struct ItemStream<S> {
    stream: S,
    ended: bool,
}

impl<S> ItemStream<S> {
    /// Receives the items of this stream. (One that is not `Unpin` is pinned with `Box::pin` before.)
    pub fn new(stream: S) -> Self {
        Self { stream, ended: false }
    }

    /// The inner stream.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Stream + Unpin> ObjectReceiveStream for ItemStream<S> {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        // After its end a stream need not be asked again.
        let next = poll_fn(|cx| match self.ended {
            true => None.into(),
            false => Pin::new(&mut self.stream).poll_next(cx),
        });
        let item = foreign(next).await?;
        self.ended |= item.is_none();
        Ok(item)
    }
}

impl<S> Attributes for ItemStream<S> {}

/// Makes a stream of objects out of a [`futures_core::Stream`] of results, whose errors become those of `receive`.
///
/// # Cancel safety
/// As for [`ItemStream`].
#[derive(Debug)]
pub struct TryItemStream<S>(ItemStream<S>);

impl<S> TryItemStream<S> {
    /// Receives the items of this stream. (One that is not `Unpin` is pinned with `Box::pin` before.)
    pub fn new(stream: S) -> Self {
        Self(ItemStream::new(stream))
    }

    /// The inner stream.
    pub fn into_inner(self) -> S {
        self.0.into_inner()
    }
}

impl<T, E, S> ObjectReceiveStream for TryItemStream<S>
where
    E: Into<Error>,
    S: Stream<Item = Result<T, E>> + Unpin,
{
    type Item = T;

    async fn receive(&mut self) -> Result<Option<T>> {
        self.0.receive().await?.transpose().map_err(Into::into)
    }
}

impl<S> Attributes for TryItemStream<S> {}
