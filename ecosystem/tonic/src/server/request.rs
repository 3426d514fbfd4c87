//! What tonic reads of a call.

use crate::status::of_error;
use anyio_http::RequestBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tonic::{Code, Status};

/// The body of a request, whose errors are statuses.
pub(super) struct Incoming(pub(super) RequestBody);

impl Body for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|error| cut_off(of_error(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// tonic takes a cancellation for the end of the messages, and so a method would take what was cut off for the whole. So it is
/// told by another code. (Nobody else sees it: who has cancelled a call awaits no answer.)
fn cut_off(status: Status) -> Status {
    if status.code() != Code::Cancelled {
        return status;
    }
    let mut cut_off = Status::aborted(status.message());
    cut_off.set_source(Arc::new(status));
    cut_off
}
