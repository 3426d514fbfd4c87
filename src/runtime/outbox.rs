//! What was taken over to be sent, and leaves with the driver's next turn.
//!
//! # Contract
//! An operation here names the bytes of a [`Piece`], which stay as they are while it is in flight, and its descriptor, of
//! which the piece has a share. The outbox has a share of the piece until the operation's final completion; if that does not
//! come before the run ends, it is leaked.

mod piece;

pub(crate) use piece::{Last, Piece, PieceState};

use self::piece::{Course, Verdict};
use super::{Core, StoredWaker, WaitKey, numbered::Numbered};
use crate::error::{Error, Result};
use anyio_driver::{Completion, Driver};
use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    rc::Rc,
    task::{Context, Poll},
};

/// The pieces of a run that are on their way.
#[derive(Default)]
pub(in crate::runtime) struct Outbox {
    /// Those that leave with the next turn. Each is here as long as its state says so.
    leaving: RefCell<VecDeque<Rc<Piece>>>,
    /// Those that the driver has.
    in_flight: Numbered<Rc<Piece>>,
}

impl Outbox {
    #[inline]
    pub(in crate::runtime) fn is_leaving_empty(&self) -> bool {
        self.leaving.borrow().is_empty()
    }

    #[inline]
    fn add(&self, piece: &Rc<Piece>) {
        self.leaving.borrow_mut().push_back(piece.clone());
    }

    /// Takes out what leaves first.
    #[inline]
    fn take_first(&self) -> Option<Rc<Piece>> {
        self.leaving.borrow_mut().pop_front()
    }

    /// Takes back what has not left.
    fn take_back(&self, piece: &Rc<Piece>) {
        let mut leaving = self.leaving.borrow_mut();
        if let Some(place) = leaving.iter().rposition(|other| Rc::ptr_eq(other, piece)) {
            leaving.remove(place);
        }
    }

    /// Leaks what the driver has, because the kernel may still use it. Tells how many were leaked.
    pub(in crate::runtime) fn give_up(&self) -> usize {
        let count = self.in_flight.count();
        self.in_flight.take_all().for_each(std::mem::forget);
        count
    }
}

impl Core {
    /// Hands over to the driver what leaves with its next turn.
    #[inline]
    pub(in crate::runtime) fn send_leaving(&self) {
        if !self.outbox().is_leaving_empty() {
            self.send_all_leaving();
        }
    }

    fn send_all_leaving(&self) {
        // What has failed already is told to wakers. What they have taken over is for the next turn, or there might be no end.
        let mut left = self.outbox().leaving.borrow().len();
        self.finish_despite_panics(|| {
            while let Some(fewer) = left.checked_sub(1) {
                left = fewer;
                // One by one, since a waker may ask for what has not left, or drop its stream.
                let Some(piece) = self.outbox().take_first() else { return };
                self.send_piece(piece, Course::AtOnce);
            }
        });
    }

    /// Has the driver send a piece, and goes on with that as far as it is answered at once.
    fn send_piece(&self, piece: Rc<Piece>, course: Course) {
        let (mut piece, mut course) = (piece, course);
        if course == Course::AtOnce && self.capabilities().attempts_sends {
            match piece.attempt(self) {
                Verdict::Sent => return,
                Verdict::GoesOn => course = Course::Whole,
                Verdict::Failed(owner) => {
                    // First, so that whoever is woken and drops the stream closes it.
                    drop(piece);
                    return self.wake_stored(owner);
                }
            }
        }
        loop {
            let op = piece.op(course);
            let number = self.outbox().in_flight.insert(piece.clone());
            let wait = self.waits().insert_piece(number, op.descriptor());
            piece.begin(wait);
            // Whoever is woken below and drops the stream closes it.
            drop(piece);
            let mut driver = self.driver_mut();
            // SAFETY: what it names is the piece's, which stays until the final completion: see the contract. The slot is taken,
            // so no other operation has its index.
            unsafe {
                match course {
                    Course::AtOnce => driver.submit_for_next_turn(wait.token(), op),
                    Course::Whole => driver.submit(wait.token(), op),
                }
            }
            let answer = driver.take_answer(wait.token());
            drop(driver);
            let Some(answer) = answer else { return };
            match self.judge_piece(wait, number, &answer) {
                // Nobody can have begun to wait since.
                Some((rest, _)) => (piece, course) = (rest, Course::Whole),
                None => return,
            }
        }
    }

    /// Takes note of the driver's answer to a piece, and has what is left sent as soon as there is room.
    #[inline]
    pub(in crate::runtime) fn conclude_piece(&self, wait: WaitKey, number: u32, answer: &Completion) {
        if let Some((rest, waiter)) = self.judge_piece(wait, number, answer) {
            self.send_piece(rest, Course::Whole);
            // From now on it is the next operation that is waited for.
            self.wake_stored(waiter);
        }
    }

    /// What the driver's answer means; gives the piece if there is more to send, and who waits for that.
    #[inline]
    fn judge_piece(
        &self,
        wait: WaitKey,
        number: u32,
        answer: &Completion,
    ) -> Option<(Rc<Piece>, StoredWaker)> {
        let is_cancel_asked = self.waits().cancel_asked(wait);
        let waiter = self.waits().remove(wait);
        let piece = self.outbox().in_flight.remove(number)?;
        let verdict = piece.judge(self, answer.result, is_cancel_asked);
        if matches!(verdict, Verdict::GoesOn) {
            return Some((piece, waiter));
        }
        // First, so that whoever is woken and drops the stream closes it.
        drop(piece);
        match verdict {
            Verdict::Sent | Verdict::GoesOn => self.wake_stored(waiter),
            Verdict::Failed(owner) => self.change(|core| {
                core.wake_stored(waiter);
                core.wake_stored(owner);
            }),
        }
        None
    }

    /// Has all of a piece sent at once, as far as there is room for it, since nobody will hear of it; then, maybe, this side's end
    /// of the stream. True if that is still to come, since the driver has not let go of the piece.
    pub(crate) fn end_piece(&self, piece: &Rc<Piece>, last: Last) -> bool {
        match piece.state() {
            PieceState::Sent | PieceState::Failed(_) => return false,
            PieceState::Leaving => {
                self.outbox().take_back(piece);
                piece.send_rest(self);
                return false;
            }
            PieceState::InFlight(wait) if !self.waits().is_current(wait) => return false,
            PieceState::InFlight(wait) => {
                self.waits().ask_cancel(wait);
                for completion in self.withdraw_operation(wait.token()) {
                    self.deliver(&completion);
                }
            }
        }
        let is_left = matches!(piece.state(), PieceState::InFlight(_));
        if is_left {
            piece.set_last(last);
        }
        is_left
    }

    /// Waits until a piece is sent, or has failed.
    pub(crate) fn poll_piece(&self, piece: &Rc<Piece>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let wait = match piece.state() {
                PieceState::Sent | PieceState::Failed(_) => return Poll::Ready(Ok(())),
                PieceState::Leaving => {
                    self.outbox().take_back(piece);
                    self.send_piece(piece.clone(), Course::AtOnce);
                    continue;
                }
                PieceState::InFlight(wait) if !self.waits().is_current(wait) => {
                    let what = io::Error::other("the run has ended that was sending");
                    return Poll::Ready(Err(Error::BrokenResource(what)));
                }
                PieceState::InFlight(wait) => wait,
            };
            let is_cancelled = self.follow_scope(wait) || self.waits().is_cancelled(wait);
            if is_cancelled {
                let _last = self.waits().unhook(wait);
                self.check_cancelled()?;
                continue;
            }
            self.driver_mut().end_turn_with_all();
            // Last, as making a clone of a waker is code of users.
            self.waits().set_waker(wait, cx.waker());
            return Poll::Pending;
        }
    }

    /// Sends what has not left, before the run ends.
    pub(crate) fn empty_outbox(&self) {
        while let Some(piece) = self.outbox().take_first() {
            piece.send_rest(self);
        }
    }
}
