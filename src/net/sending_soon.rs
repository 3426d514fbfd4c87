//! Sending by taking over, to leave with the driver's next turn.

use super::socket::{SENDING, Socket};
use crate::{
    error::{Error, Result},
    runtime::{Core, Piece, PieceState},
};
use std::{
    io::IoSlice,
    task::{Context, Poll, ready},
};

impl Socket {
    /// Whether all is sent that was taken over.
    ///
    /// # Errors
    /// Why it could not be, once.
    #[inline]
    fn is_all_sent(&self) -> Result<bool> {
        match self.soon.get().map(|piece| piece.state()) {
            None | Some(PieceState::Sent) => Ok(true),
            Some(PieceState::Leaving | PieceState::InFlight(_)) => Ok(false),
            Some(PieceState::Failed(_)) => self.tell_failure().map(|()| true),
        }
    }

    #[cold]
    fn tell_failure(&self) -> Result<()> {
        match self.soon.get().and_then(|piece| piece.take_failure()) {
            Some(failure) => self.judge_sent(failure).map(drop),
            None => Ok(()),
        }
    }

    /// # Errors
    /// [`Error::BusyResource`] while something is on its way that was taken over, and why that could not be sent, once.
    #[inline]
    pub(super) fn check_all_sent(&self) -> Result<()> {
        if self.is_all_sent()? { Ok(()) } else { Err(Error::BusyResource(SENDING)) }
    }

    /// Takes over what lies in some buffers, if that is little, to be sent with the driver's next turn. Until it is sent nothing
    /// else can be, but for what is taken over before it leaves.
    pub(super) fn send_soon(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Result<usize> {
        /// Up to so many streams have little to send together.
        const FEW: usize = 3;

        let length = buffers.iter().map(|buffer| buffer.len()).sum();
        if !Piece::is_for(length) {
            return Err(Error::Unsupported("sending much with the next turn"));
        }
        if self.sending.get() {
            return Err(Error::BusyResource(SENDING));
        }
        if self.eof_sent.get() {
            return Err(Error::ClosedResource);
        }
        self.is_all_sent()?;
        Core::with(|core| {
            core.check_cancelled()?;
            // One of few gains nothing.
            if core.capabilities().attempts_sends && core.streams().get() <= FEW {
                return Err(Error::Unsupported("sending with the next turn"));
            }
            let taken_over = self.soon.piece(self.descriptor()).take_over(core, buffers, cx.waker());
            if taken_over { Ok(length) } else { Err(Error::BusyResource(SENDING)) }
        })
    }

    /// Waits until all is sent that was taken over.
    pub(super) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(piece) = self.soon.get() {
            ready!(Core::with(|core| core.poll_piece(piece, cx)))?;
        }
        Poll::Ready(self.is_all_sent().map(drop))
    }

    /// Whether all is sent that was taken over.
    pub(super) fn poll_sent_or_sending(&self) -> Poll<Result<bool>> {
        Poll::Ready(self.is_all_sent())
    }
}
