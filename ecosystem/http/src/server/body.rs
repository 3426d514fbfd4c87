//! The body of a request.

use super::{connection::Connection, connection_info::ConnectionInfo};
use crate::cancellation::{CancellationWatch, Failure};
use anyio::Cancelled;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The body of a request: its bytes as they come, and its trailers. A client that waits to be asked for it (`Expect:
/// 100-continue`) is asked when it is first read.
///
/// # Cancel safety
/// In a cancelled scope reading fails with [`BodyError::Cancelled`], and may go on in another one; no byte is lost.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    /// Whether there is none.
    is_empty: bool,
    limit: Option<u64>,
    /// How many bytes may still come.
    left: u64,
    cancellation: CancellationWatch,
    failure: Failure<hyper::Error>,
    connection: ConnectionInfo,
}

impl RequestBody {
    #[inline]
    pub(super) fn new(incoming: Incoming, connection: &Connection<'_>) -> Self {
        let limit = connection.server().options.max_body_bytes;
        Self {
            is_empty: incoming.is_end_stream(),
            incoming,
            limit,
            left: limit.unwrap_or(u64::MAX),
            cancellation: CancellationWatch::default(),
            failure: Failure::default(),
            connection: connection.info.clone(),
        }
    }

    /// What is known of the connection that it comes by.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// Whether a body says that it has more bytes than allowed.
    #[inline]
    pub(super) fn is_too_large(incoming: &Incoming, limit: Option<u64>) -> bool {
        limit.is_some_and(|limit| incoming.size_hint().lower() > limit)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_empty {
            return Poll::Ready(None);
        }
        let Self { incoming, cancellation, failure, .. } = &mut *self;
        let polled = failure.keep(|| Pin::new(incoming).poll_frame(cx).map(Option::transpose));
        let frame = match ready!(cancellation.check(polled, cx)) {
            Ok(Ok(None)) => return Poll::Ready(None),
            Ok(Ok(Some(frame))) => frame,
            Ok(Err(error)) => return Poll::Ready(Some(Err(BodyError::Transfer(error)))),
            Err(cancelled) => return Poll::Ready(Some(Err(BodyError::Cancelled(cancelled)))),
        };
        let count = frame.data_ref().map_or(0, |data| data.len() as u64);
        match (self.left.checked_sub(count), self.limit) {
            (None, Some(limit)) => {
                self.left = 0;
                Poll::Ready(Some(Err(BodyError::TooLarge { limit })))
            }
            (left, _) => {
                self.left = left.unwrap_or(u64::MAX);
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Why the body of a request cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The scope was cancelled in which it was read.
    Cancelled(Cancelled),
    /// The client went away, reset the stream, or sent what is against the protocol.
    Transfer(hyper::Error),
    /// It is larger than [allowed](crate::Server::max_body_bytes).
    TooLarge {
        /// How many bytes are allowed.
        limit: u64,
    },
}

impl BodyError {
    /// Whether this is among the sources of an error.
    pub(super) fn is_too_large(error: &(dyn StdError + 'static)) -> bool {
        let mut source = Some(error);
        while let Some(error) = source {
            if matches!(error.downcast_ref(), Some(Self::TooLarge { .. })) {
                return true;
            }
            source = error.source();
        }
        false
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(cancelled) => cancelled.fmt(f),
            Self::Transfer(_) => f.write_str("the body of a request did not come to its end"),
            Self::TooLarge { limit } => write!(f, "the body of a request has more than {limit} bytes"),
        }
    }
}

impl StdError for BodyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Cancelled(cancelled) => Some(cancelled),
            Self::Transfer(error) => Some(error),
            Self::TooLarge { .. } => None,
        }
    }
}
