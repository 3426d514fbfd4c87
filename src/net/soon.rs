//! Bytes of a socket that were taken over and are sent with the driver's next turn.

use crate::runtime::{Core, Descriptor, Last, Piece, PieceState};
use std::{cell::OnceCell, rc::Rc};

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

    #[inline]
    pub(super) fn get(&self) -> Option<&Rc<Piece>> {
        self.0.get()
    }

    pub(super) fn piece(&self, descriptor: &Descriptor) -> &Rc<Piece> {
        self.0.get_or_init(|| Piece::new(descriptor))
    }
}

impl Drop for Soon {
    fn drop(&mut self) {
        self.end(Last::Nothing);
    }
}
