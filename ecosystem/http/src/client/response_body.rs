//! The body of an answer.

use super::error::{ClientError, ClientErrorKind};
use crate::cancellation::{CancellationWatch, Failure};
use anyio::{OnThread, Sleep, current_time, streams::ObjectReceiveStream};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};
use url::Url;

/// What the client reads from.
#[cfg(any(feature = "compression", feature = "zstd"))]
pub(super) type Decoded = tower_http::decompression::DecompressionBody<Incoming>;
#[cfg(not(any(feature = "compression", feature = "zstd")))]
pub(super) type Decoded = Incoming;

/// The body of an answer: its bytes as they come, and its trailers. It is also a stream of objects, of which
/// [`ObjectBytes`](anyio::streams::objects::ObjectBytes) makes a stream of bytes.
///
/// # Cancel safety
/// In a cancelled scope reading fails with a cancellation, and may go on in another one; no byte is lost.
pub struct ResponseBody {
    decoded: Pin<Box<Decoded>>,
    cancellation: CancellationWatch,
    failure: Failure<<Decoded as Body>::Error>,
    /// `None` once it is over in time.
    deadline: Option<Instant>,
    time_out: Option<OnThread<Sleep>>,
    limit: Option<u64>,
    received: u64,
    url: Url,
}

impl ResponseBody {
    pub(super) fn new(decoded: Decoded, deadline: Option<Instant>, limit: Option<u64>, url: Url) -> Self {
        Self {
            decoded: Box::pin(decoded),
            cancellation: CancellationWatch::default(),
            failure: Failure::default(),
            deadline,
            time_out: deadline.map(|deadline| OnThread::new(anyio::sleep_until(deadline))),
            limit,
            received: 0,
            url,
        }
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.frame().await {
            // HTTP/2 may end with a frame without bytes.
            if let Ok(data) = frame?.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    fn failed(&self, kind: ClientErrorKind, error: impl Into<crate::BoxError>) -> ClientError {
        ClientError::of_source(kind, error).at(&self.url)
    }

    /// Whether the time for it is over, though more may be there: what never waits would never end.
    fn has_timed_out(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= current_time()) && !self.decoded.is_end_stream()
    }

    /// Waits until the time for it is over.
    fn poll_time_out(&mut self, cx: &mut Context<'_>) -> Poll<ClientError> {
        let Some(sleep) = &mut self.time_out else { return Poll::Pending };
        match ready!(Pin::new(sleep).poll(cx)) {
            Ok(()) => Poll::Ready(ClientError::new(ClientErrorKind::TimedOut).at(&self.url)),
            Err(cancelled) => Poll::Ready(self.failed(ClientErrorKind::Cancelled, cancelled)),
        }
    }
}

/// What an error of a body is: of the transfer, or of its decoding.
#[cfg(any(feature = "compression", feature = "zstd"))]
fn kind(error: &crate::BoxError) -> ClientErrorKind {
    if error.is::<hyper::Error>() { ClientErrorKind::Transfer } else { ClientErrorKind::Decode }
}

#[cfg(not(any(feature = "compression", feature = "zstd")))]
fn kind(_: &hyper::Error) -> ClientErrorKind {
    ClientErrorKind::Transfer
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        if self.has_timed_out() {
            return Poll::Ready(Some(Err(ClientError::new(ClientErrorKind::TimedOut).at(&self.url))));
        }
        let Self { decoded, failure, .. } = &mut *self;
        let polled = failure.keep(|| decoded.as_mut().poll_frame(cx).map(Option::transpose));
        if polled.is_pending()
            && let Poll::Ready(error) = self.poll_time_out(cx)
        {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(self.cancellation.check(polled, cx)) {
            Err(cancelled) => Poll::Ready(Some(Err(self.failed(ClientErrorKind::Cancelled, cancelled)))),
            Ok(Ok(None)) => {
                self.deadline = None;
                Poll::Ready(None)
            }
            Ok(Err(error)) => Poll::Ready(Some(Err(self.failed(kind(&error), error)))),
            Ok(Ok(Some(frame))) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.limit.is_some_and(|limit| self.received > limit) {
                    return Poll::Ready(Some(Err(ClientError::new(ClientErrorKind::TooLarge).at(&self.url))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoded.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoded.size_hint()
    }
}

impl ObjectReceiveStream for ResponseBody {
    type Item = Bytes;

    async fn receive(&mut self) -> anyio::Result<Option<Bytes>> {
        Ok(self.chunk().await?)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("received", &self.received).finish_non_exhaustive()
    }
}
