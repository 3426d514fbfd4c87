//! What is sent of a file.

use anyio::{Error, OnThread, Result, fs::File};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    ops::Range,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// How many bytes are read from a file and sent at a time.
pub(super) const PIECE: usize = 64 * 1024;

/// The body of an answer of a [`ServeDir`](super::ServeDir): of files what was asked for, read while it is sent.
pub struct FileBody {
    pieces: VecDeque<Piece>,
    /// How many bytes are still to come.
    left: u64,
    reading: Option<Reading>,
}

type Reading = OnThread<Pin<Box<dyn Future<Output = Result<Bytes>>>>>;

pub(super) enum Piece {
    Bytes(Bytes),
    File(OnThread<Rc<File>>, Range<u64>),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, range) => range.end - range.start,
        }
    }
}

impl FileBody {
    pub(super) fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let pieces: VecDeque<_> = pieces.into_iter().filter(|piece| piece.len() > 0).collect();
        let left = pieces.iter().map(Piece::len).sum();
        Self { pieces, left, reading: None }
    }
}

/// Without bytes.
impl Default for FileBody {
    fn default() -> Self {
        Self::new([])
    }
}

/// Reads a piece of a file.
///
/// # Errors
/// What the system says, and [`Error::IncompleteRead`] if the file has become shorter meanwhile.
pub(super) async fn read(file: Rc<File>, from: u64, length: usize) -> Result<Bytes> {
    let (read, mut bytes) = file.read_at(Vec::with_capacity(length), from).await;
    let count = read?;
    // It may have had more room than that.
    bytes.truncate(count.min(length));
    if bytes.is_empty() { Err(Error::IncompleteRead) } else { Ok(bytes.into()) }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        if self.reading.is_none() {
            match self.pieces.front_mut() {
                None => return Poll::Ready(None),
                Some(Piece::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    self.pieces.pop_front();
                    self.left -= bytes.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Piece::File(file, range)) => {
                    let length =
                        usize::try_from(range.end - range.start).map_or(PIECE, |left| left.min(PIECE));
                    let reading = read(Rc::clone(file), range.start, length);
                    self.reading = Some(OnThread::new(Box::pin(reading)));
                }
            }
        }
        let reading = self.reading.as_mut().expect("it was begun");
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => {
                self.pieces.clear();
                return Poll::Ready(Some(Err(error)));
            }
        };
        self.left -= bytes.len() as u64;
        if let Some(Piece::File(_, range)) = self.pieces.front_mut() {
            range.start += bytes.len() as u64;
            if range.is_empty() {
                self.pieces.pop_front();
            }
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for FileBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBody").field("left", &self.left).finish_non_exhaustive()
    }
}
