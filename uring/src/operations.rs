//! What is known of each operation in flight.

use anyio_driver::{Token, prefetch};

/// The operations in flight, by the index of their token.
#[derive(Default)]
pub(crate) struct Operations {
    slots: Vec<Slot>,
    in_flight: usize,
}

/// What is known of one operation.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// Its entry's number in the queue.
    number: u64,
    generation: u32,
    /// How often the kernel has said that it did not find it.
    failures: u8,
    marks: u8,
}

/// The operation is in flight.
const ACTIVE: u8 = 1;
/// Its completion was made by the driver and waits for the next turn.
const ANSWERED: u8 = 2;
/// It has been asked for it to be cancelled.
const CANCEL_ASKED: u8 = 4;
/// It can't be cancelled, so that requests for it are ignored.
pub(crate) const PERSISTENT: u8 = 8;
/// The kernel chooses its buffers.
pub(crate) const CHOOSES: u8 = 16;
/// The kernel chooses its buffers from those for messages.
pub(crate) const CHOOSES_MESSAGES: u8 = 32;

/// What is to be done about a request to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// Nothing: it has ended, was asked for before, or can't be cancelled.
    Nothing,
    /// The entry of this number is to be taken back from the queue.
    TakeBack(u64),
    /// The kernel is to be asked.
    Ask,
}

/// What became of an operation with a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// Whether it had been asked for it to be cancelled.
    pub(crate) cancel_asked: bool,
    /// [`CHOOSES`], [`CHOOSES_MESSAGES`] or neither.
    pub(crate) choice: u8,
}

impl Operations {
    /// Notes an operation whose entry has this number, and what is special about it.
    #[inline]
    pub(crate) fn start(&mut self, token: Token, number: u64, marks: u8) {
        let marks = ACTIVE | marks;
        self.insert(token, Slot { number, generation: token.generation(), failures: 0, marks });
    }

    /// Notes an operation whose completion is already known.
    pub(crate) fn start_answered(&mut self, token: Token) {
        let marks = ACTIVE | ANSWERED;
        self.insert(token, Slot { number: 0, generation: token.generation(), failures: 0, marks });
    }

    #[inline]
    fn insert(&mut self, token: Token, slot: Slot) {
        let index = token.index() as usize;
        if index >= self.slots.len() {
            self.grow(index);
        }
        debug_assert!(self.slots[index].marks & ACTIVE == 0, "{token:?} has an operation in flight");
        self.slots[index] = slot;
        self.in_flight += 1;
    }

    #[cold]
    fn grow(&mut self, index: usize) {
        self.slots.resize((index + 1).next_power_of_two().max(64), Slot::default());
    }

    #[inline]
    fn alive(&mut self, token: Token) -> Option<&mut Slot> {
        self.slots
            .get_mut(token.index() as usize)
            .filter(|slot| slot.marks & ACTIVE != 0 && slot.generation == token.generation())
    }

    /// Notes that an operation is to be cancelled. Entries from `first_queued` on are still in the queue.
    pub(crate) fn cancel(&mut self, token: Token, first_queued: u64) -> Cancel {
        let Some(slot) = self.alive(token) else { return Cancel::Nothing };
        if slot.marks & (ANSWERED | CANCEL_ASKED | PERSISTENT) != 0 {
            return Cancel::Nothing;
        }
        slot.marks |= CANCEL_ASKED;
        if slot.number < first_queued {
            return Cancel::Ask;
        }
        slot.marks |= ANSWERED;
        Cancel::TakeBack(slot.number)
    }

    /// Notes that the kernel has not found an operation that was to be cancelled, and gives how often this was
    /// so; nothing if it has ended.
    pub(crate) fn cancel_failed(&mut self, token: Token) -> Option<u8> {
        let slot = self.alive(token)?;
        slot.failures = slot.failures.saturating_add(1);
        Some(slot.failures)
    }

    /// Whether this operation has no final completion yet.
    pub(crate) fn is_alive(&mut self, token: Token) -> bool {
        self.alive(token).is_some()
    }

    /// Has fetched what is known of an operation, because it will be looked at soon.
    #[inline]
    pub(crate) fn prefetch(&self, token: Token) {
        if let Some(slot) = self.slots.get(token.index() as usize) {
            prefetch(slot);
        }
    }

    /// Notes a completion that the kernel made; nothing if there is no such operation for it to make one of.
    #[inline]
    pub(crate) fn complete(&mut self, token: Token, is_final: bool) -> Option<Known> {
        let slot = self.alive(token).filter(|slot| slot.marks & ANSWERED == 0)?;
        let known = Known {
            cancel_asked: slot.marks & CANCEL_ASKED != 0,
            choice: slot.marks & (CHOOSES | CHOOSES_MESSAGES),
        };
        if is_final {
            slot.marks = 0;
            self.in_flight -= 1;
        }
        Some(known)
    }

    /// Notes that the completion which the driver made has been handed out.
    pub(crate) fn hand_out_answered(&mut self, token: Token) {
        let slot =
            self.alive(token).expect("an operation stays in flight until its completion is handed out");
        slot.marks = 0;
        self.in_flight -= 1;
    }

    /// How many have no final completion handed out yet.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token::new(3, 7);

    fn with(number: u64) -> Operations {
        let mut operations = Operations::default();
        operations.start(TOKEN, number, 0);
        operations
    }

    #[test]
    fn a_queued_operation_is_taken_back_once() {
        let mut operations = with(5);
        assert_eq!(operations.cancel(TOKEN, 5), Cancel::TakeBack(5));
        assert_eq!(operations.cancel(TOKEN, 6), Cancel::Nothing);
        assert_eq!(operations.complete(TOKEN, true), None, "the kernel never saw it");
        assert_eq!(operations.in_flight(), 1);
        operations.hand_out_answered(TOKEN);
        assert_eq!(operations.in_flight(), 0);
    }

    #[test]
    fn a_submitted_operation_is_asked_for_once_and_may_still_succeed() {
        let mut operations = with(5);
        assert_eq!(operations.cancel(TOKEN, 6), Cancel::Ask);
        assert_eq!(operations.cancel(TOKEN, 6), Cancel::Nothing);
        assert_eq!(operations.complete(TOKEN, true), Some(Known { cancel_asked: true, choice: 0 }));
        assert_eq!(operations.in_flight(), 0);
    }

    #[test]
    fn failures_are_counted_while_it_lives_and_not_afterwards() {
        let mut operations = with(0);
        assert_eq!(operations.cancel(TOKEN, 1), Cancel::Ask);
        assert_eq!(operations.cancel_failed(TOKEN), Some(1));
        assert_eq!(operations.cancel_failed(TOKEN), Some(2));
        operations.complete(TOKEN, true);
        assert_eq!(operations.cancel_failed(TOKEN), None);
    }

    #[test]
    fn another_generation_is_another_operation() {
        let mut operations = with(0);
        let old = Token::new(3, 6);
        assert_eq!(operations.cancel(old, 1), Cancel::Nothing);
        assert_eq!(operations.complete(old, true), None);
        assert_eq!(operations.cancel_failed(old), None);
        assert_eq!(operations.complete(Token::new(999, 0), true), None);
        assert_eq!(operations.in_flight(), 1);
    }

    #[test]
    fn only_the_final_completion_ends_an_operation() {
        let mut operations = with(0);
        assert_eq!(operations.complete(TOKEN, false), Some(Known { cancel_asked: false, choice: 0 }));
        assert!(operations.is_alive(TOKEN));
        operations.complete(TOKEN, true);
        assert!(!operations.is_alive(TOKEN));
        assert_eq!(operations.complete(TOKEN, true), None);
    }

    #[test]
    fn a_persistent_operation_ignores_requests_to_cancel() {
        let mut operations = Operations::default();
        operations.start(TOKEN, 0, PERSISTENT);
        assert_eq!(operations.cancel(TOKEN, 0), Cancel::Nothing);
        assert_eq!(operations.complete(TOKEN, true), Some(Known { cancel_asked: false, choice: 0 }));
    }
}
