//! Operations that have not completed yet, and the lists in which they wait.
//!
//! Each is kept at the index of its token, which its caller takes from a slab, so the table is as large as the
//! most operations that were ever in flight. The lists run through the table: joining and leaving one costs
//! neither an allocation nor a search.

use anyio_driver::{Op, Token, workers::JobHandle};
use std::os::fd::{OwnedFd, RawFd};

const NONE: u32 = u32::MAX;

/// A list of waiting operations, in order of arrival.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

impl List {
    #[inline]
    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

/// Which of a descriptor's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Reading,
    Writing,
    /// Waits for whatever happens.
    Watching,
}

/// What an operation that has not completed waits for.
pub(crate) enum Place {
    /// Readiness of the descriptor.
    Ready { fd: RawFd, side: Side },
    /// Room in the queue of a listening socket, of which nobody tells.
    Room,
    /// A thread.
    Job(JobHandle),
}

/// An operation that has not completed.
pub(crate) struct Pending {
    pub(crate) token: Token,
    pub(crate) op: Op,
    /// How far it has come, in terms of the kind of operation.
    pub(crate) progress: u32,
    pub(crate) place: Place,
    /// A descriptor of the driver's own that the operation waits on.
    pub(crate) watch: Option<OwnedFd>,
    previous: u32,
    next: u32,
}

impl Pending {
    pub(crate) fn new(token: Token, op: Op, progress: u32, place: Place) -> Self {
        Self { token, op, progress, place, watch: None, previous: NONE, next: NONE }
    }
}

#[derive(Default)]
pub(crate) struct Operations(Vec<Option<Pending>>);

impl Operations {
    pub(crate) fn insert(&mut self, pending: Pending) -> u32 {
        let index = pending.token.index();
        if index as usize >= self.0.len() {
            self.0.resize_with(index as usize + 1, || None);
        }
        let slot = &mut self.0[index as usize];
        debug_assert!(slot.is_none(), "an operation with the index of {:?} is in flight", pending.token);
        *slot = Some(pending);
        index
    }

    #[inline]
    pub(crate) fn get(&mut self, index: u32) -> Option<&mut Pending> {
        self.0.get_mut(index as usize)?.as_mut()
    }

    /// The operation of this token, unless it has completed.
    #[inline]
    pub(crate) fn find(&mut self, token: Token) -> Option<&mut Pending> {
        self.get(token.index()).filter(|pending| pending.token == token)
    }

    #[inline]
    pub(crate) fn remove(&mut self, index: u32) -> Option<Pending> {
        self.0.get_mut(index as usize)?.take()
    }

    /// The operation behind this one in its list.
    #[inline]
    pub(crate) fn after(&mut self, index: u32) -> Option<u32> {
        self.get(index).map(|pending| pending.next).filter(|next| *next != NONE)
    }

    /// Puts an operation, which is in no list, at the end of one.
    pub(crate) fn append(&mut self, list: &mut List, index: u32) {
        if let Some(pending) = self.get(index) {
            (pending.previous, pending.next) = (list.last, NONE);
        }
        match self.get(list.last) {
            Some(last) => last.next = index,
            None => list.first = index,
        }
        list.last = index;
    }

    /// Takes an operation out of its list.
    pub(crate) fn unlink(&mut self, list: &mut List, index: u32) {
        let Some(pending) = self.get(index) else { return };
        let (previous, next) = (pending.previous, pending.next);
        (pending.previous, pending.next) = (NONE, NONE);
        match self.get(previous) {
            Some(pending) => pending.next = next,
            None => list.first = next,
        }
        match self.get(next) {
            Some(pending) => pending.previous = previous,
            None => list.last = previous,
        }
    }
}
