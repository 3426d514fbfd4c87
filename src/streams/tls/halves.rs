//! The directions of a TLS stream, each by itself.

use super::stream::TlsStream;
use crate::{
    error::Result,
    streams::{AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, Split},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use std::{
    fmt,
    io::IoSlice,
    task::{Context, Poll},
};

/// The receiving half of a [`TlsStream`]. The stream below is closed when both halves are gone.
pub struct TlsReceiveHalf<S: Split>(TlsStream<S>);

/// The sending half of a [`TlsStream`].
///
/// Send the end before you drop it: dropping it cannot tell the peer anything, as that may have to wait.
pub struct TlsSendHalf<S: Split>(TlsStream<S>);

impl<S: Split> TlsStream<S> {
    /// Splits the stream into two halves that can go to different tasks.
    pub fn split(self) -> (TlsReceiveHalf<S>, TlsSendHalf<S>) {
        (TlsReceiveHalf(self.share()), TlsSendHalf(self))
    }
}

impl<S: Split> TlsReceiveHalf<S> {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// The two halves, if they are of different streams.
    pub fn reunite(self, send: TlsSendHalf<S>) -> Result<TlsStream<S>, (Self, TlsSendHalf<S>)> {
        if self.0.is_same(&send.0) { Ok(send.0) } else { Err((self, send)) }
    }
}

impl<S: Split> ByteReceiveStream for TlsReceiveHalf<S> {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        TlsStream::receive(&self.0).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        TlsStream::receive_at_most(&self.0, max_bytes).await
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        TlsStream::receive_into(&self.0, buffer).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        self.0.session().poll_receive(cx)
    }
}

impl<S: Split> ByteSendStream for TlsSendHalf<S> {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        TlsStream::send_buf(&self.0, data).await
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        TlsStream::send_some(&self.0, data).await
    }

    async fn send_eof(&mut self) -> Result<()> {
        TlsStream::send_eof(&self.0).await
    }

    fn send_soon(&mut self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Result<usize> {
        self.0.session().send_soon(cx, buffers)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.session().poll_sent(cx)
    }

    fn poll_sent_or_sending(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        self.0.session().poll_sent_or_sending(cx)
    }
}

impl<S: Split + 'static> Split for TlsStream<S> {
    type Receive = TlsReceiveHalf<S>;
    type Send = TlsSendHalf<S>;

    fn split(self) -> (TlsReceiveHalf<S>, TlsSendHalf<S>) {
        TlsStream::split(self)
    }

    fn reunite(
        receive: TlsReceiveHalf<S>,
        send: TlsSendHalf<S>,
    ) -> Result<Self, (TlsReceiveHalf<S>, TlsSendHalf<S>)> {
        receive.reunite(send)
    }
}

/// Those of the whole stream.
impl<S: Split> Attributes for TlsReceiveHalf<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.0.provide(request);
    }
}

/// Those of the whole stream.
impl<S: Split> Attributes for TlsSendHalf<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.0.provide(request);
    }
}

impl<S: Split> fmt::Debug for TlsReceiveHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsReceiveHalf").field(&self.0).finish()
    }
}

impl<S: Split> fmt::Debug for TlsSendHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsSendHalf").field(&self.0).finish()
    }
}
