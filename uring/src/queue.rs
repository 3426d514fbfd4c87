//! Entries on their way to the kernel.
//!
//! # Contract
//! What an entry names stays valid until the kernel has answered it, as whoever queues one promises.

use crate::kind;
use anyio_driver::Token;
use io_uring::{SubmissionQueue, opcode, squeue::Entry};

/// Entries in the order in which they were asked for, as many as there are.
///
/// Each gets a number, counted up from 0, so that one can be found again as long as it is here.
#[derive(Default)]
pub(crate) struct Queue {
    /// Those that were moved and not yet removed come first.
    entries: Vec<Entry>,
    moved: usize,
    /// How many were removed.
    removed: u64,
    /// How many entries there may be that are not just moved: those that were taken back, and those that follow another.
    special: usize,
}

impl Queue {
    /// Appends an entry and gives its number.
    #[inline]
    pub(crate) fn push(&mut self, entry: Entry) -> u64 {
        let number = self.removed + self.entries.len() as u64;
        self.entries.push(entry);
        number
    }

    /// Appends an entry that tells of the release of the one before.
    pub(crate) fn push_release(&mut self, token: Token) {
        self.special += 1;
        let release = token.with_kind(kind::RELEASED).to_bits();
        self.push(opcode::Nop::new().build().user_data(release));
    }

    /// The number of the first entry that is still here; those with lower ones are the kernel's.
    #[inline]
    pub(crate) fn first_number(&self) -> u64 {
        self.removed + self.moved as u64
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == self.moved
    }

    /// Takes the entry of this number back, which must be here still. The kernel will not see it.
    pub(crate) fn take_back(&mut self, number: u64) {
        self.special += 1;
        self.entries[(number - self.removed) as usize] = taken_back();
    }

    /// Takes back all entries, and gives how many of them were operations of the caller.
    pub(crate) fn take_back_all(&mut self) -> usize {
        let count =
            self.entries[self.moved..].iter().filter(|entry| kind_of(entry) == kind::OPERATION).count();
        self.moved = self.entries.len();
        self.remove_moved();
        count
    }

    /// Moves as many entries as there is room for. One that tells of another's release follows it in the same go, as the
    /// kernel links only what it is given together.
    ///
    /// # Safety
    /// What the entries name stays valid until their completion.
    #[inline]
    pub(crate) unsafe fn move_to(&mut self, submission: &mut SubmissionQueue<'_>) {
        // SAFETY: promised by the caller.
        if self.special == 0 && unsafe { submission.push_multiple(&self.entries[self.moved..]) }.is_ok() {
            self.moved = self.entries.len();
        } else {
            // SAFETY: promised by the caller.
            unsafe { self.move_each_to(submission) };
        }
        self.remove_moved();
    }

    /// # Safety
    /// As for [`move_to`](Self::move_to).
    unsafe fn move_each_to(&mut self, submission: &mut SubmissionQueue<'_>) {
        let mut room = submission.capacity() - submission.len();
        while let [entry, behind @ ..] = &self.entries[self.moved..] {
            if entry.get_user_data() != TAKEN_BACK {
                let together = match behind.first() {
                    Some(next) if kind_of(next) == kind::RELEASED => 2,
                    _ => 1,
                };
                // SAFETY: promised by the caller.
                if room < together || unsafe { submission.push(entry) }.is_err() {
                    break;
                }
                room -= 1;
            }
            self.moved += 1;
        }
    }

    /// Removes what was moved, unless that would move more that was not.
    #[inline]
    fn remove_moved(&mut self) {
        if self.is_empty() {
            self.special = 0;
        } else if self.moved < self.entries.len() / 2 {
            return;
        }
        self.removed += self.moved as u64;
        self.entries.drain(..self.moved);
        self.moved = 0;
    }
}

fn kind_of(entry: &Entry) -> u8 {
    Token::from_bits(entry.get_user_data()).kind()
}

const TAKEN_BACK: u64 = Token::new(0, 0).with_kind(kind::TAKEN_BACK).to_bits();

fn taken_back() -> Entry {
    opcode::Nop::new().build().user_data(TAKEN_BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_entries_have_moved() {
        skip_unless_selected!();
        let mut queue = Queue::default();
        assert_eq!(queue.push(opcode::Nop::new().build()), 0);
        assert_eq!(queue.push(opcode::Nop::new().build()), 1);
        let mut ring = io_uring::IoUring::new(1).unwrap();
        // SAFETY: the entries name nothing.
        unsafe { queue.move_to(&mut ring.submission()) };
        assert_eq!(queue.first_number(), 1);
        assert_eq!(queue.push(opcode::Nop::new().build()), 2);
    }

    #[test]
    fn an_entry_and_the_one_that_tells_of_its_release_are_moved_together() {
        skip_unless_selected!();
        let mut queue = Queue::default();
        let entry = |token: Token| opcode::Nop::new().build().user_data(token.to_bits());
        queue.push(entry(Token::new(0, 0)));
        queue.push(entry(Token::new(1, 0)));
        queue.push_release(Token::new(1, 0));
        let mut ring = io_uring::IoUring::new(2).unwrap();
        // SAFETY: the entries name nothing.
        unsafe { queue.move_to(&mut ring.submission()) };
        assert_eq!(queue.first_number(), 1, "there was room for one of the two only");
        ring.submit_and_wait(1).unwrap();
        // SAFETY: the entries name nothing.
        unsafe { queue.move_to(&mut ring.submission()) };
        assert!(queue.is_empty());
    }

    #[test]
    fn more_than_there_is_room_for_is_moved_in_order_and_found_by_its_number_meanwhile() {
        skip_unless_selected!();
        let mut queue = Queue::default();
        for index in 0..9 {
            queue.push(opcode::Nop::new().build().user_data(Token::new(index, 0).to_bits()));
        }
        let mut ring = io_uring::IoUring::new(2).unwrap();
        let mut tokens = Vec::new();
        while !queue.is_empty() {
            // SAFETY: the entries name nothing.
            unsafe { queue.move_to(&mut ring.submission()) };
            if queue.first_number() == 2 {
                queue.take_back(7);
            }
            ring.submit_and_wait(1).unwrap();
            tokens.extend(ring.completion().map(|entry| Token::from_bits(entry.user_data()).index()));
        }
        assert_eq!(tokens, [0, 1, 2, 3, 4, 5, 6, 8]);
        assert_eq!((queue.first_number(), queue.push(opcode::Nop::new().build())), (9, 9));
    }

    #[test]
    fn what_was_taken_back_does_not_reach_the_kernel() {
        skip_unless_selected!();
        let mut queue = Queue::default();
        for index in 0..3 {
            queue.push(opcode::Nop::new().build().user_data(Token::new(index, 0).to_bits()));
        }
        queue.take_back(1);
        let mut ring = io_uring::IoUring::new(4).unwrap();
        // SAFETY: the entries name nothing.
        unsafe { queue.move_to(&mut ring.submission()) };
        ring.submit_and_wait(2).unwrap();
        let tokens: Vec<_> = ring.completion().map(|c| Token::from_bits(c.user_data()).index()).collect();
        assert_eq!(tokens, [0, 2]);
    }
}
