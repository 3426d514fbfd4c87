//! Streams of objects without promises whose type is not known.

use super::BoxedFuture;
use crate::{
    error::Result,
    streams::{Attributes, UnreliableObjectReceiveStream, UnreliableObjectSendStream},
};

trait AnyReceiveStream<T>: Attributes {
    fn receive(&mut self) -> BoxedFuture<'_, Result<Option<T>>>;
}

impl<T, S: UnreliableObjectReceiveStream<Item = T> + Attributes> AnyReceiveStream<T> for S {
    fn receive(&mut self) -> BoxedFuture<'_, Result<Option<T>>> {
        Box::pin(UnreliableObjectReceiveStream::receive(self))
    }
}

trait AnySendStream<T>: Attributes {
    fn send(&mut self, item: T) -> BoxedFuture<'_, Result<()>>;
}

impl<T: 'static, S: UnreliableObjectSendStream<T> + Attributes> AnySendStream<T> for S {
    fn send(&mut self, item: T) -> BoxedFuture<'_, Result<()>> {
        Box::pin(UnreliableObjectSendStream::send(self, item))
    }
}

trait AnyStream<T>: AnyReceiveStream<T> + AnySendStream<T> {}

impl<T, S: AnyReceiveStream<T> + AnySendStream<T>> AnyStream<T> for S {}

/// A stream that objects come from without a promise of order or delivery, whatever its type. Each call allocates its
/// future.
pub struct BoxedUnreliableObjectReceiveStream<T>(Box<dyn AnyReceiveStream<T>>);

impl<T: 'static> BoxedUnreliableObjectReceiveStream<T> {
    /// Forgets the type of a stream.
    pub fn new(stream: impl UnreliableObjectReceiveStream<Item = T> + Attributes + 'static) -> Self {
        Self(Box::new(stream))
    }
}

/// A stream that objects go to without a promise of order or delivery, whatever its type. Each call allocates its future.
pub struct BoxedUnreliableObjectSendStream<T>(Box<dyn AnySendStream<T>>);

impl<T: 'static> BoxedUnreliableObjectSendStream<T> {
    /// Forgets the type of a stream.
    pub fn new(stream: impl UnreliableObjectSendStream<T> + Attributes + 'static) -> Self {
        Self(Box::new(stream))
    }
}

/// A stream of objects in both directions without a promise of order or delivery, whatever its type. Each call allocates
/// its future.
pub struct BoxedUnreliableObjectStream<T>(Box<dyn AnyStream<T>>);

impl<T: 'static> BoxedUnreliableObjectStream<T> {
    /// Forgets the type of a stream.
    pub fn new(
        stream: impl UnreliableObjectReceiveStream<Item = T>
        + UnreliableObjectSendStream<T>
        + Attributes
        + 'static,
    ) -> Self {
        Self(Box::new(stream))
    }
}

macro_rules! receiving {
    ($($type:ident),*) => {$(
        impl<T: 'static> UnreliableObjectReceiveStream for $type<T> {
            type Item = T;

            async fn receive(&mut self) -> Result<Option<T>> {
                self.0.receive().await
            }
        }
    )*};
}

receiving!(BoxedUnreliableObjectReceiveStream, BoxedUnreliableObjectStream);

macro_rules! sending {
    ($($type:ident),*) => {$(
        impl<T: 'static> UnreliableObjectSendStream<T> for $type<T> {
            async fn send(&mut self, item: T) -> Result<()> {
                self.0.send(item).await
            }
        }
    )*};
}

sending!(BoxedUnreliableObjectSendStream, BoxedUnreliableObjectStream);

super::boxed!(
    [T] BoxedUnreliableObjectReceiveStream,
    [T] BoxedUnreliableObjectSendStream,
    [T] BoxedUnreliableObjectStream
);
