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
    /// How many bytes may still come.
    left: u64,
    connection: ConnectionInfo,
    /// Made when something has to be waited for, or fails. It is a request's, and moves with it: what few need lies elsewhere.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    cancellation: CancellationWatch,
    failure: Failure<hyper::Error>,
}

impl RequestBody {
    #[inline]
    pub(super) fn new(incoming: Incoming, connection: &Connection<'_>) -> Self {
        let left = connection.info.max_body_bytes().unwrap_or(u64::MAX);
        Self { incoming, left, connection: connection.info.clone(), waiting: None }
    }

    /// What is known of the connection that it comes by.
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// Polls for the next frame.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        let Self { incoming, waiting, .. } = self;
        let mut poll = || Pin::new(&mut *incoming).poll_frame(cx).map(Option::transpose);
        let polled = match waiting {
            Some(waiting) => waiting.failure.keep(poll),
            None => match poll() {
                Poll::Ready(Ok(frame)) => return Poll::Ready(Ok(frame)),
                polled => waiting.insert(Box::default()).failure.keep(|| polled),
            },
        };
        let waiting = waiting.get_or_insert_default();
        Poll::Ready(match ready!(waiting.cancellation.check(polled, cx)) {
            Ok(polled) => polled.map_err(BodyError::Transfer),
            Err(cancelled) => Err(BodyError::Cancelled(cancelled)),
        })
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
        let frame = match ready!(self.poll_next(cx)) {
            Ok(None) => return Poll::Ready(None),
            Ok(Some(frame)) => frame,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let count = frame.data_ref().map_or(0, |data| data.len() as u64);
        match (self.left.checked_sub(count), self.connection.max_body_bytes()) {
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
