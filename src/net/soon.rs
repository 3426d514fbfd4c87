//! Bytes that were taken over and are sent with the driver's next turn.

use super::send_operation::{AT_ONCE, Extent, Send};
use crate::runtime::{Answer, Core, Descriptor, Disposer, Operation, Payload, Refusal, calls};
use anyio_driver::Completion;
use std::{
    cell::{Cell, OnceCell, RefCell},
    io::IoSlice,
    net::Shutdown,
    os::fd::AsFd,
    task::{Context, Poll},
};

/// The most that is taken over at a time: of more a copy would cost more than a call of the system.
pub(super) const MOST: usize = 4096;

/// For what the task is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// Also when all went well.
    Always,
    /// Only if there is something to do about it.
    IfNeeded,
}

/// One piece that was taken over, until it is sent. What goes before it is sent has the system send it at once.
///
/// Few streams ever have one, so all of it lies elsewhere.
#[derive(Default)]
pub(super) struct Soon(OnceCell<Box<Piece>>);

#[derive(Default)]
struct Piece {
    /// Whether there is a piece, which has not been sent as far as is known.
    is_there: Cell<bool>,
    /// Stays for the next piece, with its memory. In use only by what polls it: a waker may lead here again.
    operation: RefCell<Option<Operation<Send<Vec<u8>>>>>,
}

impl Soon {
    /// Copies what lies in some buffers, and tells how much. Only if there is no piece.
    pub(super) fn take_over(&self, descriptor: &Descriptor, buffers: &[IoSlice<'_>]) -> usize {
        let piece = self.0.get_or_init(Box::default);
        let Ok(mut operation) = piece.operation.try_borrow_mut() else { return 0 };
        let operation = operation
            .get_or_insert_with(|| Operation::new(Send::new(descriptor, Vec::new(), Extent::WholeAtOnce)));
        let bytes = operation.payload_mut().refill();
        for buffer in buffers {
            bytes.extend_from_slice(buffer);
        }
        piece.is_there.set(!bytes.is_empty());
        bytes.len()
    }

    /// Uses the operation of the piece, if there is one.
    #[inline]
    fn with<R>(&self, use_operation: impl FnOnce(&Piece, &mut Operation<Send<Vec<u8>>>) -> R) -> Option<R> {
        let piece = self.0.get().filter(|piece| piece.is_there.get())?;
        let mut operation = piece.operation.try_borrow_mut().ok()?;
        operation.as_mut().map(|operation| use_operation(piece, operation))
    }

    /// Hands it to the driver.
    pub(super) fn begin(&self, cx: &mut Context<'_>) {
        self.with(|_, operation| {
            let length = operation.payload().rest().len() as u32;
            Core::with(|core| operation.begin_expecting(core, length, cx));
        });
    }

    /// What has become of the piece; `None` if there is none. After a cancellation the rest of it is still here, and goes on.
    pub(super) fn poll(&self, cx: &mut Context<'_>, wake: Wake) -> Poll<Option<Answer>> {
        let polled = self.with(|piece, operation| {
            if wake == Wake::IfNeeded && is_expecting(operation, cx) {
                return Poll::Pending;
            }
            match operation.poll_answer(cx) {
                Poll::Pending => {
                    expect(operation, wake);
                    Poll::Pending
                }
                Poll::Ready(answer) => {
                    piece.is_there.set(answer == Err(Refusal::Cancelled));
                    Poll::Ready(Some(answer))
                }
            }
        });
        polled.unwrap_or(Poll::Ready(None))
    }

    /// Has the system send it at once, as far as it does, since nobody will hear of it. Then, maybe, this side's end of the
    /// stream. True if that is still to come, since the driver has not let go of the piece.
    pub(super) fn end(&self, last: Last) -> bool {
        let Some(piece) = self.0.get() else { return false };
        let operation = piece.operation.try_borrow_mut().ok().and_then(|mut operation| operation.take());
        let Some(mut operation) = operation.filter(|_| piece.is_there.replace(false)) else { return false };
        let is_left = Core::try_with(|core| match operation.withdraw(core) {
            Some(answer) => {
                send_rest(core, &mut operation.take_payload(), answer);
                None
            }
            // What is not in flight any more has ended with its run.
            None => operation.key().is_some_and(|wait| core.waits().is_current(wait)).then_some(operation),
        });
        match is_left.flatten() {
            Some(operation) => {
                operation.leave_to(|send| Left { send, last });
                true
            }
            None => false,
        }
    }

    /// Lets go of the descriptor, unless there is a piece.
    pub(super) fn let_go(&self) {
        if let Some(piece) = self.0.get().filter(|piece| !piece.is_there.get()) {
            piece.operation.take();
        }
    }
}

/// What comes after a piece whose stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Nothing,
    /// The other side is told that nothing more will be sent.
    End,
}

/// A piece whose stream has gone before the driver has let go of it.
struct Left {
    send: Send<Vec<u8>>,
    last: Last,
}

impl Disposer for Left {
    fn dispose_one_of_many(&mut self, _: &Core, _: &Completion) {}

    fn dispose(mut self: Box<Self>, core: &Core, completion: &Completion) {
        let answer = match u32::try_from(completion.result) {
            Ok(count) => Ok(count),
            Err(_) if matches!(-completion.result, libc::ECANCELED | libc::EINTR) => Err(Refusal::Cancelled),
            Err(_) => Err(Refusal::System(-completion.result)),
        };
        send_rest(core, &mut self.send, answer);
        if self.last == Last::End {
            // It fails if the link is gone, and then the other side knows.
            let _ = calls::shut_down(self.send.descriptor(), Shutdown::Write);
        }
    }
}

/// Sends at once what an operation that has ended so has not sent.
fn send_rest(core: &Core, send: &mut Send<Vec<u8>>, answer: Answer) {
    match answer {
        Ok(count) if send.goes_on(count) => {}
        Err(Refusal::System(error)) if send.goes_on_after(error) => {}
        Err(Refusal::Cancelled) => {}
        // All is sent, or the link is lost.
        _ => return,
    }
    if let Some(flags) = AT_ONCE {
        // There is nobody to be told of an error.
        let _ = calls::send_buffers(core, send.descriptor().as_fd(), &[IoSlice::new(send.rest())], flags);
    }
}

/// Whether the piece is on its way, and the task is woken only if that is needed.
#[inline]
fn is_expecting(operation: &Operation<Send<Vec<u8>>>, cx: &Context<'_>) -> bool {
    operation.key().is_some_and(|wait| Core::with(|core| core.waits().is_expecting(wait, cx.waker())))
}

/// Has the task woken only if that is needed. Then nobody waits, and no scope calls off what was taken over.
fn expect(operation: &Operation<Send<Vec<u8>>>, wake: Wake) {
    let Some(wait) = operation.key() else { return };
    Core::with(|core| {
        let waits = core.waits();
        match wake {
            Wake::Always => {
                waits.set_expected(wait, None);
                core.end_turn_with_all();
            }
            Wake::IfNeeded => {
                waits.set_expected(wait, Some(operation.payload().rest().len() as u32));
                waits.unlink(wait);
            }
        }
    });
}

impl Drop for Soon {
    fn drop(&mut self) {
        self.end(Last::Nothing);
    }
}
