//! What is decided for a call of the system that the runtime is about to make.

use crate::{
    Action, Fault, Kind, Submission,
    course::Plan,
    errors,
    reset::{is_regular_file, is_stream_socket},
};
use anyio_driver::{Call, CallKind, OpKind, Ruling};

/// Of so many calls of a kind one is neither interrupted nor would wait, so that who tries again comes through.
const SPARED: u64 = 4;

/// The smallest blocks of files that are in memory, in bytes.
const BLOCK: u64 = 512;

/// What becomes of a call, and by which decision, if it was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) ruling: Ruling,
    pub(crate) fault: Option<Fault>,
}

impl Verdict {
    const MADE: Self = Self { ruling: Ruling::Make, fault: None };

    fn refused(call: &Call, error: i32, fault: Option<Fault>) -> Self {
        let ruling = match call.kind {
            // Nothing is left open because of that.
            CallKind::Close => Ruling::MakeAndFail(error),
            _ => Ruling::Refuse(error),
        };
        Self { ruling, fault }
    }
}

impl Plan {
    /// The call's number, and what becomes of it.
    pub(crate) fn rule(&mut self, call: &Call) -> (u64, Verdict) {
        let number = self.number(call.kind.into());
        (number, self.verdict(call, number))
    }

    fn verdict(&self, call: &Call, number: u64) -> Verdict {
        let kind = Kind::Call(call.kind);
        if let Some(error) = self.failure(kind, number) {
            return Verdict::refused(call, error, None);
        }
        let length = call.length.map(|length| length as u64);
        match self.action(&Submission { kind, number, descriptor: call.fd, length }) {
            Some(Action::Fail(error) | Action::FailLate { error, .. }) => {
                return Verdict::refused(call, error, None);
            }
            Some(Action::Shorten) => return self.shortened(call, number, None),
            Some(Action::Delay(_) | Action::Slow(_) | Action::Spare) => return Verdict::MADE,
            None => {}
        }
        if let Some(error) = self.refusal_for_slowness(call.kind, number) {
            return Verdict::refused(call, error, None);
        }
        let usual = usual(call);
        if !usual.is_empty() && self.wants(kind, number, Fault::Error) {
            let choice = self.amount(kind, number, Fault::Error, usual.len() as u64);
            return Verdict::refused(call, usual[choice as usize], Some(Fault::Error));
        }
        let is_spared = number % SPARED == 0;
        if can_be_interrupted(call.kind) && !is_spared && self.wants(kind, number, Fault::Interrupted) {
            return Verdict::refused(call, libc::EINTR, Some(Fault::Interrupted));
        }
        if would_wait(call.kind) && !is_spared && self.wants(kind, number, Fault::WouldBlock) {
            return Verdict::refused(call, libc::EAGAIN, Some(Fault::WouldBlock));
        }
        if self.wants(kind, number, Fault::Short) {
            return self.shortened(call, number, Some(Fault::Short));
        }
        Verdict::MADE
    }

    /// A length with which a read ends where a block does, if it can: in memory are whole ones.
    fn up_to_a_block(offset: u64, length: usize) -> Option<usize> {
        let end = (offset + length as u64) / BLOCK * BLOCK;
        end.checked_sub(offset).filter(|&length| length > 0).map(|length| length as usize)
    }

    /// With what a call is refused that would do at once what is to be slow.
    fn refusal_for_slowness(&self, kind: CallKind, number: u64) -> Option<i32> {
        let chaos = self.chaos();
        match kind {
            CallKind::ReadCached => chaos.may_be_slow(OpKind::Read).then_some(libc::EAGAIN),
            CallKind::SendMessageNow => chaos.may_be_slow(OpKind::SendMessage).then_some(libc::EAGAIN),
            // Who waits until it can be tried again comes through.
            CallKind::SendNow => {
                (chaos.may_be_slow(OpKind::Send) && number % SPARED != 0).then_some(libc::EAGAIN)
            }
            // It is done otherwise then.
            CallKind::SendFile => chaos.may_be_slow(OpKind::Send).then_some(libc::EINVAL),
            CallKind::ReceiveNow => {
                (chaos.may_be_slow(OpKind::Receive) && number % SPARED != 0).then_some(libc::EAGAIN)
            }
            _ => None,
        }
    }

    fn shortened(&self, call: &Call, number: u64, fault: Option<Fault>) -> Verdict {
        match call.length {
            Some(length @ 2..) if can_be_short(call) => {
                let shorter = self.length(call.kind.into(), number, length as u64) as usize;
                match call.offset {
                    Some(offset) => Self::up_to_a_block(offset, shorter),
                    None => Some(shorter),
                }
                .map_or(Verdict::MADE, |length| Verdict { ruling: Ruling::MakeShorter(length), fault })
            }
            _ => Verdict::MADE,
        }
    }
}

/// The errors that are usual for a call.
fn usual(call: &Call) -> &'static [i32] {
    match call.kind {
        // Only of a file something is known to be lost.
        CallKind::Close if !call.fd.is_some_and(is_regular_file) => &[],
        kind => errors::usual_of_call(kind),
    }
}

/// Whether a call of this kind can be interrupted before it had any effect, or, if it closes, after.
const fn can_be_interrupted(kind: CallKind) -> bool {
    matches!(kind, CallKind::Close) || would_wait(kind) && !matches!(kind, CallKind::LookUp)
}

/// Whether a call of this kind may find that it would have to wait.
const fn would_wait(kind: CallKind) -> bool {
    matches!(
        kind,
        CallKind::ReceiveNow
            | CallKind::SendNow
            | CallKind::SendMessageNow
            | CallKind::SendFile
            | CallKind::ReadCached
            | CallKind::LookUp
    )
}

/// Whether less than what was asked for is an answer.
fn can_be_short(call: &Call) -> bool {
    match call.kind {
        CallKind::ReceiveNow | CallKind::SendNow | CallKind::SendFile => {
            call.fd.is_some_and(is_stream_socket)
        }
        CallKind::ReadCached => true,
        _ => false,
    }
}
