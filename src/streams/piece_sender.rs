//! Sending pieces of bytes that are taken over, for what must not lose count of them.

use super::{AttributeRequest, Attributes, ByteSendStream, byte, repeated::Repeated, shared::Shared};
use crate::error::{Error, Result};
use anyio_driver::IoBuf;
use std::{
    io::IoSlice,
    task::{Context, Poll, ready},
};

/// Sends one piece after the other. The operation that sends belongs to this, not to the future that waits for it: if that
/// is dropped, or the scope cancelled, nothing is lost, and the next poll goes on.
pub(super) struct PieceSender<W> {
    // Dropped before the stream.
    operation: Repeated<Command, (Result<usize>, Vec<u8>)>,
    stream: Shared<W>,
    is_ending: bool,
    /// Unless it is in the hands of the operation.
    piece: Vec<u8>,
    /// How much of the piece was sent.
    sent: usize,
}

enum Command {
    /// Send a piece from there on.
    Send(Vec<u8>, usize),
    End,
}

impl<W: ByteSendStream + 'static> PieceSender<W> {
    pub(super) fn new(stream: W) -> Self {
        let stream = Shared::new(stream);
        let share = stream.share();
        let operation = Repeated::new(move |command| {
            share.share().with(async |stream: &mut W| match command {
                Command::Send(piece, from) => {
                    let (result, rest) = stream.send_some(piece.slice(from..)).await;
                    (result, rest.into_inner())
                }
                Command::End => (byte::end(stream).await.map(|()| 0), Vec::new()),
            })
        });
        Self { operation, stream, is_ending: false, piece: Vec::new(), sent: 0 }
    }
}

impl<W> PieceSender<W> {
    /// Whether all of the piece was sent, and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        !self.operation.is_running() && self.sent == self.piece.len()
    }

    pub(super) fn is_running(&self) -> bool {
        self.operation.is_running()
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// The piece that was sent, to be filled with the next. Only while this is idle.
    pub(super) fn piece(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.is_idle(), "a piece is still being sent");
        self.piece.clear();
        self.sent = 0;
        &mut self.piece
    }

    /// Whether nothing of the piece was sent.
    pub(super) fn is_unsent(&self) -> bool {
        self.sent == 0
    }

    /// Gives up what is left of the piece. Only while nothing is in flight.
    pub(super) fn give_up(&mut self) {
        self.sent = self.piece.len();
    }

    /// Sends what can be sent of some buffers at once, without copying them. Only while this is idle. `None` if nothing can.
    pub(super) fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Option<Result<usize>>
    where
        W: ByteSendStream,
    {
        debug_assert!(self.is_idle(), "a piece is still being sent");
        let most = buffers.iter().map(|buffer| buffer.len()).sum();
        match self.stream.with_now(|stream| stream.send_nowait(buffers))? {
            Err(Error::WouldBlock | Error::Unsupported(_)) | Ok(0) => None,
            sent => Some(sent.map(|count| count.min(most))),
        }
    }

    /// Sends the piece to its end.
    ///
    /// # Errors
    /// After a cancellation the rest goes out at the next call; after any other error it is given up.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if !self.operation.is_running() {
                if self.sent == self.piece.len() {
                    return Poll::Ready(Ok(()));
                }
                self.operation.begin(Command::Send(std::mem::take(&mut self.piece), self.sent));
            }
            let (result, piece) = ready!(self.operation.poll(cx));
            self.piece = piece;
            match result {
                // A stream that sends nothing, although it says that it did, would be asked for ever.
                Ok(0) if self.sent < self.piece.len() => {
                    self.give_up();
                    return Poll::Ready(Err(Error::BrokenResource(std::io::ErrorKind::WriteZero.into())));
                }
                Ok(count) => self.sent = self.piece.len().min(self.sent + count),
                Err(error) => {
                    if !matches!(error, Error::Cancelled(_)) {
                        self.give_up();
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Sends what is left, and then the end.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.is_ending {
            ready!(self.poll_sent(cx))?;
            self.operation.begin(Command::End);
            self.is_ending = true;
        }
        self.poll_sent(cx)
    }

    /// The stream, which nothing is in flight on any more.
    pub(super) fn into_inner(self) -> W {
        drop(self.operation);
        self.stream.into_inner()
    }
}

/// Those of the stream, unless something is in flight on it.
impl<W: Attributes> Attributes for PieceSender<W> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}
