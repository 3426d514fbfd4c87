//! Streams of bytes whose type is not known.

use super::{
    BoxedFuture,
    buffer::{AnyBuf, AnyBufMut},
};
use crate::{
    error::Result,
    streams::{Attributes, ByteReceiveStream, ByteSendStream, ByteStream, Split},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use bytes::BufMut;
use std::{
    any::Any,
    io::IoSlice,
    task::{Context, Poll},
};

trait AnyReceiveStream: Attributes {
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn receive(&mut self) -> BoxedFuture<'_, Result<Option<Chunk>>>;
    fn receive_at_most(&mut self, max_bytes: usize) -> BoxedFuture<'_, Result<Option<Chunk>>>;
    fn receive_into(&mut self, buffer: AnyBufMut) -> BoxedFuture<'_, (Result<usize>, AnyBufMut)>;
    fn receive_nowait(&mut self, buffer: &mut dyn BufMut) -> Result<usize>;
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>>;
    fn close_receiving(self: Box<Self>) -> BoxedFuture<'static, Result<()>>;
}

impl<S: ByteReceiveStream + Attributes + 'static> AnyReceiveStream for S {
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn receive(&mut self) -> BoxedFuture<'_, Result<Option<Chunk>>> {
        Box::pin(ByteReceiveStream::receive(self))
    }

    fn receive_at_most(&mut self, max_bytes: usize) -> BoxedFuture<'_, Result<Option<Chunk>>> {
        Box::pin(ByteReceiveStream::receive_at_most(self, max_bytes))
    }

    fn receive_into(&mut self, buffer: AnyBufMut) -> BoxedFuture<'_, (Result<usize>, AnyBufMut)> {
        Box::pin(ByteReceiveStream::receive_into(self, buffer))
    }

    fn receive_nowait(&mut self, buffer: &mut dyn BufMut) -> Result<usize> {
        ByteReceiveStream::receive_nowait(self, buffer)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        ByteReceiveStream::poll_receive(self, cx)
    }

    fn close_receiving(self: Box<Self>) -> BoxedFuture<'static, Result<()>> {
        Box::pin(ByteReceiveStream::close_receiving(*self))
    }
}

trait AnySendStream: Attributes {
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn send_buf(&mut self, data: AnyBuf) -> BoxedFuture<'_, (Result<()>, AnyBuf)>;
    fn send_some(&mut self, data: AnyBuf) -> BoxedFuture<'_, (Result<usize>, AnyBuf)>;
    fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize>;
    fn send_eof(&mut self) -> BoxedFuture<'_, Result<()>>;
    fn close_sending(self: Box<Self>) -> BoxedFuture<'static, Result<()>>;
}

impl<S: ByteSendStream + Attributes + 'static> AnySendStream for S {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn send_buf(&mut self, data: AnyBuf) -> BoxedFuture<'_, (Result<()>, AnyBuf)> {
        Box::pin(ByteSendStream::send_buf(self, data))
    }

    fn send_some(&mut self, data: AnyBuf) -> BoxedFuture<'_, (Result<usize>, AnyBuf)> {
        Box::pin(ByteSendStream::send_some(self, data))
    }

    fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        ByteSendStream::send_nowait(self, buffers)
    }

    fn send_eof(&mut self) -> BoxedFuture<'_, Result<()>> {
        Box::pin(ByteSendStream::send_eof(self))
    }

    fn close_sending(self: Box<Self>) -> BoxedFuture<'static, Result<()>> {
        Box::pin(ByteSendStream::close_sending(*self))
    }
}

trait AnyStream: AnyReceiveStream + AnySendStream {
    fn split(self: Box<Self>) -> (BoxedByteReceiveStream, BoxedByteSendStream);
    fn close(self: Box<Self>) -> BoxedFuture<'static, Result<()>>;
}

impl<S: Split + Attributes + 'static> AnyStream for S {
    fn split(self: Box<Self>) -> (BoxedByteReceiveStream, BoxedByteSendStream) {
        let (receive, send) = Split::split(*self);
        (BoxedByteReceiveStream(Box::new(receive), Some(reunite::<S>)), BoxedByteSendStream::new(send))
    }

    fn close(self: Box<Self>) -> BoxedFuture<'static, Result<()>> {
        Box::pin(ByteStream::close(*self))
    }
}

type Halves = (BoxedByteReceiveStream, BoxedByteSendStream);
type Reunite = fn(BoxedByteReceiveStream, BoxedByteSendStream) -> Result<BoxedByteStream, Halves>;

/// Puts two halves together again that may be of a stream of the type `S`.
fn reunite<S: Split + Attributes + 'static>(
    receive: BoxedByteReceiveStream,
    send: BoxedByteSendStream,
) -> Result<BoxedByteStream, Halves> {
    if !send.0.as_any().is::<S::Send>() {
        return Err((receive, send));
    }
    let BoxedByteReceiveStream(receive, reunite) = receive;
    match receive.into_any().downcast() {
        Ok(receive) => {
            let send = send.0.into_any().downcast().expect("its type was looked at");
            S::reunite(*receive, *send).map(BoxedByteStream::new).map_err(|(receive, send)| {
                (BoxedByteReceiveStream(Box::new(receive), reunite), BoxedByteSendStream::new(send))
            })
        }
        Err(_) => unreachable!("only the receiving half of such a stream has this function"),
    }
}

/// A stream that bytes come from, whatever its type. Each call allocates its future, and a box for a buffer that it is
/// lent.
pub struct BoxedByteReceiveStream(
    Box<dyn AnyReceiveStream>,
    /// How it becomes a whole stream again, if it is a half of one.
    Option<Reunite>,
);

impl BoxedByteReceiveStream {
    /// Forgets the type of a stream.
    pub fn new(stream: impl ByteReceiveStream + Attributes + 'static) -> Self {
        Self(Box::new(stream), None)
    }
}

/// A stream that bytes go to, whatever its type. Each call allocates its future, and a box for the buffer.
pub struct BoxedByteSendStream(Box<dyn AnySendStream>);

impl BoxedByteSendStream {
    /// Forgets the type of a stream.
    pub fn new(stream: impl ByteSendStream + Attributes + 'static) -> Self {
        Self(Box::new(stream))
    }
}

/// A stream of bytes in both directions, whatever its type. Each call allocates its future, and a box for a buffer that it
/// is lent.
///
/// ```
/// use anyio::{
///     Result,
///     net::{TcpStream, UnixStream},
///     streams::{BoxedByteStream, ByteReceiveStream, ByteSendStream},
/// };
///
/// async fn connect(address: &str) -> Result<BoxedByteStream> {
///     Ok(match address.strip_prefix("unix:") {
///         Some(path) => BoxedByteStream::new(UnixStream::connect(path).await?),
///         None => BoxedByteStream::new(TcpStream::connect(address).await?),
///     })
/// }
/// # anyio::run(async || -> Result<()> {
/// # let (one, other) = UnixStream::pair()?;
/// # let (mut one, mut other) = (BoxedByteStream::new(one), BoxedByteStream::new(other));
/// # one.send("x").await?;
/// # assert_eq!(other.receive().await?.unwrap(), "x");
/// # let _ = connect;
/// # Ok(()) }).unwrap();
/// ```
pub struct BoxedByteStream(Box<dyn AnyStream>);

impl BoxedByteStream {
    /// Forgets the type of a stream.
    pub fn new(stream: impl Split + Attributes + 'static) -> Self {
        Self(Box::new(stream))
    }
}

macro_rules! receiving {
    ($($type:ident),*) => {$(
        impl ByteReceiveStream for $type {
            async fn receive(&mut self) -> Result<Option<Chunk>> {
                self.0.receive().await
            }

            async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
                self.0.receive_at_most(max_bytes).await
            }

            async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
                let (result, buffer) = self.0.receive_into(AnyBufMut::new(buffer)).await;
                (result, buffer.into_inner())
            }

            fn receive_nowait(&mut self, mut buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
                self.0.receive_nowait(&mut buffer)
            }

            fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
                self.0.poll_receive(cx)
            }

            async fn close_receiving(self) -> Result<()> {
                self.0.close_receiving().await
            }
        }
    )*};
}

receiving!(BoxedByteReceiveStream, BoxedByteStream);

macro_rules! sending {
    ($($type:ident),*) => {$(
        impl ByteSendStream for $type {
            async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
                let (result, data) = self.0.send_buf(AnyBuf::new(data)).await;
                (result, data.into_inner())
            }

            async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
                let (result, data) = self.0.send_some(AnyBuf::new(data)).await;
                (result, data.into_inner())
            }

            fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
                self.0.send_nowait(buffers)
            }

            async fn send_eof(&mut self) -> Result<()> {
                self.0.send_eof().await
            }

            async fn close_sending(self) -> Result<()> {
                self.0.close_sending().await
            }
        }
    )*};
}

sending!(BoxedByteSendStream, BoxedByteStream);

impl ByteStream for BoxedByteStream {
    async fn close(self) -> Result<()> {
        self.0.close().await
    }
}

/// The halves are boxes around those of the stream within.
impl Split for BoxedByteStream {
    type Receive = BoxedByteReceiveStream;
    type Send = BoxedByteSendStream;

    fn split(self) -> Halves {
        self.0.split()
    }

    fn reunite(receive: BoxedByteReceiveStream, send: BoxedByteSendStream) -> Result<Self, Halves> {
        match receive.1 {
            Some(reunite) => reunite(receive, send),
            None => Err((receive, send)),
        }
    }
}

super::boxed!([] BoxedByteReceiveStream, [] BoxedByteSendStream, [] BoxedByteStream);
