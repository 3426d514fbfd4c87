//! Bodies of answers that tell how they go out.

use super::streams::{Stream, Streams};
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    io::IoSlice,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

pin_project! {
    /// A body, and the stream that it goes out on.
    pub(in super::super) struct PacedBody<B> {
        #[pin]
        body: B,
        // None if the body is nothing.
        stream: Option<Stream>,
    }
}

impl<B: Body> PacedBody<B> {
    #[inline]
    pub(in super::super) fn new(body: B, streams: &Rc<Streams>) -> Self {
        let stream = if body.is_end_stream() { None } else { Some(streams.answer()) };
        Self { body, stream }
    }
}

impl<B: Body> Body for PacedBody<B> {
    type Data = Piece<B::Data>;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        match this.body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame.map_data(|data| {
                let stream = this.stream.as_ref().and_then(|stream| stream.give(data.remaining()));
                Piece { data, stream }
            })))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                if let Some(stream) = this.stream {
                    stream.give_nothing();
                }
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

/// Bytes of a body, until they have left.
pub(in super::super) struct Piece<D: Buf> {
    data: D,
    // None when there are none.
    stream: Option<Stream>,
}

impl<D: Buf> Buf for Piece<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.data.advance(count);
        if let Some(stream) = &self.stream {
            stream.send(count);
        }
    }
}

impl<D: Buf> Drop for Piece<D> {
    #[inline]
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            let left = self.data.remaining();
            if left > 0 {
                stream.send(left);
            }
        }
    }
}
