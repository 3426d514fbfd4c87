//! Streams of objects whose type is not known.

use super::BoxedFuture;
use crate::{
    error::{Error, Result},
    streams::{Attributes, ObjectReceiveStream, ObjectSendStream},
};

trait AnyReceiveStream<T>: Attributes {
    fn receive(&mut self) -> BoxedFuture<'_, Result<Option<T>>>;
}

impl<T, S: ObjectReceiveStream<Item = T> + Attributes> AnyReceiveStream<T> for S {
    fn receive(&mut self) -> BoxedFuture<'_, Result<Option<T>>> {
        Box::pin(ObjectReceiveStream::receive(self))
    }
}

trait AnySendStream<T>: Attributes {
    fn send(&mut self, item: T) -> BoxedFuture<'_, Result<()>>;
    fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)>;
    fn send_eof(&mut self) -> BoxedFuture<'_, Result<()>>;
}

impl<T: 'static, S: ObjectSendStream<T> + Attributes> AnySendStream<T> for S {
    fn send(&mut self, item: T) -> BoxedFuture<'_, Result<()>> {
        Box::pin(ObjectSendStream::send(self, item))
    }

    fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)> {
        ObjectSendStream::send_nowait(self, item)
    }

    fn send_eof(&mut self) -> BoxedFuture<'_, Result<()>> {
        Box::pin(ObjectSendStream::send_eof(self))
    }
}

trait AnyStream<T>: AnyReceiveStream<T> + AnySendStream<T> {}

impl<T, S: AnyReceiveStream<T> + AnySendStream<T>> AnyStream<T> for S {}

/// A stream that objects come from, whatever its type. Each call allocates its future.
pub struct BoxedObjectReceiveStream<T>(Box<dyn AnyReceiveStream<T>>);

impl<T: 'static> BoxedObjectReceiveStream<T> {
    /// Forgets the type of a stream.
    pub fn new(stream: impl ObjectReceiveStream<Item = T> + Attributes + 'static) -> Self {
        Self(Box::new(stream))
    }
}

/// A stream that objects go to, whatever its type. Each call allocates its future.
pub struct BoxedObjectSendStream<T>(Box<dyn AnySendStream<T>>);

impl<T: 'static> BoxedObjectSendStream<T> {
    /// Forgets the type of a stream.
    pub fn new(stream: impl ObjectSendStream<T> + Attributes + 'static) -> Self {
        Self(Box::new(stream))
    }
}

/// A stream of objects in both directions, whatever its type. Each call allocates its future.
///
/// ```
/// use anyio::{
///     Result,
///     streams::{BoxedObjectStream, ObjectReceiveStream, ObjectSendStream, TextStream},
///     testing::memory_stream_pair,
/// };
///
/// # anyio::run(async || -> Result<()> {
/// let (one, other) = memory_stream_pair();
/// let mut one: BoxedObjectStream<String> = BoxedObjectStream::new(TextStream::new(one));
/// one.send("text".to_owned()).await?;
/// # let mut other = TextStream::new(other);
/// # assert_eq!(other.receive().await?.unwrap(), "text");
/// # Ok(()) }).unwrap();
/// ```
pub struct BoxedObjectStream<T>(Box<dyn AnyStream<T>>);

impl<T: 'static> BoxedObjectStream<T> {
    /// Forgets the type of a stream.
    pub fn new(
        stream: impl ObjectReceiveStream<Item = T> + ObjectSendStream<T> + Attributes + 'static,
    ) -> Self {
        Self(Box::new(stream))
    }
}

macro_rules! receiving {
    ($($type:ident),*) => {$(
        impl<T: 'static> ObjectReceiveStream for $type<T> {
            type Item = T;

            async fn receive(&mut self) -> Result<Option<T>> {
                self.0.receive().await
            }
        }
    )*};
}

receiving!(BoxedObjectReceiveStream, BoxedObjectStream);

macro_rules! sending {
    ($($type:ident),*) => {$(
        impl<T: 'static> ObjectSendStream<T> for $type<T> {
            async fn send(&mut self, item: T) -> Result<()> {
                self.0.send(item).await
            }

            fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)> {
                self.0.send_nowait(item)
            }

            async fn send_eof(&mut self) -> Result<()> {
                self.0.send_eof().await
            }
        }
    )*};
}

sending!(BoxedObjectSendStream, BoxedObjectStream);

super::boxed!([T] BoxedObjectReceiveStream, [T] BoxedObjectSendStream, [T] BoxedObjectStream);
