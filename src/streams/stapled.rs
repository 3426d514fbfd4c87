//! One stream out of two, one for each direction.

use super::{
    AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, ByteStream, ObjectReceiveStream,
    ObjectSendStream, Split, byte, closing::all_closed,
};
use crate::error::{Error, Result};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use bytes::BufMut;
use std::{
    io::IoSlice,
    task::{Context, Poll},
};

/// A stream of bytes that sends into one stream and receives from another, such as the standard input and output of a
/// process.
#[derive(Debug)]
pub struct StapledByteStream<S, R> {
    send_half: StapledByteSendHalf<S>,
    receive_stream: R,
}

/// The sending half of a [`StapledByteStream`].
#[derive(Debug)]
pub struct StapledByteSendHalf<S>(
    /// `None` after the end was sent.
    Option<S>,
);

impl<S, R> StapledByteStream<S, R> {
    /// Staples two streams together.
    pub fn new(send_stream: S, receive_stream: R) -> Self {
        Self { send_half: StapledByteSendHalf(Some(send_stream)), receive_stream }
    }

    /// Where bytes go; `None` after the end was sent.
    pub fn send_stream(&self) -> Option<&S> {
        self.send_half.0.as_ref()
    }

    /// Where bytes come from.
    pub fn receive_stream(&self) -> &R {
        &self.receive_stream
    }

    /// Both; the first is `None` after the end was sent.
    pub fn into_parts(self) -> (Option<S>, R) {
        (self.send_half.0, self.receive_stream)
    }
}

impl<S, R: ByteReceiveStream> ByteReceiveStream for StapledByteStream<S, R> {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive_stream.receive().await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        self.receive_stream.receive_at_most(max_bytes).await
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        self.receive_stream.receive_into(buffer).await
    }

    fn receive_nowait(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
        self.receive_stream.receive_nowait(buffer)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        self.receive_stream.poll_receive(cx)
    }
}

/// Once the end was sent, what bytes went to is closed.
impl<S: ByteSendStream> ByteSendStream for StapledByteSendHalf<S> {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        match &mut self.0 {
            Some(stream) => stream.send_buf(data).await,
            None => (Err(Error::ClosedResource), data),
        }
    }

    fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        self.0.as_mut().ok_or(Error::ClosedResource)?.send_nowait(buffers)
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        match &mut self.0 {
            Some(stream) => stream.send_some(data).await,
            None => (Err(Error::ClosedResource), data),
        }
    }

    async fn send_eof(&mut self) -> Result<()> {
        if let Some(stream) = &mut self.0 {
            byte::end(stream).await?;
            self.0 = None;
        }
        Ok(())
    }

    async fn close_sending(self) -> Result<()> {
        match self.0 {
            Some(stream) => stream.close_sending().await,
            None => Ok(()),
        }
    }
}

impl<S: ByteSendStream, R> ByteSendStream for StapledByteStream<S, R> {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        self.send_half.send_buf(data).await
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        self.send_half.send_some(data).await
    }

    fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        self.send_half.send_nowait(buffers)
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.send_half.send_eof().await
    }
}

impl<S: ByteSendStream, R: ByteReceiveStream> ByteStream for StapledByteStream<S, R> {
    /// Closes what bytes go to, and then what they come from, in any case.
    ///
    /// # Errors
    /// That of the part that failed to close, or those of both as a group.
    async fn close(self) -> Result<()> {
        let Self { send_half, receive_stream } = self;
        all_closed([send_half.close_sending().await, receive_stream.close_receiving().await])
    }
}

impl<S, R> Split for StapledByteStream<S, R>
where
    S: ByteSendStream + Attributes + 'static,
    R: ByteReceiveStream + Attributes + 'static,
{
    type Receive = R;
    type Send = StapledByteSendHalf<S>;

    fn split(self) -> (R, StapledByteSendHalf<S>) {
        (self.receive_stream, self.send_half)
    }

    /// Any two halves will do.
    fn reunite(
        receive_stream: R,
        send_half: StapledByteSendHalf<S>,
    ) -> Result<Self, (R, StapledByteSendHalf<S>)> {
        Ok(Self { send_half, receive_stream })
    }
}

impl<S: Attributes> Attributes for StapledByteSendHalf<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Some(stream) = &self.0 {
            stream.provide(request);
        }
    }
}

/// Attributes of both parts; the receiving one comes first.
impl<S: Attributes, R: Attributes> Attributes for StapledByteStream<S, R> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.receive_stream.provide(request);
        self.send_half.provide(request);
    }
}

/// A stream of objects that sends into one stream and receives from another.
///
/// ```
/// use anyio::{Result, streams::{ObjectReceiveStream, ObjectSendStream, StapledObjectStream, memory}};
///
/// # anyio::run(async || -> Result<()> {
/// let (sender, receiver) = memory::channel(1);
/// let mut stream = StapledObjectStream::new(sender, receiver);
/// stream.send(1).await?;
/// stream.send_eof().await?;
/// assert_eq!(stream.receive().await?, Some(1));
/// assert_eq!(stream.receive().await?, None);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct StapledObjectStream<S, R> {
    send_stream: S,
    receive_stream: R,
}

impl<S, R> StapledObjectStream<S, R> {
    /// Staples two streams together.
    pub fn new(send_stream: S, receive_stream: R) -> Self {
        Self { send_stream, receive_stream }
    }

    /// Where objects go.
    pub fn send_stream(&self) -> &S {
        &self.send_stream
    }

    /// Where objects come from.
    pub fn receive_stream(&self) -> &R {
        &self.receive_stream
    }

    /// Both.
    pub fn into_parts(self) -> (S, R) {
        (self.send_stream, self.receive_stream)
    }

    /// Closes what objects go to, and then what they come from, in any case, and waits until that is done.
    ///
    /// # Errors
    /// That of the part that failed to close, or those of both as a group.
    ///
    /// # Cancel safety
    /// Both are closed in any case, also in a cancelled scope and when the future is dropped.
    pub async fn close<T>(self) -> Result<()>
    where
        S: ObjectSendStream<T>,
        R: ObjectReceiveStream<Item = T>,
    {
        let Self { send_stream, receive_stream } = self;
        all_closed([send_stream.close_sending().await, receive_stream.close_receiving().await])
    }
}

impl<S, R: ObjectReceiveStream> ObjectReceiveStream for StapledObjectStream<S, R> {
    type Item = R::Item;

    async fn receive(&mut self) -> Result<Option<R::Item>> {
        self.receive_stream.receive().await
    }
}

impl<T, S: ObjectSendStream<T>, R> ObjectSendStream<T> for StapledObjectStream<S, R> {
    async fn send(&mut self, item: T) -> Result<()> {
        self.send_stream.send(item).await
    }

    fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)> {
        self.send_stream.send_nowait(item)
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.send_stream.send_eof().await
    }
}

/// Attributes of both parts; the receiving one comes first.
impl<S: Attributes, R: Attributes> Attributes for StapledObjectStream<S, R> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.receive_stream.provide(request);
        self.send_stream.provide(request);
    }
}
