//! Bytes of a socket that were taken over and are sent with the driver's next turn.

use super::socket::{SENDING, Socket};
use crate::{
    error::{Error, Result},
    runtime::{Core, Descriptor, Last, Piece, PieceState},
};
use std::{
    cell::OnceCell,
    io::IoSlice,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// What was taken over and not sent. Few streams ever have any, so all of it lies elsewhere.
#[derive(Default)]
pub(super) struct Soon(OnceCell<Rc<Piece>>);

impl Soon {
    /// Has the system send all of it at once, as far as it does, since nobody will hear of it. Then, maybe, this side's end of
    /// the stream. True if that is still to come, since the driver has not let go of the bytes.
    pub(super) fn end(&self, last: Last) -> bool {
        self.0.get().is_some_and(|piece| Core::try_with(|core| core.end_piece(piece, last)).unwrap_or(false))
    }

    /// Lets go of the descriptor, unless something is on its way.
    pub(super) fn let_go(&mut self) {
        if self
            .0
            .get()
            .is_some_and(|piece| !matches!(piece.state(), PieceState::Leaving | PieceState::InFlight(_)))
        {
            self.0.take();
        }
    }

    fn piece(&self, descriptor: &Descriptor) -> &Rc<Piece> {
        self.0.get_or_init(|| Piece::new(descriptor))
    }
}

impl Drop for Soon {
    fn drop(&mut self) {
        self.end(Last::Nothing);
    }
}

impl Socket {
    /// Whether all is sent that was taken over.
    ///
    /// # Errors
    /// Why it could not be, once.
    #[inline]
    fn is_all_sent(&self) -> Result<bool> {
        match self.soon.0.get().map(|piece| piece.state()) {
            None | Some(PieceState::Sent) => Ok(true),
            Some(PieceState::Leaving | PieceState::InFlight(_)) => Ok(false),
            Some(PieceState::Failed(_)) => self.tell_failure().map(|()| true),
        }
    }

    #[cold]
    fn tell_failure(&self) -> Result<()> {
        match self.soon.0.get().and_then(|piece| piece.take_failure()) {
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
        if let Some(piece) = self.soon.0.get() {
            ready!(Core::with(|core| core.poll_piece(piece, cx)))?;
        }
        Poll::Ready(self.is_all_sent().map(drop))
    }

    /// Whether all is sent that was taken over.
    pub(super) fn poll_sent_or_sending(&self) -> Poll<Result<bool>> {
        Poll::Ready(self.is_all_sent())
    }
}
