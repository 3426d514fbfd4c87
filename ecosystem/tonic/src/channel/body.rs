//! The messages of a call on their way.

use super::Limits;
use crate::{
    call::{Asking, Call},
    status::{cancelled, deadline_exceeded, of_error},
};
use anyio::{CancelAware, OnThread, Sleep, sleep_until};
use anyio_http::ResponseBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};
use tonic::Status;

/// Those to the server.
pub(super) struct Question {
    body: tonic::body::Body,
    call: Rc<Call>,
}

impl Question {
    pub(super) fn new(body: tonic::body::Body, call: Rc<Call>) -> Self {
        Self { body, call }
    }
}

impl Body for Question {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        let Self { body, call } = &mut *self;
        let polled = match call.failure() {
            Some(_) => Poll::Ready(None),
            None => call.enter(|| Pin::new(body).poll_frame(cx)),
        };
        match polled {
            // What ends early is no end.
            Poll::Ready(None) => Poll::Ready(call.failure().map(|status| Err(GivenUp::new(status)))),
            Poll::Ready(Some(Err(status))) => {
                call.fail(status.clone());
                Poll::Ready(Some(Err(GivenUp::new(status))))
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Pending => {
                call.set_sending(cx.waker());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why there are no more messages. The server is told by a reset of the stream that is a cancellation.
#[derive(Debug)]
pub(super) struct GivenUp {
    status: Status,
    reset: h2::Error,
}

impl GivenUp {
    fn new(status: Status) -> Self {
        Self { status, reset: h2::Reason::CANCEL.into() }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are no more messages: {}", self.status)
    }
}

impl Error for GivenUp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.reset)
    }
}

/// Those from the server, as long as the deadlines allow.
pub(super) struct Answer {
    /// `None` once it is over: what is left of the call is given up then.
    body: Option<ResponseBody>,
    time: Option<OnThread<Sleep>>,
    limits: Limits,
    asking: OnThread<Asking>,
}

impl Answer {
    pub(super) fn new(body: ResponseBody, asking: Asking, limits: Limits) -> Self {
        let time = limits.of_call.map(|at| OnThread::new(sleep_until(at)));
        Self { body: Some(body), time, limits, asking: OnThread::new(asking) }
    }

    pub(super) fn into_body(self) -> tonic::body::Body {
        tonic::body::Body::new(self)
    }

    fn end(&mut self, status: Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.body = None;
        Poll::Ready(Some(Err(status)))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // Also if more is there: what never waits would never end.
        if self.limits.call_has_ended() && !self.is_end_stream() {
            return self.end(deadline_exceeded());
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Err(error))) if error.is_cancelled() => {
                let status = cancelled(error, self.limits.scope_has_ended());
                self.end(status)
            }
            Poll::Ready(Some(Err(error))) => {
                let status = self.asking.0.failure().unwrap_or_else(|| of_error(error));
                self.end(status)
            }
            Poll::Ready(None) => {
                self.body = None;
                Poll::Ready(None)
            }
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(of_error))),
            Poll::Pending => match self.time.as_mut().map(|time| Pin::new(time).poll(cx)) {
                Some(Poll::Ready(Ok(()))) => self.end(deadline_exceeded()),
                // A cancellation is told by the body.
                _ => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
