//! What is known of each operation in flight.

use anyio_driver::{Token, prefetch};

/// The operations in flight, by the index of their token.
#[derive(Default)]
pub(crate) struct Operations {
    slots: Vec<Slot>,
    in_flight: usize,
    /// How many of them are [`DOUBTFUL`].
    doubtful: usize,
}

/// What is known of one operation.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// Its entry's number in the queue.
    number: u64,
    generation: u32,
    /// How often the kernel has said that it did not find it.
    failures: u8,
    marks: u16,
}

/// The operation is in flight.
const ACTIVE: u16 = 1;
/// Its completion was made by the driver and waits for the next turn.
const ANSWERED: u16 = 2;
/// It has been asked for it to be cancelled.
const CANCEL_ASKED: u16 = 4;
/// The kernel has completed it, with the result in place of the number, and has yet to let go of its file.
const HELD: u16 = 8;
/// The kernel has let go of the file.
const RELEASED: u16 = 16;
/// An entry of kind [`RELEASED`](crate::kind::RELEASED) follows its own: the kernel tells by it when it has let go of the
/// file.
pub(crate) const LINKED: u16 = 32;
/// Its success brings a descriptor.
pub(crate) const OPENS: u16 = 64;
/// The kernel chooses its buffers.
pub(crate) const CHOOSES: u16 = 128;
/// The kernel chooses its buffers from those for messages.
pub(crate) const CHOOSES_MESSAGES: u16 = 256;
/// It is a send whose memory the kernel may need for longer than until it has told what was sent: see `zero_copy`.
pub(crate) const ZERO_COPY: u16 = 512;

/// The kernel may fail to tell of its completion. See [`EventSource`](crate::event_source::EventSource).
pub(crate) const DOUBTFUL: u16 = 1024;

/// What is to be done about a request to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// Nothing: it has ended, or was asked for before.
    Nothing,
    /// So many entries from this number on are to be taken back from the queue.
    TakeBack(u64, u64),
    /// The kernel is to be asked.
    Ask,
}

/// What became of an operation with a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// Whether it had been asked for it to be cancelled.
    pub(crate) cancel_asked: bool,
    /// [`CHOOSES`], [`CHOOSES_MESSAGES`] or neither.
    pub(crate) choice: u16,
    /// Whether its result waits until the kernel has let go of its file.
    pub(crate) held: bool,
    /// Whether a success brings a descriptor.
    pub(crate) opens: bool,
    /// Whether it was a send without a copy.
    pub(crate) zero_copy: bool,
}

impl Operations {
    /// Notes an operation whose entry has this number, and what is special about it.
    #[inline]
    pub(crate) fn start(&mut self, token: Token, number: u64, marks: u16) {
        self.doubtful += usize::from(marks & DOUBTFUL != 0);
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
        if slot.marks & (ANSWERED | CANCEL_ASKED | HELD) != 0 {
            if slot.marks & ZERO_COPY != 0 {
                // What the kernel refuses to send without a copy is not to be sent with one any more.
                slot.marks |= CANCEL_ASKED;
            }
            return Cancel::Nothing;
        }
        slot.marks |= CANCEL_ASKED;
        if slot.number < first_queued {
            return Cancel::Ask;
        }
        slot.marks |= ANSWERED;
        Cancel::TakeBack(slot.number, if slot.marks & LINKED == 0 { 1 } else { 2 })
    }

    /// Notes that a cancel has not ended an operation, as far as is known, and gives how often this was so; nothing if it has
    /// ended.
    pub(crate) fn cancel_failed(&mut self, token: Token) -> Option<u8> {
        let slot = self.alive(token).filter(|slot| slot.marks & HELD == 0)?;
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

    /// Notes the only completion of an operation of which nothing special is known. False if it is no such operation.
    #[inline]
    pub(crate) fn complete_plain(&mut self, token: Token) -> bool {
        match self.slots.get_mut(token.index() as usize) {
            Some(slot) if slot.marks == ACTIVE && slot.generation == token.generation() => {
                slot.marks = 0;
                self.in_flight -= 1;
                true
            }
            _ => false,
        }
    }

    /// Notes a completion that the kernel made; nothing if there is no such operation for it to make one of.
    #[inline]
    pub(crate) fn complete(&mut self, token: Token, result: i32, is_final: bool) -> Option<Known> {
        if is_final && self.complete_plain(token) {
            return Some(Known::default());
        }
        self.complete_special(token, result, is_final)
    }

    fn complete_special(&mut self, token: Token, result: i32, is_final: bool) -> Option<Known> {
        let slot = self.alive(token).filter(|slot| slot.marks & (ANSWERED | HELD) == 0)?;
        let mut known = Known {
            cancel_asked: slot.marks & CANCEL_ASKED != 0,
            choice: slot.marks & (CHOOSES | CHOOSES_MESSAGES),
            held: false,
            opens: slot.marks & OPENS != 0,
            zero_copy: slot.marks & ZERO_COPY != 0,
        };
        if slot.marks & (LINKED | RELEASED) == LINKED || known.zero_copy && !is_final {
            slot.marks |= HELD;
            slot.number = u64::from(result as u32);
            known.held = true;
        } else if is_final {
            let marks = std::mem::take(&mut slot.marks);
            self.end(marks);
        }
        Some(known)
    }

    /// Notes that the kernel has let go of the file of an operation; gives its result if it was completed before.
    ///
    /// # Errors
    /// If there is no such operation.
    pub(crate) fn release(&mut self, token: Token) -> Result<Option<(i32, Known)>, ()> {
        let slot = self.alive(token).filter(|slot| slot.marks & (LINKED | RELEASED) == LINKED).ok_or(())?;
        if slot.marks & HELD == 0 {
            slot.marks |= RELEASED;
            return Ok(None);
        }
        let known = Known { cancel_asked: slot.marks & CANCEL_ASKED != 0, ..Known::default() };
        let result = slot.number as i32;
        let marks = std::mem::take(&mut slot.marks);
        self.end(marks);
        Ok(Some((result, known)))
    }

    /// Notes that the kernel needs the memory of a send no more; gives its result.
    ///
    /// # Errors
    /// If there is no such send.
    pub(crate) fn let_go(&mut self, token: Token) -> Result<(i32, Known), ()> {
        let is_held = |slot: &&mut Slot| slot.marks & (ZERO_COPY | HELD) == ZERO_COPY | HELD;
        let slot = self.alive(token).filter(is_held).ok_or(())?;
        let cancel_asked = slot.marks & CANCEL_ASKED != 0;
        let known = Known { cancel_asked, zero_copy: true, ..Known::default() };
        let result = slot.number as i32;
        let marks = std::mem::take(&mut slot.marks);
        self.end(marks);
        Ok((result, known))
    }

    /// Notes that the completion which the driver made has been handed out.
    pub(crate) fn hand_out_answered(&mut self, token: Token) {
        let slot =
            self.alive(token).expect("an operation stays in flight until its completion is handed out");
        let marks = std::mem::take(&mut slot.marks);
        self.end(marks);
    }

    /// Counts one less, with these marks.
    #[inline]
    fn end(&mut self, marks: u16) {
        self.in_flight -= 1;
        self.doubtful -= usize::from(marks & DOUBTFUL != 0);
    }

    /// Whether the kernel may fail to tell of a completion.
    #[inline]
    pub(crate) fn are_doubtful(&self) -> bool {
        self.doubtful > 0
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

    const CANCELLED: Known =
        Known { cancel_asked: true, choice: 0, held: false, opens: false, zero_copy: false };
    const COMPLETED: Known = Known { cancel_asked: false, ..CANCELLED };

    #[test]
    fn a_queued_operation_is_taken_back_once() {
        let mut operations = with(5);
        assert_eq!(operations.cancel(TOKEN, 5), Cancel::TakeBack(5, 1));
        assert_eq!(operations.cancel(TOKEN, 6), Cancel::Nothing);
        assert_eq!(operations.complete(TOKEN, 0, true), None, "the kernel never saw it");
        assert_eq!(operations.in_flight(), 1);
        operations.hand_out_answered(TOKEN);
        assert_eq!(operations.in_flight(), 0);
    }

    #[test]
    fn a_submitted_operation_is_asked_for_once_and_may_still_succeed() {
        let mut operations = with(5);
        assert_eq!(operations.cancel(TOKEN, 6), Cancel::Ask);
        assert_eq!(operations.cancel(TOKEN, 6), Cancel::Nothing);
        assert_eq!(operations.complete(TOKEN, 0, true), Some(CANCELLED));
        assert_eq!(operations.in_flight(), 0);
    }

    #[test]
    fn failures_are_counted_while_it_lives_and_not_afterwards() {
        let mut operations = with(0);
        assert_eq!(operations.cancel(TOKEN, 1), Cancel::Ask);
        assert_eq!(operations.cancel_failed(TOKEN), Some(1));
        assert_eq!(operations.cancel_failed(TOKEN), Some(2));
        operations.complete(TOKEN, 0, true);
        assert_eq!(operations.cancel_failed(TOKEN), None);
    }

    #[test]
    fn another_generation_is_another_operation() {
        let mut operations = with(0);
        let old = Token::new(3, 6);
        assert_eq!(operations.cancel(old, 1), Cancel::Nothing);
        assert_eq!(operations.complete(old, 0, true), None);
        assert_eq!(operations.cancel_failed(old), None);
        assert_eq!(operations.complete(Token::new(999, 0), 0, true), None);
        assert_eq!(operations.in_flight(), 1);
    }

    #[test]
    fn only_the_final_completion_ends_an_operation() {
        let mut operations = with(0);
        assert_eq!(operations.complete(TOKEN, 1, false), Some(COMPLETED));
        assert!(operations.is_alive(TOKEN));
        operations.complete(TOKEN, 0, true);
        assert!(!operations.is_alive(TOKEN));
        assert_eq!(operations.complete(TOKEN, 0, true), None);
    }

    #[test]
    fn a_send_without_a_copy_ends_when_its_memory_is_let_go() {
        let mut operations = Operations::default();
        operations.start(TOKEN, 0, ZERO_COPY);
        assert!(operations.complete(TOKEN, 9, false).unwrap().held);
        assert_eq!(operations.in_flight(), 1);
        assert_eq!(operations.cancel(TOKEN, 1), Cancel::Nothing, "it was sent");
        let (result, known) = operations.let_go(TOKEN).unwrap();
        assert_eq!((result, known.cancel_asked, operations.in_flight()), (9, true, 0));
        assert_eq!(operations.let_go(TOKEN), Err(()));
        // The kernel has refused before it took hold of anything.
        operations.start(TOKEN, 1, ZERO_COPY);
        let known = operations.complete(TOKEN, -1, true).unwrap();
        assert!(known.zero_copy && !known.held && operations.in_flight() == 0);
    }

    fn linked(number: u64) -> Operations {
        let mut operations = Operations::default();
        operations.start(TOKEN, number, LINKED);
        operations
    }

    #[test]
    fn the_result_of_a_linked_operation_waits_until_its_file_is_released() {
        let mut operations = linked(0);
        assert_eq!(operations.complete(TOKEN, -5, true), Some(Known { held: true, ..COMPLETED }));
        assert_eq!(operations.in_flight(), 1);
        assert_eq!(operations.cancel(TOKEN, 1), Cancel::Nothing, "it has happened");
        assert_eq!(operations.release(TOKEN), Ok(Some((-5, COMPLETED))));
        assert_eq!(operations.in_flight(), 0);
        assert_eq!(operations.release(TOKEN), Err(()));
    }

    #[test]
    fn a_release_that_comes_first_holds_nothing_back() {
        let mut operations = linked(0);
        assert_eq!(operations.release(TOKEN), Ok(None));
        assert_eq!(operations.release(TOKEN), Err(()), "there is one release");
        assert_eq!(operations.complete(TOKEN, 3, true), Some(COMPLETED));
        assert_eq!(operations.in_flight(), 0);
    }

    #[test]
    fn a_linked_operation_is_taken_back_with_what_follows_it() {
        let mut operations = linked(7);
        assert_eq!(operations.cancel(TOKEN, 7), Cancel::TakeBack(7, 2));
    }
}
