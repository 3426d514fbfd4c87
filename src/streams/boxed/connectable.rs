//! Connectables whose type is not known.

use super::{BoxedByteStream, BoxedFuture};
use crate::{
    error::Result,
    streams::{Attributes, Connectable, Split},
};
use std::fmt;

trait AnyConnectable<S> {
    fn connect(&self) -> BoxedFuture<'_, Result<S>>;
}

impl<C: Connectable> AnyConnectable<C::Stream> for C {
    fn connect(&self) -> BoxedFuture<'_, Result<C::Stream>> {
        Box::pin(Connectable::connect(self))
    }
}

/// Something to connect to that gives a stream of the type `S`, whatever its own type. Each call allocates its future.
///
/// ```
/// use anyio::{
///     net::{TcpConnectable, UnixConnectable},
///     streams::{BoxedByteStream, BoxedConnectable},
/// };
///
/// let servers: [BoxedConnectable<BoxedByteStream>; 2] = [
///     BoxedConnectable::of_byte_streams(TcpConnectable::new("localhost:7000")),
///     BoxedConnectable::of_byte_streams(UnixConnectable::new("/run/server")),
/// ];
/// # let _ = servers;
/// ```
pub struct BoxedConnectable<S>(Box<dyn AnyConnectable<S>>);

impl<S: 'static> BoxedConnectable<S> {
    /// Forgets the type of something to connect to, not that of its streams.
    pub fn new(connectable: impl Connectable<Stream = S> + 'static) -> Self {
        Self(Box::new(connectable))
    }
}

impl BoxedConnectable<BoxedByteStream> {
    /// Forgets the type of something to connect to, and that of its streams.
    pub fn of_byte_streams<S>(connectable: impl Connectable<Stream = S> + 'static) -> Self
    where
        S: Split + Attributes + 'static,
    {
        Self::new(Boxing(connectable))
    }
}

/// Boxes the streams of what it wraps.
struct Boxing<C>(C);

impl<C: Connectable<Stream: Split + Attributes + 'static>> Connectable for Boxing<C> {
    type Stream = BoxedByteStream;

    async fn connect(&self) -> Result<BoxedByteStream> {
        self.0.connect().await.map(BoxedByteStream::new)
    }
}

impl<S: 'static> Connectable for BoxedConnectable<S> {
    type Stream = S;

    async fn connect(&self) -> Result<S> {
        self.0.connect().await
    }
}

impl<S> fmt::Debug for BoxedConnectable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxedConnectable").finish_non_exhaustive()
    }
}
