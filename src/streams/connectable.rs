//! What can be connected to.

use super::{BufferedByteStream, ByteStream, TextStream};
use crate::error::Result;

/// Something that one can connect to, as often as needed: an address, and how to get there. Clients that take one need
/// not know what lies between them and their server.
///
/// ```
/// use anyio::{
///     Result,
///     net::{TcpConnectable, TcpListener},
///     streams::{ByteReceiveStream, ByteStream, Connectable},
/// };
///
/// async fn first_byte<C: Connectable<Stream: ByteStream>>(server: &C) -> Result<Option<u8>> {
///     let received = server.connect().await?.receive_at_most(1).await?;
///     Ok(received.map(|chunk| chunk[0]))
/// }
/// # anyio::run(async || -> Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let server = TcpConnectable::new(listener.local_addr()?);
/// let client = first_byte(&server);
/// # let serving = async { listener.accept().await?.send("x").await };
/// # let (byte, served) = futures_util::join!(client, serving);
/// # served?;
/// # assert_eq!(byte?, Some(b'x'));
/// # Ok(()) }).unwrap();
/// ```
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait Connectable {
    /// What one gets.
    type Stream;

    /// Connects.
    ///
    /// # Errors
    /// Why that failed, with the target's name. [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    async fn connect(&self) -> Result<Self::Stream>;
}

impl<C: Connectable + ?Sized> Connectable for &C {
    type Stream = C::Stream;

    async fn connect(&self) -> Result<C::Stream> {
        (**self).connect().await
    }
}

/// Connects to what it wraps and puts a [`BufferedByteStream`] around the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferedConnectable<C>(C);

impl<C> BufferedConnectable<C> {
    /// Wraps something to connect to.
    pub fn new(connectable: C) -> Self {
        Self(connectable)
    }
}

impl<C: Connectable<Stream: ByteStream>> Connectable for BufferedConnectable<C> {
    type Stream = BufferedByteStream<C::Stream>;

    async fn connect(&self) -> Result<Self::Stream> {
        Ok(BufferedByteStream::new(self.0.connect().await?))
    }
}

/// Connects to what it wraps and puts a [`TextStream`] in UTF-8 around the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextConnectable<C>(C);

impl<C> TextConnectable<C> {
    /// Wraps something to connect to.
    pub fn new(connectable: C) -> Self {
        Self(connectable)
    }
}

impl<C: Connectable<Stream: ByteStream>> Connectable for TextConnectable<C> {
    type Stream = TextStream<C::Stream>;

    async fn connect(&self) -> Result<Self::Stream> {
        Ok(TextStream::new(self.0.connect().await?))
    }
}
