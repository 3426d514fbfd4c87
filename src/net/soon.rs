//! Bytes that were taken over and are sent with the driver's next turn.

use super::send_operation::{AT_ONCE, Send};
use crate::runtime::{Answer, Core, Descriptor, Disposer, Operation, Payload, Refusal, calls};
use anyio_driver::Completion;
use std::{
    cell::{Cell, OnceCell},
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
    operation: Cell<Option<Operation<Send<Vec<u8>>>>>,
    /// The memory of the piece before.
    spare: Cell<Vec<u8>>,
}

/// An operation in use, which is put back also when something panics.
struct Taken<'a> {
    operation: Option<Operation<Send<Vec<u8>>>>,
    piece: &'a Piece,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.piece.operation.set(self.operation.take());
    }
}

impl Soon {
    /// Copies what lies in some buffers, and tells how much. Only if there is no piece.
    pub(super) fn take_over(&self, descriptor: &Descriptor, buffers: &[IoSlice<'_>]) -> usize {
        let piece = self.0.get_or_init(Box::default);
        let mut bytes = piece.spare.take();
        bytes.clear();
        for buffer in buffers {
            bytes.extend_from_slice(buffer);
        }
        let count = bytes.len();
        if count == 0 {
            piece.spare.set(bytes);
        } else {
            piece.operation.set(Some(Operation::new(Send::new(descriptor, bytes, true))));
        }
        count
    }

    fn take(&self) -> Option<Taken<'_>> {
        let piece = self.0.get()?;
        Some(Taken { operation: Some(piece.operation.take()?), piece })
    }

    /// Hands it to the driver.
    pub(super) fn begin(&self, cx: &mut Context<'_>) {
        let Some(mut taken) = self.take() else { return };
        let Some(operation) = &mut taken.operation else { return };
        operation.begin(cx);
        expect(operation, Wake::IfNeeded);
        if operation.is_answered() {
            // Nobody was woken for that.
            cx.waker().wake_by_ref();
        }
    }

    /// What has become of the piece; `None` if there is none. After a cancellation the rest of it is still here, and goes on.
    pub(super) fn poll(&self, cx: &mut Context<'_>, wake: Wake) -> Poll<Option<Answer>> {
        let Some(mut taken) = self.take() else { return Poll::Ready(None) };
        let Some(operation) = &mut taken.operation else { return Poll::Ready(None) };
        match operation.poll_answer(cx) {
            Poll::Pending => {
                expect(operation, wake);
                Poll::Pending
            }
            Poll::Ready(Err(Refusal::Cancelled)) => Poll::Ready(Some(Err(Refusal::Cancelled))),
            Poll::Ready(answer) => {
                taken.piece.spare.set(operation.take_payload().data.into_inner());
                taken.operation = None;
                Poll::Ready(Some(answer))
            }
        }
    }

    /// Has the system send it at once, as far as it does, since nobody will hear of it. Then, maybe, this side's end of the
    /// stream. True if that is still to come, since the driver has not let go of the piece.
    pub(super) fn end(&self, last: Last) -> bool {
        let Some(mut operation) = self.0.get().and_then(|piece| piece.operation.take()) else { return false };
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
        Err(Refusal::Cancelled) => {}
        // All is sent, or the link is lost.
        _ => return,
    }
    if let Some(flags) = AT_ONCE {
        // There is nobody to be told of an error.
        let _ = calls::send_buffers(core, send.descriptor().as_fd(), &[IoSlice::new(send.rest())], flags);
    }
}

/// Has the task woken only if that is needed. Then nobody waits, and no scope calls off what was taken over.
fn expect(operation: &Operation<Send<Vec<u8>>>, wake: Wake) {
    let Some(wait) = operation.key() else { return };
    Core::with(|core| {
        let waits = core.waits();
        match wake {
            Wake::Always => waits.set_expected(wait, None),
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
