//! What streams of objects can do that promise neither order nor delivery.

use super::{AttributeRequest, Attributes, ObjectReceiveStream, ObjectSendStream};
use crate::error::Result;

/// Where objects come from, perhaps not all of them, and in any order: datagrams.
///
/// An [`ObjectReceiveStream`], which promises more, becomes one by [`Unreliable`].
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait UnreliableObjectReceiveStream {
    /// What comes.
    type Item;

    /// The next object that has come. `Ok(None)` is the end of the stream.
    ///
    /// # Errors
    /// [`Error::ClosedResource`](crate::Error::ClosedResource) if the stream was closed on this side,
    /// [`Error::BrokenResource`](crate::Error::BrokenResource) if the link was lost,
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// No object that has come is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    async fn receive(&mut self) -> Result<Option<Self::Item>>;
}

/// Where objects go, perhaps not all of them, and in any order: datagrams.
///
/// An [`ObjectSendStream`], which promises more, becomes one by [`Unreliable`].
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait UnreliableObjectSendStream<T> {
    /// Sends an object, that is: hands it to whoever carries it.
    ///
    /// # Errors
    /// [`Error::ClosedResource`](crate::Error::ClosedResource) if the stream was closed on this side,
    /// [`Error::BrokenResource`](crate::Error::BrokenResource) if nobody can receive any more,
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, either the object was sent or the error comes. When the future is dropped, it may
    /// have been sent.
    async fn send(&mut self, item: T) -> Result<()>;
}

/// Objects in both directions, without a promise of order or delivery.
pub trait UnreliableObjectStream<T>:
    UnreliableObjectReceiveStream<Item = T> + UnreliableObjectSendStream<T>
{
}

impl<T, S: UnreliableObjectReceiveStream<Item = T> + UnreliableObjectSendStream<T>> UnreliableObjectStream<T>
    for S
{
}

impl<S: UnreliableObjectReceiveStream + ?Sized> UnreliableObjectReceiveStream for &mut S {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        (**self).receive().await
    }
}

impl<T, S: UnreliableObjectSendStream<T> + ?Sized> UnreliableObjectSendStream<T> for &mut S {
    async fn send(&mut self, item: T) -> Result<()> {
        (**self).send(item).await
    }
}

/// A stream that keeps order and loses nothing, where one without these promises is asked for.
///
/// ```
/// use anyio::streams::{Unreliable, UnreliableObjectReceiveStream, UnreliableObjectSendStream, memory};
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let (send, receive) = memory::channel(1);
/// Unreliable::new(send).send("an object").await?;
/// assert_eq!(Unreliable::new(receive).receive().await?, Some("an object"));
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Unreliable<S>(S);

impl<S> Unreliable<S> {
    /// Takes a stream whose promises are not needed.
    pub fn new(stream: S) -> Self {
        Self(stream)
    }

    /// The stream with its promises.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S: ObjectReceiveStream> UnreliableObjectReceiveStream for Unreliable<S> {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        self.0.receive().await
    }
}

impl<T, S: ObjectSendStream<T>> UnreliableObjectSendStream<T> for Unreliable<S> {
    async fn send(&mut self, item: T) -> Result<()> {
        self.0.send(item).await
    }
}

impl<S: Attributes> Attributes for Unreliable<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.0.provide(request);
    }
}
