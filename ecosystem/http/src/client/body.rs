//! The body of a request.

use crate::BoxError;
use anyio::{
    OnThread,
    streams::{ByteReceiveStream, io::ByteReader},
};
use bytes::Bytes;
use futures_io::AsyncBufRead;
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

type Streamed = OnThread<Pin<Box<dyn Body<Data = Bytes, Error = BoxError>>>>;

/// The body of a request of a [`Client`](crate::Client): bytes that are there, a stream of bytes, or any other body.
///
/// A body is a part of the connection and not of the task that sends the request: it is polled in the client's group.
///
/// ```
/// use anyio::{Result, fs::FileReadStream};
/// use anyio_http::{Client, ClientBody};
///
/// async fn upload(client: &Client, path: &str) -> Result<()> {
///     let file = FileReadStream::open(path).await?;
///     let length = file.file().metadata().await?.len();
///     let body = ClientBody::from_stream(file, Some(length));
///     client.put("http://localhost:8080/file").body(body).send().await?.error_for_status()?;
///     Ok(())
/// }
/// # let _ = upload;
/// ```
pub struct ClientBody(Kind);

enum Kind {
    Bytes(Option<Bytes>),
    Streamed(Streamed),
}

impl ClientBody {
    /// Any body.
    pub fn new<B: Body<Data = Bytes, Error: Into<BoxError>> + 'static>(body: B) -> Self {
        Self(Kind::Streamed(OnThread::new(Box::pin(WithBoxedError(Box::pin(body))))))
    }

    /// What comes from a stream, and how many bytes that is, if it is known. If it is not, the receiver learns that all has
    /// come by the end alone. If it turns out to be less, the request fails; of what there is beyond it nothing is sent.
    pub fn from_stream(stream: impl ByteReceiveStream + 'static, length: Option<u64>) -> Self {
        Self::new(Received { reader: ByteReader::new(stream), left: length })
    }

    /// The same again, if it can be sent twice.
    pub(super) fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Kind::Bytes(bytes) => Some(Self(Kind::Bytes(bytes.clone()))),
            Kind::Streamed(_) => None,
        }
    }
}

/// No body.
impl Default for ClientBody {
    fn default() -> Self {
        Self(Kind::Bytes(None))
    }
}

macro_rules! from {
    ($($of:ty),*) => {$(
        impl From<$of> for ClientBody {
            fn from(bytes: $of) -> Self {
                Self(Kind::Bytes(Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty())))
            }
        }
    )*};
}

from!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Streamed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.is_none(),
            Kind::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Streamed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for ClientBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}

struct WithBoxedError<B>(Pin<Box<B>>);

impl<B: Body<Error: Into<BoxError>>> Body for WithBoxedError<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        self.0.as_mut().poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

struct Received<R> {
    reader: ByteReader<R>,
    left: Option<u64>,
}

impl<R: ByteReceiveStream + 'static> Body for Received<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let most = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 {
            return Poll::Ready(None);
        }
        let bytes = ready!(Pin::new(&mut self.reader).poll_fill_buf(cx))?;
        let bytes = Bytes::copy_from_slice(&bytes[..bytes.len().min(most)]);
        if bytes.is_empty() {
            return Poll::Ready(self.left.map(|left| {
                let what = format!("the stream ended {left} bytes before the length that was told");
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
            }));
        }
        Pin::new(&mut self.reader).consume(bytes.len());
        if let Some(left) = &mut self.left {
            *left -= bytes.len() as u64;
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
