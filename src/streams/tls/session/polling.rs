//! A connection for those who poll.

use super::{RECEIVING, SENDING, Session, is_empty, take_bytes};
use crate::{
    error::{Error, Result, TlsError},
    reserved::Reserved,
    runtime::Core,
    streams::{
        Split,
        piece_sender::PieceSender,
        tls::outgoing::{AT_ONCE, BUFFERS, first_within_one_send},
    },
};
use anyio_driver::Chunk;
use std::{
    io::{IoSlice, Write},
    task::{Context, Poll, ready},
};

impl<S: Split> Session<S> {
    /// Receives decrypted bytes as [`receive`](Self::receive) does.
    pub(in super::super) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        let _receiving = Reserved::of(&self.incoming.busy, RECEIVING)?;
        if self.incoming.has_ciphertext() || self.has_bytes().transpose().is_some() {
            // Also what is there already is received at a checkpoint. Where nothing is, the stream below has one.
            ready!(Core::with(|core| core.poll_checkpoint(cx)))?;
        }
        let mut is_first = true;
        loop {
            match self.has_bytes()? {
                Some(true) => {
                    return Poll::Ready(Ok(Some(take_bytes(
                        &mut self.connection.borrow_mut().reader(),
                        usize::MAX,
                    ))));
                }
                Some(false) => return Poll::Ready(Ok(None)),
                None => {}
            }
            if std::mem::take(&mut is_first) && !self.outgoing.busy.get() {
                self.outgoing.go_on(cx);
            }
            let had_output = self.with_connection(|connection| connection.wants_write());
            match ready!(self.poll_decrypt(cx))? {
                None => return Poll::Ready(self.judge_end().map(|()| None)),
                Some(Ok(())) => {}
                Some(Err(cause)) => return Poll::Ready(Err(self.fail_now(cause, cx))),
            }
            if self.has_answer(had_output) {
                self.outgoing.begin(cx, &self.connection);
            }
        }
    }

    /// Decrypts the next record, or a part of it; receives if need be. `None` if the stream below has ended.
    fn poll_decrypt(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Result<(), rustls::Error>>>> {
        if self.may_decrypt_nowait() {
            // Others have their turn also where there is always more.
            ready!(Core::with(|core| core.poll_immediate(cx)));
            if let Some(decrypted) = self.incoming.decrypt_nowait(&mut self.connection.borrow_mut())? {
                return Poll::Ready(Ok(Some(decrypted)));
            }
        }
        let Some(chunk) = ready!(self.incoming.poll_next(cx))? else { return Poll::Ready(Ok(None)) };
        Poll::Ready(Ok(Some(self.incoming.decrypt(&mut self.connection.borrow_mut(), chunk))))
    }

    /// Notes that the connection is of no use any more, and begins to tell the peer why.
    fn fail_now(&self, cause: rustls::Error, cx: &mut Context<'_>) -> Error {
        let in_handshake = self.with_connection(|connection| connection.is_handshaking());
        let failure = TlsError::new(cause, in_handshake);
        *self.failure.borrow_mut() = Some(failure.clone());
        // If another task is sending, the alert goes out behind what it sends.
        if let Ok(_reserved) = Reserved::of(&self.outgoing.busy, SENDING) {
            self.outgoing.begin(cx, &self.connection);
        }
        Error::Tls(Box::new(failure))
    }

    /// Takes over the beginning of what lies in some buffers: it is encrypted, and begins to be sent.
    pub(in super::super) fn send_soon(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Result<usize> {
        let reserved = self.reserve_sending()?;
        Core::with(|core| core.check_cancelled())?;
        if !self.outgoing.is_idle() {
            // What an earlier call has left goes before it.
            match self.outgoing.poll_flush(cx, &self.connection, PieceSender::poll_sent) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Err(Error::Unsupported("sending behind what is being sent")),
            }
        }
        self.outgoing.check_torn()?;
        let count = {
            let mut connection = self.connection.borrow_mut();
            self.key_use.check(&connection, AT_ONCE)?;
            let mut places = [IoSlice::new(&[]); BUFFERS];
            match first_within_one_send(buffers, &mut places) {
                [one] => connection.writer().write(one)?,
                several => connection.writer().write_vectored(several)?,
            }
        };
        self.key_use.note(count);
        if count > 0 {
            self.outgoing.takes_over.set(true);
            // Given back when that is told to be sent.
            std::mem::forget(reserved);
            self.outgoing.begin_soon(cx, &self.connection);
        }
        Ok(count)
    }

    /// Sends what was taken over.
    pub(in super::super) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_taken_over(cx, PieceSender::poll_sent).map_ok(drop)
    }

    /// Whether what was taken over is sent; it is being sent if not.
    pub(in super::super) fn poll_sent_or_sending(&self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        self.poll_taken_over(cx, PieceSender::poll_sent_or_sending)
    }

    fn poll_taken_over(
        &self,
        cx: &mut Context<'_>,
        way: impl FnMut(&mut PieceSender<S::Send>, &mut Context<'_>) -> Poll<Result<bool>>,
    ) -> Poll<Result<bool>> {
        if !self.outgoing.takes_over.get() {
            return Poll::Ready(Ok(true));
        }
        let sent = ready!(self.outgoing.poll_flush(cx, &self.connection, way));
        // After a cancellation the rest goes out with the next call.
        if !matches!(sent, Ok(false) | Err(Error::Cancelled(_))) {
            self.leave_taken_over();
        }
        Poll::Ready(sent)
    }

    /// Leaves what was taken over to whoever sends next.
    pub(in super::super) fn leave_taken_over(&self) {
        if self.outgoing.takes_over.replace(false) {
            self.outgoing.busy.set(false);
        }
    }

    /// Whether there are bytes; false at the end. `None` if something has to be received first.
    pub(super) fn has_bytes(&self) -> Result<Option<bool>> {
        if !is_empty(&mut self.connection.borrow_mut()) {
            return Ok(Some(true));
        }
        if self.incoming.is_closed() {
            return Ok(Some(false));
        }
        self.check_failure()?;
        Ok(None)
    }

    /// Whether there is something to say to what was received, such as that handshakes are not done again, and nobody may be
    /// going to send it.
    pub(super) fn has_answer(&self, had_output: bool) -> bool {
        !had_output
            && self.with_connection(|connection| connection.wants_write())
            && !self.outgoing.busy.get()
    }

    pub(super) fn may_decrypt_nowait(&self) -> bool {
        self.incoming.expects_more() && !self.with_connection(|connection| connection.is_handshaking())
    }
}
