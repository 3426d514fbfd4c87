//! What the two ends of a channel share.
//!
//! # Contract
//! Items lie in `buffer`, oldest first. A receiver that was notified with [`ITEM`] is promised one of them, and takes
//! the oldest that is there when it runs; so `buffer` never holds fewer than `promised`, and what is beyond is free for
//! all. Items of senders that wait lie in `blocked`, in the order of the queue `senders`, under the labels with which
//! the senders stand there.
//!
//! As long as a receiver waits nothing in the buffer is free. As long as a sender waits the free items fill the
//! capacity. Every function restores this before it calls what may run code of users: waking, and dropping items. No
//! borrow is open then.

use super::statistics::MemoryStreamStatistics;
use crate::{
    error::Error,
    runtime::{Core, WaitQueue, drop_each},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    rc::Rc,
};

/// A receiver was promised an item; a sender's item was taken.
pub(super) const ITEM: i32 = 0;
/// The handle through which the task waits was closed.
pub(super) const CLOSED: i32 = 1;
/// All handles of the other end were closed.
pub(super) const OTHER_END_CLOSED: i32 = 2;

/// The item of a sender that waits.
struct Blocked<T> {
    label: u64,
    handle: u64,
    item: T,
}

pub(super) struct Channel<T> {
    capacity: usize,
    buffer: RefCell<VecDeque<T>>,
    promised: Cell<usize>,
    peak: Cell<usize>,
    blocked: RefCell<VecDeque<Blocked<T>>>,
    pub(super) senders: WaitQueue,
    pub(super) receivers: WaitQueue,
    open_senders: Cell<usize>,
    open_receivers: Cell<usize>,
    last_label: Cell<u64>,
}

/// What keeps an item from being sent without waiting.
pub(super) enum Refused<T> {
    Full(T),
    Broken(T),
}

/// What there is to receive without waiting.
pub(super) enum Received<T> {
    Item(T),
    Nothing,
    End,
}

impl<T> Channel<T> {
    pub(super) fn new(capacity: usize) -> Rc<Self> {
        Rc::new(Self {
            capacity,
            buffer: RefCell::default(),
            promised: Cell::new(0),
            peak: Cell::new(0),
            blocked: RefCell::default(),
            senders: WaitQueue::new(),
            receivers: WaitQueue::new(),
            open_senders: Cell::new(0),
            open_receivers: Cell::new(0),
            last_label: Cell::new(0),
        })
    }

    /// A number that no handle and no waiting sender of this channel has had.
    pub(super) fn new_label(&self) -> u64 {
        self.last_label.set(self.last_label.get() + 1);
        self.last_label.get()
    }

    pub(super) fn open_sender(&self) {
        self.open_senders.set(self.open_senders.get() + 1);
    }

    pub(super) fn open_receiver(&self) {
        self.open_receivers.set(self.open_receivers.get() + 1);
    }

    fn free_items(&self) -> usize {
        self.buffer.borrow().len() - self.promised.get()
    }

    fn note_peak(&self) {
        self.peak.set(self.peak.get().max(self.free_items()));
    }

    /// Promises the newest item to the first receiver that waits.
    fn promise(&self) -> bool {
        self.receivers.hand_over(ITEM, |_| self.promised.set(self.promised.get() + 1))
    }

    // ---- sending ----

    pub(super) fn send_now(&self, item: T) -> Result<(), Refused<T>> {
        if self.open_receivers.get() == 0 {
            return Err(Refused::Broken(item));
        }
        if self.receivers.first_waiting().is_some() {
            self.buffer.borrow_mut().push_back(item);
            self.promise();
        } else if self.free_items() < self.capacity {
            self.buffer.borrow_mut().push_back(item);
            self.note_peak();
        } else {
            return Err(Refused::Full(item));
        }
        Ok(())
    }

    /// Puts down the item of a sender that is going to wait under the label this gives.
    pub(super) fn block(&self, handle: u64, item: T) -> u64 {
        let label = self.new_label();
        self.blocked.borrow_mut().push_back(Blocked { label, handle, item });
        label
    }

    /// Takes back the item of a sender that waits no more, or, for whoever receives it, of one that waits.
    pub(super) fn unblock(&self, label: u64) -> Option<T> {
        let mut blocked = self.blocked.borrow_mut();
        let place = blocked.binary_search_by_key(&label, |blocked| blocked.label).ok()?;
        // Those who leave are mostly the first.
        blocked.remove(place).map(|blocked| blocked.item)
    }

    pub(super) fn close_sender(&self, handle: u64) {
        self.open_senders.set(self.open_senders.get() - 1);
        Core::change_anywhere(|| self.answer_closed_sender(handle));
    }

    fn answer_closed_sender(&self, handle: u64) {
        let labels: Vec<u64> = self
            .blocked
            .borrow()
            .iter()
            .filter(|blocked| blocked.handle == handle)
            .map(|blocked| blocked.label)
            .collect();
        for label in labels {
            self.senders.answer_labelled(label, CLOSED);
        }
        if self.open_senders.get() == 0 {
            self.receivers.answer_all(OTHER_END_CLOSED);
        }
    }

    // ---- receiving ----

    pub(super) fn receive_now(&self) -> Received<T> {
        let mut item = None;
        if self.free_items() > 0 {
            item = self.buffer.borrow_mut().pop_front();
        }
        // Now the first sender that waits has room, or, where there is no room at all, is received from.
        let room = self.capacity.max(usize::from(item.is_none()));
        if self.free_items() < room {
            self.senders.hand_over(ITEM, |label| {
                let moved = self.unblock(label);
                let mut buffer = self.buffer.borrow_mut();
                buffer.extend(moved);
                if item.is_none() {
                    item = buffer.pop_front();
                }
            });
        }
        match item {
            Some(item) => Received::Item(item),
            None if self.open_senders.get() == 0 => Received::End,
            None => Received::Nothing,
        }
    }

    /// Takes the item that a receiver was promised.
    pub(super) fn take_promised(&self) -> Option<T> {
        self.promised.set(self.promised.get() - 1);
        self.buffer.borrow_mut().pop_front()
    }

    /// Gives up a promise: the item goes to the next who waits, or is free for all.
    pub(super) fn give_up_promise(&self) {
        self.promised.set(self.promised.get() - 1);
        if self.open_receivers.get() == 0 {
            drop_each(self.take_free_items());
        } else if !self.promise() {
            self.note_peak();
        }
    }

    fn take_free_items(&self) -> VecDeque<T> {
        self.buffer.borrow_mut().split_off(self.promised.get())
    }

    pub(super) fn close_receiver(&self, handle: u64) {
        self.open_receivers.set(self.open_receivers.get() - 1);
        let dropped = Core::change_anywhere(|| {
            self.receivers.answer_labelled(handle, CLOSED);
            if self.open_receivers.get() > 0 {
                return VecDeque::new();
            }
            self.senders.answer_all(OTHER_END_CLOSED);
            self.take_free_items()
        });
        // Items are code of users.
        drop_each(dropped);
    }

    pub(super) fn statistics(&self) -> MemoryStreamStatistics {
        MemoryStreamStatistics {
            current_buffer_used: self.free_items(),
            max_buffer_used: self.peak.get(),
            max_buffer_size: self.capacity,
            open_send_streams: self.open_senders.get(),
            open_receive_streams: self.open_receivers.get(),
            tasks_waiting_send: self.senders.len(),
            tasks_waiting_receive: self.receivers.len(),
        }
    }
}

/// The error of sending where nobody can receive any more.
pub(super) fn broken() -> Error {
    Error::BrokenResource(io::Error::new(io::ErrorKind::BrokenPipe, "all receiving ends were closed"))
}
