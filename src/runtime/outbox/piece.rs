//! Some bytes of a stream that were taken over.

use crate::runtime::{Answer, Core, Descriptor, Refusal, StoredWaker, WaitKey, calls};
use anyio_driver::{Op, planted};
use std::{
    cell::{Cell, RefCell},
    io::IoSlice,
    net::Shutdown,
    os::fd::AsFd,
    rc::Rc,
    task::Waker,
};

/// The most that is taken over at a time: of more a copy would cost more than a call of the system.
const MOST: usize = 4096;

/// Bytes of one stream that were taken over and are sent in one go. It stays for the next ones, with its memory.
pub(crate) struct Piece {
    descriptor: Descriptor,
    /// Not touched while they are in flight.
    bytes: RefCell<Vec<u8>>,
    sent: Cell<usize>,
    state: Cell<PieceState>,
    /// Who is told of a failure.
    owner: Cell<StoredWaker>,
    /// What comes afterwards if its stream is gone.
    last: Cell<Last>,
}

/// How a piece stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PieceState {
    /// It was sent, or there was nothing.
    Sent,
    /// It leaves with the next turn, and can take more until then.
    Leaving,
    /// The driver has it, or had it when its run ended.
    InFlight(WaitKey),
    /// It cannot be sent, for this reason.
    Failed(Answer),
}

/// What comes after a piece whose stream goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Last {
    #[default]
    Nothing,
    /// The other side is told that nothing more will be sent.
    End,
}

/// How a piece is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// As far as there is room at once.
    AtOnce,
    /// All of it, when there is room.
    Whole,
}

/// What an answer means for a piece.
pub(super) enum Verdict {
    Sent,
    /// There is more to send.
    GoesOn,
    /// It failed, of which this is to be told.
    Failed(StoredWaker),
}

impl Piece {
    pub(crate) fn new(descriptor: &Descriptor) -> Rc<Self> {
        Rc::new(Self {
            descriptor: descriptor.clone(),
            bytes: RefCell::default(),
            sent: Cell::new(0),
            state: Cell::new(PieceState::Sent),
            owner: Cell::new(StoredWaker::NONE),
            last: Cell::new(Last::Nothing),
        })
    }

    #[inline]
    pub(crate) fn state(&self) -> PieceState {
        self.state.get()
    }

    /// Why it cannot be sent, if that is so; told once.
    #[inline]
    pub(crate) fn take_failure(&self) -> Option<Answer> {
        match self.state.get() {
            PieceState::Failed(failure) => {
                self.state.set(PieceState::Sent);
                Some(failure)
            }
            _ => None,
        }
    }

    /// Whether buffers of so many bytes can be taken over at all.
    #[inline]
    pub(crate) fn is_for(length: usize) -> bool {
        length <= MOST
    }

    /// Copies what lies in some buffers, if it has not left and there is room for all of it. This waker is told if it fails.
    /// False if not.
    #[inline]
    pub(crate) fn take_over(self: &Rc<Self>, core: &Core, buffers: &[IoSlice<'_>], owner: &Waker) -> bool {
        let is_first = match self.state.get() {
            PieceState::Sent => true,
            PieceState::Leaving => false,
            PieceState::InFlight(_) | PieceState::Failed(_) => return false,
        };
        let mut bytes = self.bytes.borrow_mut();
        if is_first {
            bytes.clear();
        }
        let length = buffers.iter().map(|buffer| buffer.len()).sum::<usize>();
        if length > MOST - bytes.len() {
            return false;
        }
        for buffer in buffers {
            bytes.extend_from_slice(buffer);
        }
        drop(bytes);
        if is_first && length > 0 {
            self.sent.set(0);
            self.state.set(PieceState::Leaving);
            core.outbox().add(self);
        }
        self.set_owner(owner);
        true
    }

    #[inline]
    fn set_owner(&self, waker: &Waker) {
        let mut owner = self.owner.take();
        if !owner.keep_task_of(waker) {
            // Making a clone and dropping what was kept is code of users, which may lead here again.
            owner = StoredWaker::of(waker);
        }
        drop(self.owner.replace(owner));
    }

    pub(super) fn set_last(&self, last: Last) {
        self.last.set(last);
    }

    #[inline]
    pub(super) fn begin(&self, wait: WaitKey) {
        self.state.set(PieceState::InFlight(wait));
    }

    /// The operation that sends what was not sent. Valid until the next bytes are taken over, which is after its end.
    #[inline]
    pub(super) fn op(&self, course: Course) -> Op {
        let bytes = self.bytes.borrow();
        let rest = &bytes[self.sent.get()..];
        Op::Send {
            fd: self.descriptor.raw(),
            pointer: rest.as_ptr(),
            length: rest.len() as u32,
            flags: match course {
                Course::AtOnce => libc::MSG_DONTWAIT,
                // The kernel goes on by itself after it could send a part.
                Course::Whole => libc::MSG_WAITALL,
            },
        }
    }

    /// What has become of it.
    #[inline]
    pub(super) fn judge(&self, core: &Core, result: i32, is_cancel_asked: bool) -> Verdict {
        let left = self.left();
        if u32::try_from(result).is_ok_and(|count| count as usize == left) {
            self.sent.set(self.sent.get() + left);
            self.state.set(PieceState::Sent);
            self.conclude();
            return Verdict::Sent;
        }
        self.judge_part(core, result, is_cancel_asked)
    }

    #[cold]
    fn judge_part(&self, core: &Core, result: i32, is_cancel_asked: bool) -> Verdict {
        let failure = match u32::try_from(result) {
            Ok(0) => Ok(0),
            Ok(_) if planted("short send taken for whole") => {
                self.state.set(PieceState::Sent);
                return Verdict::Sent;
            }
            Ok(count) => {
                self.sent.set(self.sent.get() + (count as usize).min(self.left()));
                return self.go_on(core, is_cancel_asked);
            }
            Err(_) => match -result {
                libc::EINTR | libc::ECANCELED => return self.go_on(core, is_cancel_asked),
                number if is_for_lack_of_room(number) => return self.go_on(core, is_cancel_asked),
                number => Err(Refusal::System(number)),
            },
        };
        self.fail(failure)
    }

    /// Goes on, unless the driver was asked for it back: then its stream is gone, or its run ends.
    fn go_on(&self, core: &Core, is_cancel_asked: bool) -> Verdict {
        if !is_cancel_asked {
            return Verdict::GoesOn;
        }
        self.send_rest(core);
        self.conclude();
        match self.state.get() {
            PieceState::Failed(_) => Verdict::Failed(self.owner.take()),
            _ => Verdict::Sent,
        }
    }

    /// Does what is left to do for a stream that is gone.
    #[inline]
    fn conclude(&self) {
        if self.last.replace(Last::Nothing) == Last::End {
            // It fails if the link is gone, and then the other side knows.
            let _ = calls::shut_down(&self.descriptor, Shutdown::Write);
        }
    }

    fn left(&self) -> usize {
        self.bytes.borrow().len() - self.sent.get()
    }

    /// Sends at once what was not sent, as far as there is room for it. The driver has not got it, or has let go of it.
    pub(super) fn send_rest(&self, core: &Core) {
        self.state.set(match self.send_now(core) {
            Ok(true) => PieceState::Sent,
            // Nobody waits until there is some.
            Ok(false) => PieceState::Failed(Err(Refusal::System(libc::ECANCELED))),
            Err(failure) => PieceState::Failed(failure),
        });
    }

    /// Has the system send what was not sent, without waiting. False if there is no room for all of it.
    ///
    /// # Errors
    /// What the system says.
    fn send_now(&self, core: &Core) -> Result<bool, Answer> {
        let Some(flags) = calls::AT_ONCE else { return Ok(false) };
        let bytes = self.bytes.borrow();
        while self.sent.get() < bytes.len() {
            let rest = &bytes[self.sent.get()..];
            match calls::send_buffers(core, self.descriptor.as_fd(), &[IoSlice::new(rest)], flags) {
                Err(libc::EINTR) => {}
                Ok(count) if count > 0 => self.sent.set(self.sent.get() + count),
                Ok(_) => return Err(Ok(0)),
                Err(number) if is_for_lack_of_room(number) => return Ok(false),
                Err(number) => return Err(Err(Refusal::System(number))),
            }
        }
        Ok(true)
    }

    /// The same for a driver that would do no better; it gets what is left then.
    #[inline]
    pub(super) fn attempt(&self, core: &Core) -> Verdict {
        match self.send_now(core) {
            Ok(true) => {
                self.state.set(PieceState::Sent);
                Verdict::Sent
            }
            Ok(false) => Verdict::GoesOn,
            Err(failure) => self.fail(failure),
        }
    }

    #[cold]
    fn fail(&self, failure: Answer) -> Verdict {
        self.state.set(PieceState::Failed(failure));
        self.conclude();
        Verdict::Failed(self.owner.take())
    }
}

fn is_for_lack_of_room(number: i32) -> bool {
    // On some systems these differ.
    #[allow(unreachable_patterns, reason = "on Linux they do not")]
    let is_so = matches!(number, libc::EAGAIN | libc::EWOULDBLOCK);
    is_so
}
