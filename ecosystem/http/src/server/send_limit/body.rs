//! Bodies of answers that tell how they go out.

use super::streams::Stream;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// A body, and the stream that it goes out on.
    pub(in super::super) struct PacedBody<B> {
        #[pin]
        body: B,
        stream: Option<Bodied>,
    }
}

/// The stream of a body that is there.
struct Bodied(Stream);

impl Drop for Bodied {
    fn drop(&mut self) {
        self.0.set_body(false);
    }
}

impl<B: Body> PacedBody<B> {
    pub(in super::super) fn new(body: B, stream: Stream) -> Self {
        let stream = Some(stream).filter(|_| !body.is_end_stream()).map(|stream| {
            stream.set_body(true);
            Bodied(stream)
        });
        Self { body, stream }
    }
}

impl<B: Body> Body for PacedBody<B> {
    type Data = Piece<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        if let Some(Bodied(stream)) = this.stream {
            let given = match &polled {
                Poll::Ready(Some(Ok(frame))) => Some(frame.data_ref().map_or(0, Buf::remaining)),
                Poll::Ready(_) | Poll::Pending => None,
            };
            stream.give(given, cx.waker());
        }
        let stream = this.stream.as_ref().map(|Bodied(stream)| stream);
        Poll::Ready(ready!(polled).map(|frame| {
            Ok(frame?.map_data(|data| match stream {
                Some(stream) if data.has_remaining() => Piece { data, stream: Some(stream.clone()) },
                _ => Piece { data, stream: None },
            }))
        }))
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

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
        if let Some(stream) = &self.stream {
            stream.send(count);
        }
    }
}

impl<D: Buf> Drop for Piece<D> {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            let left = self.data.remaining();
            if left > 0 {
                stream.send(left);
            }
        }
    }
}
