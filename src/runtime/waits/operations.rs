//! Operations in the driver, their results, and what streams keep.

use super::{
    Outcome, WaitKey, WaitKind, WaitState, Waits,
    slot::{Marks, Packed, Slot},
};
use crate::runtime::{
    MAX_QUEUED_MESSAGES, MAX_QUEUED_RESULTS, WaitReason,
    waker::{StoredWaker, TaskKey},
    wheel::NONE,
};
use anyio_driver::{Completion, CompletionFlags, Token, planted, prefetch};
use std::os::fd::RawFd;

/// Where a completion goes.
pub(crate) enum Delivery {
    /// Its waiter is to be woken.
    Wake(StoredWaker),
    /// The operation's future is gone; this is the index of its disposer.
    Orphan(u32),
    /// It sends the piece of this number.
    Piece(u32),
    /// Nobody waits for it under this token. The driver broke the contract.
    Stale,
}

/// Where one of several completions of an operation goes.
pub(crate) enum OneOfMany {
    /// Its waiter is to be woken.
    Wake {
        /// Whether as many are queued now as may be.
        is_full: bool,
        waker: StoredWaker,
    },
    /// The operation's future is gone; this is the index of its disposer.
    Orphan(u32),
    /// Nobody waits for it under this token. The driver broke the contract.
    Stale,
}

/// What a kept operation has brought.
pub(crate) enum Next {
    /// Nothing yet.
    Nothing,
    /// One of several results; the operation goes on, or has more to give.
    Result(Outcome),
    /// Its last. The slot is free again.
    Last(Outcome),
}

impl Waits {
    /// Whether the driver has been asked to cancel this operation.
    pub(crate) fn cancel_asked(&self, key: WaitKey) -> bool {
        self.slot(key).marks.contains(Marks::CANCEL_ASKED)
    }

    /// Remembers that the driver is being asked to cancel. Tells whether that is new, and there is something to cancel.
    pub(crate) fn ask_cancel(&self, key: WaitKey) -> bool {
        let slot = self.slot(key);
        slot.state != WaitState::Done && slot.marks.add(Marks::CANCEL_ASKED)
    }

    /// Takes a slot for the sending of a piece that has this number in the outbox.
    #[inline]
    pub(in crate::runtime) fn insert_piece(&self, number: u32, descriptor: Option<RawFd>) -> WaitKey {
        let key = self.insert(WaitKind::Piece, WaitReason::Send);
        let slot = self.slot(key);
        slot.outcome.result = number as i32;
        slot.outcome.set_descriptor(descriptor.unwrap_or(-1));
        key
    }

    /// Whether a scope was cancelled before what is waited for has happened.
    pub(crate) fn is_cancelled(&self, key: WaitKey) -> bool {
        self.state(key) == WaitState::Cancelled
    }

    /// Notes which descriptor an operation uses that is going to be submitted.
    #[inline]
    pub(crate) fn set_descriptor(&self, key: WaitKey, number: Option<RawFd>) {
        let slot = self.slot(key);
        let number = number.unwrap_or(-1);
        slot.outcome.set_descriptor(number);
        if slot.kind == WaitKind::Operation {
            slot.link.tick = number as u64;
        }
    }

    /// Frees the slots of operations that were answered to futures which had used this descriptor and are forgotten. Gives the
    /// wakers that they held, to be dropped when everything else is done.
    pub(crate) fn forget_operations_on(&self, number: RawFd) -> Vec<StoredWaker> {
        let is_forgotten = |slot: &Slot| {
            let answered = slot.kind == WaitKind::Operation && slot.state == WaitState::Done;
            answered && slot.link.tick == number as u64
        };
        let indices = 0..self.slots().len() as u32;
        indices
            .filter(|&index| is_forgotten(&self.slots()[index as usize]))
            .map(|index| self.free_slot(index))
            .collect()
    }

    /// The operations that the driver has not answered and that use this descriptor; of each, whether a future is to get its
    /// answer.
    pub(crate) fn operations_on(&self, number: RawFd) -> Vec<(WaitKey, bool)> {
        let uses = |slot: &Slot| {
            let operation = matches!(
                slot.kind,
                WaitKind::Operation
                    | WaitKind::Kept
                    | WaitKind::KeptMessages
                    | WaitKind::Orphan
                    | WaitKind::Piece
            );
            operation && slot.state != WaitState::Done && slot.outcome.descriptor() == number
        };
        let slots = self.slots();
        let users = slots.iter().enumerate().filter(|(_, slot)| uses(slot));
        users
            .map(|(index, slot)| (self.key(index as u32, slot.generation), slot.kind == WaitKind::Operation))
            .collect()
    }

    /// Asks for every operation to be cancelled that the driver has not answered and was not asked to cancel.
    pub(crate) fn cancel_operations(&self, mut cancel: impl FnMut(Token)) {
        for (index, slot) in self.slots().iter_mut().enumerate() {
            let waiting = slot.state != WaitState::Done;
            let operation = matches!(
                slot.kind,
                WaitKind::Operation
                    | WaitKind::Kept
                    | WaitKind::KeptMessages
                    | WaitKind::Orphan
                    | WaitKind::Piece
            );
            if operation && waiting && slot.marks.add(Marks::CANCEL_ASKED) {
                cancel(Token::new(index as u32, slot.generation));
            }
        }
    }

    /// The operations of futures that are alive which the driver has not answered.
    pub(crate) fn operations_in_flight(&self) -> Vec<WaitKey> {
        let is_in_flight = |slot: &Slot| {
            let operation =
                matches!(slot.kind, WaitKind::Operation | WaitKind::Kept | WaitKind::KeptMessages);
            operation && slot.state != WaitState::Done
        };
        let slots = self.slots();
        let in_flight = slots.iter().enumerate().filter(|(_, slot)| is_in_flight(slot));
        in_flight.map(|(index, slot)| self.key(index as u32, slot.generation)).collect()
    }

    /// Gives the descriptors which operations have brought to futures and listeners that have not taken them, once.
    pub(crate) fn take_descriptors(&self, mut give: impl FnMut(RawFd)) {
        for slot in self.slots() {
            let operation = matches!(slot.kind, WaitKind::Operation | WaitKind::Kept);
            if operation && slot.state == WaitState::Done {
                let outcome = slot.outcome.unpack();
                if outcome.flags.contains(CompletionFlags::DESCRIPTOR) {
                    slot.outcome = Packed::default();
                    give(outcome.result);
                }
            }
        }
    }

    /// Notes that the messages which an operation brings may carry descriptors.
    pub(crate) fn set_rights(&self, key: WaitKey) {
        self.slot(key).marks.insert(Marks::RIGHTS);
    }

    /// Gives the messages that may carry descriptors and were not taken by their sockets, once.
    pub(crate) fn take_rights(&self, mut give: impl FnMut(Outcome)) {
        for index in 0..self.slots().len() as u32 {
            let slot = &mut self.slots()[index as usize];
            if slot.kind != WaitKind::KeptMessages || !slot.marks.contains(Marks::RIGHTS) {
                continue;
            }
            slot.marks.remove(Marks::RIGHTS);
            let key = WaitKey::new(Token::new(index, slot.generation), self.run);
            loop {
                match self.take_next(key) {
                    Next::Nothing => break,
                    Next::Result(outcome) => give(outcome),
                    Next::Last(outcome) => {
                        give(outcome);
                        break;
                    }
                }
            }
        }
    }

    /// Makes an operation that a stream keeps waitable again after its waiter was cancelled. Gives the waker that it held,
    /// to be dropped when everything else is done.
    pub(crate) fn unhook(&self, key: WaitKey) -> StoredWaker {
        self.unlink(key);
        let slot = self.slot(key);
        if slot.state == WaitState::Cancelled {
            slot.state = WaitState::Waiting;
        }
        slot.waker.take()
    }

    /// The final completion of an operation, if it is there. The slot stays.
    #[inline]
    pub(crate) fn outcome(&self, key: WaitKey) -> Option<Outcome> {
        let slot = self.slot(key);
        (slot.state == WaitState::Done).then(|| slot.outcome.unpack())
    }

    /// The final completion of an operation, if it is there. The slot is free afterwards.
    #[inline]
    pub(crate) fn take_outcome(&self, key: WaitKey) -> Option<Outcome> {
        let outcome = self.outcome(key)?;
        // Whoever waited was woken by it.
        drop(self.free_slot(key.index()));
        Some(outcome)
    }

    /// Hands a driver's final completion to its slot.
    #[inline]
    pub(crate) fn complete(&self, completion: &Completion) -> Delivery {
        let index = completion.token.index() as usize;
        let Some(slot) = self
            .slots()
            .get_mut(index)
            .filter(|slot| slot.generation == completion.token.generation() && slot.state != WaitState::Done)
        else {
            return Delivery::Stale;
        };
        match slot.kind {
            WaitKind::Operation | WaitKind::Kept | WaitKind::KeptMessages => {
                slot.state = WaitState::Done;
                slot.outcome = Packed::new(completion);
                Delivery::Wake(slot.waker.take())
            }
            WaitKind::Piece => Delivery::Piece(slot.outcome.result as u32),
            WaitKind::Orphan => Delivery::Orphan(slot.outcome.result as u32),
            _ => Delivery::Stale,
        }
    }

    /// Has a slot fetched, because it will be looked at soon. It need not exist any more.
    #[inline]
    pub(crate) fn prefetch(&self, index: u32) {
        if let Some(slot) = self.slots().get(index as usize) {
            prefetch(slot);
        }
    }

    /// Which task the completion of an operation will wake, as far as can be told.
    #[inline]
    pub(crate) fn task_of(&self, token: Token) -> Option<TaskKey> {
        self.slots().get(token.index() as usize)?.waker.task()
    }

    /// The slot that a completion belongs to, if it still does.
    pub(crate) fn of_token(&self, token: Token) -> Option<WaitKey> {
        let key = WaitKey::new(token, self.run);
        self.is_current(key).then_some(key)
    }

    /// Turns an operation into an orphan, to be disposed of by the disposer of this index. Gives the waker that it held, to
    /// be dropped when everything else is done.
    pub(crate) fn orphan(&self, key: WaitKey, disposer: u32) -> StoredWaker {
        self.unlink(key);
        let slot = self.slot(key);
        slot.kind = WaitKind::Orphan;
        slot.state = WaitState::Waiting;
        slot.outcome.result = disposer as i32;
        slot.waker.take()
    }

    // ---- results that wait for their stream: in the operation's link `next` is the first of them, `previous` the
    // last, and the tick their number ----

    /// Hands one of several completions to its slot: appends it to the results of a kept operation.
    #[inline]
    pub(crate) fn complete_one_of_many(&self, completion: &Completion) -> OneOfMany {
        let index = completion.token.index() as usize;
        let generation = completion.token.generation();
        match self.slots().get(index) {
            Some(slot) if slot.generation == generation && slot.kind == WaitKind::Orphan => {
                return OneOfMany::Orphan(slot.outcome.result as u32);
            }
            Some(slot) if slot.generation == generation => {}
            _ => return OneOfMany::Stale,
        }
        let result = self.insert_result(completion);
        let slots = self.slots();
        let link = &mut slots[index].link;
        let last = std::mem::replace(&mut link.previous, result);
        link.tick += 1;
        if planted("answers in the wrong order") && last != NONE {
            let first = std::mem::replace(&mut link.next, result);
            link.previous = last;
            slots[result as usize].link.next = first;
        } else if last == NONE {
            link.next = result;
        } else {
            slots[last as usize].link.next = result;
        }
        let slot = &mut slots[index];
        let most = match slot.kind {
            WaitKind::KeptMessages => MAX_QUEUED_MESSAGES,
            _ => MAX_QUEUED_RESULTS,
        };
        OneOfMany::Wake { is_full: slot.link.tick as usize >= most, waker: slot.waker.take() }
    }

    /// Takes a slot for a result. It is nobody's by name, so its generation stays as it is.
    #[inline]
    fn insert_result(&self, completion: &Completion) -> u32 {
        let index = self.free.get();
        let Some(slot) = self.slots().get_mut(index as usize) else {
            let key = self.insert(WaitKind::Queued, WaitReason::Receive);
            self.slot(key).outcome = Packed::new(completion);
            return key.index();
        };
        self.used.set(self.used.get() + 1);
        self.free.set(slot.link.next);
        slot.kind = WaitKind::Queued;
        slot.link.next = NONE;
        slot.outcome = Packed::new(completion);
        index
    }

    /// Takes what a kept operation has brought: results first, then the last, with which it ends.
    #[inline(always)]
    pub(crate) fn take_next(&self, key: WaitKey) -> Next {
        let slot = self.slot(key);
        if slot.link.next != NONE {
            return Next::Result(self.take_queued(key));
        }
        if slot.state != WaitState::Done {
            return Next::Nothing;
        }
        let outcome = slot.outcome.unpack();
        // Whoever waited was woken by it.
        drop(self.free_slot(key.index()));
        Next::Last(outcome)
    }

    /// Whether a kept operation has brought results that were not taken, beside the last.
    pub(crate) fn has_queued(&self, key: WaitKey) -> bool {
        self.slot(key).link.next != NONE
    }

    /// Whether a kept operation has brought something that was not taken.
    pub(crate) fn has_next(&self, key: WaitKey) -> bool {
        self.has_queued(key) || self.outcome(key).is_some()
    }

    /// Takes the first of the results of an operation that has some and is current.
    #[inline]
    fn take_queued(&self, key: WaitKey) -> Outcome {
        let slots = self.slots();
        let index = slots[key.index() as usize].link.next;
        let result = &mut slots[index as usize];
        let (outcome, next) = (result.outcome.unpack(), result.link.next);
        // A result has neither waker nor scope.
        result.kind = WaitKind::Free;
        result.link.next = self.free.replace(index);
        self.used.set(self.used.get() - 1);
        let link = &mut slots[key.index() as usize].link;
        link.next = next;
        link.tick -= 1;
        if next == NONE {
            link.previous = NONE;
        }
        outcome
    }
}
