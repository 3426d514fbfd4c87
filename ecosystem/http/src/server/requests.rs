//! What is known of the requests of a connection.

use std::{cell::Cell, rc::Rc, time::Instant};

/// How many requests of a connection are being handled or answered, and by when the head of the next must have come: in one place
/// in memory, as each request touches both.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) next_head: NextHead,
    here: Cell<usize>,
    /// Since the connection began, with those that have ended.
    total: Cell<u64>,
    /// Of all connections of the server.
    everywhere: Rc<Cell<usize>>,
}

impl Requests {
    pub(super) fn new(everywhere: Rc<Cell<usize>>) -> Rc<Self> {
        Rc::new(Self { next_head: NextHead::default(), here: Cell::new(0), total: Cell::new(0), everywhere })
    }

    pub(super) fn begin(self: &Rc<Self>) -> Busy {
        self.here.set(self.here.get() + 1);
        self.total.set(self.total.get() + 1);
        self.everywhere.set(self.everywhere.get() + 1);
        Busy(self.clone())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.here.get() == 0
    }

    pub(super) fn total(&self) -> u64 {
        self.total.get()
    }
}

/// A request that is being handled or answered, as long as this lives.
#[derive(Debug)]
pub(super) struct Busy(Rc<Requests>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.here.set(self.0.here.get() - 1);
        self.0.everywhere.set(self.0.everywhere.get() - 1);
    }
}

/// By when the next head must have come, and whether it has not.
#[derive(Debug, Default)]
pub(super) struct NextHead {
    due: Cell<Option<Instant>>,
    is_over: Cell<bool>,
}

impl NextHead {
    pub(super) fn set(&self, due: Option<Instant>) {
        self.due.set(due);
        self.is_over.set(false);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due.get()
    }

    /// Notes that the time is over.
    pub(super) fn end(&self) {
        self.is_over.set(true);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }
}
