//! Sending pieces of bytes that are taken over, for what must not lose count of them.

#[cfg(feature = "tls-core")]
mod piece_soon;

use super::{AttributeRequest, Attributes, ByteSendStream, byte, repeated::Repeated, shared::Shared};
use crate::{
    error::{Error, Result},
    runtime::Core,
};
use anyio_driver::IoBuf;
use std::{
    io::IoSlice,
    task::{Context, Poll, ready},
};

/// Why the stream is free.
const NOT_BEFORE: &str = "no operation begins before what was taken over is sent";

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
    now: Now,
    /// Whether the stream has taken something over, and has not told that it is sent.
    is_sending_soon: bool,
}

/// What is known about sending at once.
#[derive(Default)]
struct Now {
    /// Whether there was no room for all of what was last sent in this way. It is the operation that hears when there is some.
    is_full: bool,
}

impl Now {
    fn send<W: ByteSendStream>(
        &mut self,
        stream: &Shared<W>,
        buffers: &[IoSlice<'_>],
    ) -> Option<Result<usize>> {
        let most = buffers.iter().map(|buffer| buffer.len()).sum();
        // A task that has done a lot without waiting lets others have their turn.
        if most == 0 || self.is_full || !Core::with(Core::charge_immediate) {
            return None;
        }
        let sent = match stream.with_now(|stream| stream.send_nowait(buffers))? {
            Err(Error::WouldBlock | Error::Unsupported(_)) | Ok(0) => {
                self.is_full = true;
                return None;
            }
            sent => sent.map(|count| count.min(most)),
        };
        self.is_full = sent.as_ref().is_ok_and(|count| *count < most);
        Some(sent)
    }
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
        Self {
            operation,
            stream,
            is_ending: false,
            piece: Vec::new(),
            sent: 0,
            now: Now::default(),
            is_sending_soon: false,
        }
    }
}

impl<W> PieceSender<W> {
    /// Whether all of the piece was sent, and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_running() && self.sent == self.piece.len()
    }

    pub(super) fn is_running(&self) -> bool {
        self.operation.is_running() || self.is_sending_soon
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

    /// Sends what can be sent of some buffers at once, without copying them. Only while this is idle. `None` if nothing can:
    /// also if there was no room for all of what was sent in this way before, until the operation has found some, and if the
    /// task has done a lot without waiting, and others have to have their turn.
    pub(super) fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Option<Result<usize>>
    where
        W: ByteSendStream,
    {
        debug_assert!(self.is_idle(), "a piece is still being sent");
        self.now.send(&self.stream, buffers)
    }

    /// Has the stream take over the beginning of some buffers, behind what was sent before. `None` if it cannot.
    ///
    /// # Errors
    /// As for [`poll_sent`](Self::poll_sent).
    pub(super) fn poll_send_soon(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<Option<usize>>>
    where
        W: ByteSendStream,
    {
        loop {
            let is_next = self.sent == self.piece.len() && !self.operation.is_running();
            let taken_over = match is_next {
                true => self.stream.with_now(|stream| stream.send_soon(cx, buffers)),
                false => None,
            };
            match taken_over {
                Some(Ok(count)) => {
                    self.is_sending_soon = true;
                    return Poll::Ready(Ok(Some(count)));
                }
                Some(Err(Error::Unsupported(_))) => return Poll::Ready(Ok(None)),
                Some(Err(error)) if !(self.is_sending_soon && matches!(error, Error::BusyResource(_))) => {
                    return Poll::Ready(Err(error));
                }
                // Something goes before it.
                Some(Err(_)) | None => ready!(self.poll_sent(cx)).map(drop)?,
            }
        }
    }

    /// Sends the piece to its end. False if what is left the stream has taken over and is sending, so that nothing has to be
    /// done for it.
    ///
    /// # Errors
    /// As for [`poll_sent`](Self::poll_sent).
    pub(super) fn poll_sent_or_sending(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>>
    where
        W: ByteSendStream,
    {
        if self.is_sending_soon && self.sent == self.piece.len() {
            let polled = self.stream.with_now(|stream| stream.poll_sent_or_sending(cx));
            let sent = ready!(polled.expect(NOT_BEFORE));
            self.is_sending_soon = matches!(sent, Ok(false) | Err(Error::Cancelled(_)));
            if !matches!(sent, Ok(true)) {
                return Poll::Ready(sent);
            }
        }
        self.poll_sent(cx)
    }

    /// Sends the piece to its end, at once as far as that can be done. True.
    ///
    /// # Errors
    /// After a cancellation the rest goes out at the next call; after any other error it is given up.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>>
    where
        W: ByteSendStream,
    {
        if self.is_sending_soon {
            let polled = self.stream.with_now(|stream| stream.poll_sent(cx));
            let sent = ready!(polled.expect(NOT_BEFORE));
            self.is_sending_soon = matches!(sent, Err(Error::Cancelled(_)));
            if !self.is_sending_soon && sent.is_err() {
                self.give_up();
            }
            sent?;
        }
        loop {
            if !self.operation.is_running() {
                if self.sent == self.piece.len() {
                    return Poll::Ready(Ok(true));
                }
                let rest = [IoSlice::new(&self.piece[self.sent..])];
                if let Some(sent) = self.now.send(&self.stream, &rest) {
                    self.judge(sent)?;
                    continue;
                }
                self.operation.begin(Command::Send(std::mem::take(&mut self.piece), self.sent));
            }
            let (result, piece) = ready!(self.operation.poll(cx));
            self.piece = piece;
            self.now.is_full = false;
            self.judge(result)?;
        }
    }

    /// Takes note of what was sent of the piece.
    fn judge(&mut self, result: Result<usize>) -> Result<()> {
        match result {
            // A stream that sends nothing, although it says that it did, would be asked for ever.
            Ok(0) if self.sent < self.piece.len() => {
                self.give_up();
                return Err(Error::BrokenResource(std::io::ErrorKind::WriteZero.into()));
            }
            Ok(count) => self.sent = self.piece.len().min(self.sent + count),
            Err(error) => {
                if !matches!(error, Error::Cancelled(_)) {
                    self.give_up();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends what is left, and then the end.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>>
    where
        W: ByteSendStream,
    {
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
