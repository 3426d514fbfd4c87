//! Receiving as a `futures_core::Stream`.

use super::receive::{ReceiveStream, Receiving};
use crate::{
    error::Result,
    runtime::Core,
    streams::{AttributeRequest, Attributes},
    sync::waiting::Waiting,
};
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The items of a [`ReceiveStream`] as a [`futures_core::Stream`]. Made by [`ReceiveStream::into_stream`].
///
/// It ends when all sending handles are closed and no item is left. In a cancelled scope it gives
/// [`Error::Cancelled`](crate::Error::Cancelled) each time it is asked and may go on afterwards.
///
/// Between two polls it keeps its place in the queue, and an item that it was handed; if it is dropped, that goes to
/// the next receiver.
pub struct Items<T> {
    waiting: Waiting<Receiving<T, ReceiveStream<T>>>,
}

impl<T> ReceiveStream<T> {
    /// The items as a [`futures_core::Stream`], for the combinators of other crates. In a plain loop
    /// `while let Some(item) = receiver.receive().await?` does the same.
    pub fn into_stream(self) -> Items<T> {
        Items { waiting: Waiting::new(Receiving::new(self)) }
    }
}

impl<T> Items<T> {
    /// The handle from which the items come.
    pub fn get_ref(&self) -> &ReceiveStream<T> {
        self.waiting.grant().stream()
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        Core::with(|core| self.waiting.poll_grant(core, cx)).map(|received| match received {
            Ok(received) => received.transpose(),
            Err(cancelled) => Some(Err(cancelled.into())),
        })
    }
}

impl<T> Attributes for Items<T> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.get_ref().provide(request);
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(self.get_ref()).finish()
    }
}
